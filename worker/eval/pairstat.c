/* pairstat.c - see pairstat.h. */
#include "worker/eval/pairstat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"
#include "common/rng.h"
#include "common/stats.h"

static const double z_level = 1.959963984540054, z_power = 0.8416212335729143;

static bool is_right(double good, double bad, bool tie_is_right)
{
    return good > bad || (tie_is_right && good == bad);
}

struct pair_score pair_score(const double *good, const double *bad, size_t n, bool tie_is_right)
{
    struct pair_score s = {.n = n};
    double sum = 0, sq = 0;

    for (size_t i = 0; i < n; i++) {
        s.n_right += is_right(good[i], bad[i], tie_is_right);
        s.n_ties += good[i] == bad[i];
        sum += good[i] - bad[i];
    }
    s.margin = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        sq += (good[i] - bad[i] - s.margin) * (good[i] - bad[i] - s.margin);
    s.accuracy = (double)s.n_right / (double)n;
    s.se = sqrt(s.accuracy * (1 - s.accuracy) / ((double)n - 1));
    s.margin_se = sqrt(sq / ((double)n - 1) / (double)n);
    return s;
}

struct pair_mean pair_mean(const struct pair_score *group, size_t n_groups)
{
    struct pair_mean m = {.n_groups = n_groups};
    double var = 0, pooled = 0;

    for (size_t i = 0; i < n_groups; i++) {
        double n = (double)group[i].n, v = group[i].se * group[i].se;

        m.n += group[i].n;
        m.n_ties += group[i].n_ties;
        m.accuracy += group[i].accuracy / (double)n_groups;
        m.margin += group[i].margin / (double)n_groups;
        var += v;
        pooled += (n - 1) * n * v;
    }
    m.se = sqrt(var) / (double)n_groups;
    m.se_pooled = sqrt(pooled / (double)(m.n - n_groups) / (double)m.n);
    return m;
}

double pair_binomial_p(size_t k, size_t n)
{
    double low = (double)(k < n - k ? k : n - k);

    if (n == 0)
        return 1;
    /* P(X <= low) for p = 1/2 is I_{1/2}(n - low, low + 1). */
    double p = 2 * stats_beta_inc((double)n - low, low + 1, 0.5);
    return p < 1 ? p : 1;
}

/* --- a against b --------------------------------------------------------------------------- */
struct work {
    double *right, *margin;    /* [n] differences a - b, grouped */
    size_t *first;             /* [n_groups + 1] */
    double *boot_right, *boot_margin; /* [n_boot] */
    char *all;
};

static bool work_open(struct work *w, const struct pair_delta_in *in)
{
    size_t reals = 2 * in->n + 2 * in->n_boot, counts = 2 * (in->n_groups + 1);

    w->all = malloc(reals * sizeof(double) + counts * sizeof(size_t));
    if (!w->all)
        return false;
    w->right = (double *)(void *)w->all;
    w->margin = w->right + in->n;
    w->boot_right = w->margin + in->n;
    w->boot_margin = w->boot_right + in->n_boot;
    w->first = (size_t *)(void *)(w->boot_margin + in->n_boot);
    memset(w->first, 0, counts * sizeof(size_t));
    return true;
}

/* What one seed says about pair i; is its b right? */
static int add_seed(struct work *w, const struct pair_delta_in *in, struct pair_delta *d, size_t i, size_t at,
                    size_t s)
{
    const double ag = in->a_good[s][i], ab = in->a_bad[s][i], bg = in->b_good[s][i], bb = in->b_bad[s][i];
    const int a = is_right(ag, ab, in->tie_is_right), b = is_right(bg, bb, in->tie_is_right);

    d->n_gained += a > b;
    d->n_lost += b > a;
    w->right[at] += (a - b) / (double)in->n_seeds;
    w->margin[at] += ((ag - ab) - (bg - bb)) / (double)in->n_seeds;
    return b;
}

/* Differences, sorted by paradigm; empty paradigms cannot be. */
static void fill(struct work *w, const struct pair_delta_in *in, struct pair_delta *d)
{
    size_t *next = w->first + in->n_groups + 1;

    for (size_t i = 0; i < in->n; i++)
        w->first[in->group[i] + 1]++;
    for (size_t g = 0; g < in->n_groups; g++)
        w->first[g + 1] += w->first[g];
    memcpy(next, w->first, in->n_groups * sizeof *next);
    for (size_t i = 0; i < in->n; i++) {
        const size_t g = in->group[i], at = next[g]++;
        const double weight = 1 / (double)((w->first[g + 1] - w->first[g]) * in->n_groups);

        w->right[at] = w->margin[at] = 0;
        for (size_t s = 0; s < in->n_seeds; s++)
            d->base += weight / (double)in->n_seeds * add_seed(w, in, d, i, at, s);
    }
}

static void means(const struct work *w, const struct pair_delta_in *in, struct pair_delta *d)
{
    double var = 0;

    for (size_t g = 0; g < in->n_groups; g++) {
        size_t n = w->first[g + 1] - w->first[g];
        double sd = stats_std(w->right + w->first[g], n);

        d->accuracy += stats_mean(w->right + w->first[g], n) / (double)in->n_groups;
        d->margin += stats_mean(w->margin + w->first[g], n) / (double)in->n_groups;
        var += sd * sd / (double)n;
    }
    d->se = sqrt(var) / (double)in->n_groups;
    d->detectable = (z_level + z_power) * d->se;
    d->p_mcnemar = pair_binomial_p(d->n_gained, d->n_gained + d->n_lost);
}

static void resample(const struct work *w, const struct pair_delta_in *in, struct rng *r, size_t b)
{
    double right = 0, margin = 0;

    for (size_t g = 0; g < in->n_groups; g++) {
        size_t from = w->first[g], n = w->first[g + 1] - from;
        double sum_right = 0, sum_margin = 0;

        for (size_t i = 0; i < n; i++) {
            size_t at = from + (size_t)rng_below(r, n);

            sum_right += w->right[at];
            sum_margin += w->margin[at];
        }
        right += sum_right / (double)n;
        margin += sum_margin / (double)n;
    }
    w->boot_right[b] = right / (double)in->n_groups;
    w->boot_margin[b] = margin / (double)in->n_groups;
}

static void intervals(const struct work *w, const struct pair_delta_in *in, struct pair_delta *d)
{
    struct rng r = rng_stream(in->seed, "pairs.bootstrap");

    d->ci_low = d->ci_high = d->margin_low = d->margin_high = NAN;
    if (!in->n_boot)
        return;
    for (size_t b = 0; b < in->n_boot; b++)
        resample(w, in, &r, b);
    stats_sort(w->boot_right, in->n_boot);
    stats_sort(w->boot_margin, in->n_boot);
    d->ci_low = stats_quantile(w->boot_right, in->n_boot, 0.025);
    d->ci_high = stats_quantile(w->boot_right, in->n_boot, 0.975);
    d->margin_low = stats_quantile(w->boot_margin, in->n_boot, 0.025);
    d->margin_high = stats_quantile(w->boot_margin, in->n_boot, 0.975);
}

struct pair_delta pair_delta(const struct pair_delta_in *in)
{
    struct pair_delta d = {0};
    struct work w;

    if (!work_open(&w, in))
        oom_exit("pairstat");
    fill(&w, in, &d);
    means(&w, in, &d);
    intervals(&w, in, &d);
    free(w.all);
    return d;
}
