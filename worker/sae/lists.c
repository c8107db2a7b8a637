/* lists.c - active features by row and by feature, and the products that go over them. */
#include <math.h>
#include <string.h>

#include "worker/num/sparse.h"
#include "worker/num/vec.h"
#include "worker/sae/arch.h"
#include "worker/sae/parts.h"

/* Counting sort of (from: start, id, value) by id; order within an id is that of `from`. */
struct list {
    uint32_t *at, *id;
    real *value;
};

static void transpose(struct list to, size_t n_to, struct list from, size_t n_from)
{
    memset(to.at, 0, (n_to + 1) * sizeof *to.at);
    for (size_t j = 0; j < from.at[n_from]; j++)
        to.at[from.id[j] + 1]++;
    for (size_t i = 0; i < n_to; i++)
        to.at[i + 1] += to.at[i];
    for (size_t i = 0; i < n_from; i++)
        for (size_t j = from.at[i]; j < from.at[i + 1]; j++) {
            uint32_t slot = to.at[from.id[j]]++;

            to.id[slot] = (uint32_t)i;
            to.value[slot] = from.value[j];
        }
    memmove(to.at + 1, to.at, n_to * sizeof *to.at); /* each start had moved to the next one */
    to.at[0] = 0;
}

void lists_by_feature(struct sae_work *w, size_t f)
{
    transpose((struct list){w->at, w->row, w->by_f}, f, (struct list){w->row_at, w->idx, w->val},
              w->n);
}

void lists_by_row(struct sae_work *w, size_t f)
{
    transpose((struct list){w->row_at, w->idx, w->val}, w->n, (struct list){w->at, w->row, w->by_f},
              f);
}

void lists_decode(const struct sae *s, struct sae_work *w)
{
    size_t o = sae_out(&s->cfg);
    const real *base = sae_has(s, SAE_B_DEC) ? s->p[SAE_B_DEC].data : NULL;

    for (size_t r = 0; r < w->n; r++) {
        size_t from = w->row_at[r], n = w->row_at[r + 1] - from;

        sparse_decode(w->xhat + r * o, base, s->p[SAE_DECODER].data, w->idx + from, w->val + from,
                      n, o);
    }
}

/* Gradients of one feature by dL/dz of every listed row. */
static void backward_one(struct sae *s, struct sae_work *w, size_t f)
{
    size_t d = s->cfg.d, o = sae_out(&s->cfg), n = w->at[f + 1] - w->at[f];
    const uint32_t *row = w->row + w->at[f];
    const real *dir = s->p[SAE_DECODER].data + f * o, *g = sae_g_of(s, w, f);
    const real *z_f = s->cfg.arch->select == SAE_SELECT_ROW ? NULL : w->z + f * w->n;
    real *ddir = sae_ddir(s, f), *dw = sae_dw(s, f);
    double sum = 0;

    for (size_t j = 0; z_f && j < n; j++)
        w->block[0][j] = z_f[row[j]];
    struct sae_feature e = {.f = f, .n = n, .row = row, .z = z_f ? w->block[0] : NULL,
                            .a = w->by_f + w->at[f], .h = w->block[1], .h_aux = w->block[2],
                            .norm = sae_weight(s, f)};
    sparse_dots(e.h, dir, g, row, n, o);
    if (s->cfg.arch->has_gate)
        sparse_dots(e.h_aux, dir, w->g_aux, row, n, o);
    (s->cfg.arch->slope ? s->cfg.arch->slope : relu_slope)(s, w, &e);
    sparse_decode(ddir, ddir, g, row, e.a, n, o);
    sparse_decode(dw, dw, w->u, row, e.h, n, d);
    for (size_t j = 0; j < n; j++)
        sum += (double)e.h[j];
    w->dz_sum[f] = (real)sum;
    if (e.d_norm != 0 && e.norm > 0)
        vec_axpy(ddir, dir, (real)(e.d_norm / e.norm), o);
}

void lists_backward(struct sae *s, struct sae_work *w, size_t f0, size_t f1)
{
    size_t d = s->cfg.d, o = sae_out(&s->cfg);
    bool is_plain = s->cfg.arch->select != SAE_SELECT_EACH && d == o;

    if (!is_plain) {
        memset(sae_dw(s, f0), 0, (f1 - f0) * d * sizeof(real));
        memset(sae_ddir(s, f0), 0, (f1 - f0) * o * sizeof(real));
    }
    for (size_t f = f0; f < f1; f++) {
        struct sparse_feature list = {w->row + w->at[f], w->by_f + w->at[f],
                                      w->at[f + 1] - w->at[f]};

        if (is_plain)
            w->dz_sum[f] =
                sparse_grad(sae_ddir(s, f), sae_dw(s, f), &list,
                            s->p[SAE_DECODER].data + f * d, sae_g_of(s, w, f), w->u, d);
        else
            backward_one(s, w, f);
    }
}
