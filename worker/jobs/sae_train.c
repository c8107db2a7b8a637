/* sae_train.c - one sparse autoencoder on one activation matrix.
 *
 * Rows come from the mapped activation file in a seeded order, epoch by epoch; the last batch of an
 * epoch may be smaller.  All that a step changes lives in the arena and in struct train_state, which
 * checkpoints hold: a later attempt goes on with the same bits.  A loss that is not finite ends the
 * job with the verdict "negative": a result, not a failure.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/kinds/sae_train.h"
#include "common/rng.h"
#include "worker/data/acts.h"
#include "worker/eval/match.h"
#include "worker/eval/recon.h"
#include "worker/nn/ckpt.h"
#include "worker/num/vec.h"
#include "worker/runner/impl.h"
#include "worker/sae/sae_io.h"

enum { POINTS = 200 }; /* logged over a training */
enum { MEAN_LOSS, MEAN_RECON, MEAN_L0, MEAN_N };

/* What a checkpoint holds beside the arrays. */
struct train_state {
    int64_t step, rows_seen, at; /* at: place in this epoch's order */
    int64_t adam_t;
    struct rng order;
    double sum[MEAN_N];          /* since the last point */
    int64_t n_sum;
};

struct train {
    struct job *j;
    const struct sae_train_cfg *cfg;
    struct acts acts;
    struct sae_cfg sae_cfg;
    struct sae sae;
    struct sae_work work;
    struct train_state st;
    size_t batch;
    int64_t n_steps, per_epoch, every;
    uint32_t *perm;              /* [n] order of this epoch */
    double *last;                /* [per_epoch, at most n_steps] losses of the last steps */
    uint32_t *last_n;            /* their rows */
    size_t n_last;
    real *rows;                  /* [batch,d] */
    double *mean, *e_sum;        /* [d] */
    uint64_t *count;             /* [f] rows on which a feature is active */
    double *density;             /* [f] */
    double train_s;
    int64_t rows_before;         /* seen by earlier attempts */
};

static enum err_code config(struct train *t, struct job *j, struct err *e)
{
    const struct sae_train_cfg *c = j->cfg;
    const struct sae_arch *arch = sae_arch_find(c->arch);
    enum sae_norm norm;

    if (!arch)
        return err_set(e, ERR_INVALID, "sae_train: arch: %s: not known to this program", c->arch);
    norm = !strcmp(c->decoder_norm, "auto")     ? arch->norm
           : !strcmp(c->decoder_norm, "none")   ? SAE_NORM_NONE
           : !strcmp(c->decoder_norm, "renorm") ? SAE_NORM_RENORM
                                                : SAE_NORM_PROJECT;
    t->cfg = c;
    t->sae_cfg = (struct sae_cfg){
        .arch = arch,
        .d = t->acts.d,
        .f = (size_t)c->d_sae,
        .k = (size_t)c->k,
        .l1 = c->l1,
        .clip = c->clip,
        .norm = norm,
        .is_tied = !strcmp(c->init, "auto") ? arch->is_tied : !strcmp(c->init, "tied"),
        .adam = {.lr = c->lr, .beta1 = c->beta1, .beta2 = c->beta2, .eps = 1e-8},
    };
    return sae_cfg_check(&t->sae_cfg, e);
}

static enum err_code lengths(struct train *t, struct err *e)
{
    const struct sae_train_cfg *c = t->cfg;

    if (t->acts.n == 0 || t->acts.n > UINT32_MAX)
        return err_set(e, ERR_INVALID, "sae_train: acts: %zu rows are outside [1, %" PRIu32 "]",
                       t->acts.n, UINT32_MAX);
    if (c->steps == 0 && c->epochs == 0)
        return err_set(e, ERR_INVALID, "sae_train: steps and epochs are both 0: nothing to do");
    t->batch = (size_t)c->batch < t->acts.n ? (size_t)c->batch : t->acts.n;
    t->per_epoch = (int64_t)((t->acts.n + t->batch - 1) / t->batch);
    t->n_steps = c->steps > 0 ? c->steps : c->epochs * t->per_epoch;
    t->every = t->n_steps / POINTS > 0 ? t->n_steps / POINTS : 1;
    t->n_last = (size_t)(t->per_epoch < t->n_steps ? t->per_epoch : t->n_steps);
    return ERR_OK;
}

/* Opens the input and computes all sizes; close with acts_close(). */
static enum err_code prepare(struct train *t, struct job *j, struct err *e)
{
    const struct job_input *in = job_input(j, "acts");
    enum err_code rc;

    *t = (struct train){.j = j};
    if (!in)
        return err_set(e, ERR_INVALID, "sae_train: acts: input is missing");
    rc = acts_open(&t->acts, in->dir, e);
    if (rc)
        return err_wrap(e, "sae_train: acts");
    rc = config(t, j, e);
    if (!rc)
        rc = lengths(t, e);
    if (rc)
        acts_close(&t->acts);
    return rc;
}

static size_t bytes(const struct train *t)
{
    size_t d = t->acts.d, f = t->sae_cfg.f;

    return sae_bytes(&t->sae_cfg) + sae_work_bytes(&t->sae_cfg, t->batch) +
           arena_need(t->acts.n, sizeof(uint32_t)) + arena_need(t->n_last, sizeof(double)) +
           arena_need(t->n_last, sizeof(uint32_t)) +
           arena_need(t->batch * d, sizeof(real)) + 2 * arena_need(d, sizeof(double)) +
           arena_need(f, sizeof(uint64_t)) + arena_need(f, sizeof(double));
}

static void memory(struct train *t)
{
    struct arena *a = t->j->arena;
    size_t d = t->acts.d, f = t->sae_cfg.f;

    sae_new(&t->sae, &t->sae_cfg, a);
    sae_work_new(&t->work, &t->sae_cfg, t->batch, a);
    t->perm = arena_new(a, uint32_t, t->acts.n);
    t->last = arena_new(a, double, t->n_last);
    t->last_n = arena_new(a, uint32_t, t->n_last);
    t->rows = arena_new(a, real, t->batch * d);
    t->mean = arena_new(a, double, d);
    t->e_sum = arena_new(a, double, d);
    t->count = arena_new(a, uint64_t, f);
    t->density = arena_new(a, double, f);
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    struct train t;
    enum err_code rc = prepare(&t, j, e);

    if (rc)
        return rc;
    p->arena_bytes = bytes(&t);
    p->n_steps = t.n_steps;
    acts_close(&t.acts);
    return ERR_OK;
}

static uint64_t seed_of(int64_t own, int64_t root)
{
    return (uint64_t)(own >= 0 ? own : root);
}

static void start(struct train *t)
{
    const struct sae_train_cfg *c = t->cfg;
    bool is_mean = !strcmp(c->b_dec_init, "mean") ||
                   (!strcmp(c->b_dec_init, "auto") && t->sae_cfg.arch->is_centred);

    sae_init(&t->sae, seed_of(c->seed_init, c->seed), is_mean ? t->mean : NULL);
    t->st.order = rng_stream(seed_of(c->seed_order, c->seed), "sae.order");
    t->st.at = (int64_t)t->acts.n; /* the first step draws an order */
}

/* --- checkpoints ------------------------------------------------------------------------------ */

static void list_state(struct train *t, struct ckpt *c)
{
    ckpt_bytes(c, "train", &t->st, sizeof t->st);
    ckpt_bytes(c, "perm", t->perm, t->acts.n * sizeof *t->perm);
    ckpt_bytes(c, "last", t->last, t->n_last * sizeof *t->last);
    ckpt_bytes(c, "last_n", t->last_n, t->n_last * sizeof *t->last_n);
    ckpt_bytes(c, "start", t->sae.start, t->sae_cfg.f * t->sae_cfg.d * sizeof(real));
    ckpt_params(c, t->sae.p, t->sae.n_params);
}

static enum err_code save_state(struct train *t, struct err *e)
{
    struct ckpt c = {0};
    enum err_code rc;

    t->st.adam_t = t->sae.cfg.adam.t;
    list_state(t, &c);
    rc = job_checkpoint_save(t->j, &c, e);
    ckpt_free(&c);
    return rc;
}

/* Goes on from a checkpoint of an earlier attempt, or starts. */
static void resume_or_start(struct train *t)
{
    struct ckpt c = {0};

    list_state(t, &c);
    if (job_checkpoint_load(t->j, &c))
        t->sae.cfg.adam.t = t->st.adam_t;
    else
        start(t);
    ckpt_free(&c);
}

/* --- training --------------------------------------------------------------------------------- */

static size_t next_batch(struct train *t)
{
    size_t n = t->acts.n, d = t->acts.d, take;

    if ((size_t)t->st.at >= n) {
        rng_perm(&t->st.order, t->perm, n);
        t->st.at = 0;
    }
    take = n - (size_t)t->st.at < t->batch ? n - (size_t)t->st.at : t->batch;
    for (size_t i = 0; i < take; i++) {
        const float *x = t->acts.x + (size_t)t->perm[(size_t)t->st.at + i] * d;

        for (size_t c = 0; c < d; c++)
            t->rows[i * d + c] = x[c];
    }
    t->st.at += (int64_t)take;
    return take;
}

static void log_point(struct train *t, double lr)
{
    static const char *const names[MEAN_N] = {"loss", "recon", "l0"};
    struct train_state *st = &t->st;

    st->sum[MEAN_LOSS] += t->work.loss;
    st->sum[MEAN_RECON] += t->work.recon;
    st->sum[MEAN_L0] += t->work.l0;
    st->n_sum++;
    if (st->step % t->every != 0 && st->step != 1 && st->step != t->n_steps)
        return;
    for (int i = 0; i < MEAN_N; i++)
        job_series(t->j, names[i], st->step, st->sum[i] / (double)st->n_sum);
    job_series(t->j, "dec_cos_init", st->step, sae_cos_init(&t->sae));
    job_series(t->j, "lr", st->step, lr);
    memset(st->sum, 0, sizeof st->sum);
    st->n_sum = 0;
}

static enum err_code step(struct train *t, const char **bad)
{
    const struct sae_train_cfg *c = t->cfg;
    size_t n = next_batch(t);
    double lr = schedule_lr(c->lr, t->st.step, t->n_steps, c->warmup, c->decay);
    size_t slot = (size_t)t->st.step % t->n_last;

    *bad = sae_step(&t->sae, &t->work, t->rows, n, lr);
    t->st.step++;
    if (*bad)
        return ERR_DIVERGED;
    t->st.rows_seen += (int64_t)n;
    t->last[slot] = t->work.loss;
    t->last_n[slot] = (uint32_t)n;
    log_point(t, lr);
    return ERR_OK;
}

static enum err_code loop(struct train *t, const char **bad, struct err *e)
{
    struct job *j = t->j;

    *bad = NULL;
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
        if (step(t, bad) == ERR_DIVERGED)
            return ERR_OK;
        job_progress(j, t->st.step, t->n_steps, "loss %.4g l0 %.3g", t->work.loss, t->work.l0);
    }
    if (!sae_is_finite(&t->sae))
        *bad = "a parameter";
    return ERR_OK;
}

/* --- results ---------------------------------------------------------------------------------- */

static void count_active(struct train *t)
{
    size_t f = t->sae_cfg.f, k = t->sae_cfg.k;

    for (size_t r = 0; r < t->work.n; r++) {
        if (!t->sae_cfg.arch->is_sparse) {
            for (size_t i = 0; i < f; i++)
                t->count[i] += t->work.z[r * f + i] != 0;
            continue;
        }
        for (size_t i = 0; i < t->work.n_act[r]; i++)
            t->count[t->work.idx[r * k + i]] += t->work.val[r * k + i] != 0;
    }
}

static bool evaluate(struct train *t, struct recon *rec, double *l0, double *l1)
{
    size_t n = t->acts.n, d = t->acts.d;
    uint64_t n_on = 0;

    recon_init(rec, t->mean, t->e_sum, d);
    *l1 = 0;
    for (size_t at = 0; at < n; at += t->batch) {
        size_t take = n - at < t->batch ? n - at : t->batch;

        for (size_t i = 0; i < take * d; i++)
            t->rows[i] = t->acts.x[at * d + i];
        if (!sae_forward(&t->sae, &t->work, t->rows, take))
            return false;
        recon_add(rec, t->rows, t->work.xhat, take);
        count_active(t);
        *l1 += t->work.l1 * (double)take / (double)n;
    }
    for (size_t i = 0; i < t->sae_cfg.f; i++)
        n_on += t->count[i];
    *l0 = (double)n_on / (double)n;
    return true;
}

static void report_recon(struct job *j, const struct recon_result *r)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {{"ev", r->ev},
                {"ev_residvar", r->ev_residvar},
                {"ev_husai_global", r->ev_husai_global},
                {"ev_legacy", r->ev_legacy},
                {"nmse_raw", r->nmse_raw},
                {"mse", r->mse},
                {"mse_sum", r->mse_sum},
                {"cosine", r->cosine},
                {"l2_ratio", r->l2_ratio},
                {"rel_bias", r->rel_bias}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        job_metric(j, rows[i].name, rows[i].value);
}

static struct density report_density(struct train *t)
{
    size_t f = t->sae_cfg.f;
    struct density den;

    for (size_t i = 0; i < f; i++)
        t->density[i] = log10((double)t->count[i] / (double)t->acts.n + 1e-10);
    job_histogram(t->j, "log10_activation_frequency", t->density, f);
    den = density_of(t->count, f, t->acts.n);
    job_metric(t->j, "dead_pct", den.dead_pct);
    job_metric(t->j, "dense_pct", den.dense_pct);
    job_metric(t->j, "freq_min", den.min);
    job_metric(t->j, "freq_median", den.median);
    job_metric(t->j, "freq_mean", den.mean);
    job_metric(t->j, "freq_max", den.max);
    return den;
}

/* How far training went: known even if it diverged. */
static void report_course(struct train *t)
{
    struct job *j = t->j;

    job_metric(j, "steps", (double)t->st.step);
    job_metric(j, "rows_seen", (double)t->st.rows_seen);
    if (t->train_s > 0)
        job_metric(j, "rows_per_s", (double)(t->st.rows_seen - t->rows_before) / t->train_s);
    job_provenance(j, "isa", "%s", vec_isa());
}

static void copy_ranks(struct job *j)
{
    static const char *const names[] = {"erank", "erank_sq", "participation"};
    double value;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (job_input_metric(job_input(j, "acts"), names[i], &value))
            job_metric(j, names[i], value);
}

static void report_diverged(struct train *t, const char *bad)
{
    static const char *const lost[] = {"ev", "mse", "l0", "dead_pct", "loss"};
    struct buf text = {0};

    buf_fmt(&text, "diverged: %s not finite at step %" PRId64 " of %" PRId64, bad, t->st.step,
            t->n_steps);
    for (size_t i = 0; i < ARRAY_LEN(lost); i++)
        job_metric_absent(t->j, lost[i], text.data);
    job_verdict(t->j, "negative", text.data);
    job_summary(t->j, "Training %s.", text.data);
    buf_free(&text);
}

static void report_loss(struct train *t)
{
    size_t n = (size_t)t->st.step < t->n_last ? (size_t)t->st.step : t->n_last;
    double sum = 0, rows = 0;

    for (size_t i = 0; i < n; i++) {
        sum += t->last[i] * (double)t->last_n[i];
        rows += (double)t->last_n[i];
    }
    job_metric(t->j, "loss", sum / rows);
}

static enum err_code report(struct train *t, struct err *e)
{
    struct job *j = t->j;
    struct dict own = {t->sae.p[SAE_DECODER].data, t->sae_cfg.f, t->sae_cfg.d};
    struct recon rec;
    double l0, l1, dup;

    if (!evaluate(t, &rec, &l0, &l1)) {
        report_diverged(t, "a pre-activation of the evaluation");
        return ERR_OK;
    }
    struct recon_result r = recon_result(&rec);
    report_recon(j, &r);
    struct density den = report_density(t);
    report_loss(t);
    job_metric(j, "l0", l0);
    job_metric(j, "l1", l1);
    job_metric(j, "dec_cos_init", sae_cos_init(&t->sae));
    enum err_code rc = sae_save(job_path(j, SAE_FILE), &t->sae, t->cfg->seed, e);
    for (size_t i = 0; i < own.f; i++) /* after saving: cosines need unit rows */
        vec_normalise(t->sae.p[SAE_DECODER].data + i * own.d, own.d);
    if (!rc)
        rc = match_duplicates(&dup, &own, e);
    if (rc)
        return err_wrap(e, "sae_train");
    job_metric(j, "dup_cos_max", dup);
    job_summary(j, "%s, %zu features, %" PRId64 " steps on %zu rows of %zu dims: EV %.4f at L0 "
                   "%.2f, %.1f %% of the features dead.",
                t->cfg->arch, t->sae_cfg.f, t->st.step, t->acts.n, t->acts.d, r.ev, l0,
                den.dead_pct);
    return ERR_OK;
}

static enum err_code train_and_report(struct train *t, struct err *e)
{
    struct job *j = t->j;
    int64_t from = j->clock->mono_us(j->clock);
    const char *bad;

    recon_means(t->mean, t->acts.x, t->acts.n, t->acts.d); /* b_dec may start there */
    resume_or_start(t);
    t->rows_before = t->st.rows_seen;
    enum err_code rc = loop(t, &bad, e);
    t->train_s = (double)(j->clock->mono_us(j->clock) - from) / 1e6;
    if (rc)
        return rc;
    report_course(t);
    copy_ranks(j);
    if (bad)
        report_diverged(t, bad);
    else
        rc = report(t, e);
    return rc;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct train t;
    enum err_code rc = prepare(&t, j, e);

    if (rc)
        return rc;
    memory(&t);
    rc = train_and_report(&t, e);
    acts_close(&t.acts);
    return rc;
}

const struct job_impl job_impl_sae_train = {"sae_train", plan, run};
