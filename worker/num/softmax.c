/* softmax.c - see softmax.h. */
#include "worker/num/softmax.h"

#include "worker/num/simd.h"

ISA_CLONES
void softmax_fwd(real *y, const real *x, size_t n, size_t c)
{
    for (size_t i = 0; i < n; i++) {
        const real *xi = x + i * c;
        real *yi = y + i * c, top = xi[0], scale;

#pragma omp simd reduction(max : top)
        for (size_t j = 0; j < c; j++)
            top = xi[j] > top ? xi[j] : top;
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            yi[j] = simd_exp(xi[j] - top);
        scale = (real)(1 / simd_sum(yi, c));
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            yi[j] *= scale;
    }
}

ISA_CLONES
void softmax_bwd(real *restrict dx, const real *restrict dy, const real *restrict y, size_t n,
                 size_t c)
{
    for (size_t i = 0; i < n; i++) {
        const real *dyi = dy + i * c, *yi = y + i * c;
        real *dxi = dx + i * c, dot;
        double sum = 0;

        for (size_t at = 0; at < c; at += SUM_BLOCK) {
            size_t end = c - at < SUM_BLOCK ? c : at + SUM_BLOCK;
            real part = 0;

#pragma omp simd reduction(+ : part)
            for (size_t j = at; j < end; j++)
                part += dyi[j] * yi[j];
            sum += (double)part;
        }
        dot = (real)sum;
#pragma omp simd
        for (size_t j = 0; j < c; j++)
            dxi[j] += yi[j] * (dyi[j] - dot);
    }
}
