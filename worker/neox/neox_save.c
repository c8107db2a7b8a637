/* neox_save.c - a model into a Hugging Face folder; see neox_file.h. */
#include <math.h>
#include <stdlib.h>

#include "common/buf.h"
#include "worker/neox/neox_file.h"
#include "worker/nn/half.h"

/* One parameter in the type of the file; ERR_INVALID if F16 cannot hold it. */
static enum err_code convert(void *out, const real *x, const struct param *p, enum st_dtype dtype,
                             struct err *e)
{
    float *f = out;
    uint16_t *h = out;

    for (size_t i = 0; i < p->n; i++) {
        if (dtype == ST_F32)
            f[i] = (float)x[i];
        else
            h[i] = dtype == ST_F16 ? f16_of_f32((float)x[i]) : bf16_of_f32((float)x[i]);
        if (dtype == ST_F16 && (h[i] & 0x7c00) == 0x7c00)
            return err_set(e, ERR_INVALID, "%s: element %zu, %g, is beyond the range of F16", p->name,
                           i, (double)x[i]);
    }
    return ERR_OK;
}

/* The file takes the weights as they lie: a copy would be memory that no plan names. */
static bool is_as_held(enum st_dtype dtype)
{
    return dtype == ST_F32 && sizeof(real) == sizeof(float);
}

static enum err_code fill(struct st_tensor *t, char *at, const struct neox *m, const real *weights,
                          enum st_dtype dtype, struct err *e)
{
    for (size_t i = 0; i < m->n_params; i++) {
        const struct param *p = &m->param[i];
        const real *x = weights + (p->data - m->flat[0]);

        t[i] = (struct st_tensor){.name = p->name, .dtype = dtype, .n_dims = p->n_dims, .data = at};
        for (int k = 0; k < p->n_dims; k++)
            t[i].shape[k] = p->shape[k];
        if (is_as_held(dtype)) {
            t[i].data = x;
            continue;
        }
        if (convert(at, x, p, dtype, e))
            return e->code;
        at += p->n * st_size(dtype);
    }
    return ERR_OK;
}

static enum err_code write_weights(const struct neox *m, const struct st_tensor *t, const char *dir,
                                   const struct neox_save *how, struct err *e)
{
    const struct st_meta meta = {"format", "pt"}; /* transformers asks for it */
    struct buf path = {0};
    enum err_code rc;

    if (how->shard_max && neox_n_weights(&m->cfg) * st_size(how->dtype) > how->shard_max)
        return st_write_shards(dir, t, m->n_params, how->shard_max, e);
    buf_fmt(&path, "%s/model.safetensors", dir);
    rc = st_write(path.data, t, m->n_params, &meta, 1, e);
    buf_free(&path);
    return rc;
}

enum err_code neox_save(const struct neox *m, const real *weights, const char *dir,
                        const struct neox_save *how, struct err *e)
{
    struct st_tensor *t = calloc(m->n_params, sizeof *t);
    char *data = malloc(is_as_held(how->dtype) ? 1 : neox_n_weights(&m->cfg) * st_size(how->dtype));
    struct buf path = {0};
    enum err_code rc = t && data ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to write %s", dir);

    buf_fmt(&path, "%s/config.json", dir);
    if (!rc)
        rc = fill(t, data, m, weights ? weights : m->flat[0], how->dtype, e);
    if (!rc)
        rc = write_weights(m, t, dir, how, e);
    if (!rc)
        rc = neox_cfg_write(&m->cfg, how->dtype, path.data, e);
    buf_free(&path);
    free(data);
    free(t);
    return rc;
}
