/* degrade.h - the degradation curve of an intervention, and the k_sharp chosen from it.
 *
 * A point: perplexity of the untouched model with its activation replaced by the target that keeps k
 * features.  As text: "k,ppl,degradation_pct" lines under a header of that form, k ascending.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define DEGRADE_HEADER "k,ppl,degradation_pct"
enum { DEGRADE_POINTS_MAX = 256 };

struct degrade_point {
    int64_t k;
    double ppl, pct; /* pct = 100 (ppl - baseline) / baseline */
};
struct degrade_curve {
    struct degrade_point point[DEGRADE_POINTS_MAX]; /* k strictly rising */
    size_t n;
};

void degrade_text(struct buf *out, const struct degrade_curve *c);
MUST_CHECK enum err_code degrade_parse(struct degrade_curve *c, const char *text, struct err *e);

/* The smallest tested k such that it and, if `is_safe`, every larger tested k loses less than
 * max_pct.  The reference's rule is that without the clause: where a curve is not monotone it can
 * return a k below one that fails.  False: no tested k will do. */
bool degrade_pick(const struct degrade_curve *c, double max_pct, bool is_safe, int64_t *k);
/* Degradation falls, or stays, as k grows. */
bool degrade_is_monotone(const struct degrade_curve *c);
