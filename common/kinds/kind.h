/* kind.h - the table of job kinds: what a kind is called, takes, needs and measures.
 *
 * A kind is declared by common/kinds/<kind>.h (its knobs) and <kind>.c (its row), listed in
 * kinds.def, and done by worker/jobs/<kind>.c.  The coordinator never links the latter.
 */
#pragma once
#include "common/cfg.h"
#include "common/metric.h"

enum { KIND_INPUTS_MAX = 8, KIND_LIKE_MAX = 6 };

enum input_form {
    INPUT_ONE,    /* exactly one job: `acts: $acts` */
    INPUT_OPT,    /* one job or none */
    INPUT_MANY,   /* gathered with `over:` */
    INPUT_MANY_OPT
};

struct kind_input {
    const char *name;       /* the YAML key */
    enum input_form form;
    const char *kinds;      /* accepted kinds, "acts_extract|data_make" */
    bool is_like;           /* takes knobs only (kind->like); does not wait for the job */
    const char *help;
    bool hands_on;          /* knobs that the stage does not set are those of this input, of the same kind */
};

struct job_kind {
    const char *name;
    int version;            /* bump when the code changes results: part of the job id */
    const char *help;       /* one line */
    const char *tag;        /* this kind's word in a run name where no arch applies: "model" */
    const struct cfg_field *fields;
    size_t n_fields;
    struct kind_input inputs[KIND_INPUTS_MAX];
    size_t n_inputs;
    const char *like[KIND_LIKE_MAX];   /* knobs that an is_like input fills in, looked up in that
                                        * job and then in its ancestors */
    const char *const *metrics;        /* metric names it always reports; NULL-terminated */
    /* Rules across fields, on canonical knob text; optional.  get(ctx, "k") gives the canonical
     * text, default included; where they are known also knobs of ancestors ("n_layers") and the
     * number of jobs gathered by an input ("n_saes"); NULL for anything else. */
    enum err_code (*check)(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e);
    /* Rough cost of one job: seconds on one core at 50 GFLOP/s; optional, for plan and
     * critical path.  `get` as above. */
    double (*cost)(const char *(*get)(void *ctx, const char *name), void *ctx);
    bool in_agent;          /* may run inside the agent without a process (mock) */
};

size_t kind_count(void);
const struct job_kind *kind_at(size_t i);
const struct job_kind *kind_find(const char *name); /* NULL if unknown */
const struct kind_input *kind_input_find(const struct job_kind *k, const char *name);

/* Knobs that every job has, beside its kind's.  `threads` and `isa` are part of the id. */
#define JOB_FIELDS(X)                                                                              \
    X(I64, threads, "1", 1, 1024, "cores", "threads of the job; part of its id: it changes bits") \
    X(ENUM, isa, "auto", 0, 0, "auto|base|avx2|avx512",                                            \
      "instruction set of our loops and of OpenBLAS' kernels; auto: the machine's best; part of the id: it changes bits") \
    X(DUR, timeout, "0", 0, 0, "s", "time limit of one attempt; 0 is none")                        \
    X(I64, retries, "2", 0, 100, "", "further attempts after an infra failure")                    \
    X(I64, priority, "0", -1000, 1000, "", "higher runs earlier")                                  \
    X(DUR, checkpoint_every, "10", 0, 0, "s", "time between checkpoints; from 1 s on also at least 20 times what the last one took to write") \
    X(MEM, memory, "0", 0, 0, "bytes", "limit of resident memory; 0 is none")

struct job_knobs {
    JOB_FIELDS(CFG_MEMBER)
};
extern const struct cfg_field job_fields[];
extern const size_t job_fields_n;
bool job_field_is_in_id(const char *name);
