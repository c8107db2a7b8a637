/* arch_rows.c - row selection: one dense product, the rest sparse in k.
 *
 * Selection follows the product tile by tile, while the tile is in cache.  With AVX-512 the product
 * only says who may be chosen (shortlist.h), and the choice does not depend on it: it is made in
 * bfloat16 where the CPU multiplies that, else in float; a row whose choice is not proven is done
 * again in float, and when there are many such rows the rest of the batch is, and the next batches are.
 * The backward pass goes feature by feature: the lists by row are turned into lists by feature, so a
 * feature's direction and both its gradients stay in the first-level cache, and rows are added in
 * ascending order.
 */
#include "worker/num/panel.h"
#include "worker/sae/arch.h"
#include "worker/sae/parts.h"

enum {
    MISS_MIN = 16, MISS_SHARE = 16, /* rows of a batch that may miss: 16 and a sixteenth */
    REST_STEPS = 64,                /* then it is left alone for so many batches */
    DEAD_SHARE = 16                 /* more dead features are faster in one product */
};

/* A batch on its way through the encoder. */
struct pass {
    const struct sae *s;
    struct sae_work *w;
    bool is_brief, is_packed; /* in bfloat16; the encoder is laid out for product() */
    size_t n_missed;
};

/* Their pre-activations come from the product in float. */
static bool are_many_dead(const struct sae *s, const struct sae_work *w)
{
    return w->n_dead * DEAD_SHARE > s->cfg.f;
}

static bool brief_wanted(const struct sae *s, struct sae_work *w)
{
    if (!w->has_brief || are_many_dead(s, w))
        return false;
    if (w->brief_rest > 0) {
        w->brief_rest--;
        return false;
    }
    return true;
}

static void product(struct pass *p, real *z, const real *u, size_t n)
{
    const struct sae_cfg *c = &p->s->cfg;
    const real *encoder = p->s->p[SAE_ENCODER].data;
    struct shortlist *b = &p->w->brief;

    if (c->is_bf16) {
        if (!p->is_packed)
            bf16_pack(b->pairs, b->norm, encoder, c->f, c->d);
        p->is_packed = true;
        bf16_mm_nt(z, b->row, u, b->pairs, n, c->f, c->d);
        return;
    }
    if (!p->is_packed)
        panel_pack(p->w->panel, encoder, c->f, c->d);
    p->is_packed = true;
    panel_mm_nt(z, u, p->w->panel, encoder, n, c->f, c->d);
}

/* Rows of a tile from the i-th on are taken in float: one, or all if too many have missed. */
static void give_up(struct pass *p, size_t i, size_t n, size_t done)
{
    struct sae_work *w = p->w;
    size_t f = p->s->cfg.f, d = p->s->cfg.d;

    p->is_brief = ++p->n_missed <= MISS_MIN + (done + i) / MISS_SHARE;
    if (!p->is_brief)
        w->brief_rest = REST_STEPS;
    product(p, w->z + i * f, w->u + (done + i) * d, p->is_brief ? 1 : n - i);
}

/* What AuxK will read of a row: pre-activations of dead features. */
static void dead_values(struct pass *p, real *z, const real *u)
{
    struct sae_work *w = p->w;
    const real *bias = p->s->p[SAE_B_ENC].data;

    if (are_many_dead(p->s, w)) {
        for (size_t j = 0; j < w->n_dead; j++)
            z[w->dead[j]] += bias[w->dead[j]];
        return;
    }
    shortlist_exact(w->aux_z, &w->brief, u, w->dead, w->n_dead);
    for (size_t j = 0; j < w->n_dead; j++)
        z[w->dead[j]] = w->aux_z[j];
}

/* Row i of the tile that starts at row `at`: found features; SIZE_MAX if not finite. */
static size_t choose(struct pass *p, size_t i, size_t n, size_t at)
{
    struct sae_work *w = p->w;
    const struct sae_cfg *c = &p->s->cfg;
    size_t from = w->row_at[at + i], found = SIZE_MAX;
    uint32_t *idx = w->idx + from;
    const real *u = w->u + (at + i) * c->d;
    real *z = w->z + i * c->f, *val = w->val + from;
    bool positive = c->arch->has_relu;

    if (!w->has_list)
        return topk_row(idx, val, z, p->s->p[SAE_B_ENC].data, c->f, c->k, positive, &w->topk);
    if (p->is_brief) {
        found = shortlist_row(idx, val, &w->brief, z, u, i, c->k, positive, false, &w->topk);
        if (found == SIZE_MAX)
            give_up(p, i, n, at);
    }
    if (found == SIZE_MAX)
        found = shortlist_row(idx, val, &w->brief, z, u, i, c->k, positive, true, &w->topk);
    if (found != SIZE_MAX && w->n_dead > 0)
        dead_values(p, z, u);
    return found;
}

static bool encode_tile(struct pass *p, size_t at, size_t n)
{
    struct sae_work *w = p->w;
    size_t f = p->s->cfg.f;
    const real *u = w->u + at * p->s->cfg.d;

    if (p->is_brief)
        shortlist_product(&w->brief, w->z, u, n);
    else
        product(p, w->z, u, n);
    if (w->has_list && !p->is_brief)
        shortlist_rows_float(&w->brief, u, n);
    for (size_t i = 0; i < n; i++) {
        size_t found = choose(p, i, n, at);

        if (found == SIZE_MAX)
            return false;
        w->row_at[at + i + 1] = w->row_at[at + i] + (uint32_t)found;
        auxk_select(w, at + i, w->z + i * f, 1);
    }
    return true;
}

bool rows_encode(const struct sae *s, struct sae_work *w)
{
    const struct sae_cfg *c = &s->cfg;
    struct pass p = {s, w, brief_wanted(s, w), false, 0};

    w->row_at[0] = 0;
    if (w->has_list)
        (p.is_brief ? shortlist_pack : shortlist_pack_float)(
            &w->brief, s->p[SAE_ENCODER].data, s->p[SAE_B_ENC].data, c->f, c->d);
    for (size_t at = 0; at < w->n; at += w->n_tile)
        if (!encode_tile(&p, at, w->n - at < w->n_tile ? w->n - at : w->n_tile))
            return false;
    lists_by_feature(w, c->f);
    for (size_t f = 0; f < c->f; f++) {
        struct sae_feature e = {.f = f, .n = w->at[f + 1] - w->at[f], .row = w->row + w->at[f],
                                .a = w->by_f + w->at[f]};

        sae_tally(s, w, &e);
    }
    return true;
}
