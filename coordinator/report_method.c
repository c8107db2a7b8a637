/* report_method.c - how: stages, their jobs and settings, and the text of the sweep. */
#include "coordinator/report_table.h"

#include "coordinator/html.h"

#define JOBS                                                                                       \
    " FROM sweep_job sj JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision JOIN job j ON j.id = sj.job"

/* Knobs given in the sweep: those of one value, then those that vary with their values. */
static const char stages_sql[] =
    "WITH knob AS (SELECT sj.stage, e.key, count(DISTINCT e.value) AS n, group_concat(DISTINCT e.value) AS v" JOBS
    ", json_each(j.knobs) e WHERE s.id = ?1 GROUP BY sj.stage, e.key)"
    " SELECT t.name AS stage, t.kind AS kind, count(*) AS jobs, sum(j.state = 'done') AS done,"
    " (SELECT sum(a.wall_s) FROM attempt a JOIN sweep_job y ON y.job = a.job WHERE y.sweep = s.id AND y.stage = t.id"
    "  AND y.revision = s.revision) AS wall_s,"
    " (SELECT group_concat(key || ' = ' || replace(substr(v, 1, 160), ',', ', ') || iif(length(v) > 160, ' ..', ''), '; ')"
    "  FROM knob k WHERE k.stage = t.id AND k.n > 1) AS axes,"
    " (SELECT group_concat(key || ' = ' || substr(v, 1, 160), '; ') FROM knob k WHERE k.stage = t.id AND k.n = 1) AS settings"
    JOBS " JOIN stage t ON t.id = sj.stage WHERE s.id = ?1 GROUP BY t.id ORDER BY t.ord";

static enum err_code write_method(struct report *r, struct err *e)
{
    static const struct report_col cols[] = {
        {.column = "stage"}, {.column = "kind"}, {.column = "jobs"}, {.column = "done"},
        {.column = "wall_s", .title = "seconds, all attempts"}, {.column = "axes", .title = "what varies"},
        {.column = "settings", .title = "settings that are not the kind's default"}};
    struct table t = {0}, spec = {0};
    enum err_code rc = query_table(r->q, &t, e, stages_sql, "i", r->sweep_id);

    if (!rc)
        rc = query_table(r->q, &spec, e, "SELECT spec, path FROM sweep WHERE id = ?1", "i", r->sweep_id);
    if (!rc) {
        report_table(r, &t, cols, ARRAY_LEN(cols), "Stages", "saegrid plan FILE");
        buf_str(r->out, "<details><summary>The sweep as it was given</summary><pre>");
        html_text(r->out, spec.n_rows ? spec.cells[0].text : "");
        buf_str(r->out, "</pre></details>\n");
    }
    table_free(&t);
    table_free(&spec);
    return rc;
}

REPORT_SECTION(method) = {"method", "Method", write_method};
