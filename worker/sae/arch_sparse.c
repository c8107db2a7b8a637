/* arch_sparse.c - TopK encoders: one dense product, the rest sparse in k.
 *
 * Selection follows the product tile by tile, while the tile is in cache.  The backward pass goes
 * feature by feature: the lists by row are turned into lists by feature, so a feature's direction
 * and both its gradients stay in the first-level cache, and rows are added in ascending order.
 */
#include <math.h>
#include <string.h>

#include "worker/num/panel.h"
#include "worker/num/sparse.h"
#include "worker/sae/arch.h"

bool sparse_sae_encode(const struct sae *s, struct sae_work *w)
{
    const struct sae_cfg *c = &s->cfg;
    double n_on = 0, sum = 0;

    panel_pack(w->panel, s->p[SAE_ENCODER].data, c->f, c->d);
    for (size_t at = 0; at < w->n; at += w->n_tile) {
        size_t n = w->n - at < w->n_tile ? w->n - at : w->n_tile;

        panel_mm_nt(w->z, w->u + at * c->d, w->panel, s->p[SAE_ENCODER].data, n, c->f, c->d);
        for (size_t r = at; r < at + n; r++) {
            real *val = w->val + r * c->k;
            size_t found = topk_row(w->idx + r * c->k, val, w->z + (r - at) * c->f,
                                    s->p[SAE_B_ENC].data, c->f, c->k, c->arch->has_relu, &w->topk);

            if (found == SIZE_MAX)
                return false;
            w->n_act[r] = (uint32_t)found;
            for (size_t j = 0; j < found; j++) {
                n_on += val[j] != 0;
                sum += fabs((double)val[j]);
            }
        }
    }
    w->l0 = n_on / (double)w->n;
    w->l1 = sum / (double)w->n;
    return true;
}

void sparse_sae_decode(const struct sae *s, struct sae_work *w)
{
    size_t d = s->cfg.d, k = s->cfg.k;
    const real *base = s->cfg.arch->has_b_dec ? s->p[SAE_B_DEC].data : NULL;

    for (size_t r = 0; r < w->n; r++)
        sparse_decode(w->xhat + r * d, base, s->p[SAE_DECODER].data, w->idx + r * k, w->val + r * k,
                      w->n_act[r], d);
}

/* Counting sort of the active entries by feature; rows stay ascending. */
void sparse_sae_backward_begin(const struct sae *s, struct sae_work *w)
{
    size_t f = s->cfg.f, k = s->cfg.k;

    memset(w->at, 0, (f + 1) * sizeof *w->at);
    for (size_t r = 0; r < w->n; r++)
        for (size_t j = 0; j < w->n_act[r]; j++)
            w->at[w->idx[r * k + j] + 1]++;
    for (size_t i = 0; i < f; i++)
        w->at[i + 1] += w->at[i];
    for (size_t r = 0; r < w->n; r++)
        for (size_t j = 0; j < w->n_act[r]; j++) {
            uint32_t to = w->at[w->idx[r * k + j]]++;

            w->row[to] = (uint32_t)r;
            w->by_f[to] = w->val[r * k + j];
        }
    memmove(w->at + 1, w->at, f * sizeof *w->at); /* each start had moved to the next one */
    w->at[0] = 0;
}

void sparse_sae_backward(const struct sae *s, struct sae_work *w, size_t f0, size_t f1)
{
    size_t d = s->cfg.d;

    memset(s->p[SAE_ENCODER].grad + f0 * d, 0, (f1 - f0) * d * sizeof(real));
    memset(s->p[SAE_DECODER].grad + f0 * d, 0, (f1 - f0) * d * sizeof(real));
    for (size_t f = f0; f < f1; f++) {
        struct sparse_feature list = {w->row + w->at[f], w->by_f + w->at[f],
                                      w->at[f + 1] - w->at[f]};

        s->p[SAE_B_ENC].grad[f] =
            sparse_grad(s->p[SAE_DECODER].grad + f * d, s->p[SAE_ENCODER].grad + f * d, &list,
                        s->p[SAE_DECODER].data + f * d, w->g, w->u, d);
    }
}
