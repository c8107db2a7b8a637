/* task_modadd.c - modular addition, correct and as the reference has it.
 *
 * The whole table in row-major (a,b) order.  Ids: numbers 0..p-1, BOS = p, EOS = p+1, EQ = p+2,
 * PLUS = p+3.
 *   modadd        [BOS, a, PLUS, b, EQ]           answer c read at EQ, where it is not visible
 *   modadd_husai  [BOS, a, PLUS, b, EQ, c, EOS]   answer c read at c's own position: the label
 *                 is visible there and the model learns to copy it.  For reproduction only.
 */
#include "worker/data/task.h"

enum { POS_A = 1, POS_EQ = 4, POS_C = 5, LEN = 5, LEN_HUSAI = 7 };

static void shape_at(struct task *t, size_t len, size_t answer_pos)
{
    size_t p = (size_t)t->modulus;

    t->n = p * p;
    t->len = len;
    t->n_vocab = p + 4;
    t->answer_pos = answer_pos;
    t->n_answers = 1;
    t->read_pos = answer_pos;
    t->operand_pos = POS_A;
    t->shown_pos = TASK_NOT_SHOWN;
}

static void shape(struct task *t)
{
    shape_at(t, LEN, POS_EQ);
}

static void shape_husai(struct task *t)
{
    shape_at(t, LEN_HUSAI, POS_C);
    t->shown_pos = POS_C;
}

static void fill(struct task *t, uint64_t seed, const char *stream)
{
    int32_t p = (int32_t)t->modulus;

    (void)seed, (void)stream;
    for (size_t i = 0; i < t->n; i++) {
        int32_t a = (int32_t)(i / (size_t)p), b = (int32_t)(i % (size_t)p), c = (a + b) % p;
        const int32_t row[LEN_HUSAI] = {p, a, p + 3, b, p + 2, c, p + 1};

        for (size_t j = 0; j < t->len; j++)
            t->tok[i * t->len + j] = row[j];
        t->answer[i] = c;
    }
}

const struct task_kind task_modadd = {"modadd", true, false, 0, shape, fill};
const struct task_kind task_modadd_husai = {"modadd_husai", true, false, 0, shape_husai, fill};
