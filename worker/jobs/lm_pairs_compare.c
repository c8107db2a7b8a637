/* lm_pairs_compare.c - models on the same minimal pairs as their controls (worker/eval/pairstat.h), one
 * of each a seed (worker/jobs/lineage.h).
 *
 * Two kinds of noise: over sentences, for these very models, and over seeds of the training.  With two
 * seeds or more both have an interval; the wider is the one to quote.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/kinds/lm_pairs_compare.h"
#include "worker/eval/contrast.h"
#include "worker/eval/pairstat.h"
#include "worker/jobs/lineage.h"
#include "worker/jobs/pair_groups.h"
#include "worker/jobs/pair_scores.h"
#include "worker/runner/impl.h"

struct compare {
    struct job *j;
    struct lineage pair;          /* pairs -> baseline */
    size_t n;                     /* seeds */
    struct pair_scores *a, *b;    /* [n] */
    const double **col[4];        /* [n] a_good, a_bad, b_good, b_bad */
    struct pair_groups groups;
};

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    (void)j, (void)p, (void)e; /* tables of a few megabytes */
    return ERR_OK;
}

/* --- reading -------------------------------------------------------------------------------- */

static enum err_code same_set(const struct pair_scores *a, const struct pair_scores *b, struct err *e)
{
    if (strcmp(a->mode, b->mode) != 0)
        return err_set(e, ERR_INVALID, "one was scored in mode %s, the other in %s", a->mode, b->mode);
    if (a->n != b->n || strcmp(a->keys, b->keys) != 0)
        return err_set(e, ERR_INVALID, "the two were not scored on the same pairs (%zu and %zu)", a->n, b->n);
    return ERR_OK;
}

static enum err_code read_seed(struct compare *c, size_t i, struct err *e)
{
    if (pair_scores_read(&c->a[i], job_input_at(c->j, "pairs", i)->dir, e))
        return err_wrap(e, "pairs");
    if (pair_scores_read(&c->b[i], job_input_at(c->j, "baseline", c->pair.partner[i])->dir, e))
        return err_wrap(e, "baseline");
    if (same_set(&c->a[i], &c->b[i], e) || same_set(&c->a[0], &c->a[i], e))
        return e->code;
    c->col[0][i] = c->a[i].good;
    c->col[1][i] = c->a[i].bad;
    c->col[2][i] = c->b[i].good;
    c->col[3][i] = c->b[i].bad;
    return ERR_OK;
}

static void close_all(struct compare *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->a)
            pair_scores_free(&c->a[i]);
        if (c->b)
            pair_scores_free(&c->b[i]);
    }
    free(c->a);
    free(c->b);
    for (size_t k = 0; k < ARRAY_LEN(c->col); k++)
        free(c->col[k]);
    pair_groups_free(&c->groups);
    lineage_free(&c->pair);
}

static enum err_code open_all(struct compare *c, struct err *e)
{
    if (lineage_pair(&c->pair, c->j, "pairs", "baseline", e))
        return e->code;
    c->n = c->pair.n;
    c->a = calloc(c->n, sizeof *c->a);
    c->b = calloc(c->n, sizeof *c->b);
    for (size_t k = 0; k < ARRAY_LEN(c->col); k++)
        c->col[k] = calloc(c->n, sizeof *c->col[k]);
    if (!c->a || !c->b || !c->col[0] || !c->col[1] || !c->col[2] || !c->col[3])
        return err_set(e, ERR_NOMEM, "%zu models: out of memory", c->n);
    for (size_t i = 0; i < c->n; i++)
        if (read_seed(c, i, e))
            return e->code;
    return pair_groups_read(&c->groups, job_input_at(c->j, "pairs", 0), &c->a[0], e);
}

/* --- comparing ------------------------------------------------------------------------------ */

static struct pair_delta_in all_pairs(const struct compare *c)
{
    const struct lm_pairs_compare_cfg *k = c->j->cfg;

    return (struct pair_delta_in){
        .a_good = c->col[0], .a_bad = c->col[1], .b_good = c->col[2], .b_bad = c->col[3],
        .group = c->a[0].group, .n = c->a[0].n, .n_groups = c->a[0].n_groups, .n_seeds = c->n,
        .n_boot = (size_t)k->n_boot, .seed = (uint64_t)k->seed, .tie_is_right = strcmp(c->a[0].mode, "legacy") != 0};
}

/* The two numbers seed by seed: their spread over trainings. */
static void seed_noise(const struct compare *c, struct contrast *accuracy, struct contrast *margin)
{
    double *v = calloc(3 * c->n, sizeof *v), *zero = v ? v + 2 * c->n : NULL;
    struct pair_delta_in in = all_pairs(c);

    if (!v)
        abort(); /* as buf does */
    in.n_boot = 0;
    in.n_seeds = 1;
    for (size_t i = 0; i < c->n; i++) {
        in.a_good = c->col[0] + i;
        in.a_bad = c->col[1] + i;
        in.b_good = c->col[2] + i;
        in.b_bad = c->col[3] + i;
        const struct pair_delta d = pair_delta(&in);

        v[i] = d.accuracy;
        v[c->n + i] = d.margin;
    }
    *accuracy = contrast_of(v, zero, c->n);
    *margin = contrast_of(v + c->n, zero, c->n);
    free(v);
}

static void put_seed_noise(struct job *j, const char *low, const char *high, const struct contrast *c)
{
    if (c->n > 1) {
        job_metric(j, low, c->low);
        job_metric(j, high, c->high);
    } else {
        job_metric_absent(j, low, "one seed");
        job_metric_absent(j, high, "one seed");
    }
}

static void report_delta(const struct compare *c, const struct pair_delta *d)
{
    struct job *j = c->j;

    job_metric(j, "pair_delta", d->accuracy);
    job_metric(j, "pair_delta_low", d->ci_low);
    job_metric(j, "pair_delta_high", d->ci_high);
    job_metric(j, "pair_detectable", d->detectable);
    job_metric(j, "pair_acc_base", d->base);
    if (c->n == 1)
        job_metric(j, "p_mcnemar", d->p_mcnemar);
    else
        job_metric_absent(j, "p_mcnemar", "the seeds share their sentences: the test is for two models");
    job_metric(j, "pairs_gained", (double)d->n_gained);
    job_metric(j, "pairs_lost", (double)d->n_lost);
    job_metric(j, "margin_delta", d->margin);
    job_metric(j, "margin_delta_low", d->margin_low);
    job_metric(j, "margin_delta_high", d->margin_high);
    job_metric(j, "n_seeds", (double)c->n);
}

static void report(const struct compare *c, const struct pair_delta *d)
{
    struct contrast accuracy, margin;
    struct job *j = c->j;

    report_delta(c, d);
    seed_noise(c, &accuracy, &margin);
    put_seed_noise(j, "pair_delta_seed_low", "pair_delta_seed_high", &accuracy);
    put_seed_noise(j, "margin_delta_seed_low", "margin_delta_seed_high", &margin);
    job_summary(j, "Accuracy %+.4f against the baseline's %.4f, 95 %% interval %+.4f to %+.4f over %zu pairs; "
                   "%zu gained, %zu lost; %.4f could have been found.",
                d->accuracy, d->base, d->ci_low, d->ci_high, c->a[0].n, d->n_gained, d->n_lost, d->detectable);
    if (c->n > 1)
        job_summary(j, "Over %zu seeds: %+.4f to %+.4f.", c->n, accuracy.low, accuracy.high);
    else
        job_summary(j, "McNemar p = %.3g.", d->p_mcnemar);
    job_summary(j, "Margin %+.4f nats, interval %+.4f to %+.4f.", d->margin, d->margin_low, d->margin_high);
}

/* --- categories ----------------------------------------------------------------------------- */

/* Pairs of the chosen paradigms: columns and groups of their own. */
struct part {
    double *value;                /* [4][n_seeds][n] */
    const double **col;           /* [4][n_seeds] */
    size_t *group, n, n_groups;
};

static void part_fill(struct part *p, const struct compare *c, const size_t *kind, size_t which)
{
    size_t *renumbered = calloc(c->a[0].n_groups, sizeof *renumbered);

    if (!renumbered)
        abort(); /* as buf does */
    for (size_t g = 0; g < c->a[0].n_groups; g++)
        if (kind[g] == which)
            renumbered[g] = p->n_groups++;
    for (size_t k = 0; k < 4; k++)
        for (size_t s = 0; s < c->n; s++) {
            double *to = p->value + (k * c->n + s) * c->a[0].n;

            p->col[k * c->n + s] = to;
            p->n = 0;
            for (size_t i = 0; i < c->a[0].n; i++)
                if (kind[c->a[0].group[i]] == which) {
                    p->group[p->n] = renumbered[c->a[0].group[i]];
                    to[p->n++] = c->col[k][s][i];
                }
        }
    free(renumbered);
}

static void put_part(struct buf *out, const struct compare *c, const char *name, const size_t *kind, size_t which)
{
    struct part p = {.value = calloc(4 * c->n * c->a[0].n, sizeof *p.value),
                     .col = calloc(4 * c->n, sizeof *p.col), .group = calloc(c->a[0].n, sizeof *p.group)};
    struct pair_delta_in in = all_pairs(c);

    if (!p.value || !p.col || !p.group)
        abort(); /* as buf does */
    part_fill(&p, c, kind, which);
    in.a_good = p.col;
    in.a_bad = p.col + c->n;
    in.b_good = p.col + 2 * c->n;
    in.b_bad = p.col + 3 * c->n;
    in.group = p.group;
    in.n = p.n;
    in.n_groups = p.n_groups;
    const struct pair_delta d = pair_delta(&in);
    const double row[] = {d.base, d.base + d.accuracy, d.accuracy, d.ci_low, d.ci_high, d.detectable, d.margin};

    buf_fmt(out, "%s,%zu,%zu", name, p.n_groups, p.n);
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        buf_char(out, ',');
        if (isfinite(row[i]))
            buf_f64(out, row[i]);
    }
    buf_char(out, '\n');
    free(p.value);
    free(p.col);
    free(p.group);
}

static void put_kinds(const struct compare *c, const char *blob, const struct pair_kinds *k)
{
    struct buf out = {0};

    buf_str(&out, "name,paradigms,pairs,baseline,model,delta,ci_low,ci_high,detectable,margin_delta\n");
    for (size_t i = 0; i < k->n; i++)
        put_part(&out, c, k->name[i], k->of, i);
    job_blob(c->j, blob, "text/csv", out.data);
    buf_free(&out);
}

static enum err_code run(struct job *j, struct err *e)
{
    struct compare c = {.j = j};
    enum err_code rc = open_all(&c, e);

    if (!rc) {
        const struct pair_delta_in in = all_pairs(&c);
        const struct pair_delta d = pair_delta(&in);

        report(&c, &d);
        put_kinds(&c, "fields", &c.groups.fields);
        put_kinds(&c, "terms", &c.groups.terms);
    }
    close_all(&c);
    return rc ? err_wrap(e, "lm_pairs_compare") : ERR_OK;
}

const struct job_impl job_impl_lm_pairs_compare = {"lm_pairs_compare", plan, run};
