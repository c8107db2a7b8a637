/* columns.c - see columns.h.
 *
 * The rank of a whole batch is found by bracketing it with a strided sample, counting once on either
 * side, and sorting out by bisection the few entries between: about four passes over the batch.
 */
#include "worker/num/columns.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "worker/num/isa.h"

#ifdef REAL_IS_DOUBLE
#define TINY DBL_TRUE_MIN
#else
#define TINY FLT_TRUE_MIN
#endif

enum { SAMPLE = KTH_SCRATCH / 2, BLOCK = 16 };

ISA_CLONES bool column_add(real *x, real b, size_t n)
{
    real bad = 0;

#pragma omp simd reduction(+ : bad)
    for (size_t i = 0; i < n; i++) {
        x[i] += b;
        bad += x[i] * 0;
    }
    return bad == 0;
}

/* --- rank ------------------------------------------------------------------------------------- */

static topk_key key_of(real x)
{
    topk_key k;

    memcpy(&k, &x, sizeof k);
    return k;
}

static real value_of(topk_key k)
{
    real x;

    memcpy(&x, &k, sizeof x);
    return x;
}

ISA_CLONES static size_t count_from(const real *x, size_t n, real t)
{
    size_t total = 0;

    for (size_t at = 0; at < n; at += 1 << 16) {
        size_t end = n - at < 1 << 16 ? n : at + (1 << 16);
        int32_t c = 0;

#pragma omp simd reduction(+ : c)
        for (size_t i = at; i < end; i++)
            c += x[i] >= t;
        total += (size_t)c;
    }
    return total;
}

static size_t count_keys(const topk_key *x, size_t n, topk_key t)
{
    size_t c = 0;

    for (size_t i = 0; i < n; i++)
        c += x[i] >= t;
    return c;
}

/* The largest t in [lo, hi) with at least `want` keys >= t; count(lo) >= want. */
static topk_key kth_key(const topk_key *key, size_t n, size_t want, topk_key lo, topk_key hi)
{
    while (hi - lo > 1) {
        topk_key mid = lo + (hi - lo) / 2;

        if (count_keys(key, n, mid) >= want)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* Keys of entries in [lo, hi), at most cap of them are stored; returns their number. */
ISA_CLONES static size_t between(topk_key *key, size_t cap, const real *x, size_t n, real lo,
                                 real hi)
{
    size_t found = 0;

    for (size_t at = 0; at < n; at += BLOCK) {
        size_t end = n - at < BLOCK ? n : at + BLOCK;
        int any = 0;

#pragma omp simd reduction(+ : any)
        for (size_t i = at; i < end; i++)
            any += x[i] >= lo && x[i] < hi;
        for (size_t i = at; any && i < end; i++)
            if (x[i] >= lo && x[i] < hi) {
                if (found < cap)
                    key[found] = key_of(x[i]);
                found++;
            }
    }
    return found;
}

struct bracket {
    topk_key lo, hi;   /* count(lo) >= want > count(hi) */
    size_t n_lo, n_hi; /* those counts */
};

static void narrow(struct bracket *b, topk_key at, const real *x, size_t n, size_t want)
{
    if (at <= b->lo || at >= b->hi)
        return;
    size_t c = count_from(x, n, value_of(at));
    if (c >= want) {
        b->lo = at;
        b->n_lo = c;
    } else {
        b->hi = at;
        b->n_hi = c;
    }
}

/* Ranks of a sample a few standard deviations to either side of the one wanted. */
static void narrow_by_sample(struct bracket *b, const real *x, size_t n, size_t want,
                             topk_key *key)
{
    size_t stride = n / SAMPLE | 1, taken = 0, m = 0;
    double rank, slack;

    for (size_t i = 0; i < n && taken < SAMPLE; i += stride, taken++)
        if (x[i] > 0)
            key[m++] = key_of(x[i]);
    rank = (double)want * (double)taken / (double)n;
    slack = 4 * sqrt(rank) + 4;
    if (rank + slack < (double)m)
        narrow(b, kth_key(key, m, (size_t)(rank + slack), b->lo, b->hi), x, n, want);
    if (rank - slack >= 1)
        narrow(b, kth_key(key, m, (size_t)(rank - slack), b->lo, b->hi), x, n, want);
}

real kth_positive(size_t *n_ties, const real *x, size_t n, size_t want, topk_key *scratch)
{
    struct bracket b = {key_of(TINY), key_of(INFINITY), count_from(x, n, TINY), 0};
    size_t m;
    topk_key kth;

    *n_ties = n;
    if (b.n_lo <= want)
        return TINY;
    if (n > KTH_SCRATCH)
        narrow_by_sample(&b, x, n, want, scratch);
    while (b.n_lo - b.n_hi > KTH_SCRATCH && b.hi - b.lo > 1)
        narrow(&b, b.lo + (b.hi - b.lo) / 2, x, n, want);
    if (b.hi - b.lo <= 1) {
        *n_ties = want - b.n_hi;
        return value_of(b.lo);
    }
    m = between(scratch, KTH_SCRATCH, x, n, value_of(b.lo), value_of(b.hi));
    kth = kth_key(scratch, m, want - b.n_hi, b.lo, b.hi);
    *n_ties = want - b.n_hi - count_keys(scratch, m, kth + 1);
    return value_of(kth);
}
