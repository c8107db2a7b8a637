/* data_text.h - task `text` of data_make: texts become token ids, in splits that never leak. */
#pragma once
#include "worker/runner/job.h"

MUST_CHECK enum err_code data_text_plan(struct job *j, struct job_plan *p, struct err *e);
MUST_CHECK enum err_code data_text_run(struct job *j, struct err *e);
