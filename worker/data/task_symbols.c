/* task_symbols.c - tasks over ten random symbols: repeat them, or put them in order.
 *
 * Ids: symbols 0..19, SEP = 20, PAD = 21.  Fed: 10 symbols, SEP, 10 x PAD (length 21).
 *   copy   the answers at the last 10 positions are the symbols as they stood: routing by place
 *   sort   ... in ascending order: the whole content decides each answer, no place does
 */
#include <stdlib.h>

#include "common/rng.h"
#include "worker/data/task.h"

enum { SYMBOLS = 20, SEP = 20, PAD = 21, COUNT = 10, FED = 2 * COUNT + 1 };

static void shape(struct task *t)
{
    t->len = FED;
    t->n_vocab = PAD + 1;
    t->answer_pos = COUNT + 1;
    t->n_answers = COUNT;
    t->read_pos = FED - 1;
    t->operand_pos = 0;
    t->shown_pos = TASK_NOT_SHOWN;
}

static void fill_copy(struct task *t, uint64_t seed, const char *stream)
{
    struct rng r = rng_stream(seed, stream);

    for (size_t i = 0; i < t->n; i++) {
        int32_t *tok = t->tok + i * FED;

        for (size_t j = 0; j < COUNT; j++) {
            tok[j] = (int32_t)rng_below(&r, SYMBOLS);
            t->answer[i * COUNT + j] = tok[j];
            tok[COUNT + 1 + j] = PAD;
        }
        tok[COUNT] = SEP;
    }
}

static int ascending(const void *a, const void *b)
{
    return *(const int32_t *)a - *(const int32_t *)b;
}

static void fill_sort(struct task *t, uint64_t seed, const char *stream)
{
    fill_copy(t, seed, stream);
    for (size_t i = 0; i < t->n; i++)
        qsort(t->answer + i * COUNT, COUNT, sizeof *t->answer, ascending);
}

const struct task_kind task_copy = {"copy", false, true, 50000, shape, fill_copy};
const struct task_kind task_sort = {"sort", false, true, 50000, shape, fill_sort};
