/* format_saelens.c - SAELens folders, read and written in their 6.x form.
 *
 * `architecture` and the tensors decide the model; BatchTopK and Matryoshka are training-only there
 * and come and go as jumprelu with a constant threshold.  Transcoders there are relu or jumprelu, with
 * or without a skip; one of k largest has no counterpart.  expected_average_only_in means nothing at
 * inference: its factor has been folded.  What would change results and has no counterpart here
 * (hook_z reshaping, whitening) is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/fs.h"
#include "common/json.h"
#include "worker/sae/format.h"
#include "worker/sae/weights.h"

#define CFG_FILE     "cfg.json"
#define WEIGHTS_FILE "sae_weights.safetensors"
#define LENS_VERSION "6.18.0" /* the form written; the loader remaps keys of files below 6.0.0 */
enum { CFG_MAX = 16 << 20 };

static const struct {
    const char *name;
    enum sae_act act;
    bool is_transcoder, has_skip;
} architectures[] = {
    {"standard", SAE_ACT_RELU, false, false},
    {"topk", SAE_ACT_TOPK, false, false},
    {"jumprelu", SAE_ACT_JUMPRELU, false, false},
    {"gated", SAE_ACT_GATED, false, false},
    {"transcoder", SAE_ACT_RELU, true, false},
    {"skip_transcoder", SAE_ACT_RELU, true, true},
    {"jumprelu_transcoder", SAE_ACT_JUMPRELU, true, false},
    {"jumprelu_skip_transcoder", SAE_ACT_JUMPRELU, true, true},
};

static bool matches(const char *path)
{
    struct buf b = {0};
    bool is_it;

    buf_fmt(&b, "%s/" CFG_FILE, path);
    is_it = fs_is_file(b.data);
    buf_reset(&b);
    buf_fmt(&b, "%s/" WEIGHTS_FILE, path);
    is_it = is_it && fs_is_file(b.data);
    buf_free(&b);
    return is_it;
}

static void copy_name(char out[SAE_NAME_MAX], const char *text)
{
    size_t n = text ? strlen(text) : 0;

    n = n < SAE_NAME_MAX ? n : SAE_NAME_MAX - 1;
    if (n)
        memcpy(out, text, n);
    out[n] = '\0';
}

static enum err_code get_size(const struct json *cfg, const char *key, size_t *out, struct err *e)
{
    int64_t n;

    if (!json_i64(json_get(cfg, key), &n) || n < 1 || n > UINT32_MAX)
        return err_set(e, ERR_INVALID, CFG_FILE ": %s: missing, or not a positive number", key);
    *out = (size_t)n;
    return ERR_OK;
}

static enum err_code read_act(struct sae_model *m, const struct json *cfg, struct err *e)
{
    const char *arch = json_str(json_get(cfg, "architecture"));
    const char *fn = json_str(json_get(cfg, "activation_fn")); /* before 6.0.0 */
    const struct json *args = json_get(cfg, "activation_fn_kwargs");
    const struct json *k = json_get(cfg, "k") ? json_get(cfg, "k") : args ? json_get(args, "k") : NULL;
    int64_t n = 0;

    fn = fn ? fn : json_str(json_get(cfg, "activation_fn_str"));
    arch = arch ? arch : "standard";
    if (!strcmp(arch, "standard") && fn && !strcmp(fn, "topk"))
        arch = "topk";
    copy_name(m->arch, arch);
    m->act = SAE_ACT_COUNT;
    for (size_t i = 0; i < ARRAY_LEN(architectures); i++)
        if (!strcmp(architectures[i].name, arch)) {
            m->act = architectures[i].act;
            m->is_transcoder = architectures[i].is_transcoder;
            m->has_skip = architectures[i].has_skip;
        }
    if (m->act == SAE_ACT_COUNT)
        return err_set(e, ERR_INVALID, CFG_FILE ": architecture: %.60s is not read here; standard, topk, "
                       "jumprelu, gated and transcoders are", arch);
    if (fn && strcmp(fn, "relu") && strcmp(fn, "topk"))
        return err_set(e, ERR_INVALID, CFG_FILE ": activation_fn: %.60s is not read here", fn);
    if (m->act == SAE_ACT_TOPK && (!json_i64(k, &n) || n < 1))
        return err_set(e, ERR_INVALID, CFG_FILE ": k: missing, or below 1");
    m->k = (size_t)n;
    return ERR_OK;
}

static enum err_code read_scale(struct sae_model *m, const struct json *cfg, struct err *e)
{
    const char *norm = json_str(json_get(cfg, "normalize_activations"));
    const char *reshape = json_str(json_get(cfg, "reshape_activations"));
    bool factor;

    norm = norm ? norm : "none";
    if (!strcmp(norm, "constant_norm_rescale"))
        m->scale = SAE_SCALE_CONSTANT_NORM;
    else if (!strcmp(norm, "layer_norm"))
        m->scale = SAE_SCALE_LAYER_NORM;
    else if (strcmp(norm, "none") && strcmp(norm, "expected_average_only_in"))
        return err_set(e, ERR_INVALID, CFG_FILE ": normalize_activations: %.60s is not read here", norm);
    if (reshape && strcmp(reshape, "none"))
        return err_set(e, ERR_INVALID, CFG_FILE ": reshape_activations: %.60s is not read here", reshape);
    if (json_bool(json_get(cfg, "finetuning_scaling_factor"), &factor) && factor)
        return err_set(e, ERR_INVALID, CFG_FILE ": finetuning_scaling_factor is not read here");
    return ERR_OK;
}

static enum err_code read_cfg(struct sae_model *m, const struct json *cfg, struct err *e)
{
    const struct json *meta = json_get(cfg, "metadata");

    if (!json_is_object(cfg))
        return err_set(e, ERR_INVALID, CFG_FILE ": not an object");
    m->seed = -1;
    m->is_centred = true;
    json_bool(json_get(cfg, "apply_b_dec_to_input"), &m->is_centred);
    json_bool(json_get(cfg, "rescale_acts_by_decoder_norm"), &m->is_rescaled);
    meta = json_is_object(meta) ? meta : cfg;
    copy_name(m->model, json_str(json_get(meta, "model_name")));
    copy_name(m->hook, json_str(json_get(meta, "hook_name")));
    if (get_size(cfg, "d_in", &m->d, e) || get_size(cfg, "d_sae", &m->f, e) || read_act(m, cfg, e) ||
        read_scale(m, cfg, e))
        return e->code;
    m->is_rescaled = m->is_rescaled && m->act == SAE_ACT_TOPK;
    if (!m->is_transcoder)
        return ERR_OK;
    copy_name(m->hook_out, json_str(json_get(meta, "hook_name_out")));
    return get_size(cfg, "d_out", &m->o, e);
}

static enum err_code read_weights(struct sae_model *m, const char *path, struct err *e)
{
    bool is_gated = m->act == SAE_ACT_GATED;
    struct weights w;
    enum err_code rc = weights_open(&w, path, e);

    if (rc)
        return rc;
    rc = weights_matrix(&w, "W_enc", m->enc, m->d, m->f, true, e);
    if (!rc)
        rc = weights_matrix(&w, "W_dec", m->dir, m->f, m->o, false, e);
    if (!rc)
        rc = weights_vector(&w, "b_dec", m->b_dec, m->o, e);
    if (!rc && m->skip)
        rc = weights_matrix(&w, "W_skip", m->skip, m->o, m->d, false, e);
    if (!rc)
        rc = weights_vector(&w, is_gated ? "b_gate" : "b_enc", m->b_enc, m->f, e);
    if (!rc && m->act == SAE_ACT_JUMPRELU)
        rc = weights_vector(&w, "threshold", m->threshold, m->f, e);
    if (!rc && is_gated)
        rc = weights_vector(&w, "r_mag", m->r_mag, m->f, e);
    if (!rc && is_gated)
        rc = weights_vector(&w, "b_mag", m->b_mag, m->f, e);
    weights_close(&w);
    return rc ? err_wrap(e, WEIGHTS_FILE) : ERR_OK;
}

static enum err_code read_folder(struct sae_model *m, const char *path,
                                 const struct sae_format_opts *o, struct err *e)
{
    struct sae_model shape = {0};
    struct json *cfg = NULL;
    struct buf file = {0};
    enum err_code rc;

    (void)o;
    buf_fmt(&file, "%s/" CFG_FILE, path);
    rc = json_read(file.data, CFG_MAX, &cfg, e);
    if (!rc)
        rc = read_cfg(&shape, cfg, e);
    json_free(cfg);
    if (!rc)
        rc = sae_model_new(m, &shape, e);
    buf_reset(&file);
    buf_fmt(&file, "%s/" WEIGHTS_FILE, path);
    if (!rc)
        rc = read_weights(m, file.data, e);
    buf_free(&file);
    return rc;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_cfg(struct buf *out, const struct sae_model *m, const char *arch)
{
    struct jsonw w;

    jw_init(&w, out, true);
    jw_open(&w, '{');
    jw_key(&w, "architecture"), jw_str(&w, arch);
    jw_key(&w, "d_in"), jw_i64(&w, (int64_t)m->d);
    jw_key(&w, "d_sae"), jw_i64(&w, (int64_t)m->f);
    if (m->is_transcoder)
        jw_key(&w, "d_out"), jw_i64(&w, (int64_t)m->o);
    if (m->act == SAE_ACT_TOPK || m->act == SAE_ACT_TOPK_RAW) {
        jw_key(&w, "k"), jw_i64(&w, (int64_t)m->k);
        jw_key(&w, "rescale_acts_by_decoder_norm"), jw_bool(&w, m->is_rescaled);
    }
    jw_key(&w, "dtype"), jw_str(&w, "float32");
    jw_key(&w, "device"), jw_str(&w, "cpu");
    jw_key(&w, "apply_b_dec_to_input"), jw_bool(&w, m->is_centred);
    jw_key(&w, "normalize_activations"), jw_str(&w, sae_scale_name(m->scale));
    jw_key(&w, "reshape_activations"), jw_str(&w, "none");
    jw_key(&w, "metadata");
    jw_open(&w, '{');
    jw_key(&w, "sae_lens_version"), jw_str(&w, LENS_VERSION);
    jw_key(&w, "sae_lens_training_version"), jw_str(&w, LENS_VERSION);
    if (*m->model)
        jw_key(&w, "model_name"), jw_str(&w, m->model);
    if (*m->hook)
        jw_key(&w, "hook_name"), jw_str(&w, m->hook);
    if (*m->hook_out)
        jw_key(&w, "hook_name_out"), jw_str(&w, m->hook_out);
    jw_key(&w, "trained_by"), jw_str(&w, "saegrid");
    jw_key(&w, "trained_as"), jw_str(&w, m->arch);
    jw_close(&w, '}');
    jw_close(&w, '}');
    buf_char(out, '\n');
}

/* float32 copies of the arrays in the layout of the format, in one allocation; at: where each is. */
enum { AT_ENC, AT_DEC, AT_B_ENC, AT_B_DEC, AT_THRESHOLD, AT_R_MAG, AT_B_MAG, AT_SKIP, AT_N };

static float *layout(const struct sae_model *m, size_t at[AT_N])
{
    size_t d = m->d, f = m->f, o = m->o, n = f * d;
    const struct {
        const real *x;
        size_t n;
    } plain[] = {{m->dir, f * o},  {m->b_enc, f}, {m->b_dec, o}, {m->threshold, f},
                 {m->r_mag, f},    {m->b_mag, f}, {m->skip, m->skip ? o * d : 0}};
    float *out = malloc((f * d + f * o + 4 * f + o + o * d) * sizeof *out);

    if (!out)
        return NULL;
    at[AT_ENC] = 0;
    for (size_t i = 0; i < f; i++)
        for (size_t j = 0; j < d; j++)
            out[j * f + i] = (float)m->enc[i * d + j];
    for (size_t v = 0; v < ARRAY_LEN(plain); v++) {
        at[AT_DEC + v] = n;
        for (size_t i = 0; i < plain[v].n; i++)
            out[n++] = (float)plain[v].x[i];
    }
    return out;
}

static enum err_code write_weights(const struct sae_model *m, const char *path, struct err *e)
{
    bool is_gated = m->act == SAE_ACT_GATED;
    int64_t d = (int64_t)m->d, f = (int64_t)m->f, o = (int64_t)m->o;
    size_t at[AT_N], n = 4;
    float *x = layout(m, at);
    enum err_code rc;

    if (!x)
        return err_set(e, ERR_NOMEM, "out of memory");
    struct st_tensor t[AT_N] = {
        {"W_enc", ST_F32, 2, {d, f}, x + at[AT_ENC], NULL},
        {"W_dec", ST_F32, 2, {f, o}, x + at[AT_DEC], NULL},
        {is_gated ? "b_gate" : "b_enc", ST_F32, 1, {f}, x + at[AT_B_ENC], NULL},
        {"b_dec", ST_F32, 1, {o}, x + at[AT_B_DEC], NULL},
    };
    if (m->act == SAE_ACT_JUMPRELU)
        t[n++] = (struct st_tensor){"threshold", ST_F32, 1, {f}, x + at[AT_THRESHOLD], NULL};
    if (is_gated) {
        t[n++] = (struct st_tensor){"r_mag", ST_F32, 1, {f}, x + at[AT_R_MAG], NULL};
        t[n++] = (struct st_tensor){"b_mag", ST_F32, 1, {f}, x + at[AT_B_MAG], NULL};
    }
    if (m->skip)
        t[n++] = (struct st_tensor){"W_skip", ST_F32, 2, {o, d}, x + at[AT_SKIP], NULL};
    rc = st_write(path, t, n, NULL, 0, e);
    free(x);
    return rc;
}

static enum err_code choose(const struct sae_model *m, const char **arch, bool is_approximate,
                            struct err *e)
{
    bool is_raw = m->act == SAE_ACT_TOPK_RAW;

    *arch = NULL;
    for (size_t i = 0; i < ARRAY_LEN(architectures); i++)
        if (architectures[i].act == (is_raw ? SAE_ACT_TOPK : m->act) &&
            architectures[i].is_transcoder == m->is_transcoder &&
            architectures[i].has_skip == m->has_skip)
            *arch = architectures[i].name;
    if (!*arch)
        return err_set(e, ERR_INVALID, "a %s %s has no counterpart there", sae_act_name(m->act),
                       m->is_transcoder ? "transcoder" : "SAE");
    if (is_raw && !is_approximate)
        return err_set(e, ERR_INVALID,
                       "HUSAI's TopK keeps negative activations and theirs does not; --approximate "
                       "writes it as topk, which clips them at 0");
    return ERR_OK;
}

static enum err_code write_folder(struct sae_model *m, const char *path,
                                  const struct sae_format_opts *o, struct err *e)
{
    struct buf cfg = {0}, file = {0};
    const char *arch = "";
    enum err_code rc;

    if (choose(m, &arch, o->is_approximate, e) || fs_mkdirs(path, e))
        return e->code;
    put_cfg(&cfg, m, arch);
    buf_fmt(&file, "%s/" WEIGHTS_FILE, path);
    rc = write_weights(m, file.data, e);
    buf_reset(&file);
    buf_fmt(&file, "%s/" CFG_FILE, path);
    if (!rc)
        rc = fs_replace(file.data, cfg.data, cfg.len, e);
    buf_free(&cfg);
    buf_free(&file);
    return rc;
}

const struct sae_format sae_format_saelens = {
    "saelens", "SAELens folder: cfg.json and sae_weights.safetensors", matches, read_folder,
    write_folder};
