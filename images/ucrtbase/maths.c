// SPDX-License-Identifier: MIT
// Mathematics beyond newlib's: the Windows library's names and classifications, and the floating-point environment,
// which in an ARM64EC process is the MXCSR that translated code sees.
#include "images/ucrtbase/internal.h"
#include <math.h>

enum { WIN_INF = 1, WIN_NAN = 2, WIN_NORMAL = -1, WIN_SUBNORMAL = -2, WIN_ZERO = 0 };
static short class_of(double x) {
    switch (__builtin_fpclassify(WIN_NAN, WIN_INF, 3, 4, 5, x)) {
    case WIN_NAN: return WIN_NAN;
    case WIN_INF: return WIN_INF;
    case 3: return WIN_NORMAL;
    case 4: return WIN_SUBNORMAL;
    default: return WIN_ZERO;
    }
}
short _dclass(double x) { return class_of(x); }
short _ldclass(double x) { return class_of(x); }
short _fdclass(float x) { return __builtin_fpclassify(WIN_NAN, WIN_INF, WIN_NORMAL, WIN_SUBNORMAL, WIN_ZERO, x); }
short _dtest(double *x) { return class_of(*x); }
short _ldtest(double *x) { return class_of(*x); }
short _fdtest(float *x) { return _fdclass(*x); }
int _dsign(double x) { return __builtin_signbit(x) ? 0x8000 : 0; }
int _ldsign(double x) { return __builtin_signbit(x) ? 0x8000 : 0; }
int _fdsign(float x) { return __builtin_signbit(x) ? 0x8000 : 0; }
int _fpclass(double x) {
    bool minus = __builtin_signbit(x);
    switch (class_of(x)) {
    case WIN_NAN: return 2;
    case WIN_INF: return minus ? 4 : 0x200;
    case WIN_NORMAL: return minus ? 8 : 0x100;
    case WIN_SUBNORMAL: return minus ? 0x10 : 0x80;
    default: return minus ? 0x20 : 0x40;
    }
}
int _isnan(double x) { return x != x; }
int _isnanf(float x) { return x != x; }
int _finite(double x) { return __builtin_isfinite(x); }
int _finitef(float x) { return __builtin_isfinite(x); }
double _copysign(double x, double y) { return copysign(x, y); }
float _copysignf(float x, float y) { return copysignf(x, y); }
double _chgsign(double x) { return -x; }
float _chgsignf(float x) { return -x; }
double _hypot(double x, double y) { return hypot(x, y); }
float _hypotf(float x, float y) { return hypotf(x, y); }
double _logb(double x) { return logb(x); }
double _scalb(double x, long n) { return scalbn(x, (int)n); }
double _nextafter(double x, double y) { return nextafter(x, y); }
float _nextafterf(float x, float y) { return nextafterf(x, y); }
double _j0(double x) { return j0(x); }
double _j1(double x) { return j1(x); }
double _jn(int n, double x) { return jn(n, x); }
double _y0(double x) { return y0(x); }
double _y1(double x) { return y1(x); }
double _yn(int n, double x) { return yn(n, x); }
struct win_complex { double x, y; };
double _cabs(struct win_complex z) { return hypot(z.x, z.y); }
int _set_FMA3_enable(int on) { (void)on; return 0; }
int _get_FMA3_enable(void) { return 0; }

// ---- floating-point environment ---------------------------------------------------------------------------------------------------
// All through MXCSR. In an x64 process it is the one that x64 code sees; the emulator keeps it (ARM64EC ABI, x64 information). In an
// Arm64 process it stands for FPCR and FPSR, and exceptions stay masked: neither this kernel nor most cores deliver them.
#if defined(__arm64ec__)
#include "kernel/abi/process.h"
static uint32_t information(unsigned long type) {
    uint32_t v;
    ((long (*)(unsigned long, void *, void *))EMU_STUB_ADDRESS(EMU_STUB_GET_X64_INFORMATION))(type, &v, 0);
    return v;
}
static uint32_t mxcsr(void) { return information(0); }
static uint32_t mxcsr_control(void) { return information(EMU_INFORMATION_CONTROL); }
static void mxcsr_set(uint32_t v) { ((long (*)(unsigned long, uintptr_t, void *))EMU_STUB_ADDRESS(EMU_STUB_SET_X64_INFORMATION))(0, v, 0); }
#else
static uint32_t mxcsr(void) {
    uint64_t c, s;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(c), "=r"(s));
    return (uint32_t)(0x1f80 | (s & 1) | (s >> 1 & 15) << 2 | (s >> 7 & 1) << 1 | (c >> 22 & 1) << 14 | (c >> 23 & 1) << 13 |
                      (c >> 24 & 1 ? 0x8040 : 0));
}
static uint32_t mxcsr_control(void) { return mxcsr(); }      // the flags in it may be rough
static void mxcsr_set(uint32_t v) {
    uint64_t c = (uint64_t)(v >> 14 & 1) << 22 | (uint64_t)(v >> 13 & 1) << 23 | (uint64_t)((v & 0x8040) != 0) << 24;
    uint64_t s = (v & 1) | (v >> 2 & 15) << 1 | (v >> 1 & 1) << 7;
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(c), "r"(s));
}
#endif

// _controlfp words: exceptions 0x10 invalid 8 divide 4 overflow 2 underflow 1 inexact 0x80000 denormal (1 = masked); rounding 0x300
// (near, down, up, chop, as MXCSR has them); precision 0x30000 always 53 bits; denormals 0x3000000: kept, flushed, operands, results.
static const struct { uint32_t win, flag; } exceptions[] = { { 0x10, 1 }, { 8, 4 }, { 4, 8 }, { 2, 16 }, { 1, 32 }, { 0x80000, 2 } };
enum { EXCEPTIONS = 6, MASKS = 7, FLAGS = 0x3f, DAZ = 0x40, FTZ = 0x8000 };
static unsigned to_win(uint32_t flags) {
    unsigned w = 0;
    for (int i = 0; i < EXCEPTIONS; i++) if (flags & exceptions[i].flag) w |= exceptions[i].win;
    return w;
}
static uint32_t from_win(unsigned w) {
    uint32_t flags = 0;
    for (int i = 0; i < EXCEPTIONS; i++) if (w & exceptions[i].win) flags |= exceptions[i].flag;
    return flags;
}
static unsigned control_word_of(uint32_t m) {
    static const unsigned denormals[] = { 0, 0x2000000, 0x3000000, 0x1000000 };     // by DAZ and FTZ
    return to_win(m >> MASKS & FLAGS) | (m >> 13 & 3) << 8 | 0x10000 | denormals[(m & DAZ ? 1 : 0) | (m & FTZ ? 2 : 0)];
}
static unsigned control_word(void) { return control_word_of(mxcsr_control()); }
unsigned _statusfp(void) { return to_win(mxcsr()); }
unsigned _clearfp(void) {
    uint32_t m = mxcsr();
    mxcsr_set(m & ~(uint32_t)FLAGS);
    return to_win(m);
}
unsigned _control87(unsigned value, unsigned mask) {
    uint32_t m = mxcsr_control();
    unsigned w = (control_word_of(m) & ~mask) | (value & mask), denormals = w >> 24 & 3;
    if (mask & 0x308031f)
        mxcsr_set((m & FLAGS) | from_win(w) << MASKS | (w >> 8 & 3) << 13 | (denormals == 1 || denormals == 2 ? DAZ : 0)
                  | (denormals == 1 || denormals == 3 ? FTZ : 0));
    return control_word();
}
unsigned _controlfp(unsigned value, unsigned mask) { return _control87(value, mask & ~0x80000u); }
errno_value _controlfp_s(unsigned *now, unsigned value, unsigned mask) {
    unsigned w = _controlfp(value, mask);
    if (now) *now = w;
    return 0;
}
void _fpreset(void) { mxcsr_set(0x1f80); }

// fenv_t of the Windows library: two words, control and status in _controlfp's bits.
struct win_fenv { unsigned control, status; };
int ucrt_fegetround(void) { return (int)(control_word() & 0x300); }
int ucrt_fesetround(int mode) {
    if (mode & ~0x300) return 1;
    _control87((unsigned)mode, 0x300);
    return 0;
}
int ucrt_fegetenv(struct win_fenv *e) { *e = (struct win_fenv){ control_word(), _statusfp() }; return 0; }
static void raise_bits(unsigned bits) { mxcsr_set(mxcsr() | from_win(bits)); }
int ucrt_fesetenv(const struct win_fenv *e) { _control87(e->control, ~0u); _clearfp(); raise_bits(e->status); return 0; }
int ucrt_feholdexcept(struct win_fenv *e) { ucrt_fegetenv(e); _clearfp(); return 0; }
int ucrt_feupdateenv(const struct win_fenv *e) { unsigned now = _statusfp(); ucrt_fesetenv(e); raise_bits(now); return 0; }
int ucrt_fetestexcept(int mask) { return (int)(_statusfp() & (unsigned)mask); }
int ucrt_feclearexcept(int mask) { unsigned left = _clearfp() & ~(unsigned)mask; raise_bits(left); return 0; }
int ucrt_feraiseexcept(int mask) { raise_bits((unsigned)mask); return 0; }
int fegetexceptflag(unsigned long *out, int mask) { *out = _statusfp() & (unsigned)mask; return 0; }
int fesetexceptflag(const unsigned long *in, int mask) { ucrt_feclearexcept(mask); raise_bits((unsigned)*in & (unsigned)mask); return 0; }
