/* sae_train.c - one sparse autoencoder on one activation matrix.
 *
 * Rows come from the mapped activation file in a seeded order, epoch by epoch; the last batch of an
 * epoch may be smaller.  All that a step changes lives in the arena and in struct train_state, which
 * checkpoints hold: a later attempt goes on with the same bits.  A loss that is not finite ends the
 * job with the verdict "negative": a result, not a failure.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "worker/eval/assign.h"
#include "worker/jobs/sae_train.h"
#include "worker/nn/ckpt.h"
#include "worker/num/vec.h"
#include "worker/runner/impl.h"

#define END_FILE "checkpoints/end.pt"

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    struct train t;
    enum err_code rc = train_prepare(&t, j, e);

    if (rc)
        return rc;
    p->arena_bytes = train_bytes(&t);
    p->n_steps = t.n_steps;
    train_close(&t);
    return ERR_OK;
}

static uint64_t seed_of(int64_t own, int64_t root)
{
    return (uint64_t)(own >= 0 ? own : root);
}

static void start(struct train *t)
{
    const struct sae_train_cfg *c = t->cfg;
    bool is_auto = !strcmp(c->b_dec_init, "auto");
    bool is_zero = is_auto ? !t->sae_cfg.arch->is_centred : !strcmp(c->b_dec_init, "zero");
    double *at = t->sums; /* not in use before the evaluation */

    if (!is_zero)
        train_b_dec(t, at);
    sae_init(&t->sae, seed_of(c->seed_init, c->seed), is_zero ? NULL : at);
    train_two_start(t, seed_of(c->seed_init, c->seed), is_zero);
    t->st.order = rng_stream(seed_of(c->seed_order, c->seed), "sae.order");
    t->st.resample = rng_stream(seed_of(c->seed_order, c->seed), "sae.resample");
    t->st.at = (int64_t)t->acts.n; /* the first step draws an order */
}

/* --- checkpoints ------------------------------------------------------------------------------ */

/* is_kept: for a longer training, whose mean of the last losses is over others. */
static void list_state(struct train *t, struct ckpt *c, bool is_kept)
{
    ckpt_bytes(c, "train", &t->st, sizeof t->st);
    ckpt_bytes(c, "perm", t->perm, t->acts.n * sizeof *t->perm);
    if (!is_kept) {
        ckpt_bytes(c, "last", t->last, t->n_last * sizeof *t->last);
        ckpt_bytes(c, "last_n", t->last_n, t->n_last * sizeof *t->last_n);
    }
    ckpt_bytes(c, "start", t->sae.start, t->sae_cfg.f * t->target.d * sizeof(real));
    ckpt_bytes(c, "quiet", t->sae.quiet, t->sae_cfg.f * sizeof *t->sae.quiet);
    if (t->ref.f > 0)
        ckpt_bytes(c, "partner", t->sae.pull.partner, t->sae_cfg.f * sizeof(uint32_t));
    if (t->has_rule) {
        ckpt_bytes(c, "rule.fired", t->rule.fired, t->sae_cfg.f * sizeof *t->rule.fired);
        ckpt_bytes(c, "rule.peak", t->rule.peak, t->sae_cfg.f * sizeof *t->rule.peak);
    }
    for (size_t i = 0; i < t->sae.n_params; i++)
        if (sae_has(&t->sae, (int)i))
            ckpt_params(c, &t->sae.p[i], 1);
    train_two_list(t, c);
}

static void into_state(struct train *t)
{
    t->st.adam_t = t->sae.cfg.adam.t;
    t->st.theta = t->sae.theta;
    memcpy(t->st.bias_since, t->rule.since, sizeof t->st.bias_since);
}

static void out_of_state(struct train *t)
{
    t->sae.cfg.adam.t = t->st.adam_t;
    t->sae.theta = t->st.theta;
    memcpy(t->rule.since, t->st.bias_since, sizeof t->rule.since);
}

static enum err_code save_state(struct train *t, struct err *e)
{
    struct ckpt c = {0};
    enum err_code rc;

    into_state(t);
    list_state(t, &c, false);
    rc = job_checkpoint_save(t->j, &c, e);
    ckpt_free(&c);
    return rc;
}

/* What a longer training begins with: the end of a shorter one. */
static enum err_code save_end(struct train *t, struct err *e)
{
    struct ckpt c = {0};
    enum err_code rc;

    into_state(t);
    list_state(t, &c, true);
    rc = ckpt_save(&c, job_path(t->j, END_FILE), t->j->id, e);
    ckpt_free(&c);
    return rc ? err_wrap(e, "keep_state") : ERR_OK;
}

static enum err_code load_end(struct train *t, const struct job_input *from, struct err *e)
{
    struct ckpt c = {0};
    struct buf path = {0};
    bool is_found;

    *e = (struct err){0};
    buf_fmt(&path, "%s/" END_FILE, from->dir);
    list_state(t, &c, true);
    ckpt_load(&c, path.data, from->job, &is_found, e);
    ckpt_free(&c);
    buf_free(&path);
    if (!is_found)
        return err_set(e, ERR_INVALID, "from: it has no state to go on from (%s): keep_state: true, and equal knobs but steps",
                       e->text[0] ? e->text : "none was kept");
    if (t->st.step >= t->n_steps)
        return err_set(e, ERR_INVALID, "from: it has taken %" PRId64 " steps already, steps: %" PRId64, t->st.step, t->n_steps);
    out_of_state(t);
    memset(t->st.sum, 0, sizeof t->st.sum);
    t->st.n_sum = 0;
    return ERR_OK;
}

/* Goes on from a checkpoint of an earlier attempt or of a shorter training, or starts. */
static enum err_code resume_or_start(struct train *t, struct err *e)
{
    const struct job_input *from = job_input(t->j, "from");
    struct ckpt c = {0};
    enum err_code rc = ERR_OK;

    if (t->has_rule)
        bias_rule_split(&t->rule, t->sae_cfg.f, seed_of(t->cfg->seed_init, t->cfg->seed));
    list_state(t, &c, false);
    if (job_checkpoint_load(t->j, &c))
        out_of_state(t);
    else if (from)
        rc = load_end(t, from, e);
    else
        start(t);
    ckpt_free(&c);
    return rc;
}

/* --- training --------------------------------------------------------------------------------- */

static size_t next_batch(struct train *t)
{
    size_t n = t->acts.n, take;

    if ((size_t)t->st.at >= n) {
        rng_perm(&t->st.order, t->perm, n);
        t->st.at = 0;
    }
    take = n - (size_t)t->st.at < t->batch ? n - (size_t)t->st.at : t->batch;
    for (size_t i = 0; i < take; i++)
        train_row(t, i, t->perm[(size_t)t->st.at + i]);
    t->st.at += (int64_t)take;
    return take;
}

static void log_point(struct train *t, double lr)
{
    static const char *const names[TRAIN_MEAN_N] = {"loss", "recon", "l0"};
    struct train_state *st = &t->st;

    st->sum[TRAIN_MEAN_LOSS] += t->work.loss;
    st->sum[TRAIN_MEAN_RECON] += t->work.recon;
    st->sum[TRAIN_MEAN_L0] += t->work.l0;
    st->n_sum++;
    if (st->step % t->every != 0 && st->step != 1 && st->step != t->n_steps)
        return;
    for (int i = 0; i < TRAIN_MEAN_N; i++)
        job_series(t->j, names[i], st->step, st->sum[i] / (double)st->n_sum);
    job_series(t->j, "dec_cos_init", st->step, sae_cos_init(&t->sae));
    job_series(t->j, "lr", st->step, lr);
    if (t->sae_cfg.aux.alpha > 0 || t->sae_cfg.arch->has_gate)
        job_series(t->j, "aux_loss", st->step, t->work.aux);
    if (t->ref.f > 0)
        job_series(t->j, "consistency", st->step, t->work.pull_loss);
    if (t->two.is_on)
        job_series(t->j, "jacobian", st->step, t->two.jac.mean);
    if (t->sae_cfg.arch->select == SAE_SELECT_BATCH)
        job_series(t->j, "threshold", st->step, t->sae.theta);
    memset(st->sum, 0, sizeof st->sum);
    st->n_sum = 0;
}

/* Partners of the assignment-aware penalty: Hungarian on 1 - |cos|. */
static enum err_code assign_partners(struct train *t, struct err *e)
{
    struct sae *s = &t->sae;
    size_t f = t->sae_cfg.f, o = t->target.d;

    if (!t->sae.pull.ref || s->pull.rule != SAE_PULL_ASSIGNED ||
        t->st.step % t->cfg->consistency_every)
        return ERR_OK;
    for (size_t i = 0; i < f; i++) {
        const real *dir = s->p[SAE_DECODER].data + i * o;
        double norm = sqrt(vec_sumsq(dir, o));

        for (size_t j = 0; j < t->ref.f; j++)
            t->cost[i * t->ref.f + j] =
                (float)(1 - fabs((double)vec_dot(dir, t->ref.dir + j * o, o)) /
                                (norm > 0 ? norm : 1));
    }
    return assign_min(s->pull.partner, t->cost, f, t->ref.f, e);
}

/* A checkpoint of its own, if this step is to have one. */
static enum err_code save_mark(struct train *t, struct err *e)
{
    for (size_t i = 0; i < t->n_marks; i++)
        if (t->marks[i] == t->st.step) {
            char name[64];

            snprintf(name, sizeof name, "checkpoints/sae_step%" PRId64 ".pt", t->st.step);
            if (train_save_sae(t, job_path(t->j, name), e))
                return e->code;
            snprintf(name, sizeof name, "checkpoints/sae_out_step%" PRId64 ".pt", t->st.step);
            return t->two.is_on ? train_two_save(t, t->st.step, job_path(t->j, name), e) : ERR_OK;
        }
    return ERR_OK;
}

/* What happens between steps, by their number. */
static enum err_code after_step(struct train *t, struct err *e)
{
    const struct sae_train_cfg *c = t->cfg;

    if (t->has_rule)
        bias_rule_step(&t->rule, &t->sae, &t->work);
    if (c->resample_every > 0 && t->st.step % c->resample_every == 0 && t->st.step < t->n_steps)
        job_series(t->j, "resampled", t->st.step, (double)train_resample(t));
    return save_mark(t, e);
}

static enum err_code step(struct train *t, const char **bad, struct err *e)
{
    const struct sae_train_cfg *c = t->cfg;
    size_t n = next_batch(t);
    double lr = schedule_lr(c->lr, t->st.step, t->n_steps, c->warmup, c->decay);
    size_t slot = (size_t)t->st.step % t->n_last;

    if (assign_partners(t, e))
        return e->code;
    t->sae.l1_scale = t->st.step + 1 < c->l1_warmup
                          ? (double)(t->st.step + 1) / (double)c->l1_warmup : 1;
    *bad = t->two.is_on ? train_two_step(t, n, lr)
                        : sae_step_to(&t->sae, &t->work, t->rows, t->wanted, n, lr);
    t->st.step++;
    if (*bad)
        return ERR_DIVERGED;
    t->st.rows_seen += (int64_t)n;
    t->last[slot] = t->work.loss;
    t->last_n[slot] = (uint32_t)n;
    log_point(t, lr);
    return after_step(t, e);
}

static enum err_code loop(struct train *t, const char **bad, struct err *e)
{
    struct job *j = t->j;

    *bad = NULL;
    if (t->st.step == 0 && save_mark(t, e))
        return e->code;
    while (t->st.step < t->n_steps) {
        bool is_stop = job_stop_wanted(j);

        if (is_stop || job_checkpoint_due(j)) {
            enum err_code rc = save_state(t, e);

            if (rc)
                return err_wrap(e, "sae_train: checkpoint at step %" PRId64, t->st.step);
        }
        if (is_stop)
            return err_set(e, ERR_STOPPED, "sae_train: stopped at step %" PRId64 " of %" PRId64,
                           t->st.step, t->n_steps);
        enum err_code rc = step(t, bad, e);
        if (rc)
            return rc == ERR_DIVERGED ? ERR_OK : err_wrap(e, "sae_train: step %" PRId64, t->st.step);
        job_progress(j, t->st.step, t->n_steps, "loss %.4g l0 %.3g", t->work.loss, t->work.l0);
    }
    if (t->sae.theta < 0) /* too few steps for its rule */
        t->sae.theta = t->work.least_kept;
    if (!sae_is_finite(&t->sae) || (t->two.is_on && !sae_is_finite(&t->two.sae)))
        *bad = "a parameter";
    return ERR_OK;
}

static enum err_code train_and_report(struct train *t, struct err *e)
{
    struct job *j = t->j;
    int64_t from = j->clock->mono_us(j->clock);
    const char *bad;

    train_means(t); /* b_dec may start there */
    t->factor = sae_input_scale(t->input, t->acts.x, t->acts.n, t->acts.d);
    enum err_code rc = resume_or_start(t, e);
    if (rc)
        return rc;
    t->rows_before = t->st.rows_seen;
    rc = loop(t, &bad, e);
    t->train_s = (double)(j->clock->mono_us(j->clock) - from) / 1e6;
    if (rc)
        return rc;
    train_report_course(t);
    if (bad)
        train_report_diverged(t, bad);
    else if (t->cfg->keep_state)
        rc = save_end(t, e);
    if (!bad && !rc)
        rc = train_report(t, e);
    return rc;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct train t;
    enum err_code rc = train_prepare(&t, j, e);

    if (rc)
        return rc;
    train_memory(&t);
    rc = train_two_memory(&t, e);
    if (!rc)
        rc = train_and_report(&t, e);
    train_close(&t);
    return rc;
}

const struct job_impl job_impl_sae_train = {"sae_train", plan, run};
