/* loss.h - cross-entropy of softmax rows against a class each.
 * Shapes, row-major:  logits, p, dlogits [n,v]   target [n], in [0, v)
 *
 * Forward returns the sum of -log p[target] in nats; p (may be logits itself) becomes the
 * softmax; n_right, if not NULL, the rows whose largest logit (the first of equals) is the
 * target.  Backward ADDS scale * (p - onehot(target)) into dlogits.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

double xent_fwd(real *p, size_t *n_right, const real *logits, const int32_t *target, size_t n,
                size_t v);
void xent_bwd(real *restrict dlogits, const real *restrict p, const int32_t *restrict target,
              real scale, size_t n, size_t v);
