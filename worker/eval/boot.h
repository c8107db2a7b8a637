/* boot.h - bootstrap intervals over pairs of SAEs: 2.5 % and 97.5 % percentiles. */
#pragma once
#include <stddef.h>

#include "common/err.h"
#include "common/rng_compat.h"

struct interval {
    double low, high;
};

/* Of mean(a) / mean(b): both groups resampled, each by its own generator. */
MUST_CHECK enum err_code boot_ratio(struct interval *out, const double *a, size_t n_a,
                                    struct pcg64 *rng_a, const double *b, size_t n_b,
                                    struct pcg64 *rng_b, size_t n_boot, struct err *e);
/* Seeds are resampled, and the mean is over the pairs of distinct seeds among them; a sample of one
 * seed alone is drawn again.  pair [n,n], symmetric; n >= 3. */
MUST_CHECK enum err_code boot_seeds(struct interval *out, const double *pair, size_t n,
                                    struct pcg64 *rng, size_t n_boot, struct err *e);
