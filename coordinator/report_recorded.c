/* report_recorded.c - numbers that somebody recorded, beside ours. */
#include "coordinator/report_table.h"

#include <string.h>

#include "coordinator/html.h"
#include "coordinator/recorded.h"

static void put_traps(struct report *r, const struct table *t)
{
    const char *last = "";

    for (size_t i = 0; i < t->n_rows; i++) {
        const struct cell *trap = table_cell(t, i, (size_t)table_col(t, "trap"));

        if (trap->type != CELL_TEXT || strcmp(trap->text, last) == 0)
            continue;
        last = trap->text;
        buf_str(r->out, "<p class=\"warn\">Trap, ");
        cell_text(table_cell(t, i, (size_t)table_col(t, "table")), r->out);
        buf_str(r->out, ": ");
        html_text(r->out, trap->text);
        buf_str(r->out, "</p>\n");
    }
}

static enum err_code write_recorded(struct report *r, struct err *e)
{
    static const struct report_col cols[] = {
        {.column = "table"}, {.column = "of", .title = "ours is"}, {.column = "metric"}, {.column = "recorded"},
        {.column = "recorded_low", .title = "recorded interval", .form = REPORT_RANGE, .second = "recorded_high"},
        {.column = "ours"},
        {.column = "ours_low", .title = "95 % over seeds", .form = REPORT_RANGE, .second = "ours_high"},
        {.column = "difference"}, {.column = "within"}, {.column = "verdict"}, {.column = "source"}};
    struct table t = {0};
    struct buf all = {0};
    enum err_code rc = recorded_table(&t, r->q, r->sweep, e);

    if (!rc && t.n_rows) {
        buf_str(r->out, "<p>Recorded intervals are over pairs of seeds, which share seeds, or over differences of such; ours are over seeds.</p>\n");
        put_traps(r, &t);
        buf_fmt(&all, "saegrid table replication --sweep %s", r->sweep);
        report_table(r, &t, cols, ARRAY_LEN(cols), "Recorded numbers and ours", all.data);
    }
    buf_free(&all);
    table_free(&t);
    return rc;
}

REPORT_SECTION(recorded) = {"recorded", "Recorded numbers beside ours", write_recorded};
