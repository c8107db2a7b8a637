/* contrast.c - see contrast.h. */
#include "worker/eval/contrast.h"

#include <assert.h>
#include <math.h>

#include "common/stats.h"

static double mean_diff(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] - b[i];
    return sum / (double)n;
}

struct contrast contrast_of(const double *arm, const double *control, size_t n)
{
    struct contrast c = {.n = n, .std = NAN, .low = NAN, .high = NAN, .effect = NAN};
    double sq = 0;

    assert(n >= 1);
    c.arm = stats_mean(arm, n);
    c.control = stats_mean(control, n);
    c.diff = mean_diff(arm, control, n);
    if (n < 2)
        return c;
    for (size_t i = 0; i < n; i++) {
        double d = arm[i] - control[i] - c.diff;

        sq += d * d;
    }
    c.std = sqrt(sq / (double)(n - 1));
    const double half = stats_t_quantile(0.975, (double)(n - 1)) * c.std / sqrt((double)n);
    c.low = c.diff - half;
    c.high = c.diff + half;
    if (c.std > 0)
        c.effect = c.diff / c.std;
    return c;
}

int contrast_side(const struct contrast *c, enum contrast_better better)
{
    if (better == CONTRAST_EITHER || isnan(c->low) || (c->low <= 0 && c->high >= 0))
        return 0;
    return (c->diff > 0) == (better == CONTRAST_HIGHER) ? 1 : -1;
}

enum contrast_verdict contrast_judge(const int *side, size_t n, size_t min_pro)
{
    size_t pro = 0, con = 0;

    for (size_t i = 0; i < n; i++) {
        pro += side[i] > 0;
        con += side[i] < 0;
    }
    if (pro && con)
        return CONTRAST_MIXED;
    if (pro >= min_pro && pro)
        return CONTRAST_YES;
    return con >= min_pro && con ? CONTRAST_NO : CONTRAST_UNDECIDED;
}
