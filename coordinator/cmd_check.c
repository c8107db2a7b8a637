/* cmd_check.c - saegrid check: manifest against events against folders against digests. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/check.h"

#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "coordinator/repair.h"
#include "coordinator/spec.h"

enum { LOCK_WAIT_MS = 10000 };

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

static void print_json(const struct check_report *r, const struct table *done, struct buf *out)
{
    buf_fmt(out, "{\"clean\": %s, \"results\": %lld, \"artifacts\": %lld, \"bytes\": %lld, \"discrepancies\": ",
            r->found.n_rows ? "false" : "true", (long long)r->n_jobs, (long long)r->n_artifacts,
            (long long)r->bytes);
    table_print(&r->found, TABLE_JSON, false, out);
    buf_str(out, ", \"mended\": ");
    if (done->n_cols)
        table_print(done, TABLE_JSON, false, out);
    else
        buf_str(out, "[]");
    buf_str(out, "}\n");
}

/* --- mending ------------------------------------------------------------------------------ */

static enum err_code record_again(struct manifest *m, const char *path, struct err *e)
{
    int64_t sweep, n_jobs, n_new;
    struct buf errors = {0};
    struct spec *spec = NULL;
    enum err_code rc = spec_load(path, NULL, 0, NULL, &spec, &errors, e);

    if (rc && errors.len)
        rc = err_set(e, rc, "%s", errors.data);
    if (!rc)
        rc = manifest_add_sweep(m, spec, clock_system.wall_ms(&clock_system), &sweep, &n_jobs, &n_new, e);
    spec_free(spec);
    buf_free(&errors);
    return rc;
}

static bool has_manifest(const char *results)
{
    struct buf path = {0};

    buf_fmt(&path, "%s/manifest.sqlite", results);
    bool is_there = fs_is_file(path.data);
    buf_free(&path);
    return is_there;
}

struct mend {
    const char *results;
    bool repair, rebuild, json;
};

/* `texts`: the sweep files of an empty manifest. */
static enum err_code mend(const struct mend *o, const struct repair_texts *texts, struct table *done, struct err *e)
{
    struct manifest *m = NULL;
    struct query *q;
    enum err_code rc = ERR_OK;

    if (o->rebuild && has_manifest(o->results))
        return err_set(e, ERR_INVALID, "%s/manifest.sqlite is there: --rebuild makes a lost one; move it away first",
                       o->results);
    if (!o->rebuild) { /* a clear error before anything is created */
        rc = query_open(o->results, &q, e);
        if (rc)
            return rc;
        query_close(q);
    }
    rc = manifest_open(o->results, LOCK_WAIT_MS, &m, e);
    for (size_t i = 0; i < texts->n && !rc; i++)
        rc = record_again(m, texts->v[i], e);
    if (!rc)
        rc = repair_run(m, o->results, clock_system.wall_ms(&clock_system), done, e);
    manifest_close(m);
    return rc;
}

static void print_mended(const struct table *done, struct buf *out)
{
    if (done->n_rows)
        table_print(done, TABLE_TEXT, cmd_use_colour(stdout), out);
    buf_fmt(out, "%zu mended\n\n", done->n_rows);
}

/* The files given, else the texts beside the results. */
static enum err_code find_and_mend(const struct mend *o, const struct opts_args *args, struct table *done,
                                   struct err *e)
{
    struct repair_texts texts = {0};
    enum err_code rc = ERR_OK;

    if (o->rebuild && !args->n) {
        rc = repair_find_texts(o->results, &texts, e);
        if (!rc)
            rc = mend(o, &texts, done, e);
        repair_texts_free(&texts);
        return rc;
    }
    texts = (struct repair_texts){(char **)args->v, args->n};
    return mend(o, &texts, done, e);
}

static int check(const struct mend *o, bool sizes_only, const struct opts_args *args)
{
    struct check_report r = {0};
    struct table done = {0};
    struct query *q = NULL;
    struct buf out = {0};
    struct err e = {0};
    enum err_code code = ERR_OK;
    int rc;

    if (o->repair || o->rebuild)
        code = find_and_mend(o, args, &done, &e);
    if (!code)
        code = query_open(o->results, &q, &e);
    if (!code)
        code = check_run(q, o->results, !sizes_only, &r, &e);
    if (code) {
        rc = cmd_fail("check", &e);
    } else {
        if (!o->json && (o->repair || o->rebuild))
            print_mended(&done, &out);
        if (o->json)
            print_json(&r, &done, &out);
        else
            print_text(&r, sizes_only, &out);
        rc = cmd_put(&out);
        if (!rc && r.found.n_rows)
            rc = 1;
    }
    check_free(&r);
    table_free(&done);
    query_close(q);
    buf_free(&out);
    return rc;
}

int cmd_check(int argc, char **argv)
{
    struct mend o = {0};
    bool sizes_only = false;
    const char *results = NULL;
    const struct opt rows[] = {
        OPT_FLAG("sizes-only", 0, &sizes_only, "compare sizes, do not read every artefact"),
        OPT_FLAG("repair", 0, &o.repair, "mend what can be mended; nothing is invented, no result deleted"),
        OPT_FLAG("rebuild", 0, &o.rebuild, "make a lost manifest from the result folders and the sweep texts"),
        OPT_JSON(&o.json),
        OPT_RESULTS(&results),
    };
    const struct opts_cmd cmd = {
        "check", "[SPEC...]",
        "Compare manifest, events, folders and digests with one another.\n"
        "Exit code 0: clean; 1: discrepancies, each named.  Writes nothing without --repair or --rebuild.\n\n"
        "--repair ends leases of a dead coordinator, takes in complete folders whose jobs wait, removes what\n"
        "finished jobs left half-written, moves folders that no job owns to RESULTS/quarantine/, mends links, takes\n"
        "metrics from unchanged results again where the manifest has others.\n"
        "--rebuild records the sweeps again (SPEC..., else RESULTS/experiments/*/sweep.yaml) and takes in every\n"
        "complete folder; what only the manifest knew (attempts, events, reasons for failures) stays lost.",
        rows, ARRAY_LEN(rows), 0, 10000};
    struct opts_args args;
    struct err e;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    o.results = cmd_results(results);
    if (args.n && !o.rebuild) {
        err_set(&e, ERR_USAGE, "%s: sweep files go with --rebuild alone", args.v[0]);
        rc = cmd_fail("check", &e);
    } else {
        rc = check(&o, sizes_only, &args);
    }
    opts_free(&args);
    return rc;
}
