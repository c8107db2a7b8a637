/* gradcheck.c - see gradcheck.h. */
#include "tests/lib/gradcheck.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"

static double *new_vector(size_t n)
{
    double *p = calloc(n ? n : 1, sizeof *p);

    if (!p) {
        fprintf(stderr, "gradcheck: no memory for %zu values\n", n);
        abort();
    }
    return p;
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double loss_at(const struct gradcheck *c, const double *x, const double *u, double step)
{
    for (size_t i = 0; i < c->n; i++)
        c->x[i] = x[i] + step * u[i];
    return c->loss(c->ctx);
}

/* Central differences of fourth order. */
static double slope(const struct gradcheck *c, const double *x, const double *u, double h)
{
    double near = loss_at(c, x, u, h) - loss_at(c, x, u, -h);
    double far = loss_at(c, x, u, 2 * h) - loss_at(c, x, u, -2 * h);

    return (8 * near - far) / (12 * h);
}

/* Relative error along the unit vector u: the best over the steps. */
static double error_along(const struct gradcheck *c, const double *x, const double *dx,
                          const double *u)
{
    static const double steps[] = {1e-3, 1e-4, 1e-5, 1e-6};
    double want = dot(dx, u, c->n), least = fmax(1e-4, 1e-3 * sqrt(dot(dx, dx, c->n)));
    double best = INFINITY;

    for (size_t i = 0; i < sizeof steps / sizeof *steps && best > 1e-9; i++) {
        double got = slope(c, x, u, steps[i]);
        double error = fabs(got - want) / fmax(least, fmax(fabs(got), fabs(want)));

        if (!isfinite(got) || !isfinite(want))
            return NAN;
        best = fmin(best, error);
    }
    return best;
}

double gradcheck_worst(const struct gradcheck *c, int dirs, uint64_t seed)
{
    double *x = new_vector(c->n), *dx = new_vector(c->n), *u = new_vector(c->n);
    struct rng r = rng_stream(seed, "gradcheck");
    double worst = 0;

    memcpy(x, c->x, c->n * sizeof *x);
    memcpy(dx, c->dx, c->n * sizeof *dx);
    for (int k = 0; k < dirs && !isnan(worst); k++) {
        double length, error;

        for (size_t i = 0; i < c->n; i++)
            u[i] = rng_normal(&r);
        length = sqrt(dot(u, u, c->n));
        for (size_t i = 0; i < c->n; i++)
            u[i] /= length;
        error = error_along(c, x, dx, u);
        worst = isnan(error) ? NAN : fmax(worst, error);
    }
    memcpy(c->x, x, c->n * sizeof *x);
    free(x);
    free(dx);
    free(u);
    return worst;
}
