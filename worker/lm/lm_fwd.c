/* lm_fwd.c - the forward pass; lm_bwd.c is its mirror image. */
#include <assert.h>

#include "worker/lm/lm.h"
#include "worker/num/act.h"
#include "worker/num/attention.h"
#include "worker/num/blas.h"
#include "worker/num/embed.h"
#include "worker/num/loss.h"
#include "worker/num/norm.h"

/* y [n,to] = x [n,from] w + b */
static void linear(real *y, const real *x, const real *w, const real *b, size_t n, size_t to,
                   size_t from)
{
    bias_rows(y, b, n, to);
    mm_nn(y, x, w, n, to, from, 1, 1);
}

static void attention(const struct lm *m, size_t l, struct lm_block_acts *s,
                      const struct lm_batch *b)
{
    const struct lm_cfg *c = &m->cfg;
    const struct lm_block *w = &m->w.block[l];
    const struct attention_paths paths = {b->path, b->pos, s->sel, b->t};
    const size_t d = c->d_model;

    layernorm_fwd(s->a1, s->mean1, s->rstd1, s->x, w->ln1_w, w->ln1_b, c->ln_eps, b->n, d);
    if (s->sel)
        gather_rows(s->a1_sel, s->a1, s->sel, s->rows, d);
    linear(s->q, s->sel ? s->a1_sel : s->a1, w->w_q, w->b_q, s->rows, d, d);
    linear(s->k, s->a1, w->w_k, w->b_k, b->n, d, d);
    linear(s->v, s->a1, w->w_v, w->b_v, b->n, d, d);
    attention_fwd(s->z, s->p, s->q, s->k, s->v, &paths, s->rows, c->n_heads, c->d_head);
    linear(s->attn_out, s->z, w->w_o, w->b_o, s->rows, d, d);
}

static void attention_add(struct lm_block_acts *s, size_t d)
{
    if (s->sel)
        residual_add_rows(s->mid, s->x, s->attn_out, s->sel, s->rows, d);
    else
        residual_add(s->mid, s->x, s->attn_out, s->rows * d);
}

static void patch(const struct lm_patch *p, size_t l, enum lm_hook hook, real *rows,
                  const int32_t *node, size_t n)
{
    if (!p || p->layer != l)
        return;
    if (p->look && p->look_at == hook)
        p->look(p->ctx, rows, node, n);
    if (p->hook == hook)
        p->rewrite(p->ctx, rows, node, n);
}

void lm_ln2_normalized(real *row, const struct lm_block_acts *s, size_t i, size_t d)
{
    for (size_t j = 0; j < d; j++)
        row[j] = (s->mid[i * d + j] - s->mean2[i]) * s->rstd2[i];
}

/* LN2 in two parts, with its hook between them. */
static void patch_ln2(const struct lm_patch *p, size_t l, struct lm_block_acts *s,
                      const struct lm_block *w, size_t d)
{
    bool is_read = p && p->layer == l &&
                   (p->hook == LM_HOOK_LN2_NORMALIZED || (p->look && p->look_at == LM_HOOK_LN2_NORMALIZED));

    for (size_t i = 0; is_read && i < s->rows; i++)
        lm_ln2_normalized(s->a2 + i * d, s, i, d);
    if (is_read)
        patch(p, l, LM_HOOK_LN2_NORMALIZED, s->a2, s->sel, s->rows);
    for (size_t i = 0; is_read && i < s->rows; i++)
        for (size_t j = 0; j < d; j++)
            s->a2[i * d + j] = s->a2[i * d + j] * w->ln2_w[j] + w->ln2_b[j];
}

static void mlp(const struct lm *m, size_t l, struct lm_block_acts *s, const struct lm_patch *p)
{
    const struct lm_cfg *c = &m->cfg;
    const struct lm_block *w = &m->w.block[l];
    const size_t d = c->d_model, f = c->d_mlp, n = s->rows;

    layernorm_fwd(s->a2, s->mean2, s->rstd2, s->mid, w->ln2_w, w->ln2_b, c->ln_eps, n, d);
    patch_ln2(p, l, s, w, d);
    mm_nn(s->hidden, s->a2, w->w_in, n, f, d, 1, 0);
    if (c->act == LM_RELU)
        relu_fwd(s->hidden, w->b_in, n, f);
    else
        gelu_fwd(s->hidden, s->slope, w->b_in, n, f);
    linear(s->mlp_out, s->hidden, w->w_out, w->b_out, n, d, f);
}

void lm_forward(const struct lm *m, struct lm_acts *s, const struct lm_batch *b, size_t n_layers)
{
    const struct lm_ends *w = &m->w.ends;

    assert(b->n <= s->n_max && b->n_out <= s->out_max && b->t <= m->cfg.n_ctx);
    assert(n_layers >= 1 && n_layers <= m->cfg.n_layers);
    embed_fwd(s->block[0].x, w->w_e, w->w_pos, b->tok, b->pos, b->n, m->cfg.d_model);
    for (size_t l = 0; l < n_layers; l++) {
        struct lm_block_acts *a = &s->block[l];
        const size_t d = m->cfg.d_model;
        bool is_last = l + 1 == n_layers;

        a->sel = is_last ? b->out : NULL;
        a->rows = is_last ? b->n_out : b->n;
        patch(s->patch, l, LM_HOOK_RESID_PRE, a->x, NULL, b->n);
        attention(m, l, a, b);
        patch(s->patch, l, LM_HOOK_ATTN_OUT, a->attn_out, a->sel, a->rows);
        attention_add(a, d);
        mlp(m, l, a, s->patch);
        patch(s->patch, l, LM_HOOK_MLP_OUT, a->mlp_out, a->sel, a->rows);
        residual_add(a->out, a->mid, a->mlp_out, a->rows * d);
        patch(s->patch, l, LM_HOOK_RESID_POST, a->out, a->sel, a->rows);
    }
}

void lm_logits(const struct lm *m, struct lm_acts *s, const struct lm_batch *b)
{
    const struct lm_cfg *c = &m->cfg;
    const struct lm_ends *w = &m->w.ends;
    const real *x = s->block[c->n_layers - 1].out;

    lm_forward(m, s, b, c->n_layers);
    layernorm_fwd(s->af, s->meanf, s->rstdf, x, w->lnf_w, w->lnf_b, c->ln_eps, b->n_out,
                  c->d_model);
    linear(s->logits, s->af, w->w_u, w->b_u, b->n_out, c->n_vocab, c->d_model);
}

double lm_loss(const struct lm *m, struct lm_acts *s, const struct lm_batch *b, size_t *n_right)
{
    lm_logits(m, s, b);
    return xent_fwd(s->logits, n_right, s->logits, b->target, b->n_out, m->cfg.n_vocab);
}
