/* report_ghost.c - minimal pairs: damage that perplexity does not show, with what could have been found. */
#include "coordinator/report_table.h"

#include <string.h>

#include "coordinator/cpt_sql.h"
#include "coordinator/report_csv.h"

/* After "WITH ", after the runs of cpt_sql.h: each comparison with the arm whose pairs it judges, NULL of other models. */
#define COMPARISONS                                                                                \
    ", found AS (SELECT DISTINCT j.id, t.name AS stage, t.ord, lower(hex(j.digest)) AS job, " INPUT_OF(INPUT_OF("j.id", "pairs"), "model") \
    " AS model FROM job j" IN_SWEEP " JOIN stage t ON t.id = sj.stage WHERE s.id = ?1 AND j.kind = " KIND_IS("lm_pairs_compare")   \
    " AND j.state = 'done'), of AS (SELECT f.*, " CPT_NAME("c") " AS arm FROM found f LEFT JOIN cpt c ON c.id = f.model)"

static const char whole[] =
    COMPARISONS " SELECT stage, arm, " METRIC_OF("id", "n_seeds") " AS seeds, " METRIC_OF(INPUT_OF("id", "pairs"), "n_min_pairs") " AS pairs, "
    METRIC_OF("id", "pair_acc_base") " AS base, " METRIC_OF("id", "pair_delta") " AS delta, " METRIC_OF("id", "pair_delta_low") " AS low, "
    METRIC_OF("id", "pair_delta_high") " AS high, " METRIC_OF("id", "pair_delta_seed_low") " AS seed_low, "
    METRIC_OF("id", "pair_delta_seed_high") " AS seed_high, " METRIC_OF("id", "pair_detectable") " AS detectable, "
    METRIC_OF("id", "margin_delta") " AS margin, job FROM of ORDER BY ord, arm, job";
static const char fields[] =
    COMPARISONS " SELECT of.stage, of.arm, of.job, CAST(b.data AS TEXT) FROM of JOIN blob b ON b.job = of.id AND b.name = 'fields'"
    " ORDER BY of.ord, of.arm, of.job";

static enum err_code put_whole(struct report *r, bool *any, struct err *e)
{
    static const struct report_col cols[] = {
        {.column = "stage", .form = REPORT_RUN},
        {.column = "arm"},
        {.column = "seeds", .metric = "n_seeds"},
        {.column = "pairs", .metric = "n_min_pairs"},
        {.column = "base", .title = "baseline's accuracy", .metric = "pair_acc_base"},
        {.column = "delta", .title = "difference", .metric = "pair_delta"},
        {.column = "low", .title = "95 % over sentences", .form = REPORT_RANGE, .second = "high", .metric = "pair_delta_low"},
        {.column = "seed_low", .title = "95 % over seeds", .form = REPORT_RANGE, .second = "seed_high", .metric = "pair_delta_seed_low"},
        {.column = "detectable", .title = "could have been found", .metric = "pair_detectable"},
        {.column = "margin", .title = "margin (nats)", .metric = "margin_delta"}};
    struct table t = {0};
    enum err_code rc = cpt_sql_ask(r->q, r->sweep_id, whole, &t, e);

    *any = !rc && t.n_rows > 0;
    if (*any) {
        buf_str(r->out, "<p>Chance is 0.5, and a small model lies near it, or below, on most paradigms: a difference smaller than "
                        "\"could have been found\" says nothing either way.</p>\n");
        report_table(r, &t, cols, ARRAY_LEN(cols), "Minimal pairs: accuracy against the baseline of the same seed, paired by sentence",
                     "saegrid table metrics");
    }
    table_free(&t);
    return rc;
}

static enum err_code put_fields(struct report *r, struct err *e)
{
    static const struct report_col cols[] = {
        {.column = "stage", .form = REPORT_RUN},
        {.column = "arm"},
        {.column = "name", .title = "category"},
        {.column = "paradigms"},
        {.column = "pairs"},
        {.column = "baseline", .title = "baseline's accuracy"},
        {.column = "model", .title = "accuracy"},
        {.column = "delta", .title = "difference"},
        {.column = "ci_low", .title = "95 % over sentences", .form = REPORT_RANGE, .second = "ci_high"},
        {.column = "detectable", .title = "could have been found"},
        {.column = "margin_delta", .title = "margin (nats)"}};
    struct table of = {0}, t = {0};
    enum err_code rc = cpt_sql_ask(r->q, r->sweep_id, fields, &of, e);

    table_add_col(&t, "stage");
    table_add_col(&t, "arm");
    table_add_col(&t, "job");
    for (size_t i = 0; i < of.n_rows && !rc; i++)
        for (size_t k = report_csv_add(&t, table_cell(&of, i, 3)->text); k < t.n_rows; k++)
            for (size_t c = 0; c < 3; c++)
                cell_copy(&t.cells[k * t.n_cols + c], table_cell(&of, i, c));
    if (!rc && t.n_rows)
        report_table(r, &t, cols, ARRAY_LEN(cols), "By category: means over paradigms, seeds averaged", "the blob `fields` of each comparison");
    table_free(&of);
    table_free(&t);
    return rc;
}

static enum err_code write_ghost(struct report *r, struct err *e)
{
    bool any;
    enum err_code rc = put_whole(r, &any, e);

    return rc || !any ? rc : put_fields(r, e);
}

REPORT_SECTION(ghost) = {"ghost", "Minimal pairs", write_ghost};
