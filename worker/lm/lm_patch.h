/* lm_patch.h - places in a forward pass, and a way to change what passes there. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

/* In the order of a pass. */
#define LM_HOOKS(X)                                                                                \
    X(RESID_PRE, "resid_pre")   /* stream that enters the block */                                 \
    X(ATTN_OUT, "attn_out")     /* branches, before they are added to the stream */                \
    X(LN2_NORMALIZED, "ln2_normalized") /* what the MLP reads, before gain and bias of LN2 */      \
    X(MLP_OUT, "mlp_out")                                                                          \
    X(RESID_POST, "resid_post") /* stream that leaves it */
#define X(name, text) LM_HOOK_##name,
enum lm_hook { LM_HOOKS(X) LM_HOOK_COUNT };
#undef X

/* Rewrites activations on their way: rows [n,d] at a hook of a block, of the nodes node [n] (NULL:
 * 0..n-1).  Of the last block that is run, the read-outs alone exist.  `look` (or NULL) sees those
 * of another hook of the block before that. */
struct lm_patch {
    size_t layer;
    enum lm_hook hook, look_at;
    void (*rewrite)(void *ctx, real *rows, const int32_t *node, size_t n);
    void (*look)(void *ctx, const real *rows, const int32_t *node, size_t n);
    void *ctx;
};
