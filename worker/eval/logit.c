/* logit.c - see logit.h. */
#include "worker/eval/logit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 50, HALVINGS_MAX = 30 };
#define TOLERANCE 1e-8 /* of the decrease that a step promises */

struct newton {
    const double *x;
    const unsigned char *y;
    size_t n, d, m;      /* m = d + 1 */
    double c[2];         /* of rows with y = 0, 1 */
    double *h, *g, *try; /* [m,m], [m], [m] */
};

double logit_score(const double *w, const double *x, size_t d)
{
    double z = w[d];

    for (size_t i = 0; i < d; i++)
        z += w[i] * x[i];
    return z;
}

static double softplus(double z)
{
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

static double objective(const struct newton *t, const double *w)
{
    double sum = 0, reg = 0;

    for (size_t i = 0; i < t->n; i++) {
        double z = logit_score(w, t->x + i * t->d, t->d);

        sum += t->c[t->y[i]] * softplus(t->y[i] ? -z : z);
    }
    for (size_t i = 0; i < t->d; i++)
        reg += w[i] * w[i];
    return reg / 2 + sum;
}

/* Gradient, and the lower triangle of the Hessian. */
static void derivatives(struct newton *t, const double *w)
{
    memset(t->h, 0, t->m * t->m * sizeof *t->h);
    for (size_t i = 0; i < t->m; i++) {
        t->g[i] = i < t->d ? w[i] : 0;
        t->h[i * t->m + i] = i < t->d ? 1 : 1e-10;
    }
    for (size_t r = 0; r < t->n; r++) {
        const double *x = t->x + r * t->d;
        double p = 1 / (1 + exp(-logit_score(w, x, t->d)));
        double first = t->c[t->y[r]] * (p - t->y[r]), second = t->c[t->y[r]] * p * (1 - p);

        for (size_t i = 0; i < t->m; i++) {
            double xi = i < t->d ? x[i] : 1;

            t->g[i] += first * xi;
            if (xi == 0)
                continue;
            for (size_t j = 0; j <= i && j < t->d; j++)
                t->h[i * t->m + j] += second * xi * x[j];
        }
        t->h[t->m * t->m - 1] += second;
    }
}

/* h = L L^T in place, then g = h^-1 g.  h is positive definite. */
static void solve(double *h, double *g, size_t m)
{
    for (size_t j = 0; j < m; j++) {
        for (size_t k = 0; k < j; k++)
            h[j * m + j] -= h[j * m + k] * h[j * m + k];
        h[j * m + j] = sqrt(h[j * m + j] > 1e-300 ? h[j * m + j] : 1e-300);
        for (size_t i = j + 1; i < m; i++) {
            for (size_t k = 0; k < j; k++)
                h[i * m + j] -= h[i * m + k] * h[j * m + k];
            h[i * m + j] /= h[j * m + j];
        }
    }
    for (size_t i = 0; i < m; i++) {
        for (size_t k = 0; k < i; k++)
            g[i] -= h[i * m + k] * g[k];
        g[i] /= h[i * m + i];
    }
    for (size_t i = m; i-- > 0;) {
        for (size_t k = i + 1; k < m; k++)
            g[i] -= h[k * m + i] * g[k];
        g[i] /= h[i * m + i];
    }
}

/* One step; false when nothing is left to gain. */
static bool step(struct newton *t, double *w, double *value)
{
    double promised = 0, size = 1;

    derivatives(t, w);
    memcpy(t->try, t->g, t->m * sizeof *t->g);
    solve(t->h, t->try, t->m);
    for (size_t i = 0; i < t->m; i++)
        promised += t->g[i] * t->try[i];
    if (!(promised > TOLERANCE * (1 + *value)))
        return false;
    memcpy(t->g, t->try, t->m * sizeof *t->g); /* the direction */
    for (int halved = 0; halved < HALVINGS_MAX; halved++, size /= 2) {
        for (size_t i = 0; i < t->m; i++)
            t->try[i] = w[i] - size * t->g[i];
        double now = objective(t, t->try);
        if (now < *value) {
            memcpy(w, t->try, t->m * sizeof *w);
            *value = now;
            return true;
        }
    }
    return false;
}

static enum err_code fit(double *w, const double *x, const unsigned char *y, size_t n, size_t d, double c0,
                         double c1, struct err *e)
{
    struct newton t = {.x = x, .y = y, .n = n, .d = d, .m = d + 1, .c = {c0, c1}};
    double value;

    t.h = malloc((t.m * t.m + 2 * t.m) * sizeof *t.h);
    if (!t.h)
        return err_set(e, ERR_NOMEM, "logistic regression of %zu columns: out of memory", d);
    t.g = t.h + t.m * t.m;
    t.try = t.g + t.m;
    memset(w, 0, t.m * sizeof *w);
    value = objective(&t, w);
    for (int i = 0; i < STEPS_MAX && step(&t, w, &value); i++)
        continue;
    free(t.h);
    return ERR_OK;
}

enum err_code logit_fit(double *w, const double *x, const unsigned char *y, size_t n, size_t d, double c,
                        struct err *e)
{
    return fit(w, x, y, n, d, c, c, e);
}

enum err_code logit_fit_balanced(double *w, const double *x, const unsigned char *y, size_t n, size_t d, double c,
                                 struct err *e)
{
    size_t n_pos = 0;

    for (size_t i = 0; i < n; i++)
        n_pos += y[i];
    if (n_pos == 0 || n_pos == n)
        return fit(w, x, y, n, d, c, c, e);
    return fit(w, x, y, n, d, c * (double)n / (2 * (double)(n - n_pos)), c * (double)n / (2 * (double)n_pos), e);
}
