/* table.c - see table.h. */
#include "coordinator/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/oom.h"

static void *grown(void *p, size_t n, size_t size)
{
    p = realloc(p, (n ? n : 1) * size);
    if (!p)
        oom_exit("table");
    return p;
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->n_cols * t->n_rows; i++)
        free(t->cells[i].text);
    for (size_t i = 0; i < t->n_cols; i++)
        free(t->cols[i]);
    free(t->cells);
    free(t->cols);
    *t = (struct table){0};
}

void table_add_col(struct table *t, const char *name)
{
    t->cols = grown(t->cols, t->n_cols + 1, sizeof *t->cols);
    t->cols[t->n_cols] = strdup(name);
    if (!t->cols[t->n_cols++])
        oom_exit("table");
}

struct cell *table_add_row(struct table *t)
{
    struct cell *row;

    if (t->n_rows == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 16;
        t->cells = grown(t->cells, t->cap * t->n_cols, sizeof *t->cells);
    }
    row = t->cells + t->n_rows++ * t->n_cols;
    memset(row, 0, t->n_cols * sizeof *row);
    return row;
}

void cell_set_text(struct cell *c, const char *text)
{
    if (!text)
        return;
    *c = (struct cell){.type = CELL_TEXT, .text = strdup(text)};
    if (!c->text)
        oom_exit("table");
}

void cell_set_i64(struct cell *c, int64_t v)
{
    *c = (struct cell){.type = CELL_I64, .i = v};
}

void cell_set_f64(struct cell *c, double v)
{
    if (isfinite(v))
        *c = (struct cell){.type = CELL_F64, .f = v};
}

void cell_copy(struct cell *to, const struct cell *from)
{
    if (from->type == CELL_TEXT)
        cell_set_text(to, from->text);
    else
        *to = *from;
}

const struct cell *table_cell(const struct table *t, size_t row, size_t col)
{
    return &t->cells[row * t->n_cols + col];
}

int table_col(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->n_cols; i++)
        if (strcmp(t->cols[i], name) == 0)
            return (int)i;
    return -1;
}

/* Keeps columns from[0..n), in that order; the others are freed. */
static void keep_columns(struct table *t, const size_t *from, size_t n)
{
    struct table out = {.n_cols = n, .n_rows = t->n_rows, .cap = t->n_rows};

    out.cols = grown(NULL, n, sizeof *out.cols);
    out.cells = grown(NULL, n * t->n_rows, sizeof *out.cells);
    for (size_t c = 0; c < n; c++) {
        out.cols[c] = t->cols[from[c]];
        t->cols[from[c]] = NULL;
        for (size_t r = 0; r < t->n_rows; r++) {
            struct cell *old = &t->cells[r * t->n_cols + from[c]];

            out.cells[r * n + c] = *old;
            old->text = NULL;
        }
    }
    table_free(t);
    *t = out;
}

void table_select(struct table *t, const char *const *names, size_t n)
{
    size_t *from = grown(NULL, n, sizeof *from), k = 0;

    for (size_t i = 0; i < n; i++) {
        int c = table_col(t, names[i]);

        if (c >= 0)
            from[k++] = (size_t)c;
    }
    keep_columns(t, from, k);
    free(from);
}

bool cell_equal(const struct cell *a, const struct cell *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == CELL_TEXT)
        return strcmp(a->text, b->text) == 0;
    return a->type == CELL_NULL || (a->type == CELL_I64 ? a->i == b->i : a->f == b->f);
}

static bool is_empty(const struct table *t, size_t col)
{
    for (size_t r = 0; r < t->n_rows; r++) {
        const struct cell *c = table_cell(t, r, col);

        if (c->type != CELL_NULL && !(c->type == CELL_TEXT && !*c->text))
            return false;
    }
    return true;
}

bool table_is_constant(const struct table *t, size_t col)
{
    for (size_t r = 1; r < t->n_rows; r++)
        if (!cell_equal(table_cell(t, r, col), table_cell(t, 0, col)))
            return false;
    return true;
}

void table_drop_empty(struct table *t)
{
    size_t *from = grown(NULL, t->n_cols, sizeof *from), k = 0;

    for (size_t c = 0; c < t->n_cols; c++)
        if (!is_empty(t, c))
            from[k++] = c;
    if (t->n_rows)
        keep_columns(t, from, k);
    free(from);
}

void table_drop(struct table *t, const char *name)
{
    size_t *from = grown(NULL, t->n_cols, sizeof *from), k = 0;

    for (size_t c = 0; c < t->n_cols; c++)
        if (strcmp(t->cols[c], name) != 0)
            from[k++] = c;
    if (k < t->n_cols)
        keep_columns(t, from, k);
    free(from);
}

static bool is_named(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

void table_drop_constant(struct table *t, const char *const *keep, size_t n_keep)
{
    size_t *from = grown(NULL, t->n_cols, sizeof *from), k = 0;

    for (size_t c = 0; c < t->n_cols; c++)
        if (!table_is_constant(t, c) || is_named(keep, n_keep, t->cols[c]))
            from[k++] = c;
    if (t->n_rows)
        keep_columns(t, from, k);
    free(from);
}

void table_number(struct buf *out, double v)
{
    char text[40];

    snprintf(text, sizeof text, "%.4g", v);
    if (strtod(text, NULL) == 0) /* no "-0" */
        snprintf(text, sizeof text, "0");
    else if (fabs(v) >= 1e4 && fabs(v) < 1e15)
        snprintf(text, sizeof text, "%.0f", v);
    buf_str(out, text);
}

static void raw_cell(const struct cell *c, struct buf *out)
{
    if (c->type == CELL_I64)
        buf_fmt(out, "%lld", (long long)c->i);
    else if (c->type == CELL_F64)
        buf_f64(out, c->f);
    else if (c->type == CELL_TEXT)
        buf_str(out, c->text);
}

static void nice_cell(const struct cell *c, struct buf *out)
{
    if (c->type == CELL_F64)
        table_number(out, c->f);
    else if (c->type == CELL_NULL)
        buf_char(out, '-');
    else
        raw_cell(c, out);
}

void cell_text(const struct cell *c, struct buf *out)
{
    nice_cell(c, out);
}

bool table_f64(const struct table *t, size_t row, const char *name, double *out)
{
    int col = table_col(t, name);

    if (col < 0)
        return false;
    const struct cell *c = table_cell(t, row, (size_t)col);
    if (c->type == CELL_I64)
        *out = (double)c->i;
    else if (c->type == CELL_F64)
        *out = c->f;
    else
        return false;
    return isfinite(*out);
}

static size_t text_width(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80; /* code points of UTF-8 */
    return n;
}

static void pad(struct buf *out, const char *text, size_t width, bool right)
{
    int blanks = (int)(width - text_width(text));

    if (right)
        buf_fmt(out, "%*s%s", blanks, "", text);
    else
        buf_fmt(out, "%s%*s", text, blanks, "");
}

static bool is_number(const struct table *t, size_t col)
{
    for (size_t r = 0; r < t->n_rows; r++)
        if (table_cell(t, r, col)->type == CELL_TEXT)
            return false;
    return t->n_rows > 0;
}

static void text_line(struct buf *out)
{
    while (out->len && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    buf_char(out, '\n');
}

/* Control characters would break the grid (and a terminal). */
static void one_line(struct buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        if ((unsigned char)b->data[i] < 0x20 || b->data[i] == 0x7f)
            b->data[i] = ' ';
}

static void column_widths(const struct table *t, size_t *width)
{
    struct buf b = {0};

    for (size_t c = 0; c < t->n_cols; c++) {
        width[c] = text_width(t->cols[c]);
        for (size_t r = 0; r < t->n_rows; r++) {
            buf_reset(&b);
            nice_cell(table_cell(t, r, c), &b);
            if (b.data && text_width(b.data) > width[c])
                width[c] = text_width(b.data);
        }
    }
    buf_free(&b);
}

static void print_text(const struct table *t, bool colour, struct buf *out)
{
    size_t *width = grown(NULL, t->n_cols, sizeof *width);
    struct buf b = {0};

    column_widths(t, width);
    buf_str(out, colour ? "\033[1m" : "");
    for (size_t c = 0; c < t->n_cols; c++) {
        buf_str(out, c ? "  " : "");
        pad(out, t->cols[c], width[c], is_number(t, c));
    }
    text_line(out);
    buf_str(out, colour ? "\033[0m" : "");
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_cols; c++) {
            buf_reset(&b);
            nice_cell(table_cell(t, r, c), &b);
            one_line(&b);
            buf_str(out, c ? "  " : "");
            pad(out, b.data ? b.data : "", width[c], is_number(t, c));
        }
        text_line(out);
    }
    buf_free(&b);
    free(width);
}

static void csv_text(struct buf *out, const char *s)
{
    if (!s[strcspn(s, ",\"\r\n")]) {
        buf_str(out, s);
        return;
    }
    buf_char(out, '"');
    for (; *s; s++) {
        if (*s == '"')
            buf_char(out, '"');
        buf_char(out, *s);
    }
    buf_char(out, '"');
}

static void print_csv(const struct table *t, struct buf *out)
{
    for (size_t c = 0; c < t->n_cols; c++) {
        buf_str(out, c ? "," : "");
        csv_text(out, t->cols[c]);
    }
    buf_char(out, '\n');
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_cols; c++) {
            const struct cell *cell = table_cell(t, r, c);

            buf_str(out, c ? "," : "");
            if (cell->type == CELL_TEXT)
                csv_text(out, cell->text);
            else
                raw_cell(cell, out);
        }
        buf_char(out, '\n');
    }
}

void table_latex_text(struct buf *out, const char *s)
{
    static const struct {
        char c;
        const char *text;
    } names[] = {{'\\', "\\textbackslash{}"}, {'~', "\\textasciitilde{}"}, {'^', "\\textasciicircum{}"},
                 {'<', "\\textless{}"},       {'>', "\\textgreater{}"},    {'|', "\\textbar{}"}};

    if (*s == '[' || *s == '*') /* would be read as an option of the line break before */
        buf_str(out, "{}");
    for (; *s; s++) {
        size_t i = 0;

        while (i < ARRAY_LEN(names) && names[i].c != *s)
            i++;
        if (i < ARRAY_LEN(names))
            buf_str(out, names[i].text);
        else
            buf_fmt(out, "%s%c", strchr("&%$#_{}", *s) ? "\\" : "", (unsigned char)*s < 0x20 ? ' ' : *s);
    }
}

/* Escapes what Markdown cells or LaTeX give a meaning. */
static void escaped(struct buf *out, const char *s, bool latex)
{
    if (latex) {
        table_latex_text(out, s);
        return;
    }
    for (; *s; s++) {
        if (*s == '|')
            buf_char(out, '\\');
        buf_char(out, (unsigned char)*s < 0x20 ? ' ' : *s);
    }
}

static void nice_escaped(const struct cell *c, struct buf *out, bool latex)
{
    struct buf b = {0};

    nice_cell(c, &b);
    escaped(out, b.data ? b.data : "", latex);
    buf_free(&b);
}

static void print_md(const struct table *t, struct buf *out)
{
    for (size_t c = 0; c < t->n_cols; c++) {
        buf_str(out, "| ");
        escaped(out, t->cols[c], false);
        buf_char(out, ' ');
    }
    buf_str(out, "|\n");
    for (size_t c = 0; c < t->n_cols; c++)
        buf_str(out, is_number(t, c) ? "|---:" : "|---");
    buf_str(out, "|\n");
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_cols; c++) {
            buf_str(out, "| ");
            nice_escaped(table_cell(t, r, c), out, false);
            buf_char(out, ' ');
        }
        buf_str(out, "|\n");
    }
}

static void print_latex(const struct table *t, struct buf *out)
{
    buf_str(out, "% \\usepackage{booktabs}\n\\begin{tabular}{");
    for (size_t c = 0; c < t->n_cols; c++)
        buf_char(out, is_number(t, c) ? 'r' : 'l');
    buf_str(out, "}\n\\toprule\n");
    for (size_t c = 0; c < t->n_cols; c++) {
        buf_str(out, c ? " & " : "");
        escaped(out, t->cols[c], true);
    }
    buf_str(out, " \\\\\n\\midrule\n");
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_cols; c++) {
            buf_str(out, c ? " & " : "");
            nice_escaped(table_cell(t, r, c), out, true);
        }
        buf_str(out, " \\\\\n");
    }
    buf_str(out, "\\bottomrule\n\\end{tabular}\n");
}

static void print_json(const struct table *t, struct buf *out)
{
    struct jsonw w;

    jw_init(&w, out, true);
    jw_open(&w, '[');
    for (size_t r = 0; r < t->n_rows; r++) {
        jw_open(&w, '{');
        for (size_t c = 0; c < t->n_cols; c++) {
            const struct cell *cell = table_cell(t, r, c);

            jw_key(&w, t->cols[c]);
            if (cell->type == CELL_I64)
                jw_i64(&w, cell->i);
            else if (cell->type == CELL_F64)
                jw_f64(&w, cell->f);
            else
                jw_str(&w, cell->text);
        }
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    buf_char(out, '\n');
}

void table_print(const struct table *t, enum table_format f, bool colour, struct buf *out)
{
    if (f == TABLE_TEXT)
        print_text(t, colour, out);
    else if (f == TABLE_CSV)
        print_csv(t, out);
    else if (f == TABLE_MD)
        print_md(t, out);
    else if (f == TABLE_LATEX)
        print_latex(t, out);
    else
        print_json(t, out);
}
