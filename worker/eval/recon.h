/* recon.h - reconstruction quality, every definition under its own key.
 *
 * Sums in double.  Column means come first (recon_means), then rows in any number of batches.
 * Only `ev` about a constant input is undefined: NaN, as is every other ratio with an empty sum.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

enum { RECON_FIRST = 1000 };       /* rows of ev_husai_train */

struct recon {
    size_t d, n;
    const double *mean;             /* [d] of the inputs */
    double *e_sum;                  /* [d] sum of residuals */
    double *first;                  /* [d] sum of x - mean over the first RECON_FIRST rows */
    size_t n_first;
    double first_sse, first_sst;    /* of those rows; about `mean` */
    double sse, sst, sum_x2;
    double legacy, cosine, l2_ratio; /* sums over rows */
    double xhat2, x_xhat;
    double x_mean, x_mean_sq;        /* of the column means: mean, and mean square about it */
};

struct recon_result {
    double ev, ev_residvar, ev_husai_global, ev_husai_train, ev_legacy, nmse_raw, mse, mse_sum;
    double cosine, l2_ratio, rel_bias;
};

/* mean [d] of x [n,d] */
void recon_means(double *mean, const float *x, size_t n, size_t d);
/* room [recon_room(d)] is the caller's memory, cleared here; mean is borrowed. */
void recon_init(struct recon *r, const double *mean, double *room, size_t d);
static inline size_t recon_room(size_t d)
{
    return 2 * d;
}
void recon_add(struct recon *r, const real *x, const real *xhat, size_t n);
struct recon_result recon_result(const struct recon *r);

/* Share of rows on which each of f features is active, from counts over n rows. */
struct density {
    double min, median, mean, max;
    double dead_pct, dense_pct; /* never active; active on more than 10 % of the rows */
    double gini;                /* of the counts; NaN if nothing ever fired */
    double effective;           /* features that make up 90 % of all firings, see metric.def */
};
/* count [f] is sorted in place. */
struct density density_of(uint64_t *count, size_t f, size_t n);
