/* neox_bwd.c - the backward pass, from s->dx to the embedding; the mirror of neox_fwd.c.
 *
 * Gradients of matrices are overwritten by the first micro-batch of a step (m->keep is 0), which
 * saves zeroing them; all others are added to. */
#include <string.h>

#include "worker/neox/neox_pass.h"
#include "worker/num/linear.h"

/* The gradient of a branch's output: s->dx itself, or a copy that the taps may change. */
static const real *branch_grad(struct neox_acts *s, const struct neox_batch *b, size_t l,
                               enum neox_hook hook, size_t d)
{
    if (!neox_has_tap(s, l, hook))
        return s->dx;
    op_copy(s->branch, s->dx, b->n * d);
    neox_taps_bwd(s, l, hook, s->branch, b);
    return s->branch;
}

/* s->dv: gradient of the MLP's normalised input */
static void mlp_bwd(struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t l)
{
    const struct neox_cfg *c = &m->cfg;
    const struct neox_block *w = &m->w.block[l];
    struct neox_block *g = &m->g.block[l];
    const struct neox_block_acts *k = &s->block[l];
    const size_t d = c->d_model, f = c->d_mlp;
    const real *dout = branch_grad(s, b, l, NEOX_HOOK_MLP_OUT, d);

    linear_dx(&s->linear, s->da, dout, w->w_out, b->n, d, f);
    op_gelu_bwd(s->da, s->g, k->a, b->n * f, c->act == NEOX_GELU_TANH);
    linear_dw(&s->linear, g->w_out, g->b_out, dout, s->g, b->n, d, f, m->keep);
    neox_mlp_in(m, s, b, l, true);
    linear_dw(&s->linear, g->w_in, g->b_in, s->da, s->u, b->n, f, d, m->keep);
    linear_dx(&s->linear, s->dv, s->da, w->w_in, b->n, f, d);
    neox_taps_bwd(s, l, NEOX_HOOK_MLP_IN, s->dv, b);
}

/* s->du: gradient of the attention's normalised input */
static void attention_bwd(struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t l)
{
    const struct neox_block *w = &m->w.block[l];
    struct neox_block *g = &m->g.block[l];
    const struct neox_block_acts *k = &s->block[l];
    const size_t d = m->cfg.d_model;
    const real *dout = branch_grad(s, b, l, NEOX_HOOK_ATTN_OUT, d);

    linear_dx(&s->linear, s->dz, dout, w->w_o, b->n, d, d);
    linear_dw(&s->linear, g->w_o, g->b_o, dout, k->z, b->n, d, d, m->keep);
    s->flash.start = b->start;
    s->flash.n_seq = b->n_seq;
    flash_bwd(s->dqkv, s->dz, k->z, k->lse, k->qkv, &s->flash);
    op_rope(m, s, b, s->dqkv, -1);
    neox_attn_in(m, s, b, l, true);
    linear_dw(&s->linear, g->w_qkv, g->b_qkv, s->dqkv, s->u, b->n, 3 * d, d, m->keep);
    linear_dx(&s->linear, s->du, s->dqkv, w->w_qkv, b->n, 3 * d, d);
    neox_taps_bwd(s, l, NEOX_HOOK_ATTN_IN, s->du, b);
}

static void block_bwd(struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t l)
{
    const struct neox_block *w = &m->w.block[l];
    struct neox_block *g = &m->g.block[l];
    const struct neox_block_acts *k = &s->block[l];
    const size_t d = m->cfg.d_model;
    struct op_norm_grad attn = {.dy = s->du, .gain = w->ln1_w, .dgain = g->ln1_w, .dbias = g->ln1_b};
    struct op_norm_grad mlp = {.dy = s->dv, .gain = w->ln2_w, .dgain = g->ln2_w, .dbias = g->ln2_b};
    struct op_norm x = {.x = s->x[l], .mean = k->mean1, .rstd = k->rstd1};
    struct op_norm mid = {.x = k->mid, .mean = k->mean2, .rstd = k->rstd2};

    mlp_bwd(m, s, b, l);
    if (!m->cfg.is_parallel) {
        op_norm_bwd(s->dx, &mlp, &mid, b->n, d);
        attention_bwd(m, s, b, l);
        op_norm_bwd(s->dx, &attn, &x, b->n, d);
        return;
    }
    attention_bwd(m, s, b, l);
    attn.dy2 = mlp.dy;
    attn.gain2 = mlp.gain;
    attn.dgain2 = mlp.dgain;
    attn.dbias2 = mlp.dbias;
    op_norm_bwd(s->dx, &attn, &x, b->n, d);
}

void neox_step_begin(struct neox *m)
{
    m->keep = 0;
    for (size_t i = 0; i < m->n_params; i++) {
        struct param *p = &m->param[i];

        if (p->n_dims == 1 || (p->grad == m->g.ends.w_e && !m->cfg.is_tied && !m->store.grads_block))
            op_zero(p->grad, p->n);
    }
}

void neox_give(struct neox *m, size_t first, size_t n)
{
    if (m->store.grads_block && n)
        m->sink.rows(m->sink.ctx, m, first, n);
}

/* What was kept of block l in 16 bits back into the memory that it was made in. */
static void recall(struct neox_acts *s, const struct neox_cfg *c, size_t l, size_t n)
{
    const struct neox_block_half *h = &s->half[l];
    const struct neox_block_acts *k = &s->block[l];

    op_widen(s->x[l], h->x, n * c->d_model);
    if (s->shape.is_checkpointed)
        return;
    op_widen(k->qkv, h->qkv, n * 3 * c->d_model);
    op_widen(k->z, h->z, n * c->d_model);
    op_widen(k->a, h->a, n * c->d_mlp);
    if (h->mid)
        op_widen(k->mid, h->mid, n * c->d_model);
}

static void embedding_bwd(struct neox *m, const struct neox_acts *s, const struct neox_batch *b)
{
    const size_t d = m->cfg.d_model, n_ends = m->cfg.is_tied ? 0 : 1;

    if (m->store.grads_block && !m->cfg.is_tied)
        op_zero(m->g.ends.w_e, m->cfg.n_vocab * d); /* it was the head's, and the blocks' */
    for (size_t i = 0; i < b->n; i++)
        op_add(m->g.ends.w_e + (size_t)b->tok[i] * d, s->dx + i * d, d);
    neox_give(m, 0, 1);
    neox_give(m, m->n_params - n_ends - 2, 2); /* final norm */
}

void neox_backward(struct neox *m, struct neox_acts *s, const struct neox_batch *b)
{
    const size_t each = (m->n_params - (m->cfg.is_tied ? 3 : 4)) / m->cfg.n_layers;

    for (size_t l = m->cfg.n_layers; l-- > 0;) {
        neox_taps_bwd(s, l, NEOX_HOOK_RESID_POST, s->dx, b);
        neox_view_block(m, l);
        if (s->half)
            recall(s, &m->cfg, l, b->n);
        if (s->shape.is_checkpointed)
            neox_block_fwd(m, s, b, l, NULL);
        block_bwd(m, s, b, l);
        neox_give(m, 1 + l * each, each);
        neox_taps_bwd(s, l, NEOX_HOOK_RESID_PRE, s->dx, b);
    }
    embedding_bwd(m, s, b);
    m->keep = 1;
}
