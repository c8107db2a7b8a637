/* cmd_check.c - saegrid check: manifest against events against folders against digests. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/check.h"

#include "common/json.h"

static void print_text(const struct check_report *r, bool sizes_only, struct buf *out)
{
    if (r->found.n_rows) {
        table_print(&r->found, TABLE_TEXT, cmd_use_colour(stdout), out);
        buf_char(out, '\n');
    }
    buf_fmt(out, "%zu discrepanc%s; looked at %lld results, %lld artefacts (%.1f MB%s), %lld folders\n",
            r->found.n_rows, r->found.n_rows == 1 ? "y" : "ies", (long long)r->n_jobs, (long long)r->n_artifacts,
            (double)r->bytes / 1e6, sizes_only ? ", sizes only" : "", (long long)r->n_folders);
}

static void print_json(const struct check_report *r, struct buf *out)
{
    buf_fmt(out, "{\"clean\": %s, \"results\": %lld, \"artifacts\": %lld, \"bytes\": %lld, \"discrepancies\": ",
            r->found.n_rows ? "false" : "true", (long long)r->n_jobs, (long long)r->n_artifacts,
            (long long)r->bytes);
    table_print(&r->found, TABLE_JSON, false, out);
    buf_str(out, "}\n");
}

int cmd_check(int argc, char **argv)
{
    bool json = false, sizes_only = false;
    const char *results = NULL;
    const struct opt rows[] = {
        OPT_FLAG("sizes-only", 0, &sizes_only, "compare sizes, do not read every artefact"),
        OPT_JSON(&json),
        OPT_RESULTS(&results),
    };
    const struct opts_cmd cmd = {
        "check", "",
        "Compare manifest, events, folders and digests with one another.\n"
        "Exit code 0: clean; 1: discrepancies, each named.  Writes nothing.",
        rows, ARRAY_LEN(rows), 0, 0};
    struct check_report r = {0};
    struct opts_args args;
    struct query *q = NULL;
    struct buf out = {0};
    struct err e = {0};
    enum err_code code;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    code = query_open(cmd_results(results), &q, &e);
    if (!code)
        code = check_run(q, cmd_results(results), !sizes_only, &r, &e);
    if (code) {
        rc = cmd_fail("check", &e);
    } else {
        if (json)
            print_json(&r, &out);
        else
            print_text(&r, sizes_only, &out);
        rc = cmd_put(&out);
        if (!rc && r.found.n_rows)
            rc = 1;
    }
    check_free(&r);
    query_close(q);
    buf_free(&out);
    opts_free(&args);
    return rc;
}
