/* constraint.c - encoder and decoder tied by a rule instead of free.
 *
 * Aligned training (arXiv:2605.18629, whose own formula was not at hand): w_f is the
 * projection of a free vector v_f on w_f . d_f = 1, w = v + (1 - v.d) d with |d| = 1.  v is set to
 * its projection after every step, so at v = w
 *   dL/dv = dw - (dw.d) d,   dL/dd += (1 - v.d) dw - (dw.d) v = -(dw.d) w.
 */
#include "worker/num/vec.h"
#include "worker/sae/parts.h"

void aligned_grad(struct sae *s, size_t f)
{
    size_t d = s->cfg.d;
    const real *dir = s->p[SAE_DECODER].data + f * d;
    real *dw = sae_dw(s, f);
    real along = vec_dot(dw, dir, d);

    vec_axpy(sae_ddir(s, f), s->p[SAE_ENCODER].data + f * d, -along, d);
    vec_axpy(dw, dir, -along, d);
}

void aligned_project(struct sae *s, size_t f)
{
    size_t d = s->cfg.d;
    const real *dir = s->p[SAE_DECODER].data + f * d;
    real *w = s->p[SAE_ENCODER].data + f * d;

    vec_axpy(w, dir, 1 - vec_dot(w, dir, d), d);
}

void one_matrix_grad(struct sae *s, size_t f)
{
    size_t d = s->cfg.d;
    const real *w = s->p[SAE_ENCODER].data + f * d;
    real *ddir = sae_ddir(s, f);

    s->p[SAE_SCALE].grad[f] = vec_dot(ddir, w, d);
    vec_axpy(sae_dw(s, f), ddir, s->p[SAE_SCALE].data[f], d);
    vec_scale(ddir, 0, d);
}

void one_matrix_set(struct sae *s, size_t f)
{
    size_t d = s->cfg.d;
    real *w = s->p[SAE_ENCODER].data + f * d, *dir = s->p[SAE_DECODER].data + f * d;

    vec_normalise(w, d);
    for (size_t i = 0; i < d; i++)
        dir[i] = s->p[SAE_SCALE].data[f] * w[i];
}
