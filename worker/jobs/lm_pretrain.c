/* lm_pretrain.c - trains a GPT-NeoX on token ids; writes it as a Hugging Face folder, model/.
 *
 * The state (neox_trainer.h) is saved on the checkpoint timer and before a stop on request; a later
 * attempt goes on from it with the same bits.  A loss or gradient that is not finite ends the
 * training with the verdict "negative" and the weights before that step.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "worker/jobs/neox_io.h"
#include "worker/jobs/neox_trainer.h"
#include "worker/runner/impl.h"

struct pretrain {
    struct job *j;
    struct neox_trainer t;
    int64_t eval_every, first_seen;
    char negative[1100];
};

/* Opens data and, if there is one, the model to go on from. */
static enum err_code open_all(struct neox_trainer *t, struct neox_file *base, const struct job *j,
                              struct err *e)
{
    const bool has_base = job_input(j, "model") != NULL;
    enum err_code rc;

    *base = (struct neox_file){0};
    if (has_base && neox_input_open(base, j, "model", e))
        return e->code;
    rc = neox_trainer_open(t, j->cfg, job_input(j, "data")->dir, has_base ? &base->cfg : NULL,
                           (int)j->common.threads, e);
    if (rc && has_base)
        neox_file_close(base);
    return rc ? err_wrap(e, "lm_pretrain") : ERR_OK;
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    const size_t machine = neox_machine_bytes();
    const size_t knob = (size_t)j->common.memory;
    struct neox_trainer t;
    struct neox_file base;
    enum err_code rc = open_all(&t, &base, j, e);

    if (rc)
        return rc;
    p->arena_bytes = neox_trainer_bytes(&t);
    p->library_bytes = neox_library_bytes(&t.m.cfg, &t.shape);
    p->n_steps = t.n_steps;
    rc = neox_fits(&t.m.cfg, &t.shape, &t.store, neox_trainer_other(&t), knob && knob < machine ? knob : machine,
                   knob && knob < machine ? "the knob memory" : "this machine's memory", e);
    neox_trainer_close(&t);
    if (job_input(j, "model"))
        neox_file_close(&base);
    return rc ? err_wrap(e, "lm_pretrain") : ERR_OK;
}

static enum err_code save_state(struct pretrain *s, struct err *e)
{
    struct ckpt c = {0};
    enum err_code rc;

    neox_trainer_state(&s->t, &c);
    rc = job_checkpoint_save(s->j, &c, e);
    ckpt_free(&c);
    return rc;
}

static void resume(struct pretrain *s)
{
    struct ckpt c = {0};

    neox_trainer_state(&s->t, &c);
    if (job_checkpoint_load(s->j, &c))
        neox_trainer_resume(&s->t);
    ckpt_free(&c);
    s->first_seen = s->t.at.n_seen;
}

static void log_point(struct pretrain *s)
{
    struct neox_trainer *t = &s->t;
    double loss, norm, n;

    neox_trainer_point(t, &loss, &norm);
    job_series(s->j, "train_loss", t->at.step, loss);
    job_series(s->j, "grad_norm", t->at.step, norm);
    job_series(s->j, "lr", t->at.step, t->at.last_lr);
    if (t->has_valid)
        job_series(s->j, "val_loss", t->at.step,
                   neox_trainer_validate(t, (size_t)t->cfg.eval_ids, &n));
}

static enum err_code loop(struct pretrain *s, struct err *e)
{
    struct neox_trainer *t = &s->t;

    while (t->at.step < t->n_steps) {
        bool is_stopped = job_stop_wanted(s->j);
        enum err_code rc;

        if ((is_stopped || job_checkpoint_due(s->j)) && save_state(s, e))
            return err_wrap(e, "checkpoint");
        if (is_stopped)
            return err_set(e, ERR_STOPPED, "stopped on request after step %" PRId64, t->at.step);
        rc = neox_trainer_step(t, e);
        if (rc == ERR_DIVERGED) {
            snprintf(s->negative, sizeof s->negative, "diverged: %s", e->text);
            return ERR_OK;
        }
        if (rc)
            return rc;
        if (t->at.step % s->eval_every == 0 || t->at.step == t->n_steps)
            log_point(s);
        job_progress(s->j, t->at.step, t->n_steps, "loss %.4f",
                     t->at.n_sum ? t->at.loss_sum / (double)t->at.n_sum : t->at.last_loss);
    }
    return ERR_OK;
}

static void report(struct pretrain *s, double wall_s)
{
    struct neox_trainer *t = &s->t;
    struct job *j = s->j;
    struct buf text = {0};
    double nll, n;

    neox_describe(&text, &t->m.cfg);
    job_summary(j, "%s. %" PRId64 " steps, %" PRId64 " ids.", text.data, t->at.step, t->at.n_seen);
    buf_free(&text);
    job_metric(j, "n_params", (double)neox_n_weights(&t->m.cfg));
    job_metric(j, "steps", (double)t->at.step);
    job_metric(j, "tokens_seen", (double)t->at.n_seen);
    if (t->at.step)
        job_metric(j, "train_loss", t->at.last_loss);
    else
        job_metric_absent(j, "train_loss", "untrained");
    if (t->has_valid) {
        nll = neox_trainer_validate(t, 0, &n);
        job_metric(j, "nll", nll);
        job_metric(j, "ppl", exp(nll));
        job_metric(j, "n_scored", n);
        job_summary(j, "Validation: %.4f nats an id, perplexity %.2f, %.0f ids.", nll, exp(nll), n);
    } else {
        static const char *const names[] = {"nll", "ppl", "n_scored"};

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            job_metric_absent(j, names[i], "the data has no validation split");
    }
    if (wall_s > 0 && t->at.n_seen > s->first_seen)
        job_metric(j, "tokens_per_s", (double)(t->at.n_seen - s->first_seen) / wall_s);
    if (*s->negative) {
        job_verdict(j, "negative", s->negative);
        job_summary(j, "Negative: %s", s->negative);
    }
}

static enum err_code train(struct pretrain *s, struct err *e)
{
    struct job *j = s->j;
    const struct neox_trainer *t = &s->t;
    int64_t start_us = j->clock->mono_us(j->clock);
    double wall_s;

    resume(s);
    s->eval_every = t->cfg.eval_every ? t->cfg.eval_every : (t->n_steps + 9) / 10;
    if (loop(s, e))
        return e->code;
    wall_s = (double)(j->clock->mono_us(j->clock) - start_us) * 1e-6;
    if (neox_output_save(&t->m, j, ST_F32, job_input(j, "data")->dir, e))
        return e->code;
    report(s, wall_s);
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct pretrain s = {.j = j};
    struct neox_file base;
    enum err_code rc;

    if (open_all(&s.t, &base, j, e))
        return e->code;
    neox_trainer_init(&s.t, job_input(j, "model") ? &base : NULL, j->arena);
    if (job_input(j, "model"))
        neox_file_close(&base);
    rc = train(&s, e);
    neox_trainer_close(&s.t);
    return rc;
}

const struct job_impl job_impl_lm_pretrain = {"lm_pretrain", plan, run};
