/* labels.c - see labels.h. */
#include "worker/data/labels.h"

enum { OPERAND_EVEN, OPERAND_LOW, ANSWER_EVEN, ANSWER_LOW, ANSWER_MOD3, ANSWER_MOD4, ANSWER_LOWEST, LABELS };

static const struct label labels[LABELS] = {
    [OPERAND_EVEN] = {"operand even", LABEL_NONE},   [OPERAND_LOW] = {"operand below n/2", LABEL_NONE},
    [ANSWER_EVEN] = {"answer even", LABEL_NONE},     [ANSWER_LOW] = {"answer below n/2", LABEL_NONE},
    [ANSWER_MOD3] = {"answer a multiple of 3", LABEL_NONE},
    [ANSWER_MOD4] = {"answer a multiple of 4", ANSWER_EVEN},
    [ANSWER_LOWEST] = {"answer below n/4", ANSWER_LOW},
};

size_t label_count(void)
{
    return LABELS;
}

const struct label *label_at(size_t which)
{
    return &labels[which];
}

unsigned char label_of(size_t which, const struct task *t, size_t example)
{
    int32_t operand = t->tok[example * t->len + t->operand_pos];
    int32_t answer = t->answer[example * t->n_answers + t->n_answers - 1];
    int32_t n = t->kind->is_cyclic ? (int32_t)t->modulus : (int32_t)t->n_vocab - 2; /* SEP and PAD */

    switch (which) {
    case OPERAND_EVEN:
        return operand % 2 == 0;
    case OPERAND_LOW:
        return operand < n / 2;
    case ANSWER_EVEN:
        return answer % 2 == 0;
    case ANSWER_LOW:
        return answer < n / 2;
    case ANSWER_MOD3:
        return answer % 3 == 0;
    case ANSWER_MOD4:
        return answer % 4 == 0;
    default:
        return answer < n / 4;
    }
}
