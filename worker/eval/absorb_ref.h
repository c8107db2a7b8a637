/* absorb_ref.h - feature absorption as the SAE-ception repository adapts it (not SAEBench's numbers; see
 * absorb.h for those, and docs/cpt.md for what differs).
 *
 * A balanced logistic regression on the rows gives the direction of a label; the main features are the
 * best single one by training F1, and further ones while F1 rises by more than 0.03, at most 5.  On test
 * rows of the label that the probe finds and that point along it, with a = x . p and main = the main
 * features' share of it: 0 if main >= a; else t, the 5 largest other contributions; 0 if t < 0.1 a, else
 * t / (t + max(main, 0)).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/num/real.h"

struct absorb_ref_in {
    const float *x;         /* [n,d] rows: n_train to fit, then the others to test */
    const float *a;         /* [n,f] their activations, not below 0 */
    const real *dir;        /* [f,d] directions as they decode */
    const unsigned char *y; /* [n] has the row the label? */
    size_t d, f, n_train, n_test;
    size_t n_candidates;    /* features tried: the largest |mean+ - mean-| / std; 0: all that live */
};

struct absorb_ref {
    double score;           /* mean over the test rows looked at; NaN: none */
    double f1;              /* of the main features, on the training rows */
    size_t n_rows, n_main;
};
enum { ABSORB_REF_ROWS_MIN = 10, ABSORB_REF_MAIN_MAX = 5 }; /* rows with and without a label that it needs */
MUST_CHECK enum err_code absorb_ref_measure(struct absorb_ref *out, const struct absorb_ref_in *in, struct err *e);
