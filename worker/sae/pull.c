/* pull.c - consistency with a reference dictionary, in units of |cos|:
 *
 *   nearest   lambda (1 - mean_i max_j |C_ij|)
 *   assigned  lambda (1 - mean_i |C_i,pi(i)|), pi given
 *   mutual    lambda (2 - mean_i max_j |C_ij| - mean_j max_i |C_ij|)
 *
 * d|C_ij|/dd_i = sign(C_ij) (r_j - C_ij d_i/|d_i|) / |d_i|; a maximum through its arg-max alone.
 */
#include <math.h>

#include "worker/num/blas.h"
#include "worker/num/vec.h"
#include "worker/sae/parts.h"

enum { TILE = 64 };

static double cosines_of(const struct sae *s, struct sae_work *w, size_t f, const real *c)
{
    size_t o = sae_out(&s->cfg), n = s->cfg.n_ref;
    uint32_t *partner = s->pull.partner;
    double norm = sqrt(vec_sumsq(s->p[SAE_DECODER].data + f * o, o));
    real by = norm > 0 ? (real)(1 / norm) : 0;

    if (s->pull.rule != SAE_PULL_ASSIGNED) {
        partner[f] = 0;
        for (size_t j = 1; j < n; j++)
            if (fabs((double)c[j]) > fabs((double)c[partner[f]]))
                partner[f] = (uint32_t)j;
    }
    for (size_t j = 0; s->pull.rule == SAE_PULL_MUTUAL && j < n; j++)
        if (f == 0 || fabs((double)(c[j] * by)) > fabs((double)w->back_cos[j])) {
            w->back_cos[j] = c[j] * by;
            w->back[j] = (uint32_t)f;
        }
    w->pull_cos[f] = partner[f] == UINT32_MAX ? 0 : c[partner[f]] * by;
    return fabs((double)w->pull_cos[f]);
}

static double n_matched(const struct sae *s)
{
    size_t n = 0;

    for (size_t f = 0; f < s->cfg.f; f++)
        n += s->pull.partner[f] != UINT32_MAX;
    return n > 0 ? (double)n : 1;
}

double pull_forward(const struct sae *s, struct sae_work *w)
{
    size_t o = sae_out(&s->cfg), f = s->cfg.f, n = s->cfg.n_ref;
    double sum = 0, back = 0;

    if (!s->pull.ref || s->pull.lambda == 0)
        return 0;
    for (size_t at = 0; at < f; at += TILE) {
        size_t m = f - at < TILE ? f - at : TILE;

        mm_nt(w->pull_c, s->p[SAE_DECODER].data + at * o, s->pull.ref, m, n, o, 1, 0);
        for (size_t i = 0; i < m; i++)
            sum += cosines_of(s, w, at + i, w->pull_c + i * n);
    }
    if (s->pull.rule != SAE_PULL_MUTUAL)
        return s->pull.lambda * (1 - sum / n_matched(s));
    for (size_t j = 0; j < n; j++)
        back += fabs((double)w->back_cos[j]);
    return s->pull.lambda * (2 - sum / n_matched(s) - back / (double)n);
}

/* grad += by * d|cos|/dd_f for the partner r */
static void add_slope(struct sae *s, size_t f, const real *ref, double cos, double by)
{
    size_t o = sae_out(&s->cfg);
    const real *dir = s->p[SAE_DECODER].data + f * o;
    real *grad = sae_ddir(s, f);
    double norm = sqrt(vec_sumsq(dir, o));

    if (!(norm > 0))
        return;
    by *= (cos < 0 ? -1 : 1) / norm;
    vec_axpy(grad, ref, (real)by, o);
    vec_axpy(grad, dir, (real)(-by * cos / norm), o);
}

void pull_backward(struct sae *s, struct sae_work *w, size_t f0, size_t f1)
{
    size_t o = sae_out(&s->cfg), n = s->cfg.n_ref;
    double each;

    if (!s->pull.ref || s->pull.lambda == 0)
        return;
    each = -s->pull.lambda / n_matched(s);
    for (size_t f = f0; f < f1; f++)
        if (s->pull.partner[f] != UINT32_MAX)
            add_slope(s, f, s->pull.ref + s->pull.partner[f] * o, (double)w->pull_cos[f], each);
    for (size_t j = 0; s->pull.rule == SAE_PULL_MUTUAL && j < n; j++)
        if (w->back[j] >= f0 && w->back[j] < f1)
            add_slope(s, w->back[j], s->pull.ref + j * o, (double)w->back_cos[j],
                      -s->pull.lambda / (double)n);
}
