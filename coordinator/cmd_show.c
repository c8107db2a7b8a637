/* cmd_show.c - saegrid show: everything the manifest knows of one job. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/manifest_query.h"

#include <string.h>

#include "common/json.h"

/* Each part is a table of the page, and a member of the JSON object.  ?1 is the job's row. */
static const struct part {
    const char *name, *sql;
} parts[] = {
    {"job",
     "SELECT j.run_name AS run_id, lower(hex(j.digest)) AS job, k.name AS kind, k.version, s.name AS sweep, t.name AS stage,"
     " j.state, coalesce((SELECT sj.verdict FROM sweep_job sj WHERE sj.sweep = j.sweep AND sj.job = j.id AND sj.stage = j.stage),"
     " j.verdict) AS verdict, (SELECT sj.reason FROM sweep_job sj WHERE sj.sweep = j.sweep AND sj.job = j.id AND sj.stage = j.stage) AS gate,"
     " j.class, j.message, j.epoch AS attempts, j.threads, j.isa, j.timeout_s, j.retries, j.priority,"
     " CASE WHEN NOT j.in_agent THEN 'experiments/' || s.name || '/' || j.run_name || iif(j.state = 'done', '', '.tmp') END AS path,"
     " strftime('%Y-%m-%dT%H:%M:%SZ', j.recorded_ms / 1000, 'unixepoch') AS recorded"
     " FROM job j JOIN kind k ON k.id = j.kind JOIN sweep s ON s.id = j.sweep JOIN stage t ON t.id = j.stage WHERE j.id = ?1"},
    {"knobs", "SELECT e.key AS knob, e.value FROM job j, json_each(j.knobs) e WHERE j.id = ?1"},
    {"context", "SELECT e.key AS knob, e.value FROM job j JOIN context c ON c.id = j.context, json_each(c.json) e WHERE j.id = ?1"},
    {"inputs",
     "SELECT i.name, i.field, p.run_name AS run_id, substr(lower(hex(p.digest)), 1, 12) AS job, p.state FROM job_input i"
     " JOIN job p ON p.id = i.input WHERE i.job = ?1 AND i.must_pass <> 2 ORDER BY i.pos"},
    {"used_by",
     "SELECT DISTINCT p.run_name AS run_id, substr(lower(hex(p.digest)), 1, 12) AS job, p.state FROM job_input i"
     " JOIN job p ON p.id = i.job WHERE i.input = ?1 AND i.must_pass <> 2 ORDER BY p.id LIMIT 50"},
    {"sweeps",
     "SELECT s.name AS sweep, t.name AS stage, sj.verdict, sj.reason FROM sweep_job sj JOIN sweep s ON s.id = sj.sweep"
     " JOIN stage t ON t.id = sj.stage WHERE sj.job = ?1 AND sj.revision = s.revision"},
    {"attempts",
     "SELECT epoch, outcome, class, rank, host, pid, strftime('%Y-%m-%dT%H:%M:%SZ', granted_ms / 1000, 'unixepoch') AS granted,"
     " wall_s, cpu_s, maxrss_kib, exit_code, signal, message, log, command FROM attempt WHERE job = ?1 ORDER BY epoch"},
    {"metrics",
     "SELECT n.name, m.value, n.unit, n.help AS definition FROM metric m JOIN metric_name n ON n.id = m.name WHERE m.job = ?1 ORDER BY n.id"},
    {"absent", "SELECT name, reason FROM metric_absent WHERE job = ?1 ORDER BY name"},
    {"artifacts", "SELECT path, bytes, lower(hex(sha256)) AS sha256 FROM artifact WHERE job = ?1 ORDER BY path"},
    {"blobs", "SELECT name, type, length(data) AS bytes FROM blob WHERE job = ?1 ORDER BY name"},
    {"provenance",
     "SELECT e.key AS name, e.value FROM attempt a JOIN provenance p ON p.id = a.provenance, json_each(p.json) e"
     " WHERE a.job = ?1 AND a.epoch = (SELECT epoch FROM job WHERE id = ?1)"},
    {"fixes", "SELECT commit_id, who, note FROM fix WHERE job = ?1 ORDER BY id"},
};

/* One row as "name  value" lines. */
static void print_record(const struct table *t, struct buf *out)
{
    for (size_t c = 0; c < t->n_cols && t->n_rows; c++) {
        const struct cell *cell = table_cell(t, 0, c);
        struct buf v = {0};

        if (cell->type == CELL_NULL)
            continue;
        if (cell->type == CELL_TEXT)
            buf_str(&v, cell->text);
        else if (cell->type == CELL_I64)
            buf_fmt(&v, "%lld", (long long)cell->i);
        else
            table_number(&v, cell->f);
        buf_fmt(out, "%-10s %s\n", t->cols[c], v.data ? v.data : "");
        buf_free(&v);
    }
}

static void print_part(const char *name, const struct table *t, bool json, bool colour, struct buf *out)
{
    if (json) {
        buf_fmt(out, "%s\"%s\": ", strcmp(name, "job") == 0 ? "{" : ",\n", name);
        table_print(t, TABLE_JSON, false, out);
    } else if (strcmp(name, "job") == 0) {
        print_record(t, out);
    } else if (t->n_rows) {
        buf_fmt(out, "\n%s\n", name);
        table_print(t, TABLE_TEXT, colour, out);
    }
}

static enum err_code show(struct query *q, const char *text, bool json, struct buf *out, struct err *e)
{
    int64_t job;
    enum err_code rc = query_job(q, text, &job, e);

    for (size_t i = 0; i < ARRAY_LEN(parts) && !rc; i++) {
        struct table t = {0};

        rc = query_table(q, &t, e, parts[i].sql, "i", job);
        if (!rc && !json)
            table_drop_empty(&t);
        if (!rc)
            print_part(parts[i].name, &t, json, cmd_use_colour(stdout), out);
        table_free(&t);
    }
    if (!rc && json)
        buf_str(out, "}\n");
    return rc;
}

int cmd_show(int argc, char **argv)
{
    bool json = false;
    const char *results = NULL;
    const struct opt rows[] = {OPT_JSON(&json), OPT_RESULTS(&results)};
    const struct opts_cmd cmd = {
        "show", "JOB",
        "Show everything about a job: knobs, inputs, attempts, metrics with their definitions, artefacts,\n"
        "provenance.  JOB is the beginning of its id (4 digits or more) or of its run name.",
        rows, ARRAY_LEN(rows), 1, 1};
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
        code = show(q, args.v[0], json, &out, &e);
    rc = code ? cmd_fail("show", &e) : cmd_put(&out);
    query_close(q);
    buf_free(&out);
    opts_free(&args);
    return rc;
}
