// SPDX-License-Identifier: MIT
// The kernel keeps frame pointers (-fno-omit-frame-pointer): x29 points at {caller's x29, return address}. A broken stack
// must not make the report fault, so a record is read only where the kernel can have a stack and only upwards.
#include "kernel/backtrace.h"
#include "kernel/arm64/mmu.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/log.h"
#include "kernel/symbols.h"

extern char image_start[], text_end[];

const char *symbol_find(uint64_t address, uint64_t *offset)
{
    if (address < (uint64_t)image_start || address >= (uint64_t)text_end || &kernel_symbols_end[0] <= &kernel_symbols[0])
        return NULL;
    const struct kernel_symbol *low = kernel_symbols, *high = kernel_symbols_end;
    while (high - low > 1) {
        const struct kernel_symbol *middle = low + (high - low) / 2;
        if (middle->address <= address)
            low = middle;
        else
            high = middle;
    }
    if (address < low->address)
        return NULL;
    *offset = address - low->address;
    return kernel_symbol_names + low->name;
}

static bool readable(uint64_t address)
{
    uint64_t result;
    uint64_t daif = interrupts_mask();
    __asm__ volatile("at s1e1r, %1; isb; mrs %0, par_el1" : "=r"(result) : "r"(address) : "memory");
    interrupts_restore(daif);
    return address >= LINEAR_BASE && !(address & 7) && !(result & 1);
}

static void place(uint64_t pc, void (*line)(const char *text))
{
    char text[160];
    uint64_t offset;
    const char *name = symbol_find(pc, &offset);
    if (name)
        format_text(text, sizeof text, "  %016lx %s+%#lx", pc, name, offset);
    else
        format_text(text, sizeof text, "  %016lx", pc);
    line(text);
}

void backtrace(uint64_t pc, uint64_t lr, uint64_t fp, void (*line)(const char *text))
{
    uint64_t offset;
    if (pc)
        place(pc, line);
    // A frame that has been made holds a return address into another function than lr points to, or lr itself.
    bool framed = readable(fp) && readable(fp + 8) && ((const uint64_t *)fp)[1] == lr;
    const char *name = symbol_find(lr - 4, &offset), *inner = symbol_find(pc, &offset);
    if (lr && !framed && name && name != inner)
        place(lr - 4, line);
    for (unsigned depth = 0; depth < 32 && readable(fp) && readable(fp + 8); depth++) {
        const uint64_t *record = (const uint64_t *)fp;
        if (!record[1])
            break;
        place(record[1] - 4, line);      // the call, not what follows it
        if (record[0] <= fp)
            break;
        fp = record[0];
    }
}
