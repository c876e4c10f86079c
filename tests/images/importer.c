// SPDX-License-Identifier: MIT
// A DLL whose two views import different functions of the library: one in common, one only in native code, one only in
// ARM64EC code. The linker expresses that as deltas and cleared slots in the import tables.
__declspec(dllimport) int architecture(void);
__declspec(dllimport) int apply(int which, int x);
__declspec(dllimport) int call_back(int (*f)(int), int x);

#if defined(__arm64ec__)
static int negate(int x) { return -x; }
__declspec(dllexport) int ec_only(int x) { return call_back(negate, x) + architecture(); }
#else
__declspec(dllexport) int native_only(int x) { return apply(1, x) + architecture(); }
#endif
