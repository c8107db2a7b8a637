/* jobid.h - identity of a job: SHA-256 over kind, version, non-default knobs, inputs.
 *
 * The canonical text, one item a line, knobs sorted bytewise:
 *   saegrid job 1
 *   kind sae_train 1
 *   knob k=4
 *   value k=<64 hex>.k_sharp        a knob whose value another job decides
 *   input acts <64 hex>             in the order of the kind's input rows; gathered ones in order
 * Knob text comes from cfg_canon and holds no newline (checked).  Of a file only the digest counts:
 *   knob path=sha256:<64 hex>
 */
#pragma once
#include "common/buf.h"
#include "common/kinds/kind.h"

struct jobid {
    uint8_t b[32];
};

struct jobid_knob {
    const char *name, *canon;       /* sorted by name; defaults already left out */
    const struct jobid *from;       /* set: the value comes from this job's `canon` field */
    size_t len;                     /* of a path: only this much of canon, its digest; else 0 */
};
struct jobid_input {
    const char *name;
    const struct jobid *ids;
    size_t n;
};

struct jobid jobid_make(const struct job_kind *kind, const struct jobid_knob *knobs, size_t n_knobs,
                        const struct jobid_input *inputs, size_t n_inputs);
char *jobid_hex(char out[65], const struct jobid *id);
bool jobid_parse(struct jobid *out, const char *hex); /* exactly 64 digits */

/* The two halves of jobid_make, for callers that make many ids with one buffer. */
void jobid_text(struct buf *out, const struct job_kind *kind, const struct jobid_knob *knobs,
                size_t n_knobs, const struct jobid_input *inputs, size_t n_inputs);
struct jobid jobid_of_text(const struct buf *text);
