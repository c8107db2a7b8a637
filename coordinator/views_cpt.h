/* views_cpt.h - the views of continued pretraining: what an arm costs, and what SAEs on it look like. */
#pragma once
#include "common/buf.h"

/* CREATE statements of `perplexity`, `arms` and `structure`. */
void views_cpt_sql(struct buf *out);
