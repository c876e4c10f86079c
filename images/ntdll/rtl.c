// SPDX-License-Identifier: MIT
// Strings, errors and version: the Rtl functions other DLLs and programs ask for.
#include "images/ntdll/internal.h"

VOID NTAPI RtlInitUnicodeString(PUNICODE_STRING s, PCWSTR text) {
    size_t bytes = text ? wide_length(text) * 2 : 0;
    if (bytes > 0xfffc) bytes = 0xfffc;
    *s = (UNICODE_STRING){ (USHORT)bytes, (USHORT)(text ? bytes + 2 : 0), (PWSTR)text };
}
VOID NTAPI RtlInitAnsiString(PANSI_STRING s, PCSZ text) {
    size_t n = 0;
    while (text && text[n] && n < 0xfffe) n++;
    *s = (ANSI_STRING){ (USHORT)n, (USHORT)(text ? n + 1 : 0), (PCHAR)text };
}
VOID NTAPI RtlFreeUnicodeString(PUNICODE_STRING s) { heap_put(s->Buffer); *s = (UNICODE_STRING){ 0 }; }
BOOLEAN NTAPI RtlEqualUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN fold) {
    if (fold) return wide_equal(a->Buffer, a->Length / 2, b->Buffer, b->Length / 2);
    return a->Length == b->Length && !memcmp(a->Buffer, b->Buffer, a->Length);
}
NTSTATUS NTAPI RtlUTF8ToUnicodeN(PWSTR out, ULONG out_bytes, PULONG done, PCSTR text, ULONG bytes) {
    size_t need = utf8_to_wide(text, bytes, 0, 0);
    *done = (ULONG)(need * 2);
    if (!out) return STATUS_SUCCESS;
    *done = (ULONG)utf8_to_wide(text, bytes, out, out_bytes / 2) * 2;
    return need * 2 > out_bytes ? STATUS_BUFFER_TOO_SMALL : STATUS_SUCCESS;
}
NTSTATUS NTAPI RtlUnicodeToUTF8N(PSTR out, ULONG out_bytes, PULONG done, PCWSTR text, ULONG bytes) {
    size_t need = wide_to_utf8(text, bytes / 2, 0, 0);
    *done = (ULONG)need;
    if (!out) return STATUS_SUCCESS;
    *done = (ULONG)wide_to_utf8(text, bytes / 2, out, out_bytes);
    return need > out_bytes ? STATUS_BUFFER_TOO_SMALL : STATUS_SUCCESS;
}

// Status to Win32 error. What has no row of its own is ERROR_MR_MID_NOT_FOUND, as on Windows.
static const struct { status_t status; uint16_t error; } errors[] = {
    { (status_t)0x00000000, 0 },    { (status_t)0x00000102, WAIT_TIMEOUT },     { (status_t)0xC0000001, ERROR_GEN_FAILURE },
    { (status_t)0xC0000002, ERROR_INVALID_FUNCTION }, { (status_t)0xC0000003, ERROR_INVALID_PARAMETER },
    { (status_t)0xC0000004, ERROR_BAD_LENGTH }, { (status_t)0xC0000005, ERROR_NOACCESS }, { (status_t)0xC0000008, ERROR_INVALID_HANDLE },
    { (status_t)0xC000000D, ERROR_INVALID_PARAMETER }, { (status_t)0xC000000F, ERROR_FILE_NOT_FOUND },
    { (status_t)0xC0000011, ERROR_HANDLE_EOF }, { (status_t)0xC0000017, ERROR_NOT_ENOUGH_MEMORY },
    { (status_t)0xC0000018, ERROR_INVALID_ADDRESS }, { (status_t)0xC000001A, ERROR_INVALID_PARAMETER },
    { (status_t)0xC000001C, ERROR_INVALID_FUNCTION }, { (status_t)0xC0000022, ERROR_ACCESS_DENIED },
    { (status_t)0xC0000023, ERROR_INSUFFICIENT_BUFFER }, { (status_t)0xC0000024, ERROR_INVALID_HANDLE },
    { (status_t)0xC000002D, ERROR_INVALID_ADDRESS }, { (status_t)0xC0000034, ERROR_FILE_NOT_FOUND },
    { (status_t)0xC0000035, ERROR_ALREADY_EXISTS }, { (status_t)0xC0000045, ERROR_INVALID_PARAMETER },
    { (status_t)0xC000007B, ERROR_BAD_EXE_FORMAT }, { (status_t)0xC000009A, ERROR_NO_SYSTEM_RESOURCES },
    { (status_t)0xC00000BB, ERROR_NOT_SUPPORTED }, { (status_t)0xC0000100, ERROR_ENVVAR_NOT_FOUND },
    { (status_t)0xC0000135, ERROR_MOD_NOT_FOUND }, { (status_t)0xC0000138, ERROR_INVALID_ORDINAL },
    { (status_t)0xC0000139, ERROR_PROC_NOT_FOUND }, { (status_t)0xC0000142, ERROR_DLL_INIT_FAILED },
    { (status_t)0xC000035E, ERROR_EXE_MACHINE_TYPE_MISMATCH }, { (status_t)0x80000005, ERROR_MORE_DATA },
    { (status_t)0xC0000047, ERROR_TOO_MANY_POSTS }, { (status_t)0xC000003A, ERROR_PATH_NOT_FOUND },
    { (status_t)0xC0000033, ERROR_INVALID_NAME }, { (status_t)0xC000007F, ERROR_DISK_FULL },
    { (status_t)0xC0000103, ERROR_DIRECTORY }, { (status_t)0xC00000BA, ERROR_ACCESS_DENIED },
};

ULONG NTAPI RtlNtStatusToDosErrorNoTeb(NTSTATUS status) {
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) if (errors[i].status == status) return errors[i].error;
    if (((uint32_t)status & 0xffff0000u) == 0xc0070000u || ((uint32_t)status & 0xffff0000u) == 0x80070000u) return status & 0xffff;
    return 317;                                     // ERROR_MR_MID_NOT_FOUND
}
ULONG NTAPI RtlNtStatusToDosError(NTSTATUS status) { return RtlNtStatusToDosErrorNoTeb(status); }
ULONG NTAPI RtlGetLastWin32Error(void) { return TEB_FIELD(uint32_t, TEB_LAST_ERROR); }
VOID NTAPI RtlSetLastWin32Error(ULONG error) { TEB_FIELD(uint32_t, TEB_LAST_ERROR) = error; }
VOID NTAPI RtlSetLastWin32ErrorAndNtStatusFromNtStatus(NTSTATUS status) {
    TEB_FIELD(uint32_t, TEB_LAST_ERROR) = RtlNtStatusToDosErrorNoTeb(status);
}

NTSTATUS NTAPI RtlGetVersion(PRTL_OSVERSIONINFOEXW v) {
    v->dwMajorVersion = PEB_FIELD(uint32_t, 0x118);
    v->dwMinorVersion = PEB_FIELD(uint32_t, 0x11c);
    v->dwBuildNumber = PEB_FIELD(uint16_t, 0x120);
    v->dwPlatformId = VER_PLATFORM_WIN32_NT;
    v->szCSDVersion[0] = 0;
    if (v->dwOSVersionInfoSize == sizeof *v) {
        v->wServicePackMajor = v->wServicePackMinor = v->wSuiteMask = 0;
        v->wProductType = VER_NT_WORKSTATION;
    }
    return STATUS_SUCCESS;
}
VOID NTAPI RtlGetNtVersionNumbers(ULONG *major, ULONG *minor, ULONG *build) {
    *major = PEB_FIELD(uint32_t, 0x118);
    *minor = PEB_FIELD(uint32_t, 0x11c);
    *build = PEB_FIELD(uint16_t, 0x120) | 0xf0000000;
}
PEB *NTAPI RtlGetCurrentPeb(void) { return (PEB *)peb_self(); }

// xorshift64*, seeded by time: for programs that want variety, not secrecy.
ULONG NTAPI RtlRandomEx(ULONG *seed) {
    uint64_t x = *seed | (uint64_t)*seed << 32 | 1;
    x ^= x >> 12; x ^= x << 25; x ^= x >> 27;
    *seed = (ULONG)((x * 0x2545f4914f6cdd1dull) >> 33);
    return *seed;
}
