/* topk.c - see topk.h.
 *
 * With G >= k groups, the k-th largest group maximum is a lower bound of the k-th largest entry,
 * since k groups hold an entry that large.  The bound is found by bisection, entries above it are
 * gathered, and among them the k-th key is found by bisection on integers.
 */
#include "worker/num/topk.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "worker/num/isa.h"

#if ISA_HAS_CLONES && !defined(REAL_IS_DOUBLE)
#include <immintrin.h>
#endif

#ifdef REAL_IS_DOUBLE
#define TINY DBL_TRUE_MIN
#else
#define TINY FLT_TRUE_MIN
#endif

enum { BOUND_STEPS = 12 };

static topk_key key_of(real x)
{
    topk_key k;

    memcpy(&k, &x, sizeof k);
    return k >= 0 ? k : k ^ (topk_key)((((uint64_t)1 << (8 * sizeof k - 1)) - 1));
}

ISA_CLONES static bool add_bias(real *restrict z, const real *restrict bias, size_t f)
{
    real bad = 0;

    if (!bias) {
#pragma omp simd reduction(+ : bad)
        for (size_t i = 0; i < f; i++)
            bad += z[i] * 0;
        return bad == 0;
    }
#pragma omp simd reduction(+ : bad)
    for (size_t i = 0; i < f; i++) {
        z[i] += bias[i];
        bad += z[i] * 0;
    }
    return bad == 0;
}

ISA_CLONES static void group_maxima(real *restrict m, const real *restrict z, size_t f, size_t g)
{
    memcpy(m, z, g * sizeof *m);
    for (size_t at = g; at < f; at += g) {
        size_t n = f - at < g ? f - at : g;
        const real *restrict row = z + at;

#pragma omp simd
        for (size_t i = 0; i < n; i++)
            m[i] = row[i] > m[i] ? row[i] : m[i];
    }
}

ISA_CLONES static int32_t count_above(const real *x, size_t n, real t)
{
    int32_t c = 0;

#pragma omp simd reduction(+ : c)
    for (size_t i = 0; i < n; i++)
        c += x[i] >= t;
    return c;
}

ISA_CLONES static int64_t count_keys(const topk_key *x, size_t n, topk_key t)
{
    topk_key c = 0;

#pragma omp simd reduction(+ : c)
    for (size_t i = 0; i < n; i++)
        c += x[i] >= t;
    return c;
}

/* A number with at least k entries of z at or above it, and not many more. */
static real lower_bound(const real *z, size_t f, size_t k, real *m)
{
    size_t g = (4 * k + 15) / 16 * 16;
    real lo, hi;

    if (2 * g > f)
        return -INFINITY;
    group_maxima(m, z, f, g);
    lo = hi = m[0];
    for (size_t i = 1; i < g; i++) {
        lo = m[i] < lo ? m[i] : lo;
        hi = m[i] > hi ? m[i] : hi;
    }
    for (int step = 0; step < BOUND_STEPS; step++) {
        real mid = lo + (hi - lo) / 2;

        if (count_above(m, g, mid) >= (int32_t)k)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

static size_t gather_base(uint32_t *cand, const real *z, size_t f, real t)
{
    size_t n = 0;

    for (size_t i = 0; i < f; i++) {
        cand[n] = (uint32_t)i;
        n += z[i] >= t;
    }
    return n;
}

#if ISA_HAS_CLONES && !defined(REAL_IS_DOUBLE)
/* The same list, sixteen entries at a time; cand has TOPK_SLACK entries to spare. */
__attribute__((target("avx512f"))) static size_t gather_avx512(uint32_t *cand, const real *z,
                                                               size_t f, real t)
{
    const __m512 bound = _mm512_set1_ps(t);
    __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i step = _mm512_set1_epi32(16);
    size_t n = 0;

    for (size_t i = 0; i < f; i += 16) {
        __mmask16 in = f - i >= 16 ? 0xffff : (__mmask16)((1u << (f - i)) - 1);
        __m512 v = _mm512_maskz_loadu_ps(in, z + i);
        __mmask16 hit = _mm512_mask_cmp_ps_mask(in, v, bound, _CMP_GE_OQ);

        _mm512_storeu_si512(cand + n, _mm512_maskz_compress_epi32(hit, at));
        n += (size_t)__builtin_popcount(hit);
        at = _mm512_add_epi32(at, step);
    }
    return n;
}
#endif

size_t topk_gather(uint32_t *cand, const real *z, size_t f, real t)
{
#if ISA_HAS_CLONES && !defined(REAL_IS_DOUBLE)
    if (__builtin_cpu_supports("avx512f"))
        return gather_avx512(cand, z, f, t);
#endif
    return gather_base(cand, z, f, t);
}

/* The k-th largest of n > k keys: the largest t with at least k keys >= t. */
static topk_key kth_key(const topk_key *key, size_t n, size_t k)
{
    topk_key lo = key[0], hi = key[0];

    for (size_t i = 1; i < n; i++) {
        lo = key[i] < lo ? key[i] : lo;
        hi = key[i] > hi ? key[i] : hi;
    }
    while (lo < hi) { /* count(>= lo) >= k, count(>= hi + 1) < k */
        uint64_t gap = (uint64_t)hi - (uint64_t)lo;
        topk_key mid = (topk_key)((uint64_t)lo + gap / 2 + (gap & 1));
        int64_t c = count_keys(key, n, mid);

        if (c == (int64_t)k)
            return mid;
        if (c > (int64_t)k)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

size_t topk_row(uint32_t *idx, real *val, real *z, const real *bias, size_t f, size_t k,
                bool positive, const struct topk_scratch *s)
{
    real t;
    size_t n, out = 0, above, ties;
    topk_key kth;

    if (!add_bias(z, bias, f))
        return SIZE_MAX;
    t = lower_bound(z, f, k, s->bound);
    if (positive && t < TINY)
        t = TINY;
    n = topk_gather(s->cand, z, f, t);
    if (n <= k) {
        for (size_t i = 0; i < n; i++) {
            idx[i] = s->cand[i];
            val[i] = z[s->cand[i]];
        }
        return n;
    }
    for (size_t i = 0; i < n; i++)
        s->key[i] = key_of(z[s->cand[i]]);
    kth = kth_key(s->key, n, k);
    above = (size_t)count_keys(s->key, n, kth);
    ties = 0; /* keys equal to the k-th that are left out, from the end */
    while (above > k) {
        above--;
        ties++;
    }
    for (size_t i = n; ties > 0 && i-- > 0;)
        if (s->key[i] == kth) {
            s->cand[i] = UINT32_MAX;
            ties--;
        }
    for (size_t i = 0; i < n; i++)
        if (s->key[i] >= kth && s->cand[i] != UINT32_MAX) {
            idx[out] = s->cand[i];
            val[out++] = z[s->cand[i]];
        }
    return out;
}
