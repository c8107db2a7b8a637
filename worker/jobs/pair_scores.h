/* pair_scores.h - pairs.csv: the log-likelihoods of minimal pairs, as lm_pairs writes and
 * lm_pairs_compare reads them. */
#pragma once
#include <stddef.h>

#include "worker/data/pairs.h"

#define PAIR_SCORES_FILE "pairs.csv"

struct pair_scores {
    double *good, *bad;      /* [n] */
    size_t *group;           /* [n] paradigm */
    char *keys;              /* "uid,pair\n" of each, to see that two files hold the same pairs */
    size_t n, n_groups;
    char mode[16];           /* "v0.4" or "legacy" */
};

/* "# mode M", a head line, then uid,pair,good,bad; numbers read back to the same bits. */
MUST_CHECK enum err_code pair_scores_write(const char *path, const char *mode,
                                           const struct pairs *p, const double *good,
                                           const double *bad, struct err *e);
MUST_CHECK enum err_code pair_scores_read(struct pair_scores *s, const char *dir, struct err *e);
void pair_scores_free(struct pair_scores *s);
