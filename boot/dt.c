// SPDX-License-Identifier: MIT
#include "boot/dt.h"
#include <libfdt.h>
#include <string.h>

uint64_t dt_cells(const void *from, uint32_t cells)
{
    const uint8_t *p = from;
    uint64_t value = 0;
    for (uint32_t i = 0; i < 4 * cells; i++)
        value = value << 8 | p[i];
    return value;
}

const char *dt_string(const void *tree, int node, const char *name)
{
    int length;
    const char *text = fdt_getprop(tree, node, name, &length);
    return text && length > 0 && strnlen(text, (size_t)length) < (size_t)length ? text : NULL;
}

bool dt_enabled(const void *tree, int node)
{
    if (!fdt_getprop(tree, node, "status", NULL))
        return true;
    const char *status = dt_string(tree, node, "status");
    return status && (!strcmp(status, "okay") || !strcmp(status, "ok"));
}

// An address on the bus that `bus` is, as the root sees it.
static bool translate(const void *tree, int bus, uint64_t *address)
{
    while (bus > 0) {
        int parent = fdt_parent_offset(tree, bus);
        if (parent < 0)
            return false;
        int length;
        const uint8_t *ranges = fdt_getprop(tree, bus, "ranges", &length);
        if (!ranges)
            return false;                  // the children are not in the CPU's address space
        if (length) {
            int child_cells = fdt_address_cells(tree, bus), parent_cells = fdt_address_cells(tree, parent);
            int size_cells = fdt_size_cells(tree, bus);
            // Child addresses of three cells (PCI) are nothing that this kernel drives.
            if (child_cells < 1 || child_cells > 2 || parent_cells < 1 || parent_cells > 2 || size_cells < 1 || size_cells > 2)
                return false;
            int entry = 4 * (child_cells + parent_cells + size_cells);
            bool found = false;
            for (int at = 0; !found && at + entry <= length; at += entry) {
                uint64_t child = dt_cells(ranges + at, (uint32_t)child_cells);
                uint64_t outer = dt_cells(ranges + at + 4 * child_cells, (uint32_t)parent_cells);
                uint64_t size = dt_cells(ranges + at + 4 * (child_cells + parent_cells), (uint32_t)size_cells);
                if (*address >= child && *address - child < size) {
                    *address = outer + (*address - child);
                    found = true;
                }
            }
            if (!found)
                return false;
        }
        bus = parent;
    }
    return true;
}

bool dt_reg(const void *tree, int node, uint32_t index, uint64_t *address, uint64_t *size)
{
    int parent = fdt_parent_offset(tree, node), length;
    if (parent < 0)
        return false;
    int address_cells = fdt_address_cells(tree, parent), size_cells = fdt_size_cells(tree, parent);
    if (address_cells < 1 || address_cells > 2 || size_cells < 0 || size_cells > 2)
        return false;
    const uint8_t *reg = fdt_getprop(tree, node, "reg", &length);
    uint64_t entry = 4u * (uint32_t)(address_cells + size_cells);
    if (!reg || length < 0 || (index + 1ull) * entry > (uint64_t)length)
        return false;
    reg += index * entry;
    *address = dt_cells(reg, (uint32_t)address_cells);
    *size = dt_cells(reg + 4 * address_cells, (uint32_t)size_cells);
    if (*size && *address + *size - 1 < *address)
        return false;
    return translate(tree, parent, address);
}

// The nearest interrupt-parent decides how many cells an interrupt has.
static int interrupt_parent(const void *tree, int node)
{
    for (int at = node; at >= 0; at = at ? fdt_parent_offset(tree, at) : -1) {
        int length;
        const void *phandle = fdt_getprop(tree, at, "interrupt-parent", &length);
        if (phandle && length == 4)
            return fdt_node_offset_by_phandle(tree, (uint32_t)dt_cells(phandle, 1));
    }
    return -1;
}

uint32_t dt_interrupt(const void *tree, int node, uint32_t index)
{
    int length, parent = interrupt_parent(tree, node);
    if (parent < 0)
        return 0;
    const void *cells = fdt_getprop(tree, parent, "#interrupt-cells", &length);
    if (!cells || length != 4)
        return 0;
    uint64_t per_entry = dt_cells(cells, 1);
    const uint8_t *list = fdt_getprop(tree, node, "interrupts", &length);
    if (per_entry < 3 || per_entry > 8 || !list || length < 0 || (index + 1ull) * per_entry * 4 > (uint64_t)length)
        return 0;
    list += index * per_entry * 4;
    uint64_t type = dt_cells(list, 1), number = dt_cells(list + 4, 1);
    if (type == 0 && number < 988)
        return (uint32_t)number + 32;
    return type == 1 && number < 16 ? (uint32_t)number + 16 : 0;
}

int dt_find(const void *tree, const char *const *compatibles, uint32_t *which)
{
    for (uint32_t i = 0; compatibles[i]; i++)
        for (int node = -1; (node = fdt_node_offset_by_compatible(tree, node, compatibles[i])) >= 0;)
            if (dt_enabled(tree, node)) {
                if (which)
                    *which = i;
                return node;
            }
    return -1;
}
