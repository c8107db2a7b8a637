/* tokstat.h - a quantity token id by token id, over seeds: means, and intervals over the seeds. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct tokstat {
    size_t n_vocab, n_seeds;
    double *sum;     /* [n_vocab, n_seeds] */
    double *n;       /* [n_vocab, n_seeds] */
};
MUST_CHECK enum err_code tokstat_new(struct tokstat *t, size_t n_vocab, size_t n_seeds, struct err *e);
void tokstat_free(struct tokstat *t);
void tokstat_add(struct tokstat *t, uint32_t id, size_t seed, double value);

struct tok_effect {
    double n;            /* occurrences with the first seed */
    double mean;         /* over seeds, of the mean over occurrences; NaN: a seed has none */
    double low, high;    /* 95 %, Student's t over seeds; NaN for one */
};
struct tok_effect tokstat_of(const struct tokstat *t, uint32_t id);
/* Of all occurrences of all ids. */
struct tok_effect tokstat_all(const struct tokstat *t);
/* Does the interval leave out 0?  False for one seed. */
int tok_effect_is_moved(const struct tok_effect *x);
