/* report_hypotheses.c - H1 to H5: verdict, effect with its interval over seeds, evidence. */
#include "coordinator/report.h"

#include <string.h>

#include "coordinator/html.h"
#include "coordinator/hypo.h"

static void put_number(struct buf *out, const struct table *t, size_t row, const char *name)
{
    const struct cell *c = table_cell(t, row, (size_t)table_col(t, name));

    cell_text(c, out);
}

static const char *text_of(const struct table *t, size_t row, const char *name)
{
    const struct cell *c = table_cell(t, row, (size_t)table_col(t, name));

    return c->type == CELL_TEXT ? c->text : "";
}

/* "id id ...": the job whose hex id begins so, as a link. */
static enum err_code put_jobs(struct report *r, const char *ids, struct err *e)
{
    enum { SHOWN = 40 };
    enum err_code rc = ERR_OK;
    size_t n = 0;

    for (const char *id = ids; *id && !rc; id += strcspn(id, " "), id += strspn(id, " ")) {
        struct table t = {0};
        struct buf part = {0};

        if (n++ >= SHOWN)
            continue;
        buf_add(&part, id, strcspn(id, " "));
        rc = query_table(r->q, &t, e, "SELECT lower(hex(digest)) FROM job WHERE lower(substr(hex(digest), 1, length(?1))) = ?1 LIMIT 1",
                         "t", part.data);
        if (!rc && t.n_rows) {
            buf_str(r->out, n > 1 ? " " : "");
            report_open_run(r, t.cells[0].text);
            buf_fmt(r->out, "%.8s</a>", part.data);
        }
        table_free(&t);
        buf_free(&part);
    }
    if (n > SHOWN)
        buf_fmt(r->out, " and %zu more", n - SHOWN);
    return rc;
}

static enum err_code put_one(struct report *r, const struct table *t, size_t row, struct err *e)
{
    const char *verdict = text_of(t, row, "verdict"), *jobs = text_of(t, row, "jobs");
    bool is_undecided = strcmp(verdict, hypo_verdict_text(HYPO_UNDECIDED)) == 0;
    enum err_code rc = ERR_OK;

    buf_str(r->out, "<div class=\"hypo\"><p><strong>");
    html_text(r->out, text_of(t, row, "hypothesis"));
    buf_str(r->out, "</strong> ");
    html_text(r->out, text_of(t, row, "claim"));
    buf_str(r->out, " <strong class=\"badge\">");
    html_text(r->out, verdict);
    buf_str(r->out, "</strong></p>\n<p>Effect ");
    put_number(r->out, t, row, "effect");
    buf_str(r->out, " (95 % interval over seeds ");
    put_number(r->out, t, row, "low");
    buf_str(r->out, " to ");
    put_number(r->out, t, row, "high");
    buf_str(r->out, "; threshold ");
    put_number(r->out, t, row, "threshold");
    buf_str(r->out, "; ");
    put_number(r->out, t, row, "conditions");
    buf_str(r->out, " conditions, ");
    put_number(r->out, t, row, "seeds");
    buf_str(r->out, " seeds");
    if (is_undecided && table_cell(t, row, (size_t)table_col(t, "seeds_needed"))->type != CELL_NULL) {
        buf_str(r->out, "; about ");
        put_number(r->out, t, row, "seeds_needed");
        buf_str(r->out, " would decide it");
    }
    buf_str(r->out, "). ");
    html_text(r->out, text_of(t, row, "evidence"));
    buf_str(r->out, "</p>\n<p class=\"dim\">Rule: ");
    html_text(r->out, text_of(t, row, "rule"));
    if (*jobs) {
        buf_str(r->out, " Comparisons: ");
        rc = put_jobs(r, jobs, e);
    }
    buf_str(r->out, "</p></div>\n");
    return rc;
}

enum err_code report_hypotheses(struct report *r, const char *sweep, struct err *e)
{
    struct table t = {0};
    struct buf silent = {0};
    size_t n = 0;
    enum err_code rc = hypo_table(&t, r->q, sweep, e);

    for (size_t i = 0; i < t.n_rows && !rc; i++) {
        if (strcmp(text_of(&t, i, "verdict"), hypo_verdict_text(HYPO_NO_DATA)) == 0) {
            buf_fmt(&silent, "%s%s", silent.len ? ", " : "", text_of(&t, i, "hypothesis"));
            continue;
        }
        if (n++ == 0 && !sweep)
            buf_str(r->out, "<section id=\"hypotheses\"><h2>Hypotheses, over all sweeps</h2>\n");
        rc = put_one(r, &t, i, e);
    }
    if (!rc && n && silent.len) {
        buf_str(r->out, "<p class=\"dim\">Nothing here speaks to ");
        html_text(r->out, silent.data);
        buf_str(r->out, ".</p>\n");
    }
    if (n && !sweep)
        buf_str(r->out, "</section>\n");
    table_free(&t);
    buf_free(&silent);
    return rc;
}

static enum err_code write_hypotheses(struct report *r, struct err *e)
{
    return report_hypotheses(r, r->sweep, e);
}

REPORT_SECTION(hypotheses) = {"hypotheses", "Hypotheses of the programme", write_hypotheses};
