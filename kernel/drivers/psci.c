// SPDX-License-Identifier: MIT
#include "kernel/drivers/psci.h"
#include "boot/platform.h"

int32_t psci_call(uint32_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;
    // SMCCC: x4-x17 may be lost.
#define CALL(instruction) \
    __asm__ volatile(instruction " #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) :: "x4", "x5", "x6", "x7", "x8", "x9", \
                     "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory")
    if (platform.psci == PSCI_HVC)
        CALL("hvc");
    else if (platform.psci == PSCI_SMC)
        CALL("smc");
    else
        return -1;
    return (int32_t)x0;
}

const char *psci_error(int32_t result)
{
    static const char *const names[] = { "success", "not supported", "invalid parameters", "denied", "already on", "on pending",
                                         "internal failure", "not present", "disabled", "invalid address" };
    return result <= 0 && result > -10 ? names[-result] : "unknown result";
}
