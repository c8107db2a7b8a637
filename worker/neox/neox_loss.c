/* neox_loss.c - final norm, unembedding and cross-entropy, rows in blocks.
 *
 * The scored rows are gathered first, so that nothing is spent on the others.  With a gradient the
 * logits of a block turn into their own gradient in place, which is used at once for the
 * gradients of the rows and of the unembedding. */
#include <assert.h>
#include <math.h>

#include "worker/neox/neox_pass.h"
#include "worker/num/embed.h"
#include "worker/num/linear.h"
#include "worker/num/par.h"
#include "worker/num/simd.h"

/* In place: exp(l - top) of one row; returns the log of their sum plus top. */
ISA_CLONES static double row_exp(real *restrict l, size_t v, double *sum)
{
    real top = l[0];

#pragma omp simd reduction(max : top)
    for (size_t j = 0; j < v; j++)
        top = l[j] > top ? l[j] : top;
#pragma omp simd
    for (size_t j = 0; j < v; j++)
        l[j] = simd_exp(l[j] - top);
    *sum = simd_sum(l, v);
    return (double)top + log(*sum);
}

ISA_CLONES static void row_grad(real *restrict p, size_t v, real factor)
{
#pragma omp simd
    for (size_t j = 0; j < v; j++)
        p[j] *= factor;
}

struct rows {
    const struct neox *m;
    struct neox_acts *s;
    const struct neox_batch *b;
    size_t first;    /* of the block, among the scored rows */
    double scale;    /* 0: no gradient */
};

static void xent_rows(void *ctx, size_t from, size_t to)
{
    const struct rows *r = ctx;
    const size_t v = r->m->cfg.n_vocab;

    for (size_t i = from; i < to; i++) {
        real *l = r->s->logits + i * v;
        size_t row = (size_t)r->s->row[r->first + i], target = (size_t)r->b->target[row];
        double at = (double)l[target], sum;

        r->s->logprob[row] = at - row_exp(l, v, &sum);
        if (r->scale != 0) {
            row_grad(l, v, (real)(r->scale / sum));
            l[target] -= (real)r->scale;
        }
    }
}

/* Final norm of `n` rows of x into s->y. */
static void norm_rows(const struct neox *m, struct neox_acts *s, const real *x, size_t n)
{
    const struct neox_ends *w = &m->w.ends;
    struct op_norm p = {x, s->meanf, s->rstdf, w->lnf_w, w->lnf_b};

    op_stats(s->meanf, s->rstdf, x, m->cfg.ln_eps, n, m->cfg.d_model);
    op_norm(s->y, &p, n, m->cfg.d_model);
}

void neox_logits(const struct neox *m, struct neox_acts *s, size_t from, size_t count)
{
    const struct neox_cfg *c = &m->cfg;

    assert(s->n_run == c->n_layers && count <= s->shape.head_rows);
    norm_rows(m, s, s->x[c->n_layers] + from * c->d_model, count);
    neox_view_head(m);
    linear_fwd(&s->linear, s->logits, s->y, m->w.ends.w_u, NULL, count, c->n_vocab, c->d_model, false);
}

/* Scored rows, gathered into s->branch and normalised; returns their number. */
static size_t gather(const struct neox *m, struct neox_acts *s, const struct neox_batch *b)
{
    const struct neox_cfg *c = &m->cfg;
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++) {
        s->logprob[i] = 0;
        if (b->target[i] >= 0)
            s->row[n++] = (int32_t)i;
    }
    gather_rows(s->branch, s->x[c->n_layers], s->row, n, c->d_model);
    norm_rows(m, s, s->branch, n);
    return n;
}

/* All blocks of rows; with m->g (scale != 0) their gradients: dy in s->du. */
static void head(const struct neox *m, struct neox_acts *s, const struct neox_batch *b, size_t n,
                 double scale)
{
    const size_t d = m->cfg.d_model, v = m->cfg.n_vocab;
    const real *u = m->w.ends.w_u;

    neox_view_head(m);
    for (size_t at = 0; at < n; at += s->shape.head_rows) {
        size_t rows = n - at < s->shape.head_rows ? n - at : s->shape.head_rows;
        struct rows r = {m, s, b, at, scale};
        const real *y = s->y + at * d;

        linear_fwd(&s->linear, s->logits, y, u, NULL, rows, v, d, false);
        par_rows(rows, 1, xent_rows, &r);
        if (scale == 0)
            continue;
        linear_dx(&s->linear, s->du + at * d, s->logits, u, rows, v, d);
        linear_dw(&s->linear, m->g.ends.w_u, NULL, s->logits, y, rows, v, d, at ? 1 : m->keep);
    }
}

static double sum_of(const struct neox_acts *s, const struct neox_batch *b)
{
    double sum = 0;

    for (size_t i = 0; i < b->n; i++)
        sum -= s->logprob[i];
    return sum;
}

double neox_loss(const struct neox *m, struct neox_acts *s, const struct neox_batch *b)
{
    neox_forward(m, s, b, m->cfg.n_layers);
    head(m, s, b, gather(m, s, b), 0);
    return sum_of(s, b);
}

double neox_loss_grad(struct neox *m, struct neox_acts *s, const struct neox_batch *b, double scale)
{
    const struct neox_cfg *c = &m->cfg;
    const size_t d = c->d_model;
    struct op_norm p = {s->branch, s->meanf, s->rstdf, NULL, NULL};
    struct op_norm_grad g = {.dy = s->du, .gain = m->w.ends.lnf_w, .dgain = m->g.ends.lnf_w,
                             .dbias = m->g.ends.lnf_b};
    size_t n;

    neox_forward(m, s, b, c->n_layers);
    n = gather(m, s, b);
    op_zero(s->dx, b->n * d);
    if (n == 0 || scale == 0) { /* nothing to learn from: the gradients are still to be begun */
        head(m, s, b, n, 0);
        if (m->keep == 0)
            op_zero(m->g.ends.w_u, c->n_vocab * d);
        neox_give(m, c->is_tied ? 0 : m->n_params - 1, c->is_tied ? 0 : 1);
        return sum_of(s, b);
    }
    head(m, s, b, n, scale);
    neox_give(m, c->is_tied ? 0 : m->n_params - 1, c->is_tied ? 0 : 1);
    op_zero(s->dv, n * d);
    op_norm_bwd(s->dv, &g, &p, n, d);
    scatter_add_rows(s->dx, s->dv, s->row, n, d);
    return sum_of(s, b);
}
