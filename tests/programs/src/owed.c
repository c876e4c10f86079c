// SPDX-License-Identifier: MIT
// owed: a thread is stopped in a leaf, and meanwhile another one rewrites the code to which the leaf returns. What the leaf saw of the other thread's work
// the code behind it must have seen, too: the translator keeps the return address of a leaf in registers (emu/lower/owed.c).
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#ifdef __x86_64__
// Long, so that the thread is nearly always stopped in here. It looks at what the other thread has done, first and last: rdx is 1 if that was in between,
// 3 if before, 0 if not yet. (QEMU takes interrupts where translated code branches, so it branches.)
__asm__(".text\n.balign 16\n.globl long_leaf\nlong_leaf:\n\tmov (%rcx), %r9\n\t.rept 16\n\t.rept 10\n\timul $3, %eax, %eax\n\t.endr\n\t"
        "test %eax, %eax\n\tjs 1f\n\tadd $5, %eax\n1:\n\t.endr\n\tmov (%rcx), %rdx\n\tlea (%rdx, %r9, 2), %rdx\n\tret");
extern void long_leaf(void);

enum { PAGES = 60, ROUNDS_MOST = 3000000 };

// sub rsp, 40; call r8 or call long_leaf; mov eax, imm32; shl rdx, 32; or rax, rdx; add rsp, 40; ret
static const uint8_t before[] = { 0x48, 0x83, 0xec, 0x28 }, by_value[] = { 0x41, 0xff, 0xd0 }, move[] = { 0xb8, 0, 0, 0, 0 },
                     after[] = { 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0x48, 0x83, 0xc4, 0x28, 0xc3 };
typedef uint64_t caller(volatile uint64_t *told, void *unused, void (*leaf)(void));

static volatile uint64_t told;                      // 1 when the code has been rewritten
static volatile uint32_t *volatile immediate;
static volatile uint32_t done;

static caller *make(uint8_t *page, int direct)
{
    uint8_t *at = page;
    memcpy(at, before, sizeof before), at += sizeof before;
    if (direct) {
        int64_t distance = (uint8_t *)long_leaf - (at + 5);
        if (distance != (int32_t)distance)
            return NULL;
        *at++ = 0xe8, memcpy(at, &(int32_t){ (int32_t)distance }, 4), at += 4;
    } else {
        memcpy(at, by_value, sizeof by_value), at += sizeof by_value;
    }
    memcpy(at, move, sizeof move), at += sizeof move;
    memcpy(at, after, sizeof after);
    immediate = (uint32_t *)(at - 4);
    return (caller *)(void *)page;
}

static DWORD WINAPI rewriter(void *unused)
{
    (void)unused;
    while (!done) {
        Sleep(3);                                   // wakes up while the other thread is in the leaf
        volatile uint32_t *at = immediate;
        if (!at)
            continue;
        immediate = NULL;
        *at = 1;
        told = 1;
    }
    return 0;
}

static unsigned run(uint8_t *pages, int direct)
{
    unsigned wrong = 0, never = 0, caught = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        told = 0;
        caller *call = make(pages + i * 4096, direct);
        if (!call)
            return 1000000;
        uint64_t got = 0;
        unsigned round = 0;
        for (; round < ROUNDS_MOST && !(got >> 32); round++)
            got = call(&told, NULL, long_leaf);     // high half: what the leaf saw; low half: what the code behind it says
        wrong += got >> 32 == 1 && (uint32_t)got != 1;
        caught += got >> 32 == 1;
        never += round == ROUNDS_MOST;
    }
    return wrong + never * 1000 + (caught < PAGES / 6) * 100;       // or it has shown nothing
}

int main(void)
{
    // Near the image, so that a direct call reaches the leaf.
    uint8_t *pages = NULL, *image = (uint8_t *)((uintptr_t)long_leaf & ~(uintptr_t)0xffff);
    for (unsigned i = 1; i < 64 && !pages; i++)
        pages = VirtualAlloc(image + i * 0x1000000ull, 2 * PAGES * 4096, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
    HANDLE thread = pages ? CreateThread(NULL, 0, rewriter, NULL, 0, NULL) : NULL;
    if (!thread)
        return 2;
    unsigned direct = run(pages, 1), indirect = run(pages + PAGES * 4096, 0);
    done = 1;
    WaitForSingleObject(thread, INFINITE);
    printf("direct: %u wrong\nindirect: %u wrong\n", direct, indirect);
    return direct || indirect;
}
#else
int main(void) { return 0; }
#endif
