// SPDX-License-Identifier: MIT
// Reads in.txt of the current directory, writes out.txt, appends to log.txt, deletes old.txt.
#include <ctype.h>
#include <stdio.h>

int main(void)
{
    char text[100];
    FILE *in = fopen("in.txt", "rb"), *out = fopen("out.txt", "wb"), *log = fopen("log.txt", "ab");
    if (!in || !out || !log) {
        perror("open");
        return 1;
    }
    size_t count = fread(text, 1, sizeof text, in);
    for (size_t i = count; i-- > 0;)
        fputc(toupper((unsigned char)text[i]), out);
    fprintf(log, "%u bytes\n", (unsigned)count);
    if (fclose(in) || fclose(out) || fclose(log) || remove("old.txt"))
        return 2;
    if (fopen("old.txt", "rb") || fopen("none\\such.txt", "rb"))
        return 3;
    FILE *again = fopen("OUT.TXT", "rb");       // names do not tell upper from lower case
    if (!again || fseek(again, -2, SEEK_END) || ftell(again) + 2 != (long)count)
        return 4;
    printf("last: %c\n", fgetc(again));
    return fclose(again) ? 5 : 0;
}
