/* neox_feed.c - see neox_feed.h. */
#include "worker/jobs/neox_feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/rng.h"

static size_t line_len(const struct tokens *t, size_t i)
{
    return (size_t)(t->token_at[i + 1] - t->token_at[i]);
}

/* Lines of at least `least` ids. */
static enum err_code find_lines(struct neox_feed *f, size_t least, struct err *e)
{
    f->line = malloc((f->t.n_docs + 1) * sizeof *f->line);
    if (!f->line)
        return err_set(e, ERR_NOMEM, "data: %zu lines", f->t.n_docs);
    for (size_t i = 0; i < f->t.n_docs; i++)
        if (line_len(&f->t, i) >= least)
            f->line[f->n_seq++] = i;
    return ERR_OK;
}

static enum err_code check_ids(const struct tokens *t, size_t n_vocab, struct err *e)
{
    for (size_t i = 0; i < t->n; i++)
        if (tokens_get(t, i) >= n_vocab)
            return err_set(e, ERR_INVALID, "data: id %u at %zu is outside the model's vocabulary of %zu",
                           tokens_get(t, i), i, n_vocab);
    return ERR_OK;
}

enum err_code neox_feed_open(struct neox_feed *f, const char *dir, const char *split, size_t context,
                             size_t n_vocab, bool is_whole, struct err *e)
{
    const size_t least = is_whole ? 1 : 2;
    enum err_code rc = ERR_OK;

    *f = (struct neox_feed){.context = context, .is_whole = is_whole, .epoch = UINT64_MAX};
    if (tokens_open(&f->t, dir, split, e))
        return err_wrap(e, "data");
    if (f->t.is_lines)
        rc = find_lines(f, least, e);
    else if (f->t.n >= least)
        f->n_seq = (f->t.n + 1 - least + context - 1) / context;
    if (!rc && n_vocab && n_vocab < f->t.n_vocab)
        rc = check_ids(&f->t, n_vocab, e);
    if (!rc && f->n_seq == 0)
        rc = err_set(e, ERR_INVALID, "data: split %s holds no %s", split,
                     is_whole ? "ids" : "two ids in a row");
    if (!rc && f->n_seq > UINT32_MAX)
        rc = err_set(e, ERR_INVALID, "data: split %s: %zu sequences, more than %u", split, f->n_seq,
                     UINT32_MAX);
    if (rc)
        neox_feed_close(f);
    return rc;
}

size_t neox_feed_bytes(const struct neox_feed *f, bool is_shuffled)
{
    return (is_shuffled ? arena_need(f->n_seq, sizeof *f->order) : 0) +
           arena_need(f->context + 1, sizeof *f->ids);
}

void neox_feed_init(struct neox_feed *f, bool is_shuffled, uint64_t seed, struct arena *a)
{
    f->seed = seed;
    if (is_shuffled)
        f->order = arena_new(a, uint32_t, f->n_seq);
    f->ids = arena_new(a, int32_t, f->context + 1);
}

void neox_feed_close(struct neox_feed *f)
{
    free(f->line);
    f->line = NULL;
    tokens_close(&f->t);
}

size_t neox_feed_sequence(struct neox_feed *f, uint64_t p)
{
    uint64_t epoch = p / f->n_seq;

    if (!f->order)
        return (size_t)(p % f->n_seq);
    if (epoch != f->epoch) {
        char name[48];
        struct rng r;

        snprintf(name, sizeof name, "lm.order.%" PRIu64, epoch);
        r = rng_stream(f->seed, name);
        rng_perm(&r, f->order, f->n_seq);
        f->epoch = epoch;
    }
    return f->order[p % f->n_seq];
}

/* First id of sequence i and, in *n, how many are read: one more than are fed, unless whole. */
static size_t span(const struct neox_feed *f, size_t i, size_t *n)
{
    size_t from = f->line ? (size_t)f->t.token_at[f->line[i]] : i * f->context;
    size_t left = f->line ? line_len(&f->t, (size_t)f->line[i]) : f->t.n - from;
    size_t most = f->context + (f->is_whole ? 0 : 1);

    *n = left < most ? left : most;
    return from;
}

size_t neox_feed_len(struct neox_feed *f, uint64_t p)
{
    size_t n;

    (void)span(f, neox_feed_sequence(f, p), &n);
    return n - (f->is_whole ? 0 : 1);
}

bool neox_feed_add(struct neox_feed *f, uint64_t p, struct neox_batch_mem *b)
{
    size_t n, from = span(f, neox_feed_sequence(f, p), &n);

    tokens_copy(&f->t, from, n, f->ids);
    return f->is_whole ? neox_batch_add(b, f->ids, n, -1)
                       : neox_batch_add(b, f->ids, n - 1, f->ids[n - 1]);
}
