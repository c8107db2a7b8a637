/* shortlist.c - see shortlist.h.  A product is off by at most eps_r reach_j plus what is in
 * up_j - lo_j; eps_r is made of the row's lengths.
 */
#include "worker/num/shortlist.h"

#include <float.h>
#include <math.h>

#include "worker/num/avx512.h"
#include "worker/num/sparse.h"

#if HAS_AVX512
enum { MIN_F = 512, MIN_D = 32, CAP_K = 4, WIDE = 8 };

static const float HUGE_NORM = 1e18f; /* products of longer rows might overflow */
/* A row shorter than this does not know its own share, which is 1/512 at most: it counts with 16 times
 * its length and LEAST_SHARE. */
static const float TINY = 4e-15f, LEAST_SHARE = 1.0f / 8192;
static const float SUM_ROUNDING = 1.0f / (1 << 23); /* of an addition; in theory half of it */

bool shortlist_is_there(size_t f, size_t d, size_t k)
{
    return f >= MIN_F && d >= MIN_D && topk_groups(f, k) > 0 && __builtin_cpu_supports("avx512f");
}

/* Bounds of all features, once norm is there. */
AVX512 static void reaches(struct shortlist *s, const real *w, const real *bias, size_t f, size_t d)
{
    float vanished = (float)d * FLT_MIN * 8; /* products and sums that are flushed to zero */
    float most = LEAST_SHARE, *restrict reach = s->reach, *restrict up = s->up, *restrict lo = s->lo;
    const struct bf16_norm *restrict norm = s->norm;
    int32_t wild = 0;

    s->f = f;
    s->d = d;
    s->w = w;
    s->bias = bias;
#pragma omp simd reduction(max : most) reduction(+ : wild)
    for (size_t j = 0; j < f; j++) {
        float all = norm[j].all, share = all > TINY ? norm[j].lost / all : 0, b = bias[j];
        float room = 4 * SUM_ROUNDING * (b < 0 ? -b : b) + vanished;

        reach[j] = all + 16 * TINY;
        up[j] = b + room;
        lo[j] = b - room;
        most = share > most ? share : most;
        wild += !(all < HUGE_NORM) | !(b < HUGE_NORM) | !(b > -HUGE_NORM);
    }
    s->share = most;
    s->is_bounded = wild == 0;
}

/* Upper bounds of lengths; nothing is lost to bfloat16. */
AVX512 static void lengths(struct bf16_norm *norm, const float *x, size_t n, size_t d)
{
    for (size_t i = 0; i < n; i++, x += d) {
        __m512 sum = _mm512_setzero_ps();

        for (size_t c = 0; c < d; c += LANES) {
            __m512 v = _mm512_maskz_loadu_ps(lanes(d - c), x + c);

            sum = _mm512_fmadd_ps(v, v, sum);
        }
        norm[i] = (struct bf16_norm){sqrtf(_mm512_reduce_add_ps(sum)) * 1.001f + 1e-15f, 0};
    }
}

void shortlist_pack(struct shortlist *s, const real *w, const real *bias, size_t f, size_t d)
{
    bf16_pack(s->pairs, s->norm, w, f, d);
    reaches(s, w, bias, f, d);
}

void shortlist_pack_float(struct shortlist *s, const real *w, const real *bias, size_t f, size_t d)
{
    lengths(s->norm, w, f, d);
    reaches(s, w, bias, f, d);
}

void shortlist_product(struct shortlist *s, real *z, const real *u, size_t n)
{
    bf16_mm_nt(z, s->row, u, s->pairs, n, s->f, s->d);
}

void shortlist_rows_float(struct shortlist *s, const real *u, size_t n)
{
    lengths(s->row, u, n, s->d);
}

/* The row's factor of the error; negative: no bound is known, or something is not finite. */
static float error_of(const struct shortlist *s, size_t i, bool is_float)
{
    float all = s->row[i].all * 1.01f; /* holds for the rounded row as well */
    float sums = 2 * SUM_ROUNDING * ((float)s->d + 64); /* of the product and the exact value */

    if (!(all < HUGE_NORM) || !s->is_bounded)
        return -1;
    return is_float ? sums * all : (s->row[i].lost + (s->share * 1.01f + sums) * all) * 1.001f;
}

/* What bounds are made of, in locals: what is stored through a pointer cannot change it. */
struct bounds {
    const float *z, *add, *reach; /* [f] products, lo or up, reach */
    __m512 eps;
    size_t f;
};

/* Lower bounds of 16 entries from the i-th on: z + lo - eps reach. */
AVX512_INLINE __m512 lower(const struct bounds *b, size_t i, __mmask16 in)
{
    __m512 v = _mm512_add_ps(_mm512_maskz_loadu_ps(in, b->z + i), _mm512_maskz_loadu_ps(in, b->add + i));

    return _mm512_fnmadd_ps(b->eps, _mm512_maskz_loadu_ps(in, b->reach + i), v);
}

/* Maxima of g groups of lower bounds.  Group i holds every g-th entry from the i-th on; up to 128
 * groups at a time stay in registers. */
AVX512 static void lower_maxima(float *restrict m, const struct shortlist *s, const float *restrict z,
                                float eps, size_t g)
{
    const struct bounds b = {z, s->lo, s->reach, _mm512_set1_ps(eps), s->f};
    const __m512 least = _mm512_set1_ps(-INFINITY);

    for (size_t from = 0; from < g; from += WIDE * LANES) {
        size_t wide = (g - from) / LANES < WIDE ? (g - from) / LANES : WIDE;
        __m512 most[WIDE] = {least, least, least, least, least, least, least, least};
        size_t at = from;

        for (; wide == WIDE && at + WIDE * LANES <= b.f; at += g)
#pragma GCC unroll 8
            for (size_t i = 0; i < WIDE; i++)
                most[i] = _mm512_max_ps(most[i], lower(&b, at + i * LANES, 0xffff));
#pragma GCC unroll 8
        for (size_t i = 0; i < WIDE; i++)
            if (i < wide)
                _mm512_storeu_ps(m + from + i * LANES, most[i]);
        for (; at < b.f; at += g)
            for (size_t i = 0; i < wide && at + i * LANES < b.f; i++) {
                float *to = m + from + i * LANES;
                __mmask16 in = lanes(b.f - at - i * LANES);
                __m512 was = _mm512_loadu_ps(to);

                _mm512_storeu_ps(to, _mm512_mask_max_ps(was, in, was, lower(&b, at + i * LANES, in)));
            }
    }
}

/* Lanes of entries from the i-th on whose upper bound, z + up + eps reach, is at least t. */
AVX512_INLINE __mmask16 hits(const struct bounds *b, __m512 t, size_t i, __mmask16 in)
{
    __m512 v = _mm512_add_ps(_mm512_maskz_loadu_ps(in, b->z + i), _mm512_maskz_loadu_ps(in, b->add + i));

    v = _mm512_fmadd_ps(b->eps, _mm512_maskz_loadu_ps(in, b->reach + i), v);
    return _mm512_mask_cmp_ps_mask(in, v, t, _CMP_GE_OQ);
}

/* Entries whose upper bound is at least t; the list has TOPK_SLACK entries to spare. */
AVX512 static size_t list(uint32_t *restrict cand, const struct shortlist *s, const float *restrict z,
                          float eps, float t)
{
    const struct bounds b = {z, s->up, s->reach, _mm512_set1_ps(eps), s->f};
    const __m512 bound = _mm512_set1_ps(t);
    __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t n = 0, i = 0;

    for (; i + LANES <= b.f; i += LANES) {
        __mmask16 hit = hits(&b, bound, i, 0xffff);

        _mm512_storeu_si512(cand + n, _mm512_maskz_compress_epi32(hit, at));
        n += (size_t)__builtin_popcount(hit);
        at = _mm512_add_epi32(at, _mm512_set1_epi32(LANES));
    }
    if (i < b.f) {
        __mmask16 hit = hits(&b, bound, i, lanes(b.f - i));

        _mm512_storeu_si512(cand + n, _mm512_maskz_compress_epi32(hit, at));
        n += (size_t)__builtin_popcount(hit);
    }
    return n;
}

void shortlist_exact(real *restrict out, const struct shortlist *s, const real *restrict u,
                     const uint32_t *restrict idx, size_t n)
{
    sparse_dots(out, u, s->w, idx, n, s->d);
    for (size_t i = 0; i < n; i++)
        out[i] += s->bias[idx[i]];
}

static size_t list_all(uint32_t *cand, size_t f)
{
    for (size_t i = 0; i < f; i++)
        cand[i] = (uint32_t)i;
    return f;
}

size_t shortlist_row(uint32_t *idx, real *val, struct shortlist *s, const real *z, const real *u,
                     size_t i, size_t k, bool positive, bool is_float,
                     const struct topk_scratch *scratch)
{
    size_t g = topk_groups(s->f, k), n;
    float eps = error_of(s, i, is_float), t;

    if (eps < 0 && !is_float)
        return SIZE_MAX;
    if (eps >= 0) {
        lower_maxima(scratch->bound, s, z, eps, g);
        t = topk_bound(scratch->bound, g, k);
        if (positive && t < FLT_TRUE_MIN)
            t = FLT_TRUE_MIN;
        n = list(s->cand, s, z, eps, t);
        if (n > CAP_K * k + LANES && !is_float)
            return SIZE_MAX;
    } else
        n = list_all(s->cand, s->f);
    shortlist_exact(s->value, s, u, s->cand, n);
    return topk_pick(idx, val, s->cand, s->value, n, k, positive, scratch);
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

void shortlist_pack_float(struct shortlist *s, const real *w, const real *bias, size_t f, size_t d)
{
    (void)s, (void)w, (void)bias, (void)f, (void)d;
}

void shortlist_product(struct shortlist *s, real *z, const real *u, size_t n)
{
    (void)s, (void)z, (void)u, (void)n;
}

void shortlist_rows_float(struct shortlist *s, const real *u, size_t n)
{
    (void)s, (void)u, (void)n;
}

void shortlist_exact(real *restrict out, const struct shortlist *s, const real *restrict u,
                     const uint32_t *restrict idx, size_t n)
{
    (void)out, (void)s, (void)u, (void)idx, (void)n;
}

size_t shortlist_row(uint32_t *idx, real *val, struct shortlist *s, const real *z, const real *u,
                     size_t i, size_t k, bool positive, bool is_float,
                     const struct topk_scratch *scratch)
{
    (void)idx, (void)val, (void)s, (void)z, (void)u, (void)i, (void)k, (void)positive, (void)is_float,
        (void)scratch;
    return SIZE_MAX;
}
#endif
