/* pt_write.c - the writing half of pt.h: one pickle, one archive entry a tensor. */
#include <math.h>
#include <string.h>

#include "common/buf.h"
#include "worker/nn/pickle.h"
#include "worker/nn/pt_zip.h"

static void put_le(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_char(b, (char)(v >> (8 * i)));
}

static void put_text(struct buf *b, const char *s)
{
    buf_char(b, 'X');
    put_le(b, strlen(s), 4);
    buf_str(b, s);
}

static void put_int(struct buf *b, int64_t v)
{
    if (v >= 0 && v < 256) {
        buf_char(b, 'K');
        put_le(b, (uint64_t)v, 1);
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
        buf_char(b, 'J');
        put_le(b, (uint64_t)v, 4);
    } else {
        buf_char(b, (char)0x8a);
        put_le(b, 8, 1);
        put_le(b, (uint64_t)v, 8);
    }
}

static void put_float(struct buf *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    buf_char(b, 'G');
    for (int i = 7; i >= 0; i--) /* big-endian */
        buf_char(b, (char)(bits >> (8 * i)));
}

static void put_bool(struct buf *b, bool v)
{
    buf_char(b, (char)(v ? 0x88 : 0x89));
}

static void put_global(struct buf *b, const char *module, const char *name)
{
    buf_fmt(b, "c%s\n%s\n", module, name);
}

/* False if the shape is negative or its bytes do not fit 63 bits. */
static bool count(const struct pt_tensor *t, uint64_t *n)
{
    *n = 1;
    if (t->n_dims < 0 || t->n_dims > PT_DIMS_MAX)
        return false;
    for (int i = 0; i < t->n_dims; i++)
        if (t->shape[i] < 0 || __builtin_mul_overflow(*n, (uint64_t)t->shape[i], n) ||
            *n > INT64_MAX / 8)
            return false;
    return true;
}

static void put_shape(struct buf *b, const struct pt_tensor *t)
{
    int64_t stride[PT_DIMS_MAX], s = 1;

    for (int i = t->n_dims - 1; i >= 0; i--) {
        stride[i] = s;
        s *= t->shape[i] > 0 ? t->shape[i] : 1;
    }
    buf_char(b, '(');
    for (int i = 0; i < t->n_dims; i++)
        put_int(b, t->shape[i]);
    buf_char(b, 't');
    buf_char(b, '(');
    for (int i = 0; i < t->n_dims; i++)
        put_int(b, stride[i]);
    buf_char(b, 't');
}

/* torch._utils._rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks) */
static void put_tensor(struct buf *b, const struct pt_tensor *t, size_t index, uint64_t n)
{
    char key[24];

    snprintf(key, sizeof key, "%zu", index);
    put_global(b, "torch._utils", "_rebuild_tensor_v2");
    buf_str(b, "((");
    put_text(b, "storage");
    put_global(b, "torch", pt_storage_name(t->dtype));
    put_text(b, key);
    put_text(b, "cpu");
    put_int(b, (int64_t)n);
    buf_str(b, "tQ");
    put_int(b, 0);
    put_shape(b, t);
    put_bool(b, false);
    put_global(b, "collections", "OrderedDict");
    buf_str(b, ")RtR");
}

static void put_scalar(struct buf *b, const struct pt_scalar *s)
{
    put_text(b, s->name);
    switch (s->type) {
    case PT_INT: put_int(b, s->i); break;
    case PT_TRUTH: put_bool(b, s->i != 0); break;
    case PT_FLOAT: put_float(b, s->f); break;
    case PT_TEXT: put_text(b, s->s); break;
    }
}

/* The archive around a finished pickle. */
static enum err_code write_archive(const char *path, const struct buf *pickle,
                                   const struct pt_tensor *t, size_t n_t, struct err *e)
{
    struct zip_out z;
    char name[40];
    uint64_t n = 0;
    enum err_code rc;

    if (zip_create(&z, path, e))
        return e->code;
    rc = zip_add(&z, "archive/data.pkl", pickle->data, pickle->len, e);
    if (!rc)
        rc = zip_add(&z, "archive/byteorder", "little", 6, e);
    for (size_t i = 0; i < n_t && !rc; i++) {
        count(&t[i], &n);
        snprintf(name, sizeof name, "archive/data/%zu", i);
        rc = zip_add(&z, name, t[i].data, n * pt_size(t[i].dtype), e);
    }
    if (!rc)
        rc = zip_add(&z, "archive/version", "3\n", 2, e);
    if (rc) {
        zip_abandon(&z);
        return rc;
    }
    return zip_finish(&z, e);
}

static enum err_code check_tensor(const char *path, const struct pt_tensor *t, struct err *e)
{
    uint64_t n = 0;

    if (!count(t, &n))
        return err_set(e, ERR_BUG, "%s: %s: a shape that cannot be", path, t->name);
    return ERR_OK;
}

/* Length of the group in "group/name", 0 without one. */
static size_t group_len(const char *name)
{
    const char *slash = strchr(name, '/');

    return slash ? (size_t)(slash - name) : 0;
}

/* Neighbours of one group share a nested dict. */
static void put_tensors(struct buf *b, const struct pt_tensor *t, size_t n_t)
{
    for (size_t i = 0; i < n_t; i++) {
        size_t group = group_len(t[i].name);
        bool is_first = group && (i == 0 || strncmp(t[i].name, t[i - 1].name, group + 1));
        bool is_last = group && (i + 1 == n_t || strncmp(t[i].name, t[i + 1].name, group + 1));
        uint64_t n = 0;

        count(&t[i], &n);
        if (is_first) {
            buf_char(b, 'X');
            put_le(b, group, 4);
            buf_add(b, t[i].name, group);
            buf_str(b, "}(");
        }
        put_text(b, t[i].name + (group ? group + 1 : 0));
        put_tensor(b, &t[i], i, n);
        if (is_last)
            buf_char(b, 'u');
    }
}

enum err_code pt_write(const char *path, const struct pt_tensor *t, size_t n_t,
                       const struct pt_scalar *s, size_t n_s, struct err *e)
{
    struct buf b = {0};
    struct err own;

    e = e ? e : &own;
    for (size_t i = 0; i < n_t; i++)
        if (check_tensor(path, &t[i], e))
            return e->code;
    buf_add(&b, "\x80\x02}(", 4);
    put_tensors(&b, t, n_t);
    for (size_t i = 0; i < n_s; i++)
        put_scalar(&b, &s[i]);
    buf_str(&b, "u.");
    enum err_code rc = write_archive(path, &b, t, n_t, e);
    buf_free(&b);
    return rc;
}

enum err_code pt_write_tensor(const char *path, const struct pt_tensor *t, struct err *e)
{
    struct buf b = {0};
    uint64_t n = 0;
    struct err own;

    e = e ? e : &own;
    if (check_tensor(path, t, e))
        return e->code;
    count(t, &n);
    buf_add(&b, "\x80\x02", 2);
    put_tensor(&b, t, 0, n);
    buf_char(&b, '.');
    enum err_code rc = write_archive(path, &b, t, 1, e);
    buf_free(&b);
    return rc;
}
