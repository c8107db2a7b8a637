/* rng_compat.c - see rng_compat.h. */
#include "common/rng_compat.h"

#include <math.h>
#include <string.h>

enum { MT_N = 624, MT_M = 397 };

/* --- MT19937, Matsumoto and Nishimura 1998 ------------------------------------------------ */

void mt_seed(struct mt19937 *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    g->mt[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < MT_N; i++)
        g->mt[i] = 1812433253u * (g->mt[i - 1] ^ (g->mt[i - 1] >> 30)) + i;
    g->i = MT_N;
}

static void mt_twist(struct mt19937 *g)
{
    for (int i = 0; i < MT_N; i++) {
        uint32_t y = (g->mt[i] & 0x80000000u) | (g->mt[(i + 1) % MT_N] & 0x7fffffffu);

        g->mt[i] = g->mt[(i + MT_M) % MT_N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    g->i = 0;
}

uint32_t mt_u32(struct mt19937 *g)
{
    uint32_t y;

    if (g->i == MT_N)
        mt_twist(g);
    y = g->mt[g->i++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

float mt_uniform(struct mt19937 *g)
{
    return (float)(mt_u32(g) & 0xffffffu) * 0x1p-24f;
}

/* 53 bits from two draws, the first being the high word. */
static double mt_uniform53(struct mt19937 *g)
{
    uint64_t high = mt_u32(g);
    uint64_t bits = (high << 32 | mt_u32(g)) & ((1ull << 53) - 1);

    return (double)bits * 0x1p-53;
}

/* Box-Muller in place on 16 uniforms, in float32 as torch does for 16 values and more. */
static void normal_16(float *x)
{
    for (int j = 0; j < 8; j++) {
        float radius = sqrtf(-2 * logf(1 - x[j]));
        float angle = (float)(2 * M_PI) * x[j + 8];

        x[j] = radius * cosf(angle);
        x[j + 8] = radius * sinf(angle);
    }
}

static float normal_double(struct mt19937 *g)
{
    double u1, u2, radius;

    if (g->has_normal) {
        g->has_normal = 0;
        return (float)g->normal;
    }
    u1 = mt_uniform53(g);
    u2 = mt_uniform53(g);
    radius = sqrt(-2 * log1p(-u2));
    g->normal = radius * sin(2 * M_PI * u1);
    g->has_normal = 1;
    return (float)(radius * cos(2 * M_PI * u1));
}

void mt_randn(struct mt19937 *g, float *out, size_t n)
{
    if (n < 16) {
        for (size_t i = 0; i < n; i++)
            out[i] = normal_double(g);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = mt_uniform(g);
    for (size_t i = 0; i + 16 <= n; i += 16)
        normal_16(out + i);
    if (n % 16) { /* torch draws the last 16 anew */
        for (size_t i = n - 16; i < n; i++)
            out[i] = mt_uniform(g);
        normal_16(out + n - 16);
    }
}

void mt_uniform_fill(struct mt19937 *g, float *out, size_t n, double lo, double hi)
{
    float from = (float)lo, to = (float)hi;

    for (size_t i = 0; i < n; i++)
        out[i] = fmaf(mt_uniform(g), to - from, from); /* contracted in torch's builds */
}

void mt_randperm(struct mt19937 *g, int64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (int64_t)i;
    for (size_t i = 0; i + 1 < n; i++) {
        size_t j = i + mt_u32(g) % (n - i);
        int64_t t = out[i];

        out[i] = out[j];
        out[j] = t;
    }
}

/* --- SeedSequence and PCG64 (XSL-RR), O'Neill 2014 ------------------------------------------ */

static uint32_t seed_hash(uint32_t v, uint32_t *h)
{
    v ^= *h;
    *h *= 0x931e8875u;
    v *= *h;
    return v ^ (v >> 16);
}

static uint32_t seed_mix(uint32_t x, uint32_t y)
{
    uint32_t r = 0xca01f9ddu * x - 0x4973f715u * y;

    return r ^ (r >> 16);
}

/* The first four 64-bit words that SeedSequence(seed) generates. */
static void seed_words(uint64_t seed, uint64_t q[4])
{
    uint32_t pool[4] = {(uint32_t)seed, (uint32_t)(seed >> 32), 0, 0};
    uint32_t h = 0x43b0d7e5u, word[8];

    for (int i = 0; i < 4; i++)
        pool[i] = seed_hash(pool[i], &h);
    for (int s = 0; s < 4; s++) {
        for (int d = 0; d < 4; d++) {
            if (s != d)
                pool[d] = seed_mix(pool[d], seed_hash(pool[s], &h));
        }
    }
    h = 0x8b51f9ddu;
    for (int i = 0; i < 8; i++) {
        uint32_t v = pool[i % 4] ^ h;

        h *= 0x58f38dedu;
        v *= h;
        word[i] = v ^ (v >> 16);
    }
    for (int i = 0; i < 4; i++)
        q[i] = (uint64_t)word[2 * i + 1] << 32 | word[2 * i];
}

static __uint128_t wide(const uint64_t v[2])
{
    return (__uint128_t)v[0] << 64 | v[1];
}

static void narrow(uint64_t v[2], __uint128_t w)
{
    v[0] = (uint64_t)(w >> 64);
    v[1] = (uint64_t)w;
}

static void pcg_step(struct pcg64 *g)
{
    const uint64_t factor[2] = {0x2360ed051fc65da4u, 0x4385df649fccf645u};

    narrow(g->state, wide(g->state) * wide(factor) + wide(g->inc));
}

void pcg64_seed(struct pcg64 *g, uint64_t seed)
{
    uint64_t q[4];

    memset(g, 0, sizeof *g);
    seed_words(seed, q);
    narrow(g->inc, wide(q + 2) << 1 | 1);
    pcg_step(g);
    narrow(g->state, wide(g->state) + wide(q));
    pcg_step(g);
}

uint64_t pcg64_u64(struct pcg64 *g)
{
    uint64_t x;
    unsigned turn;

    pcg_step(g);
    x = g->state[0] ^ g->state[1];
    turn = (unsigned)(g->state[0] >> 58);
    return x >> turn | x << (-turn & 63);
}

double pcg64_f64(struct pcg64 *g)
{
    return (double)(pcg64_u64(g) >> 11) * 0x1p-53;
}

/* Low half of a 64-bit output first, then its high half. */
static uint32_t pcg64_u32(struct pcg64 *g)
{
    uint64_t x;

    if (g->has_u32) {
        g->has_u32 = 0;
        return g->u32;
    }
    x = pcg64_u64(g);
    g->u32 = (uint32_t)(x >> 32);
    g->has_u32 = 1;
    return (uint32_t)x;
}

uint32_t pcg64_below(struct pcg64 *g, uint32_t n)
{
    uint64_t m;

    if (n <= 1) /* numpy draws nothing for a range of one value */
        return 0;
    m = (uint64_t)pcg64_u32(g) * n;
    if ((uint32_t)m < n) {
        uint32_t limit = (0 - n) % n;

        while ((uint32_t)m < limit)
            m = (uint64_t)pcg64_u32(g) * n;
    }
    return (uint32_t)(m >> 32);
}
