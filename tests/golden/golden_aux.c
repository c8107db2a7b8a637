/* golden_aux.c - the sharpened reconstruction and the losses at a layer, written plainly. */
#include <math.h>
#include <string.h>

#include "tests/golden/golden.h"

void golden_aux_init(struct golden_aux *a, struct golden *g)
{
    const size_t n = g->s.shape.n_max * g->m.cfg.d_model;

    *a = (struct golden_aux){.d = g->m.cfg.d_model, .n_tokens = (double)g->padded.mem.view.n};
    a->sae = g->has_sae ? &g->sae : NULL;
    a->target = arena_new(&g->arena, real, n);
    a->dx = arena_new(&g->arena, real, n);
    a->z = arena_new(&g->arena, double, g->sae.n + 1);
}

/* Index of the largest positive entry, or n. */
static size_t top_positive(const double *z, size_t n)
{
    size_t best = n;

    for (size_t i = 0; i < n; i++)
        if (z[i] > 0 && (best == n || z[i] > z[best]))
            best = i;
    return best;
}

/* Of one row: k largest pre-activations, of these the k_sharp largest that are positive, decoded. */
static void sharpen(const struct golden_aux *a, real *out, const real *x)
{
    const struct golden_sae *s = a->sae;
    const size_t k = a->k_sharp < a->k ? a->k_sharp : a->k;
    double *z = a->z;

    for (size_t i = 0; i < s->n; i++) {
        z[i] = (double)s->bias[i];
        for (size_t j = 0; j < s->d; j++)
            z[i] += ((double)x[j] - (double)s->pre[j]) * (double)s->enc[i * s->d + j];
    }
    for (size_t j = 0; j < s->d; j++)
        out[j] = (real)s->pre[j];
    for (size_t m = 0; m < k; m++) {
        size_t i = top_positive(z, s->n);

        if (i == s->n)
            return;
        for (size_t j = 0; j < s->d; j++)
            out[j] += (real)(z[i] * (double)s->dec[j * s->n + i]);
        z[i] = 0;
    }
}

static void fwd(void *ctx, real *x, const struct neox_batch *b, bool is_again)
{
    struct golden_aux *a = ctx;
    const size_t d = a->d, n = b->n * d;

    if (is_again)
        return;
    a->value = 0;
    if (a->is_zero) {
        memset(x, 0, n * sizeof *x);
        return;
    }
    for (size_t i = 0; !a->is_l1 && i < b->n; i++)
        sharpen(a, a->target + i * d, x + i * d);
    if (a->is_replacing) {
        memcpy(x, a->target, n * sizeof *x);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double r = a->is_l1 ? (double)x[i] : (double)x[i] - (double)a->target[i];

        a->value += a->is_l1 ? fabs(r) / a->n_tokens : r * r / (a->n_tokens * (double)d);
        a->dx[i] = (real)(a->is_l1 ? a->weight * ((r > 0) - (r < 0)) / a->n_tokens
                                   : a->weight * 2 * r / (a->n_tokens * (double)d));
    }
}

static void bwd(void *ctx, real *dx, const struct neox_batch *b)
{
    const struct golden_aux *a = ctx;

    for (size_t i = 0; i < b->n * a->d; i++)
        dx[i] += a->dx[i];
}

struct neox_tap golden_tap(struct golden_aux *a, size_t layer)
{
    return (struct neox_tap){
        .layer = layer, .hook = NEOX_HOOK_RESID_POST, .fwd = fwd, .bwd = bwd, .ctx = a};
}
