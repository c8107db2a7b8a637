/* norm_parts.c - see norm_parts.h. */
#include "worker/num/norm_parts.h"

#include <stdbool.h>

#include "worker/num/simd.h"

enum { COLS = 64, ROWS = 128 }; /* tile of the column sums */

ISA_CLONES
void norm_stats(real *restrict mean, real *restrict rstd, const real *restrict x, real eps, size_t n,
                size_t c)
{
    for (size_t i = 0; i < n; i++) {
        const real *xi = x + i * c;
        real mu = (real)(simd_sum(xi, c) / (double)c);
        double var = 0;

        for (size_t at = 0; at < c; at += SUM_BLOCK) {
            size_t end = c - at < SUM_BLOCK ? c : at + SUM_BLOCK;
            real part = 0;

#pragma omp simd reduction(+ : part)
            for (size_t j = at; j < end; j++)
                part += (xi[j] - mu) * (xi[j] - mu);
            var += (double)part;
        }
        mean[i] = mu;
        rstd[i] = (real)(1 / sqrt(var / (double)c + (double)eps));
    }
}

ISA_CLONES
void norm_apply(real *restrict y, const real *restrict x, const real *restrict mean,
                const real *restrict rstd, const real *restrict gain, const real *restrict bias,
                size_t n, size_t c)
{
    for (size_t i = 0; i < n; i++) {
        const real *xi = x + i * c;
        real *yi = y + i * c, mu = mean[i], rs = rstd[i];

#pragma omp simd
        for (size_t j = 0; j < c; j++)
            yi[j] = (xi[j] - mu) * rs * gain[j] + bias[j];
    }
}

/* g of element j */
SIMD_INLINE real grad_in(const struct norm_grads *g, size_t at, size_t j, bool two)
{
    real v = g->dy[at + j] * g->gain[j];

    return two ? v + g->dy2[at + j] * g->gain2[j] : v;
}

SIMD_INLINE void dx_row(real *restrict dxi, const struct norm_grads *g, size_t at,
                        const real *restrict xi, real mu, real rs, size_t c, bool two)
{
    double s1 = 0, s2 = 0; /* of g and of g * xhat */
    real m1, m2;

    for (size_t top = 0; top < c; top += SUM_BLOCK) {
        size_t end = c - top < SUM_BLOCK ? c : top + SUM_BLOCK;
        real p1 = 0, p2 = 0;

#pragma omp simd reduction(+ : p1, p2)
        for (size_t j = top; j < end; j++) {
            real gj = grad_in(g, at, j, two);

            p1 += gj;
            p2 += gj * ((xi[j] - mu) * rs);
        }
        s1 += (double)p1;
        s2 += (double)p2;
    }
    m1 = (real)(s1 / (double)c);
    m2 = (real)(s2 / (double)c);
#pragma omp simd
    for (size_t j = 0; j < c; j++)
        dxi[j] += rs * (grad_in(g, at, j, two) - m1 - (xi[j] - mu) * rs * m2);
}

ISA_CLONES
void norm_dx(real *restrict dx, const struct norm_grads *grads, const real *restrict x,
             const real *restrict mean, const real *restrict rstd, size_t n, size_t c)
{
    const struct norm_grads g = *grads;

    for (size_t i = 0; i < n; i++)
        if (g.dy2)
            dx_row(dx + i * c, &g, i * c, x + i * c, mean[i], rstd[i], c, true);
        else
            dx_row(dx + i * c, &g, i * c, x + i * c, mean[i], rstd[i], c, false);
}

/* dgain += sum over rows of dy * xhat, dbias += sum of dy, for columns [at, at + w) */
SIMD_INLINE void gain_bwd(real *dgain, real *dbias, const real *dy, const real *x,
                          const real *mean, const real *rstd, size_t n, size_t c, size_t at,
                          size_t w)
{
    double g[COLS] = {0}, b[COLS] = {0};

    for (size_t top = 0; top < n; top += ROWS) {
        size_t end = n - top < ROWS ? n : top + ROWS;
        real gp[COLS] = {0}, bp[COLS] = {0};

        for (size_t i = top; i < end; i++) {
            const real *dyi = dy + i * c + at, *xi = x + i * c + at;
            real mu = mean[i], rs = rstd[i];

#pragma omp simd
            for (size_t j = 0; j < w; j++) {
                gp[j] += dyi[j] * ((xi[j] - mu) * rs);
                bp[j] += dyi[j];
            }
        }
        for (size_t j = 0; j < w; j++) {
            g[j] += (double)gp[j];
            b[j] += (double)bp[j];
        }
    }
    for (size_t j = 0; j < w; j++) {
        dgain[at + j] += (real)g[j];
        dbias[at + j] += (real)b[j];
    }
}

ISA_CLONES
void norm_dgain(real *restrict dgain, real *restrict dbias, const real *restrict dy,
                const real *restrict x, const real *restrict mean, const real *restrict rstd, size_t n,
                size_t c, size_t from, size_t to)
{
    for (size_t at = from; at < to; at += COLS)
        gain_bwd(dgain, dbias, dy, x, mean, rstd, n, c, at, to - at < COLS ? to - at : COLS);
}
