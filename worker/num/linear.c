/* linear.c - see linear.h.  The longer side of the result is split, so that no thread lays out more
 * of the operands than it needs. */
#include "worker/num/linear.h"

#include "worker/num/act.h"
#include "worker/num/bf16mm.h"
#include "worker/num/blas.h"
#include "worker/num/par.h"
#include "worker/num/vec.h"

enum { GRAIN = 64 }; /* columns or rows of a piece: whole tiles of the product kernels */

struct piece {
    real *c;
    const real *a, *b, *bias;
    size_t n, out, in;
    real beta;
    bool add;
};

/* --- bfloat16 ----------------------------------------------------------------------------------- */

size_t linear_room(int threads)
{
    return bf16mm_room() * (size_t)threads;
}

struct halves {
    struct bf16mm p;
    uint32_t *room;
    size_t each;   /* columns or rows of c of a piece */
    bool is_rows;
};

static void half_piece(void *ctx, size_t i, int thread)
{
    const struct halves *h = ctx;
    struct bf16mm p = h->p;
    const size_t all = h->is_rows ? p.m : p.n, from = i * h->each, n = all - from < h->each ? all - from : h->each;
    struct bf16mm_in *in = h->is_rows ? &p.a : &p.b;
    const size_t at = in->is_turned ? from : from * in->ld;

    in->x = in->x ? in->x + at : NULL;
    in->h = in->h ? in->h + at : NULL;
    p.c += h->is_rows ? from * p.ldc : from;
    p.bias = p.bias && !h->is_rows ? p.bias + from : p.bias;
    *(h->is_rows ? &p.m : &p.n) = n;
    bf16mm(&p, h->room + (size_t)thread * bf16mm_room());
}

/* The longer side of c is split. */
static void half_product(const struct linear *l, const struct bf16mm *p)
{
    struct halves h = {.p = *p, .room = l->room, .is_rows = p->m > p->n};
    const size_t all = h.is_rows ? p->m : p->n, threads = (size_t)par_threads();

    h.each = ((all + threads - 1) / threads + GRAIN - 1) / GRAIN * GRAIN;
    par_each((all + h.each - 1) / h.each, half_piece, &h);
}

/* --- float32 ------------------------------------------------------------------------------------ */

static void fwd_bias(const struct piece *l, size_t row, size_t rows, size_t col, size_t cols)
{
    for (size_t i = row; i < row + rows; i++) {
        real *y = l->c + i * l->out + col;

        if (l->add)
            vec_axpy(y, l->bias + col, 1, cols);
        else
            bias_rows(y, l->bias + col, 1, cols);
    }
}

static void fwd_part(const struct piece *l, size_t row, size_t rows, size_t col, size_t cols)
{
    if (l->bias)
        fwd_bias(l, row, rows, col, cols);
    mm_nt_ld(l->c + row * l->out + col, l->out, l->a + row * l->in, l->in, l->b + col * l->in, l->in,
             rows, cols, l->in, 1, l->bias || l->add ? 1 : 0);
}

static void fwd_cols(void *ctx, size_t from, size_t to)
{
    const struct piece *l = ctx;

    fwd_part(l, 0, l->n, from, to - from);
}

static void fwd_rows(void *ctx, size_t from, size_t to)
{
    const struct piece *l = ctx;

    fwd_part(l, from, to - from, 0, l->out);
}

void linear_fwd(const struct linear *how, real *y, const real *x, const real *w, const real *b, size_t n,
                size_t out, size_t in, bool add)
{
    struct bf16mm p = {.a = {.x = x, .ld = in}, .b = {.x = w, .ld = in}, .c = y, .ldc = out, .m = n, .n = out,
                       .k = in, .bias = b, .add = add};
    struct piece l = {.c = y, .a = x, .b = w, .bias = b, .n = n, .out = out, .in = in, .add = add};

    if (how->room)
        half_product(how, &p);
    else if (out >= n)
        par_rows(out, GRAIN, fwd_cols, &l);
    else
        par_rows(n, GRAIN, fwd_rows, &l);
}

static void dx_cols(void *ctx, size_t from, size_t to)
{
    const struct piece *l = ctx;

    mm_nn_ld(l->c + from, l->in, l->a, l->out, l->b + from, l->in, l->n, to - from, l->out, 1, 0);
}

static void dx_rows(void *ctx, size_t from, size_t to)
{
    const struct piece *l = ctx;

    mm_nn_ld(l->c + from * l->in, l->in, l->a + from * l->out, l->out, l->b, l->in, to - from, l->in,
             l->out, 1, 0);
}

void linear_dx(const struct linear *how, real *dx, const real *dy, const real *w, size_t n, size_t out, size_t in)
{
    struct bf16mm p = {.a = {.x = dy, .ld = out}, .b = {.x = w, .ld = in, .is_turned = true}, .c = dx, .ldc = in,
                       .m = n, .n = in, .k = out};
    struct piece l = {.c = dx, .a = dy, .b = w, .n = n, .out = out, .in = in};

    if (how->room)
        half_product(how, &p);
    else if (in >= n)
        par_rows(in, GRAIN, dx_cols, &l);
    else
        par_rows(n, GRAIN, dx_rows, &l);
}

static void dw_rows(void *ctx, size_t from, size_t to)
{
    const struct piece *l = ctx;

    mm_tn_ld(l->c + from * l->in, l->in, l->a + from, l->out, l->b, l->in, to - from, l->in, l->n, 1,
             l->beta);
}

static void dw_cols(void *ctx, size_t from, size_t to)
{
    const struct piece *l = ctx;

    mm_tn_ld(l->c + from, l->in, l->a, l->out, l->b + from, l->in, l->out, to - from, l->n, 1, l->beta);
}

struct sums {
    real *db;
    const real *dy;
    size_t n, out;
};

static void db_cols(void *ctx, size_t from, size_t to)
{
    const struct sums *s = ctx;

    bias_bwd_ld(s->db + from, s->dy + from, s->n, to - from, s->out);
}

void linear_dw(const struct linear *how, real *dw, real *db, const real *dy, const real *x, size_t n, size_t out,
               size_t in, real beta)
{
    struct bf16mm p = {.a = {.x = dy, .ld = out, .is_turned = true}, .b = {.x = x, .ld = in, .is_turned = true},
                       .c = dw, .ldc = in, .m = out, .n = in, .k = n, .add = beta != 0};
    struct piece l = {.c = dw, .a = dy, .b = x, .n = n, .out = out, .in = in, .beta = beta};
    struct sums s = {db, dy, n, out};

    if (how->room)
        half_product(how, &p);
    else if (out >= in)
        par_rows(out, GRAIN, dw_rows, &l);
    else
        par_rows(in, GRAIN, dw_cols, &l);
    if (db)
        par_rows(out, GRAIN, db_cols, &s);
}
