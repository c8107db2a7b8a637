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
/* Lines that name base models which missed their gate (kind lm_gate); nothing if none did. */
MUST_CHECK enum err_code stability_unsound(struct query *q, const char *sweep, struct buf *out, struct err *e);
/* Lines that say which control a stage's conditions lack and why, and what the sweep says of it; nothing if none. */
MUST_CHECK enum err_code stability_controls(struct query *q, const char *sweep, const char *stage, struct buf *out,
                                            struct err *e);
/* "-" in the columns of the controls where there is no value, so that tables keep them. */
void stability_mark_controls(struct table *t);
/* Rows of one stage that are all of Gaussian or shuffled rows: controls of other stages. */
bool stability_is_control(const struct table *t);
/* The sentence alone, about rows of one stage with the columns of the view `stability`. */
void stability_sentence(const struct table *t, struct buf *out);
