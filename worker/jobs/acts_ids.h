/* acts_ids.h - which token id each row of an extraction belongs to, and whether two extractions read
 * the same rows; from acts.meta.json and the token ids. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "worker/runner/job.h"

/* What decides the rows, as text; two extractions with equal texts read the same places, a shorter one
 * the beginning of a longer.  ERR_INVALID: not of text, control rows, or a share of the rows. */
MUST_CHECK enum err_code acts_ids_place(struct buf *out, const struct job_input *acts, struct err *e);
/* id [n]: of the first n rows. */
MUST_CHECK enum err_code acts_ids_read(uint32_t *id, size_t n, const struct job_input *acts, const char *data_dir,
                                       struct err *e);
