/* arch_rows.c - row selection: one dense product, the rest sparse in k.
 *
 * Selection follows the product tile by tile, while the tile is in cache.  The backward pass goes
 * feature by feature: the lists by row are turned into lists by feature, so a feature's direction
 * and both its gradients stay in the first-level cache, and rows are added in ascending order.
 */
#include "worker/num/panel.h"
#include "worker/sae/arch.h"
#include "worker/sae/parts.h"

bool rows_encode(const struct sae *s, struct sae_work *w)
{
    const struct sae_cfg *c = &s->cfg;

    w->row_at[0] = 0;
    panel_pack(w->panel, s->p[SAE_ENCODER].data, c->f, c->d);
    for (size_t at = 0; at < w->n; at += w->n_tile) {
        size_t n = w->n - at < w->n_tile ? w->n - at : w->n_tile;

        panel_mm_nt(w->z, w->u + at * c->d, w->panel, s->p[SAE_ENCODER].data, n, c->f, c->d);
        for (size_t r = at; r < at + n; r++) {
            size_t from = w->row_at[r];
            real *z = w->z + (r - at) * c->f;
            size_t found = topk_row(w->idx + from, w->val + from, z, s->p[SAE_B_ENC].data, c->f,
                                    c->k, c->arch->has_relu, &w->topk);

            if (found == SIZE_MAX)
                return false;
            w->row_at[r + 1] = (uint32_t)(from + found);
            auxk_select(w, r, z, 1);
        }
    }
    lists_by_feature(w, c->f);
    for (size_t f = 0; f < c->f; f++) {
        struct sae_feature e = {.f = f, .n = w->at[f + 1] - w->at[f], .row = w->row + w->at[f],
                                .a = w->by_f + w->at[f]};

        sae_tally(s, w, &e);
    }
    return true;
}
