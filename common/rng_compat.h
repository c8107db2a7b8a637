/* rng_compat.h - the generators of PyTorch (CPU) and NumPy.
 *
 * Only for baselines that must reproduce recorded numbers; everything else uses rng.h.
 * Draws are equal bit for bit; normals agree to 5e-7, as log and cos differ in the last bit.
 * Rules: MT19937 as in torch.manual_seed / numpy RandomState; PCG64 (XSL-RR) through
 * SeedSequence as in numpy.random.default_rng.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct mt19937 {
    uint32_t mt[624];
    int i;
    int has_normal;
    double normal;
};

void mt_seed(struct mt19937 *g, uint64_t seed);
uint32_t mt_u32(struct mt19937 *g);
float mt_uniform(struct mt19937 *g);                     /* torch float32 [0, 1) */
void mt_randn(struct mt19937 *g, float *out, size_t n);  /* torch.randn float32 */
void mt_uniform_fill(struct mt19937 *g, float *out, size_t n, double lo, double hi);
void mt_randperm(struct mt19937 *g, int64_t *out, size_t n);

struct pcg64 {
    uint64_t state[2], inc[2]; /* high, low */
    int has_u32;
    uint32_t u32;
};

void pcg64_seed(struct pcg64 *g, uint64_t seed);
uint64_t pcg64_u64(struct pcg64 *g);
double pcg64_f64(struct pcg64 *g);
uint32_t pcg64_below(struct pcg64 *g, uint32_t n);       /* numpy choice(n, replace=True) */
