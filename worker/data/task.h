/* task.h - the algorithmic tasks: what a model is fed, and where which answer is read.
 *
 * A task is a row of tasks[] in task.c with one file task_<name>.c.  An example is `len` tokens
 * and `n_answers` answers, read at the positions answer_pos, answer_pos + 1, ...
 * Examples are numbered; the number alone (with the seed, for drawn tasks) decides the content.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"

struct task_kind;

#define TASK_NOT_SHOWN SIZE_MAX

struct task {
    const struct task_kind *kind;
    int64_t modulus;      /* of modular addition */
    size_t n;             /* examples */
    size_t len, n_vocab;
    size_t answer_pos, n_answers;
    size_t read_pos;      /* where `position: answer` of an extraction reads */
    size_t operand_pos;   /* of the first operand */
    size_t shown_pos;     /* where the answer itself is fed; TASK_NOT_SHOWN: nowhere */
    int32_t *tok;         /* [n,len] */
    int32_t *answer;      /* [n,n_answers] */
};

struct task_kind {
    const char *name;
    bool is_cyclic;       /* tokens 0..modulus-1 are residues */
    bool is_drawn;        /* examples are drawn; else they are the task's whole table */
    size_t n_extract;     /* drawn tasks: fresh examples that an extraction looks at */
    /* Fills all but tok, answer and (drawn) n. */
    void (*shape)(struct task *t);
    void (*fill)(struct task *t, uint64_t seed, const char *stream);
};

const struct task_kind *task_find(const char *name); /* NULL if unknown */
/* Shape only; n is taken from n_examples if the task is drawn. */
void task_plan(struct task *t, const char *name, int64_t modulus, size_t n_examples);
size_t task_bytes(const struct task *t);
/* Tokens and answers.  `stream` names the random stream of drawn examples. */
void task_make(struct task *t, uint64_t seed, const char *stream, struct arena *a);

/* A seeded split: order [n] is a random permutation, the first n_train of it are trained on. */
size_t task_split(const struct task *t, double train_fraction, uint64_t seed, uint32_t *order);

extern const struct task_kind task_modadd, task_modadd_husai, task_copy, task_sort;
