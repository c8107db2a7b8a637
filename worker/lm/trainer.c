/* trainer.c - see trainer.h. */
#include "worker/lm/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/rng.h"

static uint64_t seed_of(const struct lm_train_cfg *k, int64_t own)
{
    return (uint64_t)(own < 0 ? k->seed : own);
}

void lm_shape(struct lm_cfg *c, const struct lm_train_cfg *k, const struct task *t)
{
    *c = (struct lm_cfg){
        .n_layers = (size_t)k->n_layers,
        .d_model = (size_t)k->d_model,
        .n_heads = (size_t)k->n_heads,
        .d_head = (size_t)(k->d_model / k->n_heads),
        .d_mlp = (size_t)k->d_mlp,
        .n_ctx = t->len,
        .n_vocab = t->n_vocab,
        .act = strcmp(k->act, "gelu") ? LM_RELU : LM_GELU,
        .ln_eps = (real)1e-5,
    };
}

static size_t rows_of(const struct lm_train_cfg *k, const struct task *t)
{
    return (size_t)k->batch < t->n ? (size_t)k->batch : t->n;
}

size_t lm_trainer_bytes(const struct lm_train_cfg *k)
{
    struct task t;
    struct lm_cfg c;
    size_t rows, nodes;

    task_plan(&t, k->task, k->modulus, (size_t)k->n_examples);
    lm_shape(&c, k, &t);
    rows = rows_of(k, &t);
    nodes = rows * (t.answer_pos + t.n_answers);
    return task_bytes(&t) + batch_bytes(rows, t.answer_pos + t.n_answers, t.n_answers) +
           lm_bytes(&c, true) + lm_acts_bytes(&c, nodes, rows * t.n_answers, true) +
           arena_need(lm_n_flat(&c), sizeof(real)) + 2 * arena_need(t.n, sizeof(uint32_t));
}

/* A fresh permutation of the training examples, from the epoch's own stream. */
static void begin_epoch(struct lm_trainer *t)
{
    char name[48];
    struct rng r;

    snprintf(name, sizeof name, "lm.order.%" PRId64, t->at.epoch);
    r = rng_stream(seed_of(&t->cfg, t->cfg.seed_order), name);
    rng_perm(&r, t->epoch_order, t->n_train);
    for (size_t i = 0; i < t->n_train; i++)
        t->epoch_order[i] = t->order[t->epoch_order[i]];
}

void lm_trainer_init(struct lm_trainer *t, const struct lm_train_cfg *k, struct arena *a)
{
    struct lm_cfg c;
    size_t rows;

    *t = (struct lm_trainer){.cfg = *k};
    task_plan(&t->task, k->task, k->modulus, (size_t)k->n_examples);
    task_make(&t->task, seed_of(k, k->seed_data), "lm.data", a);
    lm_shape(&c, k, &t->task);
    rows = rows_of(k, &t->task);
    batch_init(&t->batch, &t->task, rows, batch_answers(&t->task), a);
    lm_init(&t->lm, &c, true, a);
    lm_randomise(&t->lm, seed_of(k, k->seed_init));
    lm_acts_init(&t->acts, &c, t->batch.n_max, rows * t->task.n_answers, true, a);
    t->best = arena_new(a, real, lm_n_flat(&c));
    t->order = arena_new(a, uint32_t, t->task.n);
    t->epoch_order = arena_new(a, uint32_t, t->task.n);
    t->n_train = task_split(&t->task, k->train_fraction, seed_of(k, k->seed_data), t->order);
    t->steps_an_epoch = (t->n_train + (size_t)k->batch - 1) / (size_t)k->batch;
    t->adam = (struct adam){.lr = k->lr, .beta1 = k->beta1, .beta2 = k->beta2, .eps = 1e-8,
                            .wd = k->weight_decay};
    memcpy(t->best, t->lm.flat[0], t->lm.n_flat * sizeof(real));
    lm_trainer_evaluate(t, false, &t->at.best_val_loss, &t->at.best_val_acc);
    begin_epoch(t);
}

enum err_code lm_trainer_step(struct lm_trainer *t, struct err *e)
{
    struct lm_progress *at = &t->at;
    size_t first = (size_t)at->step * (size_t)t->cfg.batch, left = t->n_train - first, right;
    size_t n = left < (size_t)t->cfg.batch ? left : (size_t)t->cfg.batch;
    struct lm_batch b;
    double loss, norm;

    batch_build(&t->batch, &t->task, t->epoch_order + first, 0, n, batch_answers(&t->task));
    b = lm_batch_of(&t->batch);
    grads_zero(t->lm.param, t->lm.n_params);
    loss = lm_loss(&t->lm, &t->acts, &b, &right);
    lm_backward(&t->lm, &t->acts, &b, (real)(1 / (double)b.n_out));
    norm = grads_clip(t->lm.param, t->lm.n_params, t->cfg.clip);
    if (!isfinite(loss) || !isfinite(norm))
        return err_set(e, ERR_DIVERGED,
                       "epoch %" PRId64 ", step %" PRId64 ": loss %g, gradient norm %g",
                       at->epoch + 1, at->step + 1, loss, norm);
    at->last.lr = schedule_lr(t->cfg.lr, t->adam.t, t->cfg.epochs * (int64_t)t->steps_an_epoch,
                              t->cfg.warmup, 0);
    adam_step(&t->adam, t->lm.param, t->lm.n_params, at->last.lr);
    at->adam_t = t->adam.t;
    at->loss_sum += loss;
    at->norm_sum += norm;
    at->n_right += (int64_t)right;
    at->n_seen += (int64_t)b.n_out;
    at->step++;
    return ERR_OK;
}

bool lm_trainer_epoch_is_over(const struct lm_trainer *t)
{
    return (size_t)t->at.step == t->steps_an_epoch;
}

void lm_trainer_evaluate(struct lm_trainer *t, bool is_train, double *loss, double *acc)
{
    const uint32_t *row = t->order + (is_train ? 0 : t->n_train);
    size_t n = is_train ? t->n_train : t->task.n - t->n_train, right = 0;
    double sum = 0, answers = (double)(n * t->task.n_answers);

    for (size_t i = 0; i < n; i += t->batch.rows_max) {
        size_t now = n - i < t->batch.rows_max ? n - i : t->batch.rows_max, r;
        struct lm_batch b;

        batch_build(&t->batch, &t->task, row + i, 0, now, batch_answers(&t->task));
        b = lm_batch_of(&t->batch);
        sum += lm_loss(&t->lm, &t->acts, &b, &r);
        right += r;
    }
    *loss = sum / answers;
    *acc = (double)right / answers;
}

void lm_trainer_end_epoch(struct lm_trainer *t)
{
    struct lm_progress *at = &t->at;
    struct lm_point *p = &at->last;

    p->train_loss = at->loss_sum / (double)at->n_seen;
    p->train_acc = (double)at->n_right / (double)at->n_seen;
    p->grad_norm = at->norm_sum / (double)at->step;
    lm_trainer_evaluate(t, false, &p->val_loss, &p->val_acc);
    at->epoch++;
    if (p->val_acc >= 0.99 && !at->first_epoch_99)
        at->first_epoch_99 = at->epoch;
    if (p->val_acc > at->best_val_acc) {
        at->best_val_acc = p->val_acc;
        at->best_val_loss = p->val_loss;
        at->best_epoch = at->epoch;
        memcpy(t->best, t->lm.flat[0], t->lm.n_flat * sizeof(real));
    }
    at->step = at->n_right = at->n_seen = 0;
    at->loss_sum = at->norm_sum = 0;
    begin_epoch(t);
}

void lm_trainer_restore_best(struct lm_trainer *t)
{
    memcpy(t->lm.flat[0], t->best, t->lm.n_flat * sizeof(real));
}

void lm_trainer_resume(struct lm_trainer *t)
{
    t->adam.t = t->at.adam_t;
    begin_epoch(t);
}

void lm_trainer_state(struct lm_trainer *t, struct ckpt *c)
{
    const size_t bytes = t->lm.n_flat * sizeof(real);

    ckpt_bytes(c, "progress", &t->at, sizeof t->at);
    ckpt_bytes(c, "weights", t->lm.flat[0], bytes);
    ckpt_bytes(c, "moment 1", t->lm.flat[2], bytes);
    ckpt_bytes(c, "moment 2", t->lm.flat[3], bytes);
    ckpt_bytes(c, "best", t->best, bytes);
}
