/* task.c - the table of tasks; see task.h. */
#include "worker/data/task.h"

#include <assert.h>
#include <string.h>

#include "common/rng.h"

static const struct task_kind *const tasks[] = {&task_modadd, &task_modadd_husai, &task_copy,
                                         &task_sort};

const struct task_kind *task_find(const char *name)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (!strcmp(tasks[i]->name, name))
            return tasks[i];
    return NULL;
}

void task_plan(struct task *t, const char *name, int64_t modulus, size_t n_examples)
{
    *t = (struct task){.kind = task_find(name), .modulus = modulus, .n = n_examples};
    assert(t->kind);
    t->kind->shape(t);
}

size_t task_bytes(const struct task *t)
{
    return arena_need(t->n * t->len, sizeof *t->tok) +
           arena_need(t->n * t->n_answers, sizeof *t->answer);
}

void task_make(struct task *t, uint64_t seed, const char *stream, struct arena *a)
{
    t->tok = arena_new(a, int32_t, t->n * t->len);
    t->answer = arena_new(a, int32_t, t->n * t->n_answers);
    t->kind->fill(t, seed, stream);
}

size_t task_split(const struct task *t, double train_fraction, uint64_t seed, uint32_t *order)
{
    struct rng r = rng_stream(seed, "lm.split");
    size_t n_train = (size_t)((double)t->n * train_fraction);

    rng_perm(&r, order, t->n);
    if (n_train == 0)
        n_train = 1;
    if (n_train == t->n)
        n_train--; /* at least one example validates */
    return n_train;
}
