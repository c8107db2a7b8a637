/* jacobian.c - see jacobian.h.
 *
 * Four dense products a step, [f,h] with the MLP's matrices, and three small ones a row; J itself is
 * never larger than [k2,k1].
 */
#include "worker/sae/jacobian.h"

#include <math.h>
#include <string.h>

#include "worker/num/act.h"
#include "worker/num/blas.h"
#include "worker/num/gelu.h"
#include "worker/num/vec.h"

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void lay_out(struct jacobian *g, const struct mlp *m, const struct sae_cfg *one,
                    const struct sae_cfg *two, size_t n_max, struct arena *a, size_t *bytes)
{
    const struct {
        real **at;
        size_t n;
    } rows[] = {
        {&g->p, two->f * m->h},         {&g->q, one->f * m->h},
        {&g->dp, two->f * m->h},        {&g->dq, one->f * m->h},
        {&g->hidden, n_max * m->h},     {&g->slope, n_max * m->h},
        {&g->left, two->k * m->h},      {&g->right, one->k * m->h},
        {&g->back, most(one->k, two->k) * m->h},
        {&g->j, two->k * one->k},       {&g->add_enc, two->f * m->o},
        {&g->add_dec, one->f * m->d},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        *bytes += arena_need(rows[i].n, sizeof(real));
        if (a)
            *rows[i].at = arena_new(a, real, rows[i].n);
    }
}

size_t jacobian_bytes(const struct mlp *m, const struct sae_cfg *one, const struct sae_cfg *two,
                      size_t n_max)
{
    struct jacobian g;
    size_t bytes = 0;

    lay_out(&g, m, one, two, n_max, NULL, &bytes);
    return bytes;
}

void jacobian_new(struct jacobian *g, const struct mlp *m, const struct sae_cfg *one,
                  const struct sae_cfg *two, size_t n_max, struct arena *a)
{
    size_t bytes = 0;

    *g = (struct jacobian){.mlp = *m};
    lay_out(g, m, one, two, n_max, a, &bytes);
}

/* phi' of all hidden units. */
static void slopes(struct jacobian *g, const real *x, size_t n)
{
    const struct mlp *m = &g->mlp;

    if (m->act == MLP_GELU_TANH) {
        bias_rows(g->hidden, m->b_in, n, m->h);
        mm_nt(g->hidden, x, m->w_in, n, m->h, m->d, 1, 1);
        for (size_t i = 0; i < n * m->h; i++)
            g->slope[i] = 1;
        for (size_t r = 0; r < n; r++)
            gelu_keep_bwd(g->slope + r * m->h, g->back, g->hidden + r * m->h, m->h, true);
        return;
    }
    mm_nt(g->hidden, x, m->w_in, n, m->h, m->d, 1, 0);
    if (m->act == MLP_GELU) {
        gelu_fwd(g->hidden, g->slope, m->b_in, n, m->h);
        return;
    }
    relu_fwd(g->hidden, m->b_in, n, m->h);
    for (size_t i = 0; i < n * m->h; i++)
        g->slope[i] = g->hidden[i] > 0 ? 1 : 0;
}

/* Rows idx of x [.,h], times `by` [h] unless that is NULL. */
static void take(real *out, const real *x, const uint32_t *idx, size_t n, const real *by, size_t h)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < h; c++)
            out[i * h + c] = by ? x[idx[i] * h + c] * by[c] : x[idx[i] * h + c];
}

/* x rows idx += add, times `by` unless that is NULL. */
static void give(real *x, const uint32_t *idx, const real *add, size_t n, const real *by, size_t h)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < h; c++)
            x[idx[i] * h + c] += by ? add[i * h + c] * by[c] : add[i * h + c];
}

/* Sum |J| of one row; j becomes dL/dJ = each * sign(J). */
static double absolute(real *j, size_t n, double each)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += fabs((double)j[i]);
        j[i] = (real)(j[i] > 0 ? each : j[i] < 0 ? -each : 0);
    }
    return sum;
}

static double row(struct jacobian *g, const struct sae_work *w1, const struct sae_work *w2,
                  size_t r, double each)
{
    size_t h = g->mlp.h, at1 = w1->row_at[r], n1 = w1->row_at[r + 1] - at1;
    size_t at2 = w2->row_at[r], n2 = w2->row_at[r + 1] - at2;
    const uint32_t *s1 = w1->idx + at1, *s2 = w2->idx + at2;
    const real *slope = g->slope + r * h;
    double sum;

    if (n1 == 0 || n2 == 0)
        return 0;
    take(g->left, g->p, s2, n2, slope, h);
    take(g->right, g->q, s1, n1, NULL, h);
    mm_nt(g->j, g->left, g->right, n2, n1, h, 1, 0);
    sum = absolute(g->j, n2 * n1, each);
    if (each == 0)
        return sum;
    mm_nn(g->back, g->j, g->right, n2, h, n1, 1, 0); /* dP = dJ (phi' Q) */
    give(g->dp, s2, g->back, n2, slope, h);
    mm_tn(g->back, g->j, g->left, n1, h, n2, 1, 0);  /* dQ = dJ^T (phi' P) */
    give(g->dq, s1, g->back, n1, NULL, h);
    return sum;
}

double jacobian_run(struct jacobian *g, const struct sae *one, const struct sae_work *w1,
                    const struct sae *two, const struct sae_work *w2, const real *x, size_t n)
{
    const struct mlp *m = &g->mlp;
    size_t f1 = one->cfg.f, f2 = two->cfg.f;
    double per = (double)n * (double)one->cfg.k * (double)two->cfg.k, sum = 0;

    slopes(g, x, n);
    mm_nt(g->p, two->p[SAE_ENCODER].data, m->w_out, f2, m->h, m->o, 1, 0);
    mm_nt(g->q, one->p[SAE_DECODER].data, m->w_in, f1, m->h, m->d, 1, 0);
    memset(g->dp, 0, f2 * m->h * sizeof *g->dp);
    memset(g->dq, 0, f1 * m->h * sizeof *g->dq);
    for (size_t r = 0; r < n; r++)
        sum += row(g, w1, w2, r, g->c / per);
    g->mean = sum / per;
    if (g->c > 0) {
        mm_nn(g->add_enc, g->dp, m->w_out, f2, m->o, m->h, 1, 0);
        mm_nn(g->add_dec, g->dq, m->w_in, f1, m->d, m->h, 1, 0);
    }
    return g->c * g->mean;
}
