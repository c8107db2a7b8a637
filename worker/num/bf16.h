/* bf16.h - products of rows with one matrix in bfloat16, with what rounding to it may cost.
 *
 * Shapes, row-major: w [f,d], u [n,d], z [n,f].  Inputs are rounded to bfloat16 (8 significant bits),
 * products are summed in float.  Lengths of rows before rounding and of what rounding took away come
 * with the product: with |.| the Euclidean norm, for every row r and feature j
 *
 *   |z_rj - u_r . w_j| <= |u_r - u~_r| |w_j| + |u~_r| |w_j - w~_j| + g (|u_r| |w_j|),
 *
 * by Cauchy and Schwarz; g is the rounding of d additions.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "worker/num/real.h"

/* Whether this CPU multiplies bfloat16 (AVX512-BF16); elsewhere plain loops do, slowly. */
bool bf16_is_there(void);

/* The two halves of a word as floats, and a float rounded to nearest even in the low half. */
static inline float bf16_float(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline float bf16_low(uint32_t pair)
{
    return bf16_float(pair << 16);
}

static inline float bf16_high(uint32_t pair)
{
    return bf16_float(pair & 0xffff0000);
}

static inline uint32_t bf16_round(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return x != x ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* Upper bounds of a row's length and of the length of its rounding error. */
struct bf16_norm {
    real all, lost;
};

/* Words that a layout of w needs; at its end rows are laid out too. */
size_t bf16_len(size_t f, size_t d);
/* Lays w out; norm [f]. */
void bf16_pack(uint32_t *restrict p, struct bf16_norm *restrict norm, const real *restrict w, size_t f,
               size_t d);
/* z = u~ w~^T; norm [n] of the rows. */
void bf16_mm_nt(real *restrict z, struct bf16_norm *restrict norm, const real *restrict u,
                uint32_t *restrict p, size_t n, size_t f, size_t d);
