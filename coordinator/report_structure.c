/* report_structure.c - fresh SAEs on every arm's models against those on the control's. */
#include "coordinator/report_table.h"

#include <string.h>

#include "coordinator/cpt_sql.h"
#include "coordinator/report_csv.h"

static const char checks[] =
    ", of AS (SELECT DISTINCT j.id, lower(hex(j.digest)) AS job, coalesce(sj.verdict, j.verdict) AS verdict FROM job j" IN_SWEEP
    " WHERE s.id = ?1 AND j.kind = " KIND_IS("structure_check") " AND j.state = 'done'),"
    " acts AS (SELECT of.*, " INPUT_OF(INPUT_OF("of.id", "saes"), "acts") " AS acts, " SAE_ARCH(INPUT_OF("of.id", "saes")) " AS arch FROM of)"
    " SELECT " CPT_NAME("c") ", CASE WHEN (SELECT count(DISTINCT arch) FROM acts) > 1 THEN a.arch END, a.job, CAST(b.data AS TEXT) FROM acts a JOIN cpt c ON c.id = " INPUT_OF("a.acts", "model")
    " JOIN blob b ON b.job = a.id AND b.name = 'structure' ORDER BY a.arch DESC, " CPT_ORDER("c") ", c.lambda, c.random_target";

/* "+" where the SAEs are lazier beyond seed noise, "-" where they are busier. */
static void put_sides(struct table *t, size_t from)
{
    const int side = table_col(t, "side");

    for (size_t i = from; i < t->n_rows && side >= 0; i++) {
        struct cell *c = &t->cells[i * t->n_cols + (size_t)side];
        const double v = c->type == CELL_F64 ? c->f : 0;

        *c = (struct cell){0};
        cell_set_text(c, v > 0 ? "lazier" : v < 0 ? "busier" : "");
    }
}

static enum err_code write_structure(struct report *r, struct err *e)
{
    static const struct report_col cols[] = {
        {.column = "arm_name", .title = "arm", .form = REPORT_RUN},
        {.column = "sae", .title = "SAEs"},
        {.column = "measure"},
        {.column = "arm", .title = "arm's mean"},
        {.column = "control", .title = "control's mean"},
        {.column = "diff", .title = "difference"},
        {.column = "ci_low", .title = "95 % over seeds", .form = REPORT_RANGE, .second = "ci_high"},
        {.column = "effect", .title = "effect size"},
        {.column = "side", .title = "beyond seed noise"}};
    struct table of = {0}, t = {0};
    struct buf all = {0};

    enum err_code rc = cpt_sql_ask(r->q, r->sweep_id, checks, &of, e);
    table_add_col(&t, "arm_name");
    table_add_col(&t, "sae");
    table_add_col(&t, "job");
    for (size_t i = 0; i < of.n_rows && !rc; i++) {
        const size_t from = report_csv_add(&t, table_cell(&of, i, 3)->text);

        for (size_t k = from; k < t.n_rows; k++)
            for (size_t c = 0; c < 3; c++)
                cell_copy(&t.cells[k * t.n_cols + c], table_cell(&of, i, c));
        put_sides(&t, from);
    }
    buf_fmt(&all, "saegrid table structure --sweep %s", r->sweep);
    if (!rc && t.n_rows)
        report_table(r, &t, cols, ARRAY_LEN(cols), "Fresh SAEs of equal settings: arm against control, paired by seed", all.data);
    table_free(&of);
    table_free(&t);
    buf_free(&all);
    return rc;
}

REPORT_SECTION(structure) = {"structure", "Structure of fresh SAEs", write_structure};
