/* neox_batch.h - tokens of one pass: sequences one after another, without padding.
 *
 * Sequences never see each other, so a batch of lines of unequal length costs no more than their
 * tokens.  The number of positions a loss is averaged over belongs to the whole step, not to a
 * batch: see neox_loss_grad.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct neox_cfg;

struct neox_batch {
    size_t n, n_seq;       /* tokens, sequences */
    const int32_t *tok;    /* [n] */
    const int32_t *pos;    /* [n] position in its sequence, rising, < t_max of the acts */
    const size_t *start;   /* [n_seq + 1] first token of each sequence; start[n_seq] = n */
    const int32_t *target; /* [n] token to be predicted, -1: not scored; NULL: no loss */
};

/* Memory for batches of at most n_max tokens in seq_max sequences. */
struct neox_batch_mem {
    size_t n_max, seq_max;
    int32_t *tok, *pos, *target;
    size_t *start;
    struct neox_batch view;
};

struct arena;
size_t neox_batch_bytes(size_t n_max, size_t seq_max);
void neox_batch_init(struct neox_batch_mem *m, size_t n_max, size_t seq_max, struct arena *a);
void neox_batch_clear(struct neox_batch_mem *m);
/* One more sequence of `len` ids; each token's target is the next one, the last has none, unless
 * `next` >= 0 says it.  Positions count from 0.  False, and no change, if it does not fit. */
bool neox_batch_add(struct neox_batch_mem *m, const int32_t *ids, size_t len, int32_t next);
size_t neox_batch_scored(const struct neox_batch *b); /* positions with a target */
/* A token outside the vocabulary, a position not below t_max: ERR_INVALID says which. */
MUST_CHECK enum err_code neox_batch_check(const struct neox_batch *b, const struct neox_cfg *c,
                                          size_t t_max, struct err *e);
