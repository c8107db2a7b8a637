/* sae_model.c - memory, checks and rewritings of sae_model.h. */
#include "worker/sae/sae_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/num/vec.h"

const char *sae_act_name(enum sae_act a)
{
#define X(name, text) text,
    static const char *const names[] = {SAE_ACTS(X)};
#undef X

    return names[a];
}

bool sae_act_parse(const char *text, enum sae_act *out)
{
    for (int a = 0; a < SAE_ACT_COUNT; a++)
        if (!strcmp(sae_act_name((enum sae_act)a), text)) {
            *out = (enum sae_act)a;
            return true;
        }
    return false;
}

const char *sae_scale_name(enum sae_scale s)
{
    static const char *const names[] = {"none", "constant_norm_rescale", "layer_norm"};

    return names[s];
}

enum err_code sae_model_new(struct sae_model *m, const struct sae_model *shape, struct err *e)
{
    size_t d = shape->d, f = shape->f, o = shape->o ? shape->o : d, both, n;
    real *p;

    *m = *shape;
    m->memory = NULL;
    m->o = o;
    if (d == 0 || f == 0)
        return err_set(e, ERR_INVALID, "%zu features of %zu dims: both must be at least 1", f, d);
    both = d + o;
    if (f > UINT32_MAX / 2 || d > UINT32_MAX / 2 || o > UINT32_MAX / 2 ||
        __builtin_mul_overflow(m->has_skip ? f + d : f, both, &n) || n > SIZE_MAX / 16 - 4 * f - o)
        return err_set(e, ERR_INVALID, "%zu features of %zu dims: too large", f, d);
    p = m->memory = calloc(n + 4 * f + o, sizeof *p);
    if (!p)
        return err_set(e, ERR_NOMEM, "%zu features of %zu dims: out of memory", f, d);
    m->enc = p;
    m->dir = p + f * d;
    m->b_enc = p + f * both;
    m->threshold = m->b_enc + f;
    m->r_mag = m->threshold + f;
    m->b_mag = m->r_mag + f;
    m->b_dec = m->b_mag + f;
    m->skip = m->has_skip ? m->b_dec + o : NULL;
    return ERR_OK;
}

void sae_model_free(struct sae_model *m)
{
    free(m->memory);
    *m = (struct sae_model){0};
}

enum err_code sae_model_check(const struct sae_model *m, struct err *e)
{
    const struct {
        const char *name;
        const real *x;
        size_t n;
    } rows[] = {{"encoder", m->enc, m->f * m->d}, {"decoder", m->dir, m->f * m->o},
                {"encoder bias", m->b_enc, m->f}, {"threshold", m->threshold, m->f},
                {"r_mag", m->r_mag, m->f},        {"b_mag", m->b_mag, m->f},
                {"decoder bias", m->b_dec, m->o}, {"W_skip", m->skip, m->skip ? m->o * m->d : 0}};
    bool is_topk = m->act == SAE_ACT_TOPK || m->act == SAE_ACT_TOPK_RAW;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!vec_is_finite(rows[i].x, rows[i].n))
            return err_set(e, ERR_INVALID, "%s: holds a value that is not finite", rows[i].name);
    if (m->is_transcoder && (m->is_centred || m->scale != SAE_SCALE_NONE))
        return err_set(e, ERR_INVALID, "a transcoder that centres or scales its input is not read here");
    if (is_topk && (m->k < 1 || m->k > m->f))
        return err_set(e, ERR_INVALID, "k: %zu is outside [1, %zu]", m->k, m->f);
    for (size_t i = 0; i < m->f; i++)
        if (m->threshold[i] < 0)
            return err_set(e, ERR_INVALID, "threshold: %g of feature %zu is below 0",
                           (double)m->threshold[i], i);
    return ERR_OK;
}

void sae_model_centre(struct sae_model *m, bool is_centred)
{
    if (m->is_centred == is_centred || m->is_transcoder)
        return;
    for (size_t i = 0; i < m->f; i++) {
        double dot = 0;

        for (size_t j = 0; j < m->d; j++)
            dot += (double)m->enc[i * m->d + j] * (double)m->b_dec[j];
        dot = is_centred ? dot : -dot;
        m->b_enc[i] = (real)((double)m->b_enc[i] + dot);
        m->b_mag[i] = (real)((double)m->b_mag[i] + dot * exp((double)m->r_mag[i]));
    }
    m->is_centred = is_centred;
}

double sae_model_norm(const struct sae_model *m, size_t f)
{
    return sqrt(vec_sumsq(m->dir + f * m->o, m->o));
}

void sae_model_fold_norms(struct sae_model *m)
{
    for (size_t i = 0; i < m->f; i++) {
        double norm = sae_model_norm(m, i);

        if (norm == 0) /* a feature that writes nothing */
            continue;
        vec_scale(m->dir + i * m->o, (real)(1 / norm), m->o);
        vec_scale(m->enc + i * m->d, (real)norm, m->d);
        m->b_enc[i] = (real)((double)m->b_enc[i] * norm);
        m->b_mag[i] = (real)((double)m->b_mag[i] * norm);
        m->threshold[i] = (real)((double)m->threshold[i] * norm);
    }
    m->is_rescaled = false;
}

bool sae_model_has_b_dec(const struct sae_model *m)
{
    for (size_t i = 0; i < m->o; i++)
        if (m->b_dec[i] != 0)
            return true;
    return false;
}
