/* trainer.h - a transformer trained from scratch on a task, step by step.
 *
 * Everything that decides the result is in here and in the knobs; the job around it (progress,
 * series, stops, files) only calls.  The order of epoch i is drawn from its own stream, so the
 * state between two steps is: weights, moments, the best weights and struct lm_progress.
 */
#pragma once
#include "common/kinds/lm_train.h"
#include "worker/lm/lm_batch.h"
#include "worker/nn/ckpt.h"

/* What is logged of an epoch. */
struct lm_point {
    double train_loss, val_loss, train_acc, val_acc, lr, grad_norm;
};

/* Plain numbers; stored in checkpoints as they are. */
struct lm_progress {
    int64_t epoch;             /* epochs completed */
    int64_t step;              /* steps done in the epoch at hand */
    int64_t adam_t;
    int64_t best_epoch;        /* 0: the untrained model */
    int64_t first_epoch_99;    /* first with val_acc >= 0.99; 0: none */
    double best_val_acc, best_val_loss;
    double loss_sum;           /* of the epoch at hand, over answers */
    int64_t n_right, n_seen;
    double norm_sum;           /* gradient norms of the epoch at hand */
    struct lm_point last;      /* of the last epoch completed; lr: of the last step */
};

struct lm_trainer {
    struct lm_train_cfg cfg;
    struct task task;
    struct batch batch;
    struct lm lm;
    struct lm_acts acts;
    struct adam adam;
    struct lm_progress at;
    real *best;                /* [n_flat] weights of the best epoch */
    uint32_t *order;           /* [n] the split: training examples, then validation */
    uint32_t *epoch_order;     /* [n_train] */
    size_t n_train, steps_an_epoch;
};

void lm_shape(struct lm_cfg *c, const struct lm_train_cfg *k, const struct task *t);
size_t lm_trainer_bytes(const struct lm_train_cfg *k);
void lm_trainer_init(struct lm_trainer *t, const struct lm_train_cfg *k, struct arena *a);

/* One optimiser step.  ERR_DIVERGED, and nothing changed, if loss or gradient is not finite. */
MUST_CHECK enum err_code lm_trainer_step(struct lm_trainer *t, struct err *e);
bool lm_trainer_epoch_is_over(const struct lm_trainer *t);
/* Validates, keeps the weights if they are the best so far, begins the next epoch. */
void lm_trainer_end_epoch(struct lm_trainer *t);
/* The best weights become the model's. */
void lm_trainer_restore_best(struct lm_trainer *t);
/* Mean loss and accuracy over the training examples, or over the validation examples. */
void lm_trainer_evaluate(struct lm_trainer *t, bool is_train, double *loss, double *acc);
/* After the state was read back from a checkpoint: makes the order of the epoch at hand again. */
void lm_trainer_resume(struct lm_trainer *t);
/* Lists all of the state for a checkpoint. */
void lm_trainer_state(struct lm_trainer *t, struct ckpt *c);
