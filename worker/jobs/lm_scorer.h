/* lm_scorer.h - log-likelihoods of token sequences under a GPT-NeoX model, in batches.
 *
 * Sequences are added one after another and scored together once a batch is full; there is no padding.
 * Which sequences share a batch follows from their order alone, so that stopping between two
 * batches and going on later gives the same bits.
 */
#pragma once
#include "worker/neox/neox_acts.h"
#include "worker/neox/neox_file.h"

/* The folder of the model in a result folder. */
#define LM_MODEL_DIR "model"

struct lm_item {
    size_t tag, at, n_context, n; /* caller's number; place in the batch; ids, not scored of them */
};

/* log p of ids n_context..n-1 of the sequence */
typedef void lm_scored(void *ctx, const struct lm_item *item, const double *logprob);

struct lm_scorer {
    struct neox m;
    struct neox_acts acts;
    struct neox_batch_mem batch;
    size_t t_max;
    struct lm_item *item;
    lm_scored *on;
    void *ctx;
};

struct lm_scorer_shape {
    size_t n_max, t_max;  /* ids of a batch, of one sequence as it is fed */
    int threads;
    bool is_bf16;         /* products of linear layers in bfloat16 */
};

/* Configuration of the model in `dir`, and the arena bytes of a scorer for it. */
MUST_CHECK enum err_code lm_scorer_plan(const char *dir, const struct lm_scorer_shape *shape,
                                        struct neox_cfg *cfg, size_t *bytes, struct err *e);
MUST_CHECK enum err_code lm_scorer_init(struct lm_scorer *s, const char *dir,
                                        const struct lm_scorer_shape *shape, struct arena *a,
                                        struct err *e);
bool lm_scorer_fits(const struct lm_scorer *s, size_t n); /* a sequence of n ids in the batch at hand */
/* One more sequence of n >= 2 ids, n - 1 <= t_max; the first n_context >= 1 are not scored.  It has to
 * fit: lm_scorer_run empties the batch. */
void lm_scorer_add(struct lm_scorer *s, const int32_t *id, size_t n, size_t n_context, size_t tag);
/* Scores the batch, calls `on` for each sequence in order, empties it. */
MUST_CHECK enum err_code lm_scorer_run(struct lm_scorer *s, struct err *e);
