// SPDX-License-Identifier: MIT
// Loads a DLL by name at run time and asks it; says the error when it cannot.
#include <stdio.h>
#include <windows.h>

int main(int argc, char **argv)
{
    HMODULE library = LoadLibraryA(argc > 1 ? argv[1] : "who.dll");
    if (!library) {
        printf("error %lu\n", (unsigned long)GetLastError());
        return 0;
    }
    int (*architecture)(void) = (int (*)(void))(void *)GetProcAddress(library, "architecture");
    printf("architecture %d\n", architecture ? architecture() : -1);
    printf("not_there %d\n", GetProcAddress(library, "not_there") != NULL);
    printf("same handle %d\n", GetModuleHandleA(argc > 1 ? argv[1] : "who.dll") == library);
    return FreeLibrary(library) ? 0 : 1;
}
