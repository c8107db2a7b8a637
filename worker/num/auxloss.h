/* auxloss.h - losses that pull an activation, with their gradients: one row at a time.
 *
 * x [d] is the activation.  g [d] holds the target where there is one, and becomes `weight` times
 * d loss / d x; the target is a constant.  Each returns weight * loss, summed in double.
 *
 *   mse     sum_i (x_i - t_i)^2 / d          cosine  1 - cos(x, t); 1, without gradient, if either is 0
 *   l1      sum_i |x_i|                      (gradient sign(x), 0 at 0)
 */
#pragma once
#include <stddef.h>

#include "worker/num/real.h"

double auxloss_mse(real *g, const real *x, size_t d, double weight);
double auxloss_cosine(real *g, const real *x, size_t d, double weight);
double auxloss_l1(real *g, const real *x, size_t d, double weight);

double auxloss_dot(const real *a, const real *b, size_t n); /* in double */
double auxloss_cos(const real *a, const real *b, size_t d); /* 0 if either is 0 */
