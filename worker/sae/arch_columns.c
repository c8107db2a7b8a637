/* arch_columns.c - encoders that look at every feature by itself, or at the whole batch.
 *
 * z is held feature by feature, [f,n], so a threshold, a bias or a slope is a constant of the inner
 * loop.  While few features are active they are listed, and everything after the encoder's product
 * costs as much as there are entries; while many are (early in training with ReLU, always without),
 * blocks of features go through dense products.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "worker/num/blas.h"
#include "worker/num/columns.h"
#include "worker/num/rows.h"
#include "worker/num/vec.h"
#include "worker/sae/arch.h"
#include "worker/sae/parts.h"

#ifdef REAL_IS_DOUBLE
#define TINY DBL_TRUE_MIN
#define NEXT nextafter
#else
#define TINY FLT_TRUE_MIN
#define NEXT nextafterf
#endif

/* What batch selection keeps: entries above `least`, and the first `ties` equal to it. */
struct pick {
    real least;
    size_t ties;
};

static struct pick pick_batch(const struct sae *s, struct sae_work *w)
{
    size_t f = s->cfg.f, ties;
    real least;

    if (w->is_use) {
        real theta = (real)(s->theta > 0 ? s->theta : 0);

        return (struct pick){NEXT(theta, (real)INFINITY), SIZE_MAX};
    }
    least = kth_positive(&ties, w->z, f * w->n, s->cfg.k * w->n, w->topk.key);
    return (struct pick){least, ties};
}

/* Rows that the list of feature f holds -> w->topk.cand; returns how many. */
static size_t pick_rows(const struct sae *s, struct sae_work *w, size_t f, struct pick *p)
{
    const real *z = w->z + f * w->n;
    size_t n = topk_gather(w->topk.cand, z, w->n, p->least), out = 0;

    if (s->cfg.arch->select != SAE_SELECT_BATCH || w->is_use)
        return n;
    for (size_t j = 0; j < n; j++) {
        bool is_tie = z[w->topk.cand[j]] == p->least;

        if (is_tie && p->ties == 0)
            continue;
        p->ties -= is_tie;
        w->topk.cand[out++] = w->topk.cand[j];
    }
    return out;
}

static bool list_feature(const struct sae *s, struct sae_work *w, size_t f, struct pick *p)
{
    const struct sae_arch *arch = s->cfg.arch;
    size_t n, from = w->at[f];
    const real *z = w->z + f * w->n;

    if (arch->select == SAE_SELECT_EACH)
        p->least = arch->least ? arch->least(s, f) : TINY;
    n = pick_rows(s, w, f, p);
    if (from + n > w->cap)
        return false;
    memcpy(w->row + from, w->topk.cand, n * sizeof *w->row);
    for (size_t j = 0; j < n; j++)
        w->block[0][j] = z[w->row[from + j]];
    (arch->activate ? arch->activate : relu_activate)(s, f, w->block[0], w->by_f + from, n);
    w->at[f + 1] = (uint32_t)(from + n);
    struct sae_feature e = {.f = f, .n = n, .row = w->row + from, .z = w->block[0],
                            .a = w->by_f + from, .norm = sae_weight(s, f)};
    sae_tally(s, w, &e);
    return true;
}

static void forget_tally(struct sae_work *w)
{
    w->l0 = w->l1 = w->cost = w->extra = 0;
}

static double least_kept(const struct sae_work *w)
{
    double least = INFINITY;

    for (size_t j = 0; j < w->row_at[w->n]; j++)
        least = (double)w->val[j] < least ? (double)w->val[j] : least;
    return isfinite(least) ? least : 0;
}

/* z [f,n], without bias. */
static void product(const struct sae *s, struct sae_work *w)
{
    const struct sae_cfg *c = &s->cfg;
    const real *encoder = s->p[SAE_ENCODER].data;

    if (!c->is_bf16) {
        mm_nt(w->z, encoder, w->u, c->f, w->n, c->d, 1, 0);
        return;
    }
    bf16_pack(w->brief.pairs, w->brief.norm, w->u, w->n, c->d);
    bf16_mm_nt(w->z, w->brief.row, encoder, w->brief.pairs, c->f, w->n, c->d);
}

bool columns_encode(const struct sae *s, struct sae_work *w)
{
    const struct sae_cfg *c = &s->cfg;
    struct pick pick = {0};

    product(s, w);
    for (size_t f = 0; f < c->f; f++)
        if (!column_add(w->z + f * w->n, s->p[SAE_B_ENC].data[f], w->n))
            return false;
    w->is_dense = !c->arch->has_relu;
    if (w->is_dense)
        return true;
    if (c->arch->select == SAE_SELECT_BATCH)
        pick = pick_batch(s, w);
    w->at[0] = 0;
    for (size_t f = 0; f < c->f; f++)
        if (!list_feature(s, w, f, &pick)) {
            w->is_dense = true;
            forget_tally(w);
            return true;
        }
    lists_by_row(w, c->f);
    if (c->arch->select == SAE_SELECT_BATCH && !w->is_use) {
        w->least_kept = least_kept(w);
        auxk_select_columns(w);
    }
    return true;
}

/* Activations of features [f0, f1) into the first block; batch selection in use: by threshold. */
static void activate_block(const struct sae *s, struct sae_work *w, size_t f0, size_t f1)
{
    const struct sae_arch *arch = s->cfg.arch;
    real theta = (real)(s->theta > 0 ? s->theta : 0);

    for (size_t f = f0; f < f1; f++) {
        const real *z = w->z + f * w->n;
        real *a = w->block[0] + (f - f0) * w->n;

        (arch->activate ? arch->activate : relu_activate)(s, f, z, a, w->n);
        for (size_t r = 0; arch->select == SAE_SELECT_BATCH && r < w->n; r++)
            a[r] = a[r] > theta ? a[r] : 0;
    }
}

void columns_decode_dense(const struct sae *s, struct sae_work *w)
{
    size_t o = sae_out(&s->cfg), f = s->cfg.f, n = w->n;

    for (size_t r = 0; r < n; r++)
        if (sae_has(s, SAE_B_DEC))
            memcpy(w->xhat + r * o, s->p[SAE_B_DEC].data, o * sizeof(real));
        else
            memset(w->xhat + r * o, 0, o * sizeof(real));
    for (size_t f0 = 0; f0 < f; f0 += SAE_BLOCK_F) {
        size_t f1 = f - f0 < SAE_BLOCK_F ? f : f0 + SAE_BLOCK_F;

        activate_block(s, w, f0, f1);
        for (size_t i = f0; i < f1; i++) {
            struct sae_feature e = {.f = i, .n = n, .z = w->z + i * n,
                                    .a = w->block[0] + (i - f0) * n, .norm = sae_weight(s, i)};

            sae_tally(s, w, &e);
        }
        mm_tn(w->xhat, w->block[0], s->p[SAE_DECODER].data + f0 * o, n, o, f1 - f0, 1, 1);
    }
}

static void backward_block(struct sae *s, struct sae_work *w, size_t f0, size_t f1)
{
    size_t d = s->cfg.d, o = sae_out(&s->cfg), n = w->n, m = f1 - f0;
    const real *dir = s->p[SAE_DECODER].data + f0 * o;

    activate_block(s, w, f0, f1);
    mm_nt(w->block[1], dir, w->g, m, n, o, 1, 0);
    if (s->cfg.arch->has_gate)
        mm_nt(w->block[2], dir, w->g_aux, m, n, o, 1, 0);
    mm_nn(sae_ddir(s, f0), w->block[0], w->g, m, o, n, 1, 0);
    for (size_t f = f0; f < f1; f++) {
        struct sae_feature e = {.f = f, .n = n, .z = w->z + f * n,
                                .a = w->block[0] + (f - f0) * n, .h = w->block[1] + (f - f0) * n,
                                .h_aux = w->block[2] + (w->block[2] ? (f - f0) * n : 0),
                                .norm = sae_weight(s, f)};

        (s->cfg.arch->slope ? s->cfg.arch->slope : relu_slope)(s, w, &e);
        if (e.d_norm != 0 && e.norm > 0)
            vec_axpy(sae_ddir(s, f), s->p[SAE_DECODER].data + f * o,
                     (real)(e.d_norm / e.norm), o);
    }
    rows_sum(w->dz_sum + f0, w->block[1], m, n);
    mm_nn(sae_dw(s, f0), w->block[1], w->u, m, d, n, 1, 0);
}

void columns_backward_dense(struct sae *s, struct sae_work *w, size_t f0, size_t f1)
{
    for (; f0 < f1; f0 += SAE_BLOCK_F)
        backward_block(s, w, f0, f1 - f0 < SAE_BLOCK_F ? f1 : f0 + SAE_BLOCK_F);
}
