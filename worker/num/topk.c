/* topk.c - see topk.h.
 *
 * With G >= k groups, the k-th largest group maximum is a lower bound of the k-th largest entry,
 * since k groups hold an entry that large.  The bound is found by bisection until little more than
 * k maxima are above it, entries above it are gathered, and among them the k-th key is found by
 * bisection on integers.  The AVX-512 half does the same sixteen entries at a time.
 */
#include "worker/num/topk.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "worker/num/avx512.h"

#ifdef REAL_IS_DOUBLE
#define TINY DBL_TRUE_MIN
#else
#define TINY FLT_TRUE_MIN
#endif

enum { BOUND_STEPS = 12, GROUP = 16, BLOCK = 8 };

size_t topk_groups(size_t f, size_t k)
{
    size_t g = (4 * k + GROUP - 1) / GROUP * GROUP;

    return 2 * g > f ? 0 : g;
}

static topk_key key_of(real x)
{
    topk_key k;

    memcpy(&k, &x, sizeof k);
    return k >= 0 ? k : k ^ (topk_key)((((uint64_t)1 << (8 * sizeof k - 1)) - 1));
}

/* z += bias; false if something is not finite. */
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

/* A number with at least k of the maxima at or above it, and not many more. */
static real lower_bound(const real *m, size_t g, size_t k)
{
    real lo = m[0], hi = m[0];

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

/* Few entries are hits, so most blocks have none. */
ISA_CLONES static size_t gather_base(uint32_t *cand, const real *z, size_t f, real t)
{
    size_t n = 0, at = 0;

    for (; at + BLOCK <= f; at += BLOCK) {
        int32_t any = 0;

#pragma omp simd reduction(| : any)
        for (size_t i = 0; i < BLOCK; i++)
            any |= z[at + i] >= t;
        for (size_t i = at; any && i < at + BLOCK; i++) {
            cand[n] = (uint32_t)i;
            n += z[i] >= t;
        }
    }
    for (; at < f; at++) {
        cand[n] = (uint32_t)at;
        n += z[at] >= t;
    }
    return n;
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

/* The candidates with keys >= kth, save `ties` of the last that are equal to it. */
static size_t emit(uint32_t *idx, real *val, const real *z, size_t n, topk_key kth, size_t ties,
                   const struct topk_scratch *s)
{
    size_t out = 0;

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

static size_t emit_all(uint32_t *idx, real *val, const real *z, size_t n, const uint32_t *cand)
{
    for (size_t i = 0; i < n; i++) {
        idx[i] = cand[i];
        val[i] = z[cand[i]];
    }
    return n;
}

static size_t row_base(uint32_t *idx, real *val, real *z, const real *bias, size_t f, size_t k,
                       bool positive, const struct topk_scratch *s)
{
    size_t g = topk_groups(f, k), n;
    real t = -INFINITY;
    topk_key kth;

    if (!add_bias(z, bias, f))
        return SIZE_MAX;
    if (g > 0) {
        group_maxima(s->bound, z, f, g);
        t = lower_bound(s->bound, g, k);
    }
    if (positive && t < TINY)
        t = TINY;
    n = gather_base(s->cand, z, f, t);
    if (n <= k)
        return emit_all(idx, val, z, n, s->cand);
    for (size_t i = 0; i < n; i++)
        s->key[i] = key_of(z[s->cand[i]]);
    kth = kth_key(s->key, n, k);
    return emit(idx, val, z, n, kth, (size_t)count_keys(s->key, n, kth) - k, s);
}

#if HAS_AVX512
/* One pass: z += bias, the maxima of g groups (g 0: none), and whether all is finite. */
AVX512_INLINE bool scan_avx512(float *m, float *z, const float *bias, size_t f, size_t g)
{
    __m512 bad = _mm512_setzero_ps();
    size_t to = 0;

    for (size_t i = 0; i < g; i += LANES)
        _mm512_storeu_ps(m + i, _mm512_set1_ps(-INFINITY));
    for (size_t i = 0; i < f; i += LANES) {
        __mmask16 in = lanes(f - i);
        __m512 v = _mm512_maskz_loadu_ps(in, z + i);

        if (bias) {
            v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(in, bias + i));
            _mm512_mask_storeu_ps(z + i, in, v);
        }
        bad = _mm512_fmadd_ps(v, _mm512_setzero_ps(), bad);
        if (g > 0) {
            __m512 most = _mm512_loadu_ps(m + to);

            _mm512_storeu_ps(m + to, _mm512_mask_max_ps(most, in, most, v));
            to = to + LANES < g ? to + LANES : 0;
        }
    }
    return _mm512_cmp_ps_mask(bad, bad, _CMP_UNORD_Q) == 0;
}

AVX512_INLINE float bound_avx512(const float *m, size_t g, size_t k)
{
    __m512 least = _mm512_loadu_ps(m), most = least;
    float lo, hi;

    for (size_t i = LANES; i < g; i += LANES) {
        least = _mm512_min_ps(least, _mm512_loadu_ps(m + i));
        most = _mm512_max_ps(most, _mm512_loadu_ps(m + i));
    }
    lo = _mm512_reduce_min_ps(least);
    hi = _mm512_reduce_max_ps(most);
    for (int step = 0; step < BOUND_STEPS; step++) {
        float mid = lo + (hi - lo) / 2;
        __m512 t = _mm512_set1_ps(mid);
        size_t n = 0;

        for (size_t i = 0; i < g; i += LANES)
            n += (size_t)__builtin_popcount(
                _mm512_cmp_ps_mask(_mm512_loadu_ps(m + i), t, _CMP_GE_OQ));
        if (n >= k)
            lo = mid;
        else
            hi = mid;
        if (n >= k && n <= k + k / 8)
            break;
    }
    return lo;
}

/* cand has TOPK_SLACK entries to spare. */
AVX512_INLINE size_t gather_avx512(uint32_t *cand, const float *z, size_t f, float t)
{
    const __m512 bound = _mm512_set1_ps(t);
    __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t n = 0;

    for (size_t i = 0; i < f; i += LANES) {
        __mmask16 in = lanes(f - i);
        __mmask16 hit = _mm512_mask_cmp_ps_mask(in, _mm512_maskz_loadu_ps(in, z + i), bound,
                                                _CMP_GE_OQ);

        _mm512_storeu_si512(cand + n, _mm512_maskz_compress_epi32(hit, at));
        n += (size_t)__builtin_popcount(hit);
        at = _mm512_add_epi32(at, _mm512_set1_epi32(LANES));
    }
    return n;
}

/* Keys of the candidates; their range in lo and hi. */
AVX512_INLINE void keys_avx512(const struct topk_scratch *s, const float *z, size_t n, int32_t *lo,
                        int32_t *hi)
{
    __m512i least = _mm512_set1_epi32(INT32_MAX), most = _mm512_set1_epi32(INT32_MIN);

    for (size_t i = 0; i < n; i += LANES) {
        __mmask16 in = lanes(n - i);
        __m512i at = _mm512_maskz_loadu_epi32(in, s->cand + i);
        __m512i v = _mm512_mask_i32gather_epi32(least, in, at, z, 4);
        __m512i sign = _mm512_srai_epi32(v, 31);

        v = _mm512_xor_si512(v, _mm512_srli_epi32(sign, 1));
        _mm512_mask_storeu_epi32(s->key + i, in, v);
        least = _mm512_mask_min_epi32(least, in, least, v);
        most = _mm512_mask_max_epi32(most, in, most, v);
    }
    *lo = _mm512_reduce_min_epi32(least);
    *hi = _mm512_reduce_max_epi32(most);
}

AVX512_INLINE size_t count_avx512(const int32_t *key, size_t n, int32_t t)
{
    const __m512i bound = _mm512_set1_epi32(t);
    size_t c = 0;

    for (size_t i = 0; i < n; i += LANES) {
        __mmask16 in = lanes(n - i);

        c += (size_t)__builtin_popcount(_mm512_mask_cmpge_epi32_mask(
            in, _mm512_maskz_loadu_epi32(in, key + i), bound));
    }
    return c;
}

/* Those of n candidates with keys >= kth, of which there are no more than idx and val hold. */
AVX512_INLINE size_t emit_avx512(uint32_t *idx, float *val, const float *z, size_t n, int32_t kth,
                          const struct topk_scratch *s)
{
    const __m512i bound = _mm512_set1_epi32(kth);
    size_t out = 0;

    for (size_t i = 0; i < n; i += LANES) {
        __mmask16 in = lanes(n - i);
        __m512i at = _mm512_maskz_loadu_epi32(in, s->cand + i);
        __mmask16 hit = _mm512_mask_cmpge_epi32_mask(
            in, _mm512_maskz_loadu_epi32(in, s->key + i), bound);
        size_t c = (size_t)__builtin_popcount(hit);
        __m512i kept = _mm512_maskz_compress_epi32(hit, at);

        _mm512_mask_storeu_epi32(idx + out, lanes(c), kept);
        _mm512_mask_storeu_ps(
            val + out, lanes(c),
            _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes(c), kept, z, 4));
        out += c;
    }
    return out;
}

AVX512 static size_t row_avx512(uint32_t *idx, float *val, float *z, const float *bias, size_t f,
                                size_t k, bool positive, const struct topk_scratch *s)
{
    size_t g = topk_groups(f, k), n, above = 0;
    float t = -INFINITY;
    int32_t lo, hi;

    if (!scan_avx512(s->bound, z, bias, f, g))
        return SIZE_MAX;
    if (g > 0)
        t = bound_avx512(s->bound, g, k);
    if (positive && t < TINY)
        t = TINY;
    n = gather_avx512(s->cand, z, f, t);
    if (n <= k)
        return emit_all(idx, val, z, n, s->cand);
    keys_avx512(s, z, n, &lo, &hi);
    while (lo < hi && above != k) { /* count(>= lo) >= k, count(>= hi + 1) < k */
        int32_t mid = (int32_t)((int64_t)lo + ((int64_t)hi - lo + 1) / 2);

        above = count_avx512(s->key, n, mid);
        if (above >= k)
            lo = mid;
        else
            hi = mid - 1;
    }
    above = count_avx512(s->key, n, lo);
    return above == k ? emit_avx512(idx, val, z, n, lo, s) : emit(idx, val, z, n, lo, above - k, s);
}

/* As topk_row() of `value`, of which n > 0 are there; entries are named by cand. */
AVX512 static size_t pick_avx512(uint32_t *idx, float *val, const uint32_t *cand, const float *value,
                                 size_t n, size_t k, bool positive, int32_t *key)
{
    __m512 bad = _mm512_setzero_ps();
    __m512i least = _mm512_set1_epi32(INT32_MAX), most = _mm512_set1_epi32(INT32_MIN);
    size_t above = SIZE_MAX, ties = 0, out = 0;

    for (size_t i = 0; i < n; i += LANES) {
        __mmask16 in = lanes(n - i);
        __m512 x = _mm512_maskz_loadu_ps(in, value + i);
        __m512i v = _mm512_castps_si512(x);

        bad = _mm512_fmadd_ps(x, _mm512_setzero_ps(), bad);
        v = _mm512_xor_si512(v, _mm512_srli_epi32(_mm512_srai_epi32(v, 31), 1));
        v = _mm512_mask_mov_epi32(_mm512_set1_epi32(INT32_MIN), in, v);
        _mm512_storeu_si512(key + i, v);
        least = _mm512_mask_min_epi32(least, in, least, v);
        most = _mm512_max_epi32(most, v);
    }
    if (_mm512_cmp_ps_mask(bad, bad, _CMP_UNORD_Q) != 0)
        return SIZE_MAX;
    int32_t lo = _mm512_reduce_min_epi32(least), hi = _mm512_reduce_max_epi32(most);
    size_t whole = (n + LANES - 1) / LANES * LANES;

    lo = positive && lo < 1 ? 1 : lo;
    if (hi < lo)
        return 0;
    if (n <= k || count_avx512(key, whole, lo) <= k)
        hi = lo;
    while (lo < hi && above != k) { /* count(>= lo) >= k, count(>= hi + 1) < k */
        int32_t mid = (int32_t)((int64_t)lo + ((int64_t)hi - lo + 1) / 2);

        above = count_avx512(key, whole, mid);
        if (above >= k)
            lo = mid;
        else
            hi = mid - 1;
    }
    above = count_avx512(key, whole, lo);
    ties = above > k ? above - k : 0;
    for (size_t i = n; ties > 0 && i-- > 0;) /* the last of those equal to the k-th go */
        if (key[i] == lo) {
            key[i] = INT32_MIN;
            ties--;
        }
    for (size_t i = 0; i < n; i += LANES) {
        __mmask16 hit = _mm512_cmpge_epi32_mask(_mm512_loadu_si512(key + i), _mm512_set1_epi32(lo));
        size_t c = (size_t)__builtin_popcount(hit);

        _mm512_mask_storeu_epi32(idx + out, lanes(c),
                                 _mm512_maskz_compress_epi32(hit, _mm512_loadu_si512(cand + i)));
        _mm512_mask_storeu_ps(val + out, lanes(c),
                              _mm512_maskz_compress_ps(hit, _mm512_loadu_ps(value + i)));
        out += c;
    }
    return out;
}

AVX512 static float bound_call(const float *m, size_t g, size_t k)
{
    return bound_avx512(m, g, k);
}

AVX512 static size_t gather_call(uint32_t *cand, const float *z, size_t f, float t)
{
    return gather_avx512(cand, z, f, t);
}
#endif

real topk_bound(const real *m, size_t g, size_t k)
{
#if HAS_AVX512
    if (__builtin_cpu_supports("avx512f"))
        return bound_call(m, g, k);
#endif
    return lower_bound(m, g, k);
}

size_t topk_gather(uint32_t *cand, const real *z, size_t f, real t)
{
#if HAS_AVX512
    if (__builtin_cpu_supports("avx512f"))
        return gather_call(cand, z, f, t);
#endif
    return gather_base(cand, z, f, t);
}

size_t topk_row(uint32_t *idx, real *val, real *z, const real *bias, size_t f, size_t k,
                bool positive, const struct topk_scratch *s)
{
#if HAS_AVX512
    if (__builtin_cpu_supports("avx512f"))
        return row_avx512(idx, val, z, bias, f, k, positive, s);
#endif
    return row_base(idx, val, z, bias, f, k, positive, s);
}

size_t topk_pick(uint32_t *idx, real *val, const uint32_t *cand, real *value, size_t n, size_t k,
                 bool positive, const struct topk_scratch *s)
{
    size_t found;

#if HAS_AVX512
    if (n > 0 && __builtin_cpu_supports("avx512f"))
        return pick_avx512(idx, val, cand, value, n, k, positive, s->key);
#endif
    found = n > 0 ? topk_row(idx, val, value, NULL, n, k < n ? k : n, positive, s) : 0;
    for (size_t j = 0; found != SIZE_MAX && j < found; j++)
        idx[j] = cand[idx[j]];
    return found;
}
