/* labels.h - yes-or-no questions about a task's example, for probes of activations.
 *
 * Asked of the first operand and of the last answer, as numbers below n (the modulus, or the symbols).
 */
#pragma once
#include "worker/data/task.h"

enum { LABEL_NONE = -1 };

struct label {
    const char *name;
    int parent;     /* the label that holds wherever this one does; LABEL_NONE: none */
};

size_t label_count(void);
const struct label *label_at(size_t which);
unsigned char label_of(size_t which, const struct task *t, size_t example);
