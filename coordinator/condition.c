/* condition.c - see condition.h. */
#include "coordinator/condition.h"

#include <string.h>

#include "coordinator/tables.h"

/* Named in the line above the table; the other knobs only if they vary. */
static const char *const main_knobs[] = {"task", "layer", "hook", "arch", "d_sae", "k"};

static bool is_main(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(main_knobs); i++)
        if (strcmp(name, main_knobs[i]) == 0)
            return true;
    return false;
}

size_t condition_columns(const struct table *t, size_t *cols)
{
    size_t n = 0;
    int run = table_col(t, "run_id");

    for (size_t c = 0; c < t->n_cols && n < CONDITION_MAX / 2; c++)
        if (tables_is_knob(t, c) &&
            (tables_varies(t, c) || (is_main(t->cols[c]) && !table_is_constant(t, c))))
            cols[n++] = c;
    if (n == 0 && t->n_rows > 1 && run >= 0)
        cols[n++] = (size_t)run;
    return n;
}

void condition_constants(const struct table *t, struct buf *out)
{
    size_t start = out->len;

    for (size_t i = 0; i < ARRAY_LEN(main_knobs); i++) {
        int c = table_col(t, main_knobs[i]);

        if (c < 0 || !table_is_constant(t, (size_t)c) || table_cell(t, 0, (size_t)c)->type == CELL_NULL)
            continue;
        buf_fmt(out, "%s%s ", out->len > start ? ", " : "", main_knobs[i]);
        tables_knob_text(table_cell(t, 0, (size_t)c), out);
    }
    if (out->len > start)
        buf_char(out, '\n');
}

void condition_name(const struct table *t, size_t row, struct buf *out)
{
    size_t cols[CONDITION_MAX], n = condition_columns(t, cols);

    for (size_t i = 0; i < n; i++) {
        buf_fmt(out, "%s%s = ", i ? ", " : "", t->cols[cols[i]]);
        tables_knob_text(table_cell(t, row, cols[i]), out);
    }
}
