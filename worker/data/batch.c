/* batch.c - see batch.h. */
#include "worker/data/batch.h"

#include <assert.h>
#include <string.h>

static size_t slots_for(size_t nodes)
{
    size_t n = 16;

    while (n < 2 * nodes)
        n *= 2;
    return n;
}

size_t batch_bytes(size_t rows, size_t t, size_t count)
{
    size_t nodes = rows * t, slots = slots_for(nodes);

    return arena_need(nodes, sizeof(int32_t)) * 2 + arena_need(nodes * t, sizeof(int32_t)) +
           arena_need(rows * count, sizeof(int32_t)) * 2 + arena_need(rows, sizeof(int32_t)) +
           arena_need(slots, sizeof(int64_t)) + arena_need(slots, sizeof(int32_t));
}

void batch_init(struct batch *b, const struct task *t, size_t rows, struct batch_read read,
                struct arena *a)
{
    size_t len = read.from + read.count;

    assert(read.count >= 1 && len <= t->len);
    *b = (struct batch){.n_max = rows * len, .rows_max = rows, .t = len, .n_vocab = t->n_vocab};
    b->n_slots = slots_for(b->n_max);
    b->tok = arena_new(a, int32_t, b->n_max);
    b->pos = arena_new(a, int32_t, b->n_max);
    b->path = arena_new(a, int32_t, b->n_max * len);
    b->out = arena_new(a, int32_t, rows * read.count);
    b->target = arena_new(a, int32_t, rows * read.count);
    b->last = arena_new(a, int32_t, rows);
    b->key = arena_new(a, int64_t, b->n_slots);
    b->node = arena_new(a, int32_t, b->n_slots);
}

/* A new node at `pos` behind `parent` (-1: none). */
static int32_t node_add(struct batch *b, int32_t parent, int32_t tok, size_t pos)
{
    size_t i = b->n++;
    int32_t *path = b->path + i * b->t;

    b->tok[i] = tok;
    b->pos[i] = (int32_t)pos;
    if (parent >= 0)
        memcpy(path, b->path + (size_t)parent * b->t, pos * sizeof *path);
    path[pos] = (int32_t)i;
    return (int32_t)i;
}

/* The child of `parent` by `tok`, added if it is new. */
static int32_t node_child(struct batch *b, int32_t parent, int32_t tok, size_t pos)
{
    int64_t key = ((int64_t)parent + 1) * (int64_t)b->n_vocab + tok;
    size_t mask = b->n_slots - 1;
    size_t slot = (size_t)(((uint64_t)key * 0x9E3779B97F4A7C15u) >> 32) & mask;

    while (b->key[slot] >= 0 && b->key[slot] != key)
        slot = (slot + 1) & mask;
    if (b->key[slot] < 0) {
        b->key[slot] = key;
        b->node[slot] = node_add(b, parent, tok, pos);
    }
    return b->node[slot];
}

struct batch_read batch_answers(const struct task *t)
{
    return (struct batch_read){t->answer_pos, t->n_answers};
}

static void build(struct batch *b, const struct task *t, const uint32_t *row, size_t first,
                  size_t n_rows, struct batch_read read, int is_shared)
{
    bool has_answers = read.from == t->answer_pos && read.count == t->n_answers;

    assert(n_rows <= b->rows_max && read.from + read.count == b->t);
    memset(b->key, 0xff, b->n_slots * sizeof *b->key);
    b->n = 0;
    b->n_out = n_rows * read.count;
    for (size_t pos = 0; pos < b->t; pos++)
        for (size_t i = 0; i < n_rows; i++) {
            size_t at = row ? row[i] : first + i;
            int32_t parent = pos ? b->last[i] : -1, tok = t->tok[at * t->len + pos];

            b->last[i] = is_shared ? node_child(b, parent, tok, pos)
                                   : node_add(b, parent, tok, pos);
            if (pos < read.from)
                continue;
            b->out[i * read.count + pos - read.from] = b->last[i];
            if (has_answers)
                b->target[i * read.count + pos - read.from] =
                    t->answer[at * t->n_answers + pos - read.from];
        }
}

void batch_build(struct batch *b, const struct task *t, const uint32_t *row, size_t first,
                 size_t n_rows, struct batch_read read)
{
    build(b, t, row, first, n_rows, read, 1);
}

void batch_build_dense(struct batch *b, const struct task *t, size_t first, size_t n_rows,
                       struct batch_read read)
{
    build(b, t, NULL, first, n_rows, read, 0);
}
