/* sae_train_plan.c - knobs and inputs of a training, as sizes and constants. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/eval/recon.h"
#include "worker/jobs/sae_train.h"

enum { POINTS = 200 }; /* logged over a training */

/* A knob's text as its place in the list of choices that follow `at`. */
static int choice(const char *text, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(text, names[i]))
            return i;
    return 0;
}

#define CHOICE(text, ...) choice(text, (const char *const[]){__VA_ARGS__, NULL})

static void prefixes(struct sae_prefixes *p, const struct sae_train_cfg *c)
{
    const char *at = c->prefixes;

    p->rule = (enum sae_prefix_rule)CHOICE(c->prefix_loss, "mean", "mean_with_bias", "dl", "sum",
                                           "husai_0.2");
    while (*at && p->n < SAE_PREFIX_MAX) {
        char *end;
        double v = strtod(at, &end);
        size_t width = (size_t)(v <= 1 ? round(v * (double)c->d_sae) : v);

        if (end == at)
            break;
        /* shares of a small dictionary may round to the same width */
        if (width > 0 && (p->n == 0 || width > p->end[p->n - 1]))
            p->end[p->n++] = width;
        at = *end ? end + 1 : end;
    }
}

static void constants(struct sae_cfg *s, const struct sae_train_cfg *c)
{
    const struct sae_arch *arch = s->arch;
    bool is_auto = !strcmp(c->decoder_norm, "auto");

    s->norm = is_auto ? arch->norm
                      : (enum sae_norm)CHOICE(c->decoder_norm, "none", "renorm", "project",
                                              "wrong_axis");
    s->l1_form = (enum sae_l1_form)CHOICE(c->l1_form, "auto", "plain", "norm_weighted");
    s->is_tied = !strcmp(c->init, "auto") ? arch->is_tied : !strcmp(c->init, "tied");
    s->theta_rule = (enum sae_theta_rule)CHOICE(c->threshold, "ema", "dl", "matsae");
    if (arch->params >> SAE_LOG_THETA & 1)
        s->jump = (struct sae_jump){
            .bandwidth = c->bandwidth,
            .theta = c->theta,
            .target_l0 = c->target_l0,
            .tanh_scale = !strcmp(c->jump_loss, "tanh") ? c->tanh_scale : 0,
            .dead_pull = c->dead_pull};
    if (!strcmp(c->aux, "auxk"))
        s->aux = (struct sae_aux){c->auxk_alpha, (size_t)c->k_aux};
    if (arch->is_nested)
        prefixes(&s->prefixes, c);
    s->jacobian = !strcmp(c->arch, "jsae") ? c->jacobian : 0;
}

static enum err_code config(struct train *t, struct err *e)
{
    const struct sae_train_cfg *c = t->cfg;
    const struct sae_arch *arch = t->arch;

    t->sae_cfg = (struct sae_cfg){
        .arch = arch,
        .d = t->acts.d,
        .d_out = t->target.d,
        .f = (size_t)c->d_sae,
        .k = (size_t)c->k,
        .l1 = c->l1,
        .clip = c->clip,
        .is_bf16 = !strcmp(c->precision, "bf16"),
        .is_aligned = c->aligned,
        .dead_rows = c->dead_rows,
        .n_ref = t->ref.f,
        .adam = {.lr = c->lr, .beta1 = c->beta1, .beta2 = c->beta2, .eps = 1e-8},
    };
    constants(&t->sae_cfg, c);
    t->input = (enum sae_input_mode)CHOICE(c->normalize, "none", "expected_average_only_in",
                                           "unit_mean_sq", "constant_norm_rescale", "layer_norm");
    t->has_rule = !strcmp(c->bias_rule, "gba") ||
                  (!strcmp(c->bias_rule, "auto") && arch->is_one_matrix);
    t->rule = (struct bias_rule){.high = c->bias_high, .low = c->bias_low, .gamma = c->bias_gamma,
                                 .eps = 1e-6, .every = c->bias_every,
                                 .n_groups = (size_t)c->bias_groups};
    if (t->has_target && c->resample_every > 0)
        return err_set(e, ERR_INVALID, "sae_train: resample_every: %s predicts other rows than it reads; "
                       "resampling is for autoencoders", c->arch);
    if (arch->is_transcoder && c->aligned)
        return err_set(e, ERR_INVALID, "sae_train: aligned: %s reads and writes at different hooks", c->arch);
    if (t->has_target && (arch->is_centred || t->input != SAE_INPUT_NONE))
        return err_set(e, ERR_INVALID,
                       "sae_train: target: goes with an arch that does not centre its input and "
                       "with normalize none; arch is %s, normalize %s",
                       c->arch, c->normalize);
    return sae_cfg_check(&t->sae_cfg, e);
}

static void marks(struct train *t)
{
    for (const char *at = t->cfg->checkpoints_at; *at && t->n_marks < TRAIN_MARKS_MAX;) {
        char *end;

        t->marks[t->n_marks++] = strtoll(at, &end, 10);
        at = *end ? end + 1 : end;
    }
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
    if (c->resample_every > 0 || !strcmp(c->b_dec_init, "geometric_median"))
        t->sample_n = t->acts.n < TRAIN_SAMPLE_ROWS ? t->acts.n : TRAIN_SAMPLE_ROWS;
    marks(t);
    if (t->n_marks > 0 && t->marks[t->n_marks - 1] > t->n_steps)
        return err_set(e, ERR_INVALID, "sae_train: checkpoints_at: %" PRId64 " is past the last step, "
                       "%" PRId64, t->marks[t->n_marks - 1], t->n_steps);
    return ERR_OK;
}

static enum err_code open_reference(struct train *t, struct err *e)
{
    const struct job_input *in = job_input(t->j, "reference");
    bool is_wanted = strcmp(t->cfg->consistency, "none") != 0;
    struct buf path = {0};
    enum err_code rc;

    if (!in && is_wanted)
        return err_set(e, ERR_INVALID, "sae_train: consistency: %s needs the input `reference`",
                       t->cfg->consistency);
    if (in && !is_wanted)
        return err_set(e, ERR_INVALID,
                       "sae_train: reference: has no effect while consistency is none");
    if (!in)
        return ERR_OK;
    buf_fmt(&path, "%s/%s", in->dir, SAE_FILE);
    rc = sae_dict_load(&t->ref, path.data, e);
    buf_free(&path);
    if (rc)
        return err_wrap(e, "sae_train: reference");
    if (t->ref.d != t->target.d)
        return err_set(e, ERR_INVALID, "sae_train: reference: %zu dims, the target has %zu",
                       t->ref.d, t->target.d);
    if (!strcmp(t->cfg->consistency, "assignment") && t->ref.f < (size_t)t->cfg->d_sae)
        return err_set(e, ERR_INVALID,
                       "sae_train: reference: %zu features are fewer than d_sae, %" PRId64
                       ": not everyone gets a partner", t->ref.f, t->cfg->d_sae);
    return ERR_OK;
}

enum err_code train_prepare(struct train *t, struct job *j, struct err *e)
{
    enum err_code rc;

    *t = (struct train){.j = j, .cfg = j->cfg, .factor = 1};
    t->arch = sae_arch_find(t->cfg->arch);
    if (!t->arch)
        return err_set(e, ERR_INVALID, "sae_train: arch: %s: not known to this program", t->cfg->arch);
    if (acts_pair_open(&t->pair, j, t->arch->is_transcoder || t->arch->is_pair, e))
        return err_wrap(e, "sae_train");
    t->acts = t->pair.x;
    t->has_target = t->pair.has_y && !t->arch->is_pair;
    t->target = t->has_target ? t->pair.y : t->acts;
    rc = open_reference(t, e);
    if (!rc)
        rc = config(t, e);
    if (!rc)
        rc = lengths(t, e);
    if (!rc && train_two_open(t, e))
        rc = err_wrap(e, "sae_train");
    if (rc)
        train_close(t);
    return rc;
}

void train_close(struct train *t)
{
    train_two_close(t);
    acts_pair_close(&t->pair);
    sae_dict_free(&t->ref);
}

static size_t n_cost(const struct train *t)
{
    return strcmp(t->cfg->consistency, "assignment") ? 0 : t->sae_cfg.f * t->ref.f;
}

/* Of a sample's rows; or the next point of its median. */
static size_t n_weights(const struct train *t)
{
    return t->sample_n == 0 ? 0 : t->sample_n > t->acts.d ? t->sample_n : t->acts.d;
}

size_t train_bytes(const struct train *t)
{
    size_t d = t->acts.d, o = t->target.d, f = t->sae_cfg.f;

    return sae_bytes(&t->sae_cfg) + sae_work_bytes(&t->sae_cfg, t->batch) +
           (t->has_rule ? bias_rule_bytes(f) : 0) + arena_need(t->acts.n, sizeof(uint32_t)) +
           arena_need(t->n_last, sizeof(double)) + arena_need(t->n_last, sizeof(uint32_t)) +
           arena_need(t->batch * d, sizeof(real)) +
           arena_need(t->has_target ? t->batch * o : 0, sizeof(real)) +
           2 * arena_need(t->batch, sizeof(real)) + arena_need(o, sizeof(double)) + arena_need(recon_room(o), sizeof(double)) +
           arena_need(f, sizeof(uint64_t)) + arena_need(f, sizeof(double)) +
           arena_need(t->sample_n * d, sizeof(real)) + arena_need(n_weights(t), sizeof(double)) +
           arena_need(n_cost(t), sizeof(float)) + train_two_bytes(t);
}

void train_memory(struct train *t)
{
    struct arena *a = t->j->arena;
    size_t d = t->acts.d, o = t->target.d, f = t->sae_cfg.f;

    sae_new(&t->sae, &t->sae_cfg, a);
    sae_work_new(&t->work, &t->sae_cfg, t->batch, a);
    if (t->has_rule)
        bias_rule_new(&t->rule, f, a);
    t->perm = arena_new(a, uint32_t, t->acts.n);
    t->last = arena_new(a, double, t->n_last);
    t->last_n = arena_new(a, uint32_t, t->n_last);
    t->rows = arena_new(a, real, t->batch * d);
    t->wanted = t->has_target ? arena_new(a, real, t->batch * o) : t->rows;
    t->shift = arena_new(a, real, t->batch);
    t->scale = arena_new(a, real, t->batch);
    t->mean = arena_new(a, double, o);
    t->sums = arena_new(a, double, recon_room(o));
    t->count = arena_new(a, uint64_t, f);
    t->density = arena_new(a, double, f);
    t->sample = arena_new(a, real, t->sample_n * d);
    t->sample_w = arena_new(a, double, n_weights(t));
    t->cost = arena_new(a, float, n_cost(t));
    if (t->ref.f == 0)
        return;
    t->sae.pull.ref = t->ref.dir;
    t->sae.pull.lambda = t->cfg->consistency_lambda;
    t->sae.pull.rule = (enum sae_pull_rule)CHOICE(t->cfg->consistency, "max_cosine", "assignment",
                                                  "mutual");
}
