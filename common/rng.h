/* rng.h - counter-based random numbers (Philox4x32-10, Salmon et al. 2011), named streams.
 *
 * rng_stream(seed, "sae.init") depends on nothing but its arguments: a new consumer takes a
 * new name and disturbs no other.  A `struct rng` is plain memory: copying or storing it
 * stores its exact state.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint32_t key[2];
    uint64_t block;  /* next block of four outputs */
    uint32_t out[4]; /* current block */
    uint32_t n_left; /* outputs of the block not yet taken */
    uint32_t has_normal;
    double normal;   /* second half of the last Box-Muller pair */
};

struct rng rng_stream(uint64_t seed, const char *name);

uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
double rng_f64(struct rng *r);                 /* [0, 1), 53 bits */
double rng_normal(struct rng *r);              /* N(0, 1), Box-Muller in double */
uint64_t rng_below(struct rng *r, uint64_t n); /* [0, n), unbiased; n > 0 */
void rng_perm(struct rng *r, uint32_t *out, size_t n); /* random permutation of 0..n-1 */

/* One block of the generator itself: 10 rounds of Philox4x32. */
void rng_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
