/* expect.h - did what a sweep expected come out?  `checks:` of a sweep, judged from its results.
 *
 * A check names numbers by `of: $stage{axis: value}` and `metric`, less `minus` (another metric of the same rows, or
 * `$stage{...}`; with `matched: METRIC` that stage's value where METRIC is equal, interpolated), and says what they
 * should do: `min`, `max` (each of them), `falls_with`, `rises_with` (a knob), `spread_min`, `spread_max` (largest less
 * smallest); or it names one of the programme's hypotheses.  Each is held if the whole interval is on the right side,
 * not held if the whole interval is on the wrong one, else undecided; without results it is undecided too.
 */
#pragma once
#include "coordinator/manifest_query.h"

enum expect_verdict { EXPECT_NONE, EXPECT_HELD, EXPECT_UNDECIDED, EXPECT_MISSED };

const char *expect_text(enum expect_verdict v); /* "held", "undecided", "did not hold"; NONE: "no check" */
/* sweep, check, verdict, effect, low, high, conditions, rule; a row a check.  sweep NULL: of all. */
MUST_CHECK enum err_code expect_table(struct table *out, struct query *q, const char *sweep, struct err *e);
/* Of the rows of one sweep: held if all are, did not hold if one did not. */
enum expect_verdict expect_sum(const struct table *t, const char *sweep);
/* "5 of 6 checks held, 1 did not: did not hold" of one sweep; nothing if it has none. */
void expect_sentence(const struct table *t, const char *sweep, struct buf *out);
