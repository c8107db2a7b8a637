/* avx512.h - pieces of AVX-512 kernels that several files inline; empty where there are none. */
#pragma once
#include "worker/num/isa.h"
#include "worker/num/real.h"

#if ISA_HAS_CLONES && !defined(REAL_IS_DOUBLE)
#define HAS_AVX512 1
#include <immintrin.h>
#include <stddef.h>

#define AVX512        __attribute__((target("avx512f,popcnt")))
#define AVX512_INLINE AVX512 static inline __attribute__((always_inline))

enum { LANES = 16 };

/* The first `left` lanes. */
AVX512_INLINE __mmask16 lanes(size_t left)
{
    return left >= LANES ? 0xffff : (__mmask16)((1u << left) - 1);
}

/* 16 x 16 entries: rows become columns. */
AVX512_INLINE void turn16(__m512 a[LANES])
{
    __m512 b[LANES];

#pragma GCC unroll 8
    for (int i = 0; i < LANES; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < LANES; i += 4) {
        a[i] = _mm512_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm512_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* a[4 q + i]: columns i, 4+i, 8+i, 12+i of rows 4 q .. 4 q + 3 */
        __m512 lo = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88);
        __m512 hi = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
        __m512 lo2 = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88);
        __m512 hi2 = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);

        b[i] = _mm512_shuffle_f32x4(lo, lo2, 0x88);
        b[i + 4] = _mm512_shuffle_f32x4(hi, hi2, 0x88);
        b[i + 8] = _mm512_shuffle_f32x4(lo, lo2, 0xdd);
        b[i + 12] = _mm512_shuffle_f32x4(hi, hi2, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        a[i] = b[i];
}

#else
#define HAS_AVX512 0
#endif
