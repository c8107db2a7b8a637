/* rng.c - see rng.h. */
#include "common/rng.h"

#include <math.h>
#include <stdbool.h>

void rng_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;

        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* A bijection of 64 bits (the finaliser of splitmix64). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

struct rng rng_stream(uint64_t seed, const char *name)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a of the name */
    struct rng r = {0};

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    h = mix(mix(seed + 0x9e3779b97f4a7c15u) ^ h);
    r.key[0] = (uint32_t)h;
    r.key[1] = (uint32_t)(h >> 32);
    return r;
}

uint32_t rng_u32(struct rng *r)
{
    if (r->n_left == 0) {
        uint32_t counter[4] = {(uint32_t)r->block, (uint32_t)(r->block >> 32), 0, 0};

        rng_philox(r->out, counter, r->key);
        r->block++;
        r->n_left = 4;
    }
    return r->out[4 - r->n_left--];
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t low = rng_u32(r);

    return (uint64_t)rng_u32(r) << 32 | low;
}

double rng_f64(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *r)
{
    double radius, angle;

    if (r->has_normal) {
        r->has_normal = false;
        return r->normal;
    }
    radius = sqrt(-2 * log(1 - rng_f64(r))); /* 1 - u is in (0, 1] */
    angle = 2 * M_PI * rng_f64(r);
    r->normal = radius * sin(angle);
    r->has_normal = true;
    return radius * cos(angle);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    /* Lemire 2019 (arXiv:1805.10941): the high word of u * n, redrawn where biased. */
    __uint128_t m = (__uint128_t)rng_u64(r) * n;

    if ((uint64_t)m < n) {
        uint64_t limit = (0 - n) % n;

        while ((uint64_t)m < limit)
            m = (__uint128_t)rng_u64(r) * n;
    }
    return (uint64_t)(m >> 64);
}

void rng_perm(struct rng *r, uint32_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(r, i);
        uint32_t t = out[i - 1];

        out[i - 1] = out[j];
        out[j] = t;
    }
}
