// SPDX-License-Identifier: MIT
// Assembly functions for both namespaces: in ARM64EC objects a C function `name` is the symbol "#name".
#pragma once
.macro function name
#if defined(__arm64ec__)
    .globl "#\name"
    .def "#\name"; .scl 2; .type 32; .endef
    .weak_anti_dep \name
    .set \name, "#\name"
    .balign 4
"#\name":
    .seh_proc "#\name"
#else
    .globl \name
    .def \name; .scl 2; .type 32; .endef
    .balign 4
\name:
    .seh_proc \name
#endif
.endm

.macro call name
#if defined(__arm64ec__)
    bl "#\name"
#else
    bl \name
#endif
.endm
