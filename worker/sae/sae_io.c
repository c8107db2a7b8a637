/* sae_io.c - see sae_io.h. */
#include "worker/sae/sae_io.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/nn/pt.h"
#include "worker/num/vec.h"

#ifdef REAL_IS_DOUBLE
#define PT_REAL PT_F64
#else
#define PT_REAL PT_F32
#endif

/* to [n_cols,n_rows] = from [n_rows,n_cols]^T, in blocks that fit the first cache */
#define TRANSPOSE(to, from, n_rows, n_cols)                                                        \
    do {                                                                                           \
        for (size_t r0_ = 0; r0_ < (n_rows); r0_ += 32)                                            \
            for (size_t c0_ = 0; c0_ < (n_cols); c0_ += 32)                                        \
                for (size_t r_ = r0_; r_ < r0_ + 32 && r_ < (n_rows); r_++)                        \
                    for (size_t c_ = c0_; c_ < c0_ + 32 && c_ < (n_cols); c_++)                    \
                        (to)[c_ * (n_rows) + r_] = (from)[r_ * (n_cols) + c_];                     \
    } while (0)

/* How activations come from z once training is over. */
static const char *act_name(const struct sae_arch *a)
{
    if (a->select == SAE_SELECT_ROW)
        return a->has_relu ? "topk" : "topk_raw";
    return a->select == SAE_SELECT_BATCH || a->params >> SAE_LOG_THETA & 1 ? "jumprelu"
           : a->has_gate                                                   ? "gated"
           : a->has_relu                                                   ? "relu"
                                                                           : "linear";
}

/* [f]: of jumprelu its own, of batch selection the one in use; false if there is none */
static bool thresholds(const struct sae *s, real *out)
{
    bool is_own = sae_has(s, SAE_LOG_THETA), is_batch = s->cfg.arch->select == SAE_SELECT_BATCH;

    for (size_t i = 0; (is_own || is_batch) && i < s->cfg.f; i++)
        out[i] = is_own ? (real)exp((double)s->p[SAE_LOG_THETA].data[i])
                        : (real)(s->theta > 0 ? s->theta : 0);
    return is_own || is_batch;
}

struct saver {
    struct pt_tensor t[SAE_PARAMS_MAX + 2];
    size_t n;
};

static void add(struct saver *v, const char *name, const void *data, size_t rows, size_t cols)
{
    v->t[v->n++] = (struct pt_tensor){name, PT_REAL, cols ? 2 : 1, {(int64_t)rows, (int64_t)cols},
                                      data};
}

static enum err_code write_all(const char *path, const struct sae *s, const struct sae_about *about,
                               real *room, struct err *e)
{
    const struct sae_cfg *c = &s->cfg;
    size_t f = c->f, d = c->d, o = sae_out(c);
    real *columns = room, *enc = columns + f * o, *theta = enc + f * d, *b_dec = theta + f;
    real in = (real)about->factor, out = (real)(1 / about->factor);
    struct saver v = {.n = 0};
    bool is_transcoder = c->arch->is_transcoder || o != d || about->has_target;

    TRANSPOSE(columns, s->p[SAE_DECODER].data, f, o);
    memcpy(enc, s->p[SAE_ENCODER].data, f * d * sizeof *enc);
    memcpy(b_dec, s->p[SAE_B_DEC].data, s->p[SAE_B_DEC].n * sizeof *b_dec);
    if (about->factor != 1) {
        vec_scale(columns, out, f * o);
        vec_scale(enc, in, f * d);
        vec_scale(b_dec, out, s->p[SAE_B_DEC].n);
    }
    add(&v, "encoder.weight", enc, f, d);
    add(&v, "encoder.bias", s->p[SAE_B_ENC].data, f, 0);
    add(&v, "decoder.weight", columns, o, f);
    if (sae_has(s, SAE_B_DEC))
        add(&v, "b_dec", b_dec, o, 0);
    if (thresholds(s, theta))
        add(&v, "threshold", theta, f, 0);
    for (int i = SAE_R_MAG; i <= SAE_B_MAG; i++)
        if (sae_has(s, i))
            add(&v, s->p[i].name, s->p[i].data, f, 0);
    if (sae_has(s, SAE_SKIP))
        add(&v, "W_skip", s->p[SAE_SKIP].data, o, d);
    const struct pt_scalar scalars[] = {
        {.name = "arch", .type = PT_TEXT, .s = c->arch->name},
        {.name = "act", .type = PT_TEXT, .s = act_name(c->arch)},
        {.name = "is_centred", .type = PT_TRUTH, .i = c->arch->is_centred},
        {.name = "is_transcoder", .type = PT_TRUTH, .i = is_transcoder},
        {.name = "scale", .type = PT_TEXT, .s = about->scale},
        {.name = "k", .type = PT_INT, .i = (int64_t)c->k},
        {.name = "d_sae", .type = PT_INT, .i = (int64_t)f},
        {.name = "d_model", .type = PT_INT, .i = (int64_t)d},
        {.name = "seed", .type = PT_INT, .i = about->seed},
        {.name = "step", .type = PT_INT, .i = about->step},
        {.name = "layout", .type = PT_TEXT, .s = SAE_LAYOUT},
    };
    return pt_write(path, v.t, v.n, scalars, ARRAY_LEN(scalars), e);
}

enum err_code sae_save(const char *path, const struct sae *s, const struct sae_about *about,
                       struct err *e)
{
    size_t f = s->cfg.f, o = sae_out(&s->cfg);
    real *room = malloc((f * (o + s->cfg.d + 1) + o) * sizeof *room);
    enum err_code rc;

    if (!room)
        return err_set(e, ERR_NOMEM, "%s: %zu x %zu decoder: out of memory", path, o, f);
    rc = write_all(path, s, about, room, e);
    free(room);
    return rc;
}

enum err_code sae_save_decoder(const char *path, const float *dir, size_t f, size_t d, int64_t seed,
                               struct err *e)
{
    float *columns = malloc(f * d * sizeof *columns);
    enum err_code rc;

    if (!columns)
        return err_set(e, ERR_NOMEM, "%s: %zu x %zu decoder: out of memory", path, d, f);
    TRANSPOSE(columns, dir, f, d);
    const struct pt_tensor t = {
        "decoder.weight", PT_F32, 2, {(int64_t)d, (int64_t)f}, columns};
    const struct pt_scalar scalars[] = {
        {.name = "arch", .type = PT_TEXT, .s = "random"},
        {.name = "d_sae", .type = PT_INT, .i = (int64_t)f},
        {.name = "d_model", .type = PT_INT, .i = (int64_t)d},
        {.name = "seed", .type = PT_INT, .i = seed},
        {.name = "layout", .type = PT_TEXT, .s = SAE_LAYOUT},
    };
    rc = pt_write(path, &t, 1, scalars, ARRAY_LEN(scalars), e);
    free(columns);
    return rc;
}

/* The matrix [n_rows,n_cols] of a file as rows of directions, transposed if they are columns. */
static enum err_code take(struct sae_dict *dict, const struct pt_tensor *t, bool is_columns,
                          const char *path, struct err *e)
{
    size_t rows, cols;

    if (!t || t->n_dims != 2 || t->shape[0] < 1 || t->shape[1] < 1 ||
        (t->dtype != PT_F32 && t->dtype != PT_F64))
        return err_set(e, ERR_INVALID, "%s: no %s matrix of float32 or float64", path,
                       is_columns ? "decoder.weight" : "directions");
    rows = (size_t)t->shape[0];
    cols = (size_t)t->shape[1];
    dict->f = is_columns ? cols : rows;
    dict->d = is_columns ? rows : cols;
    dict->dir = malloc(rows * cols * sizeof *dict->dir);
    if (!dict->dir)
        return err_set(e, ERR_NOMEM, "%s: %zu x %zu directions: out of memory", path, rows, cols);
    if (is_columns && t->dtype == PT_F32)
        TRANSPOSE(dict->dir, (const float *)t->data, rows, cols);
    else if (is_columns)
        TRANSPOSE(dict->dir, (const double *)t->data, rows, cols);
    else
        for (size_t i = 0; i < rows * cols; i++)
            dict->dir[i] = t->dtype == PT_F32 ? (real)((const float *)t->data)[i]
                                              : (real)((const double *)t->data)[i];
    if (!vec_is_finite(dict->dir, rows * cols))
        return err_set(e, ERR_INVALID, "%s: a direction is not finite", path);
    for (size_t i = 0; i < dict->f; i++)
        vec_normalise(dict->dir + i * dict->d, dict->d);
    return ERR_OK;
}

/* Unit rows of encoder.weight [f,d], if the file has one of that shape. */
static enum err_code take_encoder(struct sae_dict *dict, const struct pt_tensor *t, const char *path,
                                  struct err *e)
{
    struct sae_dict enc = {0};

    if (!t || t->n_dims != 2 || (size_t)t->shape[0] != dict->f || (size_t)t->shape[1] != dict->d)
        return ERR_OK;
    if (take(&enc, t, false, path, e)) {
        free(enc.dir);
        return e->code;
    }
    dict->enc = enc.dir;
    return ERR_OK;
}

static enum err_code load(struct sae_dict *dict, const char *path, bool is_columns, struct err *e)
{
    struct pt_file file;
    enum err_code rc;

    *dict = (struct sae_dict){.seed = -1};
    rc = pt_open(&file, path, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < file.n_scalars; i++)
        if (!strcmp(file.scalars[i].name, "seed") && file.scalars[i].type == PT_INT)
            dict->seed = file.scalars[i].i;
    rc = take(dict, pt_find(&file, is_columns ? "decoder.weight" : ""), is_columns, path, e);
    if (!rc && is_columns)
        rc = take_encoder(dict, pt_find(&file, "encoder.weight"), path, e);
    pt_close(&file);
    if (rc)
        sae_dict_free(dict);
    return rc;
}

enum err_code sae_dict_load(struct sae_dict *dict, const char *path, struct err *e)
{
    return load(dict, path, true, e);
}

enum err_code sae_dict_load_rows(struct sae_dict *dict, const char *path, struct err *e)
{
    return load(dict, path, false, e);
}

void sae_dict_free(struct sae_dict *dict)
{
    free(dict->dir);
    free(dict->enc);
    dict->dir = dict->enc = NULL;
}
