// SPDX-License-Identifier: MIT
// MMX instructions, from assembly so that no compiler makes SSE of them: a digest of each group, the conversions between MMX
// and XMM registers with both roundings, a masked store, and x87 before and after. The expected output is a real processor's.
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
static uint64_t seed = 7, digest;

static uint64_t next(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed ^ seed >> 29) * 0x9e3779b97f4a7c15u;
}

static void note(uint64_t value)
{
    digest = (digest ^ value) * 0x100000001b3u + 1;
}

static void show(const char *title)
{
    printf("%-8s %08x%08x\n", title, (unsigned)(digest >> 32), (unsigned)digest);
    digest = 0;
}

#define OP(name) { uint64_t r; __asm__ volatile("movq %1, %%mm1; " name " %2, %%mm1; movq %%mm1, %0" : "=m"(r) : "m"(a), "m"(b) : "mm1"); note(r); }
#define COUNT(name) { uint64_t r; __asm__ volatile("movq %1, %%mm2; movq %2, %%mm3; " name " %%mm3, %%mm2; movq %%mm2, %0" : "=m"(r) : "m"(a), "m"(c) : "mm2", "mm3"); note(r); }
#define BYTE(name, n) { uint64_t r; __asm__ volatile("movq %1, %%mm4; " name " $" #n ", %%mm4; movq %%mm4, %0" : "=m"(r) : "m"(a) : "mm4"); note(r); }

int main(void)
{
    for (int i = 0; i < 100; i++) {
        uint64_t a = next(), b = next(), c = next() % 70;
        OP("paddb") OP("paddw") OP("paddd") OP("paddq") OP("psubb") OP("psubw") OP("psubd") OP("psubq")
        OP("paddsb") OP("paddsw") OP("paddusb") OP("paddusw") OP("psubsb") OP("psubsw") OP("psubusb") OP("psubusw")
        OP("pmullw") OP("pmulhw") OP("pmulhuw") OP("pmuludq") OP("pmaddwd") OP("psadbw") OP("pavgb") OP("pavgw")
        OP("pcmpeqb") OP("pcmpgtb") OP("pcmpgtw") OP("pcmpgtd") OP("pminub") OP("pmaxub") OP("pminsw") OP("pmaxsw")
        OP("pand") OP("pandn") OP("por") OP("pxor") OP("packsswb") OP("packssdw") OP("packuswb")
        OP("punpcklbw") OP("punpcklwd") OP("punpckldq") OP("punpckhbw") OP("punpckhwd") OP("punpckhdq")
        OP("pshufb") OP("phaddw") OP("phaddd") OP("phaddsw") OP("phsubw") OP("phsubd") OP("phsubsw") OP("pmaddubsw") OP("pmulhrsw")
        OP("psignb") OP("psignw") OP("psignd") OP("pabsb") OP("pabsw") OP("pabsd")
        COUNT("psllw") COUNT("pslld") COUNT("psllq") COUNT("psrlw") COUNT("psrld") COUNT("psrlq") COUNT("psraw") COUNT("psrad")
        BYTE("psllw", 3) BYTE("pslld", 31) BYTE("psllq", 32) BYTE("psrlw", 16) BYTE("psrld", 1) BYTE("psraw", 20) BYTE("psrad", 5)
    }
    show("lanes");
    for (int i = 0; i < 20; i++) {
        uint64_t a = next(), b = next(), r;
        uint32_t bits;
        __asm__ volatile("movq %2, %%mm0; movq %3, %%mm5; pshufw $0x1b, %%mm0, %%mm6; palignr $3, %%mm5, %%mm0; pinsrw $2, %%eax, %%mm0;"
                         "pxor %%mm6, %%mm0; pmovmskb %%mm0, %1; movntq %%mm0, %0" : "=m"(r), "=r"(bits) : "m"(a), "m"(b) : "mm0", "mm5", "mm6", "rax");
        note(r & ~(0xffffull << 32));
        __asm__ volatile("movq %1, %%mm0; pextrw $3, %%mm0, %0" : "=r"(bits) : "m"(a) : "mm0");
        note(bits);
    }
    show("moves");
    for (int i = 0; i < 20; i++) {
        uint64_t a = next(), b = next(), r[2], s[2];
        __asm__ volatile("movq %2, %%mm0; pcmpeqd %%xmm3, %%xmm3; movq2dq %%mm0, %%xmm3; movdqu %%xmm3, %0;"
                         "movq %3, %%xmm4; movdq2q %%xmm4, %%mm1; paddw %%mm0, %%mm1; movq %%mm1, %1"
                         : "=m"(r), "=m"(s[0]) : "m"(a), "m"(b) : "mm0", "mm1", "xmm3", "xmm4");
        note(r[0]), note(r[1]), note(s[0]);
    }
    show("xmm");
    for (unsigned mode = 0; mode < 4; mode++) {
        uint32_t mxcsr = 0x1f80 | mode << 13, after;
        __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
        for (int i = 0; i < 20; i++) {
            uint64_t a = next(), r, d[2];
            float f[2] = { (float)(int32_t)next() / 1024, (float)(int32_t)next() * 3 };
            double g[2] = { (double)(int32_t)next() / 3, (double)(int64_t)next() };
            __asm__ volatile("xorps %%xmm5, %%xmm5; movq %1, %%mm0; cvtpi2ps %%mm0, %%xmm5; movq %%xmm5, %0" : "=m"(r) : "m"(a) : "mm0", "xmm5");
            note(r);
            __asm__ volatile("cvtpi2pd %1, %%xmm5; movupd %%xmm5, %0" : "=m"(d) : "m"(a) : "xmm5");
            note(d[0]), note(d[1]);
            __asm__ volatile("cvtps2pi %2, %%mm0; movq %%mm0, %0; cvttps2pi %2, %%mm1; movq %%mm1, %1" : "=m"(r), "=m"(d[0]) : "m"(f) : "mm0", "mm1");
            note(r), note(d[0]);
            __asm__ volatile("movupd %2, %%xmm6; cvtpd2pi %%xmm6, %%mm0; movq %%mm0, %0; cvttpd2pi %%xmm6, %%mm1; movq %%mm1, %1" : "=m"(r), "=m"(d[0]) : "m"(g) : "mm0", "mm1", "xmm6");
            note(r), note(d[0]);
        }
        __asm__ volatile("stmxcsr %0" : "=m"(after));
        printf("mxcsr %04x ", after);
        show("convert");
    }
    __asm__ volatile("ldmxcsr %0" : : "m"((uint32_t){ 0x1f80 }));
    char text[9] = "abcdefgh";
    uint64_t mask = 0x8000ff007f80ff01, letters;
    memcpy(&letters, "ABCDEFGH", 8);
    __asm__ volatile("movq %1, %%mm0; movq %2, %%mm1; maskmovq %%mm1, %%mm0; emms" : : "D"(text), "m"(letters), "m"(mask) : "memory", "mm0", "mm1");
    printf("%s\n", text);
    long double sum;
    uint16_t tags[7 * 2];
    __asm__ volatile("fld1; fldpi; faddp" : "=t"(sum));
    printf("%.3f\n", (double)sum);
    __asm__ volatile("fninit; fld1; movq %%mm3, %%mm4; fnstenv %0; fninit" : "=m"(tags));
    printf("status %04x tag %04x\n", tags[2], tags[4]);
    return 0;
}
#endif
