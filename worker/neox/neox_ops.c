/* neox_ops.c - the loops of neox_pass.h over par.h. */
#include <string.h>

#include "worker/neox/neox_pass.h"
#include "worker/nn/half.h"
#include "worker/num/gelu.h"
#include "worker/num/isa.h"
#include "worker/num/norm_parts.h"
#include "worker/num/par.h"
#include "worker/num/rope.h"
#include "worker/num/vec.h"

enum { GRAIN_ROWS = 8, GRAIN_FLAT = 16384, GRAIN_COLS = 64 };

struct op {
    real *y, *z;
    const real *x;
    const struct op_norm *norm;
    const struct op_norm_grad *grad;
    const struct rope *rope;
    double eps;
    uint16_t *half;
    const uint16_t *kept;
    size_t n, c;
    real sign;
    bool is_tanh;
};

static void stats_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;

    norm_stats(o->y + from, o->z + from, o->x + from * o->c, (real)o->eps, to - from, o->c);
}

void op_stats(real *mean, real *rstd, const real *x, double eps, size_t n, size_t c)
{
    struct op o = {.y = mean, .z = rstd, .x = x, .eps = eps, .c = c};

    par_rows(n, GRAIN_ROWS, stats_part, &o);
}

static void norm_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;
    const struct op_norm *p = o->norm;
    size_t at = from * o->c;

    norm_apply(o->y + at, p->x + at, p->mean + from, p->rstd + from, p->gain, p->bias, to - from, o->c);
}

void op_norm(real *y, const struct op_norm *p, size_t n, size_t c)
{
    struct op o = {.y = y, .norm = p, .c = c};

    par_rows(n, GRAIN_ROWS, norm_part, &o);
}

static void dx_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;
    const struct op_norm *p = o->norm;
    const struct op_norm_grad *g = o->grad;
    size_t at = from * o->c;
    struct norm_grads part = {g->dy + at, g->gain, g->dy2 ? g->dy2 + at : NULL, g->gain2};

    norm_dx(o->y + at, &part, p->x + at, p->mean + from, p->rstd + from, to - from, o->c);
}

static void dgain_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;
    const struct op_norm *p = o->norm;
    const struct op_norm_grad *g = o->grad;

    norm_dgain(g->dgain, g->dbias, g->dy, p->x, p->mean, p->rstd, o->n, o->c, from, to);
    if (g->dy2)
        norm_dgain(g->dgain2, g->dbias2, g->dy2, p->x, p->mean, p->rstd, o->n, o->c, from, to);
}

void op_norm_bwd(real *dx, const struct op_norm_grad *g, const struct op_norm *p, size_t n, size_t c)
{
    struct op o = {.y = dx, .norm = p, .grad = g, .n = n, .c = c};

    par_rows(n, GRAIN_ROWS, dx_part, &o);
    par_rows(c, GRAIN_COLS, dgain_part, &o);
}

static void gelu_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;

    gelu_keep_fwd(o->y + from, o->x + from, to - from, o->is_tanh);
}

void op_gelu_fwd(real *y, const real *a, size_t n, bool is_tanh)
{
    struct op o = {.y = y, .x = a, .is_tanh = is_tanh};

    par_rows(n, GRAIN_FLAT, gelu_part, &o);
}

static void gelu_bwd_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;

    gelu_keep_bwd(o->y + from, o->z + from, o->x + from, to - from, o->is_tanh);
}

void op_gelu_bwd(real *d, real *y, const real *a, size_t n, bool is_tanh)
{
    struct op o = {.y = d, .z = y, .x = a, .is_tanh = is_tanh};

    par_rows(n, GRAIN_FLAT, gelu_bwd_part, &o);
}

static void rope_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;
    struct rope part = *o->rope;

    part.pos += from;
    rope_rows(o->y + from * part.ld, &part, to - from, o->sign);                       /* queries */
    rope_rows(o->y + from * part.ld + part.head_ld / 3, &part, to - from, o->sign);    /* keys */
}

void op_rope(const struct neox *m, const struct neox_acts *s, const struct neox_batch *b, real *qkv,
             real sign)
{
    const struct neox_cfg *c = &m->cfg;
    struct rope r = {.table = s->rope, .pos = b->pos, .r = c->n_rot, .heads = c->n_heads,
                     .ld = 3 * c->d_model, .head_ld = 3 * c->d_head};
    struct op o = {.y = qkv, .rope = &r, .sign = sign};

    if (c->n_rot)
        par_rows(b->n, GRAIN_ROWS, rope_part, &o);
}

static void copy_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;

    memcpy(o->y + from, o->x + from, (to - from) * sizeof *o->y);
}

void op_copy(real *y, const real *x, size_t n)
{
    struct op o = {.y = y, .x = x};

    par_rows(n, GRAIN_FLAT, copy_part, &o);
}

static void add_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;

    vec_axpy(o->y + from, o->x + from, 1, to - from);
}

void op_add(real *y, const real *x, size_t n)
{
    struct op o = {.y = y, .x = x};

    par_rows(n, GRAIN_FLAT, add_part, &o);
}

static void zero_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;

    memset(o->y + from, 0, (to - from) * sizeof *o->y);
}

void op_zero(real *y, size_t n)
{
    struct op o = {.y = y};

    par_rows(n, GRAIN_FLAT, zero_part, &o);
}

ISA_CLONES static void round_keep(real *restrict x, uint16_t *restrict keep, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        uint16_t h = bf16_of_f32((float)x[i]);

        keep[i] = h;
        x[i] = (real)f32_of_bf16(h);
    }
}

ISA_CLONES static void round_only(real *restrict x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        x[i] = (real)f32_of_bf16(bf16_of_f32((float)x[i]));
}

static void round_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;

    if (o->half)
        round_keep(o->y + from, o->half + from, to - from);
    else
        round_only(o->y + from, to - from);
}

void op_round(real *x, uint16_t *keep, size_t n)
{
    struct op o = {.y = x, .half = keep};

    par_rows(n, GRAIN_FLAT, round_part, &o);
}

ISA_CLONES static void widen(real *restrict x, const uint16_t *restrict kept, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        x[i] = (real)f32_of_bf16(kept[i]);
}

static void widen_part(void *ctx, size_t from, size_t to)
{
    const struct op *o = ctx;

    widen(o->y + from, o->kept + from, to - from);
}

void op_widen(real *x, const uint16_t *kept, size_t n)
{
    struct op o = {.y = x, .kept = kept};

    par_rows(n, GRAIN_FLAT, widen_part, &o);
}
