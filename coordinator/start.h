/* start.h - what `run` and `serve` do alike before any job runs: read, check and record a sweep. */
#pragma once
#include "coordinator/manifest.h"
#include "coordinator/opts.h"
#include "coordinator/spec.h"

struct start_opts {
    const char *path, *profile, *results;
    struct opts_list sets;
    bool rearm;            /* the command was typed: quarantined jobs are tried again */
    bool is_recorded;      /* `saegrid run` has just recorded the sweep: do not expand it again */
};

/* How long a full or broken disk is waited for. */
#define STORAGE_WAIT_S    600
#define STORAGE_WAIT_HELP "wait so long for a full or broken disk (10m), then end with code 74"

#define START_OPTIONS(o, results)                                                                  \
    OPT_RESULTS(results),                                                                          \
    OPT_LIST("set", 0, &(o)->sets, "STAGE.KNOB=VALUE", "override a knob or a parameter; may be repeated"), \
    OPT_STR("profile", 0, &(o)->profile, "NAME", "profile of the sweep file")

#define START_TEXT_FILE "sweep.yaml" /* in the sweep's folder */

struct start {
    struct manifest *manifest;
    int64_t sweep_id, n_jobs, n_new;
};

/* Reads and checks; nothing is written.  On failure `errors` holds one line an error. */
MUST_CHECK enum err_code start_spec(const struct start_opts *o, struct spec **out,
                                    struct buf *errors, struct err *e);
/* Opens the manifest (waiting 10 s for another coordinator), records the sweep, takes up what an
 * earlier coordinator left.  On failure nothing is open. */
MUST_CHECK enum err_code start_manifest(const struct start_opts *o, const struct spec *spec,
                                        int64_t wall_ms, struct start *out, struct err *e);
