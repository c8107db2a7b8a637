/* report_csv.c - see report_csv.h. */
#include "coordinator/report_csv.h"

#include <stdlib.h>
#include <string.h>

#include "common/oom.h"

static char *copy_of(const char *text)
{
    char *c = strdup(text);

    if (!c)
        oom_exit("report_csv");
    return c;
}

/* One field, with its end cut off; NULL behind the last. */
static char *next_field(char **rest)
{
    char *field = *rest;

    if (!field)
        return NULL;
    *rest = strchr(field, ',');
    if (*rest)
        *(*rest)++ = '\0';
    return field;
}

static void set_cell(struct cell *c, const char *field)
{
    char *end;
    const double v = strtod(field, &end);

    if (*field && !*end)
        cell_set_f64(c, v);
    else if (*field)
        cell_set_text(c, field);
}

/* Place of the head's first column in t. */
static size_t add_head(struct table *t, char *line)
{
    char *field = next_field(&line);
    const int there = table_col(t, field);

    if (there >= 0)
        return (size_t)there;
    const size_t first = t->n_cols;
    for (; field; field = next_field(&line))
        table_add_col(t, field);
    return first;
}

size_t report_csv_add(struct table *t, const char *csv)
{
    char *text = copy_of(csv), *save, *line = strtok_r(text, "\n", &save);
    const size_t first_row = t->n_rows, at = line ? add_head(t, line) : 0;

    while (line && (line = strtok_r(NULL, "\n", &save)) != NULL) {
        struct cell *row = table_add_row(t);
        char *rest = line;

        for (size_t c = at; c < t->n_cols; c++) {
            const char *field = next_field(&rest);

            if (field)
                set_cell(&row[c], field);
        }
    }
    free(text);
    return first_row;
}
