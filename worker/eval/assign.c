/* assign.c - see assign.h.
 *
 * Rows are added one at a time: a Dijkstra search over reduced costs finds the cheapest path from the
 * new row to a free column, along which the matching is flipped.  Potentials u, v keep all reduced
 * costs cost - u - v non-negative.  Potentials and path lengths are double.
 */
#include "worker/eval/assign.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct search {
    size_t n_rows, n_cols;
    const float *cost;
    double *u, *v;          /* potentials of rows, columns */
    double *length;         /* [n_cols] shortest path found to each column */
    uint32_t *row_of;       /* [n_cols] row matched to it, or NONE */
    uint32_t *from;         /* [n_cols] row before it on the path */
    uint32_t *open;         /* columns not settled, ascending at the start */
    uint32_t *settled;      /* columns settled, in order */
    size_t n_open, n_settled;
};

/* Extends paths through `row`, whose own path has length `base`; returns the nearest column's place
 * in `open`. */
static size_t relax(struct search *s, uint32_t row, double base)
{
    const float *cost = s->cost + (size_t)row * s->n_cols;
    double slack = base - s->u[row], best = INFINITY;
    size_t at = 0;

    for (size_t i = 0; i < s->n_open; i++) {
        uint32_t j = s->open[i];
        double through = slack + (double)cost[j] - s->v[j];

        if (through < s->length[j]) {
            s->length[j] = through;
            s->from[j] = row;
        }
        if (s->length[j] < best ||
            (s->length[j] == best && s->row_of[j] == NONE && s->row_of[s->open[at]] != NONE)) {
            best = s->length[j];
            at = i;
        }
    }
    return at;
}

/* Cheapest path from a free row to a free column; returns the column. */
static uint32_t shortest_path(struct search *s, uint32_t start, double *total)
{
    uint32_t row = start, col = NONE;
    double base = 0;

    s->n_settled = 0;
    s->n_open = s->n_cols;
    for (size_t j = 0; j < s->n_cols; j++) {
        s->open[j] = (uint32_t)j;
        s->length[j] = INFINITY;
    }
    while (row != NONE) {
        size_t at = relax(s, row, base);

        col = s->open[at];
        base = s->length[col];
        s->settled[s->n_settled++] = col;
        memmove(s->open + at, s->open + at + 1, (s->n_open - at - 1) * sizeof *s->open);
        s->n_open--;
        row = s->row_of[col];
    }
    *total = base;
    return col;
}

static void add_row(struct search *s, uint32_t *column, uint32_t start)
{
    double total;
    uint32_t col = shortest_path(s, start, &total);

    s->u[start] += total;
    for (size_t i = 0; i < s->n_settled; i++) {
        uint32_t j = s->settled[i];
        double gain = total - s->length[j];

        if (s->row_of[j] != NONE)
            s->u[s->row_of[j]] += gain;
        s->v[j] -= gain;
    }
    for (uint32_t row = NONE; row != start;) {
        uint32_t next;

        row = s->from[col];
        s->row_of[col] = row;
        next = column[row];
        column[row] = col;
        col = next;
    }
}

enum err_code assign_min(uint32_t *column, const float *cost, size_t n_rows, size_t n_cols,
                         struct err *e)
{
    struct search s = {.n_rows = n_rows, .n_cols = n_cols, .cost = cost};
    double *d = calloc(n_rows + 2 * n_cols + 1, sizeof *d);
    uint32_t *i = calloc(4 * n_cols + 1, sizeof *i);

    if (!d || !i) {
        free(d);
        free(i);
        return err_set(e, ERR_NOMEM, "matching of %zu x %zu features: out of memory", n_rows,
                       n_cols);
    }
    s.u = d;
    s.v = d + n_rows;
    s.length = s.v + n_cols;
    s.row_of = i;
    s.from = i + n_cols;
    s.open = i + 2 * n_cols;
    s.settled = i + 3 * n_cols;
    memset(s.row_of, 0xff, n_cols * sizeof *s.row_of);
    memset(column, 0xff, n_rows * sizeof *column);
    for (size_t r = 0; r < n_rows; r++)
        add_row(&s, column, (uint32_t)r);
    free(d);
    free(i);
    return ERR_OK;
}
