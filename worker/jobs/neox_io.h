/* neox_io.h - GPT-NeoX models as results of jobs: a Hugging Face folder `model` below the result's,
 * with a copy of the tokeniser where the model has one. */
#pragma once
#include "worker/neox/neox_file.h"
#include "worker/runner/job.h"

#define NEOX_MODEL_DIR "model"

/* True if the result folder `dir` holds such a model. */
bool neox_is_in(const char *dir);
/* The model of input `name`. */
MUST_CHECK enum err_code neox_input_open(struct neox_file *f, const struct job *j, const char *name,
                                         struct err *e);
/* Writes the job's own.  `tokenizer_from`: a folder whose tokenizer.json is copied beside it if there
 * is one; NULL: none. */
MUST_CHECK enum err_code neox_output_save(const struct neox *m, struct job *j, enum st_dtype dtype,
                                          const char *tokenizer_from, struct err *e);
/* `what`: "n layers of d ..., weights": for summaries. */
void neox_describe(struct buf *out, const struct neox_cfg *c);
