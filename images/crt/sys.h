// SPDX-License-Identifier: MIT
// System calls for code of the system DLLs and of native programs: SYS(name, arguments...) is `svc #number`.
// Include before the Windows headers: their macros of the same names then hide the kernel's constants (same values).
#pragma once
#include "kernel/abi/ntstatus.h"
#include "kernel/abi/process.h"
#include "kernel/abi/syscall.h"
#include <stdbool.h>
#include <stddef.h>

#define SYS_COUNT_(a, b, c, d, e, f, g, n, ...) n
#define SYS_COUNT(...) SYS_COUNT_(_, ##__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)
#define SYS_PASTE_(a, b) a##b
#define SYS_PASTE(a, b) SYS_PASTE_(a, b)
#define SYS(name, ...) SYS_PASTE(SYS_DO_, SYS_COUNT(__VA_ARGS__))(SYS_##name, ##__VA_ARGS__)

#define SYS_REG(n, value) register uint64_t x##n __asm__("x" #n) = (uint64_t)(value)
#define SYS_SVC(number, ...) \
    __asm__ volatile("svc %[n]" : "+r"(x0) : [n] "i"(number), ##__VA_ARGS__ : "memory"); (status_t)x0
#define SYS_DO_0(k) ({ SYS_REG(0, 0); SYS_SVC(k); })
#define SYS_DO_1(k, a) ({ SYS_REG(0, a); SYS_SVC(k); })
#define SYS_DO_2(k, a, b) ({ uint64_t b_ = (uint64_t)(b); SYS_REG(0, a); SYS_REG(1, b_); SYS_SVC(k, "r"(x1)); })
#define SYS_DO_3(k, a, b, c) ({ uint64_t b_ = (uint64_t)(b), c_ = (uint64_t)(c); \
    SYS_REG(0, a); SYS_REG(1, b_); SYS_REG(2, c_); SYS_SVC(k, "r"(x1), "r"(x2)); })
#define SYS_DO_4(k, a, b, c, d) ({ uint64_t b_ = (uint64_t)(b), c_ = (uint64_t)(c), d_ = (uint64_t)(d); \
    SYS_REG(0, a); SYS_REG(1, b_); SYS_REG(2, c_); SYS_REG(3, d_); SYS_SVC(k, "r"(x1), "r"(x2), "r"(x3)); })
#define SYS_DO_5(k, a, b, c, d, e) ({ \
    uint64_t b_ = (uint64_t)(b), c_ = (uint64_t)(c), d_ = (uint64_t)(d), e_ = (uint64_t)(e); \
    SYS_REG(0, a); SYS_REG(1, b_); SYS_REG(2, c_); SYS_REG(3, d_); SYS_REG(4, e_); \
    SYS_SVC(k, "r"(x1), "r"(x2), "r"(x3), "r"(x4)); })
#define SYS_DO_6(k, a, b, c, d, e, f) ({ \
    uint64_t b_ = (uint64_t)(b), c_ = (uint64_t)(c), d_ = (uint64_t)(d), e_ = (uint64_t)(e), f_ = (uint64_t)(f); \
    SYS_REG(0, a); SYS_REG(1, b_); SYS_REG(2, c_); SYS_REG(3, d_); SYS_REG(4, e_); SYS_REG(5, f_); \
    SYS_SVC(k, "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)); })

// The running thread's TEB and its process's PEB, by the offsets of kernel/abi/process.h.
static inline uint8_t *teb_self(void) { uint8_t *teb; __asm__("mov %0, x18" : "=r"(teb)); return teb; }
#define TEB_FIELD(type, offset) (*(type volatile *)(teb_self() + (offset)))
static inline uint8_t *peb_self(void) { return (uint8_t *)TEB_FIELD(uint64_t, TEB_PEB); }
#define PEB_FIELD(type, offset) (*(type volatile *)(peb_self() + (offset)))
