/* sae_step.c - one training step around an architecture; see sae.h.
 *
 * Without clipping, gradients are made and used for a few features at a time, so they are still in
 * cache when Adam and the decoder norm read them; with clipping the global norm comes first.
 * Order of the decoder's constraint: remove the radial part, clip, Adam, renormalise.
 */
#include <math.h>
#include <string.h>

#include "worker/num/isa.h"
#include "worker/num/vec.h"
#include "worker/sae/sae.h"

enum { CHUNK_BYTES = 256 << 10 }; /* gradients that are fresh in cache when they are used */

/* out = x_hat - x; returns sum of squares */
ISA_CLONES static double residual(real *restrict out, const real *restrict xhat,
                                  const real *restrict x, size_t n)
{
    double sum = 0;

#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) {
        real e = xhat[i] - x[i];

        out[i] = e;
        sum += (double)e * (double)e;
    }
    return sum;
}

ISA_CLONES static void subtract(real *restrict out, const real *restrict x,
                                const real *restrict mean, size_t d)
{
#pragma omp simd
    for (size_t i = 0; i < d; i++)
        out[i] = x[i] - mean[i];
}

static double penalty(const struct sae *s, const struct sae_work *w)
{
    size_t d = s->cfg.d, f = s->cfg.f;
    double sum = 0;

    if (!s->cfg.arch->has_l1)
        return 0;
    if (s->cfg.norm != SAE_NORM_NONE)
        return s->cfg.l1 * w->l1;
    for (size_t i = 0; i < f; i++) {
        double norm = sqrt(vec_sumsq(s->p[SAE_DECODER].data + i * d, d)), a = 0;

        for (size_t r = 0; r < w->n; r++)
            a += fabs((double)w->z[r * f + i]);
        sum += norm * a;
    }
    return s->cfg.l1 * sum / (double)w->n;
}

bool sae_forward(const struct sae *s, struct sae_work *w, const real *x, size_t n)
{
    size_t d = s->cfg.d;
    double sum = 0;

    w->x = x;
    w->n = n;
    if (s->cfg.arch->is_centred)
        for (size_t r = 0; r < n; r++)
            subtract(w->u + r * d, x + r * d, s->p[SAE_B_DEC].data, d);
    else
        w->u = (real *)x; /* read only: nothing writes u of an encoder that does not centre */
    w->loss = w->recon = w->penalty = NAN;
    if (!s->cfg.arch->encode(s, w))
        return false;
    s->cfg.arch->decode(s, w);
    for (size_t r = 0; r < n; r++)
        sum += residual(w->g + r * d, w->xhat + r * d, x + r * d, d);
    w->recon = sum / (double)n / (s->cfg.arch->is_elem_mean ? (double)d : 1);
    w->penalty = penalty(s, w);
    w->loss = w->recon + w->penalty;
    return isfinite(w->loss);
}

/* w->g turns from the residual into dL/dx_hat; db_dec starts as its sum over rows. */
static void backward_begin(struct sae *s, struct sae_work *w)
{
    size_t d = s->cfg.d;
    double per = s->cfg.arch->is_elem_mean ? (double)w->n * (double)d : (double)w->n;

    vec_scale(w->g, (real)(2 / per), w->n * d);
    memset(w->db_dec, 0, d * sizeof *w->db_dec);
    if (s->cfg.arch->has_b_dec)
        for (size_t r = 0; r < w->n; r++)
            for (size_t i = 0; i < d; i++)
                w->db_dec[i] += (double)w->g[r * d + i];
    s->cfg.arch->backward_begin(s, w);
}

ISA_CLONES static void subtract_scaled(double *restrict y, const real *restrict x, double a,
                                       size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] -= a * (double)x[i];
}

static void backward_features(struct sae *s, struct sae_work *w, size_t f0, size_t f1)
{
    size_t d = s->cfg.d;

    s->cfg.arch->backward(s, w, f0, f1);
    if (s->cfg.arch->is_centred) /* u = x - b_dec: db_dec -= sum_f db_enc[f] w_f */
        for (size_t f = f0; f < f1; f++)
            if (s->p[SAE_B_ENC].grad[f] != 0)
                subtract_scaled(w->db_dec, s->p[SAE_ENCODER].data + f * d,
                                (double)s->p[SAE_B_ENC].grad[f], d);
    if (s->cfg.norm != SAE_NORM_PROJECT)
        return;
    for (size_t f = f0; f < f1; f++) {
        const real *dir = s->p[SAE_DECODER].data + f * d;
        real *grad = s->p[SAE_DECODER].grad + f * d;
        real along = vec_dot(grad, dir, d), sq = vec_dot(dir, dir, d);

        if (along != 0 && sq > 0)
            vec_axpy(grad, dir, -along / sq, d);
    }
}

static void backward_end(struct sae *s, struct sae_work *w)
{
    if (s->cfg.arch->has_b_dec)
        for (size_t i = 0; i < s->cfg.d; i++)
            s->p[SAE_B_DEC].grad[i] = (real)w->db_dec[i];
}

void sae_backward(struct sae *s, struct sae_work *w)
{
    backward_begin(s, w);
    backward_features(s, w, 0, s->cfg.f);
    backward_end(s, w);
}

static void update_features(struct sae *s, size_t f0, size_t f1, const struct adam_coef *c)
{
    size_t d = s->cfg.d;

    adam_range(&s->p[SAE_ENCODER], f0 * d, (f1 - f0) * d, c);
    adam_range(&s->p[SAE_B_ENC], f0, f1 - f0, c);
    adam_range(&s->p[SAE_DECODER], f0 * d, (f1 - f0) * d, c);
    if (s->cfg.norm != SAE_NORM_NONE)
        for (size_t f = f0; f < f1; f++)
            vec_normalise(s->p[SAE_DECODER].data + f * d, d);
}

const char *sae_step(struct sae *s, struct sae_work *w, const real *x, size_t n, double lr)
{
    size_t chunk = CHUNK_BYTES / (s->cfg.d * sizeof(real)), f = s->cfg.f;
    bool is_clipped = s->cfg.clip > 0;
    double scale = 1;

    if (!sae_forward(s, w, x, n))
        return isnan(w->recon) && isnan(w->penalty) ? "pre-activations" : "loss";
    if (is_clipped) {
        sae_backward(s, w);
        scale = clip_scale(grads_norm(s->p, s->n_params), s->cfg.clip);
    } else {
        backward_begin(s, w);
    }
    s->cfg.adam.t++;
    struct adam_coef c = adam_coef(&s->cfg.adam, lr, scale);
    if (chunk == 0 || !s->cfg.arch->is_sparse)
        chunk = s->cfg.arch->is_sparse ? 1 : f;
    for (size_t f0 = 0; f0 < f; f0 += chunk) {
        size_t f1 = f - f0 < chunk ? f : f0 + chunk;

        if (!is_clipped)
            backward_features(s, w, f0, f1);
        update_features(s, f0, f1, &c);
    }
    if (!is_clipped)
        backward_end(s, w);
    if (s->cfg.arch->has_b_dec)
        adam_range(&s->p[SAE_B_DEC], 0, s->cfg.d, &c);
    return NULL;
}
