// SPDX-License-Identifier: MIT
// x87 instructions executed in C, compared with this machine's processor where that is an x64: whole state before and after,
// unmasked exceptions and stack faults included. Usage: x87_test [COUNT [NAME]]: cases an instruction (20000), only that one.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "emu/x87/x87.h"

static unsigned passed, failed;

#if defined __x86_64__
#include <sys/mman.h>

enum memory { NONE, F32, F64, F80, I16, I32, I64, BCD, OUT, WORD, ENV28, ENV14, IMAGE108, IMAGE94 };
enum rule {
    ULP = 1,            // the result may differ by one in the last place, and C1 with it
    REDUCES = 2,        // repeat while C2 is set, on both sides; intermediate steps are the processor's choice
    UNIT = 4,           // operand of F2XM1: at most 1
    SMALL = 8,          // operand of FYL2XP1
    PUSHES = 16,        // st(7) is mostly empty
    NO_C1 = 32,         // processors disagree about C1
};
struct row { const char *name; uint8_t length, code[5]; uint8_t memory; uint16_t rules; };

// Memory operands are [rsi]: ModRM x6.
static const struct row rows[] = {
    { "fadd st0, st1", 2, { 0xd8, 0xc1 }, NONE, 0 },       { "fadd st1, st0", 2, { 0xdc, 0xc1 }, NONE, 0 },
    { "faddp st1", 2, { 0xde, 0xc1 }, NONE, 0 },           { "fadd m32", 2, { 0xd8, 0x06 }, F32, 0 },
    { "fadd m64", 2, { 0xdc, 0x06 }, F64, 0 },             { "fiadd m32", 2, { 0xda, 0x06 }, I32, 0 },
    { "fiadd m16", 2, { 0xde, 0x06 }, I16, 0 },            { "faddp st0", 2, { 0xde, 0xc0 }, NONE, 0 },
    { "fmul st0, st1", 2, { 0xd8, 0xc9 }, NONE, 0 },       { "fmulp st1", 2, { 0xde, 0xc9 }, NONE, 0 },
    { "fmul m32", 2, { 0xd8, 0x0e }, F32, 0 },             { "fmul m64", 2, { 0xdc, 0x0e }, F64, 0 },
    { "fimul m16", 2, { 0xde, 0x0e }, I16, 0 },
    { "fsub st0, st1", 2, { 0xd8, 0xe1 }, NONE, 0 },       { "fsubr st0, st1", 2, { 0xd8, 0xe9 }, NONE, 0 },
    { "fsub st1, st0", 2, { 0xdc, 0xe9 }, NONE, 0 },       { "fsubr st1, st0", 2, { 0xdc, 0xe1 }, NONE, 0 },
    { "fsubp st1", 2, { 0xde, 0xe9 }, NONE, 0 },           { "fsubrp st1", 2, { 0xde, 0xe1 }, NONE, 0 },
    { "fsubr m64", 2, { 0xdc, 0x2e }, F64, 0 },            { "fisubr m32", 2, { 0xda, 0x2e }, I32, 0 },
    { "fdiv st0, st1", 2, { 0xd8, 0xf1 }, NONE, 0 },       { "fdivr st0, st1", 2, { 0xd8, 0xf9 }, NONE, 0 },
    { "fdiv st1, st0", 2, { 0xdc, 0xf9 }, NONE, 0 },       { "fdivp st1", 2, { 0xde, 0xf9 }, NONE, 0 },
    { "fdivrp st1", 2, { 0xde, 0xf1 }, NONE, 0 },          { "fdiv m32", 2, { 0xd8, 0x36 }, F32, 0 },
    { "fdivr m64", 2, { 0xdc, 0x3e }, F64, 0 },            { "fidiv m16", 2, { 0xde, 0x36 }, I16, 0 },
    { "fidivr m32", 2, { 0xda, 0x3e }, I32, 0 },
    { "fsqrt", 2, { 0xd9, 0xfa }, NONE, 0 },               { "frndint", 2, { 0xd9, 0xfc }, NONE, 0 },
    { "fscale", 2, { 0xd9, 0xfd }, NONE, 0 },              { "fxtract", 2, { 0xd9, 0xf4 }, NONE, PUSHES },
    { "fprem", 2, { 0xd9, 0xf8 }, NONE, REDUCES },         { "fprem1", 2, { 0xd9, 0xf5 }, NONE, REDUCES },
    { "fchs", 2, { 0xd9, 0xe0 }, NONE, 0 },                { "fabs", 2, { 0xd9, 0xe1 }, NONE, 0 },
    { "fcom st1", 2, { 0xd8, 0xd1 }, NONE, 0 },            { "fcomp st1", 2, { 0xd8, 0xd9 }, NONE, 0 },
    { "fcompp", 2, { 0xde, 0xd9 }, NONE, 0 },              { "fcom m32", 2, { 0xd8, 0x16 }, F32, 0 },
    { "fcomp m64", 2, { 0xdc, 0x1e }, F64, 0 },            { "ficom m16", 2, { 0xde, 0x16 }, I16, 0 },
    { "ficomp m32", 2, { 0xda, 0x1e }, I32, 0 },           { "fucom st2", 2, { 0xdd, 0xe2 }, NONE, 0 },
    { "fucomp st1", 2, { 0xdd, 0xe9 }, NONE, 0 },          { "fucompp", 2, { 0xda, 0xe9 }, NONE, 0 },
    { "ftst", 2, { 0xd9, 0xe4 }, NONE, 0 },                { "fxam", 2, { 0xd9, 0xe5 }, NONE, 0 },
    { "fcomi st1", 2, { 0xdb, 0xf1 }, NONE, NO_C1 },           { "fcomip st1", 2, { 0xdf, 0xf1 }, NONE, NO_C1 },
    { "fucomi st1", 2, { 0xdb, 0xe9 }, NONE, NO_C1 },          { "fucomip st1", 2, { 0xdf, 0xe9 }, NONE, NO_C1 },
    { "fcmovb st1", 2, { 0xda, 0xc1 }, NONE, 0 },          { "fcmove st1", 2, { 0xda, 0xc9 }, NONE, 0 },
    { "fcmovbe st1", 2, { 0xda, 0xd1 }, NONE, 0 },         { "fcmovu st1", 2, { 0xda, 0xd9 }, NONE, 0 },
    { "fcmovnb st1", 2, { 0xdb, 0xc1 }, NONE, 0 },         { "fcmovne st1", 2, { 0xdb, 0xc9 }, NONE, 0 },
    { "fcmovnbe st1", 2, { 0xdb, 0xd1 }, NONE, 0 },        { "fcmovnu st1", 2, { 0xdb, 0xd9 }, NONE, 0 },
    { "fld m32", 2, { 0xd9, 0x06 }, F32, PUSHES },         { "fld m64", 2, { 0xdd, 0x06 }, F64, PUSHES },
    { "fld m80", 2, { 0xdb, 0x2e }, F80, PUSHES },         { "fld st0", 2, { 0xd9, 0xc0 }, NONE, PUSHES },
    { "fld st7", 2, { 0xd9, 0xc7 }, NONE, PUSHES },        { "fild m16", 2, { 0xdf, 0x06 }, I16, PUSHES },
    { "fild m32", 2, { 0xdb, 0x06 }, I32, PUSHES },        { "fild m64", 2, { 0xdf, 0x2e }, I64, PUSHES },
    { "fbld", 2, { 0xdf, 0x26 }, BCD, PUSHES },
    { "fst m32", 2, { 0xd9, 0x16 }, OUT, 0 },              { "fstp m32", 2, { 0xd9, 0x1e }, OUT, 0 },
    { "fst m64", 2, { 0xdd, 0x16 }, OUT, 0 },              { "fstp m64", 2, { 0xdd, 0x1e }, OUT, 0 },
    { "fstp m80", 2, { 0xdb, 0x3e }, OUT, 0 },             { "fst st2", 2, { 0xdd, 0xd2 }, NONE, 0 },
    { "fstp st0", 2, { 0xdd, 0xd8 }, NONE, 0 },            { "fstp st3", 2, { 0xdd, 0xdb }, NONE, 0 },
    { "fist m16", 2, { 0xdf, 0x16 }, OUT, 0 },             { "fist m32", 2, { 0xdb, 0x16 }, OUT, 0 },
    { "fistp m16", 2, { 0xdf, 0x1e }, OUT, 0 },            { "fistp m32", 2, { 0xdb, 0x1e }, OUT, 0 },
    { "fistp m64", 2, { 0xdf, 0x3e }, OUT, 0 },            { "fisttp m16", 2, { 0xdf, 0x0e }, OUT, 0 },
    { "fisttp m32", 2, { 0xdb, 0x0e }, OUT, 0 },           { "fisttp m64", 2, { 0xdd, 0x0e }, OUT, 0 },
    { "fbstp", 2, { 0xdf, 0x36 }, OUT, 0 },
    { "fld1", 2, { 0xd9, 0xe8 }, NONE, PUSHES },           { "fldl2t", 2, { 0xd9, 0xe9 }, NONE, PUSHES },
    { "fldl2e", 2, { 0xd9, 0xea }, NONE, PUSHES },         { "fldpi", 2, { 0xd9, 0xeb }, NONE, PUSHES },
    { "fldlg2", 2, { 0xd9, 0xec }, NONE, PUSHES },         { "fldln2", 2, { 0xd9, 0xed }, NONE, PUSHES },
    { "fldz", 2, { 0xd9, 0xee }, NONE, PUSHES },
    { "fxch st1", 2, { 0xd9, 0xc9 }, NONE, 0 },            { "fxch st0", 2, { 0xd9, 0xc8 }, NONE, 0 },
    { "ffree st1", 2, { 0xdd, 0xc1 }, NONE, 0 },           { "ffreep st1", 2, { 0xdf, 0xc1 }, NONE, 0 },
    { "fincstp", 2, { 0xd9, 0xf7 }, NONE, 0 },             { "fdecstp", 2, { 0xd9, 0xf6 }, NONE, 0 },
    { "fnop", 2, { 0xd9, 0xd0 }, NONE, 0 },                { "fwait", 1, { 0x9b }, NONE, 0 },
    { "fninit", 2, { 0xdb, 0xe3 }, NONE, 0 },              { "fnclex", 2, { 0xdb, 0xe2 }, NONE, 0 },
    { "fnstcw", 2, { 0xd9, 0x3e }, OUT, 0 },               { "fldcw", 2, { 0xd9, 0x2e }, WORD, 0 },
    { "fnstsw m16", 2, { 0xdd, 0x3e }, OUT, 0 },           { "fnstsw ax", 2, { 0xdf, 0xe0 }, NONE, 0 },
    { "fnstenv", 2, { 0xd9, 0x36 }, OUT, 0 },              { "fldenv", 2, { 0xd9, 0x26 }, ENV28, 0 },
    { "fnstenv 14", 3, { 0x66, 0xd9, 0x36 }, OUT, 0 },     { "fldenv 14", 3, { 0x66, 0xd9, 0x26 }, ENV14, 0 },
    { "fnsave", 2, { 0xdd, 0x36 }, OUT, 0 },               { "frstor", 2, { 0xdd, 0x26 }, IMAGE108, 0 },
    { "fnsave 94", 3, { 0x66, 0xdd, 0x36 }, OUT, 0 },      { "frstor 94", 3, { 0x66, 0xdd, 0x26 }, IMAGE94, 0 },
    { "fsin", 2, { 0xd9, 0xfe }, NONE, ULP },              { "fcos", 2, { 0xd9, 0xff }, NONE, ULP },
    { "fsincos", 2, { 0xd9, 0xfb }, NONE, ULP | PUSHES },  { "fptan", 2, { 0xd9, 0xf2 }, NONE, ULP | PUSHES },
    { "fpatan", 2, { 0xd9, 0xf3 }, NONE, ULP },            { "f2xm1", 2, { 0xd9, 0xf0 }, NONE, ULP | UNIT },
    { "fyl2x", 2, { 0xd9, 0xf1 }, NONE, ULP },             { "fyl2xp1", 2, { 0xd9, 0xf9 }, NONE, ULP | SMALL },
    // MMX
    { "punpcklbw mm0, mm1", 3, { 0x0f, 0x60, 0xc1 }, NONE, 0 }, { "punpcklbw mm3, m64", 3, { 0x0f, 0x60, 0x1e }, I64, 0 },
    { "punpcklwd mm0, mm1", 3, { 0x0f, 0x61, 0xc1 }, NONE, 0 }, { "punpcklwd mm3, m64", 3, { 0x0f, 0x61, 0x1e }, I64, 0 },
    { "punpckldq mm0, mm1", 3, { 0x0f, 0x62, 0xc1 }, NONE, 0 }, { "punpckldq mm3, m64", 3, { 0x0f, 0x62, 0x1e }, I64, 0 },
    { "packsswb mm0, mm1", 3, { 0x0f, 0x63, 0xc1 }, NONE, 0 }, { "packsswb mm3, m64", 3, { 0x0f, 0x63, 0x1e }, I64, 0 },
    { "pcmpgtb mm0, mm1", 3, { 0x0f, 0x64, 0xc1 }, NONE, 0 }, { "pcmpgtb mm3, m64", 3, { 0x0f, 0x64, 0x1e }, I64, 0 },
    { "pcmpgtw mm0, mm1", 3, { 0x0f, 0x65, 0xc1 }, NONE, 0 }, { "pcmpgtw mm3, m64", 3, { 0x0f, 0x65, 0x1e }, I64, 0 },
    { "pcmpgtd mm0, mm1", 3, { 0x0f, 0x66, 0xc1 }, NONE, 0 }, { "pcmpgtd mm3, m64", 3, { 0x0f, 0x66, 0x1e }, I64, 0 },
    { "packuswb mm0, mm1", 3, { 0x0f, 0x67, 0xc1 }, NONE, 0 }, { "packuswb mm3, m64", 3, { 0x0f, 0x67, 0x1e }, I64, 0 },
    { "punpckhbw mm0, mm1", 3, { 0x0f, 0x68, 0xc1 }, NONE, 0 }, { "punpckhbw mm3, m64", 3, { 0x0f, 0x68, 0x1e }, I64, 0 },
    { "punpckhwd mm0, mm1", 3, { 0x0f, 0x69, 0xc1 }, NONE, 0 }, { "punpckhwd mm3, m64", 3, { 0x0f, 0x69, 0x1e }, I64, 0 },
    { "punpckhdq mm0, mm1", 3, { 0x0f, 0x6a, 0xc1 }, NONE, 0 }, { "punpckhdq mm3, m64", 3, { 0x0f, 0x6a, 0x1e }, I64, 0 },
    { "packssdw mm0, mm1", 3, { 0x0f, 0x6b, 0xc1 }, NONE, 0 }, { "packssdw mm3, m64", 3, { 0x0f, 0x6b, 0x1e }, I64, 0 },
    { "movq mm0, mm1", 3, { 0x0f, 0x6f, 0xc1 }, NONE, 0 }, { "movq mm3, m64", 3, { 0x0f, 0x6f, 0x1e }, I64, 0 },
    { "pcmpeqb mm0, mm1", 3, { 0x0f, 0x74, 0xc1 }, NONE, 0 }, { "pcmpeqb mm3, m64", 3, { 0x0f, 0x74, 0x1e }, I64, 0 },
    { "pcmpeqw mm0, mm1", 3, { 0x0f, 0x75, 0xc1 }, NONE, 0 }, { "pcmpeqw mm3, m64", 3, { 0x0f, 0x75, 0x1e }, I64, 0 },
    { "pcmpeqd mm0, mm1", 3, { 0x0f, 0x76, 0xc1 }, NONE, 0 }, { "pcmpeqd mm3, m64", 3, { 0x0f, 0x76, 0x1e }, I64, 0 },
    { "psrlw mm0, mm1", 3, { 0x0f, 0xd1, 0xc1 }, NONE, 0 }, { "psrlw mm3, m64", 3, { 0x0f, 0xd1, 0x1e }, I64, 0 },
    { "psrld mm0, mm1", 3, { 0x0f, 0xd2, 0xc1 }, NONE, 0 }, { "psrld mm3, m64", 3, { 0x0f, 0xd2, 0x1e }, I64, 0 },
    { "psrlq mm0, mm1", 3, { 0x0f, 0xd3, 0xc1 }, NONE, 0 }, { "psrlq mm3, m64", 3, { 0x0f, 0xd3, 0x1e }, I64, 0 },
    { "paddq mm0, mm1", 3, { 0x0f, 0xd4, 0xc1 }, NONE, 0 }, { "paddq mm3, m64", 3, { 0x0f, 0xd4, 0x1e }, I64, 0 },
    { "pmullw mm0, mm1", 3, { 0x0f, 0xd5, 0xc1 }, NONE, 0 }, { "pmullw mm3, m64", 3, { 0x0f, 0xd5, 0x1e }, I64, 0 },
    { "psubusb mm0, mm1", 3, { 0x0f, 0xd8, 0xc1 }, NONE, 0 }, { "psubusb mm3, m64", 3, { 0x0f, 0xd8, 0x1e }, I64, 0 },
    { "psubusw mm0, mm1", 3, { 0x0f, 0xd9, 0xc1 }, NONE, 0 }, { "psubusw mm3, m64", 3, { 0x0f, 0xd9, 0x1e }, I64, 0 },
    { "pminub mm0, mm1", 3, { 0x0f, 0xda, 0xc1 }, NONE, 0 }, { "pminub mm3, m64", 3, { 0x0f, 0xda, 0x1e }, I64, 0 },
    { "pand mm0, mm1", 3, { 0x0f, 0xdb, 0xc1 }, NONE, 0 }, { "pand mm3, m64", 3, { 0x0f, 0xdb, 0x1e }, I64, 0 },
    { "paddusb mm0, mm1", 3, { 0x0f, 0xdc, 0xc1 }, NONE, 0 }, { "paddusb mm3, m64", 3, { 0x0f, 0xdc, 0x1e }, I64, 0 },
    { "paddusw mm0, mm1", 3, { 0x0f, 0xdd, 0xc1 }, NONE, 0 }, { "paddusw mm3, m64", 3, { 0x0f, 0xdd, 0x1e }, I64, 0 },
    { "pmaxub mm0, mm1", 3, { 0x0f, 0xde, 0xc1 }, NONE, 0 }, { "pmaxub mm3, m64", 3, { 0x0f, 0xde, 0x1e }, I64, 0 },
    { "pandn mm0, mm1", 3, { 0x0f, 0xdf, 0xc1 }, NONE, 0 }, { "pandn mm3, m64", 3, { 0x0f, 0xdf, 0x1e }, I64, 0 },
    { "pavgb mm0, mm1", 3, { 0x0f, 0xe0, 0xc1 }, NONE, 0 }, { "pavgb mm3, m64", 3, { 0x0f, 0xe0, 0x1e }, I64, 0 },
    { "psraw mm0, mm1", 3, { 0x0f, 0xe1, 0xc1 }, NONE, 0 }, { "psraw mm3, m64", 3, { 0x0f, 0xe1, 0x1e }, I64, 0 },
    { "psrad mm0, mm1", 3, { 0x0f, 0xe2, 0xc1 }, NONE, 0 }, { "psrad mm3, m64", 3, { 0x0f, 0xe2, 0x1e }, I64, 0 },
    { "pavgw mm0, mm1", 3, { 0x0f, 0xe3, 0xc1 }, NONE, 0 }, { "pavgw mm3, m64", 3, { 0x0f, 0xe3, 0x1e }, I64, 0 },
    { "pmulhuw mm0, mm1", 3, { 0x0f, 0xe4, 0xc1 }, NONE, 0 }, { "pmulhuw mm3, m64", 3, { 0x0f, 0xe4, 0x1e }, I64, 0 },
    { "pmulhw mm0, mm1", 3, { 0x0f, 0xe5, 0xc1 }, NONE, 0 }, { "pmulhw mm3, m64", 3, { 0x0f, 0xe5, 0x1e }, I64, 0 },
    { "psubsb mm0, mm1", 3, { 0x0f, 0xe8, 0xc1 }, NONE, 0 }, { "psubsb mm3, m64", 3, { 0x0f, 0xe8, 0x1e }, I64, 0 },
    { "psubsw mm0, mm1", 3, { 0x0f, 0xe9, 0xc1 }, NONE, 0 }, { "psubsw mm3, m64", 3, { 0x0f, 0xe9, 0x1e }, I64, 0 },
    { "pminsw mm0, mm1", 3, { 0x0f, 0xea, 0xc1 }, NONE, 0 }, { "pminsw mm3, m64", 3, { 0x0f, 0xea, 0x1e }, I64, 0 },
    { "por mm0, mm1", 3, { 0x0f, 0xeb, 0xc1 }, NONE, 0 }, { "por mm3, m64", 3, { 0x0f, 0xeb, 0x1e }, I64, 0 },
    { "paddsb mm0, mm1", 3, { 0x0f, 0xec, 0xc1 }, NONE, 0 }, { "paddsb mm3, m64", 3, { 0x0f, 0xec, 0x1e }, I64, 0 },
    { "paddsw mm0, mm1", 3, { 0x0f, 0xed, 0xc1 }, NONE, 0 }, { "paddsw mm3, m64", 3, { 0x0f, 0xed, 0x1e }, I64, 0 },
    { "pmaxsw mm0, mm1", 3, { 0x0f, 0xee, 0xc1 }, NONE, 0 }, { "pmaxsw mm3, m64", 3, { 0x0f, 0xee, 0x1e }, I64, 0 },
    { "pxor mm0, mm1", 3, { 0x0f, 0xef, 0xc1 }, NONE, 0 }, { "pxor mm3, m64", 3, { 0x0f, 0xef, 0x1e }, I64, 0 },
    { "psllw mm0, mm1", 3, { 0x0f, 0xf1, 0xc1 }, NONE, 0 }, { "psllw mm3, m64", 3, { 0x0f, 0xf1, 0x1e }, I64, 0 },
    { "pslld mm0, mm1", 3, { 0x0f, 0xf2, 0xc1 }, NONE, 0 }, { "pslld mm3, m64", 3, { 0x0f, 0xf2, 0x1e }, I64, 0 },
    { "psllq mm0, mm1", 3, { 0x0f, 0xf3, 0xc1 }, NONE, 0 }, { "psllq mm3, m64", 3, { 0x0f, 0xf3, 0x1e }, I64, 0 },
    { "pmuludq mm0, mm1", 3, { 0x0f, 0xf4, 0xc1 }, NONE, 0 }, { "pmuludq mm3, m64", 3, { 0x0f, 0xf4, 0x1e }, I64, 0 },
    { "pmaddwd mm0, mm1", 3, { 0x0f, 0xf5, 0xc1 }, NONE, 0 }, { "pmaddwd mm3, m64", 3, { 0x0f, 0xf5, 0x1e }, I64, 0 },
    { "psadbw mm0, mm1", 3, { 0x0f, 0xf6, 0xc1 }, NONE, 0 }, { "psadbw mm3, m64", 3, { 0x0f, 0xf6, 0x1e }, I64, 0 },
    { "psubb mm0, mm1", 3, { 0x0f, 0xf8, 0xc1 }, NONE, 0 }, { "psubb mm3, m64", 3, { 0x0f, 0xf8, 0x1e }, I64, 0 },
    { "psubw mm0, mm1", 3, { 0x0f, 0xf9, 0xc1 }, NONE, 0 }, { "psubw mm3, m64", 3, { 0x0f, 0xf9, 0x1e }, I64, 0 },
    { "psubd mm0, mm1", 3, { 0x0f, 0xfa, 0xc1 }, NONE, 0 }, { "psubd mm3, m64", 3, { 0x0f, 0xfa, 0x1e }, I64, 0 },
    { "psubq mm0, mm1", 3, { 0x0f, 0xfb, 0xc1 }, NONE, 0 }, { "psubq mm3, m64", 3, { 0x0f, 0xfb, 0x1e }, I64, 0 },
    { "paddb mm0, mm1", 3, { 0x0f, 0xfc, 0xc1 }, NONE, 0 }, { "paddb mm3, m64", 3, { 0x0f, 0xfc, 0x1e }, I64, 0 },
    { "paddw mm0, mm1", 3, { 0x0f, 0xfd, 0xc1 }, NONE, 0 }, { "paddw mm3, m64", 3, { 0x0f, 0xfd, 0x1e }, I64, 0 },
    { "paddd mm0, mm1", 3, { 0x0f, 0xfe, 0xc1 }, NONE, 0 }, { "paddd mm3, m64", 3, { 0x0f, 0xfe, 0x1e }, I64, 0 },
    { "pshufb mm0, mm1", 4, { 0x0f, 0x38, 0x00, 0xc1 }, NONE, 0 },
    { "pshufb mm3, m64", 4, { 0x0f, 0x38, 0x00, 0x1e }, I64, 0 },
    { "phaddw mm0, mm1", 4, { 0x0f, 0x38, 0x01, 0xc1 }, NONE, 0 },
    { "phaddw mm3, m64", 4, { 0x0f, 0x38, 0x01, 0x1e }, I64, 0 },
    { "phaddd mm0, mm1", 4, { 0x0f, 0x38, 0x02, 0xc1 }, NONE, 0 },
    { "phaddd mm3, m64", 4, { 0x0f, 0x38, 0x02, 0x1e }, I64, 0 },
    { "phaddsw mm0, mm1", 4, { 0x0f, 0x38, 0x03, 0xc1 }, NONE, 0 },
    { "phaddsw mm3, m64", 4, { 0x0f, 0x38, 0x03, 0x1e }, I64, 0 },
    { "pmaddubsw mm0, mm1", 4, { 0x0f, 0x38, 0x04, 0xc1 }, NONE, 0 },
    { "pmaddubsw mm3, m64", 4, { 0x0f, 0x38, 0x04, 0x1e }, I64, 0 },
    { "phsubw mm0, mm1", 4, { 0x0f, 0x38, 0x05, 0xc1 }, NONE, 0 },
    { "phsubw mm3, m64", 4, { 0x0f, 0x38, 0x05, 0x1e }, I64, 0 },
    { "phsubd mm0, mm1", 4, { 0x0f, 0x38, 0x06, 0xc1 }, NONE, 0 },
    { "phsubd mm3, m64", 4, { 0x0f, 0x38, 0x06, 0x1e }, I64, 0 },
    { "phsubsw mm0, mm1", 4, { 0x0f, 0x38, 0x07, 0xc1 }, NONE, 0 },
    { "phsubsw mm3, m64", 4, { 0x0f, 0x38, 0x07, 0x1e }, I64, 0 },
    { "psignb mm0, mm1", 4, { 0x0f, 0x38, 0x08, 0xc1 }, NONE, 0 },
    { "psignb mm3, m64", 4, { 0x0f, 0x38, 0x08, 0x1e }, I64, 0 },
    { "psignw mm0, mm1", 4, { 0x0f, 0x38, 0x09, 0xc1 }, NONE, 0 },
    { "psignw mm3, m64", 4, { 0x0f, 0x38, 0x09, 0x1e }, I64, 0 },
    { "psignd mm0, mm1", 4, { 0x0f, 0x38, 0x0a, 0xc1 }, NONE, 0 },
    { "psignd mm3, m64", 4, { 0x0f, 0x38, 0x0a, 0x1e }, I64, 0 },
    { "pmulhrsw mm0, mm1", 4, { 0x0f, 0x38, 0x0b, 0xc1 }, NONE, 0 },
    { "pmulhrsw mm3, m64", 4, { 0x0f, 0x38, 0x0b, 0x1e }, I64, 0 },
    { "pabsb mm0, mm1", 4, { 0x0f, 0x38, 0x1c, 0xc1 }, NONE, 0 }, { "pabsb mm3, m64", 4, { 0x0f, 0x38, 0x1c, 0x1e }, I64, 0 },
    { "pabsw mm0, mm1", 4, { 0x0f, 0x38, 0x1d, 0xc1 }, NONE, 0 }, { "pabsw mm3, m64", 4, { 0x0f, 0x38, 0x1d, 0x1e }, I64, 0 },
    { "pabsd mm0, mm1", 4, { 0x0f, 0x38, 0x1e, 0xc1 }, NONE, 0 }, { "pabsd mm3, m64", 4, { 0x0f, 0x38, 0x1e, 0x1e }, I64, 0 },
    { "psrlw mm1, 0x00", 4, { 0x0f, 0x71, 0xd1, 0x00 }, NONE, 0 },
    { "psrlw mm1, 0x05", 4, { 0x0f, 0x71, 0xd1, 0x05 }, NONE, 0 },
    { "psrlw mm1, 0x0f", 4, { 0x0f, 0x71, 0xd1, 0x0f }, NONE, 0 },
    { "psrlw mm1, 0x10", 4, { 0x0f, 0x71, 0xd1, 0x10 }, NONE, 0 },
    { "psrlw mm1, 0x1f", 4, { 0x0f, 0x71, 0xd1, 0x1f }, NONE, 0 },
    { "psrlw mm1, 0x20", 4, { 0x0f, 0x71, 0xd1, 0x20 }, NONE, 0 },
    { "psrlw mm1, 0x3f", 4, { 0x0f, 0x71, 0xd1, 0x3f }, NONE, 0 },
    { "psrlw mm1, 0x40", 4, { 0x0f, 0x71, 0xd1, 0x40 }, NONE, 0 },
    { "psrlw mm1, 0xff", 4, { 0x0f, 0x71, 0xd1, 0xff }, NONE, 0 },
    { "psraw mm1, 0x00", 4, { 0x0f, 0x71, 0xe1, 0x00 }, NONE, 0 },
    { "psraw mm1, 0x05", 4, { 0x0f, 0x71, 0xe1, 0x05 }, NONE, 0 },
    { "psraw mm1, 0x0f", 4, { 0x0f, 0x71, 0xe1, 0x0f }, NONE, 0 },
    { "psraw mm1, 0x10", 4, { 0x0f, 0x71, 0xe1, 0x10 }, NONE, 0 },
    { "psraw mm1, 0x1f", 4, { 0x0f, 0x71, 0xe1, 0x1f }, NONE, 0 },
    { "psraw mm1, 0x20", 4, { 0x0f, 0x71, 0xe1, 0x20 }, NONE, 0 },
    { "psraw mm1, 0x3f", 4, { 0x0f, 0x71, 0xe1, 0x3f }, NONE, 0 },
    { "psraw mm1, 0x40", 4, { 0x0f, 0x71, 0xe1, 0x40 }, NONE, 0 },
    { "psraw mm1, 0xff", 4, { 0x0f, 0x71, 0xe1, 0xff }, NONE, 0 },
    { "psllw mm1, 0x00", 4, { 0x0f, 0x71, 0xf1, 0x00 }, NONE, 0 },
    { "psllw mm1, 0x05", 4, { 0x0f, 0x71, 0xf1, 0x05 }, NONE, 0 },
    { "psllw mm1, 0x0f", 4, { 0x0f, 0x71, 0xf1, 0x0f }, NONE, 0 },
    { "psllw mm1, 0x10", 4, { 0x0f, 0x71, 0xf1, 0x10 }, NONE, 0 },
    { "psllw mm1, 0x1f", 4, { 0x0f, 0x71, 0xf1, 0x1f }, NONE, 0 },
    { "psllw mm1, 0x20", 4, { 0x0f, 0x71, 0xf1, 0x20 }, NONE, 0 },
    { "psllw mm1, 0x3f", 4, { 0x0f, 0x71, 0xf1, 0x3f }, NONE, 0 },
    { "psllw mm1, 0x40", 4, { 0x0f, 0x71, 0xf1, 0x40 }, NONE, 0 },
    { "psllw mm1, 0xff", 4, { 0x0f, 0x71, 0xf1, 0xff }, NONE, 0 },
    { "psrld mm1, 0x00", 4, { 0x0f, 0x72, 0xd1, 0x00 }, NONE, 0 },
    { "psrld mm1, 0x05", 4, { 0x0f, 0x72, 0xd1, 0x05 }, NONE, 0 },
    { "psrld mm1, 0x0f", 4, { 0x0f, 0x72, 0xd1, 0x0f }, NONE, 0 },
    { "psrld mm1, 0x10", 4, { 0x0f, 0x72, 0xd1, 0x10 }, NONE, 0 },
    { "psrld mm1, 0x1f", 4, { 0x0f, 0x72, 0xd1, 0x1f }, NONE, 0 },
    { "psrld mm1, 0x20", 4, { 0x0f, 0x72, 0xd1, 0x20 }, NONE, 0 },
    { "psrld mm1, 0x3f", 4, { 0x0f, 0x72, 0xd1, 0x3f }, NONE, 0 },
    { "psrld mm1, 0x40", 4, { 0x0f, 0x72, 0xd1, 0x40 }, NONE, 0 },
    { "psrld mm1, 0xff", 4, { 0x0f, 0x72, 0xd1, 0xff }, NONE, 0 },
    { "psrad mm1, 0x00", 4, { 0x0f, 0x72, 0xe1, 0x00 }, NONE, 0 },
    { "psrad mm1, 0x05", 4, { 0x0f, 0x72, 0xe1, 0x05 }, NONE, 0 },
    { "psrad mm1, 0x0f", 4, { 0x0f, 0x72, 0xe1, 0x0f }, NONE, 0 },
    { "psrad mm1, 0x10", 4, { 0x0f, 0x72, 0xe1, 0x10 }, NONE, 0 },
    { "psrad mm1, 0x1f", 4, { 0x0f, 0x72, 0xe1, 0x1f }, NONE, 0 },
    { "psrad mm1, 0x20", 4, { 0x0f, 0x72, 0xe1, 0x20 }, NONE, 0 },
    { "psrad mm1, 0x3f", 4, { 0x0f, 0x72, 0xe1, 0x3f }, NONE, 0 },
    { "psrad mm1, 0x40", 4, { 0x0f, 0x72, 0xe1, 0x40 }, NONE, 0 },
    { "psrad mm1, 0xff", 4, { 0x0f, 0x72, 0xe1, 0xff }, NONE, 0 },
    { "pslld mm1, 0x00", 4, { 0x0f, 0x72, 0xf1, 0x00 }, NONE, 0 },
    { "pslld mm1, 0x05", 4, { 0x0f, 0x72, 0xf1, 0x05 }, NONE, 0 },
    { "pslld mm1, 0x0f", 4, { 0x0f, 0x72, 0xf1, 0x0f }, NONE, 0 },
    { "pslld mm1, 0x10", 4, { 0x0f, 0x72, 0xf1, 0x10 }, NONE, 0 },
    { "pslld mm1, 0x1f", 4, { 0x0f, 0x72, 0xf1, 0x1f }, NONE, 0 },
    { "pslld mm1, 0x20", 4, { 0x0f, 0x72, 0xf1, 0x20 }, NONE, 0 },
    { "pslld mm1, 0x3f", 4, { 0x0f, 0x72, 0xf1, 0x3f }, NONE, 0 },
    { "pslld mm1, 0x40", 4, { 0x0f, 0x72, 0xf1, 0x40 }, NONE, 0 },
    { "pslld mm1, 0xff", 4, { 0x0f, 0x72, 0xf1, 0xff }, NONE, 0 },
    { "psrlq mm1, 0x00", 4, { 0x0f, 0x73, 0xd1, 0x00 }, NONE, 0 },
    { "psrlq mm1, 0x05", 4, { 0x0f, 0x73, 0xd1, 0x05 }, NONE, 0 },
    { "psrlq mm1, 0x0f", 4, { 0x0f, 0x73, 0xd1, 0x0f }, NONE, 0 },
    { "psrlq mm1, 0x10", 4, { 0x0f, 0x73, 0xd1, 0x10 }, NONE, 0 },
    { "psrlq mm1, 0x1f", 4, { 0x0f, 0x73, 0xd1, 0x1f }, NONE, 0 },
    { "psrlq mm1, 0x20", 4, { 0x0f, 0x73, 0xd1, 0x20 }, NONE, 0 },
    { "psrlq mm1, 0x3f", 4, { 0x0f, 0x73, 0xd1, 0x3f }, NONE, 0 },
    { "psrlq mm1, 0x40", 4, { 0x0f, 0x73, 0xd1, 0x40 }, NONE, 0 },
    { "psrlq mm1, 0xff", 4, { 0x0f, 0x73, 0xd1, 0xff }, NONE, 0 },
    { "psllq mm1, 0x00", 4, { 0x0f, 0x73, 0xf1, 0x00 }, NONE, 0 },
    { "psllq mm1, 0x05", 4, { 0x0f, 0x73, 0xf1, 0x05 }, NONE, 0 },
    { "psllq mm1, 0x0f", 4, { 0x0f, 0x73, 0xf1, 0x0f }, NONE, 0 },
    { "psllq mm1, 0x10", 4, { 0x0f, 0x73, 0xf1, 0x10 }, NONE, 0 },
    { "psllq mm1, 0x1f", 4, { 0x0f, 0x73, 0xf1, 0x1f }, NONE, 0 },
    { "psllq mm1, 0x20", 4, { 0x0f, 0x73, 0xf1, 0x20 }, NONE, 0 },
    { "psllq mm1, 0x3f", 4, { 0x0f, 0x73, 0xf1, 0x3f }, NONE, 0 },
    { "psllq mm1, 0x40", 4, { 0x0f, 0x73, 0xf1, 0x40 }, NONE, 0 },
    { "psllq mm1, 0xff", 4, { 0x0f, 0x73, 0xf1, 0xff }, NONE, 0 },
    { "pshufw mm0, mm1, 0x00", 4, { 0x0f, 0x70, 0xc1, 0x00 }, NONE, 0 },
    { "pshufw mm0, mm1, 0x1b", 4, { 0x0f, 0x70, 0xc1, 0x1b }, NONE, 0 },
    { "pshufw mm0, mm1, 0xe4", 4, { 0x0f, 0x70, 0xc1, 0xe4 }, NONE, 0 },
    { "pshufw mm0, mm1, 0x93", 4, { 0x0f, 0x70, 0xc1, 0x93 }, NONE, 0 },
    { "palignr mm0, mm1, 0x00", 5, { 0x0f, 0x3a, 0x0f, 0xc1, 0x00 }, NONE, 0 },
    { "palignr mm0, mm1, 0x03", 5, { 0x0f, 0x3a, 0x0f, 0xc1, 0x03 }, NONE, 0 },
    { "palignr mm0, mm1, 0x08", 5, { 0x0f, 0x3a, 0x0f, 0xc1, 0x08 }, NONE, 0 },
    { "palignr mm0, mm1, 0x0b", 5, { 0x0f, 0x3a, 0x0f, 0xc1, 0x0b }, NONE, 0 },
    { "palignr mm0, mm1, 0x10", 5, { 0x0f, 0x3a, 0x0f, 0xc1, 0x10 }, NONE, 0 },
    { "pinsrw mm0, eax, 2", 4, { 0x0f, 0xc4, 0xc0, 0x02 }, NONE, 0 },
    { "pinsrw mm0, m16, 7", 4, { 0x0f, 0xc4, 0x06, 0x07 }, I16, 0 },
    { "pextrw eax, mm1, 3", 4, { 0x0f, 0xc5, 0xc1, 0x03 }, NONE, 0 },
    { "pmovmskb eax, mm1", 3, { 0x0f, 0xd7, 0xc1 }, NONE, 0 }, { "movd mm0, eax", 3, { 0x0f, 0x6e, 0xc0 }, NONE, 0 },
    { "movq mm0, rax", 4, { 0x48, 0x0f, 0x6e, 0xc0 }, NONE, 0 }, { "movd eax, mm1", 3, { 0x0f, 0x7e, 0xc8 }, NONE, 0 },
    { "movq rax, mm1", 4, { 0x48, 0x0f, 0x7e, 0xc8 }, NONE, 0 }, { "movd m32, mm1", 3, { 0x0f, 0x7e, 0x0e }, OUT, 0 },
    { "movq m64, mm1", 3, { 0x0f, 0x7f, 0x0e }, OUT, 0 }, { "movd mm0, m32", 3, { 0x0f, 0x6e, 0x06 }, I32, 0 },
    { "movntq m64, mm1", 3, { 0x0f, 0xe7, 0x0e }, OUT, 0 }, { "movq mm2, mm1", 3, { 0x0f, 0x7f, 0xca }, NONE, 0 },
    { "emms", 2, { 0x0f, 0x77 }, NONE, 0 },
};
#define ROWS (sizeof rows / sizeof *rows)

// ---- cases

static uint64_t seed = 88172645463325252ull;

static uint64_t next(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed * 0x9e3779b97f4a7c15ull ^ seed >> 32;
}

static unsigned below(unsigned n)
{
    return (unsigned)(next() >> 33) % n;
}

static const struct { uint16_t exponent; uint64_t significand; } edges[] = {
    { 0, 0 }, { 0, 1 }, { 0, 0x7fffffffffffffff }, { 0, 0x8000000000000000 }, { 0, 0x4000000000000000 }, { 0, 0xffffffffffffffff },
    { 1, 0x8000000000000000 }, { 1, 0xffffffffffffffff }, { 1, 0 }, { 1, 0x4000000000000000 }, { 0x3fff, 0x8000000000000000 },
    { 0x3fff, 0x8000000000000001 }, { 0x3ffe, 0xffffffffffffffff }, { 0x3ffe, 0x8000000000000000 }, { 0x4000, 0x8000000000000000 },
    { 0x3fff, 0xc000000000000000 }, { 0x3fff, 0x4000000000000000 }, { 0x7ffe, 0xffffffffffffffff }, { 0x7ffe, 0x8000000000000000 },
    { 0x7fff, 0x8000000000000000 }, { 0x7fff, 0xc000000000000000 }, { 0x7fff, 0xa000000000000000 }, { 0x7fff, 0xe000000000000000 },
    { 0x7fff, 0x8000000000000001 }, { 0x7fff, 0xc000000000000001 }, { 0x7fff, 0 }, { 0x7fff, 0x4000000000000000 },
    { 0x400e, 0x8000000000000000 }, { 0x400d, 0xfffe000000000000 }, { 0x401e, 0x8000000000000000 }, { 0x401d, 0xfffffffe00000000 },
    { 0x403e, 0x8000000000000000 }, { 0x403d, 0xffffffffffffffff }, { 0x407f, 0xffffff0000000000 }, { 0x3f81, 0x8000000000000000 },
    { 0x3f6a, 0x8000000000000000 }, { 0x43ff, 0x8000000000000000 }, { 0x3c01, 0x8000000000000000 }, { 0x3bcd, 0x8000000000000000 },
    { 0x403a, 0xde0b6b3a763fffe0 }, { 0x3ffe, 0xc90fdaa22168c235 }, { 0x3fff, 0xc90fdaa22168c235 }, { 0x4000, 0xc90fdaa22168c235 },
    { 0x401f, 0xffffffff80000000 }, { 0x400c, 0x8000000000000000 }, { 0x400e, 0xffff000000000000 },
};

static struct float80 value(const struct row *row)
{
    uint64_t r = next();
    bool sign = r & 1;
    unsigned kind = (unsigned)(r >> 1) % 16;
    if (kind < 4) {
        unsigned i = below(sizeof edges / sizeof *edges);
        return float80_pack(sign, edges[i].exponent, edges[i].significand);
    }
    uint64_t significand = next();
    if (kind & 1)                           // few bits, in one place or two: ties and carries
        significand = (~0ull << below(64)) ^ (below(2) ? 1ull << below(64) : 0);
    else if (kind == 4)
        significand = significand & ~0xfffffffffull;
    significand |= 1ull << 63;
    unsigned exponent;
    if (row->rules & (UNIT | SMALL))
        exponent = 0x3ffe - (row->rules & SMALL ? 2 : 0) - below(below(4) ? 5 : 70);
    else if (kind < 7)
        exponent = 0x3fff - 70 + below(140);
    else if (kind < 13)
        exponent = 0x3fff - 4 + below(8);
    else if (kind == 13)
        exponent = below(70) + 1;
    else if (kind == 14)
        exponent = 0x7ffe - below(70);
    else
        exponent = 1 + below(0x7ffe);
    return float80_pack(sign, exponent, significand);
}

static struct x87_state random_state(const struct row *row)
{
    struct x87_state s = { 0 };
    s.control = (uint16_t)(0x40 | below(4) << 10 | (below(3) ? 3 : below(4)) << 8 | (below(4) ? 0x3f : below(64)));
    s.status = (uint16_t)((next() & (X87_CONDITIONS | 7 << X87_TOP_SHIFT | FLOAT_SF | FLOAT_ALL)) & ~(FLOAT_ALL & ~s.control));
    if (below(2))
        s.status &= (uint16_t)~0x7f;
    s.valid = below(8) ? 0xff : (uint16_t)below(256);
    if (row->rules & PUSHES && below(16))
        s.valid &= (uint16_t)~(1u << ((x87_top(&s) + 7) & 7));
    for (unsigned i = 0; i < 8; i++)
        s.reg[i] = value(row);
    return s;
}

static void put_image(const struct x87_state *s, uint8_t *image, unsigned width)
{
    uint32_t fields[7] = { s->control, s->status, 0 };
    for (unsigned i = 0; i < 8; i++)
        fields[2] |= (s->valid >> i & 1 ? 0u : 3u) << 2 * i;
    for (unsigned i = 0; i < 7; i++)
        memcpy(image + i * width, &fields[i], width);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(image + 7 * width + 10 * i, &s->reg[(x87_top(s) + i) & 7].significand, 8);
        memcpy(image + 7 * width + 10 * i + 8, &s->reg[(x87_top(s) + i) & 7].sign_exponent, 2);
    }
}

static struct x87_state get_image(const uint8_t *image)
{
    struct x87_state s = { 0 };
    uint16_t tags;
    memcpy(&s.control, image, 2);
    memcpy(&s.status, image + 4, 2);
    memcpy(&tags, image + 8, 2);
    for (unsigned i = 0; i < 8; i++)
        s.valid |= (uint16_t)(((tags >> 2 * i & 3) != 3) << i);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(&s.reg[(x87_top(&s) + i) & 7].significand, image + 28 + 10 * i, 8);
        memcpy(&s.reg[(x87_top(&s) + i) & 7].sign_exponent, image + 36 + 10 * i, 2);
    }
    return s;
}

static void random_memory(const struct row *row, uint8_t memory[128])
{
    struct float_env env = { .masked = FLOAT_ALL, .rounding = (uint8_t)below(4) };
    struct float80 v = value(row);
    struct x87_state s;
    uint64_t bits = next() >> below(64);
    for (unsigned i = 0; i < 128; i += 8)
        memcpy(memory + i, &(uint64_t){ next() }, 8);
    switch (row->memory) {
    case F32:
        memcpy(memory, below(4) ? &(uint32_t){ float80_to_float32(&env, v) } : &(uint32_t){ (uint32_t)(below(2) ? 0x7f800001 : 1) }, 4);
        break;
    case F64:
        bits = below(8) ? float80_to_float64(&env, v) : below(2) ? 0x7ff0000000000001u + below(8) : below(8);
        memcpy(memory, &bits, 8);
        break;
    case F80:
        memcpy(memory, &v, 10);
        break;
    case I16: case I32: case I64: case WORD:
        memcpy(memory, &bits, 8);
        break;
    case BCD:
        float80_to_bcd(&env, float80_from_int64((int64_t)(bits % 1000000000000000000 * (below(2) ? -1 : 1))), memory);
        memory[9] = (uint8_t)((memory[9] & 0x80) | below(2) * below(128));
        break;
    case ENV28: case IMAGE108:
        s = random_state(row);
        put_image(&s, memory, 4);
        break;
    case ENV14: case IMAGE94:
        s = random_state(row);
        put_image(&s, memory, 2);
        break;
    }
}

// ---- both sides

struct machine { struct x87_state s; uint8_t memory[128]; uint64_t flags, rax; const struct x64_insn *insn; };

typedef void native_function(uint8_t *image, uint8_t *memory, uint64_t *flags, uint64_t *rax);

static native_function *native_code(const struct row *row, uint8_t *page)
{
    static const uint8_t before[] = { 0xff, 0x32, 0x9d, 0x48, 0x8b, 0x01, 0xdd, 0x27 };     // push [rdx]; popfq; mov rax, [rcx]; frstor [rdi]
    static const uint8_t after[] = { 0xdd, 0x37, 0x9c, 0x8f, 0x02, 0x48, 0x89, 0x01, 0xc3 };    // fnsave [rdi]; pushfq; pop [rdx]; mov [rcx], rax; ret
    memcpy(page, before, sizeof before);
    memcpy(page + sizeof before, row->code, row->length);
    memcpy(page + sizeof before + row->length, after, sizeof after);
    native_function *function;
    memcpy(&function, &page, sizeof function);
    return function;
}

static bool io_read(void *context, unsigned operand, void *to, unsigned bytes)
{
    struct machine *m = context;
    memcpy(to, m->insn->opd[operand].kind == X64_OPD_MEM ? (void *)m->memory : &m->rax, bytes);
    return true;
}

static bool io_write(void *context, unsigned operand, const void *from, unsigned bytes)
{
    struct machine *m = context;
    if (m->insn->opd[operand].kind == X64_OPD_MEM)
        memcpy(m->memory, from, bytes);
    else if (bytes == 4)
        m->rax = *(const uint32_t *)from;
    else
        memcpy(&m->rax, from, bytes);
    return true;
}

static enum x87_outcome run_here(struct machine *m)
{
    struct x87_io io = { m, io_read, io_write, 0x1000, 0, (uint32_t)m->flags, 0x1f80 };
    enum x87_outcome outcome = x87_execute(&m->s, m->insn, &io);
    m->flags = io.eflags;
    return outcome;
}

static void run_native(struct machine *m, native_function *function)
{
    uint8_t image[108];
    put_image(&m->s, image, 4);
    function(image, m->memory, &m->flags, &m->rax);
    m->s = get_image(image);
}

static bool near(struct float80 a, struct float80 b, bool ulp)
{
    if (a.significand == b.significand && a.sign_exponent == b.sign_exponent)
        return true;
    if (!ulp || (a.sign_exponent ^ b.sign_exponent) & 0x8000 || (a.sign_exponent & 0x7fff) == 0x7fff || (b.sign_exponent & 0x7fff) == 0x7fff)
        return false;
    __int128 x = ((__int128)(a.sign_exponent & 0x7fff) << 63) + (int64_t)(a.significand & ~(1ull << 63));
    __int128 y = ((__int128)(b.sign_exponent & 0x7fff) << 63) + (int64_t)(b.significand & ~(1ull << 63));
    return x - y <= 1 && y - x <= 1;
}

static bool pointer_byte(const struct row *row, unsigned i)     // fields of an environment that are not compared
{
    if (!strncmp(row->name, "fnstenv 14", 10) || !strcmp(row->name, "fnsave 94"))
        return i >= 6 && i < 14;
    return (!strcmp(row->name, "fnstenv") || !strcmp(row->name, "fnsave")) && i >= 12 && i < 28;
}

static bool same(const struct row *row, const struct machine *a, const struct machine *b)
{
    uint16_t status = 0xffff;
    if (row->rules & (ULP | NO_C1))
        status &= (uint16_t)~X87_C1;
    if (a->s.control != b->s.control || (a->s.status ^ b->s.status) & status || a->s.valid != b->s.valid || a->rax != b->rax)
        return false;
    if ((a->flags ^ b->flags) & X64_ARITH_FLAGS)
        return false;
    for (unsigned i = 0; i < 8; i++)
        if (!near(a->s.reg[i], b->s.reg[i], row->rules & ULP))
            return false;
    for (unsigned i = 0; i < sizeof a->memory; i++)
        if (a->memory[i] != b->memory[i] && !pointer_byte(row, i))
            return false;
    return true;
}

static void show(const char *title, const struct machine *m)
{
    printf("  %-9s control %04x status %04x valid %02x flags %03x rax %" PRIx64 " memory", title, m->s.control, m->s.status, m->s.valid,
           (unsigned)m->flags & 0x8d5, m->rax);
    for (unsigned i = 0; i < 28; i++)
        printf(" %02x", m->memory[i]);
    printf("\n           ");
    for (unsigned i = 0; i < 8; i++)
        printf(" %04x.%016" PRIx64, m->s.reg[(x87_top(&m->s) + i) & 7].sign_exponent, m->s.reg[(x87_top(&m->s) + i) & 7].significand);
    printf("\n");
}

static bool refuse_read(void *context, unsigned operand, void *to, unsigned bytes)
{
    (void)context, (void)operand, (void)to, (void)bytes;
    return false;
}

static bool refuse_write(void *context, unsigned operand, const void *from, unsigned bytes)
{
    (void)context, (void)operand, (void)from, (void)bytes;
    return false;
}

// A fault of the memory operand, and an exception that is pending, leave everything as it was.
static bool harmless(const struct row *row, const struct x64_insn *insn)
{
    struct x87_io io = { 0, refuse_read, refuse_write, 0x1000, 0, 0x8d5, 0x1f80 };
    struct x87_state before = random_state(row), after = before;
    before.control |= FLOAT_ALL;
    before.status &= (uint16_t)~0xff;
    after = before;
    bool waits = strncmp(row->name, "fn", 2) || !strcmp(row->name, "fnop");
    if (insn->form & X64_F_MEM && x87_execute(&after, insn, &io) != X87_FAULT)
        return false;
    if (memcmp(&before, &after, sizeof before) || io.eflags != 0x8d5)
        return false;
    before.control &= (uint16_t)~FLOAT_ZE;
    before.status |= FLOAT_ZE | X87_ES | X87_BUSY;
    after = before;
    enum x87_outcome outcome = x87_execute(&after, insn, &io);
    return waits ? outcome == X87_PENDING && !memcmp(&before, &after, sizeof before) : outcome != X87_PENDING;
}

static void compare(const struct row *row, unsigned count, uint8_t *page)
{
    struct x64_insn insn;
    unsigned shown = 0, wrong = 0;
    native_function *function = native_code(row, page);
    if (x64_decode(row->code, row->length, 0x1000, &insn) != X64_OK) {
        printf("FAIL %s: not decoded\n", row->name);
        failed++;
        return;
    }
    if (insn.form & X64_F_MEM && insn.mem.base != X64_RSI)
        abort();
    if (!harmless(row, &insn)) {
        printf("%s: a fault or a pending exception changes something\n", row->name);
        wrong++;
    }
    for (unsigned i = 0; i < count; i++) {
        struct machine start = { .s = random_state(row), .flags = 0x202 | (next() & X64_ARITH_FLAGS), .rax = next(), .insn = &insn };
        random_memory(row, start.memory);
        struct machine expected = start, got = start;
        unsigned turns = 0;
        enum x87_outcome outcome;
        do {
            run_native(&expected, function);
        } while (row->rules & REDUCES && expected.s.status & X87_C2 && !(expected.s.status & ~expected.s.control & FLOAT_ALL) && ++turns < 2000);
        turns = 0;
        do {
            outcome = run_here(&got);
        } while (row->rules & REDUCES && outcome == X87_DONE && got.s.status & X87_C2 && !(got.s.status & ~got.s.control & FLOAT_ALL) && ++turns < 2000);
        if (outcome != X87_DONE || !same(row, &expected, &got)) {
            wrong++;
            if (shown++ < 3) {
                printf("%s: case %u, outcome %d\n", row->name, i, outcome);
                show("before", &start);
                show("processor", &expected);
                show("here", &got);
            }
        }
    }
    if (wrong)
        printf("FAIL %s: %u of %u\n", row->name, wrong, count);
    wrong ? failed++ : passed++;
}
#endif

int main(int argc, char **argv)
{
#if defined __x86_64__
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], 0, 0) : 20000;
    uint8_t *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        printf("skip: no executable memory here\n");
        return 0;
    }
    for (unsigned i = 0; i < ROWS; i++)
        if (argc < 3 || !strcmp(argv[2], rows[i].name))
            compare(&rows[i], (rows[i].code[0] & 0xf8) == 0xd8 ? count : count / 10 + 1, page);     // MMX has few cases
#else
    (void)argc, (void)argv;
    printf("skip: this machine's processor is no x64\n");
#endif
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
