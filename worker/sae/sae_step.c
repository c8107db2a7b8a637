/* sae_step.c - one training step around an architecture; see sae.h.
 *
 * Without clipping, gradients are made and used for a few features at a time, so they are still in
 * cache when Adam and the decoder norm read them; with clipping the global norm comes first.
 * Order of the decoder's constraint: remove the radial part, clip, Adam, renormalise.
 */
#include <math.h>
#include <string.h>

#include "worker/num/blas.h"
#include "worker/num/isa.h"
#include "worker/num/rows.h"
#include "worker/num/vec.h"
#include "worker/sae/arch.h"
#include "worker/sae/parts.h"

enum { DL_FIRST_STEP = 1000 }; /* of the threshold of dictionary_learning */
enum { CHUNK_BYTES = 16 << 10 }; /* gradients that are fresh in cache when they are used */

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

/* What the sparsity term adds, and its slope in `cost`. */
static double sparsity(const struct sae *s, struct sae_work *w)
{
    double l1 = s->cfg.l1 * s->l1_scale, target = s->cfg.jump.target_l0;
    double mean = w->cost / (double)w->n;

    w->lambda = 0;
    if (!s->cfg.arch->has_l1)
        return 0;
    w->lambda = target > 0 ? 2 * l1 * (mean / target - 1) / target : l1;
    return target > 0 ? l1 * (mean / target - 1) * (mean / target - 1) : l1 * mean;
}

static double error_scale(const struct sae *s, const struct sae_work *w)
{
    return (double)w->n * (s->cfg.arch->is_elem_mean ? (double)sae_out(&s->cfg) : 1);
}

static void decode(const struct sae *s, struct sae_work *w)
{
    size_t d = s->cfg.d, o = sae_out(&s->cfg);

    if (w->is_dense)
        columns_decode_dense(s, w);
    else if (!s->cfg.arch->is_nested || w->is_use)
        lists_decode(s, w);
    if (s->cfg.arch->has_skip)
        mm_nt(w->xhat, w->x, s->p[SAE_SKIP].data, w->n, o, d, 1, 1);
    if (s->cfg.arch->has_gate && !w->is_use)
        gated_decode(s, w);
    w->l0 /= (double)w->n;
    w->l1 /= (double)w->n;
}

static void losses(const struct sae *s, struct sae_work *w)
{
    size_t o = sae_out(&s->cfg);
    double sum = 0, per = error_scale(s, w);

    if (s->cfg.arch->is_nested && !w->is_use)
        w->recon = prefixes_forward(s, w, per);
    for (size_t r = 0; r < w->n; r++)
        sum += residual(w->g + r * o, w->xhat + r * o, w->target + r * o, o);
    if (!s->cfg.arch->is_nested || w->is_use)
        w->recon = sum / per;
    w->penalty = 0;
    if (!w->is_use) {
        w->aux = s->cfg.arch->has_gate ? gated_aux(s, w) : auxk_forward(s, w);
        w->pull_loss = pull_forward(s, w);
        w->extra += s->cfg.jacobian > 0 ? pairs_forward(s, w) : 0;
        w->penalty = sparsity(s, w) + w->aux + w->pull_loss + w->extra;
    }
    w->loss = w->recon + w->penalty;
}

static bool forward(const struct sae *s, struct sae_work *w, const real *x, const real *target,
                    size_t n)
{
    size_t d = s->cfg.d;

    w->x = x;
    w->target = target;
    w->n = n;
    if (s->cfg.arch->is_centred)
        for (size_t r = 0; r < n; r++)
            subtract(w->u + r * d, x + r * d, s->p[SAE_B_DEC].data, d);
    else
        w->u = (real *)x; /* read only: nothing writes u of an encoder that does not centre */
    w->loss = w->recon = w->penalty = NAN;
    w->l0 = w->l1 = w->cost = w->extra = 0;
    w->is_dense = false;
    if (n == 0)
        return false;
    auxk_begin(s, w);
    if (!(s->cfg.arch->select == SAE_SELECT_ROW ? rows_encode : columns_encode)(s, w))
        return false;
    decode(s, w);
    losses(s, w);
    return isfinite(w->loss);
}

bool sae_forward_to(const struct sae *s, struct sae_work *w, const real *x, const real *target,
                    size_t n)
{
    w->is_use = false;
    return forward(s, w, x, target, n);
}

bool sae_forward(const struct sae *s, struct sae_work *w, const real *x, size_t n)
{
    return sae_forward_to(s, w, x, x, n);
}

bool sae_use(const struct sae *s, struct sae_work *w, const real *x, const real *target, size_t n)
{
    w->is_use = true;
    return forward(s, w, x, target, n);
}

const real *sae_g_of(const struct sae *s, const struct sae_work *w, size_t f)
{
    size_t plane = w->n_max * sae_out(&s->cfg);

    return s->cfg.arch->is_nested ? w->prefix_g + prefixes_group(&s->cfg.prefixes, f) * plane
                                  : w->g;
}

ISA_CLONES static void add_to(double *restrict y, const real *restrict x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] += (double)x[i];
}

/* w->g turns from the residual into dL/dx_hat; db_dec starts as its sum over rows. */
static void backward_begin(struct sae *s, struct sae_work *w)
{
    size_t d = s->cfg.d, o = sae_out(&s->cfg);
    double per = error_scale(s, w);

    if (s->cfg.arch->has_gate)
        vec_scale(w->g_aux, (real)(2 / (double)w->n), w->n * o);
    if (s->cfg.arch->is_nested) {
        prefixes_backward_begin(s, w, per);
        return;
    }
    vec_scale(w->g, (real)(2 / per), w->n * o);
    memset(w->db_dec, 0, o * sizeof *w->db_dec);
    if (s->cfg.arch->has_b_dec)
        for (size_t r = 0; r < w->n; r++)
            add_to(w->db_dec, w->g + r * o, o);
    if (s->cfg.arch->has_skip)
        mm_tn(s->p[SAE_SKIP].grad, w->g, w->x, o, d, w->n, 1, 0);
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
    const struct sae_arch *arch = s->cfg.arch;
    size_t d = s->cfg.d, o = sae_out(&s->cfg);

    (w->is_dense ? columns_backward_dense : lists_backward)(s, w, f0, f1);
    auxk_backward(s, w, f0, f1);
    if (s->cfg.jacobian > 0)
        pairs_backward(s, w, f0, f1);
    pull_backward(s, w, f0, f1);
    if (w->add_enc)
        vec_axpy(sae_dw(s, f0), w->add_enc + f0 * d, 1, (f1 - f0) * d);
    if (w->add_dec)
        vec_axpy(sae_ddir(s, f0), w->add_dec + f0 * o, 1, (f1 - f0) * o);
    for (size_t f = f0; f < f1; f++) {
        if (!arch->has_gate)
            s->p[SAE_B_ENC].grad[f] = w->dz_sum[f];
        if (arch->is_centred && w->dz_sum[f] != 0) /* u = x - b_dec: db_dec -= sum_f dz_f w_f */
            subtract_scaled(w->db_dec, s->p[SAE_ENCODER].data + f * d, (double)w->dz_sum[f], d);
        if (s->cfg.is_aligned)
            aligned_grad(s, f);
        if (arch->is_one_matrix)
            one_matrix_grad(s, f);
    }
    if (s->cfg.norm == SAE_NORM_PROJECT)
        rows_project(sae_ddir(s, f0), s->p[SAE_DECODER].data + f0 * o, f1 - f0, o);
}

static void backward_end(struct sae *s, struct sae_work *w)
{
    for (size_t i = 0; i < s->p[SAE_B_DEC].n; i++)
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
    size_t d = s->cfg.d, o = sae_out(&s->cfg);

    adam_apply(&s->p[SAE_ENCODER], f0 * d, (f1 - f0) * d, sae_dw(s, f0), c);
    if (!s->cfg.arch->has_frozen_bias)
        adam_range(&s->p[SAE_B_ENC], f0, f1 - f0, c);
    for (int i = SAE_LOG_THETA; i <= SAE_SCALE; i++)
        if (sae_has(s, i))
            adam_range(&s->p[i], f0, f1 - f0, c);
    if (!s->cfg.arch->is_one_matrix)
        adam_apply(&s->p[SAE_DECODER], f0 * o, (f1 - f0) * o, sae_ddir(s, f0), c);
    if (s->cfg.norm == SAE_NORM_RENORM || s->cfg.norm == SAE_NORM_PROJECT)
        rows_normalise(s->p[SAE_DECODER].data + f0 * o, f1 - f0, o);
    for (size_t f = f0; f < f1; f++) {
        if (s->cfg.is_aligned)
            aligned_project(s, f);
        if (s->cfg.arch->is_one_matrix)
            one_matrix_set(s, f);
    }
}

/* The negative control: unit length along the features instead of along d_model. */
static void normalise_wrong_axis(struct sae *s)
{
    size_t f = s->cfg.f, o = sae_out(&s->cfg);
    real *dir = s->p[SAE_DECODER].data;

    for (size_t j = 0; j < o; j++) {
        double sum = 0;

        for (size_t i = 0; i < f; i++)
            sum += (double)dir[i * o + j] * (double)dir[i * o + j];
        for (size_t i = 0; sum > 0 && i < f; i++)
            dir[i * o + j] /= (real)sqrt(sum);
    }
}

/* What a step learns beside the gradients: who is silent, and the threshold in use. */
static void observe(struct sae *s, const struct sae_work *w)
{
    enum sae_theta_rule rule = s->cfg.theta_rule;
    double rate = rule == SAE_THETA_DL ? 0.001 : 0.01;

    for (size_t f = 0; f < s->cfg.f; f++)
        s->quiet[f] = w->fired[f] ? 0 : s->quiet[f] + (int64_t)w->n;
    if (s->cfg.arch->select != SAE_SELECT_BATCH ||
        (rule == SAE_THETA_DL && s->cfg.adam.t < DL_FIRST_STEP))
        return;
    if (s->theta < 0)
        s->theta = rule == SAE_THETA_MATSAE ? 0 : w->least_kept;
    s->theta += rate * (w->least_kept - s->theta);
}

const char *sae_not_finite(const struct sae_work *w)
{
    return w->n == 0                              ? "mean over no rows"
           : isnan(w->recon) && isnan(w->penalty) ? "pre-activations"
           : !isfinite(w->recon)                ? "reconstruction"
           : !isfinite(w->aux)                  ? "auxiliary loss"
           : !isfinite(w->pull_loss)            ? "consistency penalty"
                                                : "penalty";
}

/* Parameters that do not belong to one feature, and what is learnt beside gradients. */
static void update_rest(struct sae *s, const struct sae_work *w, const struct adam_coef *c)
{
    static const int rest[] = {SAE_B_DEC, SAE_SKIP};

    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        if (sae_has(s, rest[i]))
            adam_range(&s->p[rest[i]], 0, s->p[rest[i]].n, c);
    if (s->cfg.norm == SAE_NORM_WRONG_AXIS)
        normalise_wrong_axis(s);
    observe(s, w);
}

void sae_update(struct sae *s, struct sae_work *w, double lr, double scale)
{
    s->cfg.adam.t++;
    struct adam_coef c = adam_coef(&s->cfg.adam, lr, scale);

    update_features(s, 0, s->cfg.f, &c);
    update_rest(s, w, &c);
}

const char *sae_step_to(struct sae *s, struct sae_work *w, const real *x, const real *target,
                        size_t n, double lr)
{
    size_t chunk = CHUNK_BYTES / (s->cfg.d * sizeof(real)), f = s->cfg.f;

    if (!sae_forward_to(s, w, x, target, n))
        return sae_not_finite(w);
    if (s->cfg.clip > 0) {
        sae_backward(s, w);
        sae_update(s, w, lr, clip_scale(grads_norm(s->p, s->n_params), s->cfg.clip));
        return NULL;
    }
    backward_begin(s, w);
    s->cfg.adam.t++;
    struct adam_coef c = adam_coef(&s->cfg.adam, lr, 1);
    chunk = chunk == 0 ? 1 : chunk;
    /* pairs read all of both matrices, dense products want whole blocks */
    chunk = s->cfg.jacobian > 0 ? f : w->is_dense && chunk < SAE_BLOCK_F ? SAE_BLOCK_F : chunk;
    for (size_t f0 = 0; f0 < f; f0 += chunk) {
        size_t f1 = f - f0 < chunk ? f : f0 + chunk;

        s->grad_from = f0;
        backward_features(s, w, f0, f1);
        update_features(s, f0, f1, &c);
    }
    s->grad_from = 0;
    backward_end(s, w);
    update_rest(s, w, &c);
    return NULL;
}

const char *sae_step(struct sae *s, struct sae_work *w, const real *x, size_t n, double lr)
{
    return sae_step_to(s, w, x, x, n, lr);
}
