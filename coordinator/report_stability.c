/* report_stability.c - agreement across seeds, beside every chance level, and against each knob. */
#include "coordinator/report_table.h"

#include <string.h>

#include "coordinator/condition.h"
#include "coordinator/html.h"
#include "coordinator/report_figs.h"
#include "coordinator/stability.h"

enum { FIGURES_KEPT = 8 }; /* for the front, the pairs and some curves */

static const struct report_col figures[] = {
    {.column = "n_seeds", .title = "seeds"},
    {.column = "pwmcc_mean", .title = "PWMCC", .form = REPORT_SPREAD, .second = "pwmcc_std"},
    {.column = "ci_low", .title = "95 % over pairs", .form = REPORT_RANGE, .second = "ci_high"},
    {.column = "seed_ci_low", .title = "95 % over seeds", .form = REPORT_RANGE, .second = "seed_ci_high"},
    {.column = "random_mean", .title = "random"},
    {.column = "random_expected", .title = "expected"},
    {.column = "surrogate_mean", .title = "Gaussian"},
    {.column = "untrained_mean", .title = "untrained"},
    {.column = "shuffled_mean", .title = "shuffled"},
    {.column = "ratio", .title = "ratio"},
    {.column = "ratio_ci_low", .title = "95 % of ratio", .form = REPORT_RANGE, .second = "ratio_ci_high"},
    {.column = "p_value", .title = "p"},
    {.column = "ev_mean", .title = "EV"},
    {.column = "l0_mean", .title = "L0"},
    {.column = "dead_pct_mean", .title = "dead %"},
    {.column = "erank", .title = "eff. rank"},
    {.column = "gt_mcc", .title = "GT-MCC"},
    {.column = "hungarian_mean", .title = "PW-MCC"},
    {.column = "leak", .title = "leak"},
};

static void put_table(struct report *r, const struct table *t, const char *stage)
{
    struct report_col cols[CONDITION_MAX + ARRAY_LEN(figures)];
    size_t knobs[CONDITION_MAX], n = condition_columns(t, knobs);
    struct buf all = {0};

    for (size_t i = 0; i < n; i++)
        cols[i] = (struct report_col){.column = t->cols[knobs[i]],
                                      .form = strcmp(t->cols[knobs[i]], "run_id") == 0 ? REPORT_RUN : REPORT_PLAIN};
    memcpy(cols + n, figures, sizeof figures);
    buf_fmt(&all, "saegrid table stability --sweep %s --where \"stage = '%s'\"", r->sweep, stage);
    report_table(r, t, cols, n + ARRAY_LEN(figures), "Agreement of SAEs across seeds, and of the controls", all.data);
    buf_free(&all);
}

static void put_text(struct buf *out, const char *before, const struct buf *text)
{
    if (!text->len)
        return;
    buf_str(out, before);
    html_text(out, text->data);
    buf_str(out, "</p>\n");
}

static enum err_code put_stage(struct report *r, const char *stage, bool is_named, struct err *e)
{
    struct buf constants = {0}, leaks = {0}, sentence = {0}, lacking = {0};
    struct table t = {0};
    enum err_code rc = stability_load(r->q, r->sweep, stage, &t, e);

    if (!rc) {
        if (is_named) {
            buf_str(r->out, "<h4>");
            html_text(r->out, stage);
            buf_str(r->out, "</h4>\n");
        }
        condition_constants(&t, &constants);
        stability_leaks(&t, &leaks);
        if (stability_is_control(&t))
            buf_str(&sentence, "A control: rows made to have no more than the mean and covariance of those of other stages, or less.");
        else if (is_named) /* else it stands on top of the page */
            stability_sentence(&t, &sentence);
        put_text(r->out, "<p class=\"dim\">Throughout: ", &constants);
        put_text(r->out, "<p class=\"warn\">", &leaks);
        put_text(r->out, "<p>", &sentence);
        stability_mark_controls(&t);
        put_table(r, &t, stage);
        rc = stability_controls(r->q, r->sweep, stage, &lacking, e);
        put_text(r->out, "<p class=\"dim\">Controls without a value: ", &lacking);
        figs_of_stage(r, &t, stage);
    }
    buf_free(&constants);
    buf_free(&leaks);
    buf_free(&sentence);
    buf_free(&lacking);
    table_free(&t);
    return rc;
}

static enum err_code write_stability(struct report *r, struct err *e)
{
    struct table names = {0};
    enum err_code rc = stability_stages(r->q, r->sweep, &names, e);

    struct buf unsound = {0};
    if (!rc && names.n_rows)
        rc = stability_unsound(r->q, r->sweep, &unsound, e);
    put_text(r->out, "<p class=\"warn\">", &unsound);
    buf_free(&unsound);
    r->figures_kept = r->figures_left > 2 * FIGURES_KEPT ? FIGURES_KEPT : 0;
    for (size_t i = 0; i < names.n_rows && !rc; i++)
        rc = put_stage(r, table_cell(&names, i, 0)->text, names.n_rows > 1, e);
    r->figures_kept = 0;
    table_free(&names);
    return rc;
}

REPORT_SECTION(stability) = {"stability", "Stability across seeds", write_stability};
