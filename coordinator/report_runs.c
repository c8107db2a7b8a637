/* report_runs.c - the runs that the page refers to, and others while there is room. */
#include "coordinator/report.h"

#include <stdlib.h>
#include <string.h>

#include "coordinator/html.h"

enum { COL_RUN, COL_JOB, COL_STAGE, COL_STATE, COL_VERDICT, COL_KNOBS, COL_CONTEXT, COL_FOLDER, COL_COMMIT, COL_HOST, COL_WALL, COL_ID };

static const char runs_sql[] =
    "SELECT j.run_name, lower(hex(j.digest)), t.name, j.state, coalesce(sj.verdict, j.verdict),"
    " (SELECT group_concat(key || ' = ' || value, '; ') FROM json_each(j.knobs)),"
    " (SELECT group_concat(key || ' = ' || value, '; ') FROM json_each(c.json)),"
    " CASE WHEN NOT j.in_agent THEN 'experiments/' || h.name || '/' || j.run_name || iif(j.state = 'done', '', '.tmp') END,"
    " json_extract(p.json, '$.\"commit\"'), a.host, a.wall_s, j.id"
    " FROM sweep_job sj JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision JOIN job j ON j.id = sj.job"
    " JOIN stage t ON t.id = sj.stage JOIN sweep h ON h.id = j.sweep JOIN context c ON c.id = j.context"
    " LEFT JOIN attempt a ON a.job = j.id AND a.epoch = j.epoch LEFT JOIN provenance p ON p.id = a.provenance"
    " WHERE s.id = ?1 GROUP BY j.id ORDER BY t.ord, j.id";

static const char *text_of(const struct cell *c)
{
    return c->type == CELL_TEXT ? c->text : "";
}

static enum err_code put_inputs(struct report *r, int64_t job, struct err *e)
{
    enum { SHOWN = 12 };
    struct table t = {0};
    enum err_code rc = query_table(r->q, &t, e, "SELECT i.name, lower(hex(p.digest)), p.run_name FROM job_input i JOIN job p ON p.id = i.input"
                                   " WHERE i.job = ?1 AND i.must_pass <> 2 ORDER BY i.pos", "i", job);

    for (size_t i = 0; i < t.n_rows && i < SHOWN && !rc; i++) {
        const struct cell *c = table_cell(&t, i, 0);
        int64_t *listed = map_get(&r->runs, c[1].text, strlen(c[1].text));

        buf_str(r->out, i ? ", " : "");
        html_text(r->out, c[0].text);
        buf_fmt(r->out, " %s%.*s%s%.8s%s", listed ? "<a href=\"#run." : "<code>", listed ? 12 : 0, c[1].text, listed ? "\">" : "", c[1].text,
                listed ? "</a>" : "</code>");
    }
    if (t.n_rows > SHOWN)
        buf_fmt(r->out, " and %zu more", t.n_rows - SHOWN);
    table_free(&t);
    return rc;
}

static void put_files(struct report *r, const char *folder)
{
    static const char *const names[] = {"config.yaml", "metrics.json", "summary.md"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        buf_fmt(r->out, "%s<a href=\"%s", i ? " " : "", r->to_results);
        html_url(r->out, folder);
        buf_fmt(r->out, "/%s\">%s</a>", names[i], names[i]);
    }
}

static enum err_code put_run(struct report *r, const struct cell *c, struct err *e)
{
    buf_fmt(r->out, "<tr id=\"run.%.12s\"><td><code>", c[COL_JOB].text);
    html_text(r->out, c[COL_RUN].text);
    buf_fmt(r->out, "</code><br><span class=\"dim\">job %.12s</span></td><td>", c[COL_JOB].text);
    html_text(r->out, c[COL_STAGE].text);
    buf_str(r->out, "</td><td>");
    html_text(r->out, c[COL_STATE].text);
    if (c[COL_VERDICT].type == CELL_TEXT)
        buf_fmt(r->out, ", %s", c[COL_VERDICT].text);
    buf_str(r->out, "</td><td class=\"config\">");
    html_text(r->out, text_of(&c[COL_KNOBS]));
    if (*text_of(&c[COL_CONTEXT])) {
        buf_str(r->out, "<br><span class=\"dim\">from its inputs: ");
        html_text(r->out, c[COL_CONTEXT].text);
        buf_str(r->out, "</span>");
    }
    buf_str(r->out, "</td><td>");
    if (put_inputs(r, c[COL_ID].i, e))
        return e->code;
    buf_fmt(r->out, "</td><td><code>%.10s</code> ", text_of(&c[COL_COMMIT]));
    html_text(r->out, text_of(&c[COL_HOST]));
    buf_str(r->out, "</td>");
    if (c[COL_WALL].type == CELL_F64) {
        buf_str(r->out, "<td class=\"n\" data-v=\"");
        buf_f64(r->out, c[COL_WALL].f);
        buf_str(r->out, "\">");
        table_number(r->out, c[COL_WALL].f);
    } else {
        buf_str(r->out, "<td class=\"none\">&#8211;");
    }
    buf_str(r->out, "</td><td>");
    if (c[COL_FOLDER].type == CELL_TEXT && strcmp(c[COL_STATE].text, "done") == 0)
        put_files(r, c[COL_FOLDER].text);
    buf_str(r->out, "</td></tr>\n");
    return ERR_OK;
}

/* Marks what is to be listed: all runs referred to, others up to the limit. */
static size_t choose(struct report *r, const struct table *t, bool *shown)
{
    size_t n = 0;

    for (int others = 0; others < 2; others++) {
        for (size_t i = 0; i < t->n_rows; i++) {
            const char *job = table_cell(t, i, COL_JOB)->text;
            int64_t *listed = map_get(&r->runs, job, strlen(job));
            bool is_new;

            if (shown[i] || (listed && *listed) || (others ? listed != NULL || n >= REPORT_RUNS : !listed))
                continue;
            *map_put(&r->runs, job, strlen(job), &is_new) = 1;
            shown[i] = true;
            n++;
        }
    }
    return n;
}

static enum err_code put_list(struct report *r, const struct table *t, struct err *e)
{
    bool *shown = calloc(t->n_rows + 1, sizeof *shown);
    enum err_code rc = ERR_OK;
    size_t n;

    if (!shown)
        return err_set(e, ERR_NOMEM, "report: out of memory");
    n = choose(r, t, shown);
    if (n) {
        buf_str(r->out, "<p>Knobs that are not given have the kind's default: <code>saegrid kinds KIND</code>. "
                        "Everything about a run: <code>saegrid show JOB</code>.</p>\n"
                        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Runs\"><table class=\"sortable runs\"><thead><tr>");
        static const char *const heads[] = {"run", "stage", "state", "config", "inputs", "commit, host", "seconds", "files"};
        for (size_t i = 0; i < ARRAY_LEN(heads); i++)
            buf_fmt(r->out, "<th scope=\"col\">%s</th>", heads[i]);
        buf_str(r->out, "</tr></thead>\n<tbody>\n");
        for (size_t i = 0; i < t->n_rows && !rc; i++)
            if (shown[i])
                rc = put_run(r, table_cell(t, i, 0), e);
        buf_str(r->out, "</tbody></table></div>\n");
    }
    if (n < t->n_rows)
        buf_fmt(r->out, "<p class=\"cap\">%zu of %zu runs: those that numbers lead to, then others up to %d; runs shared with a sweep"
                        " above are listed there. <code>saegrid jobs --sweep %s</code> has all.</p>\n", n, t->n_rows, REPORT_RUNS, r->sweep);
    free(shown);
    return rc;
}

static enum err_code write_runs(struct report *r, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(r->q, &t, e, runs_sql, "i", r->sweep_id);

    if (!rc && t.n_rows)
        rc = put_list(r, &t, e);
    table_free(&t);
    return rc;
}

REPORT_SECTION(runs) = {"runs", "Runs", write_runs};
