/* format_dl.c - dictionary_learning folders: ae.pt and config.json.
 *
 * The class named in config.json decides layout and meaning.  Classes made of nn.Linear store
 * encoder.weight [f,d] and decoder.weight [d,f]; the others W_enc [d,f] and W_dec [f,d].  A running
 * threshold of BatchTopK below 0 means "unset": every positive activation passes.  Activations that
 * a class scales by |d_f| on the way out are scaled back before its decoder: reconstructions agree.
 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/fs.h"
#include "common/json.h"
#include "worker/sae/format.h"
#include "worker/sae/weights.h"

enum { CFG_MAX = 16 << 20 };

struct dl_class {
    const char *name;
    enum sae_act act;
    bool is_linear;          /* nn.Linear tensors, else W_enc and W_dec */
    bool is_centred;
    const char *b_enc, *b_dec;
    bool has_k, has_threshold_each, has_threshold_one;
};

static const struct dl_class classes[] = {
    {"AutoEncoder", SAE_ACT_RELU, true, true, "encoder.bias", "bias", false, false, false},
    {"AutoEncoderNew", SAE_ACT_RELU, true, false, "encoder.bias", "decoder.bias", false, false, false},
    {"AutoEncoderTopK", SAE_ACT_TOPK, true, true, "encoder.bias", "b_dec", true, false, false},
    {"BatchTopKSAE", SAE_ACT_JUMPRELU, true, true, "encoder.bias", "b_dec", true, false, true},
    {"GatedAutoEncoder", SAE_ACT_GATED, true, true, "gate_bias", "decoder_bias", false, false, false},
    {"JumpReluAutoEncoder", SAE_ACT_JUMPRELU, false, false, "b_enc", "b_dec", false, true, false},
    {"MatryoshkaBatchTopKSAE", SAE_ACT_JUMPRELU, false, true, "b_enc", "b_dec", true, false, true},
};

static const struct dl_class *class_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (!strcmp(classes[i].name, name))
            return &classes[i];
    return NULL;
}

static bool matches(const char *path)
{
    struct buf b = {0};
    bool is_it;

    buf_fmt(&b, "%s/ae.pt", path);
    is_it = fs_is_file(b.data);
    buf_free(&b);
    return is_it;
}

static enum err_code read_class(const struct dl_class **out, const char *path, struct sae_model *m,
                                struct err *e)
{
    struct buf file = {0};
    struct json *doc = NULL;
    enum err_code rc;

    buf_fmt(&file, "%s/config.json", path);
    rc = json_read(file.data, CFG_MAX, &doc, e);
    buf_free(&file);
    if (rc)
        return rc;
    const struct json *trainer = json_get(doc, "trainer") ? json_get(doc, "trainer") : doc;
    const char *name = json_str(json_get(trainer, "dict_class"));
    const char *lm = json_str(json_get(trainer, "lm_name"));
    *out = name ? class_find(name) : NULL;
    if (!name)
        rc = err_set(e, ERR_INVALID, "config.json: trainer.dict_class: missing");
    else if (!*out)
        rc = err_set(e, ERR_INVALID, "config.json: dict_class: %.60s is not read here", name);
    m->seed = -1;
    json_i64(json_get(trainer, "seed"), &m->seed);
    if (lm && strlen(lm) < SAE_NAME_MAX)
        memcpy(m->model, lm, strlen(lm) + 1);
    if (!rc)
        memcpy(m->arch, name, strlen(name) + 1);
    json_free(doc);
    return rc;
}

static enum err_code read_vectors(struct sae_model *m, const struct weights *w,
                                  const struct dl_class *c, struct err *e)
{
    double threshold = -1;

    if (weights_vector(w, c->b_enc, m->b_enc, m->f, e) ||
        weights_vector(w, c->b_dec, m->b_dec, m->d, e))
        return e->code;
    if (c->has_threshold_each && weights_vector(w, "threshold", m->threshold, m->f, e))
        return e->code;
    if (c->act == SAE_ACT_GATED && (weights_vector(w, "r_mag", m->r_mag, m->f, e) ||
                                    weights_vector(w, "mag_bias", m->b_mag, m->f, e)))
        return e->code;
    if (c->has_threshold_one && !weights_number(w, "threshold", &threshold))
        return err_set(e, ERR_INVALID, "threshold: missing");
    for (size_t i = 0; threshold > 0 && i < m->f; i++)
        m->threshold[i] = (real)threshold;
    return ERR_OK;
}

static enum err_code read_weights(struct sae_model *m, struct sae_model *shape,
                                  const struct weights *w, const struct dl_class *c, struct err *e)
{
    const char *enc = c->is_linear ? "encoder.weight" : "W_enc";
    const char *dec = c->is_linear ? "decoder.weight" : "W_dec";
    size_t rows, cols;
    double k = 0;

    if (weights_shape(w, enc, &rows, &cols, e))
        return e->code;
    shape->f = c->is_linear ? rows : cols;
    shape->d = c->is_linear ? cols : rows;
    if (c->has_k && (!weights_number(w, "k", &k) || k < 1 || k > (double)shape->f))
        return err_set(e, ERR_INVALID, "k: missing, or outside [1, %zu]", shape->f);
    shape->k = c->act == SAE_ACT_TOPK ? (size_t)k : 0;
    if (sae_model_new(m, shape, e) ||
        weights_matrix(w, enc, m->enc, rows, cols, !c->is_linear, e) ||
        weights_matrix(w, dec, m->dir, cols, rows, c->is_linear, e))
        return e->code;
    return read_vectors(m, w, c, e);
}

static enum err_code read_folder(struct sae_model *m, const char *path,
                                 const struct sae_format_opts *o, struct err *e)
{
    struct sae_model shape = {0};
    const struct dl_class *c;
    struct weights w;
    struct buf file = {0};
    enum err_code rc;

    (void)o;
    if (read_class(&c, path, &shape, e))
        return e->code;
    shape.act = c->act;
    shape.is_centred = c->is_centred;
    buf_fmt(&file, "%s/ae.pt", path);
    rc = weights_open(&w, file.data, e);
    buf_free(&file);
    if (rc)
        return rc;
    rc = read_weights(m, &shape, &w, c, e);
    weights_close(&w);
    return rc ? err_wrap(e, "ae.pt") : ERR_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool has_one_threshold(const struct sae_model *m)
{
    for (size_t i = 1; i < m->f; i++)
        if (m->threshold[i] != m->threshold[0])
            return false;
    return true;
}

/* The first class that can say it; the model is rewritten to what the class takes for granted. */
static const struct dl_class *class_for(struct sae_model *m, struct err *e)
{
    const struct dl_class *c = NULL;
    bool has_one;

    if (m->is_transcoder) {
        err_set(e, ERR_INVALID, "a transcoder has no counterpart there");
        return NULL;
    }
    if (m->scale != SAE_SCALE_NONE) {
        err_set(e, ERR_INVALID, "its input is scaled by %s, which has no counterpart there",
                sae_scale_name(m->scale));
        return NULL;
    }
    if (m->is_rescaled)
        sae_model_fold_norms(m);
    has_one = m->act == SAE_ACT_JUMPRELU && has_one_threshold(m) && m->threshold[0] > 0;
    for (size_t i = 0; i < ARRAY_LEN(classes) && !c; i++)
        if (classes[i].act == m->act && classes[i].has_threshold_one == has_one)
            c = &classes[i];
    if (!c) {
        err_set(e, ERR_INVALID, "%s has no counterpart there", sae_act_name(m->act));
        return NULL;
    }
    sae_model_centre(m, c->is_centred);
    return c;
}

static void put_config(struct buf *out, const struct sae_model *m, const struct dl_class *c)
{
    struct jsonw w;

    jw_init(&w, out, true);
    jw_open(&w, '{');
    jw_key(&w, "trainer"), jw_open(&w, '{');
    jw_key(&w, "dict_class"), jw_str(&w, c->name);
    jw_key(&w, "activation_dim"), jw_i64(&w, (int64_t)m->d);
    jw_key(&w, "dict_size"), jw_i64(&w, (int64_t)m->f);
    if (c->has_k)
        jw_key(&w, "k"), jw_i64(&w, m->k ? (int64_t)m->k : 1);
    if (m->seed >= 0)
        jw_key(&w, "seed"), jw_i64(&w, m->seed);
    jw_key(&w, "lm_name"), jw_str(&w, m->model);
    jw_key(&w, "submodule_name"), jw_str(&w, m->hook);
    jw_key(&w, "trained_by"), jw_str(&w, "saegrid");
    jw_key(&w, "trained_as"), jw_str(&w, m->arch);
    jw_close(&w, '}');
    jw_key(&w, "buffer"), jw_open(&w, '{');
    jw_close(&w, '}');
    jw_close(&w, '}');
    buf_char(out, '\n');
}

/* x [rows,cols] as float32, transposed if asked; into out. */
static const float *floats(float *out, const real *x, size_t rows, size_t cols, bool is_flipped)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            out[is_flipped ? j * rows + i : i * cols + j] = (float)x[i * cols + j];
    return out;
}

static enum err_code write_weights(const struct sae_model *m, const struct dl_class *c,
                                   const char *path, struct err *e)
{
    int64_t d = (int64_t)m->d, f = (int64_t)m->f;
    float *x = malloc((2 * m->f * m->d + 4 * m->f + m->d) * sizeof *x), *at = x;
    int32_t k = m->k ? (int32_t)m->k : 1; /* only told: inference is by the threshold */
    float one = (float)m->threshold[0], unset = -1;
    struct pt_tensor t[9];
    size_t n = 0;
    enum err_code rc;

    if (!x)
        return err_set(e, ERR_NOMEM, "out of memory");
#define ADD(name, type, dims, shape0, shape1, from)                                                \
    t[n++] = (struct pt_tensor){name, type, dims, {shape0, shape1}, from}
#define VECTOR(name, from) ADD(name, PT_F32, 1, f, 0, floats(at, from, m->f, 1, false)), at += m->f
    if (c->is_linear) {
        ADD("encoder.weight", PT_F32, 2, f, d, floats(at, m->enc, m->f, m->d, false));
        at += f * d;
        ADD("decoder.weight", PT_F32, 2, d, f, floats(at, m->dir, m->f, m->d, true));
    } else {
        ADD("W_enc", PT_F32, 2, d, f, floats(at, m->enc, m->f, m->d, true));
        at += f * d;
        ADD("W_dec", PT_F32, 2, f, d, floats(at, m->dir, m->f, m->d, false));
    }
    at += f * d;
    VECTOR(c->b_enc, m->b_enc);
    if (c->act == SAE_ACT_GATED) {
        VECTOR("r_mag", m->r_mag);
        VECTOR("mag_bias", m->b_mag);
    }
    if (c->has_threshold_each)
        VECTOR("threshold", m->threshold);
    ADD(c->b_dec, PT_F32, 1, d, 0, floats(at, m->b_dec, m->d, 1, false));
    if (c->has_k) {
        ADD("k", PT_I32, 0, 0, 0, &k);
        ADD("threshold", PT_F32, 0, 0, 0, c->has_threshold_one ? &one : &unset);
    }
#undef VECTOR
#undef ADD
    rc = pt_write(path, t, n, NULL, 0, e);
    free(x);
    return rc;
}

static enum err_code write_folder(struct sae_model *m, const char *path,
                                  const struct sae_format_opts *o, struct err *e)
{
    const struct dl_class *c = class_for(m, e);
    struct buf config = {0}, file = {0};
    enum err_code rc;

    (void)o;
    if (!c || fs_mkdirs(path, e))
        return e->code;
    put_config(&config, m, c);
    buf_fmt(&file, "%s/ae.pt", path);
    rc = write_weights(m, c, file.data, e);
    buf_reset(&file);
    buf_fmt(&file, "%s/config.json", path);
    if (!rc)
        rc = fs_replace(file.data, config.data, config.len, e);
    buf_free(&config);
    buf_free(&file);
    return rc;
}

const struct sae_format sae_format_dl = {
    "dictionary_learning", "dictionary_learning folder: ae.pt and config.json", matches,
    read_folder, write_folder};
