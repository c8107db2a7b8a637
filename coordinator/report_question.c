/* report_question.c - what was asked, what was expected, what came out. */
#include "coordinator/report.h"

#include <inttypes.h>
#include <string.h>

#include "coordinator/expect.h"
#include "coordinator/html.h"
#include "coordinator/stability.h"
#include "coordinator/summary.h"

static void put_line(struct buf *out, const char *head, const struct cell *c)
{
    if (c->type != CELL_TEXT || !*c->text)
        return;
    buf_fmt(out, "<p><strong>%s</strong> ", head);
    html_text(out, c->text);
    buf_str(out, "</p>\n");
}

static void put_lines(struct buf *out, struct buf *text)
{
    for (char *line = text->data, *end; line && *line; line = end) {
        end = line + strcspn(line, "\n");
        bool is_last = !*end;

        *end = '\0';
        if (*line) {
            buf_str(out, "<p>");
            html_text(out, line);
            buf_str(out, "</p>\n");
        }
        end += is_last ? 0 : 1;
    }
}

static enum err_code put_gates(struct report *r, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(r->q, &t, e,
        "SELECT t.name, t.gate_metric, t.gate_min, t.gate_max, t.gate_against, t.gate_top, sum(sj.verdict = 'pass'), sum(sj.verdict = 'negative'),"
        " count(*) FROM stage t JOIN sweep s ON s.id = t.sweep JOIN sweep_job sj ON sj.stage = t.id AND sj.revision = s.revision"
        " WHERE t.sweep = ?1 AND t.gate_metric IS NOT NULL GROUP BY t.id ORDER BY t.ord", "i", r->sweep_id);

    for (size_t i = 0; i < t.n_rows && !rc; i++) {
        const struct cell *c = table_cell(&t, i, 0);

        buf_str(r->out, "<p>Gate of ");
        html_text(r->out, c[0].text);
        buf_str(r->out, ", ");
        report_metric(r, c[1].text, c[1].text);
        if (c[2].type != CELL_NULL) {
            buf_str(r->out, " at least ");
            cell_text(&c[2], r->out);
        }
        if (c[3].type != CELL_NULL) {
            buf_str(r->out, " at most ");
            cell_text(&c[3], r->out);
        }
        if (c[4].type == CELL_TEXT) {
            buf_str(r->out, " against ");
            html_text(r->out, c[4].text);
        }
        if (c[5].type != CELL_NULL) {
            buf_str(r->out, c[5].f < 1 ? ", the best share " : ", the best ");
            cell_text(&c[5], r->out);
        }
        buf_fmt(r->out, ": %" PRId64 " %s, <strong>%" PRId64 " %s</strong>, of %" PRId64 ".</p>\n", c[6].i,
                c[5].type == CELL_NULL ? "passed" : "promoted", c[7].i, c[5].type == CELL_NULL ? "negative" : "stopped", c[8].i);
    }
    table_free(&t);
    return rc;
}

/* Whether what was expected came out, check by check. */
static enum err_code put_checks(struct report *r, struct err *e)
{
    struct table t = {0};
    struct buf sum = {0};
    enum err_code rc = expect_table(&t, r->q, r->sweep, e);

    if (!rc)
        expect_sentence(&t, r->sweep, &sum);
    if (sum.len) {
        buf_fmt(r->out, "<p><strong>What was expected <span class=\"badge\">%s</span></strong>%s</p>\n<ul class=\"checks\">\n",
                expect_text(expect_sum(&t, r->sweep)), sum.data + strcspn(sum.data, ":"));
    }
    for (size_t i = 0; i < t.n_rows && !rc; i++) {
        const struct cell *c = table_cell(&t, i, 0);

        buf_str(r->out, "<li><strong>");
        html_text(r->out, c[2].text);
        buf_str(r->out, "</strong>: ");
        html_text(r->out, c[1].text);
        if (c[3].type == CELL_F64) {
            buf_str(r->out, ": ");
            table_number(r->out, c[3].f);
        }
        if (c[4].type == CELL_F64) {
            buf_str(r->out, " (95 % over seeds ");
            table_number(r->out, c[4].f);
            buf_str(r->out, " to ");
            table_number(r->out, c[5].f);
            buf_char(r->out, ')');
        }
        buf_str(r->out, " <span class=\"dim\">");
        html_text(r->out, c[7].text);
        buf_str(r->out, "</span></li>\n");
    }
    if (sum.len)
        buf_str(r->out, "</ul>\n");
    table_free(&t);
    buf_free(&sum);
    return rc;
}

static enum err_code put_state(struct report *r, struct err *e)
{
    struct buf counts = {0};
    struct summary s;
    enum err_code rc = summary_load(r->q, r->sweep_id, &s, e);

    if (!rc) {
        summary_counts(&s, &counts);
        buf_fmt(r->out, "<p%s>%s%s", s.n_open || s.n_failed ? " class=\"warn\"" : "", s.n_open ? "Not finished: " : "", counts.data);
        if (s.n_failed || s.n_skipped || s.n_negative) {
            buf_str(r->out, ": <a href=\"#");
            html_id(r->out, r->sweep);
            buf_str(r->out, ".trouble\">failures and negatives</a>");
        }
        buf_str(r->out, ".</p>\n");
    }
    buf_free(&counts);
    return rc;
}

static enum err_code write_question(struct report *r, struct err *e)
{
    struct table t = {0};
    struct buf text = {0};
    enum err_code rc = query_table(r->q, &t, e, "SELECT title, hypothesis, expected FROM sweep WHERE id = ?1", "i", r->sweep_id);

    if (!rc && t.n_rows) {
        put_line(r->out, "Title:", &t.cells[0]);
        put_line(r->out, "Hypothesis:", &t.cells[1]);
        put_line(r->out, "Expected:", &t.cells[2]);
    }
    if (!rc)
        rc = stability_sentences(r->q, r->sweep, &text, e);
    buf_str(r->out, "<div class=\"verdict\"><h4>What came out</h4>\n");
    if (!rc)
        rc = put_checks(r, e);
    if (!rc)
        put_lines(r->out, &text);
    if (!rc)
        rc = report_arms_verdict(r, e);
    if (!rc)
        rc = put_gates(r, e);
    if (!rc)
        rc = put_state(r, e);
    buf_str(r->out, "</div>\n");
    table_free(&t);
    buf_free(&text);
    return rc;
}

REPORT_SECTION(question) = {"question", "Question and answer", write_question};
