// SPDX-License-Identifier: MIT
// The list of loaded modules: finding, loading from a file, attaching, releasing.
// Everything here runs with loader_lock held.
#include "images/ntdll/internal.h"

struct module *module_exe, *module_ntdll;
RTL_CRITICAL_SECTION loader_lock;

// PEB_LDR_DATA
static struct {
    uint32_t bytes, initialised;
    void *ss;
    LIST_ENTRY load, memory, init;
    uint8_t rest[0x20];
} ldr_data;

static void list_init(LIST_ENTRY *head) { head->Flink = head->Blink = head; }
static void list_add(LIST_ENTRY *head, LIST_ENTRY *entry) {
    entry->Flink = head;
    entry->Blink = head->Blink;
    head->Blink->Flink = entry;
    head->Blink = entry;
}
static void list_remove(LIST_ENTRY *entry) {
    if (!entry->Flink) return;
    entry->Flink->Blink = entry->Blink;
    entry->Blink->Flink = entry->Flink;
    entry->Flink = entry->Blink = 0;
}
static struct module *from_load(LIST_ENTRY *l) { return CONTAINING_RECORD(l, struct module, load_links); }
static struct module *from_init(LIST_ENTRY *l) { return CONTAINING_RECORD(l, struct module, init_links); }

void modules_init_lists(void) {
    ldr_data.bytes = 0x58;
    ldr_data.initialised = 1;
    list_init(&ldr_data.load);
    list_init(&ldr_data.memory);
    list_init(&ldr_data.init);
    PEB_FIELD(uint64_t, PEB_LDR) = (uint64_t)&ldr_data;
    PEB_FIELD(uint64_t, 0x110) = (uint64_t)&loader_lock;
    RtlInitializeCriticalSection(&loader_lock);
}

struct module *module_find(const wchar_t *name, size_t chars) {
    for (LIST_ENTRY *l = ldr_data.load.Flink; l != &ldr_data.load; l = l->Flink) {
        struct module *m = from_load(l);
        if (wide_equal(m->base_name.Buffer, m->base_name.Length / 2, name, chars) ||
            wide_equal(m->full_name.Buffer, m->full_name.Length / 2, name, chars)) return m;
    }
    return 0;
}

struct module *module_at(const void *address) {
    for (LIST_ENTRY *l = ldr_data.load.Flink; l != &ldr_data.load; l = l->Flink) {
        struct module *m = from_load(l);
        if ((uint8_t *)address >= m->base && (uint8_t *)address < m->base + m->image_bytes) return m;
    }
    return 0;
}

// Enters a mapped image in the lists. Its imports are not looked at yet.
status_t module_add(uint8_t *base, const wchar_t *path, size_t chars, struct module **out) {
    struct module *m = heap_get(sizeof *m);
    if (!m) return STATUS_NO_MEMORY;
    IMAGE_NT_HEADERS64 *nt = image_headers(base);
    status_t status = function_table_add_image(base, nt->OptionalHeader.SizeOfImage);
    if (NT_ERROR(status)) { heap_put(m); return status; }
    m->base = base;
    m->image_bytes = nt->OptionalHeader.SizeOfImage;
    m->time_stamp = nt->FileHeader.TimeDateStamp;
    m->tls = -1;
    m->load_count = 1;
    bool dll = nt->FileHeader.Characteristics & IMAGE_FILE_DLL;
    m->flags = dll ? 4 : 0;
    if (nt->OptionalHeader.AddressOfEntryPoint) m->entry = base + nt->OptionalHeader.AddressOfEntryPoint;
    size_t name = chars;
    while (name && path[name - 1] != '\\' && path[name - 1] != '/') name--;
    unicode_set(&m->full_name, path, chars);
    unicode_set(&m->base_name, path + name, chars - name);
    list_add(&ldr_data.load, &m->load_links);
    list_add(&ldr_data.memory, &m->memory_links);
    if (PROCESS_IS_X64) chpe_fill_cells(base);
    image_set_cookie(base);
    *out = m;
    return STATUS_SUCCESS;
}

static status_t map_file(const wchar_t *path, size_t chars, uint8_t **base) {
    char utf8[MAX_PATH_CHARS];
    size_t n = wide_to_utf8(path, chars, utf8, sizeof utf8);
    handle_t image;
    status_t status = SYS(image_open, utf8, n, &image);
    if (NT_ERROR(status)) return status;
    uint64_t address = 0, size = 0;
    status = SYS(image_map, image, HANDLE_CURRENT_PROCESS, &address, &size);
    SYS(handle_close, image);
    *base = (uint8_t *)address;
    return status;
}

static bool is_missing(status_t status) {
    return status == STATUS_NO_SUCH_FILE || status == STATUS_OBJECT_NAME_NOT_FOUND;
}

static size_t append(wchar_t *path, size_t at, const wchar_t *text, size_t chars) {
    for (size_t i = 0; i < chars && at < MAX_PATH_CHARS - 1; i++) path[at++] = text[i];
    path[at] = 0;
    return at;
}

// Where a DLL without a directory is looked for: the program's directory, the system directory, the current directory.
static status_t map_search(const wchar_t *name, size_t chars, wchar_t *path, size_t *path_chars, uint8_t **base) {
    bool has_directory = false;
    for (size_t i = 0; i < chars; i++) if (name[i] == '\\' || name[i] == '/' || name[i] == ':') has_directory = true;
    if (has_directory) {
        *path_chars = append(path, 0, name, chars);
        return map_file(path, *path_chars, base);
    }
    UNICODE_STRING *exe = &module_exe->full_name, *directory = (void *)(PEB_FIELD(uint64_t, PEB_PARAMETERS) + 0x38);
    size_t app = exe->Length / 2;
    while (app && exe->Buffer[app - 1] != '\\' && exe->Buffer[app - 1] != '/') app--;
    static const wchar_t system[] = L"C:\\Windows\\System32\\";
    struct { const wchar_t *text; size_t chars; } places[] = {
        { exe->Buffer, app }, { system, sizeof system / 2 - 1 }, { directory->Buffer, directory->Length / 2 },
    };
    status_t status = STATUS_NO_SUCH_FILE;
    for (unsigned i = 0; i < 3; i++) {
        size_t n = append(path, 0, places[i].text, places[i].chars);
        if (n && path[n - 1] != '\\' && path[n - 1] != '/') n = append(path, n, L"\\", 1);
        *path_chars = append(path, n, name, chars);
        status = map_file(path, *path_chars, base);
        if (!is_missing(status)) return status;
    }
    return status;
}

static void unload(struct module *m) {
    list_remove(&m->load_links);
    list_remove(&m->memory_links);
    list_remove(&m->init_links);
    tls_module_remove(m);
    function_table_remove_image(m->base);
    SYS(view_unmap, HANDLE_CURRENT_PROCESS, m->base);
    for (unsigned i = 0; i < m->import_count; i++) module_release(m->imports[i]);
    heap_put(m->imports);
    heap_put(m->full_name.Buffer);
    heap_put(m->base_name.Buffer);
    heap_put(m);
}

// Loads a DLL by name or finds it loaded; the caller gets a reference. wanted_by: the module that imports it, or null.
// Attaching is separate, so that a whole graph is bound before any DllMain runs.
status_t module_load(const wchar_t *name, struct module *wanted_by, struct module **out) {
    wchar_t with_suffix[MAX_PATH_CHARS];
    size_t chars = wide_length(name);
    while (chars && name[chars - 1] == ' ') chars--;
    if (chars > MAX_PATH_CHARS - 8) return STATUS_DLL_NOT_FOUND;
    bool dot = false;
    for (size_t i = 0; i < chars; i++) {
        if (name[i] == '.') dot = true;
        if (name[i] == '\\' || name[i] == '/') dot = false;
    }
    size_t n = append(with_suffix, 0, name, chars);
    if (!dot) n = append(with_suffix, n, L".dll", 4);
    else if (with_suffix[n - 1] == '.') with_suffix[--n] = 0;
    const wchar_t *target = apiset_resolve(with_suffix, n);
    if (!target) target = with_suffix;
    else n = wide_length(target);
    struct module *m = module_find(target, n);
    if (m) {
        if (m->references > 0) m->references++;
        *out = m;
        return STATUS_SUCCESS;
    }
    wchar_t path[MAX_PATH_CHARS];
    size_t path_chars = 0;
    uint8_t *base;
    status_t status = map_search(target, n, path, &path_chars, &base);
    if (is_missing(status)) return STATUS_DLL_NOT_FOUND;
    if (NT_ERROR(status)) {
        if (wanted_by) fatal(status, "%S: cannot load %S: status %8x (%s)", wanted_by->base_name.Buffer, path, (unsigned)status,
                             status == STATUS_IMAGE_MACHINE_TYPE_MISMATCH ? "it is for another machine than the process" :
                             status == STATUS_INVALID_IMAGE_FORMAT ? "the image is malformed" : "see the kernel log");
        return status;
    }
    status = module_add(base, path, path_chars, &m);
    if (NT_ERROR(status)) return status;
    m->references = 1;
    status = module_resolve_imports(m);
    if (!NT_ERROR(status)) status = tls_module_add(m);
    if (NT_ERROR(status)) { unload(m); return status; }
    *out = m;
    return STATUS_SUCCESS;
}

typedef BOOL(NTAPI *dll_main_fn)(void *base, DWORD reason, void *reserved);

// Runs DLL_PROCESS_ATTACH for what the module imports, then for itself.
status_t module_attach(struct module *m, bool at_start) {
    if (m->attached || m->visiting) return STATUS_SUCCESS;
    m->visiting = true;
    for (unsigned i = 0; i < m->import_count; i++) {
        status_t status = module_attach(m->imports[i], at_start);
        if (NT_ERROR(status)) { m->visiting = false; return status; }
    }
    m->visiting = false;
    m->attached = true;
    list_add(&ldr_data.init, &m->init_links);
    if (!(m->flags & 4)) return STATUS_SUCCESS;
    tls_callbacks(m, DLL_PROCESS_ATTACH);
    if (m->entry && !((dll_main_fn)m->entry)(m->base, DLL_PROCESS_ATTACH, at_start ? (void *)1 : 0)) {
        if (at_start) fatal(STATUS_DLL_INIT_FAILED, "%S: its DllMain refused to start", m->full_name.Buffer);
        return STATUS_DLL_INIT_FAILED;
    }
    return STATUS_SUCCESS;
}

// Gives a reference back; the last one detaches and unmaps the module.
void module_release(struct module *m) {
    if (m->references < 0 || --m->references > 0) return;
    if (m->attached) {
        if (m->entry) ((dll_main_fn)m->entry)(m->base, DLL_PROCESS_DETACH, 0);
        tls_callbacks(m, DLL_PROCESS_DETACH);
    }
    unload(m);
}

// DLL_THREAD_ATTACH in the order of initialisation, DLL_THREAD_DETACH backwards.
void modules_thread_notify(uint32_t reason) {
    bool forward = reason == DLL_THREAD_ATTACH;
    LIST_ENTRY *head = &ldr_data.init;
    for (LIST_ENTRY *l = forward ? head->Flink : head->Blink, *next; l != head; l = next) {
        next = forward ? l->Flink : l->Blink;
        struct module *m = from_init(l);
        if (m->flags & 0x40000) continue;                        // DisableThreadLibraryCalls
        tls_callbacks(m, reason);
        if ((m->flags & 4) && m->entry) ((dll_main_fn)m->entry)(m->base, reason, 0);
    }
}

void modules_process_detach(void) {
    for (LIST_ENTRY *l = ldr_data.init.Blink; l != &ldr_data.init; l = l->Blink) {
        struct module *m = from_init(l);
        if (!m->attached) continue;
        m->attached = false;
        tls_callbacks(m, DLL_PROCESS_DETACH);
        if ((m->flags & 4) && m->entry) ((dll_main_fn)m->entry)(m->base, DLL_PROCESS_DETACH, (void *)1);
    }
}
