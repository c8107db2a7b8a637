/* surrogate.c - see surrogate.h. */
#include "worker/data/surrogate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "worker/num/linalg.h"

enum { CHUNK = 64 };

struct moments {
    double *mean, *cov, *var, *rows; /* [d], [d,d], [d], [CHUNK,d] */
};

static void moments_free(struct moments *m)
{
    free(m->mean);
    free(m->cov);
    free(m->var);
    free(m->rows);
}

static enum err_code moments_open(struct moments *m, size_t d, struct err *e)
{
    *m = (struct moments){calloc(d, sizeof(double)), calloc(d * d, sizeof(double)),
                          calloc(d, sizeof(double)), calloc(CHUNK * d, sizeof(double))};
    if (m->mean && m->cov && m->var && m->rows)
        return ERR_OK;
    moments_free(m);
    return err_set(e, ERR_NOMEM, "surrogate: covariance of %zu columns", d);
}

/* mean, and covariance (ddof 0) */
static void moments_of(struct moments *m, const float *x, size_t n, size_t d)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            m->mean[j] += (double)x[i * d + j];
    for (size_t j = 0; j < d; j++)
        m->mean[j] /= (double)n;
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t now = n - at < CHUNK ? n - at : CHUNK;

        for (size_t i = 0; i < now; i++)
            for (size_t j = 0; j < d; j++)
                m->rows[i * d + j] = (double)x[(at + i) * d + j] - m->mean[j];
        linalg_gram_add(m->cov, m->rows, now, d);
    }
    for (size_t j = 0; j < d * d; j++)
        m->cov[j] /= (double)n;
}

/* x = mean + sum_k sqrt(var_k) z_k v_k; rounding makes some var_k of rank-deficient rows < 0 */
static void draw(float *x, size_t n, size_t d, const struct moments *m, struct rng *r)
{
    double *row = m->rows;

    for (size_t i = 0; i < n; i++) {
        memcpy(row, m->mean, d * sizeof *row);
        for (size_t k = 0; k < d; k++) {
            double a = rng_normal(r) * (m->var[k] > 0 ? sqrt(m->var[k]) : 0);

            for (size_t j = 0; j < d; j++)
                row[j] += a * m->cov[k * d + j];
        }
        for (size_t j = 0; j < d; j++)
            x[i * d + j] = (float)row[j];
    }
}

enum err_code surrogate_gaussian(float *x, size_t n, size_t d, uint64_t seed, struct err *e)
{
    struct rng r = rng_stream(seed, "acts.gaussian");
    struct moments m;
    enum err_code rc = moments_open(&m, d, e);

    if (rc)
        return rc;
    moments_of(&m, x, n, d);
    if (linalg_eigen(m.cov, m.var, d, true))
        draw(x, n, d, &m, &r);
    else
        rc = err_set(e, errno == ENOMEM ? ERR_NOMEM : ERR_BUG, "surrogate: eigenvalues of the covariance: %s",
                     errno == ENOMEM ? "out of memory" : "no convergence");
    moments_free(&m);
    return rc;
}

enum err_code surrogate_shuffle(float *x, size_t n, size_t d, uint64_t seed, struct err *e)
{
    struct rng r = rng_stream(seed, "acts.shuffle");
    uint32_t *perm = malloc(n * sizeof *perm);
    float *column = malloc(n * sizeof *column);
    enum err_code rc = perm && column ? ERR_OK : err_set(e, ERR_NOMEM, "surrogate: %zu rows", n);

    for (size_t j = 0; !rc && j < d; j++) {
        rng_perm(&r, perm, n);
        for (size_t i = 0; i < n; i++)
            column[i] = x[i * d + j];
        for (size_t i = 0; i < n; i++)
            x[i * d + j] = column[perm[i]];
    }
    free(perm);
    free(column);
    return rc;
}
