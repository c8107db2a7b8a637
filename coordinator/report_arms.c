/* report_arms.c - continued pretraining: what each arm costs in perplexity, and the verdicts. */
#include "coordinator/report_table.h"

#include <string.h>

#include "coordinator/cpt_sql.h"
#include "coordinator/html.h"

/* Results of a kind in this sweep, with the stage they belong to. */
#define OF_KIND(kind)                                                                              \
    "of AS (SELECT DISTINCT j.id, t.name AS stage, t.ord, lower(hex(j.digest)) AS job, coalesce(sj.verdict, j.verdict) AS verdict," \
    " j.message FROM job j" IN_SWEEP " JOIN stage t ON t.id = sj.stage WHERE s.id = ?1 AND j.kind = " KIND_IS(kind)        \
    " AND j.state = 'done')"

/* --- verdicts ----------------------------------------------------------------------------------- */

static void put_interval(struct buf *out, const struct cell *low, const struct cell *high)
{
    if (low->type != CELL_F64 || high->type != CELL_F64)
        return;
    buf_str(out, " (95 % over seeds ");
    table_number(out, low->f);
    buf_str(out, " to ");
    table_number(out, high->f);
    buf_char(out, ')');
}

static void put_tax(struct report *r, const struct cell *c)
{
    buf_str(r->out, "<li>");
    report_open_run(r, c[0].text);
    html_text(r->out, c[1].text);
    buf_str(r->out, "</a>: ");
    if (c[2].type == CELL_F64) {
        buf_str(r->out, c[2].f > 0 ? "+" : "");
        table_number(r->out, c[2].f);
        buf_str(r->out, " % of perplexity against the control");
        put_interval(r->out, &c[3], &c[4]);
    } else {
        buf_str(r->out, "no finite perplexity");
    }
    buf_str(r->out, ", ");
    html_text(r->out, c[5].text);
    buf_str(r->out, " split");
    if (c[6].type == CELL_TEXT)
        buf_fmt(r->out, " <span class=\"badge\">%s</span>", strcmp(c[6].text, "pass") ? "over the gate" : "within the gate");
    buf_str(r->out, "</li>\n");
}

static enum err_code put_taxes(struct report *r, struct err *e)
{
    struct table t = {0};
    enum err_code rc = cpt_sql_ask(r->q, r->sweep_id,
        ", " OF_KIND("lm_compare") ", first AS (SELECT of.*, " INPUT_OF("of.id", "evals") " AS eval FROM of)"
        " SELECT f.job, " CPT_NAME("c") ", " METRIC_OF("f.id", "ppl_increase_pct") ", " METRIC_OF("f.id", "ppl_increase_pct_low") ", "
        METRIC_OF("f.id", "ppl_increase_pct_high") ", coalesce(json_extract((SELECT knobs FROM job WHERE id = f.eval), '$.split'), 'valid'),"
        " f.verdict FROM first f JOIN cpt c ON c.id = " INPUT_OF("f.eval", "model") " ORDER BY 6 DESC, " CPT_ORDER("c")
        ", c.lambda, c.random_target", &t, e);

    if (!rc && t.n_rows)
        buf_str(r->out, "<p><strong>What it costs</strong></p>\n<ul class=\"checks\">\n");
    for (size_t i = 0; i < t.n_rows && !rc; i++)
        put_tax(r, table_cell(&t, i, 0));
    if (!rc && t.n_rows)
        buf_str(r->out, "</ul>\n");
    table_free(&t);
    return rc;
}

static enum err_code put_lazier(struct report *r, struct err *e)
{
    struct table t = {0};
    enum err_code rc = cpt_sql_ask(r->q, r->sweep_id,
        ", " OF_KIND("structure_check") ", first AS (SELECT of.*, " INPUT_OF("of.id", "saes") " AS sae FROM of),"
        " acts AS (SELECT f.*, " INPUT_OF("f.sae", "acts") " AS acts, " SAE_ARCH("f.sae") " AS arch FROM first f)"
        " SELECT f.job, " CPT_NAME("c") " || CASE WHEN (SELECT count(DISTINCT arch) FROM acts) > 1 THEN ', ' || f.arch || ' SAEs' ELSE '' END,"
        " f.message, f.verdict FROM acts f JOIN cpt c ON c.id = " INPUT_OF("f.acts", "model")
        " ORDER BY f.arch DESC, " CPT_ORDER("c") ", c.lambda, c.random_target", &t, e);

    if (!rc && t.n_rows)
        buf_str(r->out, "<p><strong>Are fresh SAEs lazier?</strong></p>\n<ul class=\"checks\">\n");
    for (size_t i = 0; i < t.n_rows && !rc; i++) {
        const struct cell *c = table_cell(&t, i, 0);

        buf_str(r->out, "<li>");
        report_open_run(r, c[0].text);
        html_text(r->out, c[1].text);
        buf_str(r->out, "</a>: ");
        html_text(r->out, c[2].text);
        buf_fmt(r->out, " <span class=\"badge\">%s</span></li>\n", c[3].type == CELL_TEXT && !strcmp(c[3].text, "pass") ? "yes" : "no");
    }
    if (!rc && t.n_rows)
        buf_str(r->out, "</ul>\n");
    table_free(&t);
    return rc;
}

enum err_code report_arms_verdict(struct report *r, struct err *e)
{
    enum err_code rc = put_lazier(r, e);

    return rc ? rc : put_taxes(r, e);
}

/* --- comparison --------------------------------------------------------------------------------- */

static const char comparison[] =
    "SELECT arm || coalesce(', ' || random_target, '') AS arm, lambda AS weight, lambda_schedule AS schedule, k_sharp AS kept, settings,"
    " split AS text, seeds, ppl, ppl_std, change_base_pct AS base_pct, change_base_pct_std AS base_std, change_control_pct AS control_pct,"
    " change_control_pct_std AS control_std, change_control_pct_low AS low, change_control_pct_high AS high, verdict, job FROM arms"
    " WHERE sweep = ?1";

static enum err_code put_overrides(struct report *r, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(r->q, &t, e, "SELECT DISTINCT k_sharp, k_sharp_override FROM perplexity WHERE sweep = ?1"
                                   " AND k_sharp_override IS NOT NULL ORDER BY 1", "t", r->sweep);

    for (size_t i = 0; i < t.n_rows && !rc; i++) {
        buf_str(r->out, "<p class=\"warn\">k_sharp = ");
        cell_text(table_cell(&t, i, 0), r->out);
        buf_str(r->out, " was given by hand and not decided by a ksharp job: ");
        html_text(r->out, table_cell(&t, i, 1)->text);
        buf_str(r->out, ".</p>\n");
    }
    table_free(&t);
    return rc;
}

static enum err_code write_arms(struct report *r, struct err *e)
{
    static const struct report_col cols[] = {
        {.column = "arm", .form = REPORT_RUN},
        {.column = "weight", .title = "lambda"},
        {.column = "schedule"},
        {.column = "kept", .title = "k_sharp", .metric = "k_sharp"},
        {.column = "settings"},
        {.column = "text", .title = "split"},
        {.column = "seeds", .metric = "n_seeds"},
        {.column = "ppl", .title = "perplexity", .form = REPORT_SPREAD, .second = "ppl_std", .metric = "ppl"},
        {.column = "base_pct", .title = "% against baseline", .form = REPORT_SPREAD, .second = "base_std", .metric = "ppl_increase_base_pct"},
        {.column = "control_pct", .title = "% against control", .form = REPORT_SPREAD, .second = "control_std", .metric = "ppl_increase_pct"},
        {.column = "low", .title = "95 %, paired by seed", .form = REPORT_RANGE, .second = "high", .metric = "ppl_increase_pct_low"},
        {.column = "verdict", .title = "tax gate"}};
    struct table t = {0};
    struct buf all = {0};
    enum err_code rc = query_table(r->q, &t, e, comparison, "t", r->sweep);

    buf_fmt(&all, "saegrid table arms --sweep %s", r->sweep);
    if (!rc && t.n_rows) {
        buf_str(r->out, "<p>Against the control of the same seed; the change against the untouched model decides nothing, since a model "
                        "that still learns improves under any continued pretraining.</p>\n");
        report_table(r, &t, cols, ARRAY_LEN(cols), "Perplexity of every arm: mean \u00b1 standard deviation over seeds", all.data);
        rc = put_overrides(r, e);
    }
    table_free(&t);
    buf_free(&all);
    return rc;
}

REPORT_SECTION(arms) = {"arms", "What each arm costs", write_arms};
