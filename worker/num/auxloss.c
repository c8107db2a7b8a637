/* auxloss.c - see auxloss.h. */
#include "worker/num/auxloss.h"

#include <math.h>
#include <string.h>

double auxloss_dot(const real *a, const real *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

double auxloss_cos(const real *a, const real *b, size_t d)
{
    const double n = sqrt(auxloss_dot(a, a, d) * auxloss_dot(b, b, d));

    return n > 0 ? auxloss_dot(a, b, d) / n : 0;
}

double auxloss_mse(real *g, const real *x, size_t d, double weight)
{
    const double scale = 2 * weight / (double)d;
    double sum = 0;

    for (size_t i = 0; i < d; i++) {
        const double diff = (double)x[i] - (double)g[i];

        sum += diff * diff;
        g[i] = (real)(scale * diff);
    }
    return sum * weight / (double)d;
}

double auxloss_cosine(real *g, const real *x, size_t d, double weight)
{
    const double nx = sqrt(auxloss_dot(x, x, d)), nt = sqrt(auxloss_dot(g, g, d));

    if (!(nx > 0) || !(nt > 0)) {
        memset(g, 0, d * sizeof *g);
        return weight;
    }
    const double cos = auxloss_dot(x, g, d) / (nx * nt);
    for (size_t i = 0; i < d; i++)
        g[i] = (real)((cos * (double)x[i] / nx - (double)g[i] / nt) / nx * weight);
    return (1 - cos) * weight;
}

double auxloss_l1(real *g, const real *x, size_t d, double weight)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++) {
        sum += fabs((double)x[i]);
        g[i] = (real)((double)((x[i] > 0) - (x[i] < 0)) * weight);
    }
    return sum * weight;
}
