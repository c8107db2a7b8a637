/* sae_train_report.c - what a finished training measures and writes. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "worker/eval/course.h"
#include "worker/eval/match.h"
#include "worker/eval/recon.h"
#include "worker/jobs/sae_train.h"
#include "worker/num/vec.h"

/* The batch in w->xhat and t->wanted as it was before the input mode. */
static void undo(struct train *t, size_t n)
{
    size_t o = t->target.d;

    if (t->has_target || t->input == SAE_INPUT_NONE)
        return;
    for (size_t r = 0; r < n; r++) {
        sae_input_undo(t->work.xhat + r * o, o, t->shift[r], t->scale[r]);
        sae_input_undo(t->wanted + r * o, o, t->shift[r], t->scale[r]);
    }
}

/* All rows through the SAE as it is saved: scalar input modes folded, thresholds in use. */
static bool evaluate(struct train *t, struct recon *rec, double *l0, double *l1)
{
    size_t n = t->acts.n;
    uint64_t n_on = 0;

    recon_init(rec, t->mean, t->sums, t->target.d);
    *l1 = 0;
    for (size_t at = 0; at < n; at += t->batch) {
        size_t take = n - at < t->batch ? n - at : t->batch;

        for (size_t i = 0; i < take; i++)
            train_row(t, i, at + i);
        if (!sae_use(&t->sae, &t->work, t->rows, t->wanted, take))
            return false;
        undo(t, take);
        recon_add(rec, t->wanted, t->work.xhat, take);
        for (size_t f = 0; f < t->sae_cfg.f; f++)
            t->count[f] += t->work.fired[f];
        *l1 += t->work.l1 * (double)take / (double)n;
    }
    for (size_t i = 0; i < t->sae_cfg.f; i++)
        n_on += t->count[i];
    *l0 = (double)n_on / (double)n;
    return true;
}

enum err_code train_save_sae(struct train *t, const char *path, struct err *e)
{
    const struct sae_about about = {.seed = t->cfg->seed, .step = t->st.step,
                                    .has_target = t->has_target,
                                    .scale = sae_input_saved_as(t->input), .factor = t->factor};

    return sae_save(path, &t->sae, &about, e);
}

static void report_recon(struct job *j, const struct recon_result *r)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {{"ev", r->ev},
                {"ev_residvar", r->ev_residvar},
                {"ev_husai_global", r->ev_husai_global},
                {"ev_husai_train", r->ev_husai_train},
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
    job_metric(t->j, "firing_gini", den.gini);
    job_metric(t->j, "effective_features", den.effective);
    return den;
}

static void copy_ranks(struct job *j)
{
    static const char *const names[] = {"erank", "erank_sq", "participation", "leak", "base_acc"};
    double value;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (job_input_metric(job_input(j, "acts"), names[i], &value))
            job_metric(j, names[i], value);
}

/* When nine tenths of the improvement had been made: the convergence speed. */
static void report_speed(struct train *t)
{
    const size_t n = job_series_copy(t->j, "recon", NULL, NULL);
    int64_t *step = calloc(n + 1, sizeof *step), at;
    double *loss = calloc(n + 1, sizeof *loss);

    if (step && loss && job_series_copy(t->j, "recon", step, loss) == n &&
        course_reached(step, loss, n, 0.9, &at)) {
        job_metric(t->j, "steps_to_90", (double)at);
        job_metric(t->j, "rows_to_90",
                   (double)at * ((double)t->st.rows_seen / (double)t->st.step));
    } else {
        job_metric_absent(t->j, "steps_to_90", "the reconstruction error did not fall");
        job_metric_absent(t->j, "rows_to_90", "the reconstruction error did not fall");
    }
    free(step);
    free(loss);
}

/* How far training went: known even if it diverged. */
void train_report_course(struct train *t)
{
    struct job *j = t->j;

    job_metric(j, "steps", (double)t->st.step);
    job_metric(j, "rows_seen", (double)t->st.rows_seen);
    if (t->train_s > 0)
        job_metric(j, "rows_per_s", (double)(t->st.rows_seen - t->rows_before) / t->train_s);
    copy_ranks(j);
    report_speed(t);
}

void train_report_diverged(struct train *t, const char *bad)
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

enum err_code train_report(struct train *t, struct err *e)
{
    struct job *j = t->j;
    struct dict own = {t->sae.p[SAE_DECODER].data, t->sae_cfg.f, t->target.d};
    struct recon rec;
    double l0, l1, dup;

    sae_fold(&t->sae, t->factor);
    t->factor = 1;
    if (!evaluate(t, &rec, &l0, &l1)) {
        train_report_diverged(t, "a pre-activation of the evaluation");
        return ERR_OK;
    }
    struct recon_result r = recon_result(&rec);
    report_recon(j, &r);
    struct density den = report_density(t);
    report_loss(t);
    job_metric(j, "l0", l0);
    job_metric(j, "l1", l1);
    job_metric(j, "dec_cos_init", sae_cos_init(&t->sae));
    enum err_code rc = train_two_report(t, e);
    if (!rc)
        rc = train_save_sae(t, job_path(j, SAE_FILE), e);
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
    if (t->sae_cfg.norm == SAE_NORM_WRONG_AXIS)
        job_summary(j, "A negative control: decoder normalised along the features, not along d_model.");
    return ERR_OK;
}
