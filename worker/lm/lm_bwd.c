/* lm_bwd.c - the backward pass, the mirror image of lm_fwd.c.
 *
 * s->dx holds the gradient of the stream behind the block at hand, [rows,d]; a block turns it
 * into the gradient of the stream before it, [n,d].
 */
#include <assert.h>
#include <string.h>

#include "worker/lm/lm.h"
#include "worker/num/act.h"
#include "worker/num/attention.h"
#include "worker/num/blas.h"
#include "worker/num/embed.h"
#include "worker/num/loss.h"
#include "worker/num/norm.h"

/* dw += x^T dy, db += column sums of dy, dx = dy w^T + beta * dx */
static void linear_bwd(real *dx, real beta, real *dw, real *db, const real *dy, const real *x,
                       const real *w, size_t n, size_t to, size_t from)
{
    mm_nt(dx, dy, w, n, from, to, 1, beta);
    mm_tn(dw, x, dy, from, to, n, 1, 1);
    bias_bwd(db, dy, n, to);
}

static void zero(real *x, size_t n)
{
    memset(x, 0, n * sizeof *x);
}

/* s->dx: from d out to d mid */
static void mlp_bwd(struct lm *m, size_t l, struct lm_acts *s)
{
    const struct lm_cfg *c = &m->cfg;
    const struct lm_block_acts *a = &s->block[l];
    const struct lm_block *w = &m->w.block[l];
    struct lm_block *g = &m->g.block[l];
    const size_t d = c->d_model, f = c->d_mlp, n = a->rows;

    linear_bwd(s->dhidden, 0, g->w_out, g->b_out, s->dx, a->hidden, w->w_out, n, d, f);
    if (c->act == LM_RELU)
        relu_bwd(s->dhidden, a->hidden, n * f);
    else
        gelu_bwd(s->dhidden, a->slope, n * f);
    linear_bwd(s->dnorm, 0, g->w_in, g->b_in, s->dhidden, a->a2, w->w_in, n, f, d);
    layernorm_bwd(s->dx, g->ln2_w, g->ln2_b, s->dnorm, a->mid, a->mean2, a->rstd2, w->ln2_w, n, d);
}

/* d of the queries, keys and values, from s->dx = d attn_out */
static void heads_bwd(struct lm *m, size_t l, struct lm_acts *s, const struct lm_batch *b)
{
    const struct lm_cfg *c = &m->cfg;
    const struct lm_block_acts *a = &s->block[l];
    const struct attention_paths paths = {b->path, b->pos, a->sel, b->t};
    const size_t d = c->d_model;

    linear_bwd(s->dz, 0, m->g.block[l].w_o, m->g.block[l].b_o, s->dx, a->z, m->w.block[l].w_o,
               a->rows, d, d);
    zero(s->dq, a->rows * d);
    zero(s->dk, b->n * d);
    zero(s->dv, b->n * d);
    attention_bwd(s->dq, s->dk, s->dv, s->score, s->dz, a->p, a->q, a->k, a->v, &paths, a->rows,
                  c->n_heads, c->d_head);
}

/* s->dx: from d mid to d x */
static void attention_block_bwd(struct lm *m, size_t l, struct lm_acts *s,
                                const struct lm_batch *b)
{
    const struct lm_block_acts *a = &s->block[l];
    const struct lm_block *w = &m->w.block[l];
    struct lm_block *g = &m->g.block[l];
    const size_t d = m->cfg.d_model;

    heads_bwd(m, l, s, b);
    linear_bwd(s->dnorm, 0, g->w_k, g->b_k, s->dk, a->a1, w->w_k, b->n, d, d);
    linear_bwd(s->dnorm, 1, g->w_v, g->b_v, s->dv, a->a1, w->w_v, b->n, d, d);
    if (!a->sel) {
        linear_bwd(s->dnorm, 1, g->w_q, g->b_q, s->dq, a->a1, w->w_q, b->n, d, d);
    } else { /* few rows: their gradients go to their nodes; dz is free by now */
        real *dx = s->dmid;

        linear_bwd(s->dz, 0, g->w_q, g->b_q, s->dq, a->a1_sel, w->w_q, a->rows, d, d);
        scatter_add_rows(s->dnorm, s->dz, a->sel, a->rows, d);
        zero(dx, b->n * d);
        scatter_add_rows(dx, s->dx, a->sel, a->rows, d);
        s->dmid = s->dx;
        s->dx = dx;
    }
    layernorm_bwd(s->dx, g->ln1_w, g->ln1_b, s->dnorm, a->x, a->mean1, a->rstd1, w->ln1_w, b->n,
                  d);
}

void lm_backward(struct lm *m, struct lm_acts *s, const struct lm_batch *b, real scale)
{
    const struct lm_cfg *c = &m->cfg;
    const struct lm_ends *w = &m->w.ends;
    struct lm_ends *g = &m->g.ends;
    const real *x = s->block[c->n_layers - 1].out;
    const size_t d = c->d_model, v = c->n_vocab, n = b->n_out;

    assert(s->is_training);
    zero(s->dlogits, n * v);
    xent_bwd(s->dlogits, s->logits, b->target, scale, n, v);
    linear_bwd(s->dnorm, 0, g->w_u, g->b_u, s->dlogits, s->af, w->w_u, n, v, d);
    zero(s->dx, n * d);
    layernorm_bwd(s->dx, g->lnf_w, g->lnf_b, s->dnorm, x, s->meanf, s->rstdf, w->lnf_w, n, d);
    for (size_t l = c->n_layers; l-- > 0;) {
        mlp_bwd(m, l, s);
        attention_block_bwd(m, l, s, b);
    }
    embed_bwd(g->w_e, g->w_pos, s->dx, b->tok, b->pos, b->n, d);
}
