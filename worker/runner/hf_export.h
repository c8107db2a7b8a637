/* hf_export.h - a language model of a result as a Hugging Face folder. */
#pragma once
#include "common/err.h"

/* FROM: a result folder that holds model/, or a Hugging Face folder.  TO: a folder, made if it is not
 * there; files in it are replaced.  dtype: "f32", "f16", "bf16", or NULL: as it is. */
MUST_CHECK enum err_code hf_export(const char *from, const char *to, const char *dtype, struct err *e);
