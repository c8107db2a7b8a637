/* lm_hook.c - see lm_hook.h. */
#include "worker/lm/lm_hook.h"

#include <assert.h>
#include <string.h>

enum { CHUNK = 1024 }; /* examples a pass */

bool lm_hook_parse(const char *text, enum lm_hook *out)
{
#define X(name, text) text,
    static const char *const names[] = {LM_HOOKS(X)};
#undef X

    for (int i = 0; i < LM_HOOK_COUNT; i++)
        if (!strcmp(names[i], text)) {
            *out = (enum lm_hook)i;
            return true;
        }
    return false;
}

static size_t chunk_of(const struct task *t)
{
    return t->n < CHUNK ? t->n : CHUNK;
}

size_t lm_tap_bytes(const struct lm_cfg *c, const struct task *t, const struct lm_tap *tap)
{
    size_t rows = chunk_of(t), len = tap->read.from + tap->read.count;

    return arena_need(c->d_model, sizeof(real)) + batch_bytes(rows, len, tap->read.count) +
           lm_acts_bytes(c, rows * len, rows * tap->read.count, false);
}

/* Row i of the read-outs of the last pass, at a hook of block b. */
static const real *tap_row(const struct lm_block_acts *b, enum lm_hook hook, size_t i, size_t d,
                           real *room)
{
    switch (hook) {
    case LM_HOOK_RESID_PRE: return b->x + (size_t)b->sel[i] * d;
    case LM_HOOK_MLP_OUT: return b->mlp_out + i * d;
    case LM_HOOK_ATTN_OUT: return b->attn_out + i * d;
    case LM_HOOK_LN2_NORMALIZED: lm_ln2_normalized(room, b, i, d); return room;
    default: return b->out + i * d;
    }
}

static void copy_row(float *to, const real *from, size_t d)
{
    for (size_t j = 0; j < d; j++)
        to[j] = (float)from[j];
}

void lm_tap_rows(float *x, float *y, const struct lm *m, const struct task *t, const struct lm_tap *tap,
                 const uint32_t *keep, size_t n_keep, struct arena *a)
{
    const size_t d = m->cfg.d_model, count = tap->read.count, chunk = chunk_of(t);
    real *room = arena_new(a, real, d);
    struct batch batch;
    struct lm_acts s;
    size_t done = 0;

    batch_init(&batch, t, chunk, tap->read, a);
    lm_acts_init(&s, &m->cfg, batch.n_max, chunk * count, false, a);
    for (size_t first = 0; first < t->n && done < n_keep; first += chunk) {
        size_t n = t->n - first < chunk ? t->n - first : chunk, end = (first + n) * count;
        struct lm_batch b;

        if (keep && keep[done] >= end)
            continue;
        batch_build(&batch, t, NULL, first, n, tap->read);
        b = lm_batch_of(&batch);
        lm_forward(m, &s, &b, tap->layer + 1);
        for (size_t row; done < n_keep && (row = keep ? keep[done] : done) < end; done++) {
            const struct lm_block_acts *at = &s.block[tap->layer];
            size_t i = row - first * count;

            copy_row(x + done * d, tap_row(at, tap->hook, i, d, room), d);
            if (y)
                copy_row(y + done * d, tap_row(at, tap->hook_out, i, d, room), d);
        }
    }
    assert(done == n_keep);
}
