/* sae_train_two.c - the second SAE of `jsae_pair`, on the output of the MLP whose input the first one
 * sees, and the penalty between them (worker/sae/jacobian.h).  Does nothing for other architectures.
 *
 * Both have the same shape of knobs and see the same rows; batches, learning rate and clipping are
 * shared, initial weights are not.  The MLP is that of the model that the rows come from.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/fs.h"
#include "worker/eval/recon.h"
#include "worker/jobs/sae_train.h"
#include "worker/nn/ckpt.h"

enum { META_MAX = 1 << 20 };

/* --- the MLP between the hooks ---------------------------------------------------------------- */

/* From acts.meta.json: the hooks must be those around an MLP, of the model that is given. */
static enum err_code read_site(struct train *t, int64_t *layer, struct err *e)
{
    const struct job_input *model = job_input(t->j, "model");
    struct json *doc = NULL;
    struct buf path = {0};
    enum err_code rc;

    if (!model)
        return err_set(e, ERR_INVALID, "model: jsae_pair needs the model of its rows, for its MLP");
    buf_fmt(&path, "%s/acts.meta.json", job_input(t->j, "acts")->dir);
    rc = json_read(path.data, META_MAX, &doc, e);
    buf_free(&path);
    if (rc)
        return err_wrap(e, "acts: not the activations of a model");
    const char *in = json_str(json_get(doc, "hook")), *out = json_str(json_get(doc, "hook_out"));
    const char *of = json_str(json_get(doc, "model"));
    if (!in || !out || strcmp(in, "ln2_normalized") || strcmp(out, "mlp_out"))
        rc = err_set(e, ERR_INVALID, "acts: jsae_pair goes around an MLP: hook ln2_normalized and hook_out "
                     "mlp_out, not %s and %s", in ? in : "?", out ? out : "?");
    else if (!of || strcmp(of, model->job))
        rc = err_set(e, ERR_INVALID, "model: the rows of `acts` come from job %.12s, not from %.12s",
                     of ? of : "?", model->job);
    else if (!json_i64(json_get(doc, "layer"), layer) || *layer < 0)
        rc = err_set(e, ERR_INVALID, "acts.meta.json: layer: missing");
    json_free(doc);
    return rc;
}

/* --- sizes and memory ------------------------------------------------------------------------- */

/* What couples two SAEs does not go with what rewrites one. */
static enum err_code check_knobs(const struct train *t, struct err *e)
{
    const struct sae_train_cfg *c = t->cfg;
    const char *what = t->input != SAE_INPUT_NONE ? "normalize"
                       : c->resample_every > 0    ? "resample_every"
                       : t->has_rule              ? "bias_rule"
                       : t->ref.f > 0             ? "consistency"
                                                  : NULL;

    return what ? err_set(e, ERR_INVALID, "%s: has no meaning for a pair of SAEs", what) : ERR_OK;
}

enum err_code train_two_open(struct train *t, struct err *e)
{
    struct train_two *s = &t->two;
    int64_t layer;

    if (!t->arch->is_pair)
        return ERR_OK;
    if (check_knobs(t, e) || read_site(t, &layer, e))
        return e->code;
    if (mlp_site_open(&s->site, job_input(t->j, "model")->dir, layer, e))
        return err_wrap(e, "model");
    s->is_on = true;
    if (s->site.shape.d != t->acts.d || t->pair.y.d != t->acts.d)
        return err_set(e, ERR_INVALID, "model: d_model %zu, the rows have %zu and %zu dims",
                       s->site.shape.d, t->acts.d, t->pair.y.d);
    s->cfg = t->sae_cfg;
    s->cfg.d = s->cfg.d_out = t->pair.y.d;
    s->mlp = s->site.shape;
    return ERR_OK;
}

void train_two_close(struct train *t)
{
    if (t->two.is_on)
        mlp_site_close(&t->two.site);
    t->two.is_on = false;
}

size_t train_two_bytes(const struct train *t)
{
    const struct train_two *s = &t->two;
    size_t d = s->mlp.d, h = s->mlp.h, o = s->mlp.o;

    if (!s->is_on)
        return 0;
    return sae_bytes(&s->cfg) + sae_work_bytes(&s->cfg, t->batch) +
           jacobian_bytes(&s->mlp, &t->sae_cfg, &s->cfg, t->batch) + arena_need(h * d, sizeof(real)) +
           arena_need(h, sizeof(real)) + arena_need(h * o, sizeof(real)) +
           arena_need(t->batch * o, sizeof(real)) + arena_need(o, sizeof(double)) + arena_need(recon_room(o), sizeof(double)) +
           arena_need(s->cfg.f, sizeof(uint64_t));
}

enum err_code train_two_memory(struct train *t, struct err *e)
{
    struct train_two *s = &t->two;
    struct arena *a = t->j->arena;

    if (!s->is_on)
        return ERR_OK;
    s->w_in = arena_new(a, real, s->mlp.h * s->mlp.d);
    s->b_in = arena_new(a, real, s->mlp.h);
    s->w_out = arena_new(a, real, s->mlp.h * s->mlp.o);
    s->rows = arena_new(a, real, t->batch * s->mlp.o);
    s->mean = arena_new(a, double, s->mlp.o);
    s->sums = arena_new(a, double, recon_room(s->mlp.o));
    s->count = arena_new(a, uint64_t, s->cfg.f);
    sae_new(&s->sae, &s->cfg, a);
    sae_work_new(&s->work, &s->cfg, t->batch, a);
    s->mlp.w_in = s->w_in;
    s->mlp.b_in = s->b_in;
    s->mlp.w_out = s->w_out;
    jacobian_new(&s->jac, &s->mlp, &t->sae_cfg, &s->cfg, t->batch, a);
    t->work.add_dec = s->jac.add_dec;
    s->work.add_enc = s->jac.add_enc;
    recon_means(s->mean, t->pair.y.x, t->pair.y.n, s->mlp.o);
    return mlp_site_read(&s->site, s->w_in, s->b_in, s->w_out, e) ? err_wrap(e, "model") : ERR_OK;
}

/* --- training --------------------------------------------------------------------------------- */

void train_two_start(struct train *t, uint64_t seed, bool is_zero)
{
    struct rng own = rng_stream(seed, "sae.second");

    if (t->two.is_on)
        sae_init(&t->two.sae, rng_u64(&own), is_zero ? NULL : t->two.mean);
}

void train_two_list(struct train *t, struct ckpt *c)
{
    static const char *const names[SAE_DECODER + 2] = {"two.encoder", "two.encoder_bias", "two.decoder",
                                                       "two.b_dec"};
    struct sae *s = &t->two.sae;

    if (!t->two.is_on)
        return;
    ckpt_bytes(c, "two.start", s->start, s->cfg.f * s->cfg.d * sizeof(real));
    ckpt_bytes(c, "two.quiet", s->quiet, s->cfg.f * sizeof *s->quiet);
    for (int i = SAE_ENCODER; i <= SAE_B_DEC; i++) {
        s->p[i].name = names[i];
        ckpt_params(c, &s->p[i], 1);
    }
}

void train_two_row(struct train *t, size_t i, size_t row)
{
    size_t o = t->two.mlp.o;

    for (size_t c = 0; t->two.is_on && c < o; c++)
        t->two.rows[i * o + c] = t->pair.y.x[row * o + c];
}

const char *train_two_step(struct train *t, size_t n, double lr)
{
    struct train_two *s = &t->two;
    double norm[2], scale, loss;

    if (!sae_forward(&t->sae, &t->work, t->rows, n))
        return sae_not_finite(&t->work);
    if (!sae_forward(&s->sae, &s->work, s->rows, n))
        return sae_not_finite(&s->work);
    s->jac.c = t->cfg->jacobian * t->sae.l1_scale;
    loss = jacobian_run(&s->jac, &t->sae, &t->work, &s->sae, &s->work, t->rows, n);
    if (!isfinite(loss))
        return "Jacobian penalty";
    t->work.extra = loss;
    t->work.loss += s->work.loss + loss;
    t->work.recon += s->work.recon;
    sae_backward(&t->sae, &t->work);
    sae_backward(&s->sae, &s->work);
    norm[0] = grads_norm(t->sae.p, t->sae.n_params);
    norm[1] = grads_norm(s->sae.p, s->sae.n_params);
    scale = clip_scale(hypot(norm[0], norm[1]), t->sae_cfg.clip);
    s->sae.cfg.adam.t = t->sae.cfg.adam.t; /* one count for both, which checkpoints hold */
    sae_update(&t->sae, &t->work, lr, scale);
    sae_update(&s->sae, &s->work, lr, scale);
    return NULL;
}

/* --- what is written -------------------------------------------------------------------------- */

enum err_code train_two_save(struct train *t, int64_t step, const char *path, struct err *e)
{
    const struct sae_about about = {.seed = t->cfg->seed, .step = step,
                                    .scale = sae_input_saved_as(SAE_INPUT_NONE), .factor = 1};

    return t->two.is_on ? sae_save(path, &t->two.sae, &about, e) : ERR_OK;
}

/* Both SAEs on all rows; the penalty's J as it is, whatever its weight was. */
enum err_code train_two_report(struct train *t, struct err *e)
{
    struct train_two *s = &t->two;
    size_t n = t->acts.n;
    double jacobian = 0, l0 = 0;
    struct recon rec;

    if (!s->is_on)
        return ERR_OK;
    recon_init(&rec, s->mean, s->sums, s->mlp.o);
    s->jac.c = 0;
    for (size_t at = 0; at < n; at += t->batch) {
        size_t take = n - at < t->batch ? n - at : t->batch;

        for (size_t i = 0; i < take; i++)
            train_row(t, i, at + i);
        if (!sae_use(&t->sae, &t->work, t->rows, t->rows, take) ||
            !sae_use(&s->sae, &s->work, s->rows, s->rows, take))
            return err_set(e, ERR_DIVERGED, "a pre-activation of the evaluation is not finite");
        jacobian_run(&s->jac, &t->sae, &t->work, &s->sae, &s->work, t->rows, take);
        jacobian += s->jac.mean * (double)take / (double)n;
        l0 += s->work.l0 * (double)take / (double)n;
        recon_add(&rec, s->rows, s->work.xhat, take);
        for (size_t f = 0; f < s->cfg.f; f++)
            s->count[f] += s->work.fired[f];
    }
    const struct recon_result r = recon_result(&rec);
    job_metric(t->j, "ev_out", r.ev);
    job_metric(t->j, "mse_out", r.mse);
    job_metric(t->j, "l0_out", l0);
    job_metric(t->j, "dead_pct_out", density_of(s->count, s->cfg.f, n).dead_pct);
    job_metric(t->j, "jacobian_mean", jacobian);
    job_summary(t->j, "The second SAE, on the MLP's output: EV %.4f at L0 %.2f; mean |J| %.3g.", r.ev, l0,
                jacobian);
    return train_two_save(t, t->st.step, job_path(t->j, "checkpoints/sae_out.pt"), e);
}
