/* exports.h - `exports:` of a sweep: files in a layout of somebody else, written when it settles.
 *
 *   husai_phase4a   trained_vs_random_pwmcc.json as recorded by the replicated study, from the one
 *                   comparison of a stage; beside it manifest.json (SHA-256 and size of each file) and
 *                   the tables of pairs as CSV
 */
#pragma once
#include "coordinator/spec.h"

struct query;

const char *const *exports_formats(void); /* NULL-terminated */
/* Writes all exports of the sweep below `results`; nothing for a stage that is not done.  Lines about
 * what was written or why not are added to `said`. */
MUST_CHECK enum err_code exports_write(const struct spec *s, const char *results, int64_t wall_ms,
                                       struct buf *said, struct err *e);
