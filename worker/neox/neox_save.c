/* neox_save.c - a model into a Hugging Face folder; see neox_file.h. */
#include <math.h>
#include <stdlib.h>

#include "common/buf.h"
#include "worker/neox/neox_file.h"
#include "worker/nn/half.h"

/* ERR_INVALID if F16 cannot hold a weight. */
static enum err_code check_range(const struct param *p, struct err *e)
{
    for (size_t i = 0; i < p->n; i++)
        if ((f16_of_f32((float)p->data[i]) & 0x7c00) == 0x7c00)
            return err_set(e, ERR_INVALID, "%s: element %zu, %g, is beyond the range of F16", p->name, i,
                           (double)p->data[i]);
    return ERR_OK;
}

/* Weights go to the file from where they lie, rounded on the way: a copy would be memory that no plan
 * names.  Those held in bfloat16 stay so. */
static enum err_code fill(struct st_tensor *t, const struct neox *m, enum st_dtype dtype, struct err *e)
{
    for (size_t i = 0; i < m->n_params; i++) {
        const struct param *p = &m->param[i];

        t[i] = (struct st_tensor){.name = p->name, .dtype = p->data16 ? ST_BF16 : dtype,
                                  .n_dims = p->n_dims, .data = p->data16, .from = p->data};
        for (int k = 0; k < p->n_dims; k++)
            t[i].shape[k] = p->shape[k];
        if (dtype == ST_F16 && p->data && check_range(p, e))
            return e->code;
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

enum err_code neox_save(const struct neox *m, const char *dir, const struct neox_save *how, struct err *e)
{
    struct st_tensor *t = calloc(m->n_params, sizeof *t);
    struct buf path = {0};
    enum err_code rc = t ? ERR_OK : err_set(e, ERR_NOMEM, "no memory to write %s", dir);

    buf_fmt(&path, "%s/config.json", dir);
    if (!rc)
        rc = fill(t, m, how->dtype, e);
    if (!rc)
        rc = write_weights(m, t, dir, how, e);
    if (!rc)
        rc = neox_cfg_write(&m->cfg, m->store.weights16 ? ST_BF16 : how->dtype, path.data, e);
    buf_free(&path);
    free(t);
    return rc;
}
