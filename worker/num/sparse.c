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

/* Sums of four vectors in quarters: lane 4 q + j holds the q-th of the j-th. */
AVX512_INLINE __m512 quarters_of_4(const __m512 a[4])
{
    __m512 lo = _mm512_add_ps(_mm512_unpacklo_ps(a[0], a[1]), _mm512_unpackhi_ps(a[0], a[1]));
    __m512 hi = _mm512_add_ps(_mm512_unpacklo_ps(a[2], a[3]), _mm512_unpackhi_ps(a[2], a[3]));

    return _mm512_add_ps(_mm512_shuffle_ps(lo, hi, 0x44), _mm512_shuffle_ps(lo, hi, 0xee));
}

/* Dot products of four rows: lane 4 q + j holds the q-th quarter of row j's sum. */
AVX512_INLINE __m512 dots_of_4(const float *restrict x, const float *restrict dir, const uint32_t at[4],
                               size_t d)
{
    __m512 acc[4], odd[4];
    const float *row[4];
    size_t c = 0;

#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        row[j] = dir + (size_t)at[j] * d;
        acc[j] = odd[j] = _mm512_setzero_ps();
    }
    for (; c + 8 * LANES <= d; c += 8 * LANES) { /* a row after another: its lines follow in memory */
        __m512 part_x[8];

#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++)
            part_x[i] = _mm512_loadu_ps(x + c + i * LANES);
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
#pragma GCC unroll 4
            for (size_t i = 0; i < 8; i += 2) {
                acc[j] = _mm512_fmadd_ps(part_x[i], _mm512_loadu_ps(row[j] + c + i * LANES), acc[j]);
                odd[j] = _mm512_fmadd_ps(part_x[i + 1],
                                         _mm512_loadu_ps(row[j] + c + (i + 1) * LANES), odd[j]);
            }
    }
    for (; c + 2 * LANES <= d; c += 2 * LANES) {
        __m512 x0 = _mm512_loadu_ps(x + c), x1 = _mm512_loadu_ps(x + c + LANES);

#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
            acc[j] = _mm512_fmadd_ps(x0, _mm512_loadu_ps(row[j] + c), acc[j]);
            odd[j] = _mm512_fmadd_ps(x1, _mm512_loadu_ps(row[j] + c + LANES), odd[j]);
        }
    }
    for (; c < d; c += LANES) {
        __mmask16 mask = lanes(d - c);
        __m512 x0 = _mm512_maskz_loadu_ps(mask, x + c);

#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            acc[j] = _mm512_fmadd_ps(x0, _mm512_maskz_loadu_ps(mask, row[j] + c), acc[j]);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++)
        acc[j] = _mm512_add_ps(acc[j], odd[j]);
    return quarters_of_4(acc);
}

/* Quarters of two times four rows: halves. */
AVX512_INLINE __m512 halves(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

/* Sums of sixteen rows from their quarters, four rows a vector. */
AVX512_INLINE __m512 whole_of_16(const __m512 four[4])
{
    __m512 lo = halves(four[0], four[1]), hi = halves(four[2], four[3]);

    return _mm512_add_ps(_mm512_shuffle_f32x4(lo, hi, 0x88), _mm512_shuffle_f32x4(lo, hi, 0xdd));
}

/* Sixteen at a time: what is left of each sum is added across rows.  A row's sum does not depend on
 * its place. */
AVX512 static void dots_avx512(float *restrict dot, const float *restrict x,
                               const float *restrict dir, const uint32_t *restrict idx, size_t k,
                               size_t d)
{
    for (size_t j = 0; j < k; j += LANES) {
        __m512 four[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                          _mm512_setzero_ps()};
        size_t left = k - j < LANES ? k - j : LANES, q = 0;

        for (; q < left / 4; q++)
            four[q] = dots_of_4(x, dir, idx + j + 4 * q, d);
        if (4 * q < left) {
            const uint32_t *rest = idx + j + 4 * q;
            size_t n = left - 4 * q;
            const uint32_t at[4] = {rest[0], rest[n > 1 ? 1 : 0], rest[n > 2 ? 2 : 0], rest[0]};

            four[q] = dots_of_4(x, dir, at, d);
        }
        _mm512_mask_storeu_ps(dot + j, lanes(left), whole_of_16(four));
    }
}

enum { NARROW = 8 * LANES }; /* columns of which a row stays in registers */

/* The even and the odd vectors of a product of NARROW columns, as dots_of_4() adds them. */
AVX512_INLINE __m512 lanes_of_product(const __m512 x[8], const float *restrict row)
{
    __m512 even = _mm512_setzero_ps(), odd = even;

#pragma GCC unroll 4
    for (size_t i = 0; i < 8; i += 2) {
        even = _mm512_fmadd_ps(x[i], _mm512_loadu_ps(row + i * LANES), even);
        odd = _mm512_fmadd_ps(x[i + 1], _mm512_loadu_ps(row + (i + 1) * LANES), odd);
    }
    return _mm512_add_ps(even, odd);
}

/* dots_avx512() of NARROW columns: x is read once. */
AVX512 static void dots_narrow(float *restrict dot, const float *restrict x, const float *restrict dir,
                               const uint32_t *restrict idx, size_t k)
{
    __m512 in[8];

#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++)
        in[i] = _mm512_loadu_ps(x + i * LANES);
    for (size_t j = 0; j < k; j += LANES) {
        __m512 four[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                          _mm512_setzero_ps()};
        size_t left = k - j < LANES ? k - j : LANES;

#pragma GCC unroll 4
        for (size_t q = 0; q < 4; q++) {
            __m512 sum[4];

            if (4 * q >= left)
                break;
#pragma GCC unroll 4
            for (size_t i = 0; i < 4; i++) {
                size_t at = j + 4 * q + i;

                sum[i] = lanes_of_product(in, dir + (size_t)idx[at < k ? at : j] * NARROW);
            }
            four[q] = quarters_of_4(sum);
        }
        _mm512_mask_storeu_ps(dot + j, lanes(left), whole_of_16(four));
    }
}

/* dot[0..4) from quarters of four rows. */
AVX512_INLINE __m512 whole_of_4(__m512 quarters)
{
    __m512 half = halves(quarters, quarters); /* quarters 0 + 2 and 1 + 3, twice */

    return _mm512_add_ps(half, _mm512_shuffle_f32x4(half, half, 0xb1));
}

/* Of up to FEW rows of g: dz_j = dir . g_j, and a_j g_j added to ddir.  dz holds 3 more. */
AVX512_INLINE void dots_and_sums(float *restrict dz, __m512 ddir[8], const __m512 dir[8],
                                 const float *restrict g, const struct sparse_feature *s)
{
    for (size_t at = 0; at < s->n; at += 4) {
        __m512 sum[4];

#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
            bool is_there = at + j < s->n; /* else a row that is there, times 0 */
            size_t i = is_there ? at + j : at;
            const float *row = g + (size_t)s->row[i] * NARROW;
            __m512 by = _mm512_set1_ps(is_there ? s->a[i] : 0);

            sum[j] = lanes_of_product(dir, row);
#pragma GCC unroll 8
            for (size_t c = 0; c < 8; c++)
                ddir[c] = _mm512_fmadd_ps(by, _mm512_loadu_ps(row + c * LANES), ddir[c]);
        }
        _mm_storeu_ps(dz + at, _mm512_castps512_ps128(whole_of_4(quarters_of_4(sum))));
    }
}

/* sparse_grad() of NARROW columns: the same operations in the same order, in registers. */
AVX512 static float grad_narrow(float *restrict ddir, float *restrict dw, const struct sparse_feature *s,
                                const float *restrict dir, const float *restrict g,
                                const float *restrict u)
{
    __m512 d[8], dd[8], sum_w[8];
    float dz[FEW + 3], sum = 0;

#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        d[i] = _mm512_loadu_ps(dir + i * LANES);
        dd[i] = sum_w[i] = _mm512_setzero_ps();
    }
    for (size_t at = 0; at < s->n; at += FEW) {
        struct sparse_feature few = {s->row + at, s->a + at, s->n - at < FEW ? s->n - at : FEW};

        dots_and_sums(dz, dd, d, g, &few);
        for (size_t j = 0; j < few.n; j++) {
            const float *row = u + (size_t)few.row[j] * NARROW;
            __m512 by = _mm512_set1_ps(dz[j]);

#pragma GCC unroll 8
            for (size_t i = 0; i < 8; i++)
                sum_w[i] = _mm512_fmadd_ps(by, _mm512_loadu_ps(row + i * LANES), sum_w[i]);
            sum += dz[j];
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        _mm512_storeu_ps(ddir + i * LANES, dd[i]);
        _mm512_storeu_ps(dw + i * LANES, sum_w[i]);
    }
    return sum;
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
        if (d == NARROW)
            dots_narrow(dot, x, dir, idx, k);
        else
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

#if HAS_AVX512
    if (d == NARROW && __builtin_cpu_supports("avx512f"))
        return grad_narrow(ddir, dw, s, dir, g, u);
#endif
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
