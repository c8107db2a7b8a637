/* stats.h - statistics in double, over arrays that the caller owns. Empty input gives NaN. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/rng_compat.h"

double stats_mean(const double *x, size_t n);
double stats_std(const double *x, size_t n);                     /* ddof = 1; n < 2: NaN */
double stats_quantile(const double *sorted, size_t n, double q); /* linear at rank q (n-1) */
void stats_sort(double *x, size_t n);
double stats_t_quantile(double p, double dof); /* Student's t */
void stats_t_interval(const double *x, size_t n, double level, double *lo, double *hi);
double stats_beta_inc(double a, double b, double x); /* regularised incomplete beta */

/* HUSAI's bootstrap of the mean: `n_boot` resamples with numpy-compatible draws,
 * percentiles 2.5 and 97.5. */
void stats_bootstrap_mean(const double *x, size_t n, size_t n_boot, struct pcg64 *g, double *lo,
                          double *hi);

struct stats_mwu {
    double u;     /* of the first sample */
    double p;     /* one-sided, "greater" */
    int is_exact; /* as SciPy's auto: a group of <= 8 values and no ties */
};
struct stats_mwu stats_mann_whitney(const double *a, size_t na, const double *b, size_t nb);
double stats_cohens_d(const double *a, size_t na, const double *b, size_t nb);

/* Non-dominated rows of x [n, m], all objectives maximised; is_front[n] is set. */
void stats_pareto(const double *x, size_t n, size_t m, unsigned char *is_front);
