/* shortlist.c - see shortlist.h.  The error of an entry is at most eps_r reach_j plus what is in
 * up_j - lo_j; eps_r is made of the row's lengths.
 */
#include "worker/num/shortlist.h"

#include <float.h>
#include <math.h>

#include "worker/num/avx512.h"

#if HAS_AVX512
enum { MIN_F = 512, MIN_D = 32, CAP_K = 4, GROUPS = 3, WIDE = 8 };

static const float HUGE_NORM = 1e18f; /* products of longer rows might overflow */
/* A row shorter than this does not know its own share, which is 1/512 at most: it counts with 16 times
 * its length and LEAST_SHARE. */
static const float TINY = 4e-15f, LEAST_SHARE = 1.0f / 8192;
static const float SUM_ROUNDING = 1.0f / (1 << 23); /* of an addition; in theory half of it */

bool shortlist_is_there(size_t f, size_t d, size_t k)
{
    return f >= MIN_F && d >= MIN_D && topk_groups(f, k) > 0 && bf16_is_there();
}

void shortlist_pack(struct shortlist *s, const real *w, const real *bias, size_t f, size_t d)
{
    float vanished = (float)d * FLT_MIN * 8; /* products and sums that are flushed to zero */

    s->f = f;
    s->d = d;
    s->w = w;
    s->bias = bias;
    s->share = LEAST_SHARE;
    s->is_bounded = true;
    bf16_pack(s->pairs, s->norm, w, f, d);
    for (size_t j = 0; j < f; j++) {
        float all = s->norm[j].all, share = s->norm[j].lost / all;
        float room = 4 * SUM_ROUNDING * fabsf(bias[j]) + vanished;

        s->reach[j] = all + 16 * TINY;
        s->up[j] = bias[j] + room;
        s->lo[j] = bias[j] - room;
        s->share = all > TINY && share > s->share ? share : s->share;
        if (!(all < HUGE_NORM) || !(fabsf(bias[j]) < HUGE_NORM))
            s->is_bounded = false;
    }
}

void shortlist_product(struct shortlist *s, real *z, const real *u, size_t n)
{
    bf16_mm_nt(z, s->row, u, s->pairs, n, s->f, s->d);
}

/* The row's factor of the error; negative: no bound is known, or something is not finite. */
static float error_of(const struct shortlist *s, size_t i)
{
    float all = s->row[i].all * 1.01f; /* holds for the rounded row as well */
    float sums = 2 * SUM_ROUNDING * ((float)s->d + 64); /* of both chains */

    if (!(all < HUGE_NORM) || !s->is_bounded)
        return -1;
    return (s->row[i].lost + (s->share * 1.01f + sums) * all) * 1.001f;
}

/* Lower bounds of 16 entries from the i-th on. */
AVX512_INLINE __m512 lower(const struct shortlist *s, const float *z, __m512 eps, size_t i, __mmask16 in)
{
    __m512 v = _mm512_add_ps(_mm512_maskz_loadu_ps(in, z + i), _mm512_maskz_loadu_ps(in, s->lo + i));

    return _mm512_fnmadd_ps(eps, _mm512_maskz_loadu_ps(in, s->reach + i), v);
}

/* Maxima of g groups of lower bounds.  Group i holds every g-th entry from the i-th on; up to 128
 * groups at a time stay in registers. */
AVX512 static void lower_maxima(float *m, const struct shortlist *s, const float *z, float eps, size_t g)
{
    const __m512 e = _mm512_set1_ps(eps), least = _mm512_set1_ps(-INFINITY);

    for (size_t from = 0; from < g; from += WIDE * LANES) {
        size_t wide = (g - from) / LANES < WIDE ? (g - from) / LANES : WIDE;
        __m512 most[WIDE] = {least, least, least, least, least, least, least, least};
        size_t at = from;

        for (; wide == WIDE && at + WIDE * LANES <= s->f; at += g)
#pragma GCC unroll 8
            for (size_t i = 0; i < WIDE; i++)
                most[i] = _mm512_max_ps(most[i], lower(s, z, e, at + i * LANES, 0xffff));
#pragma GCC unroll 8
        for (size_t i = 0; i < WIDE; i++)
            if (i < wide)
                _mm512_storeu_ps(m + from + i * LANES, most[i]);
        for (; at < s->f; at += g)
            for (size_t i = 0; i < wide && at + i * LANES < s->f; i++) {
                float *to = m + from + i * LANES;
                __mmask16 in = lanes(s->f - at - i * LANES);
                __m512 was = _mm512_loadu_ps(to);

                _mm512_storeu_ps(to, _mm512_mask_max_ps(was, in, was, lower(s, z, e, at + i * LANES, in)));
            }
    }
}

/* Entries whose upper bound is at least t; the list has TOPK_SLACK entries to spare. */
AVX512 static size_t list(const struct shortlist *s, const float *z, float eps, float t)
{
    const __m512 e = _mm512_set1_ps(eps), bound = _mm512_set1_ps(t);
    __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t n = 0;

    for (size_t i = 0; i < s->f; i += LANES) {
        __mmask16 in = lanes(s->f - i);
        __m512 v = _mm512_add_ps(_mm512_maskz_loadu_ps(in, z + i), _mm512_maskz_loadu_ps(in, s->up + i));

        v = _mm512_fmadd_ps(e, _mm512_maskz_loadu_ps(in, s->reach + i), v);
        __mmask16 hit = _mm512_mask_cmp_ps_mask(in, v, bound, _CMP_GE_OQ);

        _mm512_storeu_si512(s->cand + n, _mm512_maskz_compress_epi32(hit, at));
        n += (size_t)__builtin_popcount(hit);
        at = _mm512_add_epi32(at, _mm512_set1_epi32(LANES));
    }
    return n;
}

/* Eight columns of 16 listed rows; lane i is row i.  `in`: which of the eight exist. */
AVX512_INLINE void turn_8(__m512 a[8], const float *const row[LANES], size_t c, __mmask8 in)
{
    __m512 b[8];

#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) { /* rows 0-3 and 8-11 beside 4-7 and 12-15: the last stage puts them right */
        int lo = i < 4 ? i : i + 4;
        __m512 half = _mm512_castps256_ps512(
            in == 0xff ? _mm256_loadu_ps(row[lo] + c)
                       : _mm512_castps512_ps256(_mm512_maskz_loadu_ps(in, row[lo] + c)));
        __m512 rest = in == 0xff ? _mm512_castps256_ps512(_mm256_loadu_ps(row[lo + 4] + c))
                                 : _mm512_maskz_loadu_ps(in, row[lo + 4] + c);

        b[i] = _mm512_castpd_ps(_mm512_insertf64x4(_mm512_castps_pd(half),
                                                   _mm512_castpd512_pd256(_mm512_castps_pd(rest)), 1));
    }
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm512_unpacklo_ps(b[i], b[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps(b[i], b[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
        b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        a[i] = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
        a[i + 4] = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
    }
}

/* 16 chains a group, one a lane; groups go side by side, since a chain waits for itself.  n_groups
 * is a constant where this is inlined. */
AVX512_INLINE void chains(__m512 sum[GROUPS], const struct shortlist *s, const float *u,
                          const uint32_t *idx, size_t n, size_t n_groups)
{
    const float *row[GROUPS][LANES];
    size_t c = 0;

    for (size_t i = 0; i < n_groups * LANES; i++)
        row[i / LANES][i % LANES] = s->w + (size_t)idx[i < n ? i : 0] * s->d;
#pragma GCC unroll 3
    for (size_t g = 0; g < n_groups; g++)
        sum[g] = _mm512_setzero_ps();
    for (; c + 8 <= s->d; c += 8) {
#pragma GCC unroll 3
        for (size_t g = 0; g < n_groups; g++) {
            __m512 a[8];

            turn_8(a, row[g], c, 0xff);
#pragma GCC unroll 8
            for (size_t i = 0; i < 8; i++)
                sum[g] = _mm512_fmadd_ps(_mm512_set1_ps(u[c + i]), a[i], sum[g]);
        }
    }
    for (size_t g = 0; c < s->d && g < n_groups; g++) {
        __m512 a[8];

        turn_8(a, row[g], c, (__mmask8)((1u << (s->d - c)) - 1));
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++)
            if (c + i < s->d)
                sum[g] = _mm512_fmadd_ps(_mm512_set1_ps(u[c + i]), a[i], sum[g]);
    }
}

/* Up to GROUPS groups. */
AVX512_INLINE void exact_some(float *restrict out, const struct shortlist *s, const float *restrict u,
                              const uint32_t *restrict idx, size_t n, size_t n_groups)
{
    __m512 sum[GROUPS];

    chains(sum, s, u, idx, n, n_groups);
#pragma GCC unroll 3
    for (size_t g = 0; g < n_groups; g++) {
        size_t at = g * LANES;
        __mmask16 in = lanes(n - at);
        __m512i to = _mm512_maskz_loadu_epi32(in, idx + at);
        __m512 b = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), in, to, s->bias, 4);

        _mm512_mask_storeu_ps(out + at, in, _mm512_add_ps(sum[g], b));
    }
}

AVX512 static void exact(float *restrict out, const struct shortlist *s, const float *restrict u,
                         const uint32_t *restrict idx, size_t n)
{
    for (; n > 3 * LANES; n -= 2 * LANES, out += 2 * LANES, idx += 2 * LANES)
        exact_some(out, s, u, idx, n, 2);
    if (n > 2 * LANES)
        exact_some(out, s, u, idx, n, 3);
    else if (n > LANES)
        exact_some(out, s, u, idx, n, 2);
    else if (n > 0)
        exact_some(out, s, u, idx, n, 1);
}

void shortlist_exact(real *restrict out, const struct shortlist *s, const real *restrict u,
                     const uint32_t *restrict idx, size_t n)
{
    exact(out, s, u, idx, n);
}

size_t shortlist_row(uint32_t *idx, real *val, struct shortlist *s, const real *z, const real *u,
                     size_t i, size_t k, bool positive, const struct topk_scratch *scratch)
{
    size_t g = topk_groups(s->f, k), n;
    float eps = error_of(s, i), t;

    if (eps < 0)
        return SIZE_MAX;
    lower_maxima(scratch->bound, s, z, eps, g);
    t = topk_bound(scratch->bound, g, k);
    if (positive && t < FLT_TRUE_MIN)
        t = FLT_TRUE_MIN;
    n = list(s, z, eps, t);
    if (n > CAP_K * k + LANES)
        return SIZE_MAX;
    exact(s->value, s, u, s->cand, n);
    n = topk_row(idx, val, s->value, NULL, n, k < n ? k : n, positive, scratch);
    for (size_t j = 0; n != SIZE_MAX && j < n; j++)
        idx[j] = s->cand[idx[j]];
    return n;
}
#else
bool shortlist_is_there(size_t f, size_t d, size_t k)
{
    (void)f, (void)d, (void)k;
    return false;
}

void shortlist_pack(struct shortlist *s, const real *w, const real *bias, size_t f, size_t d)
{
    (void)s, (void)w, (void)bias, (void)f, (void)d;
}

void shortlist_product(struct shortlist *s, real *z, const real *u, size_t n)
{
    (void)s, (void)z, (void)u, (void)n;
}

void shortlist_exact(real *restrict out, const struct shortlist *s, const real *restrict u,
                     const uint32_t *restrict idx, size_t n)
{
    (void)out, (void)s, (void)u, (void)idx, (void)n;
}

size_t shortlist_row(uint32_t *idx, real *val, struct shortlist *s, const real *z, const real *u,
                     size_t i, size_t k, bool positive, const struct topk_scratch *scratch)
{
    (void)idx, (void)val, (void)s, (void)z, (void)u, (void)i, (void)k, (void)positive, (void)scratch;
    return SIZE_MAX;
}
#endif
