/* lm_batch.h - a batch of a task as the model takes it. */
#pragma once
#include "worker/data/batch.h"
#include "worker/lm/lm.h"

/* Valid until the next batch_build. */
static inline struct lm_batch lm_batch_of(const struct batch *b)
{
    return (struct lm_batch){b->n, b->n_out, b->t, b->tok, b->pos, b->path, b->out, b->target};
}
