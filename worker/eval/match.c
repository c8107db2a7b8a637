/* match.c - see match.h. */
#include "worker/eval/match.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/eval/assign.h"
#include "worker/num/blas.h"
#include "worker/num/isa.h"
#include "worker/num/linalg.h"

enum { TILE = 512 };

/* Largest C and |C| seen so far by a row of tiles, and by each column. */
ISA_CLONES static void row_maxima(const real *restrict c, size_t n, real *signed_max, real *abs_max)
{
    real s = *signed_max, a = *abs_max;

#pragma omp simd reduction(max : s, a)
    for (size_t j = 0; j < n; j++) {
        real v = c[j] < 0 ? -c[j] : c[j];

        s = c[j] > s ? c[j] : s;
        a = v > a ? v : a;
    }
    *signed_max = s;
    *abs_max = a;
}

ISA_CLONES static void column_maxima(const real *restrict c, size_t n, real *restrict signed_max,
                                     real *restrict abs_max)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        real v = c[j] < 0 ? -c[j] : c[j];

        signed_max[j] = c[j] > signed_max[j] ? c[j] : signed_max[j];
        abs_max[j] = v > abs_max[j] ? v : abs_max[j];
    }
}

static double mean_of(const real *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    return sum / (double)n;
}

static size_t tile_at(size_t n, size_t at)
{
    return n - at < TILE ? n - at : TILE;
}

enum err_code match_max(struct match *out, const struct dict *a, const struct dict *b,
                        struct err *e)
{
    size_t n = 2 * (a->f + b->f);
    real *max = calloc(n + TILE * TILE, sizeof *max), *c = max + n;
    real *row_s = max, *row_a = max + a->f, *col_s = row_a + a->f, *col_a = col_s + b->f;

    if (!max)
        return err_set(e, ERR_NOMEM, "match: %zu x %zu features: out of memory", a->f, b->f);
    for (size_t i = 0; i < a->f; i++)
        row_s[i] = -2;
    for (size_t i = 0; i < b->f; i++)
        col_s[i] = -2;
    for (size_t i0 = 0; i0 < a->f; i0 += TILE)
        for (size_t j0 = 0; j0 < b->f; j0 += TILE) {
            size_t n_i = tile_at(a->f, i0), n_j = tile_at(b->f, j0);

            mm_nt(c, a->dir + i0 * a->d, b->dir + j0 * a->d, n_i, n_j, a->d, 1, 0);
            for (size_t i = 0; i < n_i; i++) {
                row_maxima(c + i * n_j, n_j, &row_s[i0 + i], &row_a[i0 + i]);
                column_maxima(c + i * n_j, n_j, col_s + j0, col_a + j0);
            }
        }
    out->mmcs_rows = mean_of(row_s, a->f);
    out->mmcs = (out->mmcs_rows + mean_of(col_s, b->f)) / 2;
    out->pwmcc = (mean_of(row_a, a->f) + mean_of(col_a, b->f)) / 2;
    free(max);
    return ERR_OK;
}

enum err_code match_best(real *best, const struct dict *a, const struct dict *b, struct err *e)
{
    real *c = calloc(TILE * TILE, sizeof *c), unused = -2;

    if (!c)
        return err_set(e, ERR_NOMEM, "match: %zu x %zu features: out of memory", a->f, b->f);
    for (size_t i = 0; i < a->f; i++)
        best[i] = 0;
    for (size_t i0 = 0; i0 < a->f; i0 += TILE)
        for (size_t j0 = 0; j0 < b->f; j0 += TILE) {
            size_t n_i = tile_at(a->f, i0), n_j = tile_at(b->f, j0);

            mm_nt(c, a->dir + i0 * a->d, b->dir + j0 * a->d, n_i, n_j, a->d, 1, 0);
            for (size_t i = 0; i < n_i; i++)
                row_maxima(c + i * n_j, n_j, &unused, &best[i0 + i]);
        }
    free(c);
    return ERR_OK;
}

enum err_code match_duplicates(double *out, const struct dict *a, struct err *e)
{
    real *c = calloc(TILE * TILE, sizeof *c), most = 0, unused = -2;

    if (!c)
        return err_set(e, ERR_NOMEM, "match: duplicates: out of memory");
    for (size_t i0 = 0; i0 < a->f; i0 += TILE)
        for (size_t j0 = i0; j0 < a->f; j0 += TILE) {
            size_t n_i = tile_at(a->f, i0), n_j = tile_at(a->f, j0);

            mm_nt(c, a->dir + i0 * a->d, a->dir + j0 * a->d, n_i, n_j, a->d, 1, 0);
            for (size_t i = 0; i < n_i; i++) {
                if (i0 == j0)
                    c[i * n_j + i] = 0;
                row_maxima(c + i * n_j, n_j, &unused, &most);
            }
        }
    free(c);
    *out = (double)most;
    return ERR_OK;
}

static real sign_of(bool is_abs, real c)
{
    return is_abs && c < 0 ? -c : c;
}

/* cost = 1 - C or 1 - |C|, the smaller dictionary in rows */
static float *cost_matrix(const struct dict *a, const struct dict *b, bool is_abs, struct err *e)
{
    float *cost = malloc(a->f * b->f * sizeof *cost);
    real *c = malloc(TILE * b->f * sizeof *c);

    if (!cost || !c) {
        free(cost);
        free(c);
        (void)err_set(e, ERR_NOMEM, "matching of %zu x %zu features: out of memory", a->f, b->f);
        return NULL;
    }
    for (size_t i0 = 0; i0 < a->f; i0 += TILE) {
        size_t n_i = tile_at(a->f, i0);

        mm_nt(c, a->dir + i0 * a->d, b->dir, n_i, b->f, a->d, 1, 0);
        for (size_t i = 0; i < n_i * b->f; i++)
            cost[i0 * b->f + i] = (float)(1 - sign_of(is_abs, c[i]));
    }
    free(c);
    return cost;
}

enum err_code match_hungarian(double *mean, uint32_t *partner, const struct dict *a,
                              const struct dict *b, bool is_abs, struct err *e)
{
    const struct dict *few = a->f <= b->f ? a : b, *many = a->f <= b->f ? b : a;
    float *cost = cost_matrix(few, many, is_abs, e);
    uint32_t *column = cost ? malloc(few->f * sizeof *column) : NULL;
    enum err_code rc = ERR_OK;
    double sum = 0;

    if (!column)
        rc = err_set(e, ERR_NOMEM, "matching of %zu x %zu features: out of memory", a->f, b->f);
    else
        rc = assign_min(column, cost, few->f, many->f, e);
    if (rc == ERR_OK) {
        for (size_t i = 0; partner && i < a->f; i++)
            partner[i] = UINT32_MAX;
        for (size_t i = 0; i < few->f; i++) {
            sum += 1 - (double)cost[i * many->f + column[i]];
            if (partner)
                partner[few == a ? i : column[i]] = few == a ? column[i] : (uint32_t)i;
        }
        *mean = sum / (double)few->f;
    }
    free(cost);
    free(column);
    return rc;
}

/* errno is that of linalg_eigen. */
static enum err_code no_eigen(int errnum, struct err *e)
{
    return err_set(e, errnum == ENOMEM ? ERR_NOMEM : ERR_BUG, "subspace overlap: eigenvalues: %s",
                   errnum == ENOMEM ? "out of memory" : "no convergence");
}

enum err_code match_basis(double *basis, const struct dict *a, size_t k, struct err *e)
{
    size_t d = a->d;
    double *u, *w, *rows;
    bool ok;

    if (k == 0 || k > d || k > a->f)
        return err_set(e, ERR_INVALID,
                       "subspace_k: %zu is outside [1, %zu]: at most d_model and d_sae", k,
                       a->f < d ? a->f : d);
    u = calloc(d * d + d + a->f * d, sizeof *u);
    if (!u)
        return err_set(e, ERR_NOMEM, "subspace overlap: out of memory");
    w = u + d * d;
    rows = w + d;
    for (size_t i = 0; i < a->f * d; i++)
        rows[i] = (double)a->dir[i];
    linalg_gram_add(u, rows, a->f, d);
    ok = linalg_eigen(u, w, d, true); /* rows of u: principal directions, strongest last */
    for (size_t i = 0; ok && i < k; i++)
        memcpy(basis + i * d, u + (d - 1 - i) * d, d * sizeof *basis);
    int errnum = errno;
    free(u);
    return ok ? ERR_OK : no_eigen(errnum, e);
}

/* c [k,k] = a b^T */
static void products(double *c, const double *a, const double *b, size_t k, size_t d)
{
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) {
            double sum = 0;

#pragma omp simd reduction(+ : sum)
            for (size_t t = 0; t < d; t++)
                sum += a[i * d + t] * b[j * d + t];
            c[i * k + j] = sum;
        }
}

enum err_code match_subspace(struct subspace *out, const double *a, const double *b, size_t k,
                             size_t d, struct err *e)
{
    double *g = calloc(2 * k * k + k, sizeof *g), overlap = 0, angle_sq = 0;
    bool ok;

    if (!g)
        return err_set(e, ERR_NOMEM, "subspace overlap: out of memory");
    double *c = g + k * k, *w = c + k * k; /* squared cosines: eigenvalues of c^T c */
    products(c, a, b, k, d);
    linalg_gram_add(g, c, k, k);
    ok = linalg_eigen(g, w, k, false);
    int errnum = errno;
    for (size_t i = 0; ok && i < k; i++) {
        double sq = w[i] < 0 ? 0 : w[i] > 1 ? 1 : w[i], angle = acos(sqrt(sq));

        overlap += sq;
        angle_sq += angle * angle;
    }
    free(g);
    if (!ok)
        return no_eigen(errnum, e);
    *out = (struct subspace){overlap / (double)k, sqrt(angle_sq)};
    return ERR_OK;
}
