/* report.c - see report.h. */
#include "coordinator/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/kinds/kind.h"
#include "coordinator/expect.h"
#include "coordinator/html.h"
#include "coordinator/page_files.h"
#include "coordinator/summary.h"

#define SECTION(name) extern REPORT_SECTION(name);
#include "coordinator/report.def"
#undef SECTION
#define SECTION(name) &report_section_##name,
static const struct report_section *const sections[] = {
#include "coordinator/report.def"
};
#undef SECTION

enum { ID_DIGITS = 12 };
#define FIGURE_MARK "\x02" /* html_text lets no such byte through */

/* --- for sections ------------------------------------------------------------------------- */

void report_open_run(struct report *r, const char *job)
{
    bool is_new;
    int64_t *listed = map_put(&r->runs, job, strlen(job), &is_new);

    if (is_new)
        *listed = 0;
    buf_fmt(r->out, "<a href=\"#run.%.*s\">", ID_DIGITS, job);
}

static int metric_row(const struct report *r, const char *name)
{
    for (size_t i = 0; i < r->metrics.n_rows; i++)
        if (strcmp(table_cell(&r->metrics, i, 0)->text, name) == 0)
            return (int)i;
    return -1;
}

void report_metric(struct report *r, const char *name, const char *title)
{
    int row = metric_row(r, name);
    bool is_new;

    if (row < 0) {
        html_text(r->out, title);
        return;
    }
    *map_put(&r->metrics_used, name, strlen(name), &is_new) = row;
    buf_str(r->out, "<a class=\"def\" href=\"#def.");
    html_id(r->out, name);
    buf_str(r->out, "\" title=\"");
    html_text(r->out, table_cell(&r->metrics, (size_t)row, 4)->text);
    buf_str(r->out, "\">");
    html_text(r->out, title);
    buf_str(r->out, "</a>");
}

struct figure *report_figure(struct report *r, const char *name, const char *title, const char *x_label,
                             const char *y_label, const char *caption)
{
    struct buf full = {0};
    struct figure *g;

    if (r->figures_left <= r->figures_kept) {
        r->figures_dropped++;
        return NULL;
    }
    r->figures_left--;
    buf_fmt(&full, "%s_%s", r->sweep, name);
    g = figures_new(&r->figures, full.data, title, x_label, y_label);
    buf_fmt(r->out, "<figure id=\"figure.%s\">" FIGURE_MARK "%zu" FIGURE_MARK "<figcaption>%s</figcaption></figure>\n", g->name,
            r->figures.n - 1, caption);
    buf_free(&full);
    return g;
}

void report_label(const struct report *r, const char *name, struct buf *out)
{
    int row = metric_row(r, name);
    const char *unit = row < 0 ? "" : table_cell(&r->metrics, (size_t)row, 2)->text;

    for (size_t i = 0; row < 0 && !*unit && i < kind_count(); i++) {
        const struct cfg_field *f = cfg_find(kind_at(i)->fields, kind_at(i)->n_fields, name);

        unit = f && f->type != CFG_ENUM ? f->unit : "";
    }
    buf_str(out, name);
    if (*unit)
        buf_fmt(out, " (%s)", unit);
}

void report_definitions(struct report *r)
{
    size_t len;

    buf_str(r->out, "<section id=\"definitions\"><h2>Definitions</h2>\n<dl class=\"defs\">\n");
    for (size_t i = 0; i < r->metrics.n_rows; i++) {
        const struct cell *c = table_cell(&r->metrics, i, 0);
        bool is_used = map_get(&r->metrics_used, c[0].text, strlen(c[0].text)) != NULL;

        if (!is_used)
            continue;
        buf_str(r->out, "<dt id=\"def.");
        html_id(r->out, c[0].text);
        buf_str(r->out, "\"><code>");
        html_text(r->out, c[0].text);
        buf_str(r->out, "</code>");
        len = r->out->len;
        if (*c[2].text) {
            buf_str(r->out, ", in ");
            html_text(r->out, c[2].text);
        }
        if (strcmp(c[3].text, "none") != 0)
            buf_fmt(r->out, "%s %s is better", r->out->len > len ? ";" : ",", c[3].text);
        buf_str(r->out, "</dt><dd>");
        html_text(r->out, c[4].text);
        buf_str(r->out, " <span class=\"dim\">In metrics.json: <code>");
        html_text(r->out, c[1].text);
        buf_str(r->out, "</code>.</span></dd>\n");
    }
    buf_str(r->out, "</dl></section>\n");
}

/* --- the page ----------------------------------------------------------------------------- */

static void put_section(struct report *r, const struct report_section *s, const struct buf *body)
{
    buf_str(r->out, "<section id=\"");
    html_id(r->out, r->sweep);
    buf_fmt(r->out, ".%s\"><h3>%s</h3>\n", s->id, s->title);
    buf_add(r->out, body->data, body->len);
    buf_str(r->out, "</section>\n");
}

static enum err_code put_sweep(struct report *r, const char *sweep, size_t figures_max, struct err *e)
{
    struct buf *page = r->out, body = {0}, list = {0}, all = {0};
    enum err_code rc = query_sweep(r->q, sweep, &r->sweep_id, e);

    r->sweep = sweep;
    r->figures_left = figures_max;
    r->figures_dropped = 0;
    for (size_t i = 0; i < ARRAY_LEN(sections) && !rc; i++) {
        buf_reset(&body);
        r->out = &body;
        rc = sections[i]->write(r, e);
        if (rc || body.len == 0)
            continue;
        r->out = &all;
        put_section(r, sections[i], &body);
        buf_str(&list, "<li><a href=\"#");
        html_id(&list, sweep);
        buf_fmt(&list, ".%s\">%s</a></li>", sections[i]->id, sections[i]->title);
    }
    r->out = page;
    buf_str(page, "<article id=\"");
    html_id(page, sweep);
    buf_str(page, "\"><h2>");
    html_text(page, sweep);
    buf_fmt(page, "</h2>\n<nav aria-label=\"sections\"><ul>%s</ul></nav>\n", list.data ? list.data : "");
    buf_add(page, all.data, all.len);
    if (r->figures_dropped)
        buf_fmt(page, "<p class=\"cap\">%zu of %zu figures are left out: <code>saegrid report %s --max-figures %zu</code> draws all.</p>\n",
                r->figures_dropped, r->figures_dropped + figures_max - r->figures_left, sweep,
                r->figures_dropped + figures_max + 1);
    buf_str(page, "</article>\n");
    buf_free(&body);
    buf_free(&list);
    buf_free(&all);
    return rc;
}

static void put_overview_row(struct report *r, const struct cell *c, const struct buf *counts, const char *expected)
{
    buf_str(r->out, "<tr><td><a href=\"#");
    html_id(r->out, c[0].text);
    buf_str(r->out, "\">");
    html_text(r->out, c[0].text);
    buf_str(r->out, "</a></td><td>");
    html_text(r->out, c[1].text);
    buf_str(r->out, "</td><td>");
    html_text(r->out, c[2].text);
    buf_str(r->out, "</td><td>");
    html_text(r->out, counts->data);
    buf_fmt(r->out, "</td><td>%s</td></tr>\n", expected);
}

static enum err_code put_overview(struct report *r, const struct table *sweeps, struct err *e)
{
    struct table checks = {0};
    enum err_code rc = expect_table(&checks, r->q, NULL, e);

    buf_str(r->out, "<section id=\"overview\"><h2>All sweeps</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\""
                    " aria-label=\"All sweeps\"><table class=\"sortable\"><thead><tr><th scope=\"col\">sweep</th>"
                    "<th scope=\"col\">title</th><th scope=\"col\">phase</th><th scope=\"col\">jobs</th>"
                    "<th scope=\"col\">what was expected</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < sweeps->n_rows && !rc; i++) {
        const struct cell *c = table_cell(sweeps, i, 0);
        struct buf counts = {0};
        struct summary s;

        rc = summary_load(r->q, c[3].i, &s, e);
        if (!rc) {
            summary_counts(&s, &counts);
            put_overview_row(r, c, &counts, expect_text(expect_sum(&checks, c[0].text)));
        }
        buf_free(&counts);
    }
    buf_str(r->out, "</tbody></table></div></section>\n");
    table_free(&checks);
    if (!rc) {
        r->sweep = "all";
        rc = report_hypotheses(r, NULL, e);
    }
    return rc;
}

static void put_head(struct report *r, const char *name, const char *title, const char *when)
{
    buf_str(r->out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<meta name=\"generator\" content=\"saegrid report\">\n<title>");
    html_text(r->out, name);
    buf_str(r->out, ": ");
    html_text(r->out, title);
    buf_fmt(r->out, "</title>\n<style>\n%s</style></head>\n<body>\n<a class=\"skip\" href=\"#main\">To the results</a>\n<header><h1>",
            page_css);
    html_text(r->out, title);
    buf_fmt(r->out, "</h1>\n<p class=\"dim\">What the manifest held at %s. Numbers lead to their run, column heads to their definition.</p>"
                    "</header>\n<main id=\"main\">\n", when);
}

static enum err_code put_body(struct report *r, const struct report_ask *a, struct err *e)
{
    struct table sweeps = {0}, when = {0};
    enum err_code rc = query_table(r->q, &sweeps, e, "SELECT name, title, phase, id FROM sweep WHERE ?1 IS NULL OR name = ?1 ORDER BY id",
                                   "t", a->sweep);
    int64_t id;

    if (!rc && a->sweep)
        rc = query_sweep(r->q, a->sweep, &id, e);
    if (!rc)
        rc = query_table(r->q, &when, e, "SELECT coalesce(strftime('%Y-%m-%d %H:%M:%S UTC', max(wall_ms) / 1000, 'unixepoch'),"
                                         " 'its beginning') FROM event", "");
    if (!rc) {
        const struct cell *c = sweeps.n_rows ? table_cell(&sweeps, 0, 0) : NULL;
        const char *title = !a->sweep || !c ? "All sweeps" : c[1].type == CELL_TEXT && *c[1].text ? c[1].text : c[0].text;

        put_head(r, a->sweep ? a->sweep : "all", title, when.cells[0].text);
        if (!a->sweep)
            rc = put_overview(r, &sweeps, e);
    }
    for (size_t i = 0; i < sweeps.n_rows && !rc; i++)
        rc = put_sweep(r, table_cell(&sweeps, i, 0)->text,
                       a->figures_max > 0 ? (size_t)a->figures_max : a->sweep ? REPORT_FIGURES : REPORT_FIGURES_OF_MANY, e);
    if (!rc) {
        report_definitions(r);
        buf_fmt(r->out, "</main>\n<footer><p>Made by <code>saegrid report %s</code> from the manifest alone; "
                        "<code>saegrid table NAME --csv</code> has every digit.</p></footer>\n<script>\n%s</script>\n</body></html>\n",
                a->sweep ? a->sweep : "all", page_js);
    }
    table_free(&sweeps);
    table_free(&when);
    return rc;
}

/* --- figures into their places ------------------------------------------------------------- */

static enum err_code splice(const struct figures *f, const char *dir, const char *why, const struct buf *page,
                            struct buf *out, struct err *e)
{
    enum err_code rc = ERR_OK;
    const char *s = page->data;

    while (!rc) {
        const char *mark = strchr(s, FIGURE_MARK[0]);

        if (!mark) {
            buf_str(out, s);
            break;
        }
        buf_add(out, s, (size_t)(mark - s));
        size_t i = (size_t)strtoul(mark + 1, NULL, 10);
        s = strchr(mark + 1, FIGURE_MARK[0]) + 1;
        if (dir)
            rc = figures_inline(f, i, dir, out, e);
        else {
            buf_str(out, "<p class=\"cap\">");
            html_text(out, f->v[i]->title);
            buf_str(out, ": not drawn: ");
            html_text(out, why);
            buf_str(out, "</p>");
        }
    }
    return rc;
}

static enum err_code draw(const struct figures *f, const char *figures_dir, const struct buf *page, struct buf *out,
                          struct err *e)
{
    static const char *const inlined[] = {".svg"}, *const files[] = {".png", ".pdf", ".svg"};
    const char *tmp = getenv("TMPDIR");
    struct buf dir = {0};
    struct err gone;

    if (!plot_available())
        return splice(f, NULL, "gnuplot is not on the PATH", page, out, e);
    buf_fmt(&dir, "%s/saegrid-report-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(dir.data)) {
        buf_free(&dir);
        return err_set(e, ERR_IO, "a folder for figures below %s: cannot be made (set TMPDIR)", tmp && *tmp ? tmp : "/tmp");
    }
    enum err_code rc = figures_draw(f, dir.data, inlined, ARRAY_LEN(inlined), e);
    if (!rc)
        rc = splice(f, dir.data, NULL, page, out, e);
    if (!rc && figures_dir)
        rc = fs_mkdirs(figures_dir, e);
    if (!rc && figures_dir)
        rc = figures_draw(f, figures_dir, files, ARRAY_LEN(files), e);
    if (fs_remove_tree(dir.data, &gone) && !rc)
        rc = err_set(e, gone.code, "%s", gone.text);
    buf_free(&dir);
    return rc;
}

enum err_code report_page(struct query *q, const struct report_ask *a, struct buf *out, struct err *e)
{
    struct buf page = {0};
    struct report r = {.q = q, .to_results = a->to_results, .out = &page};
    enum err_code rc = query_table(q, &r.metrics, e, "SELECT name, long_name, unit, better, help FROM metric_name ORDER BY name", "");

    if (!rc)
        rc = put_body(&r, a, e);
    if (!rc)
        rc = draw(&r.figures, a->figures_dir, &page, out, e);
    figures_free(&r.figures);
    table_free(&r.metrics);
    map_free(&r.metrics_used);
    map_free(&r.runs);
    buf_free(&page);
    return rc;
}
