/* lm_cpt.c - continued pretraining with an auxiliary loss; writes the model as lm_pretrain does.
 *
 * Before the first step the arm is proven on one batch: the auxiliary gradient alone has to reach
 * every block up to the hooked one and nothing above it, and lambda 0 has to give the control's bits.
 * The proof is part of the result, and a failed one is our bug, not a result.  Between two steps the state is that of the trainer and
 * struct cpt_state.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/rng.h"
#include "worker/jobs/cpt_arm.h"
#include "worker/jobs/lm_site.h"
#include "worker/jobs/neox_io.h"
#include "worker/jobs/neox_trainer.h"
#include "worker/num/vec.h"
#include "worker/runner/impl.h"

enum { POINTS_MAX = 2000 };

struct cpt_state {           /* stored in checkpoints as it is */
    double lambda;           /* as the last look at the validation loss left it */
    double aux, lm, ratio, grad_ratio, cos, cos_sharp; /* sums over all steps */
    int64_t n_steps;
};

struct cpt {
    struct job *j;
    const struct lm_cpt_cfg *cfg;
    struct lm_pretrain_cfg train_cfg;
    struct neox_file base;
    struct lm_site site;
    struct neox_trainer t;
    struct cpt_arm arm;
    struct cpt_state st;
    struct cpt_proof proof;
    double base_loss;        /* of the base model on eval_ids of the validation split; for annealing */
    int64_t log_every, first_seen;
    int64_t logged_us, logged_seen; /* when the last point was logged, and ids seen till then */
    char negative[1100];
};

/* --- opening ------------------------------------------------------------------------------------- */

static void train_knobs(struct lm_pretrain_cfg *k, const struct lm_cpt_cfg *c)
{
    const int64_t per_step = c->batch * c->context;

    *k = (struct lm_pretrain_cfg){
        .context = c->context,   .batch = c->batch,   .micro = c->micro,
        .steps = (c->tokens + per_step - 1) / per_step,
        .lr = c->lr,             .lr_floor = c->lr_floor, .warmup = c->warmup,
        .schedule = c->schedule, .beta1 = c->beta1,   .beta2 = c->beta2,
        .eps = c->eps,           .weight_decay = c->weight_decay, .decay = c->decay,
        .clip = c->clip,         .checkpoint = c->checkpoint,
        .weights = c->weights,   .moments = c->moments,   .activations = c->activations,
        .rounding = c->rounding, .gradients = "all", .precision = c->precision,
        .eval_ids = c->eval_ids, .seed = c->seed,     .seed_init = -1,
        .seed_order = c->seed_order,
    };
}

static enum err_code open_arm(struct cpt *s, struct err *e)
{
    if (lm_site_open(&s->site, s->j, &s->base.cfg, e))
        return e->code;
    return cpt_arm_open(&s->arm, s->cfg, &s->site.sae, s->site.layer, e);
}

static void close_all(struct cpt *s)
{
    neox_trainer_close(&s->t);
    lm_site_close(&s->site);
    neox_file_close(&s->base);
}

static enum err_code open_all(struct cpt *s, struct job *j, struct err *e)
{
    enum err_code rc;

    *s = (struct cpt){.j = j, .cfg = j->cfg};
    train_knobs(&s->train_cfg, s->cfg);
    if (neox_input_open(&s->base, j, "model", e))
        return err_wrap(e, "lm_cpt");
    rc = neox_trainer_open(&s->t, &s->train_cfg, job_input(j, "data")->dir, &s->base.cfg,
                           (int)j->common.threads, e);
    if (!rc && !s->t.has_valid)
        rc = err_set(e, ERR_INVALID, "data: no validation split: nothing to choose or judge by");
    if (!rc)
        rc = open_arm(s, e);
    if (rc) {
        close_all(s);
        return err_wrap(e, "lm_cpt");
    }
    return ERR_OK;
}

static size_t other_bytes(const struct cpt *s)
{
    return neox_trainer_other(&s->t) + cpt_arm_bytes(&s->arm, s->t.shape.n_max);
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    static struct cpt s; /* large */
    const size_t machine = neox_machine_bytes(), knob = (size_t)j->common.memory;
    const bool is_knob = knob && knob < machine;
    enum err_code rc;

    if (open_all(&s, j, e))
        return e->code;
    p->arena_bytes = neox_trainer_bytes(&s.t) + cpt_arm_bytes(&s.arm, s.t.shape.n_max);
    p->library_bytes = neox_library_bytes(&s.base.cfg, &s.t.shape);
    p->n_steps = s.t.n_steps;
    rc = neox_fits(&s.base.cfg, &s.t.shape, &s.t.store, other_bytes(&s), is_knob ? knob : machine,
                   is_knob ? "the knob memory" : "this machine's memory", e);
    close_all(&s);
    return rc ? err_wrap(e, "lm_cpt") : ERR_OK;
}

/* --- lambda -------------------------------------------------------------------------------------- */

static double scheduled(const struct lm_cpt_cfg *c, int64_t step, int64_t n_steps)
{
    const double at = n_steps > 1 ? (double)step / (double)(n_steps - 1) : 1;

    if (strcmp(c->lambda_schedule, "linear") == 0)
        return c->lambda + (c->lambda_floor - c->lambda) * at;
    if (strcmp(c->lambda_schedule, "cosine") == 0)
        return c->lambda_floor + (c->lambda - c->lambda_floor) * 0.5 * (1 + cos(M_PI * at));
    return c->lambda;
}

/* Mean loss of the validation split, without the tap: it would only cost. */
static double validate(struct cpt *s, int64_t max, double *n)
{
    double loss;

    s->t.acts.n_taps = 0;
    loss = neox_trainer_validate(&s->t, (size_t)max, n);
    s->t.acts.n_taps = 1;
    return loss;
}

static bool is_annealed(const struct lm_cpt_cfg *c)
{
    return strcmp(c->lambda_schedule, "anneal") == 0;
}

/* The plan's rule: the weight is halved while the model pays more than the tax. */
static void anneal(struct cpt *s)
{
    const struct lm_cpt_cfg *c = s->cfg;
    double n, loss;

    if (s->t.at.step == 0 || s->t.at.step % c->anneal_every)
        return;
    loss = validate(s, c->eval_ids, &n);
    if (loss > s->base_loss + log1p(c->anneal_tol))
        s->st.lambda = fmax(0.5 * s->st.lambda, c->lambda_floor);
}

static double lambda_now(struct cpt *s)
{
    if (s->arm.loss == CPT_NONE)
        return 0;
    if (!is_annealed(s->cfg))
        return s->st.lambda = scheduled(s->cfg, s->t.at.step, s->t.n_steps);
    anneal(s);
    return s->st.lambda;
}

/* --- steps --------------------------------------------------------------------------------------- */

static void begin_step(void *ctx, size_t n_tokens)
{
    struct cpt *s = ctx;

    cpt_arm_step(&s->arm, s->st.lambda, n_tokens);
}

static void begin_batch(void *ctx, const struct neox_batch *b, const uint64_t *sequence)
{
    cpt_arm_batch(&((struct cpt *)ctx)->arm, b, sequence);
}

/* Since the last point, or the start. */
static void log_speed(struct cpt *s)
{
    const int64_t now_us = s->j->clock->mono_us(s->j->clock);

    if (now_us > s->logged_us)
        job_series(s->j, "tokens_per_s", s->t.at.step,
                   (double)(s->t.at.n_seen - s->logged_seen) / ((double)(now_us - s->logged_us) * 1e-6));
    s->logged_us = now_us;
    s->logged_seen = s->t.at.n_seen;
}

static void log_step(struct cpt *s, double lambda)
{
    const struct cpt_sums *a = &s->arm.sum;
    const double ratio = lambda * a->aux / s->t.step_loss;
    const double grad_ratio = a->g_lm > 0 ? sqrt(a->g_aux / a->g_lm) : 0;
    struct job *j = s->j;

    s->st.aux += a->aux;
    s->st.lm += s->t.step_loss;
    s->st.ratio += ratio;
    s->st.grad_ratio += grad_ratio;
    s->st.cos += a->n_tokens > 0 ? a->cos / a->n_tokens : 0;
    s->st.cos_sharp += a->n_tokens > 0 ? a->cos_sharp / a->n_tokens : 0;
    s->st.n_steps++;
    if (s->t.at.step % s->log_every && s->t.at.step != 1 && s->t.at.step != s->t.n_steps)
        return;
    job_series(j, "lm_loss", s->t.at.step, s->t.step_loss);
    job_series(j, "aux_loss", s->t.at.step, a->aux);
    job_series(j, "aux_over_lm", s->t.at.step, ratio);
    job_series(j, "grad_ratio", s->t.at.step, grad_ratio);
    job_series(j, "grad_lm", s->t.at.step, sqrt(a->g_lm));
    job_series(j, "grad_aux", s->t.at.step, sqrt(a->g_aux));
    job_series(j, "grad_norm", s->t.at.step, s->t.step_norm);
    job_series(j, "lambda", s->t.at.step, lambda);
    job_series(j, "lr", s->t.at.step, s->t.at.last_lr);
    log_speed(s);
}

static enum err_code save_state(struct cpt *s, struct err *e)
{
    struct ckpt c = {0};
    enum err_code rc;

    neox_trainer_state(&s->t, &c);
    ckpt_bytes(&c, "cpt", &s->st, sizeof s->st);
    rc = job_checkpoint_save(s->j, &c, e);
    ckpt_free(&c);
    return rc;
}

static void resume(struct cpt *s)
{
    struct ckpt c = {0};

    s->st.lambda = s->cfg->lambda;
    neox_trainer_state(&s->t, &c);
    ckpt_bytes(&c, "cpt", &s->st, sizeof s->st);
    if (job_checkpoint_load(s->j, &c))
        neox_trainer_resume(&s->t);
    ckpt_free(&c);
    s->first_seen = s->t.at.n_seen;
}

static enum err_code one_step(struct cpt *s, struct err *e)
{
    const double lambda = lambda_now(s);
    enum err_code rc = neox_trainer_step(&s->t, e);

    if (rc == ERR_DIVERGED || (!rc && s->arm.sum.is_bad)) {
        snprintf(s->negative, sizeof s->negative, "diverged: %s",
                 rc ? e->text : "an activation of the SAE is not finite");
        return ERR_OK;
    }
    if (!rc)
        log_step(s, lambda);
    return rc;
}

static enum err_code loop(struct cpt *s, struct err *e)
{
    while (s->t.at.step < s->t.n_steps && !*s->negative) {
        const bool is_stopped = job_stop_wanted(s->j);

        if ((is_stopped || job_checkpoint_due(s->j)) && save_state(s, e))
            return err_wrap(e, "checkpoint");
        if (is_stopped)
            return err_set(e, ERR_STOPPED, "stopped on request after step %" PRId64, s->t.at.step);
        if (one_step(s, e))
            return e->code;
        job_progress(s->j, s->t.at.step, s->t.n_steps, "lm %.4f aux %.4g", s->t.step_loss,
                     s->arm.sum.aux);
    }
    return ERR_OK;
}

/* --- proof and report ---------------------------------------------------------------------------- */

static enum err_code prove(struct cpt *s, struct err *e)
{
    const bool is_control = s->arm.loss == CPT_NONE;

    neox_trainer_batch(&s->t);
    s->proof = cpt_arm_prove(&s->arm, &s->t.m, &s->t.acts, &s->t.batch.view);
    if (!s->proof.is_zero_control)
        return err_set(e, ERR_BUG, "proof of arm %s: with lambda 0 its gradients are not the control's", s->cfg->arm);
    if (s->proof.above != 0 || !isfinite(s->proof.below) || (s->proof.below > 0) == is_control)
        return err_set(e, ERR_BUG,
                       "proof of arm %s: the auxiliary gradient is %g below the hook and %g above it",
                       s->cfg->arm, s->proof.below, s->proof.above);
    return ERR_OK;
}

static void report_target(struct cpt *s)
{
    const double n = (double)s->st.n_steps;

    if (s->arm.loss != CPT_MSE && s->arm.loss != CPT_COSINE) {
        job_metric_absent(s->j, "target_cos", "the arm has no target");
        job_metric_absent(s->j, "target_cos_sharp", "the arm has no target");
        return;
    }
    job_metric(s->j, "target_cos", s->st.cos / n);
    job_metric(s->j, "target_cos_sharp", s->st.cos_sharp / n);
}

static void warn(struct cpt *s, double ratio)
{
    if (s->arm.loss == CPT_NONE || s->cfg->lambda == 0)
        return;
    if (ratio < 1e-3)
        job_summary(s->j, "WARNING: lambda * aux / lm is %.2g on average: the auxiliary term is negligible.", ratio);
    if (ratio > 1)
        job_summary(s->j, "WARNING: lambda * aux / lm is %.2g on average: the auxiliary term dominates.", ratio);
}

static void report_course(struct cpt *s)
{
    const double n = s->st.n_steps ? (double)s->st.n_steps : NAN;
    struct job *j = s->j;

    job_metric(j, "lm_loss", s->st.lm / n);
    job_metric(j, "aux_loss", s->st.aux / n);
    job_metric(j, "aux_over_lm", s->st.ratio / n);
    job_metric(j, "aux_grad_ratio", s->st.grad_ratio / n);
    job_metric(j, "aux_grad_below", s->proof.below);
    job_metric(j, "aux_grad_above", s->proof.above);
    job_metric(j, "lambda0_is_control", s->proof.is_zero_control);
    job_metric(j, "lambda_end", s->arm.loss == CPT_NONE ? 0 : s->st.lambda);
    job_metric(j, "steps", (double)s->t.at.step);
    job_metric(j, "tokens_seen", (double)s->t.at.n_seen);
    report_target(s);
    warn(s, s->st.ratio / n);
}

static void report(struct cpt *s, double wall_s)
{
    struct job *j = s->j;
    double n, nll;

    job_summary(j, "Arm %s at the output of block %zu, lambda %g (%s), %" PRId64 " steps, %" PRId64 " ids.",
                s->cfg->arm, s->arm.layer, s->cfg->lambda, s->cfg->lambda_schedule, s->t.at.step,
                s->t.at.n_seen);
    if (*s->cfg->k_sharp_override_reason)
        job_summary(j, "k_sharp = %" PRId64 " was NOT decided by a ksharp job: %s.", s->cfg->k_sharp,
                    s->cfg->k_sharp_override_reason);
    job_summary(j, "Proof: the auxiliary gradient alone is %.4g below the hook and %g above it; "
                   "lambda 0 gives the control's gradients bit for bit.",
                s->proof.below, s->proof.above);
    report_course(s);
    nll = validate(s, s->cfg->score_ids, &n);
    job_metric(j, "nll", nll);
    job_metric(j, "ppl", exp(nll));
    job_summary(j, "Validation perplexity %.4f over %.0f ids.", exp(nll), n);
    if (wall_s > 0 && s->t.at.n_seen > s->first_seen)
        job_metric(j, "tokens_per_s", (double)(s->t.at.n_seen - s->first_seen) / wall_s);
    if (*s->negative)
        job_verdict(j, "negative", s->negative);
}

/* Harm that the gates have to find; the result says that it was done. */
static void damage(struct cpt *s)
{
    struct rng r = rng_stream((uint64_t)s->cfg->seed, "cpt.damage");

    if (!(s->cfg->damage > 0))
        return;
    for (size_t i = 0; i < s->t.m.n_params; i++) {
        const struct param *p = &s->t.m.param[i];
        const double size = s->cfg->damage * sqrt(vec_sumsq(p->data, p->n) / (double)p->n);

        for (size_t k = 0; k < p->n; k++)
            p->data[k] += (real)(size * rng_normal(&r));
    }
    job_summary(s->j, "WARNING: noise of %g of their size was put on all weights (damage).", s->cfg->damage);
}

static enum err_code train(struct cpt *s, struct err *e)
{
    struct job *j = s->j;
    double n;

    if (is_annealed(s->cfg))
        s->base_loss = validate(s, s->cfg->eval_ids, &n);
    job_metric(j, "ppl_base", exp(validate(s, s->cfg->score_ids, &n)));
    if (prove(s, e))
        return e->code;
    resume(s);
    s->log_every = (s->t.n_steps + POINTS_MAX - 1) / POINTS_MAX;
    const int64_t start_us = s->logged_us = j->clock->mono_us(j->clock);
    s->logged_seen = s->first_seen;
    if (loop(s, e))
        return e->code;
    const double wall_s = (double)(j->clock->mono_us(j->clock) - start_us) * 1e-6;
    damage(s);
    if (neox_output_save(&s->t.m, j, ST_F32, job_input(j, "data")->dir, e))
        return e->code;
    report(s, wall_s);
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    static struct cpt s; /* large */
    enum err_code rc;

    if (open_all(&s, j, e))
        return e->code;
    neox_trainer_init(&s.t, &s.base, j->arena);
    cpt_arm_init(&s.arm, s.t.shape.n_max, (uint64_t)s.cfg->seed, j->arena);
    s.t.acts.taps = &s.arm.tap;
    s.t.acts.n_taps = 1;
    s.t.aux = (struct neox_aux){begin_step, begin_batch, &s};
    rc = train(&s, e);
    close_all(&s);
    return rc ? err_wrap(e, "lm_cpt") : ERR_OK;
}

const struct job_impl job_impl_lm_cpt = {"lm_cpt", plan, run};
