/* leak.h - what the output of a trained model follows: the operands, or an answer it is shown.
 *
 * Every example gets the operands of one example and, where the task feeds the answer itself, the
 * answer token of another.  Shuffling the operands and shuffling the answer make the same pairs, so
 * one pass answers both.  A sound model follows the operands; one with a label leak the token.
 */
#pragma once
#include "worker/lm/trainer.h"

enum { LEAK_ROWS = 4096 }; /* examples looked at, at most */

struct leak {
    double follow_operands; /* share of outputs that are the answer of the operands fed */
    double follow_answer;   /* ... of the other example, whose answer token may be fed */
    double chance;          /* share of examples whose two answers are equal */
    double leak;            /* follow_answer beyond chance, of 1 - chance; at least 0 */
};

/* The trainer's model on its own examples, training and validation alike. */
MUST_CHECK enum err_code leak_test(struct leak *out, struct lm_trainer *t, struct err *e);
