/* resample.c - see resample.h. */
#include "worker/sae/resample.h"

#include <math.h>
#include <string.h>

#include "worker/num/vec.h"
#include "worker/sae/parts.h"

static double mean_live_norm(const struct sae *s, int64_t rows)
{
    size_t d = s->cfg.d, n = 0;
    double sum = 0;

    for (size_t f = 0; f < s->cfg.f; f++)
        if (s->quiet[f] < rows) {
            sum += sqrt(vec_sumsq(s->p[SAE_ENCODER].data + f * d, d));
            n++;
        }
    return n > 0 ? sum / (double)n : 1;
}

/* A row by weight, which becomes 0; SIZE_MAX if none has any left. */
static size_t draw(double *weight, size_t n, struct rng *r)
{
    double total = 0, at;
    size_t last = SIZE_MAX;

    for (size_t i = 0; i < n; i++)
        total += weight[i];
    at = rng_f64(r) * total;
    for (size_t i = 0; i < n; i++) {
        if (weight[i] <= 0)
            continue;
        last = i;
        at -= weight[i];
        if (at < 0)
            break;
    }
    if (last != SIZE_MAX)
        weight[last] = 0;
    return last;
}

static void forget(struct param *p, size_t at, size_t n)
{
    memset(p->m + at, 0, n * sizeof *p->m);
    memset(p->v + at, 0, n * sizeof *p->v);
}

static void replace(struct sae *s, size_t f, const real *x, double norm)
{
    size_t d = s->cfg.d;
    real *dir = s->p[SAE_DECODER].data + f * d, *w = s->p[SAE_ENCODER].data + f * d;

    for (size_t i = 0; i < d; i++)
        dir[i] = x[i] - (sae_has(s, SAE_B_DEC) ? s->p[SAE_B_DEC].data[i] : 0);
    if (vec_normalise(dir, d) == 0)
        dir[0] = 1;
    for (size_t i = 0; i < d; i++)
        w[i] = (real)(0.2 * norm) * dir[i];
    s->p[SAE_B_ENC].data[f] = 0;
    for (int i = SAE_R_MAG; i <= SAE_B_MAG; i++)
        if (sae_has(s, i))
            s->p[i].data[f] = 0;
    if (s->cfg.is_aligned)
        aligned_project(s, f);
    forget(&s->p[SAE_ENCODER], f * d, d);
    forget(&s->p[SAE_DECODER], f * d, d);
    forget(&s->p[SAE_B_ENC], f, 1);
    for (int i = SAE_LOG_THETA; i <= SAE_SCALE; i++)
        if (sae_has(s, i))
            forget(&s->p[i], f, 1);
    s->quiet[f] = 0;
}

size_t sae_resample(struct sae *s, const real *x, double *weight, size_t n, int64_t rows,
                    struct rng *r)
{
    double norm = mean_live_norm(s, rows);
    size_t n_new = 0;

    for (size_t i = 0; i < n; i++)
        weight[i] *= weight[i];
    for (size_t f = 0; f < s->cfg.f; f++) {
        if (s->quiet[f] < rows)
            continue;
        size_t row = draw(weight, n, r);
        if (row == SIZE_MAX)
            break;
        replace(s, f, x + row * s->cfg.d, norm);
        n_new++;
    }
    return n_new;
}
