/* report_table.c - see report_table.h. */
#include "coordinator/report_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"
#include "coordinator/html.h"
#include "coordinator/tables.h"

struct place {
    const struct report_col *col;
    size_t at;
    int second;
    bool is_number;
};

static bool has_value(const struct table *t, size_t col)
{
    for (size_t r = 0; r < t->n_rows; r++)
        if (table_cell(t, r, col)->type != CELL_NULL)
            return true;
    return false;
}

static bool is_number(const struct table *t, size_t col)
{
    for (size_t r = 0; r < t->n_rows; r++)
        if (table_cell(t, r, col)->type == CELL_TEXT)
            return false;
    return true;
}

static void put_exact(struct buf *out, const struct cell *c)
{
    if (c->type == CELL_F64)
        buf_f64(out, c->f);
    else
        buf_fmt(out, "%lld", (long long)c->i);
}

/* A spread needs two digits. */
static void put_second(struct buf *out, const struct cell *c, enum report_form form)
{
    char text[40];

    if (form == REPORT_RANGE || c->type != CELL_F64) {
        cell_text(c, out);
        return;
    }
    snprintf(text, sizeof text, "%.2g", c->f);
    table_number(out, strtod(text, NULL));
}

static void put_number(struct report *r, const struct table *t, size_t row, const struct place *p, const char *job)
{
    const struct cell *c = table_cell(t, row, p->at);
    const struct cell *second = p->second >= 0 ? table_cell(t, row, (size_t)p->second) : NULL;

    buf_str(r->out, "<td class=\"n\" data-v=\"");
    put_exact(r->out, c);
    buf_str(r->out, "\">");
    if (job)
        report_open_run(r, job);
    cell_text(c, r->out);
    if (second && second->type != CELL_NULL) {
        buf_str(r->out, p->col->form == REPORT_RANGE ? " to " : " &#177; ");
        put_second(r->out, second, p->col->form);
    }
    buf_str(r->out, job ? "</a></td>" : "</td>");
}

/* Of a file's digest and path its last part; the rest when asked for. */
static void put_text(struct buf *out, const char *text)
{
    const char *last = strncmp(text, "sha256:", strlen("sha256:")) == 0 ? strrchr(text, '/') : NULL;

    if (!last || !last[1]) {
        html_text(out, text);
        return;
    }
    buf_str(out, "<span title=\"");
    html_text(out, text);
    buf_str(out, "\">");
    html_text(out, last + 1);
    buf_str(out, "</span>");
}

static void put_cell(struct report *r, const struct table *t, size_t row, const struct place *p, const char *job)
{
    const struct cell *c = table_cell(t, row, p->at);

    if (c->type == CELL_NULL) {
        buf_str(r->out, "<td class=\"none\">&#8211;</td>");
        return;
    }
    if (c->type != CELL_TEXT) {
        put_number(r, t, row, p, job);
        return;
    }
    buf_str(r->out, "<td>");
    if (p->col->form == REPORT_HTML) {
        buf_str(r->out, c->text);
    } else if (p->col->form == REPORT_RUN && job) {
        report_open_run(r, job);
        html_text(r->out, c->text);
        buf_str(r->out, "</a>");
    } else {
        put_text(r->out, c->text);
    }
    buf_str(r->out, "</td>");
}

static void put_heads(struct report *r, const struct table *t, const struct place *p, size_t n)
{
    buf_str(r->out, "<thead><tr>");
    for (size_t i = 0; i < n; i++) {
        const struct report_col *c = p[i].col;

        buf_fmt(r->out, "<th scope=\"col\"%s>", p[i].is_number ? " class=\"n\"" : "");
        if (!c->metric && tables_is_knob(t, p[i].at)) /* some metrics are named like knobs */
            html_text(r->out, c->title ? c->title : c->column);
        else
            report_metric(r, c->metric ? c->metric : c->column, c->title ? c->title : c->column);
        buf_str(r->out, "</th>");
    }
    buf_str(r->out, "</tr></thead>\n");
}

static void put_rows(struct report *r, const struct table *t, const struct place *p, size_t n)
{
    int job = table_col(t, "job");

    buf_str(r->out, "<tbody>\n");
    for (size_t row = 0; row < t->n_rows && row < REPORT_ROWS; row++) {
        const char *id = job < 0 ? NULL : table_cell(t, row, (size_t)job)->text;

        buf_str(r->out, "<tr>");
        for (size_t i = 0; i < n; i++)
            put_cell(r, t, row, &p[i], id);
        buf_str(r->out, "</tr>\n");
    }
    buf_str(r->out, "</tbody>");
}

void report_table(struct report *r, const struct table *t, const struct report_col *cols, size_t n, const char *caption,
                  const char *all)
{
    struct place *p = calloc(n + 1, sizeof *p);
    size_t k = 0;

    if (!p)
        oom_exit("report_table");
    for (size_t i = 0; i < n; i++) {
        int at = table_col(t, cols[i].column);

        if (at >= 0 && has_value(t, (size_t)at))
            p[k++] = (struct place){&cols[i], (size_t)at, cols[i].second ? table_col(t, cols[i].second) : -1,
                                    is_number(t, (size_t)at)};
    }
    buf_str(r->out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    html_text(r->out, caption);
    buf_str(r->out, "\"><table class=\"sortable\"><caption>");
    html_text(r->out, caption);
    buf_str(r->out, "</caption>\n");
    put_heads(r, t, p, k);
    put_rows(r, t, p, k);
    buf_str(r->out, "</table></div>\n");
    if (t->n_rows > REPORT_ROWS) {
        buf_fmt(r->out, "<p class=\"cap\">The first %d of %zu rows. All of them: <code>", REPORT_ROWS, t->n_rows);
        html_text(r->out, all);
        buf_str(r->out, "</code></p>\n");
    }
    free(p);
}

void report_table_all(struct report *r, const struct table *t, const char *caption, const char *all)
{
    struct report_col *cols = calloc(t->n_cols + 1, sizeof *cols);
    size_t n = 0;

    if (!cols)
        oom_exit("report_table");
    for (size_t c = 0; c < t->n_cols; c++)
        if (strcmp(t->cols[c], "job") != 0)
            cols[n++] = (struct report_col){.column = t->cols[c],
                                            .form = strcmp(t->cols[c], "run_id") == 0 ? REPORT_RUN : REPORT_PLAIN};
    report_table(r, t, cols, n, caption, all);
    free(cols);
}
