/* cmd_table.c - saegrid table: a view or stored query, for people, papers and programs. */
#include "coordinator/beware.h"
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/expect.h"
#include "coordinator/hypo.h"
#include "coordinator/recorded.h"
#include "coordinator/stability.h"
#include "coordinator/tables.h"

#include <string.h>

struct forms {
    bool csv, md, latex, json, all;
    bool is_chosen; /* columns by name, or a table that is no view: nothing is trimmed */
};

static enum table_format format_of(const struct forms *f)
{
    if (f->csv)
        return TABLE_CSV;
    if (f->md)
        return TABLE_MD;
    if (f->latex)
        return TABLE_LATEX;
    return f->json ? TABLE_JSON : TABLE_TEXT;
}

/* Verdicts for people: one paragraph a hypothesis. */
static void print_verdicts(const struct table *t, struct buf *out)
{
    for (size_t r = 0; r < t->n_rows; r++) {
        const char *evidence = table_cell(t, r, 11)->text;

        buf_fmt(out, "%s%s  %s\n    claim:    %s\n    measured: ", r ? "\n" : "", table_cell(t, r, 0)->text,
                table_cell(t, r, 1)->text, table_cell(t, r, 9)->text);
        if (table_cell(t, r, 2)->type == CELL_F64) {
            table_number(out, table_cell(t, r, 2)->f);
            buf_str(out, ", 95 % interval over seeds ");
            table_number(out, table_cell(t, r, 3)->f);
            buf_str(out, " to ");
            table_number(out, table_cell(t, r, 4)->f);
            buf_fmt(out, "; %lld conditions, %lld seeds\n", (long long)table_cell(t, r, 6)->i,
                    (long long)table_cell(t, r, 7)->i);
        } else {
            buf_str(out, "nothing\n");
        }
        if (table_cell(t, r, 8)->type == CELL_I64)
            buf_fmt(out, "    needed:   about %lld seeds, if the effect stays\n", (long long)table_cell(t, r, 8)->i);
        buf_fmt(out, "    rule:     %s\n", table_cell(t, r, 10)->text);
        if (evidence)
            buf_fmt(out, "    evidence: %s\n", evidence);
    }
}

static void put_text(struct buf *out, const struct table *t, size_t row, const char *name, const char *before)
{
    const struct cell *c = table_cell(t, row, (size_t)table_col(t, name));

    if (c->type == CELL_NULL)
        return;
    buf_str(out, before);
    cell_text(c, out);
}

/* The table of what was recorded, and below it every trap. */
static void print_recorded(const struct table *t, bool colour, struct buf *out)
{
    static const char *const shown[] = {"table", "of", "metric", "recorded", "recorded_low", "recorded_high", "ours",
                                        "ours_low", "ours_high", "difference", "within", "verdict"};
    struct table some = {0};
    const char *last = "";

    if (t->n_rows == 0) {
        buf_str(out, "no sweep here has recorded: numbers to stand beside ours (sweeps/husai_replication.yaml has)\n");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(shown); i++)
        table_add_col(&some, shown[i]);
    for (size_t r = 0; r < t->n_rows; r++) {
        struct cell *c = table_add_row(&some);

        for (size_t i = 0; i < ARRAY_LEN(shown); i++)
            cell_copy(&c[i], table_cell(t, r, (size_t)table_col(t, shown[i])));
    }
    table_print(&some, TABLE_TEXT, colour, out);
    buf_str(out, "ours_low, ours_high: 95 % over seeds; recorded intervals are over pairs, which share seeds, or over the differences of pairs\n");
    for (size_t r = 0; r < t->n_rows; r++) {
        const struct cell *trap = table_cell(t, r, (size_t)table_col(t, "trap"));

        if (trap->type != CELL_TEXT || strcmp(trap->text, last) == 0)
            continue;
        last = trap->text;
        put_text(out, t, r, "table", "trap: ");
        put_text(out, t, r, "trap", ": ");
        buf_char(out, '\n');
    }
    table_free(&some);
}

/* One paragraph a check. */
static void print_checks(const struct table *t, struct buf *out)
{
    if (t->n_rows == 0)
        buf_str(out, "no sweep here states checks:\n");
    for (size_t r = 0; r < t->n_rows; r++) {
        put_text(out, t, r, "sweep", "");
        put_text(out, t, r, "verdict", ": ");
        put_text(out, t, r, "check", ": ");
        put_text(out, t, r, "effect", "\n    worst of all conditions: ");
        put_text(out, t, r, "low", " (95 % over seeds ");
        put_text(out, t, r, "high", " to ");
        if (table_cell(t, r, (size_t)table_col(t, "low"))->type != CELL_NULL)
            buf_char(out, ')');
        put_text(out, t, r, "rule", "\n    rule: ");
        buf_char(out, '\n');
    }
}

/* CSV and JSON keep the column `beware`; people and papers get lines: above the table, in LaTeX as a comment and below it. */
static void print_named(struct table *t, const struct forms *f, struct buf *out)
{
    enum table_format format = format_of(f);
    struct buf lines = {0};

    if (format != TABLE_CSV && format != TABLE_JSON)
        beware_take(t, &lines);
    for (const char *p = lines.len ? lines.data : ""; *p; p = strchr(p, '\n') + 1)
        buf_fmt(out, "%s%.*s\n", format == TABLE_LATEX ? "% " : "", (int)strcspn(p, "\n"), p);
    if (lines.len && format == TABLE_MD)
        buf_char(out, '\n');
    if (format != TABLE_CSV && format != TABLE_JSON && !f->all && !f->is_chosen)
        tables_trim(t);
    table_print(t, format, format == TABLE_TEXT && cmd_use_colour(stdout), out);
    if (lines.len && format == TABLE_LATEX) {
        buf_str(out, "\\par{\\footnotesize ");
        table_latex_text(out, lines.data);
        buf_str(out, "\\par}\n");
    }
    buf_free(&lines);
}

/* No views: computed from finished jobs. */
static const struct computed {
    const char *name;
    enum err_code (*make)(struct table *out, struct query *q, const char *sweep, struct err *e);
    enum beware_by by; /* hypotheses leave out models that leak */
} computed[] = {{"hypotheses", hypo_table, BEWARE_NONE}, {"checks", expect_table, BEWARE_SWEEP}, {"replication", recorded_table, BEWARE_JOB}};

static const struct computed *find_computed(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(computed); i++)
        if (strcmp(computed[i].name, name) == 0)
            return &computed[i];
    return NULL;
}

static enum err_code fill_computed(const struct computed *c, struct query *q, const struct tables_ask *ask,
                                   const struct forms *f, struct buf *out, struct err *e)
{
    struct table t = {0};
    enum err_code rc;

    if (ask->where || ask->columns || ask->order || ask->limit)
        return err_set(e, ERR_USAGE, "%s: is no view: --where, --columns, --order, --limit do not apply", c->name);
    rc = c->make(&t, q, ask->sweep, e);
    if (!rc && ask->sweep && format_of(f) == TABLE_TEXT)
        rc = stability_unsound(q, ask->sweep, out, e);
    else if (!rc)
        rc = beware_add(&t, q, c->by, e);
    if (rc || format_of(f) != TABLE_TEXT || f->all) {
        if (!rc)
            print_named(&t, f, out);
    } else if (c->make == hypo_table) {
        print_verdicts(&t, out);
    } else if (c->make == expect_table) {
        print_checks(&t, out);
    } else {
        print_recorded(&t, cmd_use_colour(stdout), out);
    }
    table_free(&t);
    return rc;
}

static enum err_code fill(const char *results, const struct tables_ask *ask, const struct forms *f,
                          struct buf *out, struct err *e)
{
    enum table_format format = format_of(f);
    struct table t = {0};
    struct query *q;
    enum err_code rc = query_open(results, &q, e);

    if (rc)
        return rc;
    const struct computed *c = find_computed(ask->name);
    if (c) {
        rc = fill_computed(c, q, ask, f, out, e);
        query_close(q);
        return rc;
    }
    bool pretty = strcmp(ask->name, "stability") == 0 && ask->sweep && !ask->where && !ask->columns && !ask->limit;
    if (format == TABLE_TEXT && pretty && !f->all) {
        rc = stability_tables(q, ask->sweep, cmd_use_colour(stdout), out, e);
        if (!rc && out->len == 0)
            buf_str(out, "no sae_compare of this sweep is done\n");
    } else {
        rc = tables_get(q, ask, &t, e);
        if (!rc)
            print_named(&t, f, out);
    }
    table_free(&t);
    query_close(q);
    return rc;
}

int cmd_table(int argc, char **argv)
{
    struct tables_ask ask = {0};
    struct forms f = {0};
    const char *results = NULL;
    const struct opt rows[] = {
        OPT_STR("sweep", 's', &ask.sweep, "SWEEP", "only this sweep"),
        OPT_STR("where", 0, &ask.where, "SQL", "condition over the columns, e.g. \"k = 32 AND ratio > 2\""),
        OPT_STR("columns", 0, &ask.columns, "A,B,..", "these columns only"),
        OPT_STR("order", 0, &ask.order, "SQL", "order, e.g. \"k, pwmcc_mean DESC\""),
        OPT_I64("limit", 'n', &ask.limit, "N", "at most N rows"),
        OPT_FLAG("all", 'a', &f.all, "every column, also empty and constant ones"),
        OPT_FLAG("csv", 0, &f.csv, "CSV, every digit"),
        OPT_FLAG("md", 0, &f.md, "Markdown"),
        OPT_FLAG("latex", 0, &f.latex, "LaTeX tabular"),
        OPT_FLAG("json", 0, &f.json, "JSON, every digit"),
        OPT_RESULTS(&results),
    };
    const struct opts_cmd cmd = {
        "table", "NAME",
        "Print a view of the manifest or a stored query: runs, summary, stability, pareto, metrics,\n"
        "arms, perplexity, structure, tokens (of continued pretraining),\n"
        "series, pairs, failures, attempts, slowest, time, promotions, artifacts, fixes, definitions;\n"
        "or hypotheses: the verdicts on H1 to H5, with their intervals and rules;\n"
        "checks: what each sweep expected, and whether it held;\n"
        "replication: numbers that somebody recorded, beside ours.\n"
        "docs/manifest.md describes every column; the manifest opens in any SQLite tool.",
        rows, ARRAY_LEN(rows), 1, 1};
    struct opts_args args;
    struct buf out = {0};
    struct err e = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    ask.name = args.v[0];
    ask.with_beware = true;
    f.is_chosen = ask.columns || find_computed(ask.name);
    if (f.csv + f.md + f.latex + f.json > 1)
        err_set(&e, ERR_USAGE, "--csv, --md, --latex, --json: one of them");
    else
        fill(cmd_results(results), &ask, &f, &out, &e);
    rc = e.code ? cmd_fail("table", &e) : cmd_put(&out);
    buf_free(&out);
    opts_free(&args);
    return rc;
}
