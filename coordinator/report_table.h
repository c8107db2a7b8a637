/* report_table.h - a table of a report: sortable, every number linked to its run, every head to its
 * definition. */
#pragma once
#include "coordinator/report.h"

enum report_form {
    REPORT_PLAIN,
    REPORT_RANGE,  /* "low to high"; the second column is the high end */
    REPORT_SPREAD, /* "mean ± std"; the second column is the std, if there is one */
    REPORT_HTML,   /* a text that is HTML already */
    REPORT_RUN,    /* a text that names the row's job: linked to it */
};
struct report_col {
    const char *column;
    const char *title;  /* NULL: the column's name */
    enum report_form form;
    const char *second;
    const char *metric; /* whose definition the head leads to; NULL: the column's own, if it is one */
};

/* Columns without a value are left out; of more than REPORT_ROWS rows the first are shown, and `all` is the
 * command that prints the rest.  Numbers of a row lead to the run in its column `job`, if any. */
void report_table(struct report *r, const struct table *t, const struct report_col *cols, size_t n, const char *caption,
                  const char *all);
/* The same with every column of t but `job`, as they are. */
void report_table_all(struct report *r, const struct table *t, const char *caption, const char *all);
