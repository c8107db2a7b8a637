/* gelu.c - see gelu.h. */
#include "worker/num/gelu.h"

#include "worker/num/simd.h"

#define INV_SQRT_2PI ((real)0.39894228040143267794)
#define TANH_SCALE   ((real)0.79788456080286535588)
#define TANH_CUBE    ((real)0.044715)

/* tanh by the exponential; |error| below 2e-7 in float */
SIMD_INLINE real tanh_of(real x)
{
#ifdef REAL_IS_DOUBLE
    return tanh(x);
#else
    return 1.0f - 2.0f / (simd_exp(2.0f * x) + 1.0f);
#endif
}

/* gelu(a) and its slope */
SIMD_INLINE real exact(real a, real *slope)
{
    real bell, cdf = gauss_cdf(a, &bell);

    *slope = cdf + a * bell * INV_SQRT_2PI;
    return a * cdf;
}

SIMD_INLINE real by_tanh(real a, real *slope)
{
    real sq = a * a, t = tanh_of(TANH_SCALE * (a + TANH_CUBE * sq * a));

    *slope = (real)0.5 * (1 + t) + (real)0.5 * a * (1 - t * t) * TANH_SCALE * (1 + 3 * TANH_CUBE * sq);
    return (real)0.5 * a * (1 + t);
}

ISA_CLONES
void gelu_keep_fwd(real *restrict y, const real *restrict a, size_t n, bool is_tanh)
{
    real slope;

    if (is_tanh) {
#pragma omp simd private(slope)
        for (size_t i = 0; i < n; i++)
            y[i] = by_tanh(a[i], &slope);
    } else {
#pragma omp simd private(slope)
        for (size_t i = 0; i < n; i++)
            y[i] = exact(a[i], &slope);
    }
}

ISA_CLONES
void gelu_keep_bwd(real *restrict d, real *restrict y, const real *restrict a, size_t n, bool is_tanh)
{
    real slope;

    if (is_tanh) {
#pragma omp simd private(slope)
        for (size_t i = 0; i < n; i++) {
            y[i] = by_tanh(a[i], &slope);
            d[i] *= slope;
        }
    } else {
#pragma omp simd private(slope)
        for (size_t i = 0; i < n; i++) {
            y[i] = exact(a[i], &slope);
            d[i] *= slope;
        }
    }
}
