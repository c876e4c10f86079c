// SPDX-License-Identifier: MIT
// The long double functions of the C library that the toolchain links in (x87 code), and its printf for them.
#define __USE_MINGW_ANSI_STDIO 1
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    volatile long double a = 1.7L, b = -0.3L;
    printf("%.15Lf %.15Lf %.15Lf %.15Lf\n", sinl(a), cosl(a), tanl(a), atan2l(a, b));
    printf("%.15Lg %.15Lg %.15Lg %.15Lg\n", expl(a * 10), logl(a), powl(a, 20.5L), cbrtl(a));
    printf("%.15Lg %.15Lg %.15Lg %.15Lg\n", sqrtl(a), fmodl(100, a), floorl(b), ldexpl(a, 100));
    printf("%.18Lf %Le %La\n", a / 3, b * 1e300L * 1e300L, a);
    printf("%.15Lg %.15Lg %.15Lg\n", sinhl(a), acosl(b), log10l(a));
    printf("%.17g %.17g\n", pow(1.1, 100), exp(0.5));
    printf("%ld\n", lrintl(a * 1000));
    printf("%.20Lg\n", strtold("3.14159265358979323846264338327950288", NULL));
    return 0;
}
