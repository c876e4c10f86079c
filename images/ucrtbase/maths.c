// SPDX-License-Identifier: MIT
// Mathematics beyond newlib's: the Windows library's names and classifications, and the floating-point environment,
// which in an ARM64EC process is the same FPCR and FPSR that translated code sees as MXCSR.
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
static uint64_t fpcr(void) { uint64_t v; __asm__ volatile("mrs %0, fpcr" : "=r"(v)); return v; }
static uint64_t fpsr(void) { uint64_t v; __asm__ volatile("mrs %0, fpsr" : "=r"(v)); return v; }
static void fpcr_set(uint64_t v) { __asm__ volatile("msr fpcr, %0" ::"r"(v)); }
static void fpsr_set(uint64_t v) { __asm__ volatile("msr fpsr, %0" ::"r"(v)); }

// _controlfp words: exceptions 0x10 invalid 8 divide 4 overflow 2 underflow 1 inexact 0x80000 denormal (1 = masked);
// rounding 0x300 (near, down, up, chop); precision 0x30000 always 53 bits; denormals 0x3000000 (save 0, flush 0x1000000).
static const struct { uint32_t win; uint32_t status, enable; } exceptions[] = {
    { 0x10, 1, 0x100 }, { 8, 2, 0x200 }, { 4, 4, 0x400 }, { 2, 8, 0x800 }, { 1, 0x10, 0x1000 }, { 0x80000, 0x80, 0x8000 },
};
enum { EXCEPTIONS = 6 };
static unsigned status_word(uint64_t bits) {
    unsigned w = 0;
    for (int i = 0; i < EXCEPTIONS; i++) if (bits & exceptions[i].status) w |= exceptions[i].win;
    return w;
}
static unsigned control_word(void) {
    static const unsigned rounding[] = { 0, 0x200, 0x100, 0x300 };     // FPCR: near, up, down, chop
    uint64_t c = fpcr();
    unsigned w = rounding[c >> 22 & 3] | 0x10000;
    if (c & 1u << 24) w |= 0x1000000;
    for (int i = 0; i < EXCEPTIONS; i++) if (!(c & exceptions[i].enable)) w |= exceptions[i].win;
    return w;
}
unsigned _statusfp(void) { return status_word(fpsr()); }
unsigned _clearfp(void) {
    unsigned w = status_word(fpsr());
    fpsr_set(fpsr() & ~0x9full);
    return w;
}
// Trapping exceptions stay masked: neither this kernel nor most cores deliver them.
unsigned _control87(unsigned value, unsigned mask) {
    static const uint8_t rounding[] = { 0, 2, 1, 3 };
    unsigned w = (control_word() & ~mask) | (value & mask);
    uint64_t c = fpcr() & ~(3ull << 22 | 1ull << 24);
    c |= (uint64_t)rounding[w >> 8 & 3] << 22;
    if (w & 0x1000000) c |= 1u << 24;
    fpcr_set(c);
    return control_word();
}
unsigned _controlfp(unsigned value, unsigned mask) { return _control87(value, mask & ~0x80000u); }
errno_value _controlfp_s(unsigned *now, unsigned value, unsigned mask) {
    unsigned w = _controlfp(value, mask);
    if (now) *now = w;
    return 0;
}
void _fpreset(void) { fpcr_set(0); fpsr_set(0); }

// fenv_t of the Windows library: two words, control and status in _controlfp's bits.
struct win_fenv { unsigned control, status; };
int ucrt_fegetround(void) { return (int)(control_word() & 0x300); }
int ucrt_fesetround(int mode) {
    if (mode & ~0x300) return 1;
    _control87((unsigned)mode, 0x300);
    return 0;
}
int ucrt_fegetenv(struct win_fenv *e) { *e = (struct win_fenv){ control_word(), _statusfp() }; return 0; }
static void raise_bits(unsigned bits) {
    uint64_t s = fpsr();
    for (int i = 0; i < EXCEPTIONS; i++) if (bits & exceptions[i].win) s |= exceptions[i].status;
    fpsr_set(s);
}
int ucrt_fesetenv(const struct win_fenv *e) { _control87(e->control, ~0u); _clearfp(); raise_bits(e->status); return 0; }
int ucrt_feholdexcept(struct win_fenv *e) { ucrt_fegetenv(e); _clearfp(); return 0; }
int ucrt_feupdateenv(const struct win_fenv *e) { unsigned now = _statusfp(); ucrt_fesetenv(e); raise_bits(now); return 0; }
int ucrt_fetestexcept(int mask) { return (int)(_statusfp() & (unsigned)mask); }
int ucrt_feclearexcept(int mask) { unsigned left = _clearfp() & ~(unsigned)mask; raise_bits(left); return 0; }
int ucrt_feraiseexcept(int mask) { raise_bits((unsigned)mask); return 0; }
int fegetexceptflag(unsigned long *out, int mask) { *out = _statusfp() & (unsigned)mask; return 0; }
int fesetexceptflag(const unsigned long *in, int mask) { ucrt_feclearexcept(mask); raise_bits((unsigned)*in & (unsigned)mask); return 0; }
