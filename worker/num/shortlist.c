/* shortlist.c - see shortlist.h.  The error of an entry is at most eps_r reach_j plus what is in
 * up_j - lo_j; eps_r is made of the row's lengths.
 */
#include "worker/num/shortlist.h"

#include <float.h>
#include <math.h>

#include "worker/num/avx512.h"

#if HAS_AVX512
enum { MIN_F = 512, MIN_D = 32, CAP_K = 4 };

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
    s->longest = 0;
    bf16_pack(s->pairs, s->norm, w, f, d);
    for (size_t j = 0; j < f; j++) {
        float all = s->norm[j].all, share = s->norm[j].lost / all;
        float room = 4 * SUM_ROUNDING * fabsf(bias[j]) + vanished;

        s->reach[j] = all + 16 * TINY;
        s->up[j] = bias[j] + room;
        s->lo[j] = bias[j] - room;
        s->share = all > TINY && !(share <= s->share) ? share : s->share;
        s->longest = all <= s->longest ? s->longest : all;
    }
}

void shortlist_product(struct shortlist *s, real *z, const real *u, size_t n)
{
    bf16_mm_nt(z, s->row, u, s->pairs, n, s->f, s->d);
}

/* The row's factor of the error; negative: no bound is known. */
static float error_of(const struct shortlist *s, size_t i)
{
    float all = s->row[i].all * 1.01f; /* holds for the rounded row as well */
    float sums = 2 * SUM_ROUNDING * ((float)s->d + 64); /* of both chains */

    if (!(all < HUGE_NORM) || !(s->longest < HUGE_NORM))
        return -1;
    return (s->row[i].lost + (s->share * 1.01f + sums) * all) * 1.001f;
}

/* Maxima of g groups of lower bounds; false if something is not finite. */
AVX512 static bool lower_maxima(float *m, const struct shortlist *s, const float *z, float eps,
                                size_t g)
{
    const __m512 e = _mm512_set1_ps(eps);
    __m512 bad = _mm512_setzero_ps();
    size_t to = 0;

    for (size_t i = 0; i < g; i += LANES)
        _mm512_storeu_ps(m + i, _mm512_set1_ps(-INFINITY));
    for (size_t i = 0; i < s->f; i += LANES) {
        __mmask16 in = lanes(s->f - i);
        __m512 v = _mm512_add_ps(_mm512_maskz_loadu_ps(in, z + i), _mm512_maskz_loadu_ps(in, s->lo + i));
        __m512 most = _mm512_loadu_ps(m + to);

        v = _mm512_fnmadd_ps(e, _mm512_maskz_loadu_ps(in, s->reach + i), v);
        bad = _mm512_fmadd_ps(v, _mm512_setzero_ps(), bad);
        _mm512_storeu_ps(m + to, _mm512_mask_max_ps(most, in, most, v));
        to = to + LANES < g ? to + LANES : 0;
    }
    return _mm512_cmp_ps_mask(bad, bad, _CMP_UNORD_Q) == 0;
}

/* Entries whose upper bound is at least t. */
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

/* 16 chains, one a lane: 16 x 16 pieces of the listed rows are turned on the way. */
AVX512 static __m512 chains(const struct shortlist *s, const float *u, const uint32_t *idx, size_t n)
{
    const float *row[LANES];
    __m512 sum = _mm512_setzero_ps(), a[LANES];
    size_t c = 0;

    for (size_t i = 0; i < LANES; i++)
        row[i] = s->w + (size_t)idx[i < n ? i : 0] * s->d;
    for (; c + LANES <= s->d; c += LANES) {
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            a[i] = _mm512_loadu_ps(row[i] + c);
        turn16(a);
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            sum = _mm512_fmadd_ps(_mm512_set1_ps(u[c + (size_t)i]), a[i], sum);
    }
    if (c == s->d)
        return sum;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        a[i] = _mm512_maskz_loadu_ps(lanes(s->d - c), row[i] + c);
    turn16(a);
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        if (c + i < s->d)
            sum = _mm512_fmadd_ps(_mm512_set1_ps(u[c + i]), a[i], sum);
    return sum;
}

AVX512 static void exact(float *restrict out, const struct shortlist *s, const float *restrict u,
                         const uint32_t *restrict idx, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        __mmask16 in = lanes(n - i);
        __m512i at = _mm512_maskz_loadu_epi32(in, idx + i);
        __m512 b = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), in, at, s->bias, 4);

        _mm512_mask_storeu_ps(out + i, in, _mm512_add_ps(chains(s, u, idx + i, n - i), b));
    }
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

    if (eps < 0 || !lower_maxima(scratch->bound, s, z, eps, g))
        return SIZE_MAX;
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
