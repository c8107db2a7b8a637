/* neox_fwd.c - the forward pass; neox_bwd.c is its mirror. */
#include <assert.h>

#include "worker/neox/neox_pass.h"
#include "worker/num/linear.h"

void neox_attn_in(const struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t l,
                  bool is_again)
{
    const struct neox_block *w = &m->w.block[l];
    const struct neox_block_acts *k = &s->block[l];
    struct op_norm p = {s->x[l], k->mean1, k->rstd1, w->ln1_w, w->ln1_b};

    op_norm(s->u, &p, b->n, m->cfg.d_model);
    neox_taps_fwd(s, l, NEOX_HOOK_ATTN_IN, s->u, b, is_again);
}

void neox_mlp_in(const struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t l,
                 bool is_again)
{
    const struct neox_block *w = &m->w.block[l];
    const struct neox_block_acts *k = &s->block[l];
    const real *x = m->cfg.is_parallel ? s->x[l] : k->mid;
    struct op_norm p = {x, k->mean2, k->rstd2, w->ln2_w, w->ln2_b};

    op_norm(s->u, &p, b->n, m->cfg.d_model);
    neox_taps_fwd(s, l, NEOX_HOOK_MLP_IN, s->u, b, is_again);
}

/* out += x w^T + b, by way of s->branch where somebody looks */
static void add_branch(struct neox_acts *s, const struct neox_batch *b, size_t l, enum neox_hook hook,
                       real *out, const real *x, const real *w, const real *bias, size_t d, size_t in,
                       bool is_again)
{
    if (!neox_has_tap(s, l, hook)) {
        linear_fwd(&s->linear, out, x, w, bias, b->n, d, in, true);
        return;
    }
    linear_fwd(&s->linear, s->branch, x, w, bias, b->n, d, in, false);
    neox_taps_fwd(s, l, hook, s->branch, b, is_again);
    op_add(out, s->branch, b->n * d);
}

static struct neox_block_half half_of(const struct neox_acts *s, size_t l)
{
    return s->half ? s->half[l] : (struct neox_block_half){0};
}

/* Rounds what the backward pass will read, if it is to be kept in 16 bits. */
static void keep(const struct neox_acts *s, real *x, uint16_t *half, size_t n)
{
    if (s->shape.is_half)
        op_round(x, half, n);
}

static void attention(const struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t l,
                      bool is_again)
{
    const struct neox_block *w = &m->w.block[l];
    const struct neox_block_acts *k = &s->block[l];
    const struct neox_block_half h = half_of(s, l);
    const size_t d = m->cfg.d_model;

    op_stats(k->mean1, k->rstd1, s->x[l], m->cfg.ln_eps, b->n, d);
    neox_attn_in(m, s, b, l, is_again);
    linear_fwd(&s->linear, k->qkv, s->u, w->w_qkv, w->b_qkv, b->n, 3 * d, d, false);
    op_rope(m, s, b, k->qkv, 1);
    keep(s, k->qkv, h.qkv, 3 * b->n * d);
    s->flash.start = b->start;
    s->flash.n_seq = b->n_seq;
    flash_fwd(k->z, k->lse, k->qkv, &s->flash);
    keep(s, k->z, h.z, b->n * d);
}

void neox_block_fwd(const struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t l,
                    real *out)
{
    const struct neox_cfg *c = &m->cfg;
    const struct neox_block *w = &m->w.block[l];
    const struct neox_block_acts *k = &s->block[l];
    const size_t d = c->d_model, nd = b->n * d;
    const struct neox_block_half h = half_of(s, l);
    const bool is_again = out == NULL;

    attention(m, s, b, l, is_again);
    if (!c->is_parallel) {
        op_copy(k->mid, s->x[l], nd);
        add_branch(s, b, l, NEOX_HOOK_ATTN_OUT, k->mid, k->z, w->w_o, w->b_o, d, d, is_again);
        keep(s, k->mid, h.mid, nd);
        op_stats(k->mean2, k->rstd2, k->mid, c->ln_eps, b->n, d);
    }
    neox_mlp_in(m, s, b, l, is_again);
    linear_fwd(&s->linear, k->a, s->u, w->w_in, w->b_in, b->n, c->d_mlp, d, false);
    keep(s, k->a, h.a, b->n * c->d_mlp);
    if (!out)
        return;
    op_copy(out, c->is_parallel ? s->x[l] : k->mid, nd);
    if (c->is_parallel)
        add_branch(s, b, l, NEOX_HOOK_ATTN_OUT, out, k->z, w->w_o, w->b_o, d, d, false);
    op_gelu_fwd(s->g, k->a, b->n * c->d_mlp, c->act == NEOX_GELU_TANH);
    add_branch(s, b, l, NEOX_HOOK_MLP_OUT, out, s->g, w->w_out, w->b_out, d, c->d_mlp, false);
}

void neox_forward(const struct neox *m, struct neox_acts *s, const struct neox_batch *b,
                  size_t n_layers)
{
    const size_t d = m->cfg.d_model;

    assert(b->n <= s->shape.n_max && n_layers <= m->cfg.n_layers);
    for (size_t i = 0; i < b->n_seq; i++)
        assert(b->start[i + 1] - b->start[i] <= s->shape.t_max);
    for (size_t i = 0; i < b->n; i++)
        neox_view_embedding(m, s->x[0] + i * d, (size_t)b->tok[i]);
    for (size_t l = 0; l < n_layers; l++) {
        neox_taps_fwd(s, l, NEOX_HOOK_RESID_PRE, s->x[l], b, false);
        keep(s, s->x[l], half_of(s, l).x, b->n * d);
        neox_view_block(m, l);
        neox_block_fwd(m, s, b, l, s->x[l + 1]);
        neox_taps_fwd(s, l, NEOX_HOOK_RESID_POST, s->x[l + 1], b, false);
    }
    s->n_run = n_layers;
}
