/* acts.c - see acts.h. */
#include "worker/data/acts.h"

#include <math.h>
#include <stdlib.h>

#include "common/buf.h"
#include "worker/nn/pt.h"

static enum err_code check(const struct pt_file *f, struct err *e)
{
    const struct pt_tensor *t = pt_find(f, "");

    if (!t || f->n_tensors != 1)
        return err_set(e, ERR_INVALID, "not one bare tensor");
    if (t->dtype != PT_F32 || t->n_dims != 2)
        return err_set(e, ERR_INVALID, "not a float32 matrix");
    if (t->shape[0] < 1 || t->shape[1] < 1)
        return err_set(e, ERR_INVALID, "an empty matrix");
    return ERR_OK;
}

enum err_code acts_open(struct acts *a, const char *dir, struct err *e)
{
    return acts_open_file(a, dir, ACTS_FILE, e);
}

enum err_code acts_open_file(struct acts *a, const char *dir, const char *name, struct err *e)
{
    struct pt_file *f = calloc(1, sizeof *f);
    struct buf path = {0};
    enum err_code rc;

    *a = (struct acts){0};
    if (!f)
        return err_set(e, ERR_NOMEM, "%s", dir);
    buf_fmt(&path, "%s/%s", dir, name);
    rc = pt_open(f, path.data, e);
    if (!rc && (rc = check(f, e)) != ERR_OK) {
        pt_close(f);
        rc = err_wrap(e, "%s", path.data);
    }
    buf_free(&path);
    if (rc) {
        free(f);
        return rc;
    }
    const struct pt_tensor *t = pt_find(f, "");
    *a = (struct acts){t->data, (size_t)t->shape[0], (size_t)t->shape[1], f};
    return ERR_OK;
}

void acts_close(struct acts *a)
{
    if (a->file) {
        pt_close(a->file);
        free(a->file);
    }
    *a = (struct acts){0};
}

enum err_code acts_write(const char *path, const float *x, size_t n, size_t d, struct err *e)
{
    struct pt_tensor t = {"", PT_F32, 2, {(int64_t)n, (int64_t)d}, x};

    for (size_t i = 0; i < n * d; i++)
        if (!isfinite(x[i]))
            return err_set(e, ERR_INVALID, "%s: row %zu, column %zu: %s is not an activation", path,
                           i / d, i % d, isnan(x[i]) ? "NaN" : "an infinity");
    return pt_write_tensor(path, &t, e);
}
