/* lm_hook.h - activations of a model at a hook, as rows. */
#pragma once
#include "worker/lm/lm_batch.h"

bool lm_hook_parse(const char *text, enum lm_hook *out);

struct lm_tap {
    enum lm_hook hook, hook_out; /* hook_out: of a second matrix, row by row with the first */
    size_t layer;           /* block, from 0 */
    struct batch_read read; /* positions, from..from+count-1 */
};

size_t lm_tap_bytes(const struct lm_cfg *c, const struct task *t, const struct lm_tap *tap);
/* x [n_keep,d], at tap->hook, and y (NULL: none) at tap->hook_out: of the matrix whose rows are the read positions of the task's examples (example,
 * then position), those with the ascending numbers keep [n_keep]; NULL: all.  Takes
 * lm_tap_bytes() from the arena. */
void lm_tap_rows(float *x, float *y, const struct lm *m, const struct task *t, const struct lm_tap *tap,
                 const uint32_t *keep, size_t n_keep, struct arena *a);
