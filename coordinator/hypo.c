/* hypo.c - see hypo.h: draws of seeds, intervals, verdicts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "common/stats.h"
#include "coordinator/hypo_internal.h"

enum { SETS_MIN = 3, TASKS_MIN = 3 };

static const struct {
    const char *name, *claim, *rule;
    double threshold;
} hypotheses[HYPO_COUNT] = {
    {"H1", "Features are the more stable the better the dictionary's width is matched to the effective rank of the rows.",
     "minus the rank correlation of d_sae / effective rank with the ratio to random, mean over lines of at least three "
     "widths and over at least three sets of rows; above 0.5", 0.5},
    {"H2", "Stability is bought with reconstruction: along k, the conditions that reconstruct better agree less.",
     "minus the rank correlation of EV with the ratio to random, mean over lines of at least three values of k and over "
     "sets of rows; above 0.5", 0.5},
    {"H3", "Some architecture moves the front: more stable than TopK at the same L0, without loss of EV.",
     "PWMCC minus that of TopK, interpolated to the same L0 on the same rows; no gain counts where EV is more than 0.01 "
     "below TopK's; the best architecture, its interval corrected for their number; above 0.02", 0.02},
    {"H4", "Agreement is more than chance, more than second-order structure, and matched features matter causally.",
     "three parts, all of which have to hold: mean ratio to random above 1.05; PWMCC minus that on Gaussian rows of equal mean "
     "and covariance above 0 in every condition, seeds of both resampled, intervals corrected for their number; loss added by ablating matched features, minus that by as many others, above 0", 0},
    {"H5", "Stability transfers: in every task features agree more than chance.",
     "the least ratio to random among at least three tasks, at the widths and k that all of them have; above 1.05", 1.05},
};

#define RATIO_MIN 1.05
#define GAIN_MIN 0

const char *hypo_verdict_text(enum hypo_verdict v)
{
    static const char *const text[] = {"no data", "undecided", "supported", "refuted"};

    return text[v];
}

enum hypo_verdict hypo_side(double low, double high, double threshold)
{
    if (!isfinite(low) || !isfinite(high))
        return HYPO_NO_DATA;
    if (low > threshold)
        return HYPO_SUPPORTED;
    return high < threshold ? HYPO_REFUTED : HYPO_UNDECIDED;
}

/* An interval shrinks with the square root of the number of seeds. */
size_t hypo_seeds(size_t n, double effect, double half, double threshold)
{
    double distance = fabs(effect - threshold);
    double need = distance > 0 ? ceil((double)n * (half / distance) * (half / distance)) : INFINITY;

    return isfinite(need) && need < 1e6 ? (size_t)need : 0;
}

/* --- draws of seeds ---------------------------------------------------------------------------- */

struct draws {
    size_t n_boot;
    double *pwmcc;  /* [n_boot + 1][n_conds]; the first: every seed once */
    double *surrogate; /* likewise */
    double *gap;    /* [n_boot + 1][n_causal] */
};

static void draws_free(struct draws *s)
{
    free(s->pwmcc);
    free(s->surrogate);
    free(s->gap);
}

/* How often each of n seeds is drawn: the same for all that have n seeds, at least two different. */
static void draw_counts(uint32_t *count, size_t n, size_t b, uint64_t seed)
{
    char name[64];
    size_t distinct = 0;

    if (b == 0) {
        for (size_t i = 0; i < n; i++)
            count[i] = 1;
        return;
    }
    snprintf(name, sizeof name, "hypo.%zu.%zu", n, b);
    struct rng r = rng_stream(seed, name);
    while (distinct < 2) {
        memset(count, 0, n * sizeof *count);
        distinct = 0;
        for (size_t i = 0; i < n; i++)
            distinct += count[rng_below(&r, n)]++ == 0;
    }
}

static double mean_pair(const double *pair, size_t n, const uint32_t *count)
{
    double sum = 0, weight = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; count[i] && j < n; j++) {
            double w = (double)count[i] * (double)count[j];

            if (w > 0 && isfinite(pair[i * n + j])) {
                sum += w * pair[i * n + j];
                weight += w;
            }
        }
    return sum / weight;
}

static double mean_gap(const struct hypo_causal *c, const uint32_t *count)
{
    double sum = 0;

    for (size_t i = 0; i < c->n; i++)
        sum += (double)count[i] * c->gap[i];
    return sum / (double)c->n;
}

static enum err_code draw_all(struct draws *s, const struct hypo_data *d, size_t n_boot, uint64_t seed,
                              struct err *e)
{
    *s = (struct draws){n_boot, calloc((n_boot + 1) * (d->n_conds + 1), sizeof(double)),
                        calloc((n_boot + 1) * (d->n_conds + 1), sizeof(double)),
                        calloc((n_boot + 1) * (d->n_causal + 1), sizeof(double))};
    if (!s->pwmcc || !s->surrogate || !s->gap) {
        draws_free(s);
        return err_set(e, ERR_NOMEM, "hypotheses: %zu resamples: out of memory", n_boot);
    }
    for (size_t b = 0; b <= n_boot; b++) {
        uint32_t count[HYPO_SEEDS_MAX + 1][HYPO_SEEDS_MAX], other[HYPO_SEEDS_MAX + 1][HYPO_SEEDS_MAX];

        for (size_t n = 2; n <= HYPO_SEEDS_MAX; n++) {
            draw_counts(count[n], n, b, seed);
            draw_counts(other[n], n, b, seed + 1);
        }
        for (size_t i = 0; i < d->n_conds; i++) {
            const struct hypo_cond *c = &d->cond[i];

            s->pwmcc[b * d->n_conds + i] = mean_pair(c->pair, c->n, count[c->n]);
            s->surrogate[b * d->n_conds + i] =
                c->n_surrogate ? mean_pair(c->surrogate_pair, c->n_surrogate, other[c->n_surrogate]) : c->surrogate;
        }
        for (size_t i = 0; i < d->n_causal; i++)
            s->gap[b * d->n_causal + i] = mean_gap(&d->causal[i], count[d->causal[i].n]);
    }
    return ERR_OK;
}

/* --- a number with its interval ---------------------------------------------------------------- */

struct estimate {
    double effect, low, high;
};

struct judge {
    const struct hypo_data *data;
    const struct draws *draws;
    struct hypo_groups groups;
};

/* 95 % interval, of n_parts numbers at once (Bonferroni). */
static enum err_code estimate(struct estimate *out, const struct judge *j, hypo_stat stat,
                              const char *label, size_t n_parts, struct err *e)
{
    const struct draws *s = j->draws;
    double *v = malloc((s->n_boot + 1) * sizeof *v);
    const double tail = 0.025 / (double)(n_parts ? n_parts : 1);
    size_t n = 0;

    *out = (struct estimate){NAN, NAN, NAN};
    if (!v)
        return err_set(e, ERR_NOMEM, "hypotheses: out of memory");
    for (size_t b = 0; b <= s->n_boot; b++) {
        const struct hypo_draw d = {j->data, &j->groups, s->pwmcc + b * j->data->n_conds,
                                    s->surrogate + b * j->data->n_conds, s->gap + b * j->data->n_causal};
        double x = stat(&d, label);

        if (b == 0)
            out->effect = x;
        else if (isfinite(x))
            v[n++] = x;
    }
    stats_sort(v, n);
    if (n > 0 && isfinite(out->effect)) {
        out->low = stats_quantile(v, n, tail);
        out->high = stats_quantile(v, n, 1 - tail);
    }
    free(v);
    return ERR_OK;
}

static void settle(struct hypo_result *r, const struct estimate *x, double threshold)
{
    r->effect = x->effect;
    r->low = x->low;
    r->high = x->high;
    r->threshold = threshold;
    r->verdict = hypo_side(x->low, x->high, threshold);
    if (r->verdict == HYPO_UNDECIDED)
        r->seeds_needed = hypo_seeds(r->n_seeds, x->effect,
                                     x->effect > threshold ? x->effect - x->low : x->high - x->effect, threshold);
}

static void add_job(struct hypo_result *r, const char *job)
{
    buf_fmt(&r->jobs, "%s%.12s", r->jobs.len ? " " : "", job);
}

/* Conditions of the groups, and the fewest seeds of any. */
static void note_used(struct hypo_result *r, const struct judge *j)
{
    for (size_t c = 0; c < j->data->n_conds; c++) {
        bool is_used = false;

        for (size_t g = 0; g < j->groups.n && !is_used; g++) {
            is_used = j->groups.v[g].head == c;
            for (size_t m = 0; m < j->groups.v[g].n && !is_used; m++)
                is_used = j->groups.v[g].member[m] == c;
        }
        if (!is_used)
            continue;
        r->n_seeds = r->n_conds++ == 0 || j->data->cond[c].n < r->n_seeds ? j->data->cond[c].n : r->n_seeds;
        add_job(r, j->data->cond[c].job);
    }
}

static size_t n_labels(const struct judge *j)
{
    size_t n = 0;

    while (hypo_label(&j->groups, n))
        n++;
    return n;
}

/* --- the five ---------------------------------------------------------------------------------- */

static void name_sets(struct hypo_result *r, const struct judge *j, bool with_best)
{
    const char *set;

    for (size_t s = 0; (set = hypo_label(&j->groups, s)) != NULL; s++) {
        const struct hypo_cond *best = NULL;
        double most = -INFINITY;

        for (size_t g = 0; g < j->groups.n; g++)
            for (size_t m = 0; !strcmp(j->groups.v[g].label, set) && m < j->groups.v[g].n; m++) {
                size_t at = j->groups.v[g].member[m];
                double ratio = j->draws->pwmcc[at] / j->data->cond[at].random;

                if (ratio > most) {
                    most = ratio;
                    best = &j->data->cond[at];
                }
            }
        buf_fmt(&r->evidence, "%s%s rows of effective rank %.1f: ", s ? "; " : "", best->task, best->erank);
        if (with_best)
            buf_fmt(&r->evidence, "most stable at d_sae %g", best->d_sae);
        else
            buf_fmt(&r->evidence, "most stable at k %g (EV %.3f)", best->k, best->ev);
        buf_fmt(&r->evidence, ", ratio %.2f", most);
    }
    buf_char(&r->evidence, '.');
}

static enum err_code judge_lines(struct hypo_result *r, struct judge *j, bool over_k, struct err *e)
{
    struct estimate x;

    if (hypo_lines(&j->groups, j->data, over_k, e))
        return e->code;
    if (j->groups.n == 0)
        return ERR_OK;
    note_used(r, j);
    if (estimate(&x, j, over_k ? hypo_stat_trade : hypo_stat_rank, "", 1, e))
        return e->code;
    settle(r, &x, hypotheses[over_k ? HYPO_H2 : HYPO_H1].threshold);
    name_sets(r, j, !over_k);
    if (!over_k && n_labels(j) < SETS_MIN && r->verdict != HYPO_NO_DATA) {
        r->verdict = HYPO_UNDECIDED;
        r->seeds_needed = 0;
        buf_fmt(&r->evidence, " Only %zu of %d sets of rows.", n_labels(j), (int)SETS_MIN);
    }
    return ERR_OK;
}

static enum err_code judge_h3(struct hypo_result *r, struct judge *j, struct err *e)
{
    struct estimate x, best = {NAN, NAN, NAN};
    const char *label;
    size_t n;
    double high = -INFINITY;

    if (hypo_rivals(&j->groups, j->data, e))
        return e->code;
    note_used(r, j);
    n = n_labels(j);
    for (size_t p = 0; (label = hypo_label(&j->groups, p)) != NULL; p++) {
        if (estimate(&x, j, hypo_stat_gain, label, n, e))
            return e->code;
        buf_fmt(&r->evidence, "%s%s %+.3f (%+.3f to %+.3f)", p ? "; " : "Gain at TopK's L0: ", label, x.effect, x.low,
                x.high);
        high = x.high > high ? x.high : high;
        if (!(best.low >= x.low))
            best = x;
    }
    if (n == 0)
        return ERR_OK;
    buf_char(&r->evidence, '.');
    settle(r, &best, hypotheses[HYPO_H3].threshold);
    if (r->verdict == HYPO_REFUTED && high >= hypotheses[HYPO_H3].threshold)
        r->verdict = HYPO_UNDECIDED; /* another one may still */
    return ERR_OK;
}

/* The part that fails, or is least sure, is the one whose numbers stand for all. */
static bool is_worse(enum hypo_verdict a, enum hypo_verdict b)
{
    static const int order[] = {[HYPO_REFUTED] = 0, [HYPO_NO_DATA] = 1, [HYPO_UNDECIDED] = 2, [HYPO_SUPPORTED] = 3};

    return order[a] < order[b];
}

/* A mean may hide conditions in which Gaussian rows do as well: the condition that is least sure stands for all. */
static enum err_code judge_surrogate(struct estimate *least, struct hypo_result *r, const struct judge *j, struct err *e)
{
    const struct hypo_group *g = j->groups.n ? &j->groups.v[0] : NULL;
    enum hypo_verdict worst = HYPO_SUPPORTED;
    size_t surely = 0, surely_not = 0, by_mean = 0;

    *least = (struct estimate){NAN, NAN, NAN};
    for (size_t m = 0; g && m < g->n; m++) {
        enum hypo_verdict verdict;
        struct estimate x;

        if (estimate(&x, j, hypo_stat_surrogate, j->data->cond[g->member[m]].job, g->n, e))
            return e->code;
        verdict = hypo_side(x.low, x.high, GAIN_MIN);
        by_mean += j->data->cond[g->member[m]].n_surrogate == 0;
        surely += verdict == HYPO_SUPPORTED;
        surely_not += verdict == HYPO_REFUTED;
        if (m == 0 || is_worse(verdict, worst) || (verdict == worst && x.effect < least->effect)) {
            *least = x;
            worst = verdict;
        }
    }
    if (g)
        buf_fmt(&r->evidence, "Beyond the Gaussian rows in %zu of %zu conditions, below them in %zu, not told apart in %zu. ", surely,
                g->n, surely_not, g->n - surely - surely_not);
    if (by_mean)
        buf_fmt(&r->evidence, "(The Gaussian rows' own spread is not known in %zu: their seeds were not compared.) ", by_mean);
    return ERR_OK;
}

static enum err_code judge_h4(struct hypo_result *r, struct judge *j, struct err *e)
{
    static const struct {
        const char *text;
        hypo_stat stat;
        double threshold;
    } part[] = {{"ratio to random", hypo_stat_ratio, RATIO_MIN},
                {"PWMCC beyond Gaussian rows, least of all conditions", hypo_stat_surrogate, GAIN_MIN},
                {"loss by matched beyond other features", hypo_stat_causal, 0}};
    enum hypo_verdict worst = HYPO_SUPPORTED;
    size_t n_seeds;

    if (hypo_controls(&j->groups, j->data, e))
        return e->code;
    note_used(r, j);
    n_seeds = r->n_seeds;
    for (size_t i = 0; i < j->data->n_causal; i++)
        add_job(r, j->data->causal[i].job);
    for (size_t p = 0; p < ARRAY_LEN(part); p++) {
        struct hypo_result one = {.n_seeds = n_seeds ? n_seeds : j->data->n_causal ? j->data->causal[0].n : 0};
        struct estimate x;

        if (part[p].stat == hypo_stat_surrogate ? judge_surrogate(&x, r, j, e) : estimate(&x, j, part[p].stat, "", 1, e))
            return e->code;
        settle(&one, &x, part[p].threshold);
        if (one.verdict == HYPO_NO_DATA)
            buf_fmt(&r->evidence, "%s%s: no data", p == 2 ? "; " : "", part[p].text);
        else
            buf_fmt(&r->evidence, "%s%s: %.4g (%.4g to %.4g), %s%s", p == 2 ? "; " : "", part[p].text, x.effect, x.low, x.high,
                    hypo_verdict_text(one.verdict), p == 0 ? ". " : "");
        if (p == 0 || is_worse(one.verdict, worst)) {
            settle(r, &x, part[p].threshold);
            r->seeds_needed = one.seeds_needed;
            worst = one.verdict;
        }
    }
    buf_char(&r->evidence, '.');
    if (worst == HYPO_NO_DATA && (r->n_conds || j->data->n_causal))
        r->verdict = HYPO_UNDECIDED; /* a part was not run */
    return ERR_OK;
}

static enum err_code judge_h5(struct hypo_result *r, struct judge *j, struct err *e)
{
    struct estimate x, least = {NAN, NAN, NAN};
    const char *label;
    size_t n;

    if (hypo_tasks(&j->groups, j->data, e))
        return e->code;
    note_used(r, j);
    n = n_labels(j);
    for (size_t p = 0; (label = hypo_label(&j->groups, p)) != NULL; p++) {
        if (estimate(&x, j, hypo_stat_ratio, label, 1, e))
            return e->code;
        buf_fmt(&r->evidence, "%s%s %.3f (%.3f to %.3f)", p ? "; " : "Ratio to random: ", label, x.effect, x.low, x.high);
        if (!(least.effect <= x.effect))
            least = x;
    }
    if (n == 0)
        return ERR_OK;
    buf_char(&r->evidence, '.');
    settle(r, &least, hypotheses[HYPO_H5].threshold);
    if (n < TASKS_MIN && r->verdict == HYPO_SUPPORTED) {
        r->verdict = HYPO_UNDECIDED;
        buf_fmt(&r->evidence, " Only %zu of %d tasks.", n, (int)TASKS_MIN);
    }
    return ERR_OK;
}

static enum err_code judge_one(struct hypo_result *r, size_t h, struct judge *j, struct err *e)
{
    *r = (struct hypo_result){.name = hypotheses[h].name, .claim = hypotheses[h].claim,
                              .rule = hypotheses[h].rule, .threshold = hypotheses[h].threshold,
                              .effect = NAN, .low = NAN, .high = NAN};
    switch (h) {
    case HYPO_H1:
        return judge_lines(r, j, false, e);
    case HYPO_H2:
        return judge_lines(r, j, true, e);
    case HYPO_H3:
        return judge_h3(r, j, e);
    case HYPO_H4:
        return judge_h4(r, j, e);
    default:
        return judge_h5(r, j, e);
    }
}

enum err_code hypo_judge(struct hypo_result out[HYPO_COUNT], const struct hypo_data *d, size_t n_boot,
                         uint64_t seed, struct err *e)
{
    struct draws draws;
    enum err_code rc;

    memset(out, 0, HYPO_COUNT * sizeof *out);
    rc = draw_all(&draws, d, n_boot, seed, e);
    if (rc)
        return rc;
    for (size_t h = 0; h < HYPO_COUNT && !rc; h++) {
        struct judge j = {d, &draws, {0}};

        rc = judge_one(&out[h], h, &j, e);
        hypo_groups_free(&j.groups);
    }
    draws_free(&draws);
    return rc;
}

void hypo_results_free(struct hypo_result r[HYPO_COUNT])
{
    for (size_t i = 0; i < HYPO_COUNT; i++) {
        buf_free(&r[i].evidence);
        buf_free(&r[i].jobs);
    }
}

void hypo_cond_free(struct hypo_cond *c)
{
    char *text[] = {c->job, c->acts, c->task, c->arch, c->but_k, c->but_d_sae, c->but_arch};

    for (size_t t = 0; t < ARRAY_LEN(text); t++)
        free(text[t]);
    free(c->pair);
    free(c->surrogate_pair);
}

void hypo_data_free(struct hypo_data *d)
{
    for (size_t i = 0; i < d->n_conds; i++)
        hypo_cond_free(&d->cond[i]);
    for (size_t i = 0; i < d->n_causal; i++) {
        free(d->causal[i].job);
        free(d->causal[i].gap);
    }
    free(d->cond);
    free(d->causal);
    *d = (struct hypo_data){0};
}
