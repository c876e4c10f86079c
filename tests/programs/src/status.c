// SPDX-License-Identifier: MIT
// Ends with the exit status that its argument names, in any base C knows.
#include <stdlib.h>
#include <windows.h>

int main(int argc, char **argv)
{
    ExitProcess(argc > 1 ? (UINT)strtoul(argv[1], NULL, 0) : 0);
}
