/* rows.c - see rows.h.
 *
 * A sum's last additions wait for each other, one lane after another; side by side, those of sixteen
 * rows do not.  Only whole vectors are added so: another d has a rest that vec.h adds elsewhere.
 */
#include "worker/num/rows.h"

#include <math.h>
#include <stdbool.h>

#include "worker/num/avx512.h"
#include "worker/num/vec.h"

enum { SUMS = 8 };

static void project_one(real *restrict grad, const real *restrict dir, real along, real sq, size_t d)
{
    if (along != 0 && sq > 0)
        vec_axpy(grad, dir, -along / sq, d);
}

#if HAS_AVX512
enum { MANY = 16 }; /* rows side by side */

/* As vec_dot() of MANY rows: lanes of their sums become columns, which are added from the first on. */
AVX512_INLINE __m512 dots_of_many(const float *a, const float *b, size_t d)
{
    __m512 part[MANY], dot = _mm512_setzero_ps();

    for (size_t i = 0; i < MANY; i++) {
        __m512 sum = _mm512_setzero_ps();

        for (size_t c = i * d; c < (i + 1) * d; c += LANES)
            sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_loadu_ps(a + c), _mm512_loadu_ps(b + c)));
        part[i] = sum;
    }
    turn16(part);
#pragma GCC unroll 16
    for (size_t lane = 0; lane < LANES; lane++)
        dot = _mm512_add_ps(dot, part[lane]);
    return dot;
}

/* As project_one() of MANY rows. */
AVX512 static void project_many(float *restrict grad, const float *restrict dir, size_t d)
{
    float by[MANY];
    __m512 along = dots_of_many(grad, dir, d), sq = dots_of_many(dir, dir, d), zero = _mm512_setzero_ps();
    unsigned todo = _mm512_cmp_ps_mask(along, zero, _CMP_NEQ_UQ) & _mm512_cmp_ps_mask(sq, zero, _CMP_GT_OQ);

    _mm512_storeu_ps(by, _mm512_div_ps(_mm512_sub_ps(zero, along), sq));
    for (size_t i = 0; i < MANY; i++) {
        __m512 a = _mm512_set1_ps(by[i]);

        for (size_t c = i * d; todo >> i & 1 && c < (i + 1) * d; c += LANES)
            _mm512_storeu_ps(grad + c, _mm512_add_ps(_mm512_loadu_ps(grad + c),
                                                     _mm512_mul_ps(a, _mm512_loadu_ps(dir + c))));
    }
}

/* 8 x 8 entries: rows become columns. */
AVX512_INLINE void turn8(__m512d a[LANES / 2])
{
    __m512d b[LANES / 2];

#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm512_unpacklo_pd(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_pd(a[i], a[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) { /* columns i, 2 + i, 4 + i, 6 + i */
        __m512d lo = _mm512_shuffle_f64x2(b[i], b[i + 2], 0x88);
        __m512d hi = _mm512_shuffle_f64x2(b[i], b[i + 2], 0xdd);
        __m512d lo2 = _mm512_shuffle_f64x2(b[i + 4], b[i + 6], 0x88);
        __m512d hi2 = _mm512_shuffle_f64x2(b[i + 4], b[i + 6], 0xdd);

        a[i] = _mm512_shuffle_f64x2(lo, lo2, 0x88);
        a[i + 2] = _mm512_shuffle_f64x2(hi, hi2, 0x88);
        a[i + 4] = _mm512_shuffle_f64x2(lo, lo2, 0xdd);
        a[i + 6] = _mm512_shuffle_f64x2(hi, hi2, 0xdd);
    }
}

/* As vec_normalise() of half as many rows. */
AVX512_INLINE void normalise_half(float *x, size_t d)
{
    __m512d lo[MANY / 2], hi[MANY / 2], sum = _mm512_setzero_pd(), norm;
    float by[MANY / 2];

    for (size_t i = 0; i < MANY / 2; i++) {
        lo[i] = hi[i] = _mm512_setzero_pd();
        for (size_t c = i * d; c < (i + 1) * d; c += LANES) {
            __m512d a = _mm512_cvtps_pd(_mm256_loadu_ps(x + c));
            __m512d b = _mm512_cvtps_pd(_mm256_loadu_ps(x + c + LANES / 2));

            lo[i] = _mm512_add_pd(lo[i], _mm512_mul_pd(a, a));
            hi[i] = _mm512_add_pd(hi[i], _mm512_mul_pd(b, b));
        }
    }
    turn8(lo);
    turn8(hi);
#pragma GCC unroll 16
    for (size_t lane = 0; lane < LANES; lane++)
        sum = _mm512_add_pd(sum, lane < LANES / 2 ? lo[lane] : hi[lane - LANES / 2]);
    norm = _mm512_sqrt_pd(sum);
    _mm256_storeu_ps(by, _mm512_cvtpd_ps(_mm512_div_pd(_mm512_set1_pd(1), norm)));
    unsigned todo = _mm512_cmp_pd_mask(norm, _mm512_setzero_pd(), _CMP_GT_OQ);
    for (size_t i = 0; i < MANY / 2; i++) {
        __m512 a = _mm512_set1_ps(by[i]);

        for (size_t c = i * d; todo >> i & 1 && c < (i + 1) * d; c += LANES)
            _mm512_storeu_ps(x + c, _mm512_mul_ps(_mm512_loadu_ps(x + c), a));
    }
}

/* As vec_normalise() of MANY rows. */
AVX512 static void normalise_many(float *x, size_t d)
{
    normalise_half(x, d);
    normalise_half(x + MANY / 2 * d, d);
}

static bool are_many(size_t d)
{
    return d % LANES == 0 && __builtin_cpu_supports("avx512f");
}
#endif

void rows_project(real *restrict grad, const real *restrict dir, size_t n, size_t d)
{
    size_t i = 0;

#if HAS_AVX512
    for (; are_many(d) && i + MANY <= n; i += MANY)
        project_many(grad + i * d, dir + i * d, d);
#endif
    for (; i < n; i++)
        project_one(grad + i * d, dir + i * d, vec_dot(grad + i * d, dir + i * d, d),
                    vec_dot(dir + i * d, dir + i * d, d), d);
}

void rows_normalise(real *x, size_t n, size_t d)
{
    size_t i = 0;

#if HAS_AVX512
    for (; are_many(d) && i + MANY <= n; i += MANY)
        normalise_many(x + i * d, d);
#endif
    for (; i < n; i++)
        vec_normalise(x + i * d, d);
}

/* A sum waits for each of its additions; those of other rows need not. */
static void sum_many(real *restrict out, const real *restrict x, size_t d)
{
    double sum[SUMS] = {0};

    for (size_t c = 0; c < d; c++)
#pragma GCC unroll 8
        for (size_t i = 0; i < SUMS; i++)
            sum[i] += (double)x[i * d + c];
    for (size_t i = 0; i < SUMS; i++)
        out[i] = (real)sum[i];
}

void rows_sum(real *restrict out, const real *restrict x, size_t n, size_t d)
{
    size_t i = 0;

    for (; i + SUMS <= n; i += SUMS)
        sum_many(out + i, x + i * d, d);
    for (; i < n; i++) {
        double sum = 0;

        for (size_t c = 0; c < d; c++)
            sum += (double)x[i * d + c];
        out[i] = (real)sum;
    }
}
