/* lineage.h - which seeds a result descends from, so that results of two arms are paired by them.
 *
 * The seed is written "3" for a result below the continued pretraining of seed 3, "3/7" where an SAE
 * of seed 7 was trained after it: from the oldest ancestor to the result itself.  It is read from the
 * job files in the folders of the ancestors.
 */
#pragma once
#include <stddef.h>

#include "common/buf.h"
#include "worker/runner/job.h"

/* Appends the seed; nothing if no ancestor of these kinds is on record. */
MUST_CHECK enum err_code lineage_seed(struct buf *out, const struct job *j, const struct job_input *in,
                                      struct err *e);

/* Partners: of the i-th of input `a`, the partner[i]-th of input `b`; both have n.  By place where no
 * result on either side says its seed; one against one also where one side alone says it, as a model and
 * what it began from.  ERR_INVALID: a seed twice on a side, or without a partner. */
struct lineage {
    size_t n;
    size_t *partner;   /* [n] */
    char **seed;       /* [n] of a's; "" unknown */
};
MUST_CHECK enum err_code lineage_pair(struct lineage *l, const struct job *j, const char *a,
                                      const char *b, struct err *e);
void lineage_free(struct lineage *l);
