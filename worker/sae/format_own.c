/* format_own.c - our checkpoints (sae_io.h), and the same tensors as one safetensors file.
 *
 * encoder.weight [d_sae,d_model], encoder.bias, decoder.weight [d_model,d_sae], b_dec; threshold,
 * r_mag and b_mag where the activation has them; W_skip [d_out,d_model] of a transcoder with a skip.  What the numbers mean is told by scalars (.pt) or
 * metadata (safetensors): `act` and its switches where an import wrote them, else by `arch`, the
 * architecture that was trained.  A new architecture is a row of `archs`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/fs.h"
#include "worker/sae/format.h"
#include "worker/sae/sae_io.h"
#include "worker/sae/weights.h"

/* How each architecture of archs.c infers; whether it centres, archs.c says. */
static const struct {
    const char *arch;
    enum sae_act act;
} archs[] = {
    {"topk", SAE_ACT_TOPK},
    {"topk_husai", SAE_ACT_TOPK_RAW},
    {"relu", SAE_ACT_RELU},
    {"linear", SAE_ACT_LINEAR},
};

static enum err_code meaning(struct sae_model *m, const struct weights *w, struct err *e)
{
    const char *act = weights_text(w, "act"), *arch = weights_text(w, "arch");
    const char *scale = weights_text(w, "scale");
    double v;

    if (!arch || strlen(arch) >= SAE_NAME_MAX)
        return err_set(e, ERR_INVALID, "arch: missing: not a checkpoint of saegrid");
    if (act && !strcmp(act, "topk_skip")) /* before transcoders were read */
        act = "topk";
    m->is_transcoder = weights_number(w, "is_transcoder", &v) ? v != 0 : strstr(arch, "transcoder") != NULL;
    m->has_skip = m->is_transcoder && weights_find(w, "W_skip");
    memcpy(m->arch, arch, strlen(arch) + 1);
    m->seed = weights_number(w, "seed", &v) ? (int64_t)v : -1;
    m->k = weights_number(w, "k", &v) && v >= 1 ? (size_t)v : 0;
    m->is_rescaled = weights_number(w, "is_rescaled", &v) && v != 0;
    for (int i = SAE_SCALE_NONE; scale && i <= SAE_SCALE_LAYER_NORM; i++)
        if (!strcmp(scale, sae_scale_name((enum sae_scale)i)))
            m->scale = (enum sae_scale)i;
    if (act) {
        m->is_centred = weights_number(w, "is_centred", &v) && v != 0;
        return sae_act_parse(act, &m->act)
                   ? ERR_OK : err_set(e, ERR_INVALID, "act: %.40s is not known", act);
    }
    for (size_t i = 0; i < ARRAY_LEN(archs); i++)
        if (!strcmp(archs[i].arch, arch) && sae_arch_find(arch)) {
            m->act = archs[i].act;
            m->is_centred = sae_arch_find(arch)->is_centred;
            return ERR_OK;
        }
    if (!strcmp(arch, "random"))
        return err_set(e, ERR_INVALID, "a random dictionary has no encoder");
    return err_set(e, ERR_INVALID, "arch: %.60s: how it infers is not known to this program", arch);
}

/* The thresholds of a JumpReLU: one a feature, or one for all. */
static enum err_code thresholds(struct sae_model *m, const struct weights *w, struct err *e)
{
    double one;

    if (!weights_number(w, "threshold", &one) || m->f == 1)
        return weights_vector(w, "threshold", m->threshold, m->f, e);
    for (size_t i = 0; i < m->f; i++)
        m->threshold[i] = one > 0 ? (real)one : 0;
    return ERR_OK;
}

static enum err_code read_weights(struct sae_model *m, const struct weights *w, struct err *e)
{
    struct sae_model shape = {0};

    size_t n_features;

    if (meaning(&shape, w, e) || weights_shape(w, "encoder.weight", &shape.f, &shape.d, e) ||
        (shape.is_transcoder && weights_shape(w, "decoder.weight", &shape.o, &n_features, e)))
        return e->code;
    if (shape.act != SAE_ACT_TOPK && shape.act != SAE_ACT_TOPK_RAW)
        shape.k = 0;
    if (sae_model_new(m, &shape, e) ||
        weights_matrix(w, "encoder.weight", m->enc, m->f, m->d, false, e) ||
        weights_matrix(w, "decoder.weight", m->dir, m->o, m->f, true, e) ||
        weights_vector(w, "encoder.bias", m->b_enc, m->f, e))
        return e->code;
    if (weights_find(w, "b_dec") && weights_vector(w, "b_dec", m->b_dec, m->o, e))
        return e->code;
    if (m->has_skip && weights_matrix(w, "W_skip", m->skip, m->o, m->d, false, e))
        return e->code;
    if (m->act == SAE_ACT_JUMPRELU && thresholds(m, w, e))
        return e->code;
    if (m->act == SAE_ACT_GATED && (weights_vector(w, "r_mag", m->r_mag, m->f, e) ||
                                    weights_vector(w, "b_mag", m->b_mag, m->f, e)))
        return e->code;
    return ERR_OK;
}

/* A result folder, or the file itself. */
static void file_of(struct buf *out, const char *path)
{
    buf_str(out, path);
    if (fs_is_dir(path))
        buf_str(out, "/" SAE_FILE);
}

static bool is_folder_of_ours(const char *path)
{
    struct buf b = {0};
    bool is_it;

    file_of(&b, path);
    is_it = fs_is_dir(path) && fs_is_file(b.data);
    buf_free(&b);
    return is_it;
}

/* Our .pt has `arch` and `layout`; reading the pickle is cheap, the tensors are only mapped. */
static bool is_ours(const char *path)
{
    struct weights w;
    struct err e;
    size_t n = strlen(path);
    bool is_it;

    if (is_folder_of_ours(path))
        return true;
    if (!fs_is_file(path) || n < 3 || strcmp(path + n - 3, ".pt") || weights_open(&w, path, &e))
        return false;
    is_it = weights_text(&w, "arch") && weights_text(&w, "layout");
    weights_close(&w);
    return is_it;
}

static bool is_safetensors(const char *path)
{
    static const char end[] = ".safetensors";
    size_t n = strlen(path);

    return fs_is_file(path) && n > sizeof end && !strcmp(path + n - (sizeof end - 1), end);
}

static enum err_code read_file(struct sae_model *m, const char *path,
                               const struct sae_format_opts *o, struct err *e)
{
    struct buf file = {0};
    struct weights w;
    enum err_code rc;

    (void)o;
    file_of(&file, path);
    rc = weights_open(&w, file.data, e);
    buf_free(&file);
    if (rc)
        return rc;
    rc = read_weights(m, &w, e);
    weights_close(&w);
    return rc;
}

/* --- writing ---------------------------------------------------------------------------------- */

enum { TENSORS_MAX = 8 };

static size_t n_floats(const struct sae_model *m)
{
    return (m->f + (m->skip ? m->o : 0)) * m->d + m->f * m->o + 4 * m->f + m->o;
}

static void to_floats(float *to, const real *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (float)from[i];
}

/* The tensors as float32 in `x` [n_floats()]; returns how many. */
static size_t tensors(struct st_tensor t[TENSORS_MAX], float *x, const struct sae_model *m)
{
    int64_t d = (int64_t)m->d, f = (int64_t)m->f, o = (int64_t)m->o;
    const struct {
        const char *name;
        const real *from;
        int64_t rows, cols;  /* cols 0: a vector */
        bool is_wanted;
    } rows[] = {
        {"encoder.weight", m->enc, f, d, true},
        {"encoder.bias", m->b_enc, f, 0, true},
        {"b_dec", m->b_dec, o, 0, true},
        {"threshold", m->threshold, f, 0, m->act == SAE_ACT_JUMPRELU},
        {"r_mag", m->r_mag, f, 0, m->act == SAE_ACT_GATED},
        {"b_mag", m->b_mag, f, 0, m->act == SAE_ACT_GATED},
        {"W_skip", m->skip, o, d, m->skip != NULL},
    };
    size_t n = 0;

    for (size_t i = 0; i < m->f; i++)
        for (size_t j = 0; j < m->o; j++)
            x[j * m->f + i] = (float)m->dir[i * m->o + j];
    t[n++] = (struct st_tensor){"decoder.weight", ST_F32, 2, {o, f}, x, NULL};
    x += m->f * m->o;
    for (size_t v = 0; v < ARRAY_LEN(rows); v++) {
        size_t len = (size_t)(rows[v].cols ? rows[v].rows * rows[v].cols : rows[v].rows);

        if (!rows[v].is_wanted)
            continue;
        t[n++] = (struct st_tensor){rows[v].name, ST_F32, rows[v].cols ? 2 : 1,
                                    {rows[v].rows, rows[v].cols}, x, NULL};
        to_floats(x, rows[v].from, len);
        x += len;
    }
    return n;
}

static float *room(const struct sae_model *m, struct err *e)
{
    float *x = malloc(n_floats(m) * sizeof *x);

    if (!x)
        err_set(e, ERR_NOMEM, "out of memory");
    return x;
}

static enum err_code write_pt(struct sae_model *m, const char *path,
                              const struct sae_format_opts *o, struct err *e)
{
    struct st_tensor t[TENSORS_MAX];
    struct pt_tensor p[TENSORS_MAX];
    float *x = room(m, e);
    enum err_code rc;

    (void)o;
    if (!x)
        return e->code;
    size_t n = tensors(t, x, m);
    for (size_t i = 0; i < n; i++)
        p[i] = (struct pt_tensor){t[i].name, PT_F32, t[i].n_dims, {t[i].shape[0], t[i].shape[1]},
                                  t[i].data};
    const struct pt_scalar s[] = {
        {.name = "arch", .type = PT_TEXT, .s = m->arch},
        {.name = "act", .type = PT_TEXT, .s = sae_act_name(m->act)},
        {.name = "is_centred", .type = PT_TRUTH, .i = m->is_centred},
        {.name = "is_rescaled", .type = PT_TRUTH, .i = m->is_rescaled},
        {.name = "is_transcoder", .type = PT_TRUTH, .i = m->is_transcoder},
        {.name = "scale", .type = PT_TEXT, .s = sae_scale_name(m->scale)},
        {.name = "k", .type = PT_INT, .i = (int64_t)m->k},
        {.name = "d_sae", .type = PT_INT, .i = (int64_t)m->f},
        {.name = "d_model", .type = PT_INT, .i = (int64_t)m->d},
        {.name = "seed", .type = PT_INT, .i = m->seed},
        {.name = "layout", .type = PT_TEXT, .s = SAE_LAYOUT},
    };
    rc = pt_write(path, p, n, s, ARRAY_LEN(s), e);
    free(x);
    return rc;
}

static enum err_code write_safetensors(struct sae_model *m, const char *path,
                                       const struct sae_format_opts *o, struct err *e)
{
    char k[24], seed[24];
    struct st_tensor t[TENSORS_MAX];
    float *x = room(m, e);
    enum err_code rc;

    (void)o;
    if (!x)
        return e->code;
    snprintf(k, sizeof k, "%zu", m->k);
    snprintf(seed, sizeof seed, "%lld", (long long)m->seed);
    const struct st_meta meta[] = {
        {"format", "pt"},
        {"arch", m->arch},
        {"act", sae_act_name(m->act)},
        {"is_centred", m->is_centred ? "1" : "0"},
        {"is_rescaled", m->is_rescaled ? "1" : "0"},
        {"is_transcoder", m->is_transcoder ? "1" : "0"},
        {"scale", sae_scale_name(m->scale)},
        {"k", k},
        {"seed", seed},
        {"layout", SAE_LAYOUT},
    };
    size_t n = tensors(t, x, m);
    rc = st_write(path, t, n, meta, ARRAY_LEN(meta), e);
    free(x);
    return rc;
}

const struct sae_format sae_format_saegrid = {
    "saegrid", "our checkpoint (.pt), or a result folder that holds one", is_ours, read_file,
    write_pt};
const struct sae_format sae_format_safetensors = {
    "safetensors", "our tensors as one .safetensors file, their meaning in its metadata",
    is_safetensors, read_file, write_safetensors};
