/* format_husai.c - HUSAI checkpoints: encoder.weight [f,d], encoder.bias [f] and
 * decoder.weight [d,f], bare or below model_state_dict or sae_state_dict.  Their TopK keeps raw
 * pre-activations; neither architecture centres or has a decoder bias.
 */
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "worker/sae/format.h"
#include "worker/sae/weights.h"

static bool matches(const char *path)
{
    size_t n = strlen(path);

    return fs_is_file(path) && n > 3 && (!strcmp(path + n - 3, ".pt") || !strcmp(path + n - 3, "pth"));
}

/* A number or text at the top, in `config`, or nowhere. */
static bool number(const struct weights *w, const char *name, double *out)
{
    char below[64] = "config.", deeper[64] = "config.model.";

    strcat(below, name); /* names are short literals */
    strcat(deeper, name);
    return weights_number(w, name, out) || weights_number(w, below, out) ||
           weights_number(w, deeper, out);
}

static const char *text(const struct weights *w, const char *a, const char *b, const char *c)
{
    const char *t = weights_text(w, a);

    t = t ? t : weights_text(w, b);
    return t ? t : weights_text(w, c);
}

static enum err_code read_meaning(struct sae_model *m, const struct weights *w,
                                  const struct sae_format_opts *o, struct err *e)
{
    const char *arch = text(w, "architecture", "config.architecture", "config.model.architecture");
    double k = 0, seed = -1;

    if (!number(w, "k", &k) && o->k > 0)
        k = (double)o->k;
    number(w, "seed", &seed);
    arch = o->arch ? o->arch : arch ? arch : k > 0 ? "topk" : NULL;
    if (!arch)
        return err_set(e, ERR_INVALID, "it says neither k nor an architecture: give k (topk) or arch: relu");
    if (strcmp(arch, "topk") && strcmp(arch, "relu"))
        return err_set(e, ERR_INVALID, "architecture: %.60s is not one of topk, relu", arch);
    m->act = !strcmp(arch, "topk") ? SAE_ACT_TOPK_RAW : SAE_ACT_RELU;
    if (m->act == SAE_ACT_TOPK_RAW && !(k >= 1 && k < 1e9))
        return err_set(e, ERR_INVALID, "k: the file does not say it: give k");
    m->k = m->act == SAE_ACT_TOPK_RAW ? (size_t)k : 0;
    m->seed = (int64_t)seed;
    memcpy(m->arch, arch, strlen(arch) + 1);
    return ERR_OK;
}

static enum err_code read_weights(struct sae_model *m, struct weights *w,
                                  const struct sae_format_opts *o, struct err *e)
{
    struct sae_model shape = {0};

    if (!weights_below(w, "model_state_dict."))
        weights_below(w, "sae_state_dict.");
    if (weights_find(w, "b_dec") || weights_find(w, "bias"))
        return err_set(e, ERR_INVALID, "it has a decoder bias: not a HUSAI checkpoint");
    if (weights_shape(w, "encoder.weight", &shape.f, &shape.d, e) || read_meaning(&shape, w, o, e))
        return e->code;
    shape.k = shape.k > shape.f ? shape.f : shape.k; /* as its source clips it */
    if (sae_model_new(m, &shape, e) ||
        weights_matrix(w, "encoder.weight", m->enc, m->f, m->d, false, e) ||
        weights_vector(w, "encoder.bias", m->b_enc, m->f, e))
        return e->code;
    return weights_matrix(w, "decoder.weight", m->dir, m->d, m->f, true, e);
}

static enum err_code read_file(struct sae_model *m, const char *path,
                               const struct sae_format_opts *o, struct err *e)
{
    struct weights w;
    enum err_code rc = weights_open(&w, path, e);

    if (rc)
        return rc;
    rc = read_weights(m, &w, o, e);
    weights_close(&w);
    return rc;
}

static enum err_code check(struct sae_model *m, const struct sae_format_opts *o, struct err *e)
{
    bool is_topk = m->act == SAE_ACT_TOPK || m->act == SAE_ACT_TOPK_RAW;

    if (m->is_transcoder)
        return err_set(e, ERR_INVALID, "a transcoder: a HUSAI model is an autoencoder");
    if (m->scale != SAE_SCALE_NONE)
        return err_set(e, ERR_INVALID, "its input is scaled by %s: a HUSAI model has no such step",
                       sae_scale_name(m->scale));
    if (!is_topk && m->act != SAE_ACT_RELU)
        return err_set(e, ERR_INVALID, "%s: HUSAI models are topk or relu", sae_act_name(m->act));
    if (sae_model_has_b_dec(m))
        return err_set(e, ERR_INVALID, "it has a decoder bias: a HUSAI model has none");
    if (m->act == SAE_ACT_TOPK && !o->is_approximate)
        return err_set(e, ERR_INVALID, "its TopK clips at 0 and HUSAI's does not; --approximate writes "
                                       "it all the same");
    if (m->is_rescaled)
        sae_model_fold_norms(m);
    return ERR_OK;
}

static enum err_code write_file(struct sae_model *m, const char *path,
                                const struct sae_format_opts *o, struct err *e)
{
    int64_t d = (int64_t)m->d, f = (int64_t)m->f;
    size_t n = m->f * m->d;
    float *x;
    enum err_code rc;

    if (check(m, o, e))
        return e->code;
    x = malloc((2 * n + m->f) * sizeof *x);
    if (!x)
        return err_set(e, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < m->f; i++) {
        for (size_t j = 0; j < m->d; j++) {
            x[i * m->d + j] = (float)m->enc[i * m->d + j];
            x[n + j * m->f + i] = (float)m->dir[i * m->d + j];
        }
        x[2 * n + i] = (float)m->b_enc[i];
    }
    const struct pt_tensor t[] = {
        {"model_state_dict/encoder.weight", PT_F32, 2, {f, d}, x},
        {"model_state_dict/encoder.bias", PT_F32, 1, {f}, x + 2 * n},
        {"model_state_dict/decoder.weight", PT_F32, 2, {d, f}, x + n},
    };
    const struct pt_scalar s[] = {
        {.name = "architecture", .type = PT_TEXT, .s = m->act == SAE_ACT_RELU ? "relu" : "topk"},
        {.name = "d_model", .type = PT_INT, .i = d},
        {.name = "d_sae", .type = PT_INT, .i = f},
        {.name = "seed", .type = PT_INT, .i = m->seed},
        {.name = "k", .type = PT_INT, .i = (int64_t)m->k},
    };
    rc = pt_write(path, t, ARRAY_LEN(t), s, m->k ? ARRAY_LEN(s) : ARRAY_LEN(s) - 1, e);
    free(x);
    return rc;
}

const struct sae_format sae_format_husai = {
    "husai", "HUSAI checkpoint: .pt with encoder.weight, encoder.bias, decoder.weight", matches,
    read_file, write_file};
