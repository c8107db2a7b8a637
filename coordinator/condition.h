/* condition.h - what tells the rows of a table of results apart: the knobs that vary. */
#pragma once
#include "coordinator/table.h"

enum { CONDITION_MAX = 512 };

/* Columns of the knobs in which rows differ, into cols [CONDITION_MAX]; returns how many.  If none
 * does, rows are told apart by their run_id. */
size_t condition_columns(const struct table *t, size_t *cols);
/* "k = 4, arch = topk"; nothing if there is one condition. */
void condition_name(const struct table *t, size_t row, struct buf *out);
/* "task modadd, layer 1, hook resid_post, d_sae 128" and a newline: the main knobs that have one
 * value; nothing if none has. */
void condition_constants(const struct table *t, struct buf *out);
