/* acts_finish.h - what every extraction does around its rows: which of them, and what becomes of them. */
#pragma once
#include "common/arena.h"
#include "worker/runner/job.h"

/* The first n of a seeded permutation of n_all, ascending, so that a smaller share is a subset of a
 * larger one; NULL: all of them.  Takes arena_need(n_all, 4) in either case. */
const uint32_t *acts_choose(size_t n, size_t n_all, uint64_t seed, struct arena *a);
/* Rows of an acts_extract [n,d]: control rows instead if the knobs say so, acts.pt, `out` (may be NULL)
 * acts_out.pt, spectrum, summary. */
MUST_CHECK enum err_code acts_finish(struct job *j, float *rows, const float *out, size_t n, size_t d,
                                     struct err *e);
