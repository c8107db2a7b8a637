/* sparse.c - see sparse.h.
 *
 * Sums of listed rows keep a span of columns in registers; dot products go four rows at a time.
 */
#include "worker/num/sparse.h"

#include <string.h>

#include "worker/num/avx512.h"

/* 32 bytes of a row, wherever they start. */
typedef real part __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));

enum {
    PART = 32 / sizeof(real),
    PARTS = 8,  /* held in registers */
    FEW = 64,   /* rows of a feature that are still in cache when they are used again */
};

ISA_CLONES static void sum_base(real *out, const real *base, const real *restrict dir,
                                const uint32_t *restrict idx, const real *restrict val, size_t k,
                                size_t d)
{
    size_t c = 0;

    for (; c + PARTS * PART <= d; c += PARTS * PART) {
        part acc[PARTS];

#pragma GCC unroll 8
        for (size_t i = 0; i < PARTS; i++)
            acc[i] = base ? ((const part *)(base + c))[i] : (part){0};
        for (size_t j = 0; j < k; j++) {
            const part *row = (const part *)(dir + idx[j] * d + c);
            real v = val[j];

#pragma GCC unroll 8
            for (size_t i = 0; i < PARTS; i++)
                acc[i] += v * row[i];
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < PARTS; i++)
            ((part *)(out + c))[i] = acc[i];
    }
    for (; c < d; c++) {
        real sum = base ? base[c] : 0;

        for (size_t j = 0; j < k; j++)
            sum += val[j] * dir[idx[j] * d + c];
        out[c] = sum;
    }
}

ISA_CLONES static void dots_base(real *restrict dot, const real *restrict x,
                                 const real *restrict dir, const uint32_t *restrict idx, size_t k,
                                 size_t d)
{
    for (size_t j = 0; j < k; j++) {
        const real *restrict row = dir + idx[j] * d;
        real sum = 0;

#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < d; i++)
            sum += x[i] * row[i];
        dot[j] = sum;
    }
}

#if HAS_AVX512
/* Columns [0, 16 wide) of the sum; `wide` is a constant where this is inlined; mask: of the last. */
AVX512_INLINE void sum_span(float *out, const float *base, const float *restrict dir,
                            const uint32_t *restrict idx, const float *restrict val, size_t k,
                            size_t d, size_t wide, __mmask16 mask)
{
    __m512 acc[LANES];

#pragma GCC unroll 16
    for (size_t i = 0; i < wide; i++)
        acc[i] = base ? _mm512_maskz_loadu_ps(i + 1 < wide ? 0xffff : mask, base + i * LANES)
                      : _mm512_setzero_ps();
    for (size_t j = 0; j < k; j++) {
        const float *row = dir + idx[j] * d;
        __m512 v = _mm512_set1_ps(val[j]);

        __asm__("" : "+r"(row)); /* one base address, so that loads are operands of the sums */
#pragma GCC unroll 16
        for (size_t i = 0; i < wide; i++)
            acc[i] = _mm512_fmadd_ps(
                v, _mm512_maskz_loadu_ps(i + 1 < wide ? 0xffff : mask, row + i * LANES), acc[i]);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < wide; i++)
        _mm512_mask_storeu_ps(out + i * LANES, i + 1 < wide ? 0xffff : mask, acc[i]);
}

AVX512 static void sum_avx512(float *out, const float *base, const float *restrict dir,
                              const uint32_t *restrict idx, const float *restrict val, size_t k,
                              size_t d)
{
    size_t c = 0;

    for (; c + 16 * LANES <= d; c += 16 * LANES)
        sum_span(out + c, base ? base + c : NULL, dir + c, idx, val, k, d, 16, 0xffff);
    for (; c + 8 * LANES <= d; c += 8 * LANES)
        sum_span(out + c, base ? base + c : NULL, dir + c, idx, val, k, d, 8, 0xffff);
    for (; c < d; c += LANES) {
        __mmask16 mask = lanes(d - c);

        sum_span(out + c, base ? base + c : NULL, dir + c, idx, val, k, d, 1, mask);
    }
}

/* `many` rows' dot products; a constant where this is inlined. */
AVX512_INLINE void dots_some(float *restrict dot, const float *restrict x,
                             const float *restrict dir, const uint32_t *restrict idx, size_t d,
                             size_t many)
{
    __m512 acc[4], odd[4];
    const float *row[4];
    size_t c = 0;

#pragma GCC unroll 4
    for (size_t j = 0; j < many; j++) {
        row[j] = dir + idx[j] * d;
        acc[j] = odd[j] = _mm512_setzero_ps();
    }
    for (; c + 2 * LANES <= d; c += 2 * LANES) {
        __m512 x0 = _mm512_loadu_ps(x + c), x1 = _mm512_loadu_ps(x + c + LANES);

#pragma GCC unroll 4
        for (size_t j = 0; j < many; j++) {
            acc[j] = _mm512_fmadd_ps(x0, _mm512_loadu_ps(row[j] + c), acc[j]);
            odd[j] = _mm512_fmadd_ps(x1, _mm512_loadu_ps(row[j] + c + LANES), odd[j]);
        }
    }
    for (; c < d; c += LANES) {
        __mmask16 mask = lanes(d - c);
        __m512 x0 = _mm512_maskz_loadu_ps(mask, x + c);

#pragma GCC unroll 4
        for (size_t j = 0; j < many; j++)
            acc[j] = _mm512_fmadd_ps(x0, _mm512_maskz_loadu_ps(mask, row[j] + c), acc[j]);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < many; j++)
        dot[j] = _mm512_reduce_add_ps(_mm512_add_ps(acc[j], odd[j]));
}

AVX512 static void dots_avx512(float *restrict dot, const float *restrict x,
                               const float *restrict dir, const uint32_t *restrict idx, size_t k,
                               size_t d)
{
    size_t j = 0;

    for (; j + 4 <= k; j += 4)
        dots_some(dot + j, x, dir, idx + j, d, 4);
    for (; j < k; j++)
        dots_some(dot + j, x, dir, idx + j, d, 1);
}
#endif

void sparse_decode(real *out, const real *base, const real *restrict dir,
                   const uint32_t *restrict idx, const real *restrict val, size_t k, size_t d)
{
#if HAS_AVX512
    if (__builtin_cpu_supports("avx512f")) {
        sum_avx512(out, base, dir, idx, val, k, d);
        return;
    }
#endif
    sum_base(out, base, dir, idx, val, k, d);
}

void sparse_dots(real *restrict dot, const real *restrict x, const real *restrict dir,
                 const uint32_t *restrict idx, size_t k, size_t d)
{
#if HAS_AVX512
    if (__builtin_cpu_supports("avx512f")) {
        dots_avx512(dot, x, dir, idx, k, d);
        return;
    }
#endif
    dots_base(dot, x, dir, idx, k, d);
}

real sparse_grad(real *restrict ddir, real *restrict dw, const struct sparse_feature *s,
                 const real *restrict dir, const real *restrict g, const real *restrict u, size_t d)
{
    real dz[FEW], sum = 0;

    if (s->n == 0) {
        memset(ddir, 0, d * sizeof *ddir);
        memset(dw, 0, d * sizeof *dw);
    }
    for (size_t at = 0; at < s->n; at += FEW) {
        size_t n = s->n - at < FEW ? s->n - at : FEW;

        sparse_dots(dz, dir, g, s->row + at, n, d);
        sparse_decode(ddir, at ? ddir : NULL, g, s->row + at, s->a + at, n, d);
        sparse_decode(dw, at ? dw : NULL, u, s->row + at, dz, n, d);
        for (size_t j = 0; j < n; j++)
            sum += dz[j];
    }
    return sum;
}
