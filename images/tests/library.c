// SPDX-License-Identifier: MIT
// crossing.dll: native code in both views.
#define CROSSING_API __declspec(dllexport)
#include "images/tests/crossing.h"
#include "images/tests/checker.h"
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

void lib_trash(void *unused)
{
    (void)unused;
    __asm__ volatile("movi v0.16b, #0xa5\n mov v1.16b, v0.16b\n mov v2.16b, v0.16b\n mov v3.16b, v0.16b\n"
                     "mov v4.16b, v0.16b\n mov v5.16b, v0.16b\n mov v6.16b, v0.16b\n mov v7.16b, v0.16b\n"
                     "mov v8.16b, v0.16b\n mov v9.16b, v0.16b\n mov v10.16b, v0.16b\n mov v11.16b, v0.16b\n"
                     "mov v12.16b, v0.16b\n mov v13.16b, v0.16b\n mov v14.16b, v0.16b\n mov v15.16b, v0.16b\n"
                     "mov x0, #-1\n mov x1, x0\n mov x2, x0\n mov x3, x0\n mov x4, x0\n mov x5, x0\n mov x6, x0\n mov x7, x0\n"
                     "mov x8, x0\n mov x9, x0\n mov x10, x0\n mov x11, x0\n mov x12, x0\n mov x15, x0\n mov x16, x0\n mov x17, x0\n"
                     "mov x19, x0\n mov x20, x0\n mov x21, x0\n mov x22, x0\n mov x25, x0\n mov x26, x0\n mov x27, x0\n cmp x0, #0"
                     : : : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
                       "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x15", "x16", "x17",
                       "x19", "x20", "x21", "x22", "x25", "x26", "x27", "cc", "memory");
}

void lib_call(void *callback)
{
    struct callback *c = callback;
    c->f(c->argument);
}

void lib_hold_short_checker(void) { hold_short_checker(); }

void lib_call_with_thunk(void *call)
{
#ifdef __arm64ec__
    struct thunk_call *c = call;
    register void *target __asm__("x11") = c->target, *thunk __asm__("x10") = c->thunk;
    __asm__ volatile("blr %2\n blr x11" : "+r"(target), "+r"(thunk) : "r"(__os_arm64x_check_icall)
                     : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x9", "x12", "x15", "x16", "x17", "x30", "cc", "memory");
#else
    (void)call;
#endif
}

void lib_read(void *address) { (void)*(volatile uint8_t *)address; }

// The middle of a function: the word before is an instruction, with two low bits that are not 01.
void *lib_code_without_thunk(void)
{
    void *here;
    __asm__ volatile("adr %0, 1f\n .balign 4\n nop\n 1: nop" : "=r"(here));
    return here;
}

int lib_call_int(int (*f)(int), int x) { return f(x) * 2; }

#ifdef __arm64ec__
__attribute__((hybrid_patchable))
#endif
__attribute__((noinline)) int lib_patchable(int x)
{
    __asm__ volatile("");
    return x + 1;
}
int lib_call_patchable(int x) { return lib_patchable(x) * 2; }

BOOL WINAPI dll_main(HINSTANCE base, DWORD reason, void *reserved)
{
    (void)base, (void)reserved;
    return reason <= DLL_THREAD_DETACH;
}
