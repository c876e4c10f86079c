// SPDX-License-Identifier: MIT
// BMI1, BMI2, ADX, RDRAND and RDSEED: lower_NAME lowers NAME. Read twice: for the functions and for their rows (lower_ops_bmi.inc).
#pragma once
#include "emu/lower/context.h"

#define BMI_OPS(X) \
    X(ANDN) X(BEXTR) X(BZHI) X(BLSI) X(BLSR) X(BLSMSK) X(MULX) X(SARX) X(SHLX) X(SHRX) X(RORX) X(PDEP) X(PEXT) X(ADCX) X(ADOX) \
    X(RDRAND) X(RDSEED)

#define X(name) lower_function lower_##name;
BMI_OPS(X)
#undef X
