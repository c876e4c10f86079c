// SPDX-License-Identifier: MIT
// The little of kernel32 and ntdll that the C library uses. Its sources see newlib's headers, whose names collide with
// those of the Windows headers, so the prototypes are written here.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void *win_handle;
#define WIN_INVALID ((win_handle)-1)
enum { WIN_STDIN = -10, WIN_STDOUT = -11, WIN_STDERR = -12 };
enum { FILE_TYPE_DISK = 1, FILE_TYPE_CHAR = 2, FILE_TYPE_PIPE = 3 };

struct win_section { void *debug; int32_t lock_count, recursion; void *owner, *semaphore; uint64_t spin; };

win_handle GetStdHandle(uint32_t which);
int SetStdHandle(uint32_t which, win_handle handle);
win_handle CreateFileW(const uint16_t *name, uint32_t access, uint32_t share, void *security, uint32_t disposition, uint32_t flags, win_handle t);
int ReadFile(win_handle file, void *buffer, uint32_t size, uint32_t *count, void *overlapped);
int WriteFile(win_handle file, const void *buffer, uint32_t size, uint32_t *count, void *overlapped);
int SetFilePointerEx(win_handle file, int64_t distance, int64_t *position, uint32_t method);
int SetEndOfFile(win_handle file);
int GetFileSizeEx(win_handle file, int64_t *size);
uint32_t GetFileType(win_handle file);
uint32_t GetFileAttributesW(const uint16_t *name);
int GetFileAttributesExW(const uint16_t *name, int level, void *out);
int DeleteFileW(const uint16_t *name);
uint32_t GetFullPathNameW(const uint16_t *name, uint32_t size, uint16_t *buffer, uint16_t **file);
uint32_t GetCurrentDirectoryW(uint32_t size, uint16_t *buffer);
int SetCurrentDirectoryW(const uint16_t *name);
int CloseHandle(win_handle handle);
int DuplicateHandle(win_handle sp, win_handle h, win_handle tp, win_handle *out, uint32_t access, int inherit, uint32_t options);
uint32_t GetLastError(void);
void SetLastError(uint32_t error);
uint16_t *GetCommandLineW(void);
uint16_t *GetEnvironmentStringsW(void);
int FreeEnvironmentStringsW(uint16_t *block);
int SetEnvironmentVariableW(const uint16_t *name, const uint16_t *value);
uint32_t GetModuleFileNameW(void *module, uint16_t *buffer, uint32_t size);
__attribute__((noreturn)) void ExitProcess(uint32_t code);
__attribute__((noreturn)) void ExitThread(uint32_t code);
int TerminateProcess(win_handle process, uint32_t code);
win_handle CreateThread(void *security, size_t stack, uint32_t (*start)(void *), void *argument, uint32_t flags, uint32_t *id);
uint32_t GetCurrentProcessId(void);
uint32_t TlsAlloc(void);
void *TlsGetValue(uint32_t slot);
int TlsSetValue(uint32_t slot, void *value);
void *GetProcessHeap(void);
void *HeapAlloc(void *heap, uint32_t flags, size_t bytes);
void *HeapReAlloc(void *heap, uint32_t flags, void *block, size_t bytes);
int HeapFree(void *heap, uint32_t flags, void *block);
size_t HeapSize(void *heap, uint32_t flags, const void *block);
int HeapValidate(void *heap, uint32_t flags, const void *block);
void InitializeCriticalSection(struct win_section *section);
void EnterCriticalSection(struct win_section *section);
int TryEnterCriticalSection(struct win_section *section);
void LeaveCriticalSection(struct win_section *section);
void DeleteCriticalSection(struct win_section *section);
void GetSystemTimeAsFileTime(uint64_t *out);
int QueryPerformanceCounter(int64_t *out);
void Sleep(uint32_t ms);
void RaiseException(uint32_t code, uint32_t flags, uint32_t count, const uint64_t *arguments);
int MultiByteToWideChar(uint32_t page, uint32_t flags, const char *text, int bytes, uint16_t *out, int size);
int WideCharToMultiByte(uint32_t page, uint32_t flags, const uint16_t *text, int chars, char *out, int size, const char *fallback, int *used);
