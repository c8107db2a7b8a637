/* neox_batch.c - see neox_batch.h. */
#include "worker/neox/neox_batch.h"

#include <string.h>

#include "common/arena.h"
#include "worker/neox/neox.h"

size_t neox_batch_bytes(size_t n_max, size_t seq_max)
{
    return 3 * arena_need(n_max, sizeof(int32_t)) + arena_need(seq_max + 1, sizeof(size_t));
}

void neox_batch_init(struct neox_batch_mem *m, size_t n_max, size_t seq_max, struct arena *a)
{
    *m = (struct neox_batch_mem){.n_max = n_max, .seq_max = seq_max};
    m->tok = arena_new(a, int32_t, n_max);
    m->pos = arena_new(a, int32_t, n_max);
    m->target = arena_new(a, int32_t, n_max);
    m->start = arena_new(a, size_t, seq_max + 1);
    m->view = (struct neox_batch){
        .tok = m->tok, .pos = m->pos, .start = m->start, .target = m->target};
}

void neox_batch_clear(struct neox_batch_mem *m)
{
    m->view.n = m->view.n_seq = 0;
}

bool neox_batch_add(struct neox_batch_mem *m, const int32_t *ids, size_t len, int32_t next)
{
    size_t at = m->view.n;

    if (len == 0 || len > m->n_max - at || m->view.n_seq == m->seq_max)
        return false;
    memcpy(m->tok + at, ids, len * sizeof *ids);
    for (size_t i = 0; i < len; i++) {
        m->pos[at + i] = (int32_t)i;
        m->target[at + i] = i + 1 < len ? ids[i + 1] : next < 0 ? -1 : next;
    }
    m->view.n += len;
    m->start[++m->view.n_seq] = m->view.n;
    return true;
}

size_t neox_batch_scored(const struct neox_batch *b)
{
    size_t n = 0;

    for (size_t i = 0; b->target && i < b->n; i++)
        n += b->target[i] >= 0;
    return n;
}

enum err_code neox_batch_check(const struct neox_batch *b, const struct neox_cfg *c, size_t t_max,
                               struct err *e)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->tok[i] < 0 || (size_t)b->tok[i] >= c->n_vocab)
            return err_set(e, ERR_INVALID, "token %zu: id %d is outside the vocabulary of %zu", i,
                           b->tok[i], c->n_vocab);
        if (b->target && b->target[i] >= 0 && (size_t)b->target[i] >= c->n_vocab)
            return err_set(e, ERR_INVALID, "target %zu: id %d is outside the vocabulary of %zu", i,
                           b->target[i], c->n_vocab);
        if (b->pos[i] < 0 || (size_t)b->pos[i] >= t_max)
            return err_set(e, ERR_INVALID, "token %zu: position %d is outside [0, %zu)", i, b->pos[i],
                           t_max);
    }
    return ERR_OK;
}
