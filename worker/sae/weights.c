/* weights.c - see weights.h. */
#include "worker/sae/weights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

static enum err_code from_pt(struct weights *w, const char *path, struct err *e)
{
    enum err_code rc = pt_open(&w->pt, path, e);

    if (rc)
        return rc;
    w->is_pt = true;
    w->t = calloc(w->pt.n_tensors + 1, sizeof *w->t);
    if (!w->t)
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < w->pt.n_tensors; i++) {
        const struct pt_tensor *p = &w->pt.tensors[i];
        struct st_tensor t = {.name = p->name, .n_dims = p->n_dims, .data = p->data};

        if (!st_dtype_of_pt(p->dtype, &t.dtype))
            continue;
        memcpy(t.shape, p->shape, sizeof t.shape);
        w->t[w->n++] = t;
    }
    return ERR_OK;
}

static enum err_code from_st(struct weights *w, const char *path, struct err *e)
{
    enum err_code rc = st_open(&w->st, path, e);

    if (rc)
        return rc;
    w->t = calloc(w->st.n_tensors + 1, sizeof *w->t);
    if (!w->t)
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    w->n = w->st.n_tensors;
    if (w->n)
        memcpy(w->t, w->st.tensors, w->n * sizeof *w->t);
    return ERR_OK;
}

enum err_code weights_open(struct weights *w, const char *path, struct err *e)
{
    char magic[2] = "";
    enum err_code rc;
    FILE *f;

    *w = (struct weights){0};
    if (fs_is_dir(path))
        return err_set(e, ERR_INVALID, "%s: a folder, not a file of weights", path);
    f = fopen(path, "rbe");
    if (!f)
        return err_errno(e, errno, "%s", path);
    size_t n = fread(magic, 1, 2, f);
    fclose(f);
    rc = n == 2 && !memcmp(magic, "PK", 2) ? from_pt(w, path, e) : from_st(w, path, e);
    if (rc)
        weights_close(w);
    return rc;
}

void weights_close(struct weights *w)
{
    if (w->is_pt)
        pt_close(&w->pt);
    else if (w->st.priv)
        st_close(&w->st);
    free(w->t);
    *w = (struct weights){0};
}

bool weights_below(struct weights *w, const char *prefix)
{
    size_t n = strlen(prefix);

    for (size_t i = 0; i < w->n; i++) {
        if (strncmp(w->t[i].name, prefix, n))
            continue;
        for (size_t j = 0; j < w->n; j++) /* names that lack it are out of reach from now on */
            w->t[j].name = strncmp(w->t[j].name, prefix, n) ? "" : w->t[j].name + n;
        w->skip += n;
        return true;
    }
    return false;
}

const struct st_tensor *weights_find(const struct weights *w, const char *name)
{
    for (size_t i = 0; i < w->n; i++)
        if (!strcmp(w->t[i].name, name))
            return &w->t[i];
    return NULL;
}

static enum err_code missing(const char *name, struct err *e)
{
    return err_set(e, ERR_INVALID, "%s: there is no such tensor", name);
}

enum err_code weights_shape(const struct weights *w, const char *name, size_t *rows, size_t *cols,
                            struct err *e)
{
    const struct st_tensor *t = weights_find(w, name);

    if (!t)
        return missing(name, e);
    if (t->n_dims != 2 || t->shape[0] < 1 || t->shape[1] < 1)
        return err_set(e, ERR_INVALID, "%s: not a matrix", name);
    *rows = (size_t)t->shape[0];
    *cols = (size_t)t->shape[1];
    return ERR_OK;
}

/* All elements as floats in memory of their own. */
static enum err_code floats_of(const struct st_tensor *t, float **out, struct err *e)
{
    size_t n = st_count(t);

    *out = malloc((n ? n : 1) * sizeof **out);
    if (!*out)
        return err_set(e, ERR_NOMEM, "%s: %zu numbers: out of memory", t->name, n);
    if (st_to_f32(*out, t, true, e)) {
        free(*out);
        return e->code;
    }
    return ERR_OK;
}

enum err_code weights_matrix(const struct weights *w, const char *name, real *out, size_t rows,
                             size_t cols, bool is_flipped, struct err *e)
{
    const struct st_tensor *t = weights_find(w, name);
    size_t r, c;
    float *x;

    if (weights_shape(w, name, &r, &c, e))
        return e->code;
    if (r != rows || c != cols)
        return err_set(e, ERR_INVALID, "%s: its shape is [%zu, %zu], expected [%zu, %zu]", name, r,
                       c, rows, cols);
    if (floats_of(t, &x, e))
        return e->code;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            out[is_flipped ? j * rows + i : i * cols + j] = (real)x[i * cols + j];
    free(x);
    return ERR_OK;
}

enum err_code weights_vector(const struct weights *w, const char *name, real *out, size_t n,
                             struct err *e)
{
    const struct st_tensor *t = weights_find(w, name);
    float *x;

    if (!t)
        return missing(name, e);
    if (t->n_dims != 1 || (size_t)t->shape[0] != n)
        return err_set(e, ERR_INVALID, "%s: not a vector of %zu", name, n);
    if (floats_of(t, &x, e))
        return e->code;
    for (size_t i = 0; i < n; i++)
        out[i] = (real)x[i];
    free(x);
    return ERR_OK;
}

/* A scalar of a .pt by its name below the prefix, else by its whole name. */
static const struct pt_scalar *scalar(const struct weights *w, const char *name)
{
    for (size_t i = 0; w->is_pt && i < w->pt.n_scalars; i++)
        if (!strcmp(w->pt.scalars[i].name, name))
            return &w->pt.scalars[i];
    return NULL;
}

bool weights_number(const struct weights *w, const char *name, double *out)
{
    const struct st_tensor *t = weights_find(w, name);
    const struct pt_scalar *s = scalar(w, name);

    if (s && s->type != PT_TEXT) {
        *out = s->type == PT_FLOAT ? s->f : (double)s->i;
        return true;
    }
    if (!t && !w->is_pt && st_meta_find(&w->st, name)) {
        char *end;

        *out = strtod(st_meta_find(&w->st, name), &end);
        return *end == '\0';
    }
    if (!t || st_count(t) != 1)
        return false;
    *out = st_number(t->data, t->dtype, 0);
    return true;
}

const char *weights_text(const struct weights *w, const char *name)
{
    const struct pt_scalar *s = scalar(w, name);

    if (s && s->type == PT_TEXT)
        return s->s;
    return w->is_pt ? NULL : st_meta_find(&w->st, name);
}
