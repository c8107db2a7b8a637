/* act_jumprelu.c - a = z where z > theta (arXiv:2407.14435), theta_f = exp(log_theta_f).
 *
 * The step has no derivative; theta learns from entries within half a bandwidth of it, through the
 * rectangle K(t) = [|t| < 1/2], in the activation and in the L0 count alike.  The step is applied to
 * z, not to the gated activation.  Penalties: l1 * L0, l1 * (L0/target - 1)^2, or
 * l1 * sum tanh(scale * a |d_f|), whose gradient flows to everything; and for dead features
 * dead_pull * sum relu(theta - z) |d_f|.
 */
#include <math.h>

#include "worker/sae/arch.h"

#ifdef REAL_IS_DOUBLE
#define NEXT nextafter
#else
#define NEXT nextafterf
#endif

static real theta_of(const struct sae *s, size_t f)
{
    return (real)exp((double)s->p[SAE_LOG_THETA].data[f]);
}

real jump_least(const struct sae *s, size_t f)
{
    real low = theta_of(s, f) - (real)(s->cfg.jump.bandwidth / 2);

    if (s->cfg.jump.dead_pull > 0 && sae_is_dead(s, f))
        return -INFINITY;
    return NEXT(low, (real)INFINITY);
}

void jump_activate(const struct sae *s, size_t f, const real *z, real *a, size_t n)
{
    real theta = theta_of(s, f);

    for (size_t i = 0; i < n; i++)
        a[i] = z[i] > theta ? z[i] : 0;
}

double jump_cost(const struct sae *s, struct sae_work *w, const struct sae_feature *e)
{
    const struct sae_jump *j = &s->cfg.jump;
    double theta = (double)theta_of(s, e->f), sum = 0, pull = 0;

    if (j->dead_pull > 0 && sae_is_dead(s, e->f)) {
        for (size_t i = 0; i < e->n; i++)
            pull += fmax(theta - (double)e->z[i], 0);
        w->extra += j->dead_pull * pull * e->norm / (double)w->n;
    }
    for (size_t i = 0; i < e->n; i++)
        sum += j->tanh_scale > 0 ? tanh(j->tanh_scale * (double)e->a[i] * e->norm)
                                 : (double)(e->a[i] != 0);
    return sum;
}

/* Gradients of one entry: dL/da is h and, for tanh, the penalty's. */
struct slopes {
    double theta, d_theta, d_norm;
};

static void slope_entry(const struct sae *s, const struct sae_work *w, struct sae_feature *e,
                        size_t i, struct slopes *o)
{
    const struct sae_jump *j = &s->cfg.jump;
    double per_row = w->lambda / (double)w->n, z = (double)e->z[i], da = (double)e->h[i];
    bool is_on = e->a[i] != 0, is_near = fabs(z - o->theta) < j->bandwidth / 2;

    if (j->tanh_scale > 0) {
        double t = tanh(j->tanh_scale * (double)e->a[i] * e->norm);
        double slope = per_row * j->tanh_scale * (1 - t * t);

        da += slope * e->norm;
        o->d_norm += slope * (double)e->a[i];
    }
    if (is_near)
        o->d_theta -= (o->theta * da + (j->tanh_scale > 0 ? 0 : per_row)) / j->bandwidth;
    e->h[i] = is_on ? (real)da : 0;
    if (j->dead_pull > 0 && o->theta > z && sae_is_dead(s, e->f)) {
        double pull = j->dead_pull / (double)w->n;

        e->h[i] -= (real)(pull * e->norm);
        o->d_theta += pull * e->norm;
        o->d_norm += pull * (o->theta - z);
    }
}

void jump_slope(struct sae *s, struct sae_work *w, struct sae_feature *e)
{
    struct slopes o = {(double)theta_of(s, e->f), 0, 0};

    for (size_t i = 0; i < e->n; i++)
        slope_entry(s, w, e, i, &o);
    s->p[SAE_LOG_THETA].grad[e->f] = (real)(o.theta * o.d_theta);
    e->d_norm = o.d_norm;
}
