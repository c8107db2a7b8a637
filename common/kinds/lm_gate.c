/* lm_gate.c - the row of kind `lm_gate`. */
#include "common/kinds/lm_gate.h"

#include "common/kinds/row.h"

#define CFG_STRUCT lm_gate_cfg
static const struct cfg_field fields[] = {LM_GATE_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"sound", "base_acc", "leak", "fourier_ratio", NULL};

KIND_ROW(lm_gate) = {
    .name = "lm_gate",
    .version = 1,
    .help = "the gate on a base model: accuracy, leak test and Fourier concentration",
    .tag = "gate",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"model", INPUT_ONE, "lm_train", false, "the model judged"}},
    .n_inputs = 1,
    .metrics = metrics,
};
