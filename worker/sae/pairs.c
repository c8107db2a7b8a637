/* pairs.c - the single-site Jacobian penalty: encoder and decoder around the identity.
 *
 *   c * mean_rows sum_{i != j active} |w_j . d_i| / (k (k-1))
 *
 * |w_j . d_i| does not depend on the row, so each pair counts with the number of rows on which both
 * are active: the cost is that of distinct pairs.  No published definition exists.
 */
#include <math.h>
#include <string.h>

#include "worker/num/vec.h"
#include "worker/sae/parts.h"

static double per_pair(const struct sae *s, const struct sae_work *w)
{
    double k = (double)s->cfg.k;

    return k > 1 ? s->cfg.jacobian / ((double)w->n * k * (k - 1)) : 0;
}

/* Features active together with f: pair_id and, by feature, pair_n; returns how many. */
static size_t together(struct sae_work *w, size_t f)
{
    size_t n = 0;

    for (size_t j = w->at[f]; j < w->at[f + 1]; j++)
        for (size_t i = w->row_at[w->row[j]]; i < w->row_at[w->row[j] + 1]; i++) {
            uint32_t id = w->idx[i];

            if (id == f)
                continue;
            if (w->pair_n[id]++ == 0)
                w->pair_id[n++] = id;
        }
    return n;
}

double pairs_forward(const struct sae *s, struct sae_work *w)
{
    size_t d = s->cfg.d;
    double sum = 0, each = per_pair(s, w);

    if (each == 0)
        return 0;
    for (size_t f = 0; f < s->cfg.f; f++) {
        size_t n = together(w, f);

        for (size_t j = 0; j < n; j++) {
            uint32_t id = w->pair_id[j];

            sum += w->pair_n[id] * fabs((double)vec_dot(s->p[SAE_ENCODER].data + f * d,
                                                        s->p[SAE_DECODER].data + id * d, d));
            w->pair_n[id] = 0;
        }
    }
    return each * sum;
}

void pairs_backward(struct sae *s, struct sae_work *w, size_t f0, size_t f1)
{
    size_t d = s->cfg.d;
    double each = per_pair(s, w);
    const real *enc = s->p[SAE_ENCODER].data, *dec = s->p[SAE_DECODER].data;

    for (size_t f = f0; each > 0 && f < f1; f++) {
        size_t n = together(w, f);

        for (size_t j = 0; j < n; j++) {
            size_t id = w->pair_id[j];
            real by = (real)(each * w->pair_n[id]);
            real as_w = vec_dot(enc + f * d, dec + id * d, d);
            real as_d = vec_dot(enc + id * d, dec + f * d, d);

            vec_axpy(sae_dw(s, f), dec + id * d, as_w < 0 ? -by : by, d);
            vec_axpy(sae_ddir(s, f), enc + id * d, as_d < 0 ? -by : by, d);
            w->pair_n[id] = 0;
        }
    }
}
