/* vec.c - see vec.h. */
#include "worker/num/vec.h"

#include <math.h>

#include "worker/num/isa.h"

ISA_CLONES real vec_dot(const real *a, const real *b, size_t n)
{
    real s = 0;

#pragma omp simd reduction(+ : s)
    for (size_t i = 0; i < n; i++)
        s += a[i] * b[i];
    return s;
}

ISA_CLONES double vec_sumsq(const real *x, size_t n)
{
    double s = 0;

#pragma omp simd reduction(+ : s)
    for (size_t i = 0; i < n; i++)
        s += (double)x[i] * (double)x[i];
    return s;
}

ISA_CLONES void vec_axpy(real *restrict y, const real *restrict x, real a, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

ISA_CLONES void vec_scale(real *x, real a, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        x[i] *= a;
}

/* x * 0 is 0 for a finite x and NaN otherwise. */
ISA_CLONES bool vec_is_finite(const real *x, size_t n)
{
    real s = 0;

#pragma omp simd reduction(+ : s)
    for (size_t i = 0; i < n; i++)
        s += x[i] * 0;
    return s == 0;
}

double vec_normalise(real *x, size_t n)
{
    double norm = sqrt(vec_sumsq(x, n));

    if (norm > 0)
        vec_scale(x, (real)(1 / norm), n);
    return norm;
}
