/* batch.h - token sequences as a forest of prefixes, ready for lm_forward().
 *
 * Sequences of a batch that begin with the same tokens share the nodes of that beginning: under
 * causal attention a token's activations depend on its prefix only.  On modular addition this
 * leaves 2 nodes an example of 5 tokens.  Nodes are numbered position by position, in the order
 * of their first sequence.
 */
#pragma once
#include "worker/data/task.h"

struct batch {
    size_t n_max, rows_max, t; /* room for nodes and sequences; tokens a sequence */
    size_t n_vocab;
    size_t n, n_out;
    int32_t *tok, *pos; /* [n] */
    int32_t *path;      /* [n,t] */
    int32_t *out;       /* [n_out] */
    int32_t *target;    /* [n_out] */
    int32_t *last;      /* [rows] node of each sequence at the position at hand */
    int64_t *key;       /* open-addressing table of (parent, token) */
    int32_t *node;
    size_t n_slots;     /* a power of two */
};

/* Where a pass reads: positions from..from+count-1 of every sequence; tokens behind the last of
 * them cannot matter and are not fed. */
struct batch_read {
    size_t from, count;
};

/* For up to `rows` sequences, reading up to `count` positions of the first t tokens. */
size_t batch_bytes(size_t rows, size_t t, size_t count);
void batch_init(struct batch *b, const struct task *t, size_t rows, struct batch_read read,
                struct arena *a);
/* Sequences row[0..n_rows) of the task (row NULL: first..first+n_rows-1).  Targets are the
 * task's answers if `read` is where the task reads them, else unset. */
void batch_build(struct batch *b, const struct task *t, const uint32_t *row, size_t first,
                 size_t n_rows, struct batch_read read);
/* All tokens of every sequence before `read.from + read.count`, no nodes shared: the reference. */
void batch_build_dense(struct batch *b, const struct task *t, size_t first, size_t n_rows,
                       struct batch_read read);
struct batch_read batch_answers(const struct task *t);
