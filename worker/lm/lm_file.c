/* lm_file.c - see lm_file.h. */
#include "worker/lm/lm_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_SCALARS = 12, DIM_MAX = 1 << 24 };

/* [d,h*e] in memory <-> [h,d,e] in files */
static void heads_copy(real *file, real *memory, const struct lm_cfg *c, bool is_save)
{
    const size_t h = c->n_heads, d = c->d_model, e = c->d_head;

    for (size_t g = 0; g < h; g++)
        for (size_t i = 0; i < d; i++) {
            real *f = file + (g * d + i) * e, *m = memory + i * h * e + g * e;

            memcpy(is_save ? f : m, is_save ? m : f, e * sizeof *f);
        }
}

static void fill_scalars(struct pt_scalar s[N_SCALARS], const struct lm_cfg *c,
                         const struct lm_origin *o)
{
    const struct pt_scalar all[N_SCALARS] = {
        {"config.n_layers", PT_INT, (int64_t)c->n_layers, 0, NULL},
        {"config.d_model", PT_INT, (int64_t)c->d_model, 0, NULL},
        {"config.n_heads", PT_INT, (int64_t)c->n_heads, 0, NULL},
        {"config.d_head", PT_INT, (int64_t)c->d_head, 0, NULL},
        {"config.d_mlp", PT_INT, (int64_t)c->d_mlp, 0, NULL},
        {"config.n_ctx", PT_INT, (int64_t)c->n_ctx, 0, NULL},
        {"config.d_vocab", PT_INT, (int64_t)c->n_vocab, 0, NULL},
        {"config.eps", PT_FLOAT, 0, 1e-5, NULL},
        {"config.act_fn", PT_TEXT, 0, 0, c->act == LM_GELU ? "gelu" : "relu"},
        {"config.normalization_type", PT_TEXT, 0, 0, "LN"},
        {"config.task", PT_TEXT, 0, 0, o->task},
        {"config.modulus", PT_INT, o->modulus, 0, NULL},
    };

    memcpy(s, all, sizeof all);
}

enum err_code lm_save(const struct lm *m, const struct lm_origin *o, const char *path,
                      struct err *e)
{
    struct pt_tensor *t = calloc(m->n_params, sizeof *t);
    real *heads = malloc(m->n_flat * sizeof *heads), *next = heads;
    struct pt_scalar s[N_SCALARS];
    enum err_code rc = t && heads ? ERR_OK : err_set(e, ERR_NOMEM, "%s", path);

    for (size_t i = 0; !rc && i < m->n_params; i++) {
        struct param *p = &m->param[i];

        t[i] = (struct pt_tensor){.name = p->name, .n_dims = p->n_dims, .data = p->data};
        t[i].dtype = sizeof(real) == sizeof(float) ? PT_F32 : PT_F64;
        memcpy(t[i].shape, p->shape, sizeof p->shape);
        if (!lm_param_is_per_head(p))
            continue;
        heads_copy(next, p->data, &m->cfg, true);
        t[i].data = next;
        next += p->n;
    }
    if (!rc) {
        fill_scalars(s, &m->cfg, o);
        rc = pt_write(path, t, m->n_params, s, N_SCALARS, e);
    }
    free(heads);
    free(t);
    return rc;
}

static const struct pt_scalar *scalar(const struct pt_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_scalars; i++)
        if (!strcmp(f->scalars[i].name, name))
            return &f->scalars[i];
    return NULL;
}

static enum err_code read_cfg(struct lm_file *f, struct err *e)
{
    struct lm_cfg *c = &f->cfg;
    const struct {
        const char *name;
        size_t *to;
    } row[] = {{"config.n_layers", &c->n_layers}, {"config.d_model", &c->d_model},
               {"config.n_heads", &c->n_heads},   {"config.d_head", &c->d_head},
               {"config.d_mlp", &c->d_mlp},       {"config.n_ctx", &c->n_ctx},
               {"config.d_vocab", &c->n_vocab}};
    const struct pt_scalar *act = scalar(&f->pt, "config.act_fn");
    const struct pt_scalar *task = scalar(&f->pt, "config.task");
    const struct pt_scalar *modulus = scalar(&f->pt, "config.modulus");

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        const struct pt_scalar *s = scalar(&f->pt, row[i].name);

        if (!s || s->type != PT_INT || s->i < 1 || s->i > DIM_MAX)
            return err_set(e, ERR_INVALID, "%s: missing or not in [1, %d]", row[i].name, DIM_MAX);
        *row[i].to = (size_t)s->i;
    }
    if (!act || act->type != PT_TEXT || (strcmp(act->s, "relu") && strcmp(act->s, "gelu")))
        return err_set(e, ERR_INVALID, "config.act_fn: not relu or gelu");
    if (!task || task->type != PT_TEXT || strlen(task->s) >= sizeof f->origin.task)
        return err_set(e, ERR_INVALID, "config.task: missing");
    if (!modulus || modulus->type != PT_INT)
        return err_set(e, ERR_INVALID, "config.modulus: missing");
    if (c->n_layers > f->pt.n_tensors)
        return err_set(e, ERR_INVALID, "config.n_layers: %zu, but only %zu tensors", c->n_layers,
                       f->pt.n_tensors);
    if (c->n_heads * c->d_head != c->d_model)
        return err_set(e, ERR_INVALID, "config: %zu heads of %zu are not d_model = %zu",
                       c->n_heads, c->d_head, c->d_model);
    c->act = strcmp(act->s, "gelu") ? LM_RELU : LM_GELU;
    c->ln_eps = (real)1e-5;
    snprintf(f->origin.task, sizeof f->origin.task, "%s", task->s);
    f->origin.modulus = modulus->i;
    return ERR_OK;
}

enum err_code lm_file_open(struct lm_file *f, const char *path, struct err *e)
{
    enum err_code rc;

    *f = (struct lm_file){0};
    rc = pt_open(&f->pt, path, e);
    if (rc)
        return rc;
    rc = read_cfg(f, e);
    if (rc) {
        err_wrap(e, "%s", path);
        lm_file_close(f);
    }
    return rc;
}

void lm_file_close(struct lm_file *f)
{
    pt_close(&f->pt);
}

static enum err_code check_tensor(const struct pt_tensor *t, const struct param *p, struct err *e)
{
    if (!t)
        return err_set(e, ERR_INVALID, "%s: missing", p->name);
    if (t->dtype != PT_F32 && t->dtype != PT_F64)
        return err_set(e, ERR_INVALID, "%s: not float32 or float64", p->name);
    if (t->n_dims != p->n_dims || memcmp(t->shape, p->shape, (size_t)p->n_dims * sizeof *p->shape))
        return err_set(e, ERR_INVALID, "%s: its shape is not the one that config.* says", p->name);
    return ERR_OK;
}

enum err_code lm_file_read(const struct lm_file *f, struct lm *m, struct err *e)
{
    real *scratch = malloc(m->n_flat * sizeof *scratch);
    enum err_code rc = scratch ? ERR_OK : err_set(e, ERR_NOMEM, "model");

    for (size_t i = 0; !rc && i < m->n_params; i++) {
        struct param *p = &m->param[i];
        const struct pt_tensor *t = pt_find(&f->pt, p->name);
        real *to = lm_param_is_per_head(p) ? scratch : p->data;

        rc = check_tensor(t, p, e);
        for (size_t j = 0; !rc && j < p->n; j++)
            to[j] = t->dtype == PT_F32 ? (real)((const float *)t->data)[j]
                                       : (real)((const double *)t->data)[j];
        if (!rc && to == scratch)
            heads_copy(scratch, p->data, &m->cfg, false);
    }
    free(scratch);
    return rc;
}
