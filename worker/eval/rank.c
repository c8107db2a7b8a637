/* rank.c - see rank.h. */
#include "worker/eval/rank.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "worker/num/linalg.h"

enum { ROWS_AT_ONCE = 256 };

static double entropy_rank(const double *share, size_t n, double sum)
{
    double h = 0;

    for (size_t i = 0; i < n; i++) {
        double q = share[i] / sum;

        if (q > 1e-10)
            h -= q * log(q);
    }
    return exp(h);
}

/* w [d] gets the roots of the eigenvalues of c, in no order. */
static enum err_code decompose(struct rank *out, double *w, double *c, size_t d, struct err *e)
{
    double sum = 0, sum_sq = 0, sum_4 = 0;

    *out = (struct rank){0};
    if (!linalg_eigen(c, w, d, false))
        return err_set(e, errno == ENOMEM ? ERR_NOMEM : ERR_BUG, "rank: eigenvalues of a %zu x %zu covariance: %s", d,
                       d, errno == ENOMEM ? "out of memory" : "no convergence");
    for (size_t i = 0; i < d; i++) {
        w[i] = w[i] > 0 ? w[i] : 0;
        sum_sq += w[i];
        sum_4 += w[i] * w[i];
    }
    if (sum_sq > 0) {
        out->participation = sum_sq * sum_sq / sum_4;
        out->erank_sq = entropy_rank(w, d, sum_sq);
        for (size_t i = 0; i < d; i++) {
            w[i] = sqrt(w[i]);
            sum += w[i];
        }
        out->erank = entropy_rank(w, d, sum);
    }
    return ERR_OK;
}

enum err_code rank_of_covariance(struct rank *out, double *c, size_t d, struct err *e)
{
    double *w = calloc(d, sizeof *w);

    if (!w)
        return err_set(e, ERR_NOMEM, "rank: %zu eigenvalues: out of memory", d);
    enum err_code rc = decompose(out, w, c, d, e);
    free(w);
    return rc;
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x > y ? -1 : x < y;
}

/* c += centred rows' products, a few rows at a time in double */
static void covariance(double *c, double *rows, double *mean, const float *x, size_t n, size_t d)
{
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < d; i++)
            mean[i] += (double)x[r * d + i];
    for (size_t i = 0; i < d; i++)
        mean[i] /= (double)n;
    for (size_t at = 0; at < n; at += ROWS_AT_ONCE) {
        size_t m = n - at < ROWS_AT_ONCE ? n - at : ROWS_AT_ONCE;

        for (size_t r = 0; r < m; r++)
            for (size_t i = 0; i < d; i++)
                rows[r * d + i] = (double)x[(at + r) * d + i] - mean[i];
        linalg_gram_add(c, rows, m, d);
    }
}

enum err_code rank_spectrum(struct rank *out, double *s, const float *x, size_t n, size_t d,
                            struct err *e)
{
    enum err_code rc;
    double *c = calloc(d * d + ROWS_AT_ONCE * d + d, sizeof *c);

    if (!c)
        return err_set(e, ERR_NOMEM, "rank: covariance of %zu dims: out of memory", d);
    covariance(c, c + d * d, c + d * d + ROWS_AT_ONCE * d, x, n, d);
    rc = decompose(out, s, c, d, e);
    qsort(s, d, sizeof *s, descending);
    free(c);
    return rc;
}
