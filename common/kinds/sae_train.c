/* sae_train.c - the row of kind `sae_train`. */
#include "common/kinds/sae_train.h"

#include <string.h>

#include "common/kinds/row.h"

#define CFG_STRUCT sae_train_cfg
static const struct cfg_field fields[] = {SAE_TRAIN_FIELDS(CFG_ROW)};
static const char *const metrics[] = {
    "ev",        "mse",      "l0",        "dead_pct",  "loss",          "steps",       "rows_seen",
    "mse_sum",   "nmse_raw", "ev_legacy", "ev_residvar", "ev_husai_global", "cosine",  "l2_ratio",
    "rel_bias",  "l1",       "dense_pct", "freq_min",  "freq_median",   "freq_mean",   "freq_max",
    "dec_cos_init", "dup_cos_max", "rows_per_s", NULL};

typedef const char *(*getter)(void *ctx, const char *name);

static bool is(getter get, void *ctx, const char *knob, const char *value)
{
    const char *text = get(ctx, knob);

    return text && strcmp(text, value) == 0;
}

static bool is_one_of(const char *text, const char *const *list)
{
    for (; text && *list; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* "100,1000": ascending whole numbers. */
static enum err_code check_steps(const char *text, struct err *e)
{
    double last = -1;

    for (const char *p = text; *p;) {
        char *end;
        double v = strtod(p, &end);

        if (end == p || (*end && *end != ',') || v <= last || v != (double)(int64_t)v)
            return err_set(e, ERR_INVALID,
                           "checkpoints_at: expected ascending steps like \"100,1000\", got "
                           "\"%.100s\"",
                           text);
        last = v;
        p = *end ? end + 1 : end;
    }
    return ERR_OK;
}

/* Shares of d_sae up to 1, or widths up to d_sae; ascending. */
static enum err_code check_prefixes(const char *text, double d_sae, struct err *e)
{
    double last = 0;
    int n = 0;

    for (const char *p = text; *p; n++) {
        char *end;
        double v = strtod(p, &end);

        if (end == p || (*end && *end != ',') || !(v > last))
            return err_set(e, ERR_INVALID,
                           "prefixes: expected ascending shares or widths like \"0.25,1\", got "
                           "\"%.100s\"",
                           text);
        last = v;
        p = *end ? end + 1 : end;
    }
    if (n < 1 || n > 16)
        return err_set(e, ERR_INVALID, "prefixes: %d are outside [1, 16]", n);
    if (last != 1 && last != d_sae)
        return err_set(e, ERR_INVALID, "prefixes: the last, %g, must be 1 or d_sae, %.0f", last,
                       d_sae);
    return ERR_OK;
}

static enum err_code check_parts(getter get, void *ctx, struct err *e)
{
    static const char *const with_k[] = {"topk", "batchtopk", "matryoshka", "topk_husai", NULL};
    const char *arch = get(ctx, "arch");

    if (is(get, ctx, "aux", "auxk") && arch && !is_one_of(arch, with_k))
        return err_set(e, ERR_INVALID, "aux: auxk needs k active features: arch %s has none", arch);
    if (arch && !strncmp(arch, "jumprelu", 8) && (kind_num(get, ctx, "bandwidth", 1) <= 0 ||
                                             kind_num(get, ctx, "theta", 1) <= 0))
        return err_set(e, ERR_INVALID, "bandwidth and theta must be above 0 with arch %s", arch);
    if (is(get, ctx, "jump_loss", "tanh") && kind_num(get, ctx, "target_l0", 0) > 0)
        return err_set(e, ERR_INVALID, "target_l0: goes with jump_loss l0 only");
    if (is(get, ctx, "aligned", "true") &&
        (is(get, ctx, "decoder_norm", "none") || is(get, ctx, "decoder_norm", "wrong_axis")))
        return err_set(e, ERR_INVALID, "aligned: needs unit decoder directions, decoder_norm is %s",
                       get(ctx, "decoder_norm"));
    if (kind_num(get, ctx, "bias_low", 0) > kind_num(get, ctx, "bias_high", 1))
        return err_set(e, ERR_INVALID, "bias_low: %g is above bias_high, %g",
                       kind_num(get, ctx, "bias_low", 0), kind_num(get, ctx, "bias_high", 1));
    if (is(get, ctx, "consistency", "none") && kind_num(get, ctx, "consistency_lambda", 0) > 0)
        return err_set(e, ERR_INVALID, "consistency_lambda: has no effect while consistency is none");
    return ERR_OK;
}

static enum err_code check(getter get, void *ctx, struct err *e)
{
    static const char *const with_k[] = {"topk", "batchtopk",  "matryoshka",      "jsae",
                                         "jsae_pair", "transcoder", "skip_transcoder", NULL};
    const char *arch = get(ctx, "arch"), *at = get(ctx, "checkpoints_at");
    const char *prefixes = get(ctx, "prefixes");
    double k = kind_num(get, ctx, "k", 0), d_sae = kind_num(get, ctx, "d_sae", 0);

    /* topk_husai clips k, as its source does; the others that are not listed have no k */
    if (arch && is_one_of(arch, with_k) && k > d_sae)
        return err_set(e, ERR_INVALID, "k: %.0f is more than d_sae, %.0f", k, d_sae);
    if (kind_num(get, ctx, "steps", 0) == 0 && kind_num(get, ctx, "epochs", 0) == 0)
        return err_set(e, ERR_INVALID, "steps: 0 means \"by epochs\", and epochs is 0 too");
    if (at && check_steps(at, e))
        return e->code;
    if (is(get, ctx, "arch", "matryoshka") && prefixes && check_prefixes(prefixes, d_sae, e))
        return e->code;
    return check_parts(get, ctx, e);
}

/* Encoder GEMM forward, sparse rest, one pass of Adam over both matrices a step. */
static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    double d = kind_num(get, ctx, "d_model", 128), f = kind_num(get, ctx, "d_sae", 1024);
    double batch = kind_num(get, ctx, "batch", 256), steps = kind_num(get, ctx, "steps", 0);
    double rows = kind_num(get, ctx, "n_rows", 12769) * kind_num(get, ctx, "data_fraction", 1);
    const char *arch = get(ctx, "arch");
    static const char *const dense[] = {"relu", "relu_bricken", "relu_april", "gba", "linear",
                                        "relu_transcoder", "relu_skip_transcoder", NULL};
    double active = is_one_of(arch, dense) ? f : kind_num(get, ctx, "k", 32);

    if (steps == 0)
        steps = kind_num(get, ctx, "epochs", 0) * rows / batch;
    return steps * (2 * batch * d * f + 8 * batch * d * active + 2 * d * f * 20) / kind_flops;
}

KIND_ROW(sae_train) = {
    .name = "sae_train",
    .version = 2,
    .help = "one sparse autoencoder on one activation matrix",
    .tag = "sae",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"acts", INPUT_ONE, "acts_extract|data_make", false, "the rows it is trained on"},
               {"target", INPUT_OPT, "acts_extract|data_make", false,
                "transcoders: what they predict, the same rows of another hook; without it those of `hook_out`"},
               {"reference", INPUT_OPT, "sae_train|sae_random", false,
                "the frozen dictionary of `consistency`"},
               {"model", INPUT_OPT, "lm_train|lm_import|lm_pretrain|lm_cpt", false, "jsae_pair: the model of the rows, for its MLP"},
               {"from", INPUT_OPT, "sae_train", false,
                "a training with `keep_state` and fewer steps that this one goes on from: same weights as from the start; knobs that are not set are its own",
                .hands_on = true}},
    .n_inputs = 5,
    .metrics = metrics,
    .check = check,
    .cost = cost,
};
