/* stats.c - see stats.h. */
#include "common/stats.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"

static void *must_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        oom_exit("%zu values of %zu bytes", n, size);
    return p;
}

double stats_mean(const double *x, size_t n)
{
    double sum = 0, rest = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    sum /= (double)n; /* 0 / 0 is NaN */
    for (size_t i = 0; i < n; i++)
        rest += x[i] - sum;
    return sum + rest / (double)n;
}

static double sum_of_squares(const double *x, size_t n, double mean)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sum;
}

double stats_std(const double *x, size_t n)
{
    if (n < 2)
        return NAN;
    return sqrt(sum_of_squares(x, n, stats_mean(x, n)) / (double)(n - 1));
}

double stats_quantile(const double *sorted, size_t n, double q)
{
    double rank, low;
    size_t i;

    if (n == 0 || !(q >= 0 && q <= 1))
        return NAN;
    rank = q * (double)(n - 1);
    low = floor(rank);
    i = (size_t)low;
    if (i + 1 >= n)
        return sorted[n - 1];
    return sorted[i] + (rank - low) * (sorted[i + 1] - sorted[i]);
}

/* NaN sorts last. */
static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    if (isnan(x) || isnan(y))
        return (isnan(x) != 0) - (isnan(y) != 0);
    return (x > y) - (x < y);
}

void stats_sort(double *x, size_t n)
{
    if (n)
        qsort(x, n, sizeof *x, by_value);
}

/* --- Student's t ---------------------------------------------------------------------------- */

/* Continued fraction of the incomplete beta function, NIST DLMF 8.17.22, by Lentz's method. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1), f;

    d = 1 / (fabs(d) < tiny ? tiny : d);
    f = d;
    for (int m = 1; m <= 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));

        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= d * c;
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= d * c;
        if (fabs(d * c - 1) < 1e-16)
            break;
    }
    return f;
}

double stats_beta_inc(double a, double b, double x)
{
    double front;

    if (!(a > 0 && b > 0 && x >= 0 && x <= 1))
        return NAN;
    if (x == 0 || x == 1)
        return x;
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(T > t) for t >= 0 */
static double t_tail(double t, double dof)
{
    return 0.5 * stats_beta_inc(dof / 2, 0.5, dof / (dof + t * t));
}

double stats_t_quantile(double p, double dof)
{
    double tail = p < 0.5 ? p : 1 - p, lo = 0, hi = 1;

    if (!(p >= 0 && p <= 1 && dof > 0))
        return NAN;
    if (tail == 0)
        return p < 0.5 ? -INFINITY : INFINITY;
    while (hi < 1e300 && t_tail(hi, dof) > tail)
        hi *= 2;
    for (int i = 0; i < 2000 && hi - lo > 1e-15 * hi; i++) {
        double mid = lo + (hi - lo) / 2;

        if (t_tail(mid, dof) > tail)
            lo = mid;
        else
            hi = mid;
    }
    return p < 0.5 ? -hi : hi;
}

void stats_t_interval(const double *x, size_t n, double level, double *lo, double *hi)
{
    double mean = stats_mean(x, n);
    double half = n < 2 ? NAN
                        : stats_t_quantile(0.5 + level / 2, (double)(n - 1)) * stats_std(x, n) /
                              sqrt((double)n);

    *lo = mean - half;
    *hi = mean + half;
}

/* --- resampling and tests -------------------------------------------------------------------- */

void stats_bootstrap_mean(const double *x, size_t n, size_t n_boot, struct pcg64 *g, double *lo,
                          double *hi)
{
    double *means;

    *lo = *hi = NAN;
    if (n == 0 || n_boot == 0 || n > UINT32_MAX)
        return;
    means = must_alloc(n_boot, sizeof *means);
    for (size_t b = 0; b < n_boot; b++) {
        double sum = 0;

        for (size_t i = 0; i < n; i++)
            sum += x[pcg64_below(g, (uint32_t)n)];
        means[b] = sum / (double)n;
    }
    stats_sort(means, n_boot);
    *lo = stats_quantile(means, n_boot, 0.025);
    *hi = stats_quantile(means, n_boot, 0.975);
    free(means);
}

/* P(U >= u) under the null, without ties: counts[k] is the number of ways to get U = k, as the
 * coefficients of the Gaussian binomial (na + nb choose na). */
static double mwu_exact(double u, size_t na, size_t nb)
{
    size_t m = na < nb ? na : nb, big = na < nb ? nb : na, top = na * nb;
    double *counts = must_alloc(top + 1, sizeof *counts), upper = 0, total = 0;

    counts[0] = 1;
    for (size_t i = 1; i <= m; i++) { /* times (1 - q^(big+i)) / (1 - q^i) */
        for (size_t k = top; k + 1 > big + i; k--)
            counts[k] -= counts[k - big - i];
        for (size_t k = i; k <= top; k++)
            counts[k] += counts[k - i];
    }
    for (size_t k = 0; k <= top; k++) {
        total += counts[k];
        if ((double)k >= u)
            upper += counts[k];
    }
    free(counts);
    return upper / total;
}

struct item {
    double v;
    size_t i;
};

static int by_item(const void *a, const void *b)
{
    return by_value(&((const struct item *)a)->v, &((const struct item *)b)->v);
}

/* Sum of the mid-ranks of the first sample; *ties gets the sum of t^3 - t. */
static double rank_sum(const double *a, size_t na, const double *b, size_t nb, double *ties)
{
    size_t n = na + nb;
    struct item *all = must_alloc(n, sizeof *all);
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        all[i] = (struct item){i < na ? a[i] : b[i - na], i};
    qsort(all, n, sizeof *all, by_item);
    *ties = 0;
    for (size_t from = 0, to; from < n; from = to) {
        double t;

        for (to = from + 1; to < n && all[to].v == all[from].v; to++)
            ;
        t = (double)(to - from);
        *ties += t * t * t - t;
        for (size_t i = from; i < to; i++)
            sum += all[i].i < na ? (double)(from + to + 1) / 2 : 0;
    }
    free(all);
    return sum;
}

static bool has_nan(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            return true;
    }
    return false;
}

struct stats_mwu stats_mann_whitney(const double *a, size_t na, const double *b, size_t nb)
{
    struct stats_mwu r = {NAN, NAN, 0};
    double x = (double)na, y = (double)nb, n = x + y, ties, var;

    if (na == 0 || nb == 0 || has_nan(a, na) || has_nan(b, nb))
        return r;
    r.u = rank_sum(a, na, b, nb, &ties) - x * (x + 1) / 2;
    r.is_exact = (na <= 8 || nb <= 8) && ties == 0;
    if (r.is_exact && na * nb <= 1000000) {
        r.p = mwu_exact(r.u, na, nb);
        return r;
    }
    r.is_exact = 0;
    var = x * y / 12 * (n + 1 - ties / (n * (n - 1)));
    r.p = var > 0 ? 0.5 * erfc((r.u - x * y / 2 - 0.5) / sqrt(2 * var)) : 1;
    return r;
}

double stats_cohens_d(const double *a, size_t na, const double *b, size_t nb)
{
    double ma = stats_mean(a, na), mb = stats_mean(b, nb);

    if (na == 0 || nb == 0 || na + nb < 3)
        return NAN;
    return (ma - mb) /
           sqrt((sum_of_squares(a, na, ma) + sum_of_squares(b, nb, mb)) / (double)(na + nb - 2));
}

static bool dominates(const double *a, const double *b, size_t m)
{
    bool is_better = false;

    for (size_t i = 0; i < m; i++) {
        if (!(a[i] >= b[i]))
            return false;
        is_better = is_better || a[i] > b[i];
    }
    return is_better;
}

void stats_pareto(const double *x, size_t n, size_t m, unsigned char *is_front)
{
    for (size_t i = 0; i < n; i++) {
        is_front[i] = 1;
        for (size_t j = 0; j < n && is_front[i]; j++)
            is_front[i] = !dominates(x + j * m, x + i * m, m);
    }
}
