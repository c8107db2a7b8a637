/* sae_infer.c - a batch through an SAE, by the definitions of sae_model.h. */
#include <math.h>
#include <string.h>

#include "worker/num/blas.h"
#include "worker/num/vec.h"
#include "worker/sae/sae_model.h"

enum { ROWS_MAX = 512, BYTES_MAX = 64 << 20 };

static bool is_topk(const struct sae_model *m)
{
    return m->act == SAE_ACT_TOPK || m->act == SAE_ACT_TOPK_RAW;
}

size_t sae_infer_rows(const struct sae_model *m, size_t n_rows)
{
    size_t n = BYTES_MAX / (m->f * sizeof(real));

    n = n < 1 ? 1 : n > ROWS_MAX ? ROWS_MAX : n;
    return n < n_rows ? n : n_rows;
}

size_t sae_infer_bytes(const struct sae_model *m, size_t n_max)
{
    size_t k = is_topk(m) ? m->k : 0, f = is_topk(m) ? m->f : 0;

    return arena_need(n_max * m->d, sizeof(real)) + arena_need(n_max * m->o, sizeof(real)) +
           arena_need(n_max * m->f, sizeof(real)) +
           arena_need(m->f, sizeof(real)) + 2 * arena_need(n_max, sizeof(real)) +
           arena_need(k, sizeof(uint32_t)) + arena_need(k, sizeof(real)) +
           arena_need(f, sizeof(real)) + arena_need(f, sizeof(topk_key)) +
           arena_need(f + TOPK_SLACK, sizeof(uint32_t));
}

void sae_infer_new(struct sae_infer *w, const struct sae_model *m, size_t n_max, struct arena *a)
{
    size_t k = is_topk(m) ? m->k : 0, f = is_topk(m) ? m->f : 0;

    *w = (struct sae_infer){.m = m, .n_max = n_max};
    w->u = arena_new(a, real, n_max * m->d);
    w->xhat = arena_new(a, real, n_max * m->o);
    w->a = arena_new(a, real, n_max * m->f);
    w->norm = arena_new(a, real, m->f);
    w->mean = arena_new(a, real, n_max);
    w->sd = arena_new(a, real, n_max);
    w->idx = arena_new(a, uint32_t, k);
    w->val = arena_new(a, real, k);
    w->topk.bound = arena_new(a, real, f);
    w->topk.key = arena_new(a, topk_key, f);
    w->topk.cand = arena_new(a, uint32_t, f + TOPK_SLACK);
    for (size_t i = 0; i < m->f; i++)
        w->norm[i] = (real)sae_model_norm(m, i);
}

/* mean and sd with which s = (x - mean) / sd. */
static void scale_of(const struct sae_infer *w, const float *x, double *mean, double *sd)
{
    size_t d = w->m->d;
    double sum = 0, sq = 0;

    *mean = 0;
    *sd = 1;
    if (w->m->scale == SAE_SCALE_LAYER_NORM) {
        for (size_t i = 0; i < d; i++)
            sum += (double)x[i];
        *mean = sum / (double)d;
    }
    for (size_t i = 0; i < d && w->m->scale != SAE_SCALE_NONE; i++)
        sq += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    if (w->m->scale == SAE_SCALE_CONSTANT_NORM)
        *sd = sqrt(sq / (double)d);
    else if (w->m->scale == SAE_SCALE_LAYER_NORM)
        *sd = sqrt(sq / ((double)d - 1));
}

static void inputs(struct sae_infer *w, const float *x)
{
    const struct sae_model *m = w->m;

    for (size_t r = 0; r < w->n; r++) {
        double mean, sd;

        scale_of(w, x + r * m->d, &mean, &sd);
        w->mean[r] = (real)mean;
        w->sd[r] = (real)sd;
        if (m->scale == SAE_SCALE_LAYER_NORM)
            sd += 1e-5;
        for (size_t i = 0; i < m->d; i++) {
            double v = (double)x[r * m->d + i];

            if (m->scale != SAE_SCALE_NONE)
                v = (v - mean) / sd;
            w->u[r * m->d + i] = (real)(v - (m->is_centred ? (double)m->b_dec[i] : 0));
        }
    }
}

/* The k largest of a row stay, the others become 0. */
static bool select_top(struct sae_infer *w, real *z)
{
    const struct sae_model *m = w->m;
    size_t n;

    for (size_t i = 0; m->is_rescaled && i < m->f; i++)
        z[i] *= w->norm[i];
    n = topk_row(w->idx, w->val, z, NULL, m->f, m->k, m->act == SAE_ACT_TOPK, &w->topk);
    if (n == SIZE_MAX)
        return false;
    memset(z, 0, m->f * sizeof *z);
    for (size_t i = 0; i < n; i++)
        z[w->idx[i]] = w->val[i];
    return true;
}

static void activate(const struct sae_model *m, real *z)
{
    for (size_t i = 0; i < m->f; i++) {
        real v = z[i];

        if (m->act == SAE_ACT_RELU)
            z[i] = v > 0 ? v : 0;
        else if (m->act == SAE_ACT_JUMPRELU)
            z[i] = v > 0 && v > m->threshold[i] ? v : 0;
        else if (m->act == SAE_ACT_GATED) {
            real magnitude = v * (real)exp((double)m->r_mag[i]) + m->b_mag[i];

            z[i] = v + m->b_enc[i] > 0 && magnitude > 0 ? magnitude : 0;
        }
    }
}

/* W u is in w->a; the biases and the activation follow. */
static bool encode(struct sae_infer *w)
{
    const struct sae_model *m = w->m;

    for (size_t r = 0; r < w->n; r++) {
        real *z = w->a + r * m->f;

        if (m->act != SAE_ACT_GATED) /* its two paths share W u */
            vec_axpy(z, m->b_enc, 1, m->f);
        if (!vec_is_finite(z, m->f))
            return false;
        if (is_topk(m) ? !select_top(w, z) : (activate(m, z), false))
            return false;
    }
    return true;
}

static void decode(struct sae_infer *w)
{
    const struct sae_model *m = w->m;
    size_t o = m->o;

    for (size_t r = 0; r < w->n; r++) {
        real *out = w->xhat + r * o;

        memcpy(out, m->b_dec, o * sizeof *out);
        for (size_t i = 0; i < m->f && m->act != SAE_ACT_LINEAR; i++) {
            real a = w->a[r * m->f + i];

            if (a != 0)
                vec_axpy(out, m->dir + i * o,
                         m->is_rescaled && w->norm[i] > 0 ? a / w->norm[i] : a, o);
        }
    }
    if (m->act == SAE_ACT_LINEAR) /* nothing is zero */
        mm_nn(w->xhat, w->a, m->dir, w->n, o, m->f, 1, 1);
    if (m->skip) /* a transcoder: u = x */
        mm_nt(w->xhat, w->u, m->skip, w->n, o, m->d, 1, 1);
    for (size_t r = 0; m->scale != SAE_SCALE_NONE && r < w->n; r++)
        for (size_t i = 0; i < o; i++)
            w->xhat[r * o + i] = w->xhat[r * o + i] * w->sd[r] + w->mean[r];
}

bool sae_infer_encode(struct sae_infer *w, const float *x, size_t n)
{
    const struct sae_model *m = w->m;

    w->n = n;
    inputs(w, x);
    mm_nt(w->a, w->u, m->enc, n, m->f, m->d, 1, 0);
    return encode(w);
}

bool sae_infer_run(struct sae_infer *w, const float *x, size_t n)
{
    if (!sae_infer_encode(w, x, n))
        return false;
    decode(w);
    return true;
}
