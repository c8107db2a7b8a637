/* chance.c - see chance.h.  Simpson's rule on t in [0, 1]; the integrand falls from 1 to 0 within about
 * 1/sqrt(d), so the number of intervals grows with sqrt(d). */
#include "worker/eval/chance.h"

#include <math.h>

#include "common/stats.h"

enum { INTERVALS_PER_WIDTH = 256, INTERVALS_MIN = 2048 };

/* P(|cos| <= t) */
static double cdf_abs(size_t d, double t)
{
    if (d == 1)
        return t < 1 ? 0 : 1;
    return stats_beta_inc(0.5, (double)(d - 1) / 2, t * t);
}

static double above_abs(size_t d, double n, double t)
{
    return 1 - pow(cdf_abs(d, t), n);
}

/* 1 - P_s(t)^n - P_s(-t)^n */
static double above_signed(size_t d, double n, double t)
{
    double p = cdf_abs(d, t) / 2;

    return 1 - pow(0.5 + p, n) - pow(0.5 - p, n);
}

static double integrate(double (*g)(size_t, double, double), size_t d, size_t n)
{
    size_t half = (size_t)(INTERVALS_PER_WIDTH * sqrt((double)d)) + INTERVALS_MIN;
    double h = 0.5 / (double)half, sum = g(d, (double)n, 0) + g(d, (double)n, 1);

    for (size_t i = 1; i < 2 * half; i++)
        sum += (i % 2 ? 4 : 2) * g(d, (double)n, (double)i * h);
    return sum * h / 3;
}

double chance_max_abs(size_t d, size_t n)
{
    return d == 1 ? 1 : integrate(above_abs, d, n);
}

double chance_max_signed(size_t d, size_t n)
{
    return d == 1 ? 1 - 2 * pow(0.5, (double)n) : integrate(above_signed, d, n);
}

double chance_pwmcc(size_t d, size_t f_a, size_t f_b)
{
    return (chance_max_abs(d, f_a) + chance_max_abs(d, f_b)) / 2;
}

double chance_mmcs(size_t d, size_t f_a, size_t f_b)
{
    return (chance_max_signed(d, f_a) + chance_max_signed(d, f_b)) / 2;
}
