/* report_method.c - how: stages, their jobs and settings, and the text of the sweep. */
#include "coordinator/report_table.h"
#include "coordinator/tables.h"

#include <string.h>

#include "common/kinds/kind.h"
#include "coordinator/html.h"

enum {
    VALUES_MAX = 160,
    STAGES_SHOWN = 16,  /* more are folded, so that the results are not far below */
    DIGITS = 12,        /* of a file's digest */
};

#define JOBS                                                                                       \
    " FROM sweep_job sj JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision JOIN job j ON j.id = sj.job"

static const char stages_sql[] =
    "SELECT t.name AS stage, t.kind AS kind, count(*) AS jobs, sum(j.state = 'done') AS done,"
    " (SELECT sum(a.wall_s) FROM attempt a JOIN sweep_job y ON y.job = a.job WHERE y.sweep = s.id AND y.stage = t.id"
    "  AND y.revision = s.revision) AS wall_s, NULL AS axes, NULL AS settings"
    JOBS " JOIN stage t ON t.id = sj.stage WHERE s.id = ?1 GROUP BY t.id ORDER BY t.ord";
/* Knobs that jobs of a stage do not have at their default: values, jobs, the values' texts. */
static const char knobs_sql[] =
    "SELECT e.key, count(DISTINCT e.value), count(*), group_concat(DISTINCT e.value)" JOBS
    " JOIN stage t ON t.id = sj.stage, json_each(j.knobs) e WHERE s.id = ?1 AND t.name = ?2 GROUP BY e.key ORDER BY min(e.id)";

/* "k = 4,8,16" and, for the jobs that do not name it, the default. */
static void add_knob(struct buf *out, const struct cell *c, const struct job_kind *kind, bool has_default)
{
    const struct cfg_field *f = kind ? cfg_find(kind->fields, kind->n_fields, c[0].text) : NULL;
    size_t start;

    buf_fmt(out, "%s%s = ", out->len ? "; " : "", c[0].text);
    if (c[1].i == 1 && !strncmp(c[3].text, "sha256:", 7) && strchr(c[3].text, ' ')) {
        const char *path = strrchr(c[3].text, '/');

        buf_fmt(out, "%s (%.*s)", path ? path + 1 : strchr(c[3].text, ' ') + 1, 7 + DIGITS, c[3].text);
        return;
    }
    start = out->len;
    for (const char *v = c[3].text; *v && out->len < start + VALUES_MAX; v++)
        buf_fmt(out, *v == ',' && c[1].i > 1 ? ", " : "%c", *v);
    if (out->len >= start + VALUES_MAX)
        buf_str(out, " ..");
    if (has_default && f)
        buf_fmt(out, ", %s", *f->deflt ? f->deflt : "none");
}

static enum err_code add_knobs(struct report *r, struct cell *stage, struct err *e)
{
    const struct job_kind *kind = kind_find(stage[1].text);
    struct buf axes = {0}, settings = {0};
    struct table t = {0};
    enum err_code rc = query_table(r->q, &t, e, knobs_sql, "it", r->sweep_id, stage[0].text);

    for (size_t i = 0; i < t.n_rows && !rc; i++) {
        const struct cell *c = table_cell(&t, i, 0);
        bool has_default = c[2].i < stage[2].i;

        if (c[3].type == CELL_TEXT)
            add_knob(c[1].i > 1 || has_default ? &axes : &settings, c, kind, has_default);
    }
    cell_set_text(&stage[5], axes.data);
    cell_set_text(&stage[6], settings.data);
    table_free(&t);
    buf_free(&axes);
    buf_free(&settings);
    return rc;
}

/* Where the time goes, by kind; jobs shared with other sweeps count here too. */
static enum err_code put_time(struct report *r, struct err *e)
{
    static const struct report_col cols[] = {
        {.column = "kind"}, {.column = "jobs"}, {.column = "attempts"}, {.column = "wall_s", .title = "seconds"},
        {.column = "cpu_s", .title = "CPU seconds"}, {.column = "core_hours", .title = "core-hours"},
        {.column = "share_pct", .title = "share, %"}, {.column = "longest_s", .title = "longest, s"}};
    const struct tables_ask ask = {.name = "time", .sweep = r->sweep};
    struct table t = {0};
    struct buf all = {0};
    double sum = 0, v;
    enum err_code rc = tables_get(r->q, &ask, &t, e);

    for (size_t i = 0; i < t.n_rows; i++)
        sum += table_f64(&t, i, "core_hours", &v) ? v : 0;
    if (!rc && t.n_rows) {
        buf_str(r->out, "<p>In all ");
        table_number(r->out, sum);
        buf_str(r->out, " core-hours, counting every attempt.</p>\n");
        buf_fmt(&all, "saegrid table time --sweep %s", r->sweep);
        report_table(r, &t, cols, ARRAY_LEN(cols), "Where the time goes", all.data);
    }
    buf_free(&all);
    table_free(&t);
    return rc;
}

static enum err_code write_method(struct report *r, struct err *e)
{
    static const struct report_col cols[] = {
        {.column = "stage"}, {.column = "kind"}, {.column = "jobs"}, {.column = "done"},
        {.column = "wall_s", .title = "seconds, all attempts"}, {.column = "axes", .title = "what varies"},
        {.column = "settings", .title = "settings that are not the kind's default"}};
    struct table t = {0}, spec = {0};
    enum err_code rc = query_table(r->q, &t, e, stages_sql, "i", r->sweep_id);

    for (size_t i = 0; i < t.n_rows && !rc; i++)
        rc = add_knobs(r, &t.cells[i * t.n_cols], e);
    if (!rc)
        rc = query_table(r->q, &spec, e, "SELECT spec FROM sweep WHERE id = ?1", "i", r->sweep_id);
    if (!rc) {
        const bool is_folded = t.n_rows > STAGES_SHOWN;

        if (is_folded)
            buf_fmt(r->out, "<details><summary>%zu stages</summary>\n", t.n_rows);
        report_table(r, &t, cols, ARRAY_LEN(cols), "Stages", "saegrid plan FILE");
        if (is_folded)
            buf_str(r->out, "</details>\n");
        rc = put_time(r, e);
        buf_str(r->out, "<details><summary>The sweep as it was given</summary><pre>");
        html_text(r->out, spec.n_rows ? spec.cells[0].text : "");
        buf_str(r->out, "</pre></details>\n");
    }
    table_free(&t);
    table_free(&spec);
    return rc;
}

REPORT_SECTION(method) = {"method", "Method", write_method};
