/* prefixes.c - nested prefixes of the features, each with its own reconstruction. */
#include <math.h>
#include <string.h>

#include "worker/num/sparse.h"
#include "worker/num/vec.h"
#include "worker/sae/parts.h"

/* Weight of prefix i in the loss, and of b_dec alone. */
static double weight_of(const struct sae_prefixes *p, size_t i)
{
    double n = (double)p->n;

    switch (p->rule) {
    case SAE_PREFIX_MEAN:
        return 1 / n;
    case SAE_PREFIX_MEAN_WITH_BIAS:
        return 1 / (n + 1);
    case SAE_PREFIX_DL:
        return 1 / (n * n);
    case SAE_PREFIX_SUM:
        return 1;
    case SAE_PREFIX_HUSAI:
        return 0.2 / n + (i + 1 == p->n ? 1 : 0);
    }
    return 0;
}

static double bias_weight(const struct sae_prefixes *p)
{
    return p->rule == SAE_PREFIX_MEAN_WITH_BIAS ? 1 / ((double)p->n + 1) : 0;
}

size_t prefixes_group(const struct sae_prefixes *p, size_t f)
{
    size_t i = 0;

    while (i + 1 < p->n && f >= p->end[i])
        i++;
    return i;
}

/* One row: x_hat of every prefix grows out of the one before. */
static void decode_row(const struct sae *s, struct sae_work *w, size_t r, double *sse)
{
    const struct sae_prefixes *p = &s->cfg.prefixes;
    size_t o = sae_out(&s->cfg), at = w->row_at[r], end = w->row_at[r + 1];
    const real *base = s->p[SAE_B_DEC].data, *want = w->target + r * o;
    real *xhat = w->xhat + r * o;

    memcpy(xhat, base, o * sizeof *xhat);
    for (size_t i = 0; i < p->n; i++) {
        real *g = w->prefix_g + (i * w->n_max + r) * o;
        size_t from = at;

        while (at < end && w->idx[at] < p->end[i])
            at++;
        sparse_decode(g, xhat, s->p[SAE_DECODER].data, w->idx + from, w->val + from, at - from, o);
        memcpy(xhat, g, o * sizeof *xhat);
        for (size_t j = 0; j < o; j++)
            g[j] -= want[j];
        sse[i] += vec_sumsq(g, o);
    }
}

double prefixes_forward(const struct sae *s, struct sae_work *w, double per)
{
    const struct sae_prefixes *p = &s->cfg.prefixes;
    size_t o = sae_out(&s->cfg);
    double sse[SAE_PREFIX_MAX] = {0}, of_bias = 0, loss = 0;

    for (size_t r = 0; r < w->n; r++) {
        decode_row(s, w, r, sse);
        for (size_t j = 0; bias_weight(p) > 0 && j < o; j++) {
            double e = (double)s->p[SAE_B_DEC].data[j] - (double)w->target[r * o + j];

            of_bias += e * e;
        }
    }
    for (size_t i = 0; i < p->n; i++)
        loss += weight_of(p, i) * sse[i] / per;
    return loss + bias_weight(p) * of_bias / per;
}

void prefixes_backward_begin(const struct sae *s, struct sae_work *w, double per)
{
    const struct sae_prefixes *p = &s->cfg.prefixes;
    size_t o = sae_out(&s->cfg), plane = w->n_max * o, n = w->n * o;

    for (size_t i = p->n; i-- > 0;) {
        real *g = w->prefix_g + i * plane;

        vec_scale(g, (real)(2 * weight_of(p, i) / per), n);
        if (i + 1 < p->n)
            vec_axpy(g, g + plane, 1, n);
    }
    memset(w->db_dec, 0, o * sizeof *w->db_dec);
    for (size_t r = 0; r < w->n; r++)
        for (size_t j = 0; j < o; j++) {
            double alone = (double)s->p[SAE_B_DEC].data[j] - (double)w->target[r * o + j];

            w->db_dec[j] += (double)w->prefix_g[r * o + j] + 2 * bias_weight(p) / per * alone;
        }
}
