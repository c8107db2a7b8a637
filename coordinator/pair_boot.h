/* pair_boot.h - the interval of a difference between two comparisons, by resampling seeds.
 *
 * Pairs of SAEs share seeds, so seeds are drawn, not pairs; where both comparisons are of the same seeds, one draw
 * serves both, as their initialisations are shared.  Percentiles 2.5 and 97.5 of PAIR_BOOT_N draws.
 */
#pragma once
#include "coordinator/manifest_query.h"

enum { PAIR_BOOT_N = 4000, PAIR_BOOT_SEED = 17, PAIR_BOOT_SEEDS_MAX = 64 };

/* PWMCC within each pair of seeds of one comparison. */
struct pair_boot {
    int64_t seed[PAIR_BOOT_SEEDS_MAX];
    size_t n;
    double *pair; /* [n,n]; NaN: no such pair */
};

MUST_CHECK enum err_code pair_boot_load(struct pair_boot *p, struct query *q, const char *job, struct err *e);
void pair_boot_free(struct pair_boot *p);
/* Of unit_a * PWMCC(a) - unit_b * PWMCC(b).  NaN if one has fewer than three seeds. */
MUST_CHECK enum err_code pair_boot_difference(const struct pair_boot *a, double unit_a, const struct pair_boot *b,
                                              double unit_b, double *low, double *high, struct err *e);
