/* neox_config.c - config.json of GPT-NeoX models, as any version of transformers writes it. */
#include <math.h>
#include <string.h>

#include "common/fs.h"
#include "common/json.h"
#include "worker/neox/neox_file.h"

enum { CONFIG_MAX = 1 << 20 };

static enum err_code size_of(size_t *out, const struct json *j, const char *key, size_t absent,
                             struct err *e)
{
    const struct json *v = json_get(j, key);
    int64_t n;

    *out = absent;
    if (!v && absent)
        return ERR_OK;
    if (!v)
        return err_set(e, ERR_INVALID, "%s: missing", key);
    if (!json_i64(v, &n) || n < 1)
        return err_set(e, ERR_INVALID, "%s: not a positive integer", key);
    *out = (size_t)n;
    return ERR_OK;
}

static enum err_code number(double *out, const struct json *j, const char *key, double absent,
                            struct err *e)
{
    const struct json *v = json_get(j, key);

    *out = absent;
    if (v && !json_is_null(v) && !json_f64(v, out))
        return err_set(e, ERR_INVALID, "%s: not a number", key);
    return ERR_OK;
}

static enum err_code truth(bool *out, const struct json *j, const char *key, bool absent,
                           struct err *e)
{
    const struct json *v = json_get(j, key);

    *out = absent;
    if (v && !json_bool(v, out))
        return err_set(e, ERR_INVALID, "%s: neither true nor false", key);
    return ERR_OK;
}

static enum err_code activation(struct neox_cfg *c, const struct json *j, struct err *e)
{
    const char *name = json_get(j, "hidden_act") ? json_str(json_get(j, "hidden_act")) : "gelu";
    static const char *const by_tanh[] = {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"};

    c->act = NEOX_GELU;
    if (name && !strcmp(name, "gelu"))
        return ERR_OK;
    for (size_t i = 0; name && i < ARRAY_LEN(by_tanh); i++)
        if (!strcmp(name, by_tanh[i])) {
            c->act = NEOX_GELU_TANH;
            return ERR_OK;
        }
    return err_set(e, ERR_INVALID,
                   "hidden_act: %s is not one of gelu, gelu_new, gelu_pytorch_tanh, gelu_fast",
                   name ? name : "not a text");
}

/* rotary_pct and rotary_emb_base, or rope_parameters of newer files. */
static enum err_code rotary(struct neox_cfg *c, const struct json *j, struct err *e)
{
    const struct json *scaling = json_get(j, "rope_scaling"), *rope = json_get(j, "rope_parameters");
    const char *type = rope ? json_str(json_get(rope, "rope_type")) : NULL;
    double share, base;

    if (number(&share, j, "rotary_pct", 0.25, e) || number(&base, j, "rotary_emb_base", 10000, e))
        return e->code;
    if (rope && !json_is_null(rope)) {
        if (json_get(rope, "rope_type") && (!type || strcmp(type, "default")))
            return err_set(e, ERR_INVALID, "rope_parameters.rope_type: %s is not \"default\"",
                           type ? type : "not a text");
        if (number(&share, rope, "partial_rotary_factor", share, e) ||
            number(&base, rope, "rope_theta", base, e))
            return err_wrap(e, "rope_parameters");
    }
    if (scaling && !json_is_null(scaling))
        return err_set(e, ERR_INVALID, "rope_scaling: scaled rotary positions are not supported");
    if (!(share >= 0) || share > 1)
        return err_set(e, ERR_INVALID, "rotary_pct: %g is outside [0, 1]", share);
    c->n_rot = (size_t)((double)c->d_head * share);
    c->rope_base = base;
    return ERR_OK;
}

static int64_t token(const struct json *j, const char *key)
{
    int64_t id;

    return json_i64(json_get(j, key), &id) ? id : -1;
}

static enum err_code fill(struct neox_cfg *c, const struct json *j, struct err *e)
{
    const char *type = json_str(json_get(j, "model_type"));

    *c = (struct neox_cfg){.bos = token(j, "bos_token_id"), .eos = token(j, "eos_token_id")};
    if (!type || strcmp(type, "gpt_neox"))
        return err_set(e, ERR_INVALID, "model_type: %s is not gpt_neox", type ? type : "missing");
    if (size_of(&c->n_vocab, j, "vocab_size", 0, e) || size_of(&c->d_model, j, "hidden_size", 0, e) ||
        size_of(&c->n_layers, j, "num_hidden_layers", 0, e) ||
        size_of(&c->n_heads, j, "num_attention_heads", 0, e) ||
        size_of(&c->d_mlp, j, "intermediate_size", 4 * c->d_model, e) ||
        size_of(&c->n_ctx, j, "max_position_embeddings", 2048, e) ||
        number(&c->ln_eps, j, "layer_norm_eps", 1e-5, e) ||
        number(&c->init_range, j, "initializer_range", 0.02, e) ||
        truth(&c->is_parallel, j, "use_parallel_residual", true, e) ||
        truth(&c->is_tied, j, "tie_word_embeddings", false, e) ||
        truth(&c->has_attn_bias, j, "attention_bias", true, e) || activation(c, j, e))
        return e->code;
    if (c->d_model % c->n_heads == 0)
        c->d_head = c->d_model / c->n_heads;
    if (rotary(c, j, e))
        return e->code;
    return neox_cfg_check(c, e);
}

enum err_code neox_cfg_read(struct neox_cfg *c, const char *path, struct err *e)
{
    struct json *j = NULL;
    enum err_code rc = json_read(path, CONFIG_MAX, &j, e);

    if (rc)
        return rc;
    rc = fill(c, j, e);
    json_free(j);
    return rc ? err_wrap(e, "%s", path) : ERR_OK;
}

static void rope_parameters(struct jsonw *w, const struct neox_cfg *c, double share)
{
    jw_key(w, "rope_parameters"), jw_open(w, '{');
    jw_key(w, "rope_type"), jw_str(w, "default");
    jw_key(w, "rope_theta"), jw_f64(w, c->rope_base);
    jw_key(w, "partial_rotary_factor"), jw_f64(w, share);
    jw_close(w, '}');
}

static void token_id(struct jsonw *w, const char *key, int64_t id)
{
    jw_key(w, key);
    if (id < 0)
        jw_null(w);
    else
        jw_i64(w, id);
}

/* A share that gives n_rot back: int(d_head * share) = n_rot, whatever the rounding. */
static double rotary_share(const struct neox_cfg *c)
{
    double share = (double)c->n_rot / (double)c->d_head;

    while ((size_t)((double)c->d_head * share) < c->n_rot)
        share = nextafter(share, 2);
    return share;
}

static void sizes(struct jsonw *w, const struct neox_cfg *c)
{
    const struct {
        const char *key;
        size_t n;
    } row[] = {{"vocab_size", c->n_vocab},           {"hidden_size", c->d_model},
               {"num_hidden_layers", c->n_layers},   {"num_attention_heads", c->n_heads},
               {"intermediate_size", c->d_mlp},      {"max_position_embeddings", c->n_ctx}};

    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        jw_key(w, row[i].key), jw_i64(w, (int64_t)row[i].n);
}

enum err_code neox_cfg_write(const struct neox_cfg *c, enum st_dtype dtype, const char *path,
                             struct err *e)
{
    const char *type = dtype == ST_F16 ? "float16" : dtype == ST_BF16 ? "bfloat16" : "float32";
    const double share = rotary_share(c);
    struct buf out = {0};
    struct jsonw w;
    enum err_code rc;

    jw_init(&w, &out, true);
    jw_open(&w, '{');
    jw_key(&w, "architectures"), jw_open(&w, '[');
    jw_str(&w, "GPTNeoXForCausalLM"), jw_close(&w, ']');
    jw_key(&w, "model_type"), jw_str(&w, "gpt_neox");
    sizes(&w, c);
    jw_key(&w, "hidden_act"), jw_str(&w, c->act == NEOX_GELU ? "gelu" : "gelu_new");
    jw_key(&w, "rotary_pct"), jw_f64(&w, share);
    jw_key(&w, "rotary_emb_base"), jw_f64(&w, c->rope_base);
    rope_parameters(&w, c, share); /* newer versions read this one only */
    jw_key(&w, "layer_norm_eps"), jw_f64(&w, c->ln_eps);
    jw_key(&w, "initializer_range"), jw_f64(&w, c->init_range);
    jw_key(&w, "use_parallel_residual"), jw_bool(&w, c->is_parallel);
    jw_key(&w, "tie_word_embeddings"), jw_bool(&w, c->is_tied);
    jw_key(&w, "attention_bias"), jw_bool(&w, c->has_attn_bias);
    token_id(&w, "bos_token_id", c->bos);
    token_id(&w, "eos_token_id", c->eos);
    jw_key(&w, "torch_dtype"), jw_str(&w, type);
    jw_close(&w, '}');
    buf_char(&out, '\n');
    rc = fs_replace(path, out.data, out.len, e);
    buf_free(&out);
    return rc;
}
