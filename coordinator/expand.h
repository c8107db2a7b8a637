/* expand.h - a checked sweep becomes jobs, in an order in which inputs come first.
 *
 * Memory: about 100 bytes a job for joins and equal ids; everything else streams through `sink`.
 */
#pragma once
#include "common/jobid.h"
#include "coordinator/spec.h"

struct expand_input {
    const char *name;          /* input row's name; for a value: the knob's name */
    const char *field;         /* NULL for an artefact; else the metric taken (`$stage.value`) */
    int64_t job;               /* index of an earlier job of this expansion, from 0 */
    int ord;                   /* place among gathered inputs */
    int must_pass;             /* `require:`: 1: the input's gate has to pass; 2: only waited for, as the gate is a
                                * comparison with it */
};

/* One job, borrowed until the sink returns.  Jobs equal to an earlier one of the same expansion
 * are reported again with is_repeat (same id, other stage or axes): only the sweep's list grows. */
struct expand_job {
    int64_t index;             /* from 0, new ones only; a repeat carries the first one's index */
    bool is_repeat;
    struct jobid id;
    const struct job_kind *kind;
    int stage;                 /* index in spec->stages */
    const char *knobs;         /* JSON object of the non-default knobs, keys sorted */
    const char *context;       /* JSON object: effective knobs of the ancestors that this kind lacks */
    const char *run_name;      /* <phase>_<task>_<arch>_dsae<d>_k<k>_seed<s>, without the date */
    struct job_knobs common;   /* threads, timeout, ... */
    const struct expand_input *inputs;
    size_t n_inputs;
    double cost_s;             /* estimate */
};

struct expand_sink {
    enum err_code (*job)(void *ctx, const struct expand_job *j, struct err *e);
    void *ctx;
};

MUST_CHECK enum err_code expand(const struct spec *s, const struct expand_sink *sink, struct err *e);
