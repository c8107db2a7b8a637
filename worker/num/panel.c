/* panel.c - see panel.h.
 *
 * A panel holds 32 features, column by column: p[c][32].  A strip of 12 rows times a panel is 24
 * vector sums in registers; per column 12 broadcasts, two loads and 24 multiply-adds.
 */
#include "worker/num/panel.h"

#include "worker/num/blas.h"
#include "worker/num/isa.h"

#if ISA_HAS_CLONES && !defined(REAL_IS_DOUBLE)
#define HAS_KERNEL 1
#include <immintrin.h>
#else
#define HAS_KERNEL 0
#endif

enum { WIDE = 32, HIGH = 12, LANES = 16 };

static bool is_used(void)
{
#if HAS_KERNEL
    return __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

size_t panel_len(size_t f, size_t d)
{
    return (f + WIDE - 1) / WIDE * WIDE * d;
}

#if HAS_KERNEL
#define AVX512 __attribute__((target("avx512f")))
#define INLINE static inline __attribute__((always_inline))

/* 16 x 16 entries, rows of w to columns of p. */
AVX512 static void turn(float *restrict p, const float *restrict w, size_t d)
{
    __m512 a[LANES], b[LANES];

#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        a[i] = _mm512_loadu_ps(w + (size_t)i * d);
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

        _mm512_storeu_ps(p + (size_t)(i + 0) * WIDE, _mm512_shuffle_f32x4(lo, lo2, 0x88));
        _mm512_storeu_ps(p + (size_t)(i + 4) * WIDE, _mm512_shuffle_f32x4(hi, hi2, 0x88));
        _mm512_storeu_ps(p + (size_t)(i + 8) * WIDE, _mm512_shuffle_f32x4(lo, lo2, 0xdd));
        _mm512_storeu_ps(p + (size_t)(i + 12) * WIDE, _mm512_shuffle_f32x4(hi, hi2, 0xdd));
    }
}

static void pack_panel(float *restrict p, const float *restrict w, size_t n_f, size_t d)
{
    size_t whole = d / LANES * LANES;

    for (size_t j = 0; j < WIDE; j += LANES) {
        size_t c = 0;

        for (; j + LANES <= n_f && c < whole; c += LANES)
            turn(p + c * WIDE + j, w + j * d + c, d);
        for (; c < d; c++)
            for (size_t i = j; i < j + LANES; i++)
                p[c * WIDE + i] = i < n_f ? w[i * d + c] : 0;
    }
}

/* `high` rows of u times a panel; `high` is a constant where this is inlined. */
AVX512 INLINE void strip(float *restrict z, size_t ldz, const float *restrict u,
                         const float *restrict p, size_t d, size_t high, __mmask16 m0, __mmask16 m1)
{
    __m512 acc[HIGH][2];

#pragma GCC unroll 12
    for (size_t r = 0; r < high; r++)
        acc[r][0] = acc[r][1] = _mm512_setzero_ps();
    for (size_t c = 0; c < d; c++) {
        __m512 p0 = _mm512_loadu_ps(p + c * WIDE), p1 = _mm512_loadu_ps(p + c * WIDE + LANES);

#pragma GCC unroll 12
        for (size_t r = 0; r < high; r++) {
            __m512 x = _mm512_set1_ps(u[r * d + c]);

            acc[r][0] = _mm512_fmadd_ps(x, p0, acc[r][0]);
            acc[r][1] = _mm512_fmadd_ps(x, p1, acc[r][1]);
        }
    }
#pragma GCC unroll 12
    for (size_t r = 0; r < high; r++) {
        _mm512_mask_storeu_ps(z + r * ldz, m0, acc[r][0]);
        _mm512_mask_storeu_ps(z + r * ldz + LANES, m1, acc[r][1]);
    }
}

AVX512 static void panel_rows(float *restrict z, size_t ldz, const float *restrict u,
                              const float *restrict p, size_t n, size_t d, size_t n_f)
{
    __mmask16 m0 = n_f >= LANES ? 0xffff : (__mmask16)((1u << n_f) - 1);
    __mmask16 m1 = n_f >= WIDE    ? 0xffff
                   : n_f <= LANES ? 0
                                  : (__mmask16)((1u << (n_f - LANES)) - 1);
    size_t r = 0;

    for (; r + HIGH <= n; r += HIGH)
        strip(z + r * ldz, ldz, u + r * d, p, d, HIGH, m0, m1);
    for (; r + 4 <= n; r += 4)
        strip(z + r * ldz, ldz, u + r * d, p, d, 4, m0, m1);
    for (; r < n; r++)
        strip(z + r * ldz, ldz, u + r * d, p, d, 1, m0, m1);
}
#endif

void panel_pack(real *restrict p, const real *restrict w, size_t f, size_t d)
{
#if HAS_KERNEL
    for (size_t j = 0; is_used() && j < f; j += WIDE)
        pack_panel(p + j * d, w + j * d, f - j < WIDE ? f - j : WIDE, d);
#else
    (void)p;
    (void)w;
    (void)f;
    (void)d;
#endif
}

void panel_mm_nt(real *restrict z, const real *restrict u, const real *restrict p,
                 const real *restrict w, size_t n, size_t f, size_t d)
{
    if (!is_used()) {
        mm_nt(z, u, w, n, f, d, 1, 0);
        return;
    }
#if HAS_KERNEL
    for (size_t j = 0; j < f; j += WIDE)
        panel_rows(z + j, f, u, p + j * d, n, d, f - j < WIDE ? f - j : WIDE);
#else
    (void)p;
#endif
}
