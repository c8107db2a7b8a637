/* attention.h - causal multi-head attention over token prefixes.
 * Shapes, row-major:  q, z, dq, dz [m,h*e]   k, v, dk, dv [n,h*e]   p [m,h,t]
 *
 * Tokens are the n nodes of a forest of prefixes: equal prefixes of several sequences are one
 * node.  A query sees its node's path: the nodes at positions 0..pos[node], itself included.
 * Dense sequences are the special case where no node is shared.  p[i,h,s] are the
 * probabilities, s <= pos; the rest of a row is not touched.  Scores are q.k / sqrt(e).
 * Backward ADDS into dq, dk, dv; `score` [t] is scratch.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

struct attention_paths {
    const int32_t *path; /* [n,t] path[i*t + s]: node at position s on the way to node i */
    const int32_t *pos;  /* [n] position of a node, < t */
    const int32_t *node; /* [m] node of a query; NULL: query i is node i */
    size_t t;
};

void attention_fwd(real *restrict z, real *restrict p, const real *restrict q,
                   const real *restrict k, const real *restrict v,
                   const struct attention_paths *a, size_t m, size_t h, size_t e);
void attention_bwd(real *restrict dq, real *restrict dk, real *restrict dv, real *restrict score,
                   const real *restrict dz, const real *restrict p, const real *restrict q,
                   const real *restrict k, const real *restrict v,
                   const struct attention_paths *a, size_t m, size_t h, size_t e);
