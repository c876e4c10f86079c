// SPDX-License-Identifier: MIT
// long double and x87 instructions, whatever the compiler makes of them: digests of exact operations, rounded transcendental
// ones, control words, and a pending exception. Written for any x86-64 compiler: the expected output is that of a real processor.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if !defined __x86_64__
int main(void)
{
    puts("no x64");
    return 0;
}
#else
static uint64_t seed = 1, digest;

static long double next(void)
{
    struct { uint64_t significand; uint16_t sign_exponent; } bits;
    long double value = 0;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    bits.significand = seed * 0x9e3779b97f4a7c15u | 1ull << 63;
    bits.sign_exponent = (uint16_t)((seed >> 63) << 15 | (0x3fff - 8 + (seed >> 40 & 15)));
    memcpy(&value, &bits, 10);
    return value;
}

static void note(long double value)
{
    unsigned char bytes[10];
    memcpy(bytes, &value, 10);
    for (int i = 0; i < 10; i++)
        digest = (digest ^ bytes[i]) * 0x100000001b3u;
}

static void show(const char *title, long double value)
{
    uint64_t low;
    uint16_t high;
    memcpy(&low, &value, 8);
    memcpy(&high, (char *)&value + 8, 2);
    printf("%-10s %04x.%08x%08x\n", title, high, (unsigned)(low >> 32), (unsigned)low);
}

static void arithmetic(const char *title, unsigned control)
{
    uint16_t word = (uint16_t)control, status;
    digest = 0xcbf29ce484222325u;
    __asm__ volatile("fninit; fldcw %0" : : "m"(word));
    for (int i = 0; i < 200; i++) {
        volatile long double a = next(), b = next();
        note(a + b);
        note(a - b);
        note(a * b);
        note(a / b);
        note((double)a);
        note((float)b);
        note((long double)(int64_t)(a * 1000));
        digest += a < b ? 1 : a > b ? 2 : 3;
        long double r = a;
        __asm__("fsqrt" : "+t"(r));
        note(r);
        __asm__("frndint" : "+t"(r));
        note(r);
        r = a;
        __asm__("fprem" : "+t"(r) : "u"((long double)b));
        note(r);
    }
    __asm__ volatile("fnstsw %0; fninit" : "=m"(status));
    printf("%-10s %08x%08x status %04x\n", title, (unsigned)(digest >> 32), (unsigned)digest, status);
}

// 80-bit results may differ in the last place between processors: rounded to a float they do not.
static void single(const char *title, long double value)
{
    float f = (float)value;
    unsigned bits;
    memcpy(&bits, &f, 4);
    printf("%s %08x\n", title, bits);
}

static void transcendental(void)
{
    for (int i = 0; i < 4; i++) {
        long double x = next(), y = next() / 64, r, one;
        x = x < 0 ? -x : x;
        __asm__("fsin" : "=t"(r) : "0"(x));
        single("sin", r);
        __asm__("fcos" : "=t"(r) : "0"(x));
        single("cos", r);
        __asm__("fptan" : "=t"(one), "=u"(r) : "0"(x));
        single("tan", r);
        __asm__("fpatan" : "=t"(r) : "0"(x), "u"(y) : "st(1)");
        single("atan", r);
        __asm__("fyl2x" : "=t"(r) : "0"(x), "u"(y) : "st(1)");
        single("log", r);
        y = y > 1 || y < -1 ? 0.5L : y;
        __asm__("f2xm1" : "=t"(r) : "0"(y));
        single("exp", r);
    }
}

// With an argument: 1 / 0 with the exception not masked; it is the next waiting instruction that raises it.
static void divide_by_zero(void)
{
    uint16_t word = 0x37b, status;
    __asm__ volatile("fninit; fldcw %1; fldz; fld1; fdivp; fnstsw %0" : "=m"(status) : "m"(word));
    printf("status %04x\n", status);
    fflush(stdout);
    __asm__ volatile("fwait");
    puts("not raised");
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        divide_by_zero();
    static const char *const names[] = { "nearest", "down", "up", "zero" };
    long double r;
    for (unsigned mode = 0; mode < 4; mode++)
        arithmetic(names[mode], 0x37f | mode << 10);
    arithmetic("double", 0x27f);
    arithmetic("single", 0x07f);
    transcendental();
    __asm__("fldpi" : "=t"(r));
    show("pi", r);
    volatile long double huge = 1, tiny = 1;
    for (int i = 0; i < 13; i++) {
        huge = (huge + 1) * (huge + 1);
        tiny = tiny / (huge + 1);
    }
    show("huge", huge);
    show("tiny", tiny);
    show("denormal", tiny / huge / huge);
    // flags of a comparison, a conditional move, and what the environment says about a full stack
    unsigned char below, equal, unordered;
    volatile long double one = 1, two = 2, nan = 0;
    nan = nan / nan;
    __asm__("fldt %4; fldt %3; fcomip %%st(1); setb %0; sete %1; setp %2; fstp %%st(0)"
            : "=q"(below), "=q"(equal), "=q"(unordered) : "m"(one), "m"(two) : "cc");
    printf("one below two: %d %d %d\n", below, equal, unordered);
    __asm__("fldt %4; fldt %3; fucomip %%st(1); setb %0; sete %1; setp %2; fstp %%st(0)"
            : "=q"(below), "=q"(equal), "=q"(unordered) : "m"(nan), "m"(two) : "cc");
    printf("nan and two: %d %d %d\n", below, equal, unordered);
    struct { uint32_t control, status, tag, ip, cs, dp, ds; } environment;
    __asm__ volatile("fninit; fldz; fld1; fldpi; fld1; fld1; fld1; fld1; fld1; fld1; fnstenv %0; fninit" : "=m"(environment));
    printf("nine loads: control %x status %x tag %x\n", environment.control & 0xffff, environment.status & 0xffff, environment.tag & 0xffff);
    // FXSAVE and FXRSTOR: all but the pointers, which processors keep differently
    static unsigned char area[512] __attribute__((aligned(16))), again[512] __attribute__((aligned(16)));
    uint64_t lanes[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };
    uint32_t mxcsr = 0x3fa0;
    __asm__ volatile("fninit; fldpi; fld1; fchs; movdqu %1, %%xmm7; ldmxcsr %2; fxsave64 %0; fninit; pxor %%xmm7, %%xmm7"
                     : "+m"(area) : "m"(lanes), "m"(mxcsr) : "xmm7");
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    area[0] = 0xff, area[1] = 0xff, area[2] = 0x04, area[4] = 0x55;
    __asm__ volatile("fxrstor64 %1; fxsave %0; fninit" : "+m"(again) : "m"(area) : "xmm7");
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    digest = 0;
    for (int i = 0; i < 416; i++)
        if (i < 6 || (i >= 24 && i < 28) || (i >= 32 && i < 112) || (i >= 272 && i < 288))
            digest = (digest ^ again[i]) * 0x100000001b3u;
    printf("fxsave %02x%02x %02x%02x %02x %08x%08x\n", again[1], again[0], again[3], again[2], again[4], (unsigned)(digest >> 32), (unsigned)digest);
    int16_t small;
    int64_t large;
    long double minus = -12345.5L;
    __asm__ volatile("fldt %2; fistps %0; fldt %2; fisttpll %1" : "=m"(small), "=m"(large) : "m"(minus));
    printf("integers %d %d\n", small, (int)large);
    return 0;
}
#endif
