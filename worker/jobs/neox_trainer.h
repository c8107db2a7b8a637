/* neox_trainer.h - a language model trained on token ids, step by step; the job around it (progress,
 * series, stops, files) only calls.
 *
 * The state between two steps is the weights, the moments and struct neox_progress.
 */
#pragma once
#include "common/kinds/lm_pretrain.h"
#include "worker/jobs/neox_feed.h"
#include "worker/neox/neox_file.h"
#include "worker/neox/neox_plan.h"
#include "worker/nn/ckpt.h"
#include "worker/nn/lr_curve.h"

/* Plain numbers; stored in checkpoints as they are. */
struct neox_progress {
    int64_t step, adam_t;
    int64_t n_seen;           /* ids predicted */
    double loss_sum;          /* since the last point, over n_sum ids */
    int64_t n_sum;
    double norm_sum;          /* gradient norms, over n_norm steps */
    int64_t n_norm;
    double last_loss, last_lr; /* mean loss of the last point; of the last step */
};

/* Who adds a loss of its own through a tap: told of each step and each micro-batch before its passes.
 * Either may be NULL. */
struct neox_aux {
    void (*step)(void *ctx, size_t n_tokens); /* tokens of the whole step */
    void (*batch)(void *ctx, const struct neox_batch *b, const uint64_t *sequence); /* [b->n_seq] of the split */
    void *ctx;
};

struct neox_trainer {
    struct lm_pretrain_cfg cfg;
    struct neox_shape shape;
    struct neox_store store;
    struct neox m;
    struct neox_acts acts;
    struct neox_batch_mem batch;
    struct neox_feed train, valid;
    bool has_valid;
    struct adam adam;
    struct lr_curve lr;
    struct neox_progress at;
    size_t micro;             /* sequences at a time */
    int64_t n_steps;
    struct neox_aux aux;
    uint64_t *sequence;       /* [micro] of the batch at hand */
    double step_loss, step_norm; /* of the last step: mean loss, norm before clipping */
};

/* The shape that the knobs say, for ids of n_vocab. */
void neox_trainer_shape(struct neox_cfg *c, const struct lm_pretrain_cfg *k, size_t n_vocab);
/* Opens the data; `base` NULL: from scratch.  Fills need; nothing is allocated. */
MUST_CHECK enum err_code neox_trainer_open(struct neox_trainer *t, const struct lm_pretrain_cfg *k,
                                           const char *data_dir, const struct neox_cfg *base,
                                           int threads, struct err *e);
size_t neox_trainer_other(const struct neox_trainer *t); /* bytes beside model and passes */
size_t neox_trainer_bytes(const struct neox_trainer *t);
/* Weights are drawn, or taken from `base`. */
void neox_trainer_init(struct neox_trainer *t, const struct neox_file *base, struct arena *a);
void neox_trainer_close(struct neox_trainer *t);

/* One optimiser step.  ERR_DIVERGED, and nothing changed, if loss or gradient is not finite. */
MUST_CHECK enum err_code neox_trainer_step(struct neox_trainer *t, struct err *e);
/* Training sequences 0..micro-1 of the order as t->batch: to look at gradients before a step. */
void neox_trainer_batch(struct neox_trainer *t);
/* Mean loss over the validation ids, at most `max` of them (0: all); *n says over how many. */
double neox_trainer_validate(struct neox_trainer *t, size_t max, double *n);
/* Mean training loss and gradient norm since the last call. */
void neox_trainer_point(struct neox_trainer *t, double *loss, double *norm);
/* Lists all of the state for a checkpoint; `resume` after it was read. */
void neox_trainer_state(struct neox_trainer *t, struct ckpt *c);
void neox_trainer_resume(struct neox_trainer *t);
