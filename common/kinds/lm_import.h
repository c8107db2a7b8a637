/* lm_import.h - knobs of `lm_import`: a GPT-NeoX model from a Hugging Face folder. */
#pragma once
#include "common/cfg.h"

#define LM_IMPORT_FIELDS(X)                                                                        \
    X(PATH, path, "", 0, 0, "", "folder with config.json and safetensors, relative to the sweep file; its digest is part of the id") \
    X(ENUM, dtype, "as_is", 0, 0, "as_is|f32|f16|bf16", "type of the weights in the result; computing is in float32")

struct lm_import_cfg {
    LM_IMPORT_FIELDS(CFG_MEMBER)
};
