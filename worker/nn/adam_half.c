/* adam_half.c - see adam_half.h. */
#include "worker/nn/adam_half.h"

#include "common/rng.h"
#include "worker/nn/half.h"
#include "worker/num/isa.h"

enum { PIECE = 1024 }; /* entries at a time: their floats stay in the first cache */

struct piece {
    uint32_t first;      /* index of its first entry in the row */
    uint32_t key[2];
    size_t n;
};

/* A bijection of 32 bits without visible structure ("lowbias32", C. Wellons). */
static inline uint32_t mix(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7feb352d;
    x = (x ^ x >> 15) * 0x846ca68b;
    return x ^ x >> 16;
}

ISA_CLONES static void store_stochastic(uint16_t *restrict to, const real *restrict x,
                                        const struct piece *p)
{
    const uint32_t first = p->first, k0 = p->key[0], k1 = p->key[1];

#pragma omp simd
    for (size_t i = 0; i < p->n; i++)
        to[i] = bf16_stochastic((float)x[i], mix(mix((first + (uint32_t)i) ^ k0) + k1) >> 16);
}

ISA_CLONES static void store_nearest(uint16_t *restrict to, const real *restrict x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        to[i] = bf16_of_f32((float)x[i]);
}

ISA_CLONES static void load(real *restrict to, const uint16_t *restrict x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        to[i] = (real)f32_of_bf16(x[i]);
}

/* The bits of one part of one row in one step. */
static void part_key(uint32_t key[2], uint64_t seed, int64_t step, uint32_t row, uint32_t part)
{
    const uint32_t counter[4] = {row, part, (uint32_t)step, (uint32_t)((uint64_t)step >> 32)};
    const uint32_t own[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t out[4];

    rng_philox(out, counter, own);
    key[0] = out[0];
    key[1] = out[1];
}

void adam_half_range(struct param *p, uint32_t row, size_t at, size_t n, const struct adam_coef *c,
                     int64_t step, const struct adam_round *r)
{
    uint16_t *half[3] = {p->data16, p->m16, p->v16};
    real *whole[3] = {p->data, p->m, p->v};
    uint32_t key[3][2];
    real wide[3][PIECE];

    for (uint32_t k = 0; k < 3; k++)
        part_key(key[k], r->seed, step, row, k);
    for (size_t end = at + n, len; at < end; at += len) {
        struct param some = {.grad = p->grad + at, .decay = p->decay};
        real **view[3] = {&some.data, &some.m, &some.v};

        len = end - at < PIECE ? end - at : PIECE;
        for (int k = 0; k < 3; k++) {
            *view[k] = half[k] ? wide[k] : whole[k] + at;
            if (half[k])
                load(wide[k], half[k] + at, len);
        }
        adam_range(&some, 0, len, c);
        for (int k = 0; k < 3; k++) {
            struct piece piece = {(uint32_t)at, {key[k][0], key[k][1]}, len};

            if (half[k] && r->is_nearest)
                store_nearest(half[k] + at, wide[k], len);
            else if (half[k])
                store_stochastic(half[k] + at, wide[k], &piece);
        }
    }
}
