/* beware.h - base models that no conclusion should rest on, and what was made with them.
 *
 * Such a model missed its gate (lm_gate), or is shown its answers (`leak` above 0.1).  Whatever has it among its inputs,
 * however far back, has to name it in every table.
 */
#pragma once
#include "coordinator/manifest_query.h"

/* How the rows of a table say what they are about. */
enum beware_by { BEWARE_NONE, BEWARE_JOB, BEWARE_STAGE, BEWARE_SWEEP };

/* Makes `SELECT <columns> FROM <from> t` name such models: *with goes in front, *join behind the t, and the column
 * is `beware`.  All empty if the manifest has no such model. */
MUST_CHECK enum err_code beware_sql(struct query *q, enum beware_by by, struct buf *with, struct buf *join, struct err *e);
/* Drops that column if no row has a value. */
void beware_tidy(struct table *t);
/* Adds it to a table that is no view, by its column `job` or `sweep`, if a row has a value. */
MUST_CHECK enum err_code beware_add(struct table *t, struct query *q, enum beware_by by, struct err *e);
/* Takes the column out again: its different texts, "Beware: ...\n" each. */
void beware_take(struct table *t, struct buf *lines);
