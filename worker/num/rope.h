/* rope.h - rotary position embedding, Su et al. 2021 (arXiv:2104.09864), in the half-rotation form
 * of GPT-NeoX: dimension j is paired with j + r/2, only the first r of a head's dimensions turn.
 *   q'_j = q_j cos - q_{j+r/2} sin,   q'_{j+r/2} = q_{j+r/2} cos + q_j sin,   angle = pos base^(-2j/r)
 * Backward is the rotation by the negative angle: its transpose.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

/* table [t_max, r]: r/2 cosines, r/2 sines of each position; computed in double. */
void rope_table(real *table, size_t t_max, size_t r, double base);

/* Turns `heads` heads of size `e` in each row of x, in place; `ld` is the row stride, `head_ld` that
 * between heads, `sign` +1 forward and -1 backward. */
struct rope {
    const real *table;
    const int32_t *pos; /* [n] */
    size_t r, heads, ld, head_ld;
};
void rope_rows(real *x, const struct rope *p, size_t n, real sign);
