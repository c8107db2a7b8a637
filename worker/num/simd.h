/* simd.h - pieces of vector kernels: sums in blocks, exp, the normal distribution. */
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/num/isa.h"
#include "worker/num/real.h"

#define SIMD_INLINE static inline __attribute__((always_inline))

enum { SUM_BLOCK = 256 }; /* terms added in `real` before going over to double */

/* sum of x[0..n) */
SIMD_INLINE double simd_sum(const real *x, size_t n)
{
    double sum = 0;

    for (size_t at = 0; at < n; at += SUM_BLOCK) {
        size_t end = n - at < SUM_BLOCK ? n : at + SUM_BLOCK;
        real part = 0;

#pragma omp simd reduction(+ : part)
        for (size_t i = at; i < end; i++)
            part += x[i];
        sum += (double)part;
    }
    return sum;
}

/* e^x.  float: range reduction and the polynomial of Cephes expf, 2 ulp; inputs are clamped to
 * [-87, 88], so exp(-inf) is 1.6e-38 and nothing overflows; NaN stays NaN. */
SIMD_INLINE real simd_exp(real x)
{
#ifdef REAL_IS_DOUBLE
    return exp(x);
#else
    const float round_bias = 12582912.0f; /* 1.5 * 2^23: the low bits of the sum are round(z) */
    union {
        float f;
        uint32_t u;
    } shifted, scale;
    float n, r, y;

    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    shifted.f = x * 1.44269504f + round_bias;
    n = shifted.f - round_bias;
    r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    scale.u = (shifted.u + 127u) << 23;
    return y * scale.f;
#endif
}

/* Phi(x) and e^(-x^2/2).  float: Abramowitz and Stegun 7.1.26 with u = |x|/sqrt(2), whose
 * exponential is the one that the slope needs. */
SIMD_INLINE real gauss_cdf(real x, real *bell)
{
#ifdef REAL_IS_DOUBLE
    *bell = exp(-0.5 * x * x);
    return 0.5 * (1 + erf(x * 0.70710678118654752440));
#else
    float e = simd_exp(-0.5f * x * x), a = x < 0 ? -x : x, t, tail;

    t = 1.0f / (1.0f + 0.3275911f * 0.70710678f * a);
    tail = 1.061405429f;
    tail = tail * t - 1.453152027f;
    tail = tail * t + 1.421413741f;
    tail = tail * t - 0.284496736f;
    tail = tail * t + 0.254829592f;
    tail = 0.5f * tail * t * e; /* (1 - erf(u)) / 2 */
    *bell = e;
    return x < 0 ? tail : 1.0f - tail;
#endif
}
