/* acts_pair.h - the rows an SAE reads and, of a transcoder, those it predicts, row by row. */
#pragma once
#include "worker/data/acts.h"
#include "worker/runner/job.h"

struct acts_pair {
    struct acts x, y;       /* y: the same as x without a second matrix */
    bool has_y;
};

/* The job's `acts`; and, if it has the input `target` or `is_wanted`, the second matrix: `target`,
 * or acts_out.pt beside acts.pt.  Checks that rows belong together: as many of them, and of
 * the same examples where both folders say where their rows come from.  Close after success. */
MUST_CHECK enum err_code acts_pair_open(struct acts_pair *p, const struct job *j, bool is_wanted,
                                        struct err *e);
void acts_pair_close(struct acts_pair *p);
