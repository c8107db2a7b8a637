/* mlp_site.c - see mlp_site.h. */
#include "worker/jobs/mlp_site.h"

#include <inttypes.h>
#include <stdio.h>

#include "worker/jobs/neox_io.h"

/* Entry (i, j) of a tensor of either file, in whatever layout: data[i to_i + j to_j]. */
struct entries {
    const void *data;
    enum st_dtype type;
    size_t to_i, to_j;
};

static double entry(const struct entries *m, size_t i, size_t j)
{
    return st_number(m->data, m->type, i * m->to_i + j * m->to_j);
}

struct parts {
    struct entries gain, bias;   /* (c, 0) */
    struct entries w_in, b_in;   /* (h, c), (h, 0) */
    struct entries w_out;        /* (h, o) */
};

/* Tensors of both kinds of files by our names of their parts; sizes as they lie in the file. */
struct row {
    const char *lm, *neox;
    struct entries *to;
    size_t n[2];                 /* lm's shape, rows and columns; n[1] 0: a vector */
    bool is_turned;              /* (i, j) is entry (j, i) of lm's; neox has it the other way round */
};

static void set_entries(const struct row *r, const void *data, enum st_dtype type, bool is_neox)
{
    size_t columns = !r->n[1] ? 1 : is_neox ? r->n[0] : r->n[1];
    bool is_turned = r->is_turned != is_neox && r->n[1];

    *r->to = (struct entries){data, type, is_turned ? 1 : columns, is_turned ? columns : 1};
}

static size_t count_of(const struct row *r)
{
    return r->n[0] * (r->n[1] ? r->n[1] : 1);
}

static enum err_code find_lm(const struct mlp_site *s, const struct row *r, struct err *e)
{
    char name[64];
    const struct pt_tensor *t;
    enum st_dtype type;
    size_t have = 1;

    snprintf(name, sizeof name, "blocks.%" PRId64 ".%s", s->layer, r->lm);
    t = pt_find(&s->lm.pt, name);
    for (int i = 0; t && i < t->n_dims; i++)
        have *= (size_t)t->shape[i];
    if (!t || (t->dtype != PT_F32 && t->dtype != PT_F64) || have != count_of(r) ||
        !st_dtype_of_pt(t->dtype, &type))
        return err_set(e, ERR_INVALID, "%s: missing, or not of %zu numbers", name, count_of(r));
    set_entries(r, t->data, type, false);
    return ERR_OK;
}

static enum err_code find_neox(const struct mlp_site *s, const struct row *r, struct err *e)
{
    char name[NEOX_NAME_MAX];
    const struct st_tensor *t;

    snprintf(name, sizeof name, "gpt_neox.layers.%" PRId64 ".%s", s->layer, r->neox);
    t = st_find(&s->neox.st, name);
    if (!t || st_count(t) != count_of(r)) /* opening has checked it */
        return err_set(e, ERR_INVALID, "%s: missing, or not of %zu numbers", name, count_of(r));
    set_entries(r, t->data, t->dtype, true);
    return ERR_OK;
}

static enum err_code find_parts(const struct mlp_site *s, struct parts *p, struct err *e)
{
    size_t d = s->shape.d, h = s->shape.h;
    const struct row rows[] = {
        {"ln2.w", "post_attention_layernorm.weight", &p->gain, {d, 0}, false},
        {"ln2.b", "post_attention_layernorm.bias", &p->bias, {d, 0}, false},
        {"mlp.W_in", "mlp.dense_h_to_4h.weight", &p->w_in, {d, h}, true},
        {"mlp.b_in", "mlp.dense_h_to_4h.bias", &p->b_in, {h, 0}, false},
        {"mlp.W_out", "mlp.dense_4h_to_h.weight", &p->w_out, {h, d}, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (s->is_neox ? find_neox(s, &rows[i], e) : find_lm(s, &rows[i], e))
            return e->code;
    return ERR_OK;
}

static enum err_code open_lm(struct mlp_site *s, const char *dir, struct err *e)
{
    struct buf path = {0};
    enum err_code rc;

    buf_fmt(&path, "%s/%s", dir, LM_FILE);
    rc = lm_file_open(&s->lm, path.data, e);
    buf_free(&path);
    if (rc)
        return rc;
    s->shape = (struct mlp){.d = s->lm.cfg.d_model, .h = s->lm.cfg.d_mlp, .o = s->lm.cfg.d_model,
                            .act = s->lm.cfg.act == LM_GELU ? MLP_GELU : MLP_RELU};
    return ERR_OK;
}

static enum err_code open_neox(struct mlp_site *s, const char *dir, struct err *e)
{
    struct buf path = {0};
    enum err_code rc;

    buf_fmt(&path, "%s/" NEOX_MODEL_DIR, dir);
    rc = neox_file_open(&s->neox, path.data, e);
    buf_free(&path);
    if (rc)
        return rc;
    s->shape = (struct mlp){.d = s->neox.cfg.d_model, .h = s->neox.cfg.d_mlp, .o = s->neox.cfg.d_model,
                            .act = s->neox.cfg.act == NEOX_GELU ? MLP_GELU : MLP_GELU_TANH};
    return ERR_OK;
}

enum err_code mlp_site_open(struct mlp_site *s, const char *dir, int64_t layer, struct err *e)
{
    struct parts p;
    size_t n_layers;
    enum err_code rc;

    *s = (struct mlp_site){.is_neox = neox_is_in(dir), .layer = layer};
    rc = s->is_neox ? open_neox(s, dir, e) : open_lm(s, dir, e);
    if (rc)
        return rc;
    n_layers = s->is_neox ? s->neox.cfg.n_layers : s->lm.cfg.n_layers;
    if (layer < 0 || (size_t)layer >= n_layers)
        rc = err_set(e, ERR_INVALID, "layer %" PRId64 " is outside [0, %zu]", layer, n_layers - 1);
    else
        rc = find_parts(s, &p, e);
    if (rc)
        mlp_site_close(s);
    return rc;
}

void mlp_site_close(struct mlp_site *s)
{
    if (s->is_neox)
        neox_file_close(&s->neox);
    else
        lm_file_close(&s->lm);
}

enum err_code mlp_site_read(const struct mlp_site *s, real *w_in, real *b_in, real *w_out, struct err *e)
{
    size_t d = s->shape.d, h = s->shape.h, o = s->shape.o;
    struct parts p;

    if (find_parts(s, &p, e))
        return e->code;
    for (size_t i = 0; i < h; i++) {
        double sum = entry(&p.b_in, i, 0);

        for (size_t c = 0; c < d; c++) {
            double w = entry(&p.w_in, i, c);

            w_in[i * d + c] = (real)(w * entry(&p.gain, c, 0));
            sum += w * entry(&p.bias, c, 0);
        }
        b_in[i] = (real)sum;
        for (size_t c = 0; c < o; c++)
            w_out[i * o + c] = (real)entry(&p.w_out, i, c);
    }
    return ERR_OK;
}
