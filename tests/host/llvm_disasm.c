// SPDX-License-Identifier: MIT
#include "tests/host/llvm_disasm.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef void initialize(void);
typedef void *create(const char *triple, const char *cpu, const char *features, void *info, int tag, void *operand, void *symbol);
typedef size_t disassemble(void *context, uint8_t *bytes, uint64_t size, uint64_t address, char *text, size_t text_size);

struct llvm_disasm {
    void *context;
    disassemble *one;
};

static void *library(void)
{
    static void *handle;
    for (unsigned version = 19; !handle && version < 30; version++) {
        char name[40];
        snprintf(name, sizeof name, "libLLVM.so.%u.1", version);
        handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
    return handle;
}

static bool initialize_target(const char *target)
{
    static const char *const parts[] = { "TargetInfo", "TargetMC", "Disassembler" };
    for (unsigned i = 0; i < 3; i++) {
        char name[80];
        snprintf(name, sizeof name, "LLVMInitialize%s%s", target, parts[i]);
        initialize *function = (initialize *)dlsym(library(), name);
        if (!function)
            return false;
        function();
    }
    return true;
}

struct llvm_disasm *llvm_disasm_open(const char *triple, const char *cpu, const char *features)
{
    static struct llvm_disasm open[16];
    static unsigned count;
    if (!library() || count == 16 || !initialize_target(triple[0] == 'a' ? "AArch64" : "X86"))
        return NULL;
    create *function = (create *)dlsym(library(), "LLVMCreateDisasmCPUFeatures");
    struct llvm_disasm *d = &open[count];
    d->one = (disassemble *)dlsym(library(), "LLVMDisasmInstruction");
    d->context = function ? function(triple, cpu, features, NULL, 0, NULL, NULL) : NULL;
    if (!d->one || !d->context)
        return NULL;
    count++;
    return d;
}

size_t llvm_disasm_one(struct llvm_disasm *d, const uint8_t *bytes, size_t size, uint64_t address, char *text, size_t text_size)
{
    char raw[256] = "";
    size_t length = d->one(d->context, (uint8_t *)bytes, size, address, raw, sizeof raw), used = 0;
    for (const char *c = raw + strspn(raw, " \t"); *c && used + 1 < text_size; c++)
        if (!strchr(" \t", *c) || (used && text[used - 1] != ' '))
            text[used++] = *c == '\t' ? ' ' : *c;
    while (used && text[used - 1] == ' ')
        used--;
    if (text_size)
        text[used] = 0;
    return length;
}
