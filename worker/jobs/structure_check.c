/* structure_check.c - SAEs on an arm's models against SAEs on its control's, seed by seed
 * (worker/jobs/lineage.h).
 *
 * A measure that both sides report for every pair gives a contrast: means, paired difference with
 * its interval, effect size.  "Lazier" means: in some of the judged measures the difference lies
 * beyond seed noise in the direction of less work for the SAE, and in none beyond it in the other.
 * Agreement across seeds and rank are shown and not judged: pairs of one group share members, and
 * a smaller rank is not better by itself.
 */
#include <math.h>
#include <stdlib.h>

#include "common/kinds/structure_check.h"
#include "worker/eval/contrast.h"
#include "worker/jobs/lineage.h"
#include "worker/jobs/sae_group.h"
#include "worker/runner/impl.h"

static const struct measure {
    const char *metric, *diff, *effect; /* of the SAE; of this job, NULL: in the table only */
    enum contrast_better lazier;
    bool is_absorb;                     /* of the inputs absorbs and control_absorbs, if they are given */
} measures[] = {
    {"ev", "d_ev", "es_ev", CONTRAST_HIGHER, false},
    {"l0", "d_l0", "es_l0", CONTRAST_LOWER, false},
    {"dead_pct", "d_dead_pct", "es_dead_pct", CONTRAST_LOWER, false},
    {"steps_to_90", "d_steps_to_90", "es_steps_to_90", CONTRAST_LOWER, false},
    {"rows_to_90", NULL, NULL, CONTRAST_EITHER, false}, /* the same in training rows */
    {"effective_features", "d_effective_features", "es_effective_features", CONTRAST_LOWER, false},
    {"firing_gini", "d_firing_gini", "es_firing_gini", CONTRAST_EITHER, false},
    {"erank", "d_erank", "es_erank", CONTRAST_EITHER, false},
    {"absorption_saebench", "d_absorption_saebench", "es_absorption_saebench", CONTRAST_EITHER, true},
    {"absorption_ref", "d_absorption_ref", "es_absorption_ref", CONTRAST_EITHER, true},
};
enum { N_MEASURES = ARRAY_LEN(measures) };

struct structure {
    struct job *j;
    size_t n;
    double *arm, *control; /* [n] of the measure at hand */
    struct lineage pair;   /* saes -> control */
    struct lineage absorb; /* absorbs -> control_absorbs; n 0: not given */
    struct buf table;      /* text/csv */
};

static size_t count(const struct job *j, const char *input)
{
    size_t n = 0;

    while (job_input_at(j, input, n))
        n++;
    return n;
}

static void put_row(struct structure *s, const char *name, const struct contrast *c, int side)
{
    const double values[] = {c->arm, c->control, c->diff, c->low, c->high, c->effect};

    buf_fmt(&s->table, "%s", name);
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        buf_char(&s->table, ',');
        if (isfinite(values[i]))
            buf_f64(&s->table, values[i]);
    }
    buf_fmt(&s->table, ",%d\n", side);
}

static void report(struct structure *s, const char *diff, const char *effect, const struct contrast *c)
{
    if (!diff)
        return;
    job_metric(s->j, diff, c->diff);
    if (isfinite(c->effect))
        job_metric(s->j, effect, c->effect);
    else
        job_metric_absent(s->j, effect, "no spread between the pairs");
}

/* False if a pair lacks the measure. */
static bool gather(struct structure *s, const struct measure *m)
{
    const char *const arm = m->is_absorb ? "absorbs" : "saes", *const control = m->is_absorb ? "control_absorbs" : "control";
    const struct lineage *l = m->is_absorb ? &s->absorb : &s->pair;

    for (size_t i = 0; i < s->n; i++)
        if (!job_input_metric(job_input_at(s->j, arm, i), m->metric, &s->arm[i]) ||
            !job_input_metric(job_input_at(s->j, control, l->partner[i]), m->metric, &s->control[i]))
            return false;
    return true;
}

static int one_measure(struct structure *s, const struct measure *m)
{
    if (m->is_absorb && s->absorb.n == 0)
        return 0;
    if (!gather(s, m)) {
        if (m->diff) {
            job_metric_absent(s->j, m->diff, "not every SAE reports it");
            job_metric_absent(s->j, m->effect, "not every SAE reports it");
        }
        return 0;
    }
    const struct contrast c = contrast_of(s->arm, s->control, s->n);
    const int side = contrast_side(&c, m->lazier);

    report(s, m->diff, m->effect, &c);
    put_row(s, m->metric, &c, side);
    job_summary(s->j, "%s: %.4g against %.4g of the control, difference %.3g (95 %% %.3g to %.3g).",
                m->metric, c.arm, c.control, c.diff, c.low, c.high);
    return side;
}

/* of member i, at place[i]: mean PWMCC with the others of its group */
static void agreement(double *out, const struct sae_pairs *p, const size_t *place, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = 0;
    for (size_t k = 0; k < p->n; k++) {
        out[place[p->a[k]]] += p->col[PAIR_PWMCC][k] / (double)(n - 1);
        out[place[p->b[k]]] += p->col[PAIR_PWMCC][k] / (double)(n - 1);
    }
}

static enum err_code group_agreement(struct structure *s, const char *input, const size_t *place,
                                     double *out, bool *is_whole, struct err *e)
{
    struct sae_group g = {0};
    struct sae_pairs pairs = {0};
    enum err_code rc = sae_group_load(&g, s->j, input, NULL, e);

    *is_whole = !rc && g.n == s->n;
    if (*is_whole)
        rc = sae_pairs_compare(&pairs, s->j, &g, &(struct pair_options){0}, e);
    if (!rc && *is_whole)
        agreement(out, &pairs, place, g.n);
    sae_pairs_free(&pairs);
    sae_group_free(&g);
    return rc;
}

static enum err_code report_agreement(struct structure *s, struct err *e)
{
    size_t *own = calloc(2 * s->n, sizeof *own), *partners = own ? own + s->n : NULL;
    bool is_arm, is_control;

    if (!own)
        return err_set(e, ERR_NOMEM, "%zu SAEs: out of memory", s->n);
    for (size_t i = 0; i < s->n; i++) {
        own[i] = i;
        partners[s->pair.partner[i]] = i;
    }
    enum err_code rc = group_agreement(s, "saes", own, s->arm, &is_arm, e);
    if (!rc)
        rc = group_agreement(s, "control", partners, s->control, &is_control, e);
    free(own);
    if (rc)
        return rc;
    if (!is_arm || !is_control) {
        job_metric_absent(s->j, "d_pwmcc", "an SAE diverged and has no dictionary");
        job_metric_absent(s->j, "es_pwmcc", "an SAE diverged and has no dictionary");
        return ERR_OK;
    }
    const struct contrast c = contrast_of(s->arm, s->control, s->n);

    report(s, "d_pwmcc", "es_pwmcc", &c);
    put_row(s, "pwmcc", &c, 0);
    return ERR_OK;
}

static void judge(struct structure *s, const int *side)
{
    static const char *const words[] = {
        [CONTRAST_YES] = "lazier than the control",
        [CONTRAST_NO] = "less lazy than the control",
        [CONTRAST_MIXED] = "mixed: lazier in some measures, less lazy in others",
        [CONTRAST_UNDECIDED] = "no difference beyond seed noise in enough measures"};
    const struct structure_check_cfg *c = s->j->cfg;
    size_t pro = 0, con = 0;

    for (size_t i = 0; i < N_MEASURES; i++) {
        pro += side[i] > 0;
        con += side[i] < 0;
    }
    const enum contrast_verdict v = contrast_judge(side, N_MEASURES, (size_t)c->min_signs);
    job_metric(s->j, "lazier_signs", (double)pro);
    job_metric(s->j, "busier_signs", (double)con);
    job_verdict(s->j, v == CONTRAST_YES ? "pass" : "negative", words[v]);
    job_summary(s->j, "Verdict over %zu pairs: %s.", s->n, words[v]);
}

static enum err_code check_all(struct structure *s, struct err *e)
{
    int side[N_MEASURES];

    buf_str(&s->table, "measure,arm,control,diff,ci_low,ci_high,effect,side\n");
    job_metric(s->j, "n_seeds", (double)s->n);
    for (size_t i = 0; i < N_MEASURES; i++)
        side[i] = one_measure(s, &measures[i]);
    if (report_agreement(s, e))
        return e->code;
    judge(s, side);
    job_blob(s->j, "structure", "text/csv", s->table.data);
    return ERR_OK;
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    size_t n = count(j, "saes"), m = count(j, "control");

    if (n != m || n < 2)
        return err_set(e, ERR_INVALID,
                       "structure_check: saes: %zu against %zu in control: two or more pairs of equal seeds are compared",
                       n, m);
    p->n_steps = (int64_t)(n * (n - 1));
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct structure s = {.j = j, .n = count(j, "saes")};
    enum err_code rc;

    s.arm = calloc(2 * s.n, sizeof *s.arm);
    if (!s.arm)
        return err_set(e, ERR_NOMEM, "structure_check: %zu SAEs: out of memory", s.n);
    s.control = s.arm + s.n;
    rc = lineage_pair(&s.pair, j, "saes", "control", e);
    if (!rc)
        rc = lineage_pair(&s.absorb, j, "absorbs", "control_absorbs", e);
    if (!rc && s.absorb.n && s.absorb.n != s.n)
        rc = err_set(e, ERR_INVALID, "absorbs: %zu against %zu SAEs: one of each is compared", s.absorb.n, s.n);
    if (!rc)
        rc = check_all(&s, e);
    lineage_free(&s.pair);
    lineage_free(&s.absorb);
    buf_free(&s.table);
    free(s.arm);
    return rc ? err_wrap(e, "structure_check") : ERR_OK;
}

const struct job_impl job_impl_structure_check = {"structure_check", plan, run};
