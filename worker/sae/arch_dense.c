/* arch_dense.c - encoders in which every feature takes part: ReLU and linear. */
#include <math.h>

#include "worker/num/blas.h"
#include "worker/num/isa.h"
#include "worker/num/vec.h"
#include "worker/sae/arch.h"

struct row_sums {
    double n_on, l1;
    bool is_finite;
};

/* z += bias, then the activation in place. */
ISA_CLONES static struct row_sums activate(real *restrict z, const real *restrict bias, size_t f,
                                           bool has_relu)
{
    real bad = 0;
    double sum = 0, n_on = 0;

#pragma omp simd reduction(+ : bad, sum, n_on)
    for (size_t i = 0; i < f; i++) {
        real v = z[i] + bias[i];

        bad += v * 0;
        v = has_relu && !(v > 0) ? 0 : v;
        z[i] = v;
        sum += (double)(v < 0 ? -v : v);
        n_on += v != 0 ? 1.0 : 0.0;
    }
    return (struct row_sums){n_on, sum, bad == 0};
}

bool dense_sae_encode(const struct sae *s, struct sae_work *w)
{
    size_t d = s->cfg.d, f = s->cfg.f;
    double n_on = 0, sum = 0;

    mm_nt(w->z, w->u, s->p[SAE_ENCODER].data, w->n, f, d, 1, 0);
    for (size_t r = 0; r < w->n; r++) {
        struct row_sums got =
            activate(w->z + r * f, s->p[SAE_B_ENC].data, f, s->cfg.arch->has_relu);

        if (!got.is_finite)
            return false;
        n_on += got.n_on;
        sum += got.l1;
    }
    w->l0 = n_on / (double)w->n;
    w->l1 = sum / (double)w->n;
    return true;
}

void dense_sae_decode(const struct sae *s, struct sae_work *w)
{
    size_t d = s->cfg.d;

    mm_nn(w->xhat, w->z, s->p[SAE_DECODER].data, w->n, d, s->cfg.f, 1, 0);
    if (s->cfg.arch->has_b_dec)
        for (size_t r = 0; r < w->n; r++)
            vec_axpy(w->xhat + r * d, s->p[SAE_B_DEC].data, 1, d);
}

/* dz = act'(z) * (g . d_f + penalty); weights of the penalty are 1, or |d_f| if the norm is free */
void dense_sae_backward_begin(const struct sae *s, struct sae_work *w)
{
    size_t d = s->cfg.d, f = s->cfg.f;
    const struct sae_arch *arch = s->cfg.arch;
    double l1 = arch->has_l1 ? s->cfg.l1 / (double)w->n : 0;

    mm_nt(w->dz, w->g, s->p[SAE_DECODER].data, w->n, f, d, 1, 0);
    for (size_t i = 0; l1 > 0 && i < f; i++) {
        const real *dir = s->p[SAE_DECODER].data + i * d;
        real add = (real)(l1 * (s->cfg.norm == SAE_NORM_NONE ? sqrt(vec_sumsq(dir, d)) : 1));

        for (size_t r = 0; r < w->n; r++)
            w->dz[r * f + i] += add;
    }
    if (arch->has_relu)
        for (size_t i = 0; i < w->n * f; i++)
            w->dz[i] = w->z[i] > 0 ? w->dz[i] : 0;
}

/* The part of the penalty that pulls on a free |d_f|: l1 * mean(a_f) * d_f / |d_f| */
static void penalty_on_norm(const struct sae *s, const struct sae_work *w, size_t i)
{
    size_t d = s->cfg.d, f = s->cfg.f;
    const real *dir = s->p[SAE_DECODER].data + i * d;
    double sum = 0, norm = sqrt(vec_sumsq(dir, d));

    for (size_t r = 0; r < w->n; r++)
        sum += (double)w->z[r * f + i];
    if (norm > 0)
        vec_axpy(s->p[SAE_DECODER].grad + i * d, dir,
                 (real)(s->cfg.l1 * sum / (double)w->n / norm), d);
}

void dense_sae_backward(const struct sae *s, struct sae_work *w, size_t f0, size_t f1)
{
    size_t d = s->cfg.d, f = s->cfg.f, n_f = f1 - f0;

    mm_tn_ld(s->p[SAE_DECODER].grad + f0 * d, d, w->z + f0, f, w->g, d, n_f, d, w->n, 1, 0);
    mm_tn_ld(s->p[SAE_ENCODER].grad + f0 * d, d, w->dz + f0, f, w->u, d, n_f, d, w->n, 1, 0);
    for (size_t i = f0; i < f1; i++) {
        double sum = 0;

        for (size_t r = 0; r < w->n; r++)
            sum += (double)w->dz[r * f + i];
        s->p[SAE_B_ENC].grad[i] = (real)sum;
        if (s->cfg.arch->has_l1 && s->cfg.norm == SAE_NORM_NONE)
            penalty_on_norm(s, w, i);
    }
}
