// SPDX-License-Identifier: MIT
// From the device tree to struct platform. The console comes first, so that whatever is wrong with the rest can be said.
// Everything of the tree that is kept is copied.
#include "boot/platform.h"
#include <libfdt.h>
#include <string.h>
#include "boot/dt.h"
#include "boot/early_map.h"
#include "kernel/arm64/mmu.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/panic.h"

struct platform platform;

#define BLOCK 0x200000ull
#define REG_MOST 32       // entries of one memory node that are looked at
static const void *tree;

static void copy_text(char *out, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(out, from, length);
    out[length] = 0;
}

// ---- console ----------------------------------------------------------------------------------------------------------

static bool open_console_node(int node)
{
    uint64_t base, size;
    if (node < 0 || !dt_enabled(tree, node) || !dt_reg(tree, node, 0, &base, &size))
        return false;
    int length;
    const char *list = fdt_getprop(tree, node, "compatible", &length);
    while (list && length > 0) {
        size_t one = strnlen(list, (size_t)length);
        if (one == (size_t)length)
            break;
        if (console_open(list, base)) {
            copy_text(platform.uart_compatible, sizeof platform.uart_compatible, list);
            platform.uart_base = base;
            platform.uart_irq = dt_interrupt(tree, node, 0);
            return true;
        }
        list += one + 1;
        length -= (int)one + 1;
    }
    return false;
}

// /chosen stdout-path, "PATH:OPTIONS" or "ALIAS:OPTIONS"; else the first serial port of the tree that has a driver.
static void open_console(void)
{
    const char *path = dt_string(tree, fdt_path_offset(tree, "/chosen"), "stdout-path");
    if (path) {
        const char *colon = strchr(path, ':');
        if (open_console_node(fdt_path_offset_namelen(tree, path, (int)(colon ? (size_t)(colon - path) : strlen(path)))))
            return;
    }
    if (open_console_node(fdt_path_offset(tree, "serial0")))
        return;
    static const char *const serial[] = { "arm,pl011", "brcm,bcm2835-aux-uart", NULL };
    open_console_node(dt_find(tree, serial, NULL));
}

// ---- memory -----------------------------------------------------------------------------------------------------------

// Takes [start, end) out of a list. A range that would need a slot more than there are loses its upper part.
static void list_subtract(struct memory_range *list, uint32_t *count, uint32_t most, pa_t start, pa_t end)
{
    start &= ~(PAGE_BYTES - 1);
    end = (end + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    for (uint32_t i = 0; i < *count; i++) {
        struct memory_range *range = &list[i];
        if (end <= range->start || start >= range->end)
            continue;
        pa_t upper = range->end;
        range->end = start;
        if (end < upper) {
            if (range->end <= range->start) {
                *range = (struct memory_range){ end, upper };
            } else if (*count < most) {
                list[(*count)++] = (struct memory_range){ end, upper };
            } else {
                log_warning("memory %#lx-%#lx is not used: too many separate pieces", end, upper);
            }
        }
        if (range->end <= range->start)
            list[i--] = list[--*count];
    }
}

static void add_memory(uint64_t start, uint64_t size)
{
    static const uint8_t address_bits[] = { 32, 36, 40, 42, 44, 48 };
    uint64_t range_code = field(sysreg_read(id_aa64mmfr0_el1), 3, 0);
    uint64_t limit = 1ull << address_bits[range_code < 5 ? range_code : 5];
    if (limit > LINEAR_BYTES)
        limit = LINEAR_BYTES;
    uint64_t end = size > limit || start + size > limit ? limit : start + size;
    start = (start + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    end &= ~(PAGE_BYTES - 1);
    if (start >= end)
        return;
    // Ranges of a broken tree may overlap: what is known already is not added twice.
    struct memory_range piece[16] = { { start, end } };
    uint32_t pieces = 1;
    for (uint32_t i = 0; i < platform.memory_count; i++)
        list_subtract(piece, &pieces, 16, platform.memory[i].start, platform.memory[i].end);
    for (uint32_t i = 0; i < pieces; i++) {
        if (platform.memory_count == sizeof platform.memory / sizeof *platform.memory) {
            log_warning("memory %#lx-%#lx is not used: too many ranges", piece[i].start, piece[i].end);
            continue;
        }
        platform.memory[platform.memory_count++] = piece[i];
    }
}

static void read_memory(void)
{
    for (int node = -1; (node = fdt_node_offset_by_prop_value(tree, node, "device_type", "memory", 7)) >= 0;) {
        uint64_t start, size;
        for (uint32_t i = 0; dt_enabled(tree, node) && i < REG_MOST; i++)
            if (dt_reg(tree, node, i, &start, &size))
                add_memory(start, size);
    }
    if (!platform.memory_count)
        panic("the device tree names no memory");
    bool inside = false;
    for (uint32_t i = 0; i < platform.memory_count; i++)
        inside |= platform.memory[i].start <= platform.load_address && platform.image_end <= platform.memory[i].end;
    if (!inside)
        panic("the kernel lies at %#lx, outside the memory that the device tree names", platform.load_address);
}

static void reserve(pa_t start, pa_t end)
{
    if (start < end)
        list_subtract(platform.free_memory, &platform.free_count, sizeof platform.free_memory / sizeof *platform.free_memory, start, end);
}

static void reserve_all(pa_t dtb)
{
    memcpy(platform.free_memory, platform.memory, sizeof platform.memory);
    platform.free_count = platform.memory_count;

    reserve(platform.load_address, platform.image_end);
    reserve(dtb, dtb + fdt_totalsize(tree));
    reserve(platform.initrd_start, platform.initrd_end);
    uint64_t start, size;
    for (int i = 0; i < fdt_num_mem_rsv(tree); i++)
        if (!fdt_get_mem_rsv(tree, i, &start, &size))
            reserve(start, start + size < start ? ~0ull & ~(PAGE_BYTES - 1) : start + size);

    int parent = fdt_path_offset(tree, "/reserved-memory"), node;
    if (parent < 0)
        return;
    fdt_for_each_subnode(node, tree, parent) {
        bool no_map = fdt_getprop(tree, node, "no-map", NULL);
        for (uint32_t i = 0; dt_enabled(tree, node) && i < REG_MOST; i++) {
            if (!dt_reg(tree, node, i, &start, &size) || !size)
                continue;
            reserve(start, start + size);
            if (no_map && platform.no_map_count < sizeof platform.no_map / sizeof *platform.no_map)
                platform.no_map[platform.no_map_count++] = (struct memory_range){
                    start & ~(PAGE_BYTES - 1), (start + size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1) };
        }
    }
}

// ---- chosen -----------------------------------------------------------------------------------------------------------

static bool read_address(int node, const char *name, uint64_t *value)
{
    int length;
    const void *property = fdt_getprop(tree, node, name, &length);
    if (!property || (length != 4 && length != 8))
        return false;
    *value = dt_cells(property, (uint32_t)length / 4);
    return true;
}

static void read_chosen(void)
{
    int chosen = fdt_path_offset(tree, "/chosen"), length;
    const char *bootargs = fdt_getprop(tree, chosen, "bootargs", &length);
    if (bootargs && length > 0) {
        size_t given = strnlen(bootargs, (size_t)length);
        if (given >= sizeof platform.bootargs) {
            log_warning("bootargs are longer than %zu bytes: cut", sizeof platform.bootargs - 1);
            given = sizeof platform.bootargs - 1;
        }
        memcpy(platform.bootargs, bootargs, given);
    }
    uint64_t start, end;
    if (!read_address(chosen, "linux,initrd-start", &start) || !read_address(chosen, "linux,initrd-end", &end) || start == end)
        return;
    bool inside = false;
    for (uint32_t i = 0; i < platform.memory_count; i++)
        inside |= start < end && start >= platform.memory[i].start && end <= platform.memory[i].end;
    if (inside && (end <= platform.load_address || start >= platform.image_end))
        platform.initrd_start = start, platform.initrd_end = end;
    else
        log_warning("initrd %#lx-%#lx is ignored: not in memory, or over the kernel", start, end);
}

bool platform_option(const char *name, char *out, uint32_t size)
{
    size_t length = strlen(name);
    for (const char *word = platform.bootargs; *word;) {
        const char *end = strchr(word, ' ');
        if (!end)
            end = word + strlen(word);
        if ((size_t)(end - word) >= length && !memcmp(word, name, length) && (word + length == end || word[length] == '=')) {
            const char *value = word + length + (word + length != end);
            size_t bytes = (size_t)(end - value);
            if (size) {
                if (bytes >= size)
                    bytes = size - 1;
                memcpy(out, value, bytes);
                out[bytes] = 0;
            }
            return true;
        }
        word = *end ? end + 1 : end;
    }
    return false;
}

// ---- cores, interrupts, firmware ----------------------------------------------------------------------------------------

#define AFFINITY 0xff00ffffffull

static void read_cpus(void)
{
    uint64_t boot = sysreg_read(mpidr_el1) & AFFINITY;
    platform.cpus[0].mpidr = boot;
    platform.cpu_count = 1;
    int parent = fdt_path_offset(tree, "/cpus"), node;
    uint32_t cells = parent < 0 ? 1 : (uint32_t)fdt_address_cells(tree, parent), left_out = 0;
    if (parent < 0 || cells < 1 || cells > 2) {
        log_warning("the device tree names no cores: running on one");
        return;
    }
    fdt_for_each_subnode(node, tree, parent) {
        int length;
        const char *type = dt_string(tree, node, "device_type");
        const void *reg = fdt_getprop(tree, node, "reg", &length);
        if (!type || strcmp(type, "cpu") || !reg || (uint32_t)length < 4 * cells)
            continue;
        uint64_t mpidr = dt_cells(reg, cells) & AFFINITY;
        const char *status = dt_string(tree, node, "status");
        bool known = status && !strncmp(status, "fail", 4);
        for (uint32_t i = 0; i < platform.cpu_count; i++)
            known |= platform.cpus[i].mpidr == mpidr;
        if (known)
            continue;
        if (platform.cpu_count == CPU_MAX) {
            left_out++;
            continue;
        }
        const char *method = dt_string(tree, node, "enable-method");
        uint64_t release = 0;
        bool spin_table = method && !strcmp(method, "spin-table");
        if (spin_table && !read_address(node, "cpu-release-addr", &release)) {
            log_warning("core %#lx has no cpu-release-addr: not used", mpidr);
            continue;
        }
        platform.cpus[platform.cpu_count].mpidr = mpidr;
        platform.cpus[platform.cpu_count].spin_table = spin_table;
        platform.cpus[platform.cpu_count++].release_address = release;
    }
    if (left_out)
        log_warning("%u cores more than this kernel was built for", left_out);
}

static void read_interrupts(void)
{
    static const char *const gics[] = { "arm,gic-v3", "arm,gic-400", "arm,cortex-a15-gic", "arm,gic-v2", NULL };
    uint32_t which;
    int node = dt_find(tree, gics, &which);
    if (node < 0)
        panic("no interrupt controller that this kernel knows (GICv2 or GICv3)");
    uint64_t size, second, second_size;
    if (!dt_reg(tree, node, 0, &platform.gic_distributor, &size) || !dt_reg(tree, node, 1, &second, &second_size))
        panic("the interrupt controller's node has no usable reg");
    if (which == 0) {
        platform.gic = GIC_V3;
        platform.gic_redistributor = second;
        platform.gic_redistributor_bytes = second_size;
    } else {
        platform.gic = GIC_V2;
        platform.gic_cpu_interface = second;
    }

    static const char *const timers[] = { "arm,armv8-timer", "arm,armv7-timer", NULL };
    node = dt_find(tree, timers, NULL);
    platform.timer_irq = node < 0 ? 0 : dt_interrupt(tree, node, 2);      // secure, non-secure, virtual, hypervisor
    if (!platform.timer_irq) {
        log_warning("the device tree does not name the virtual timer's interrupt: taking 27");
        platform.timer_irq = 27;
    }
}

static void read_firmware(void)
{
    static const char *const psci[] = { "arm,psci-1.0", "arm,psci-0.2", NULL };
    int node = dt_find(tree, psci, NULL);
    const char *method = node < 0 ? NULL : dt_string(tree, node, "method");
    if (method)
        platform.psci = !strcmp(method, "hvc") ? PSCI_HVC : !strcmp(method, "smc") ? PSCI_SMC : PSCI_NONE;
    static const char *const watchdog[] = { "brcm,bcm2835-pm-wdt", "brcm,bcm2835-pm", "brcm,bcm2711-pm", NULL };
    uint64_t size;
    node = dt_find(tree, watchdog, NULL);
    if (node >= 0 && !dt_reg(tree, node, 0, &platform.watchdog_base, &size))
        platform.watchdog_base = 0;
    static const char *const rtc[] = { "arm,pl031", NULL };
    node = dt_find(tree, rtc, NULL);
    if (node >= 0 && !dt_reg(tree, node, 0, &platform.rtc_base, &size))
        platform.rtc_base = 0;
}

void platform_read(pa_t dtb, pa_t load_address, uint32_t entry_el)
{
    extern char image_start[], image_end[];
    platform.load_address = load_address;
    platform.image_end = load_address + (uint64_t)(image_end - image_start);
    platform.entry_el = entry_el;

    // Without a tree there is no console to complain on: the panic only stops the machine.
    tree = (const void *)(DTB_BASE + (dtb & (BLOCK - 1)));
    if (!dtb || dtb & 7 || fdt_magic(tree) != FDT_MAGIC)
        panic("no device tree at %#lx", dtb);
    uint64_t bytes = fdt_totalsize(tree);
    if (bytes > BLOCK)
        panic("the device tree says it has %#lx bytes; 2 MiB are allowed", bytes);
    if ((dtb & (BLOCK - 1)) + bytes > BLOCK)
        early_map_dtb_tail(dtb);
    // libfdt checks what it reads, so even a damaged tree may lead to a console on which to say so.
    if (!fdt_check_header(tree))
        open_console();
    int error = fdt_check_full(tree, bytes);
    if (error)
        panic("the device tree is damaged: %s", fdt_strerror(error));

    const char *model = dt_string(tree, 0, "model");
    if (!model)
        model = dt_string(tree, 0, "compatible");
    copy_text(platform.machine, sizeof platform.machine, model ? model : "unnamed machine");
    read_firmware();
    read_memory();
    read_chosen();
    reserve_all(dtb);
    read_cpus();
    read_interrupts();
}
