/* stability.h - the stability tables of a sweep for people, and what they say in words.
 *
 * One table a stage of comparisons.  Knobs with one value throughout stand in a line above it, and
 * only those that vary are columns; a condition is named by them.
 */
#pragma once
#include "coordinator/manifest_query.h"

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
