/* sharpen.h - sharpened reconstructions: what the auxiliary loss of SAE-ception pulls towards.
 *
 *   z = encode(x), already sparse;  target = b_dec + sum over the k kept features of z_f d_f
 *
 * SAE-ception keeps the k_sharp largest (k_sharp = k: the plain reconstruction).  Its controls are
 * a random choice among the active ones (same codes and directions, not the largest), and random
 * directions, drawn anew for no token: a row's draws depend on `seed` and the row's key alone, so
 * they are the same in every epoch.  Ties are won by the lower feature.
 *
 * Shapes: n rows, d = d_model, f = d_sae.
 */
#pragma once
#include "worker/sae/sae_model.h"

#define SHARPEN_TARGETS(X)                                                                         \
    X(TOP, "top")                   /* the k largest */                                            \
    X(RANDOM_K, "random_k")         /* k of the active ones, at random */                          \
    X(UNIT, "unit")                 /* a random direction of length 1 */                           \
    X(NORM_MATCHED, "norm_matched") /* the same, as long as the target TOP would be */
#define X(name, text) SHARPEN_##name,
enum sharpen_target { SHARPEN_TARGETS(X) SHARPEN_TARGET_COUNT };
#undef X
bool sharpen_parse(const char *text, enum sharpen_target *out);

struct sharpen {
    enum sharpen_target target;
    size_t k;                /* features kept, at least 1 */
    uint64_t seed;           /* of the random targets */
    struct sae_infer infer;
    float *x;                /* [n_max,d] */
    uint32_t *idx;           /* [f] active features of a row */
};

/* ERR_INVALID: transcoders and input scalings have no place in the stream of a model. */
MUST_CHECK enum err_code sharpen_check(const struct sae_model *m, size_t k, struct err *e);
size_t sharpen_bytes(const struct sae_model *m, size_t n_max);
void sharpen_new(struct sharpen *s, const struct sae_model *m, size_t n_max, struct arena *a);
/* target [n,d] of x [n,d], n of any size.  key [n] names the rows for the random targets; they may
 * be NULL for TOP.  stats may be NULL.  False: a pre-activation is not finite. */
struct sharpen_stats {
    uint32_t *n_active; /* [n] features active before the choice */
    real *energy;       /* [n] sum of kept z^2 / sum of z^2; 1 for a row without activity */
};
bool sharpen_rows(struct sharpen *s, real *target, const real *x, const uint64_t *key, size_t n,
                  const struct sharpen_stats *stats);
