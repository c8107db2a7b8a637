/* acts_neox.h - acts_extract on GPT-NeoX models: rows of a hook over token ids. */
#pragma once
#include "worker/runner/impl.h"

/* Is token t of a sequence of `len` a row?  position and skip_bos are knobs. */
bool acts_neox_reads(const char *position, bool skip_bos, size_t t, size_t len);
bool acts_neox_is(const struct job *j); /* is the input `model` one of these? */
MUST_CHECK enum err_code acts_neox_plan(struct job *j, struct job_plan *plan, struct err *e);
MUST_CHECK enum err_code acts_neox_run(struct job *j, struct err *e);
