/* logit.h - logistic regression with L2, as scikit-learn's LogisticRegression(C).
 *
 * Minimises |w|^2 / 2 + C sum_i v_i log(1 + exp(-s_i (w . x_i + b))), s = +-1; b is free.  Newton's
 * method with halved steps; deterministic.
 */
#pragma once
#include <stddef.h>

#include "common/err.h"

/* w [d + 1], b last.  x [n,d] row-major, y [n] of 0 and 1.  All v_i are 1; balanced: n / (2 n_class), as
 * class_weight="balanced". */
MUST_CHECK enum err_code logit_fit(double *w, const double *x, const unsigned char *y, size_t n,
                                   size_t d, double c, struct err *e);
MUST_CHECK enum err_code logit_fit_balanced(double *w, const double *x, const unsigned char *y, size_t n,
                                            size_t d, double c, struct err *e);
double logit_score(const double *w, const double *x, size_t d); /* w . x + b */
