/* auxk.c - the auxiliary loss that revives dead features, in dictionary_learning's form.
 *
 * Of every row, the k_aux largest positive pre-activations of dead features reconstruct the residual
 * t = x - x_hat, without b_dec; t is held fixed.  alpha * |t - e_hat|^2 / |t - mean t|^2.
 */
#include <math.h>
#include <string.h>

#include "worker/num/sparse.h"
#include "worker/num/vec.h"
#include "worker/sae/arch.h"
#include "worker/sae/parts.h"

void auxk_begin(const struct sae *s, struct sae_work *w)
{
    size_t want = w->aux_stride;

    w->n_dead = 0;
    if (s->cfg.aux.alpha == 0 || w->is_use)
        return;
    for (size_t f = 0; f < s->cfg.f; f++)
        if (sae_is_dead(s, f))
            w->dead[w->n_dead++] = (uint32_t)f;
    w->aux_k = want < w->n_dead ? want : w->n_dead;
}

void auxk_select(struct sae_work *w, size_t r, const real *z, size_t stride)
{
    uint32_t *idx = w->aux_idx + r * w->aux_stride;

    if (w->n_dead == 0)
        return;
    for (size_t i = 0; i < w->n_dead; i++)
        w->aux_z[i] = z[w->dead[i] * stride];
    size_t n = topk_row(idx, w->aux_val + r * w->aux_stride, w->aux_z, NULL, w->n_dead, w->aux_k,
                        true, &w->topk);
    w->aux_n[r] = n == SIZE_MAX ? 0 : (uint32_t)n;
    for (size_t j = 0; j < w->aux_n[r]; j++)
        idx[j] = w->dead[idx[j]];
}

void auxk_select_columns(struct sae_work *w)
{
    for (size_t r = 0; r < w->n; r++)
        auxk_select(w, r, w->z + r, w->n);
}

/* The residual's squared distance from its mean over the rows: sum over rows. */
static double spread(const struct sae_work *w, size_t o)
{
    double sum = 0;

    for (size_t j = 0; j < o; j++) {
        double mean = 0, sq = 0;

        for (size_t r = 0; r < w->n; r++)
            mean += (double)w->g[r * o + j] / (double)w->n;
        for (size_t r = 0; r < w->n; r++) {
            double t = (double)w->g[r * o + j] - mean;

            sq += t * t;
        }
        sum += sq;
    }
    return sum;
}

/* Lists by feature out of the lists by row. */
static void sort_by_feature(struct sae_work *w, size_t f)
{
    memset(w->aux_at, 0, (f + 1) * sizeof *w->aux_at);
    for (size_t r = 0; r < w->n; r++)
        for (size_t j = 0; j < w->aux_n[r]; j++)
            w->aux_at[w->aux_idx[r * w->aux_stride + j] + 1]++;
    for (size_t i = 0; i < f; i++)
        w->aux_at[i + 1] += w->aux_at[i];
    for (size_t r = 0; r < w->n; r++)
        for (size_t j = 0; j < w->aux_n[r]; j++) {
            uint32_t slot = w->aux_at[w->aux_idx[r * w->aux_stride + j]]++;

            w->aux_row[slot] = (uint32_t)r;
            w->aux_by_f[slot] = w->aux_val[r * w->aux_stride + j];
        }
    memmove(w->aux_at + 1, w->aux_at, f * sizeof *w->aux_at);
    w->aux_at[0] = 0;
}

/* g_aux becomes dL/de_hat. */
double auxk_forward(const struct sae *s, struct sae_work *w)
{
    size_t o = sae_out(&s->cfg);
    double sse = 0, about;

    if (w->n_dead == 0)
        return 0;
    about = spread(w, o);
    for (size_t r = 0; r < w->n; r++) {
        real *g = w->g_aux + r * o;

        sparse_decode(g, NULL, s->p[SAE_DECODER].data, w->aux_idx + r * w->aux_stride,
                      w->aux_val + r * w->aux_stride, w->aux_n[r], o);
        vec_axpy(g, w->g + r * o, 1, o); /* e_hat - t, with t = -(x_hat - x) */
        sse += vec_sumsq(g, o);
    }
    if (!(about > 0)) { /* the ratio is undefined: taken as 0, as the source takes NaN */
        w->n_dead = 0;
        return 0;
    }
    vec_scale(w->g_aux, (real)(2 * s->cfg.aux.alpha / about), w->n * o);
    sort_by_feature(w, s->cfg.f);
    return s->cfg.aux.alpha * sse / about;
}

void auxk_backward(struct sae *s, struct sae_work *w, size_t f0, size_t f1)
{
    size_t d = s->cfg.d, o = sae_out(&s->cfg);

    for (size_t f = f0; w->n_dead > 0 && f < f1; f++) {
        size_t from = w->aux_at[f], n = w->aux_at[f + 1] - from;
        const uint32_t *row = w->aux_row + from;
        real *ddir = sae_ddir(s, f), *dw = sae_dw(s, f);
        double sum = 0;

        if (n == 0)
            continue;
        sparse_dots(w->block[1], s->p[SAE_DECODER].data + f * o, w->g_aux, row, n, o);
        sparse_decode(ddir, ddir, w->g_aux, row, w->aux_by_f + from, n, o);
        sparse_decode(dw, dw, w->u, row, w->block[1], n, d);
        for (size_t j = 0; j < n; j++)
            sum += (double)w->block[1][j];
        w->dz_sum[f] += (real)sum;
    }
}
