// SPDX-License-Identifier: MIT
// Copies standard input to standard output byte for byte, counts on standard error.
#include <fcntl.h>
#include <io.h>
#include <stdio.h>

int main(void)
{
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    static char buffer[3000];
    size_t count, total = 0;
    while ((count = fread(buffer, 1, sizeof buffer, stdin)) > 0) {
        fwrite(buffer, 1, count, stdout);
        total += count;
    }
    fflush(stdout);
    fprintf(stderr, "%u bytes\n", (unsigned)total);
    return 0;
}
