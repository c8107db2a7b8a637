/* neox_tap.h - hooks: read an activation, replace it, add a gradient to it.
 *
 * Layers count from 0.  `resid_pre` of layer l + 1 is the same tensor as `resid_post` of layer l.
 * `attn_in` and `mlp_in` are the normalised inputs of attention and MLP, LN1(h) and LN2(h).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "worker/num/real.h"

struct neox_batch;

#define NEOX_HOOKS(X)                                                                              \
    X(RESID_PRE, "resid_pre")                                                                      \
    X(ATTN_IN, "attn_in")                                                                          \
    X(ATTN_OUT, "attn_out")                                                                        \
    X(MLP_IN, "mlp_in")                                                                            \
    X(MLP_OUT, "mlp_out")                                                                          \
    X(RESID_POST, "resid_post")
#define X(name, text) NEOX_HOOK_##name,
enum neox_hook { NEOX_HOOKS(X) NEOX_HOOK_COUNT };
#undef X
bool neox_hook_parse(const char *text, enum neox_hook *out);
const char *neox_hook_name(enum neox_hook h);

struct neox_tap {
    size_t layer;
    enum neox_hook hook;
    /* Forward: x [n,d] may be read and written.  Where an activation is made again in the backward
     * pass (checkpointing, normalised inputs) it is called once more with `is_again`, and has to
     * write the same values.  May be NULL. */
    void (*fwd)(void *ctx, real *x, const struct neox_batch *b, bool is_again);
    /* Backward: dx [n,d] is d loss / d x as it arrives; may be read, added to, or replaced.  May be
     * NULL: the gradient passes. */
    void (*bwd)(void *ctx, real *dx, const struct neox_batch *b);
    void *ctx;
};
