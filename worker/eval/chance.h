/* chance.h - what unrelated dictionaries agree on by chance, in closed form.
 *
 * For independent isotropic directions in d dims, P(|cos| <= t) = I_{t^2}(1/2, (d-1)/2); the largest
 * of n independent values has the mean  int_0^1 1 - P(t)^n dt.
 */
#pragma once
#include <stddef.h>

double chance_max_abs(size_t d, size_t n);    /* E max of n |cos| */
double chance_max_signed(size_t d, size_t n); /* E max of n cos */
double chance_pwmcc(size_t d, size_t f_a, size_t f_b);
double chance_mmcs(size_t d, size_t f_a, size_t f_b); /* both directions averaged */
