/* stability.h - the stability tables of a sweep for people, and what they say in words.
 *
 * One table a stage of comparisons.  Knobs with one value throughout stand in a line above it, and
 * only those that vary are columns; a condition is named by them.
 */
#pragma once
#include "coordinator/manifest_query.h"

/* Names of the sweep's stages with a finished comparison, in their order. */
MUST_CHECK enum err_code stability_stages(struct query *q, const char *sweep, struct table *out, struct err *e);
/* The stage's rows of the view `stability`, in the order of their varying knobs. */
MUST_CHECK enum err_code stability_load(struct query *q, const char *sweep, const char *stage, struct table *t,
                                        struct err *e);
/* No text if the sweep has no finished sae_compare. */
MUST_CHECK enum err_code stability_tables(struct query *q, const char *sweep, bool colour,
                                          struct buf *out, struct err *e);
/* A sentence a stage, as `saegrid run` ends with. */
MUST_CHECK enum err_code stability_sentences(struct query *q, const char *sweep, struct buf *out,
                                             struct err *e);
/* A line that names a base model that is shown its answers; nothing if none leaks. */
void stability_leaks(const struct table *t, struct buf *out);
/* The sentence alone, about rows of one stage with the columns of the view `stability`. */
void stability_sentence(const struct table *t, struct buf *out);
