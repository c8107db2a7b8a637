/* contrast.h - an arm of an experiment against its control, pair by pair, and what many measures
 * say together.
 *
 * Pairs share their seed, so the spread that counts is that of the differences (n - 1 in the
 * denominator, Student's t).
 */
#pragma once
#include <stddef.h>

enum contrast_better { CONTRAST_LOWER = -1, CONTRAST_EITHER = 0, CONTRAST_HIGHER = 1 };

struct contrast {
    size_t n;
    double arm, control;      /* means */
    double diff, std;         /* of arm - control; std NaN for n < 2 */
    double low, high;         /* 95 % interval of diff; NaN for n < 2 */
    double effect;            /* diff / std, Cohen's d of paired samples; NaN without a spread */
};
/* arm [n], control [n], n >= 1 */
struct contrast contrast_of(const double *arm, const double *control, size_t n);
/* +1: diff lies beyond its noise on the side that `better` names; -1: on the other; 0: neither,
 * or `better` is EITHER.  Differences that are all equal have no noise: their sign counts. */
int contrast_side(const struct contrast *c, enum contrast_better better);

enum contrast_verdict { CONTRAST_YES, CONTRAST_NO, CONTRAST_MIXED, CONTRAST_UNDECIDED };
/* YES: at least `min_pro` sides are +1 and none is -1; NO: the reverse; MIXED: both occur;
 * UNDECIDED: too few of either. */
enum contrast_verdict contrast_judge(const int *side, size_t n, size_t min_pro);
