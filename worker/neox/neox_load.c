/* neox_load.c - opening a Hugging Face folder and taking its weights; see neox_file.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/fs.h"
#include "worker/neox/neox_file.h"

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && !strcmp(text + n - m, end);
}

/* What older files hold beside the parameters: masks and rotary tables, made again here. */
static bool is_buffer(const char *name)
{
    return !strncmp(name, "gpt_neox.layers.", 16) &&
           (ends_in(name, ".attention.bias") || ends_in(name, ".attention.masked_bias") ||
            strstr(name, ".rotary_emb."));
}

static enum err_code check_tensor(const struct st_tensor *t, const struct neox_row *r, struct err *e)
{
    bool is_same = t->n_dims == r->n_dims;
    struct buf have = {0};
    size_t at;

    for (int i = 0; i < t->n_dims; i++) {
        buf_fmt(&have, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
        is_same = is_same && (size_t)t->shape[i] == r->shape[i];
    }
    if (!is_same) {
        err_set(e, ERR_INVALID, "%s: shape [%s], config.json wants [%zu%s%.0zu]", t->name,
                have.data ? have.data : "", r->shape[0], r->n_dims > 1 ? ", " : "", r->shape[1]);
        buf_free(&have);
        return ERR_INVALID;
    }
    buf_free(&have);
    if (t->dtype != ST_F32 && t->dtype != ST_F16 && t->dtype != ST_BF16 && t->dtype != ST_F64)
        return err_set(e, ERR_INVALID, "%s: %s is not a floating type", t->name,
                       st_dtype_name(t->dtype));
    at = neox_tensor_nonfinite(t);
    if (at != SIZE_MAX)
        return err_set(e, ERR_INVALID, "%s: element %zu is not finite", t->name, at);
    return ERR_OK;
}

/* A tied file may hold the embedding twice, if both are the same. */
static enum err_code check_tied(const struct st_tensor *t, const struct neox_file *f, struct err *e)
{
    const struct st_tensor *in = st_find(&f->st, "gpt_neox.embed_in.weight");

    if (!in || t->dtype != in->dtype || st_count(t) != st_count(in) ||
        memcmp(t->data, in->data, st_count(t) * st_size(t->dtype)))
        return err_set(e, ERR_INVALID,
                       "embed_out.weight: differs from gpt_neox.embed_in.weight, but "
                       "tie_word_embeddings is true");
    return ERR_OK;
}

static enum err_code extra(const struct st_tensor *t, struct neox_file *f, struct err *e)
{
    if (is_buffer(t->name)) {
        f->n_buffers++;
        return ERR_OK;
    }
    if (f->cfg.is_tied && !strcmp(t->name, "embed_out.weight"))
        return check_tied(t, f, e);
    return err_set(e, ERR_INVALID, "%s: not a tensor of a GPT-NeoX language model%s of %zu layers",
                   t->name, f->cfg.has_attn_bias ? "" : " without attention bias", f->cfg.n_layers);
}

static enum err_code check_tensors(struct neox_file *f, struct err *e)
{
    const size_t n = neox_n_rows(&f->cfg);
    struct neox_row *rows = malloc(n * sizeof *rows);
    enum err_code rc = ERR_OK;

    if (!rows)
        return err_set(e, ERR_NOMEM, "%zu parameter rows", n);
    for (size_t i = 0; i < n; i++)
        neox_row(&rows[i], &f->cfg, i);
    for (size_t i = 0; i < n && !rc; i++) {
        const struct st_tensor *t = st_find(&f->st, rows[i].name);

        rc = t ? check_tensor(t, &rows[i], e) : err_set(e, ERR_INVALID, "%s: missing", rows[i].name);
        if (!strcmp(rows[i].name, "gpt_neox.embed_in.weight") && t)
            f->dtype = t->dtype;
    }
    for (size_t i = 0; i < f->st.n_tensors && !rc; i++) {
        bool is_row = false;

        for (size_t k = 0; k < n && !is_row; k++)
            is_row = !strcmp(rows[k].name, f->st.tensors[i].name);
        if (!is_row)
            rc = extra(&f->st.tensors[i], f, e);
    }
    free(rows);
    return rc;
}

static enum err_code open_weights(struct neox_file *f, const char *dir, struct err *e)
{
    struct buf path = {0};
    bool is_pickle, has_any;

    buf_fmt(&path, "%s/pytorch_model.bin", dir);
    is_pickle = fs_is_file(path.data);
    path.len = 0;
    buf_fmt(&path, "%s/model.safetensors", dir);
    has_any = fs_is_file(path.data);
    path.len = 0;
    buf_fmt(&path, "%s/model.safetensors.index.json", dir);
    has_any = has_any || fs_is_file(path.data);
    buf_free(&path);
    if (!has_any && is_pickle)
        return err_set(e, ERR_INVALID,
                       "%s: pytorch_model.bin is not read; convert it: load the model with "
                       "transformers and save_pretrained(FOLDER, safe_serialization=True)", dir);
    return st_open_dir(&f->st, dir, e);
}

enum err_code neox_file_open(struct neox_file *f, const char *dir, struct err *e)
{
    struct buf path = {0};
    enum err_code rc;

    *f = (struct neox_file){0};
    if (!fs_is_dir(dir))
        return err_set(e, ERR_NOT_FOUND, "%s: no such folder", dir);
    buf_fmt(&path, "%s/config.json", dir);
    rc = neox_cfg_read(&f->cfg, path.data, e);
    buf_free(&path);
    if (!rc)
        rc = open_weights(f, dir, e);
    if (rc)
        return rc;
    rc = check_tensors(f, e);
    if (rc) {
        st_close(&f->st);
        return err_wrap(e, "%s", dir);
    }
    return ERR_OK;
}

void neox_file_close(struct neox_file *f)
{
    st_close(&f->st);
    *f = (struct neox_file){0};
}

void neox_file_load(const struct neox_file *f, struct neox *m)
{
    for (size_t i = 0; i < m->n_params; i++) {
        const struct st_tensor *t = st_find(&f->st, m->param[i].name);

        if (m->param[i].data16)
            neox_tensor_read_half(m->param[i].data16, t);
        else
            neox_tensor_read(m->param[i].data, t);
    }
}
