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

enum err_code sae_save(const char *path, const struct sae *s, int64_t seed, struct err *e)
{
    size_t d = s->cfg.d, f = s->cfg.f;
    int64_t df = (int64_t)f, dd = (int64_t)d;
    real *columns = malloc(f * d * sizeof *columns);
    enum err_code rc;

    if (!columns)
        return err_set(e, ERR_NOMEM, "%s: %zu x %zu decoder: out of memory", path, d, f);
    TRANSPOSE(columns, s->p[SAE_DECODER].data, f, d);
    const struct pt_tensor t[] = {
        {"encoder.weight", PT_REAL, 2, {df, dd}, s->p[SAE_ENCODER].data},
        {"encoder.bias", PT_REAL, 1, {df}, s->p[SAE_B_ENC].data},
        {"decoder.weight", PT_REAL, 2, {dd, df}, columns},
        {"b_dec", PT_REAL, 1, {dd}, s->p[SAE_B_DEC].data},
    };
    const struct pt_scalar scalars[] = {
        {.name = "arch", .type = PT_TEXT, .s = s->cfg.arch->name},
        {.name = "k", .type = PT_INT, .i = (int64_t)s->cfg.k},
        {.name = "d_sae", .type = PT_INT, .i = df},
        {.name = "d_model", .type = PT_INT, .i = dd},
        {.name = "seed", .type = PT_INT, .i = seed},
        {.name = "layout", .type = PT_TEXT, .s = SAE_LAYOUT},
    };
    rc = pt_write(path, t, s->n_params, scalars, ARRAY_LEN(scalars), e);
    free(columns);
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
