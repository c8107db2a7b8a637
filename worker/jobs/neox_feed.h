/* neox_feed.h - sequences of a tokenised split in a seeded order, for training and validation.
 *
 * Packed: sequence i is ids i*context .. and predicts the id after each of them, so that every id but
 * the first of the split is predicted once.  Lines: each line of two ids or more, cut at context.
 * A whole feed is for reading: all ids are fed, whether or not there is one behind them to predict.
 * Position p of the endless order is in epoch p / n_seq; each epoch has a permutation from its own
 * stream, so a position alone says what is read: nothing has to be kept for resuming.
 */
#pragma once
#include "common/arena.h"
#include "worker/data/tokens.h"
#include "worker/neox/neox_batch.h"

struct neox_feed {
    struct tokens t;
    size_t context, n_seq;
    bool is_whole;
    uint64_t seed;
    uint64_t epoch;          /* that `order` is for; UINT64_MAX: none */
    uint32_t *order;         /* [n_seq]; NULL: in the order of the split */
    uint64_t *line;          /* [n_seq] of lines; NULL: packed; freed by neox_feed_close */
    int32_t *ids;            /* [context + 1] */
};

/* Opens the split and counts.  ERR_INVALID: nothing to predict, or ids outside a vocabulary of
 * n_vocab (0: any). */
MUST_CHECK enum err_code neox_feed_open(struct neox_feed *f, const char *dir, const char *split,
                                        size_t context, size_t n_vocab, bool is_whole,
                                        struct err *e);
size_t neox_feed_bytes(const struct neox_feed *f, bool is_shuffled);
void neox_feed_init(struct neox_feed *f, bool is_shuffled, uint64_t seed, struct arena *a);
void neox_feed_close(struct neox_feed *f);
/* Ids that position p feeds: as many as it predicts, unless the feed is whole. */
size_t neox_feed_len(struct neox_feed *f, uint64_t p);
/* Adds position p to a batch; false if there is no room. */
bool neox_feed_add(struct neox_feed *f, uint64_t p, struct neox_batch_mem *b);
/* Which sequence of the split stands at position p: the same number in every epoch. */
size_t neox_feed_sequence(struct neox_feed *f, uint64_t p);
