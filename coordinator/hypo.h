/* hypo.h - the programme's hypotheses H1 to H5, judged from finished comparisons.
 *
 * Pure: conditions in, verdicts out; hypo_load.c fills the conditions from a manifest.
 *
 * Every hypothesis is one number with a threshold, and its 95 % interval comes from resampling seeds,
 * not pairs: one draw of seeds serves all conditions with as many seeds, since those share their
 * initialisations.  supported: the whole interval lies above the threshold; refuted: below it;
 * undecided: it holds the threshold, and `seeds_needed` says how many seeds would bring it to one side
 * if the effect stays; no data: the experiments were not run.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum hypo_verdict { HYPO_NO_DATA, HYPO_UNDECIDED, HYPO_SUPPORTED, HYPO_REFUTED };
enum { HYPO_H1, HYPO_H2, HYPO_H3, HYPO_H4, HYPO_H5, HYPO_COUNT };
enum { HYPO_SEEDS_MAX = 64 };

/* One finished comparison of seeds. */
struct hypo_cond {
    char *job;           /* hex id */
    char *acts;          /* which rows: task, model, hook, ...; equal texts are equal rows */
    char *task, *arch;
    char *but_k, *but_d_sae, *but_arch; /* all knobs but the one (but_arch: and those of archs) */
    double k, d_sae, erank, ev, l0;     /* NaN: not known */
    double random;       /* PWMCC of random decoders */
    double surrogate;    /* ... of SAEs on Gaussian rows of equal mean and covariance; NaN: none */
    size_t n;            /* seeds */
    double *pair;        /* [n,n] PWMCC of two seeds */
    size_t n_surrogate;  /* seeds on the Gaussian rows; 0: only their mean is known */
    double *surrogate_pair; /* [n_surrogate, n_surrogate] */
    bool is_surrogate;   /* these rows are such rows: while loading only */
};

/* One finished intervention: per seed, how much more the loss rises when the features that other
 * seeds have too are ablated than when as many of the others are. */
struct hypo_causal {
    char *job;
    size_t n;
    double *gap;         /* [n] nats */
};

struct hypo_data {
    struct hypo_cond *cond;
    size_t n_conds;
    struct hypo_causal *causal;
    size_t n_causal;
};

struct hypo_result {
    const char *name, *claim, *rule; /* "H1"; what is claimed; what is computed, and the threshold */
    enum hypo_verdict verdict;
    double effect, low, high, threshold;
    size_t n_conds, n_seeds;         /* conditions used; fewest seeds among them */
    size_t seeds_needed;             /* of an undecided one; 0: cannot be told */
    struct buf evidence;             /* a sentence or two */
    struct buf jobs;                 /* "id id ...", 12 hex digits each */
};

const char *hypo_verdict_text(enum hypo_verdict v);
/* The rule of all five: which side of the threshold the interval is on. */
enum hypo_verdict hypo_side(double low, double high, double threshold);
/* Seeds that would bring an interval of `half` (towards the threshold) to one side. */
size_t hypo_seeds(size_t n, double effect, double half, double threshold);

MUST_CHECK enum err_code hypo_judge(struct hypo_result out[HYPO_COUNT], const struct hypo_data *d,
                                    size_t n_boot, uint64_t seed, struct err *e);
void hypo_results_free(struct hypo_result r[HYPO_COUNT]);
void hypo_cond_free(struct hypo_cond *c);
void hypo_data_free(struct hypo_data *d);

/* --- hypo_load.c --- */
struct query;
struct table;
enum { HYPO_BOOT = 2000, HYPO_BOOT_SEED = 17 };
/* Of one sweep, or of all (NULL).  Left out: comparisons with a leaking base model, of fewer than
 * HYPO_STEPS_MIN steps, of checkpoints or prefixes, of one source of
 * randomness varied alone, and of fewer than three seeds. */
#define HYPO_STEPS_MIN 3000
MUST_CHECK enum err_code hypo_load(struct hypo_data *d, struct query *q, const char *sweep,
                                   struct err *e);
/* hypothesis, verdict, effect, low, high, threshold, conditions, seeds, seeds_needed, claim, rule,
 * evidence, jobs */
MUST_CHECK enum err_code hypo_table(struct table *out, struct query *q, const char *sweep,
                                    struct err *e);
