/* flash.c - see flash.h.  The unit of work is one head of one sequence; units touch different
 * columns, so the result does not depend on the number of threads. */
#include "worker/num/flash.h"

#include <math.h>
#include <string.h>

#include "worker/num/blas.h"
#include "worker/num/par.h"
#include "worker/num/simd.h"

enum { TILES = 2 }; /* of scores, and of their gradients */

static size_t scratch_of_thread(size_t t_max)
{
    return TILES * FLASH_BLOCK * t_max + FLASH_BLOCK;
}

size_t flash_scratch(size_t t_max, size_t e, int n_threads)
{
    (void)e;
    return scratch_of_thread(t_max) * (size_t)n_threads;
}

struct unit {
    real *z, *lse, *dqkv;
    const real *dz, *qkv;
    const struct flash *f;
};

/* What one head of one sequence needs. */
struct head {
    const real *q, *k, *v;   /* row stride 3 h e */
    size_t t, e, ld, ld_z, ld_lse;
    real scale;
    real *score, *dscore, *dot;
};

static struct head head_of(const struct unit *u, size_t i, int thread, size_t *row, size_t *h)
{
    const struct flash *f = u->f;
    real *scratch = f->scratch + (size_t)thread * scratch_of_thread(f->t_max);
    struct head a = {.e = f->e, .ld = 3 * f->h * f->e, .ld_z = f->h * f->e, .ld_lse = f->h};

    *h = i % f->h;
    *row = f->start[i / f->h];
    a.t = f->start[i / f->h + 1] - *row;
    a.q = u->qkv + *row * a.ld + *h * 3 * a.e;
    a.k = a.q + a.e;
    a.v = a.k + a.e;
    a.scale = (real)(1 / sqrt((double)a.e));
    a.score = scratch;
    a.dscore = scratch + FLASH_BLOCK * f->t_max;
    a.dot = a.dscore + FLASH_BLOCK * f->t_max;
    return a;
}

/* In place: softmax of the first `n` of a row of scores times `scale`, zeros up to `end`.
 * Returns the log-sum-exp. */
ISA_CLONES static real softmax_row(real *restrict s, size_t n, size_t end, real scale)
{
    real top = s[0], inv;
    double sum;

#pragma omp simd reduction(max : top)
    for (size_t j = 0; j < n; j++)
        top = s[j] > top ? s[j] : top;
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        s[j] = simd_exp((s[j] - top) * scale);
    sum = simd_sum(s, n);
    inv = (real)(1 / sum);
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        s[j] *= inv;
    memset(s + n, 0, (end - n) * sizeof *s);
    return top * scale + (real)log(sum);
}

static void fwd_unit(void *ctx, size_t i, int thread)
{
    const struct unit *u = ctx;
    size_t row, h;
    struct head a = head_of(u, i, thread, &row, &h);
    real *z = u->z + row * a.ld_z + h * a.e, *lse = u->lse + row * a.ld_lse + h;

    for (size_t from = 0; from < a.t; from += FLASH_BLOCK) {
        size_t rows = a.t - from < FLASH_BLOCK ? a.t - from : FLASH_BLOCK, end = from + rows;

        mm_nt_ld(a.score, end, a.q + from * a.ld, a.ld, a.k, a.ld, rows, end, a.e, 1, 0);
        for (size_t r = 0; r < rows; r++)
            lse[(from + r) * a.ld_lse] = softmax_row(a.score + r * end, from + r + 1, end, a.scale);
        mm_nn_ld(z + from * a.ld_z, a.ld_z, a.score, end, a.v, a.ld, rows, a.e, end, 1, 0);
    }
}

/* Probabilities from scores, and in ds the gradients of the unscaled products: p (dp - dot) scale */
ISA_CLONES static void bwd_row(real *restrict s, real *restrict ds, size_t n, size_t end, real lse,
                               real dot, real scale)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        real p = simd_exp(s[j] * scale - lse);

        s[j] = p;
        ds[j] = p * (ds[j] - dot) * scale;
    }
    memset(s + n, 0, (end - n) * sizeof *s);
    memset(ds + n, 0, (end - n) * sizeof *ds);
}

/* dot_r = dz_r . z_r, which equals the row sum of p dp */
ISA_CLONES static void row_dots(real *dot, const real *dz, const real *z, size_t rows, size_t ld,
                                size_t e)
{
    for (size_t r = 0; r < rows; r++) {
        real sum = 0;

#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < e; j++)
            sum += dz[r * ld + j] * z[r * ld + j];
        dot[r] = sum;
    }
}

static void zero_rows(real *x, size_t n, size_t ld, size_t c)
{
    for (size_t i = 0; i < n; i++)
        memset(x + i * ld, 0, c * sizeof *x);
}

static void bwd_unit(void *ctx, size_t i, int thread)
{
    const struct unit *u = ctx;
    size_t row, h;
    struct head a = head_of(u, i, thread, &row, &h);
    const real *z = u->z + row * a.ld_z + h * a.e, *dz = u->dz + row * a.ld_z + h * a.e;
    const real *lse = u->lse + row * a.ld_lse + h;
    real *dq = u->dqkv + (a.q - u->qkv), *dk = dq + a.e, *dv = dk + a.e;

    zero_rows(dk, a.t, a.ld, 2 * a.e);
    for (size_t from = 0; from < a.t; from += FLASH_BLOCK) {
        size_t rows = a.t - from < FLASH_BLOCK ? a.t - from : FLASH_BLOCK, end = from + rows;
        const real *q = a.q + from * a.ld, *dzb = dz + from * a.ld_z;

        mm_nt_ld(a.score, end, q, a.ld, a.k, a.ld, rows, end, a.e, 1, 0);
        mm_nt_ld(a.dscore, end, dzb, a.ld_z, a.v, a.ld, rows, end, a.e, 1, 0);
        row_dots(a.dot, dzb, z + from * a.ld_z, rows, a.ld_z, a.e);
        for (size_t r = 0; r < rows; r++)
            bwd_row(a.score + r * end, a.dscore + r * end, from + r + 1, end,
                    lse[(from + r) * a.ld_lse], a.dot[r], a.scale);
        mm_tn_ld(dv, a.ld, a.score, end, dzb, a.ld_z, end, a.e, rows, 1, 1);
        mm_tn_ld(dk, a.ld, a.dscore, end, q, a.ld, end, a.e, rows, 1, 1);
        mm_nn_ld(dq + from * a.ld, a.ld, a.dscore, end, a.k, a.ld, rows, a.e, end, 1, 0);
    }
}

void flash_fwd(real *z, real *lse, const real *qkv, const struct flash *f)
{
    struct unit u = {.z = z, .lse = lse, .qkv = qkv, .f = f};

    par_each(f->n_seq * f->h, fwd_unit, &u);
}

void flash_bwd(real *dqkv, const real *dz, const real *z, const real *lse, const real *qkv,
               const struct flash *f)
{
    struct unit u = {.z = (real *)z, .lse = (real *)lse, .dqkv = dqkv, .dz = dz, .qkv = qkv, .f = f};

    par_each(f->n_seq * f->h, bwd_unit, &u);
}
