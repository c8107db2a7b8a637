/* acts_neox.h - acts_extract on GPT-NeoX models: rows of a hook over token ids. */
#pragma once
#include "worker/runner/impl.h"

bool acts_neox_is(const struct job *j); /* is the input `model` one of these? */
MUST_CHECK enum err_code acts_neox_plan(struct job *j, struct job_plan *plan, struct err *e);
MUST_CHECK enum err_code acts_neox_run(struct job *j, struct err *e);
