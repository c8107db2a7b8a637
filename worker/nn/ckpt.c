/* ckpt.c - see ckpt.h. */
#include "worker/nn/ckpt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/oom.h"
#include "common/sha256.h"

static struct ckpt_item *item_new(struct ckpt *c, char *name)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->items[i].name, name) == 0) {
            free(name);
            return &c->items[i];
        }
    }
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 32;
        c->items = realloc(c->items, c->cap * sizeof *c->items);
        if (!c->items)
            oom_exit("%zu items of a checkpoint", c->cap);
    }
    c->items[c->n] = (struct ckpt_item){.name = name};
    return &c->items[c->n++];
}

static char *joined(const char *a, const char *b)
{
    struct buf s = {0};

    buf_fmt(&s, "%s%s", a, b);
    return buf_steal(&s);
}

static void add(struct ckpt *c, char *name, void *data, size_t n, enum pt_dtype dtype)
{
    struct ckpt_item *i = item_new(c, name);

    i->data = data;
    i->from = data;
    i->n = n;
    i->dtype = dtype;
}

void ckpt_bytes(struct ckpt *c, const char *name, void *data, size_t n)
{
    add(c, joined("state.", name), data, n, PT_U8);
}

void ckpt_params(struct ckpt *c, struct param *p, size_t n_params)
{
    enum pt_dtype dtype = sizeof(real) == sizeof(double) ? PT_F64 : PT_F32;

    for (size_t i = 0; i < n_params; i++) {
        add(c, joined("param.", p[i].name), p[i].data, p[i].n, dtype);
        if (p[i].m)
            add(c, joined("m.", p[i].name), p[i].m, p[i].n, dtype);
        if (p[i].v)
            add(c, joined("v.", p[i].name), p[i].v, p[i].n, dtype);
    }
}

void ckpt_extra_set(struct ckpt *c, const char *name, const void *data, size_t n)
{
    struct ckpt_item *i = item_new(c, joined("extra.", name));

    i->from = data;
    i->n = n;
    i->dtype = PT_U8;
}

const void *ckpt_extra(const struct ckpt *c, const char *name, size_t *n)
{
    char *full = joined("extra.", name);
    const struct pt_tensor *t = pt_find(&c->file, full);

    free(full);
    *n = t ? (size_t)t->shape[0] : 0;
    return t ? t->data : NULL;
}

static void digest_add(struct sha256 *s, const char *name, const void *data, size_t bytes)
{
    uint64_t n = bytes;

    sha256_add(s, name, strlen(name) + 1);
    sha256_add(s, &n, sizeof n);
    sha256_add(s, data, bytes);
}

static enum err_code write_next(const struct ckpt *c, const char *next, const char *owner,
                                struct err *e)
{
    struct pt_tensor *t = calloc(c->n ? c->n : 1, sizeof *t);
    uint8_t digest[32];
    char hex[65];
    struct sha256 sum;
    enum err_code rc;

    if (!t)
        return err_set(e, ERR_NOMEM, "%s: %zu rows", next, c->n);
    sha256_init(&sum);
    for (size_t i = 0; i < c->n; i++) {
        const struct ckpt_item *it = &c->items[i];

        t[i] = (struct pt_tensor){it->name, it->dtype, 1, {(int64_t)it->n}, it->n ? it->from : ""};
        digest_add(&sum, it->name, t[i].data, it->n * pt_size(it->dtype));
    }
    sha256_end(&sum, digest);
    const struct pt_scalar s[] = {
        {"format", PT_INT, 1, 0, NULL},
        {"owner", PT_TEXT, 0, 0, owner},
        {"digest", PT_TEXT, 0, 0, hex_text(hex, digest, 32)},
    };
    rc = pt_write(next, t, c->n, s, ARRAY_LEN(s), e);
    free(t);
    return rc;
}

enum err_code ckpt_save(struct ckpt *c, const char *path, const char *owner, struct err *e)
{
    char *next = joined(path, ".next"), *prev = joined(path, ".prev");
    enum err_code rc = write_next(c, next, owner, e);

    if (!rc && rename(path, prev) && errno != ENOENT)
        rc = err_errno(e, errno, "%s", prev);
    if (!rc && rename(next, path))
        rc = err_errno(e, errno, "%s", path);
    free(next);
    free(prev);
    return rc;
}

static const char *scalar_text(const struct pt_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_scalars; i++)
        if (strcmp(f->scalars[i].name, name) == 0 && f->scalars[i].type == PT_TEXT)
            return f->scalars[i].s;
    return "";
}

static enum err_code check_digest(const struct pt_file *f, struct err *e)
{
    uint8_t digest[32];
    char hex[65];
    struct sha256 sum;

    sha256_init(&sum);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const struct pt_tensor *t = &f->tensors[i];
        size_t n = t->n_dims == 1 ? (size_t)t->shape[0] : 0;

        digest_add(&sum, t->name, t->data, n * pt_size(t->dtype));
    }
    sha256_end(&sum, digest);
    if (strcmp(hex_text(hex, digest, 32), scalar_text(f, "digest")) != 0)
        return err_set(e, ERR_CORRUPT, "its digest does not match");
    return ERR_OK;
}

static enum err_code check(const struct ckpt *c, const struct pt_file *f, const char *owner,
                           struct err *e)
{
    if (strcmp(scalar_text(f, "owner"), owner) != 0)
        return err_set(e, ERR_INVALID, "the state of another job");
    if (check_digest(f, e))
        return e->code;
    for (size_t i = 0; i < c->n; i++) {
        const struct ckpt_item *it = &c->items[i];
        const struct pt_tensor *t = it->data ? pt_find(f, it->name) : NULL;

        if (it->data && (!t || t->dtype != it->dtype || t->n_dims != 1 ||
                         (uint64_t)t->shape[0] != it->n))
            return err_set(e, ERR_INVALID, "%s: absent, or of another size or type", it->name);
    }
    return ERR_OK;
}

static enum err_code load_one(struct ckpt *c, const char *path, const char *owner, struct err *e)
{
    struct pt_file f;

    if (pt_open(&f, path, e))
        return e->code;
    if (check(c, &f, owner, e)) {
        pt_close(&f);
        return err_wrap(e, "%s", path);
    }
    for (size_t i = 0; i < c->n; i++) {
        struct ckpt_item *it = &c->items[i];

        if (it->data && it->n)
            memcpy(it->data, pt_find(&f, it->name)->data, it->n * pt_size(it->dtype));
    }
    pt_close(&c->file);
    c->file = f;
    return ERR_OK;
}

void ckpt_load(struct ckpt *c, const char *path, const char *owner, bool *is_found, struct err *e)
{
    char *prev = joined(path, ".prev");
    const char *const candidates[] = {path, prev};

    *is_found = false;
    e->text[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(candidates) && !*is_found; i++) {
        if (access(candidates[i], F_OK))
            continue;
        *is_found = load_one(c, candidates[i], owner, e) == ERR_OK;
    }
    free(prev);
}

void ckpt_free(struct ckpt *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->items[i].name);
    free(c->items);
    pt_close(&c->file);
    *c = (struct ckpt){0};
}
