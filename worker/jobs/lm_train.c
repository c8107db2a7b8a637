/* lm_train.c - trains a transformer on an algorithmic task; keeps the best-validation weights.
 *
 * Writes checkpoints/model.pt.  The state (worker/lm/trainer.h) is saved on the checkpoint timer
 * and before a stop on request; a later attempt goes on from it with the same bits.  A loss or
 * gradient that is not finite ends the training with the verdict "negative" and the best weights
 * so far: a result, not a failure.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/kinds/lm_train.h"
#include "worker/eval/fourier.h"
#include "worker/lm/leak.h"
#include "worker/lm/lm_file.h"
#include "worker/lm/trainer.h"
#include "worker/runner/impl.h"

enum { FOURIER_TOP = 5, FOURIER_DRAWS = 8 };

struct train {
    struct job *j;
    struct lm_trainer t;
    int64_t n_total;    /* steps, if nothing ends it earlier */
    int64_t rows;       /* trained on in this attempt */
    char negative[1100]; /* why it diverged; empty: it did not */
};

static enum err_code plan(struct job *j, struct job_plan *plan, struct err *e)
{
    const struct lm_train_cfg *c = j->cfg;
    struct task t;

    if (c->d_model % c->n_heads) /* as the kind's check: a job.json may be written by hand */
        return err_set(e, ERR_INVALID, "n_heads: %" PRId64 " does not divide d_model, %" PRId64,
                       c->n_heads, c->d_model);
    task_plan(&t, c->task, c->modulus, (size_t)c->n_examples);
    plan->arena_bytes = lm_trainer_bytes(c);
    plan->n_steps = c->epochs * (((int64_t)((double)t.n * c->train_fraction) + c->batch - 1) / c->batch);
    return ERR_OK;
}

/* --- the state between attempts ----------------------------------------------------------- */
static enum err_code save_state(struct train *s, struct err *e)
{
    struct ckpt c = {0};
    enum err_code rc;

    lm_trainer_state(&s->t, &c);
    rc = job_checkpoint_save(s->j, &c, e);
    ckpt_free(&c);
    return rc;
}

/* A fresh trainer, or the one that an earlier attempt left. */
static void begin(struct train *s)
{
    const struct lm_train_cfg *c = s->j->cfg;
    struct ckpt state = {0};

    lm_trainer_init(&s->t, c, s->j->arena);
    lm_trainer_state(&s->t, &state);
    if (job_checkpoint_load(s->j, &state))
        lm_trainer_resume(&s->t);
    ckpt_free(&state);
    s->n_total = c->epochs * (int64_t)s->t.steps_an_epoch;
}

/* --- when to end -------------------------------------------------------------------------- */
/* stop_at, "{metric: value, ...}" as the kind's check left it: all of them reached. */
static bool is_reached(const char *stop_at, const struct lm_point *p)
{
    const struct {
        const char *name;
        double value;
        bool is_high;
    } row[] = {{"val_acc", p->val_acc, true},   {"train_acc", p->train_acc, true},
               {"val_loss", p->val_loss, false}, {"train_loss", p->train_loss, false}};
    const char *at = stop_at + strspn(stop_at, "{ ");
    bool is_any = false;

    while (*at && *at != '}') {
        size_t n = strcspn(at, ": ,}");
        char *end = (char *)at + n;
        double want = strtod(at + n + (at[n] == ':'), &end);

        for (size_t i = 0; i < ARRAY_LEN(row); i++)
            if (strlen(row[i].name) == n && !memcmp(at, row[i].name, n)) {
                if (row[i].is_high ? !(row[i].value >= want) : !(row[i].value <= want))
                    return false;
                is_any = true;
            }
        at = end + strspn(end, " ,");
    }
    return is_any;
}

static bool is_finished(const struct train *s)
{
    const struct lm_progress *at = &s->t.at;

    return at->epoch >= s->t.cfg.epochs ||
           (at->epoch > 0 && at->step == 0 && is_reached(s->t.cfg.stop_at, &at->last));
}

/* --- the loop ----------------------------------------------------------------------------- */
static void log_epoch(struct train *s)
{
    const struct lm_point *p = &s->t.at.last;
    int64_t i = s->t.at.epoch;

    job_series_unit(s->j, "epoch");
    job_series(s->j, "train_loss", i, p->train_loss);
    job_series(s->j, "val_loss", i, p->val_loss);
    job_series(s->j, "train_acc", i, p->train_acc);
    job_series(s->j, "val_acc", i, p->val_acc);
    job_series(s->j, "lr", i, p->lr);
    job_series(s->j, "grad_norm", i, p->grad_norm);
}

static enum err_code step(struct train *s, struct err *e)
{
    struct lm_trainer *t = &s->t;
    int64_t seen = t->at.n_seen;
    enum err_code rc = lm_trainer_step(t, e);

    if (rc)
        return rc;
    s->rows += (t->at.n_seen - seen) / (int64_t)t->task.n_answers;
    if (lm_trainer_epoch_is_over(t)) {
        lm_trainer_end_epoch(t);
        log_epoch(s);
    }
    job_progress(s->j, t->adam.t, s->n_total, "epoch %" PRId64 ", val_acc %.4f", t->at.epoch,
                 t->at.epoch ? t->at.last.val_acc : t->at.best_val_acc);
    return ERR_OK;
}

static enum err_code loop(struct train *s, struct err *e)
{
    while (!is_finished(s)) {
        bool is_stopped = job_stop_wanted(s->j);
        enum err_code rc;

        if ((is_stopped || job_checkpoint_due(s->j)) && save_state(s, e))
            return err_wrap(e, "checkpoint");
        if (is_stopped)
            return err_set(e, ERR_STOPPED, "stopped on request after step %" PRId64, s->t.adam.t);
        rc = step(s, e);
        if (rc == ERR_DIVERGED) {
            snprintf(s->negative, sizeof s->negative, "diverged: %s", e->text);
            return ERR_OK;
        }
        if (rc)
            return rc;
    }
    return ERR_OK;
}

/* --- what it leaves ----------------------------------------------------------------------- */
static void report_metrics(struct train *s, double train_acc, double wall_s)
{
    const struct lm_progress *at = &s->t.at;
    struct job *j = s->j;

    job_metric(j, "train_acc", train_acc);
    job_metric(j, "val_acc", at->best_val_acc);
    job_metric(j, "val_loss", at->best_val_loss);
    if (at->epoch)
        job_metric(j, "train_loss", at->last.train_loss);
    else
        job_metric_absent(j, "train_loss", "no epoch was completed");
    job_metric(j, "epochs", (double)at->epoch);
    job_metric(j, "best_epoch", (double)at->best_epoch);
    if (at->first_epoch_99)
        job_metric(j, "first_epoch_99", (double)at->first_epoch_99);
    else
        job_metric_absent(j, "first_epoch_99", "validation accuracy stayed below 0.99");
    job_metric(j, "steps", (double)s->t.adam.t);
    if (s->rows && wall_s > 0)
        job_metric(j, "rows_per_s", (double)s->rows / wall_s);
}

/* What the output follows, and whether the embedding is a circuit's or a random one. */
static enum err_code report_soundness(struct train *s, struct err *e)
{
    const struct lm_trainer *t = &s->t;
    struct job *j = s->j;
    struct leak leak;

    if (leak_test(&leak, &s->t, e))
        return e->code;
    job_metric(j, "leak", leak.leak);
    job_metric(j, "follow_operands", leak.follow_operands);
    job_metric(j, "follow_answer", leak.follow_answer);
    job_summary(j, "Operands and answers shuffled against each other: %.4f of the outputs follow the "
                   "operands, %.4f the answer (chance %.4f).",
                leak.follow_operands, leak.follow_answer, leak.chance);
    if (!t->task.kind->is_cyclic || t->task.modulus < 3) {
        job_metric_absent(j, "fourier_top5", "the task's tokens are no residues");
        job_metric_absent(j, "fourier_random", "the task's tokens are no residues");
        return ERR_OK;
    }
    double top, random;
    size_t p = (size_t)t->task.modulus, d = t->lm.cfg.d_model;

    if (fourier_concentration(&top, t->lm.w.ends.w_e, p, d, FOURIER_TOP, e) ||
        fourier_random(&random, p, d, FOURIER_TOP, FOURIER_DRAWS, (uint64_t)t->cfg.seed, e))
        return e->code;
    job_metric(j, "fourier_top5", top);
    job_metric(j, "fourier_random", random);
    job_summary(j, "%.3f of the number embeddings' power lies in %d frequencies (random: %.3f).", top,
                (int)FOURIER_TOP, random);
    return ERR_OK;
}

static void summarise(struct train *s)
{
    const struct lm_train_cfg *c = &s->t.cfg;
    const struct lm_progress *at = &s->t.at;
    struct job *j = s->j;

    job_summary(j, "Task `%s`, %zu training and %zu validation examples, %zu weights.", c->task,
                s->t.n_train, s->t.task.n - s->t.n_train, lm_n_weights(&s->t.lm.cfg));
    job_summary(j, "Validation accuracy %.4f at epoch %" PRId64 " of %" PRId64 ", the one kept.",
                at->best_val_acc, at->best_epoch, at->epoch);
    if (!strcmp(c->task, "modadd_husai"))
        job_summary(j, "The answer is visible where it is read (label leak): this model copies its "
                       "input, as the reference's does.");
    if (c->epochs == 0)
        job_summary(j, "Untrained: the weights are those of the initialisation.");
    if (*s->negative) {
        job_verdict(j, "negative", s->negative);
        job_summary(j, "Negative: %s", s->negative);
    }
}

static enum err_code finish(struct train *s, int64_t start_us, struct err *e)
{
    struct lm_origin o = {.modulus = s->t.cfg.modulus};
    double wall_s = (double)(s->j->clock->mono_us(s->j->clock) - start_us) * 1e-6;
    double loss, acc;

    snprintf(o.task, sizeof o.task, "%s", s->t.cfg.task);
    lm_trainer_restore_best(&s->t);
    lm_trainer_evaluate(&s->t, true, &loss, &acc);
    if (lm_save(&s->t.lm, &o, job_path(s->j, LM_FILE), e))
        return e->code;
    report_metrics(s, acc, wall_s);
    summarise(s);
    return report_soundness(s, e);
}

static enum err_code run(struct job *j, struct err *e)
{
    struct train s = {.j = j};
    int64_t start_us;

    begin(&s);
    start_us = j->clock->mono_us(j->clock);
    if (loop(&s, e))
        return e->code;
    return finish(&s, start_us, e);
}

const struct job_impl job_impl_lm_train = {"lm_train", plan, run};
