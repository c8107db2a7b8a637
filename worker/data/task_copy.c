/* task_copy.c - repeat ten random symbols after a separator.
 *
 * Ids: symbols 0..19, SEP = 20, PAD = 21.  Fed: 10 symbols, SEP, 10 x PAD (length 21); the
 * answers at the last 10 positions are the symbols in order.
 */
#include "common/rng.h"
#include "worker/data/task.h"

enum { SYMBOLS = 20, SEP = 20, PAD = 21, COUNT = 10, COPY_LEN = 2 * COUNT + 1 };

static void shape(struct task *t)
{
    t->len = COPY_LEN;
    t->n_vocab = PAD + 1;
    t->answer_pos = COUNT + 1;
    t->n_answers = COUNT;
    t->read_pos = COPY_LEN - 1;
    t->operand_pos = 0;
}

static void fill(struct task *t, uint64_t seed, const char *stream)
{
    struct rng r = rng_stream(seed, stream);

    for (size_t i = 0; i < t->n; i++) {
        int32_t *tok = t->tok + i * COPY_LEN;

        for (size_t j = 0; j < COUNT; j++) {
            tok[j] = (int32_t)rng_below(&r, SYMBOLS);
            t->answer[i * COUNT + j] = tok[j];
            tok[COUNT + 1 + j] = PAD;
        }
        tok[COUNT] = SEP;
    }
}

const struct task_kind task_copy = {"copy", true, 50000, shape, fill};
