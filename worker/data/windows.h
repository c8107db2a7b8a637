/* windows.h - how a text is cut for a model of limited context: which ids are fed, which scored.
 *
 *   line     each line by itself; its first id is not scored; what is behind `length` is left out
 *   block    the packed stream in disjoint blocks; the first id of each is not scored, or, with a
 *            prefix, is scored behind id 0
 *   stride   windows of `length` every `step` ids; of each only what no earlier one scored
 *   rolling  every id of each document scored once, the first behind id 0; later windows overlap by
 *            what fills them (lm-evaluation-harness, loglikelihood_rolling with context_len 1)
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "worker/data/tokens.h"

enum window_protocol { WINDOW_LINE, WINDOW_BLOCK, WINDOW_STRIDE, WINDOW_ROLLING };

/* Ids first..first+n-1 of the split, behind id 0 if has_prefix.  Of the n ids the first n_context are
 * not scored.  A model is fed all but the last. */
struct window {
    size_t first, n, n_context, doc;
    bool has_prefix;
};

struct windows {
    enum window_protocol protocol;
    const struct tokens *t;
    size_t length, step;      /* ids fed at most, prefix included; step: of stride */
    bool has_prefix;          /* of block */
    size_t end;               /* ids behind it are left out */
    /* where we are */
    size_t at, doc, scored_to;
};

/* max_ids 0: all.  ERR_INVALID: the layout of the split and the protocol do not go together. */
MUST_CHECK enum err_code windows_init(struct windows *w, const struct tokens *t,
                                      enum window_protocol protocol, size_t length, size_t step,
                                      bool has_prefix, size_t max_ids, struct err *e);
/* The next window that scores something; false: no more. */
bool windows_next(struct windows *w, struct window *out);
