/* adam.c - see adam.h.  The order of operations is torch.optim's single-tensor path, so that a step
 * agrees to rounding: m += (1-b1)(g-m), denominator sqrt(v)/sqrt(1-b2^t) + eps. */
#include "worker/nn/adam.h"

#include <math.h>

#include "worker/num/isa.h"

#ifdef REAL_IS_DOUBLE
#define SQRT sqrt
#else
#define SQRT sqrtf
#endif

ISA_CLONES static void update(real *restrict p, real *restrict m, real *restrict v,
                              const real *restrict g, size_t n, const struct adam_coef *c)
{
    const real b1 = c->one_minus_b1, b2 = c->b2, one_minus_b2 = c->one_minus_b2, eps = c->eps;
    const real step = c->step, root = c->root, keep = c->keep, scale = c->scale;

#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        real gi = g[i] * scale;
        real mi = m[i] + b1 * (gi - m[i]);
        real vi = b2 * v[i] + one_minus_b2 * (gi * gi);

        m[i] = mi;
        v[i] = vi;
        p[i] = p[i] * keep - step * (mi / (SQRT(vi) * root + eps));
    }
}

struct adam_coef adam_coef(const struct adam *o, double lr_now, double grad_scale)
{
    double t = (double)o->t;

    return (struct adam_coef){
        .one_minus_b1 = (real)(1 - o->beta1),
        .b2 = (real)o->beta2,
        .one_minus_b2 = (real)(1 - o->beta2),
        .eps = (real)o->eps,
        .step = (real)(lr_now / (1 - pow(o->beta1, t))),
        .root = (real)(1 / sqrt(1 - pow(o->beta2, t))),
        .keep = (real)(1 - lr_now * o->wd),
        .scale = (real)grad_scale,
    };
}

void adam_apply(struct param *p, size_t at, size_t n, const real *grad, const struct adam_coef *c)
{
    struct adam_coef own = *c;

    if (!p->decay)
        own.keep = 1;
    update(p->data + at, p->m + at, p->v + at, grad, n, &own);
}

void adam_range(struct param *p, size_t at, size_t n, const struct adam_coef *c)
{
    adam_apply(p, at, n, p->grad + at, c);
}

void adam_step(struct adam *o, struct param *p, size_t n_params, double lr_now)
{
    o->t++;
    struct adam_coef c = adam_coef(o, lr_now, 1);
    for (size_t i = 0; i < n_params; i++)
        adam_range(&p[i], 0, p[i].n, &c);
}
