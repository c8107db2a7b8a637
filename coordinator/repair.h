/* repair.h - makes manifest and result folders agree again, inventing nothing and deleting no
 * result.
 *
 * As the only writer: leases of a dead coordinator end; what a finished job left half-written
 * (FOLDER.tmp beside FOLDER, states for resuming) is removed; a complete folder whose job waits is
 * taken in; metrics that differ from an unchanged result.json are taken from it; a folder that no job owns moves to results/quarantine/; links that lead nowhere go, and
 * missing ones are made.  With a new manifest in which the sweeps were recorded again this is
 * the rebuilding of a lost one: a job takes over the folder that holds its digest, whatever the
 * day in its name.
 */
#pragma once
#include "coordinator/manifest.h"
#include "coordinator/table.h"

/* Adds what was done to an empty table (where, what). */
MUST_CHECK enum err_code repair_run(struct manifest *m, const char *results, int64_t wall_ms,
                                    struct table *done, struct err *e);

/* The sweep texts that lie in results/experiments/<sweep>/sweep.yaml, as paths. */
struct repair_texts {
    char **v;
    size_t n;
};
MUST_CHECK enum err_code repair_find_texts(const char *results, struct repair_texts *out, struct err *e);
void repair_texts_free(struct repair_texts *t);
