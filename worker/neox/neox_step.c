/* neox_step.c - see neox_step.h.  Rows are cut into chunks of one size, so that sums are the same
 * whatever the threads; the padding between rows is zero. */
#include "worker/neox/neox_step.h"

#include <math.h>

#include "worker/nn/adam_half.h"
#include "worker/num/par.h"
#include "worker/num/vec.h"

enum { CHUNK = 1 << 16, SUMS = 1 << 12 };

struct sums {
    const real *x;
    size_t first, n;
    double sum[SUMS];
};

static void sum_chunk(void *ctx, size_t i, int thread)
{
    struct sums *s = ctx;
    size_t at = (s->first + i) * CHUNK;

    (void)thread;
    s->sum[i] = vec_sumsq(s->x + at, s->n - at < CHUNK ? s->n - at : CHUNK);
}

static double sumsq(const real *x, size_t n)
{
    struct sums s = {.x = x, .n = n};
    const size_t n_chunks = (n + CHUNK - 1) / CHUNK;
    double total = 0;

    for (; s.first < n_chunks; s.first += SUMS) {
        size_t now = n_chunks - s.first < SUMS ? n_chunks - s.first : SUMS;

        par_each(now, sum_chunk, &s);
        for (size_t i = 0; i < now; i++)
            total += s.sum[i];
    }
    return total;
}

double neox_grad_norm(const struct neox *m)
{
    return sqrt(sumsq(m->flat[NEOX_GRADS], m->n_part[NEOX_GRADS]));
}

struct update {
    struct param *p;
    const struct adam_coef *c;
    const struct neox_store *store;
    uint32_t row;
    int64_t step;
};

static void adam_part(void *ctx, size_t from, size_t to)
{
    const struct update *u = ctx;
    const struct adam_round round = {u->store->seed, u->store->is_nearest};

    if (u->p->data16 || u->p->m16)
        adam_half_range(u->p, u->row, from, to - from, u->c, u->step, &round);
    else
        adam_range(u->p, from, to - from, u->c);
}

static void adam_rows(struct neox *m, size_t first, size_t n, const struct adam_coef *c, int64_t step)
{
    for (size_t i = first; i < first + n; i++) {
        struct update u = {&m->param[i], c, &m->store, (uint32_t)i, step};

        par_rows(m->param[i].n, CHUNK / 4, adam_part, &u);
    }
}

void neox_adam(struct neox *m, struct adam *o, double lr_now, double scale)
{
    struct adam_coef c;

    o->t++;
    c = adam_coef(o, lr_now, scale);
    adam_rows(m, 0, m->n_params, &c, o->t);
}

static void norm_sink(void *ctx, struct neox *m, size_t first, size_t n)
{
    struct neox_lean *l = ctx;

    for (size_t i = first; i < first + n; i++)
        l->sumsq += sumsq(m->param[i].grad, m->param[i].n);
}

void neox_lean_norm(struct neox_lean *l, struct neox *m)
{
    *l = (struct neox_lean){0};
    m->sink = (struct neox_sink){norm_sink, l};
}

static void adam_sink(void *ctx, struct neox *m, size_t first, size_t n)
{
    const struct neox_lean *l = ctx;

    adam_rows(m, first, n, &l->coef, l->step);
}

void neox_lean_adam(struct neox_lean *l, struct neox *m, struct adam *o, double lr_now, double scale)
{
    o->t++;
    l->coef = adam_coef(o, lr_now, scale);
    l->step = o->t;
    m->sink = (struct neox_sink){adam_sink, l};
}
