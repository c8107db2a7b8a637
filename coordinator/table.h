/* table.h - rows and columns of a query, printed for people, papers and programs.
 *
 * Text, Markdown and LaTeX (booktabs) round reals to 4 significant digits; CSV and JSON give every bit
 * (f64_text).  An absent value is "-" for people, empty in CSV, null in JSON.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum table_format { TABLE_TEXT, TABLE_CSV, TABLE_MD, TABLE_LATEX, TABLE_JSON };
enum cell_type { CELL_NULL, CELL_I64, CELL_F64, CELL_TEXT };

struct cell {
    enum cell_type type;
    int64_t i;
    double f;
    char *text;
};

/* `struct table t = {0};` is empty. */
struct table {
    char **cols;
    size_t n_cols;
    struct cell *cells; /* row by row */
    size_t n_rows, cap;
};

void table_free(struct table *t);
void table_add_col(struct table *t, const char *name); /* before the first row */
struct cell *table_add_row(struct table *t);           /* n_cols empty cells; holds until the next */
void cell_set_text(struct cell *c, const char *text);  /* NULL: stays empty */
void cell_set_i64(struct cell *c, int64_t v);
void cell_set_f64(struct cell *c, double v);           /* NaN: stays empty */

void cell_copy(struct cell *to, const struct cell *from); /* to an empty cell */
void cell_text(const struct cell *c, struct buf *out);    /* as for people; "-": absent */
bool cell_equal(const struct cell *a, const struct cell *b);
const struct cell *table_cell(const struct table *t, size_t row, size_t col);
/* Column by name, or -1. */
int table_col(const struct table *t, const char *name);
/* The number in a column; false if there is no such column, or no finite number. */
bool table_f64(const struct table *t, size_t row, const char *name, double *out);
/* Keeps the named columns, in this order; unknown names are left out. */
void table_select(struct table *t, const char *const *names, size_t n);
/* Drops the columns that have no value in any row. */
void table_drop_empty(struct table *t);
void table_drop(struct table *t, const char *name); /* one column; no-op if there is no such */
bool table_is_constant(const struct table *t, size_t col);
/* Drops columns with the same value in every row, save the named ones; no-op without rows. */
void table_drop_constant(struct table *t, const char *const *keep, size_t n_keep);

void table_print(const struct table *t, enum table_format f, bool colour, struct buf *out);
void table_latex_text(struct buf *out, const char *text); /* with what LaTeX gives a meaning escaped */
/* 4 significant digits, without trailing noise: 0.8234, 12.5, 1.2e-07. */
void table_number(struct buf *out, double v);
