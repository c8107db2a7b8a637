/* kprobe.h - k-sparse probing: how much of a label do a few columns hold?
 *
 * Columns are ranked by the difference of their means over the two classes on the training rows; a
 * logistic regression on the first k is tested on other rows.  Both sets are balanced.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct probe {
    const float *x;            /* [.,f] */
    size_t f;
    const unsigned char *y;    /* label of each row, 0 or 1 */
    uint32_t *row;             /* training rows, then test rows */
    size_t n_train, n_test;
};

struct probe_result {
    double acc, f1;            /* on the test rows */
};

/* Rows 0..n_train-1 and the n_test behind them, thinned so that both classes are equally frequent. */
MUST_CHECK enum err_code probe_init(struct probe *p, const float *x, size_t f, const unsigned char *y,
                                    size_t n_train, size_t n_test, struct err *e);
void probe_free(struct probe *p);
/* order [f]: by |mean_pos - mean_neg| (is_signed: mean_pos - mean_neg), greatest first. */
MUST_CHECK enum err_code probe_rank(uint32_t *order, const struct probe *p, bool is_signed, struct err *e);
/* A probe on the columns column[0..k); w [k + 1] may be NULL. */
MUST_CHECK enum err_code probe_fit(struct probe_result *out, double *w, const struct probe *p,
                                   const uint32_t *column, size_t k, struct err *e);
