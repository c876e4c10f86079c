// SPDX-License-Identifier: MIT
// x87 stores into pages that hold code: beside it, into code that has run, and into the instruction that comes next. And one that
// makes the stack grow.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#if !defined __x86_64__
int main(void)
{
    puts("no x64");
    return 0;
}
#else
typedef uint32_t function(void);

int main(void)
{
    // mov eax, 1; ret                  fild dword [rip + number]; fistp dword [rip + next + 1]; next: mov eax, 0; ret; number
    static const unsigned char simple[] = { 0xb8, 1, 0, 0, 0, 0xc3 };
    static const unsigned char itself[] = { 0xdb, 0x05, 12, 0, 0, 0, 0xdb, 0x1d, 1, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xc3, 0, 0, 0, 0 };
    unsigned char *page = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
    if (!page)
        return 1;
    memcpy(page, simple, sizeof simple);
    memcpy(page + 64, itself, sizeof itself);
    function *first, *second;
    void *at = page + 64;
    memcpy(&first, &page, sizeof first);
    memcpy(&second, &at, sizeof second);
    uint32_t value = 1234, sum = 0;
    for (int i = 0; i < 3; i++) {
        sum += first();
        __asm__ volatile("fildl %1; fstpl %0" : "=m"(*(double *)(page + 512)) : "m"(value));
    }
    printf("beside %u %.0f\n", sum, *(double *)(page + 512));
    __asm__ volatile("fildl %1; fistpl %0" : "=m"(*(uint32_t *)(page + 1)) : "m"(value));
    printf("before %u\n", first());
    for (uint32_t i = 1; i < 4; i++) {
        memcpy(page + 64 + 18, &(uint32_t){ i * 111 }, 4);
        printf("itself %u\n", second());
    }
    double *below;
    uint64_t low;
    __asm__ volatile("mov %%rsp, %0" : "=r"(low));
    for (int i = 1; i < 12; i++) {
        below = (double *)(low - (uint64_t)i * 4096 - 2048);
        __asm__ volatile("fldpi; fstpl %0" : "=m"(*below));
    }
    printf("stack %.4f\n", *below);
    return 0;
}
#endif
