/* bf16mm.h - products of two matrices rounded to bfloat16, summed in float.
 *
 *   c_ij = start + sum_k a_ik b_jk,   start: 0, bias_j, c_ij or c_ij + bias_j
 *
 * Operands are rounded to nearest, a thing below 2^-126 to zero.  An entry is one chain of additions in
 * a fixed order: k in ascending pairs, of each pair the odd one first, which is what AVX512-BF16 does.
 * So its bits depend neither on tiles, nor on neighbours, nor on who computes which part; plain loops do
 * the same where the CPU has no such units (a sum that passes below 2^-126 may differ).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

/* Entry (i, k) is x[i * ld + k], or x[k * ld + i] if `is_turned`; or of h, which is rounded already. */
struct bf16mm_in {
    const real *x;
    const uint16_t *h; /* NULL: x */
    size_t ld;
    bool is_turned;
};

struct bf16mm {
    struct bf16mm_in a, b;
    real *c;           /* [m,n] */
    size_t ldc, m, n, k;
    const real *bias;  /* [n] or NULL */
    bool add;          /* to c */
};

/* Words that a product lays its operands out in, whatever its size. */
size_t bf16mm_room(void);
void bf16mm(const struct bf16mm *p, uint32_t *room);
/* The same bits by plain loops: what bf16mm() does without the units. */
void bf16mm_plain(const struct bf16mm *p, uint32_t *room);
