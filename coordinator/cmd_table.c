/* cmd_table.c - saegrid table: a view or stored query, for people, papers and programs. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/stability.h"
#include "coordinator/tables.h"

#include <string.h>

struct forms {
    bool csv, md, latex, json, all;
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

static enum err_code fill(const char *results, const struct tables_ask *ask, const struct forms *f,
                          struct buf *out, struct err *e)
{
    enum table_format format = format_of(f);
    struct table t = {0};
    struct query *q;
    enum err_code rc = query_open(results, &q, e);

    if (rc)
        return rc;
    bool pretty = strcmp(ask->name, "stability") == 0 && ask->sweep && !ask->where && !ask->columns && !ask->limit;
    if (format == TABLE_TEXT && pretty && !f->all) {
        rc = stability_tables(q, ask->sweep, cmd_use_colour(stdout), out, e);
        if (!rc && out->len == 0)
            buf_str(out, "no sae_compare of this sweep is done\n");
    } else {
        rc = tables_get(q, ask, &t, e);
        if (!rc && format != TABLE_CSV && format != TABLE_JSON && !f->all && !ask->columns)
            tables_trim(&t);
        if (!rc)
            table_print(&t, format, format == TABLE_TEXT && cmd_use_colour(stdout), out);
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
        "series, pairs, failures, attempts, slowest, artifacts, fixes, definitions.\n"
        "docs/manifest.md describes every column; the manifest opens in any SQLite tool.",
        rows, ARRAY_LEN(rows), 1, 1};
    struct opts_args args;
    struct buf out = {0};
    struct err e = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    ask.name = args.v[0];
    if (f.csv + f.md + f.latex + f.json > 1)
        err_set(&e, ERR_USAGE, "--csv, --md, --latex, --json: one of them");
    else
        fill(cmd_results(results), &ask, &f, &out, &e);
    rc = e.code ? cmd_fail("table", &e) : cmd_put(&out);
    buf_free(&out);
    opts_free(&args);
    return rc;
}
