/* act.c - see act.h. */
#include "worker/num/act.h"

#include <string.h>

#include "worker/num/simd.h"

enum { COLS = 64, ROWS = 128 }; /* tile of the column sums */

ISA_CLONES
void relu_fwd(real *restrict x, const real *restrict bias, size_t n, size_t c)
{
    for (size_t i = 0; i < n; i++) {
        real *xi = x + i * c;

#pragma omp simd
        for (size_t j = 0; j < c; j++) {
            real v = xi[j] + bias[j];

            xi[j] = v < 0 ? 0 : v; /* NaN stays */
        }
    }
}

ISA_CLONES
void relu_bwd(real *restrict d, const real *restrict y, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        d[i] = y[i] > 0 ? d[i] : 0;
}

ISA_CLONES
void gelu_fwd(real *restrict x, real *restrict slope, const real *restrict bias, size_t n, size_t c)
{
    const real inv_sqrt_2pi = (real)0.39894228040143267794;

    for (size_t i = 0; i < n; i++) {
        real *xi = x + i * c, *si = slope ? slope + i * c : NULL;

        if (si) {
#pragma omp simd
            for (size_t j = 0; j < c; j++) {
                real v = xi[j] + bias[j], bell, cdf = gauss_cdf(v, &bell);

                xi[j] = v * cdf;
                si[j] = cdf + v * bell * inv_sqrt_2pi;
            }
        } else {
#pragma omp simd
            for (size_t j = 0; j < c; j++) {
                real v = xi[j] + bias[j], bell, cdf = gauss_cdf(v, &bell);

                xi[j] = v * cdf;
            }
        }
    }
}

ISA_CLONES
void gelu_bwd(real *restrict d, const real *restrict slope, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        d[i] *= slope[i];
}

void bias_rows(real *restrict y, const real *restrict b, size_t n, size_t c)
{
    for (size_t i = 0; i < n; i++)
        memcpy(y + i * c, b, c * sizeof *b);
}

void bias_bwd(real *restrict db, const real *restrict dy, size_t n, size_t c)
{
    bias_bwd_ld(db, dy, n, c, c);
}

ISA_CLONES
void bias_bwd_ld(real *restrict db, const real *restrict dy, size_t n, size_t c, size_t ld)
{
    for (size_t at = 0; at < c; at += COLS) {
        size_t w = c - at < COLS ? c - at : COLS;
        double sum[COLS] = {0};

        for (size_t top = 0; top < n; top += ROWS) {
            size_t end = n - top < ROWS ? n : top + ROWS;
            real part[COLS] = {0};

            for (size_t i = top; i < end; i++) {
                const real *row = dy + i * ld + at;

#pragma omp simd
                for (size_t j = 0; j < w; j++)
                    part[j] += row[j];
            }
            for (size_t j = 0; j < w; j++)
                sum[j] += (double)part[j];
        }
        for (size_t j = 0; j < w; j++)
            db[at + j] += (real)sum[j];
    }
}
