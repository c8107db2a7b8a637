/* neox_plan.h - the bytes that a model and its passes need, by what they are for, before any is taken. */
#pragma once
#include "common/buf.h"
#include "worker/neox/neox_acts.h"

struct neox_need {
    size_t weights, gradients, moments; /* moments: both */
    size_t activations, logits;         /* passes, but the block of logits */
    size_t view;                        /* matrices that the passes see, of weights in 16 bits */
    size_t library;                     /* what the library of products lays operands out in */
    size_t other;                       /* what the caller adds: batches, copies of weights */
    size_t total;
};

/* `shape` NULL: no passes.  `store` NULL: no training. */
void neox_need(struct neox_need *n, const struct neox_cfg *c, const struct neox_shape *shape,
               const struct neox_store *store, size_t other);
/* What the library of products takes for itself, at most, beside what the caller gives it. */
size_t neox_library_bytes(const struct neox_cfg *c, const struct neox_shape *shape);
/* "1.05 GiB: weights 0.26, gradients 0.26, ..." */
void neox_need_text(struct buf *out, const struct neox_need *n);

/* ERR_INVALID if the total is above `limit`: the sum, and which options would fit: checkpointing,
 * micro-batches of one sequence of t_max, both, and 16-bit storage, the mildest first.  `what` names the
 * limit. */
MUST_CHECK enum err_code neox_fits(const struct neox_cfg *c, const struct neox_shape *shape,
                                   const struct neox_store *store, size_t other, size_t limit,
                                   const char *what, struct err *e);
/* Memory of this machine in bytes; SIZE_MAX if it does not say. */
size_t neox_machine_bytes(void);
