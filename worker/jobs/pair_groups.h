/* pair_groups.h - which field and term each paradigm of a set of minimal pairs belongs to, from the
 * table of paradigms that lm_pairs leaves in its result. */
#pragma once
#include "worker/jobs/pair_scores.h"
#include "worker/runner/job.h"

struct pair_kinds {
    char **name;    /* [n] in order of appearance */
    size_t n;
    size_t *of;     /* [n_groups of the scores] place in name */
};

struct pair_groups {
    struct pair_kinds fields, terms;
};
/* ERR_CORRUPT: the result has no such table, or one of other paradigms. */
MUST_CHECK enum err_code pair_groups_read(struct pair_groups *g, const struct job_input *in,
                                          const struct pair_scores *s, struct err *e);
void pair_groups_free(struct pair_groups *g);
