/* lm_gate.h - knobs of `lm_gate`: may a base model be used? */
#pragma once
#include "common/cfg.h"

#define LM_GATE_FIELDS(X)                                                                          \
    X(F64, min_acc, "0.99", 0, 1, "", "validation accuracy at least")                              \
    X(F64, max_leak, "0.1", 0, 1, "", "leak test: share of outputs that follow a shown answer, beyond chance, at most") \
    X(F64, min_fourier, "1.5", 0, 1e6, "", "circuit test: Fourier concentration of the number embeddings, times that of random ones, at least; not asked of tasks without residues")

struct lm_gate_cfg {
    LM_GATE_FIELDS(CFG_MEMBER)
};
