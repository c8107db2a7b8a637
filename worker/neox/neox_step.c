/* neox_step.c - see neox_step.h.  Rows are cut into chunks of one size, so that sums are the same
 * whatever the threads; the padding between rows is zero. */
#include "worker/neox/neox_step.h"

#include <math.h>

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

double neox_grad_norm(const struct neox *m)
{
    struct sums s = {.x = m->flat[1], .n = m->n_flat};
    const size_t n_chunks = (m->n_flat + CHUNK - 1) / CHUNK;
    double total = 0;

    for (; s.first < n_chunks; s.first += SUMS) {
        size_t now = n_chunks - s.first < SUMS ? n_chunks - s.first : SUMS;

        par_each(now, sum_chunk, &s);
        for (size_t i = 0; i < now; i++)
            total += s.sum[i];
    }
    return sqrt(total);
}

struct update {
    struct param *p;
    const struct adam_coef *c;
};

static void adam_part(void *ctx, size_t from, size_t to)
{
    const struct update *u = ctx;

    adam_range(u->p, from, to - from, u->c);
}

void neox_adam(struct neox *m, struct adam *o, double lr_now, double scale)
{
    struct adam_coef c;

    o->t++;
    c = adam_coef(o, lr_now, scale);
    for (size_t i = 0; i < m->n_params; i++) {
        struct update u = {&m->param[i], &c};

        par_rows(m->param[i].n, CHUNK / 4, adam_part, &u);
    }
}
