// SPDX-License-Identifier: MIT
// API sets: contract names of DLLs and the DLL here that has the functions. First match wins; a name matches when it begins
// with the row's prefix, so every version of a contract is covered.
#include "images/ntdll/internal.h"

static const struct { const char *prefix; const wchar_t *host; } contracts[] = {
    { "api-ms-win-crt-", L"ucrtbase.dll" },
    { "api-ms-win-core-rtlsupport-", L"ntdll.dll" },
    { "api-ms-win-core-", L"kernel32.dll" },
    { "api-ms-win-eventing-", L"advapi32.dll" },
    { "api-ms-win-security-", L"advapi32.dll" },
    { "kernelbase.dll", L"kernel32.dll" },
};

const wchar_t *apiset_resolve(const wchar_t *name, size_t chars) {
    for (unsigned i = 0; i < sizeof contracts / sizeof *contracts; i++) {
        const char *p = contracts[i].prefix;
        size_t n = 0;
        while (p[n] && n < chars && (name[n] >= 'A' && name[n] <= 'Z' ? name[n] + 32 : name[n]) == p[n]) n++;
        if (!p[n]) return contracts[i].host;
    }
    return 0;
}
