/* sae_compare.c - how well the features of a set of SAEs agree across seeds.
 *
 * All pairs of the SAEs are compared, and all pairs within each control group.  SAEs that diverged
 * have no dictionary: they are left out, and said so; with fewer than two left the verdict is
 * "negative".  What cannot be computed is listed as absent with its reason.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "common/kinds/sae_compare.h"
#include "common/plot.h"
#include "common/stats.h"
#include "worker/eval/boot.h"
#include "worker/eval/chance.h"
#include "worker/eval/match.h"
#include "worker/jobs/sae_group.h"
#include "worker/runner/impl.h"

struct compare {
    struct job *j;
    const struct sae_compare_cfg *cfg;
    struct sae_group saes, baseline;
    struct sae_pairs trained, random;
    size_t subspace_k;
    bool has_intervals;
    struct interval ci, random_ci;
    struct buf controls; /* "surrogate 0.3918, untrained 0.4749" */
};

static void absent(struct job *j, const char *const *names, size_t n, const char *why)
{
    for (size_t i = 0; i < n; i++)
        job_metric_absent(j, names[i], why);
}

static void metric_mean(struct job *j, const char *name, const double *x, size_t n)
{
    if (x && n)
        job_metric(j, name, stats_mean(x, n));
}

static void metric_std(struct job *j, const char *name, const double *x, size_t n)
{
    if (n < 2)
        job_metric_absent(j, name, "one value: no spread");
    else
        job_metric(j, name, stats_std(x, n));
}

/* --- trained pairs ---------------------------------------------------------------------------- */

static enum err_code seed_interval(struct compare *c, struct err *e)
{
    size_t n = c->saes.n;
    double *pair = calloc(n * n, sizeof *pair);
    struct interval ci;
    struct pcg64 rng;
    enum err_code rc;

    if (!pair)
        return err_set(e, ERR_NOMEM, "sae_compare: %zu SAEs: out of memory", n);
    for (size_t p = 0; p < c->trained.n; p++) {
        size_t a = c->trained.a[p], b = c->trained.b[p];

        pair[a * n + b] = pair[b * n + a] = c->trained.col[PAIR_PWMCC][p];
    }
    pcg64_seed(&rng, (uint64_t)c->cfg->boot_seed);
    rc = boot_seeds(&ci, pair, n, &rng, (size_t)c->cfg->n_boot, e);
    free(pair);
    if (rc)
        return rc;
    job_metric(c->j, "seed_ci_low", ci.low);
    job_metric(c->j, "seed_ci_high", ci.high);
    return ERR_OK;
}

static enum err_code report_trained(struct compare *c, struct err *e)
{
    static const char *const pair_ci[] = {"ci_low", "ci_high"};
    static const char *const seed_ci[] = {"seed_ci_low", "seed_ci_high"};
    const double *x = c->trained.col[PAIR_PWMCC];
    size_t n = c->trained.n;
    struct pcg64 rng;

    job_metric(c->j, "n_seeds", (double)c->saes.n);
    job_metric(c->j, "n_pairs", (double)n);
    metric_mean(c->j, "pwmcc_mean", x, n);
    metric_std(c->j, "pwmcc_std", x, n);
    metric_mean(c->j, "mmcs_mean", c->trained.col[PAIR_MMCS], n);
    metric_mean(c->j, "subspace_mean", c->trained.col[PAIR_SUBSPACE], n);
    metric_mean(c->j, "grassmann_mean", c->trained.col[PAIR_GRASSMANN], n);
    job_metric(c->j, "subspace_expected", (double)c->subspace_k / (double)c->saes.dict[0].d);
    if (c->cfg->hungarian) {
        metric_mean(c->j, "hungarian_mean", c->trained.col[PAIR_HUNGARIAN], n);
        metric_mean(c->j, "hungarian_abs_mean", c->trained.col[PAIR_HUNGARIAN_ABS], n);
        if (c->trained.col[PAIR_SHARED])
            metric_mean(c->j, "shared_fraction", c->trained.col[PAIR_SHARED], n);
        else
            job_metric_absent(c->j, "shared_fraction", "an SAE without an encoder");
    } else {
        job_metric_absent(c->j, "hungarian_mean", "hungarian: false");
        job_metric_absent(c->j, "hungarian_abs_mean", "hungarian: false");
        job_metric_absent(c->j, "shared_fraction", "hungarian: false");
    }
    if (!c->has_intervals || n < 2) {
        absent(c->j, pair_ci, ARRAY_LEN(pair_ci), n < 2 ? "one pair" : "n_boot: 0");
    } else {
        pcg64_seed(&rng, (uint64_t)c->cfg->boot_seed);
        stats_bootstrap_mean(x, n, (size_t)c->cfg->n_boot, &rng, &c->ci.low, &c->ci.high);
        job_metric(c->j, "ci_low", c->ci.low);
        job_metric(c->j, "ci_high", c->ci.high);
    }
    if (c->has_intervals && c->saes.n >= 3)
        return seed_interval(c, e);
    absent(c->j, seed_ci, ARRAY_LEN(seed_ci),
           c->has_intervals ? "fewer than three seeds" : "n_boot: 0");
    return ERR_OK;
}

static void report_expected(struct compare *c)
{
    double sum = 0, last = 0;
    size_t fa = 0, fb = 0;

    for (size_t p = 0; p < c->trained.n; p++) {
        const struct sae_dict *a = &c->saes.dict[c->trained.a[p]];
        const struct sae_dict *b = &c->saes.dict[c->trained.b[p]];

        if (a->f != fa || b->f != fb)
            last = chance_pwmcc(a->d, a->f, b->f);
        fa = a->f;
        fb = b->f;
        sum += last;
    }
    double expected = sum / (double)c->trained.n;
    job_metric(c->j, "random_expected", expected);
    job_metric(c->j, "ratio_expected",
               stats_mean(c->trained.col[PAIR_PWMCC], c->trained.n) / expected);
}

/* --- against the baseline --------------------------------------------------------------------- */

static const char *const against_random[] = {
    "random_mean",  "random_std", "random_ci_low", "random_ci_high", "ratio", "ratio_ci_low",
    "ratio_ci_high", "delta",     "delta_lcb",     "p_value",        "mwu",   "cohens_d"};

static enum err_code ratio_interval(struct compare *c, struct err *e)
{
    struct interval ratio;
    struct pcg64 a, b;

    pcg64_seed(&b, (uint64_t)c->cfg->boot_seed_random);
    stats_bootstrap_mean(c->random.col[PAIR_PWMCC], c->random.n, (size_t)c->cfg->n_boot, &b,
                         &c->random_ci.low, &c->random_ci.high);
    job_metric(c->j, "random_ci_low", c->random_ci.low);
    job_metric(c->j, "random_ci_high", c->random_ci.high);
    pcg64_seed(&a, (uint64_t)c->cfg->boot_seed);
    pcg64_seed(&b, (uint64_t)c->cfg->boot_seed_random);
    if (boot_ratio(&ratio, c->trained.col[PAIR_PWMCC], c->trained.n, &a,
                   c->random.col[PAIR_PWMCC], c->random.n, &b, (size_t)c->cfg->n_boot, e))
        return e->code;
    job_metric(c->j, "ratio_ci_low", ratio.low);
    job_metric(c->j, "ratio_ci_high", ratio.high);
    if (c->trained.n >= 2)
        job_metric(c->j, "delta_lcb", c->ci.low - c->random_ci.high);
    else
        job_metric_absent(c->j, "delta_lcb", "one pair");
    return ERR_OK;
}

static enum err_code report_random(struct compare *c, struct err *e)
{
    static const char *const intervals[] = {"random_ci_low", "random_ci_high", "ratio_ci_low",
                                            "ratio_ci_high", "delta_lcb"};
    const double *t = c->trained.col[PAIR_PWMCC], *r = c->random.col[PAIR_PWMCC];
    size_t n_t = c->trained.n, n_r = c->random.n;

    if (n_r == 0) {
        absent(c->j, against_random, ARRAY_LEN(against_random),
               job_input(c->j, "baseline") ? "fewer than two baselines" : "no baseline");
        return ERR_OK;
    }
    double random = stats_mean(r, n_r), trained = stats_mean(t, n_t);
    struct stats_mwu mwu = stats_mann_whitney(t, n_t, r, n_r);
    job_metric(c->j, "random_mean", random);
    metric_std(c->j, "random_std", r, n_r);
    job_metric(c->j, "ratio", trained / random);
    job_metric(c->j, "delta", trained - random);
    job_metric(c->j, "p_value", mwu.p);
    job_metric(c->j, "mwu", mwu.u);
    if (n_t >= 2 && n_r >= 2)
        job_metric(c->j, "cohens_d", stats_cohens_d(t, n_t, r, n_r));
    else
        job_metric_absent(c->j, "cohens_d", "one pair: no spread");
    if (c->has_intervals && n_r >= 2)
        return ratio_interval(c, e);
    absent(c->j, intervals, ARRAY_LEN(intervals), c->has_intervals ? "one pair" : "n_boot: 0");
    return ERR_OK;
}

/* PWMCC within a control group that is only summed up. */
static enum err_code report_control(struct compare *c, const char *input, const char *metric,
                                    struct err *e)
{
    struct sae_group g = {0};
    struct sae_pairs pairs = {0};
    const struct sae_part part = {-1, (size_t)c->cfg->prefix};
    enum err_code rc;

    if (!job_input(c->j, input)) {
        job_metric_absent(c->j, metric, "not asked for");
        return ERR_OK;
    }
    rc = sae_group_load(&g, c->j, input, &part, e);
    if (!rc && g.n >= 2)
        rc = sae_pairs_compare(&pairs, c->j, &g, &(struct pair_options){0}, e);
    if (!rc && pairs.n) {
        metric_mean(c->j, metric, pairs.col[PAIR_PWMCC], pairs.n);
        buf_fmt(&c->controls, "%s%s %.4f", c->controls.len ? ", " : "", input, stats_mean(pairs.col[PAIR_PWMCC], pairs.n));
    } else if (!rc) {
        job_metric_absent(c->j, metric, "fewer than two of them");
    }
    sae_pairs_free(&pairs);
    sae_group_free(&g);
    return rc;
}

/* --- truth, and what the SAEs' own results say ------------------------------------------------- */

static enum err_code report_truth(struct compare *c, struct err *e)
{
    const struct job_input *in = job_input(c->j, "truth");
    struct sae_dict truth = {0};
    struct buf path = {0};
    enum err_code rc;
    double *mcc = calloc(c->saes.n, sizeof *mcc);

    if (!mcc)
        return err_set(e, ERR_NOMEM, "sae_compare: out of memory");
    buf_fmt(&path, "%s/%s", in->dir, TRUTH_FILE);
    rc = sae_dict_load_rows(&truth, path.data, e);
    buf_free(&path);
    if (!rc && truth.d != c->saes.dict[0].d)
        rc = err_set(e, ERR_INVALID, "sae_compare: truth: %zu dims, the SAEs have %zu", truth.d,
                     c->saes.dict[0].d);
    for (size_t i = 0; !rc && i < c->saes.n; i++) {
        struct dict a = sae_group_dict(&c->saes, i), b = {truth.dir, truth.f, truth.d};

        rc = match_hungarian(&mcc[i], NULL, &a, &b, false, e);
    }
    if (!rc) {
        metric_mean(c->j, "gt_mcc", mcc, c->saes.n);
        metric_std(c->j, "gt_mcc_std", mcc, c->saes.n);
    }
    sae_dict_free(&truth);
    free(mcc);
    return rc;
}

/* value [n] of the members; false if not all have it. */
static bool of_members(const struct compare *c, const char *metric, double *value)
{
    for (size_t i = 0; i < c->saes.n; i++)
        if (!job_input_metric(c->saes.in[i], metric, &value[i]))
            return false;
    return true;
}

static enum err_code report_inputs(struct compare *c, struct err *e)
{
    static const struct {
        const char *of, *mean, *std;
        bool is_trained; /* changes while the SAE trains */
    } rows[] = {{"ev", "ev_mean", "ev_std", true},
                {"l0", "l0_mean", "l0_std", true},
                {"dead_pct", "dead_pct_mean", "dead_pct_std", true},
                {"mse", "mse_mean", "mse_std", true},
                {"loss", "loss_mean", NULL, true},
                {"erank", "erank", NULL, false},
                {"erank_sq", "erank_sq", NULL, false},
                {"participation", "participation", NULL, false},
                {"leak", "leak", NULL, false},
                {"base_acc", "base_acc", NULL, false}};
    const bool is_part = c->cfg->checkpoint >= 0 || c->cfg->prefix > 0;
    double *value = malloc(c->saes.n * sizeof *value);

    if (!value)
        return err_set(e, ERR_NOMEM, "sae_compare: out of memory");
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        const char *why = is_part && rows[r].is_trained       ? "known of the whole SAE at its end only"
                          : !of_members(c, rows[r].of, value) ? "not every SAE reports it"
                                                              : NULL;

        if (why)
            job_metric_absent(c->j, rows[r].mean, why);
        else
            metric_mean(c->j, rows[r].mean, value, c->saes.n);
        if (why && rows[r].std)
            job_metric_absent(c->j, rows[r].std, why);
        else if (rows[r].std)
            metric_std(c->j, rows[r].std, value, c->saes.n);
    }
    free(value);
    return ERR_OK;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Sorted values against the share of pairs below them; x and y [n] are filled. */
static struct plot_line sorted_line(const char *title, const double *v, size_t n, double *x, double *y)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = ((double)i + 0.5) / (double)n;
        y[i] = v[i];
    }
    qsort(y, n, sizeof *y, ascending);
    return (struct plot_line){.title = title, .x = x, .y = y, .n = n};
}

static enum err_code plot_pairs(struct compare *c, struct err *e)
{
    size_t n = c->trained.n, m = c->random.n;
    double *x = calloc(2 * (n + m), sizeof *x);
    struct plot_line lines[2];

    if (!x)
        return err_set(e, ERR_NOMEM, "sae_compare: %zu pairs: out of memory", n + m);
    lines[0] = sorted_line("trained", c->trained.col[PAIR_PWMCC], n, x, x + n);
    if (m)
        lines[1] = sorted_line("baseline", c->random.col[PAIR_PWMCC], m, x + 2 * n, x + 2 * n + m);
    struct plot p = {.title = "sae_compare: agreement of pairs", .x_label = "share of pairs", .y_label = "PWMCC",
                     .points = true, .lines = lines, .n_lines = m ? 2 : 1};
    job_plot(c->j, "pwmcc", &p);
    free(x);
    return ERR_OK;
}

static void summarise(struct compare *c)
{
    const double *t = c->trained.col[PAIR_PWMCC], *r = c->random.col[PAIR_PWMCC];
    double mean = stats_mean(t, c->trained.n);

    if (c->saes.n_left_out)
        job_summary(c->j, "%zu SAE(s) diverged and are left out.", c->saes.n_left_out);
    if (!c->saes.has_unique_seeds)
        job_summary(c->j, "Seeds are not unique: pair tables number the SAEs from 0.");
    job_summary(c->j, "PWMCC of %zu SAEs (%zu pairs): %.4f.", c->saes.n, c->trained.n, mean);
    if (c->random.n)
        job_summary(c->j, "Random baseline: %.4f; ratio %.3f.", stats_mean(r, c->random.n),
                    mean / stats_mean(r, c->random.n));
    if (c->controls.len)
        job_summary(c->j, "SAEs trained on control rows agree so much: %s.", c->controls.data);
}

/* --- the job ---------------------------------------------------------------------------------- */

static enum err_code compare_pairs(struct compare *c, struct err *e)
{
    struct pair_options o = {.subspace_k = c->subspace_k, .hungarian = c->cfg->hungarian,
                             .is_reported = true};

    if (sae_pairs_compare(&c->trained, c->j, &c->saes, &o, e))
        return e->code;
    if (c->baseline.n >= 2 &&
        sae_pairs_compare(&c->random, c->j, &c->baseline, &(struct pair_options){0}, e))
        return e->code;
    sae_pairs_blob(c->j, "pairs", &c->trained, &c->saes);
    if (c->random.n)
        sae_pairs_blob(c->j, "baseline_pairs", &c->random, &c->baseline);
    return ERR_OK;
}

static enum err_code compare(struct compare *c, struct err *e)
{
    if (compare_pairs(c, e) || report_trained(c, e))
        return e->code;
    report_expected(c);
    if (report_random(c, e) || report_control(c, "surrogate", "surrogate_mean", e) ||
        report_control(c, "untrained", "untrained_mean", e) ||
        report_control(c, "shuffled", "shuffled_mean", e))
        return e->code;
    if (job_input(c->j, "truth") && report_truth(c, e))
        return e->code;
    if (report_inputs(c, e))
        return e->code;
    summarise(c);
    return plot_pairs(c, e);
}

static void too_few(struct compare *c)
{
    static const char *const lost[] = {"pwmcc_mean", "pwmcc_std", "mmcs_mean", "random_expected"};

    job_metric(c->j, "n_seeds", (double)c->saes.n);
    job_metric(c->j, "n_pairs", 0);
    absent(c->j, lost, ARRAY_LEN(lost), "fewer than two SAEs did not diverge");
    job_verdict(c->j, "negative", "fewer than two SAEs did not diverge");
    job_summary(c->j, "%zu SAE(s) diverged: nothing to compare.", c->saes.n_left_out);
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    size_t n = 0;

    while (job_input_at(j, "saes", n))
        n++;
    if (n < 2)
        return err_set(e, ERR_INVALID, "sae_compare: saes: %zu given: two or more are compared", n);
    p->n_steps = (int64_t)(n * (n - 1) / 2);
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct compare c = {.j = j, .cfg = j->cfg};
    const struct sae_part part = {c.cfg->checkpoint, (size_t)c.cfg->prefix};
    const struct sae_part control = {-1, part.prefix};
    enum err_code rc = sae_group_load(&c.saes, j, "saes", &part, e);

    c.has_intervals = c.cfg->n_boot > 0;
    if (!rc && job_input(j, "baseline"))
        rc = sae_group_load(&c.baseline, j, "baseline", &control, e);
    if (!rc && c.saes.n < 2) {
        too_few(&c);
    } else if (!rc) {
        c.subspace_k = sae_group_rank_max(&c.saes);
        if (c.subspace_k > (size_t)c.cfg->subspace_k)
            c.subspace_k = (size_t)c.cfg->subspace_k;
        rc = compare(&c, e);
    }
    sae_pairs_free(&c.trained);
    sae_pairs_free(&c.random);
    buf_free(&c.controls);
    sae_group_free(&c.saes);
    sae_group_free(&c.baseline);
    return rc ? err_wrap(e, "sae_compare") : ERR_OK;
}

const struct job_impl job_impl_sae_compare = {"sae_compare", plan, run};
