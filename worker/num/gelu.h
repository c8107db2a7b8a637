/* gelu.h - GELU apart from its bias, for layers that keep only the pre-activation.
 * Shapes: a, y, d [n].  exact: a Phi(a);  tanh: a (1 + tanh(sqrt(2/pi) (a + 0.044715 a^3))) / 2.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "worker/num/real.h"

void gelu_keep_fwd(real *restrict y, const real *restrict a, size_t n, bool is_tanh);
/* d: dy on entry, da on return; y = gelu(a) again, for the gradient of the layer behind. */
void gelu_keep_bwd(real *restrict d, real *restrict y, const real *restrict a, size_t n, bool is_tanh);
