/* pt.c - the reading half of pt.h: from the pickle's tree to a flat list over mapped data. */
#include "worker/nn/pt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/oom.h"
#include "worker/nn/pickle.h"
#include "worker/nn/pt_zip.h"

/* Trees that share branches could otherwise grow without end. */
enum { DEPTH_MAX = 32, ITEMS_MAX = 1 << 20, PICKLE_MAX = 256 << 20 };

struct pt_private {
    struct zip_in zip;
    struct pickle pickle;
    char *top;                  /* folder of the archive */
    char **kept;                /* names and copied data */
    size_t n_kept, cap_kept, cap_tensors, cap_scalars;
};

static const unsigned char sizes[] = {
    [PT_F32] = 4, [PT_F64] = 8, [PT_F16] = 2, [PT_BF16] = 2, [PT_I64] = 8,
    [PT_I32] = 4, [PT_I16] = 2, [PT_I8] = 1,  [PT_U8] = 1,   [PT_BOOL] = 1};

size_t pt_size(enum pt_dtype t)
{
    return sizes[t];
}

static void *room(void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    *cap = *cap ? 2 * *cap : 16;
    items = realloc(items, *cap * size);
    if (!items)
        oom_exit("%zu items of an archive", *cap);
    return items;
}

static char *keep(struct pt_private *p, char *memory)
{
    p->kept = room(p->kept, p->n_kept, &p->cap_kept, sizeof *p->kept);
    p->kept[p->n_kept++] = memory;
    return memory;
}

/* Shape and number of elements; refuses what is not row-major and contiguous. */
static enum err_code read_shape(struct pt_tensor *t, const struct pv *shape,
                                const struct pv *stride, uint64_t *n, struct err *e)
{
    uint64_t expected = 1;

    if (shape->n > PT_DIMS_MAX)
        return err_set(e, ERR_INVALID, "%zu dimensions, at most %d are read", shape->n,
                       PT_DIMS_MAX);
    t->n_dims = (int)shape->n;
    *n = 1;
    for (size_t i = 0; i < shape->n; i++) {
        t->shape[i] = shape->items[i]->i;
        if (t->shape[i] < 0 || __builtin_mul_overflow(*n, (uint64_t)t->shape[i], n) ||
            *n > INT64_MAX / 8)
            return err_set(e, ERR_CORRUPT, "a shape that cannot be");
    }
    for (size_t i = shape->n; *n > 1 && i-- > 0;) {
        if (t->shape[i] != 1 && (uint64_t)stride->items[i]->i != expected)
            return err_set(e, ERR_INVALID,
                           "not contiguous: stride %" PRId64 " in dimension %zu; save .contiguous()",
                           stride->items[i]->i, i);
        expected *= (uint64_t)t->shape[i];
    }
    return ERR_OK;
}

static enum err_code find_data(struct pt_private *p, struct pt_tensor *t, const struct pv *v,
                               uint64_t n, struct err *e)
{
    const struct pv *storage = v->items[0];
    int64_t offset = v->items[1]->i;
    size_t size = pt_size(t->dtype);
    struct buf name = {0};

    buf_fmt(&name, "%s/data/%s", p->top, storage->key);
    const struct zip_entry *entry = zip_find(&p->zip, name.data);
    buf_free(&name);
    if (!entry)
        return err_set(e, ERR_CORRUPT, "its data/%s is missing", storage->key);
    if (storage->i > INT64_MAX / 8 || entry->size != (uint64_t)storage->i * size)
        return err_set(e, ERR_CORRUPT, "its storage has %" PRIu64 " bytes instead of %" PRId64 " x %zu",
                       entry->size, storage->i, size);
    if (offset < 0 || offset > storage->i || n > (uint64_t)(storage->i - offset))
        return err_set(e, ERR_CORRUPT, "it reaches beyond its storage");
    const uint8_t *data = p->zip.map + entry->at + (uint64_t)offset * size;
    t->data = data;
    if ((uintptr_t)data % size && n) {
        char *copy = malloc(n * size);

        if (!copy)
            return err_set(e, ERR_NOMEM, "%" PRIu64 " bytes for a copy", n * size);
        memcpy(copy, data, n * size);
        t->data = keep(p, copy);
    }
    return ERR_OK;
}

static enum err_code add_tensor(struct pt_file *f, const struct pv *v, const char *name,
                                struct err *e)
{
    struct pt_private *p = f->priv;
    struct pt_tensor t = {.name = name, .dtype = v->items[0]->dtype};
    uint64_t n = 0;

    if (read_shape(&t, v->items[2], v->items[3], &n, e) || find_data(p, &t, v, n, e))
        return err_wrap(e, "tensor %s", *name ? name : "(bare)");
    f->tensors = room(f->tensors, f->n_tensors, &p->cap_tensors, sizeof *f->tensors);
    f->tensors[f->n_tensors++] = t;
    return ERR_OK;
}

static void add_scalar(struct pt_file *f, const struct pv *v, const char *name)
{
    struct pt_private *p = f->priv;
    struct pt_scalar s = {.name = name, .i = v->i, .f = v->f, .s = v->s};

    s.type = v->type == PV_INT ? PT_INT : v->type == PV_BOOL ? PT_TRUTH
           : v->type == PV_FLOAT ? PT_FLOAT : PT_TEXT;
    f->scalars = room(f->scalars, f->n_scalars, &p->cap_scalars, sizeof *f->scalars);
    f->scalars[f->n_scalars++] = s;
}

static enum err_code flatten(struct pt_file *f, const struct pv *v, const char *name, int depth,
                             struct err *e);

static enum err_code flatten_item(struct pt_file *f, const struct pv *v, size_t i,
                                  const char *name, int depth, struct err *e)
{
    const struct pv *key = v->type == PV_DICT ? v->items[i] : NULL;
    struct buf sub = {0};

    buf_fmt(&sub, "%s%s", name, *name ? "." : "");
    if (key && key->type == PV_TEXT)
        buf_str(&sub, key->s);
    else
        buf_fmt(&sub, "%" PRId64, key ? key->i : (int64_t)i);
    return flatten(f, v->items[key ? i + 1 : i], keep(f->priv, buf_steal(&sub)), depth + 1, e);
}

static enum err_code flatten(struct pt_file *f, const struct pv *v, const char *name, int depth,
                             struct err *e)
{
    struct pt_private *p = f->priv;

    if (depth > DEPTH_MAX || p->n_kept > ITEMS_MAX)
        return err_set(e, ERR_INVALID, "%.60s: nested deeper than %d or more than %d items", name,
                       DEPTH_MAX, ITEMS_MAX);
    switch (v->type) {
    case PV_NONE: return ERR_OK;
    case PV_TENSOR: return add_tensor(f, v, name, e);
    case PV_BOOL:
    case PV_INT:
    case PV_FLOAT:
    case PV_TEXT: add_scalar(f, v, name); return ERR_OK;
    case PV_TUPLE:
    case PV_LIST:
    case PV_DICT:
        for (size_t i = 0; i < v->n; i += v->type == PV_DICT ? 2 : 1)
            if (flatten_item(f, v, i, name, depth, e))
                return e->code;
        return ERR_OK;
    default:
        return err_set(e, ERR_INVALID, "%s: neither a tensor nor a plain value", name);
    }
}

static enum err_code find_pickle(struct pt_private *p, const struct zip_entry **out, struct err *e)
{
    static const char suffix[] = "/data.pkl";

    for (size_t i = 0; i < p->zip.n; i++) {
        const char *name = p->zip.entries[i].name;
        size_t n = strlen(name), n_suffix = strlen(suffix);

        if (n <= n_suffix || strcmp(name + n - n_suffix, suffix) != 0 ||
            memchr(name, '/', n - n_suffix))
            continue;
        struct buf top = {0};
        buf_add(&top, name, n - n_suffix);
        p->top = buf_steal(&top);
        *out = &p->zip.entries[i];
        return ERR_OK;
    }
    return err_set(e, ERR_INVALID, "a zip archive, but not one of PyTorch: no data.pkl");
}

static enum err_code check_byteorder(const struct pt_private *p, struct err *e)
{
    struct buf name = {0};

    buf_fmt(&name, "%s/byteorder", p->top);
    const struct zip_entry *entry = zip_find(&p->zip, name.data);
    buf_free(&name);
    if (entry && (entry->size != 6 || memcmp(p->zip.map + entry->at, "little", 6) != 0))
        return err_set(e, ERR_INVALID, "not little-endian");
    return ERR_OK;
}

static enum err_code read_archive(struct pt_file *f, struct err *e)
{
    struct pt_private *p = f->priv;
    const struct zip_entry *entry = NULL;

    if (find_pickle(p, &entry, e) || check_byteorder(p, e) || zip_verify(&p->zip, entry, e))
        return e->code;
    if (entry->size > PICKLE_MAX)
        return err_set(e, ERR_INVALID, "data.pkl: larger than %d bytes", PICKLE_MAX);
    if (pickle_read(&p->pickle, p->zip.map + entry->at, entry->size, e))
        return err_wrap(e, "data.pkl");
    return flatten(f, p->pickle.root, "", 0, e);
}

enum err_code pt_open(struct pt_file *f, const char *path, struct err *e)
{
    struct pt_private *p = calloc(1, sizeof *p);
    struct err own;

    e = e ? e : &own;
    *f = (struct pt_file){.priv = p};
    if (!p)
        return err_set(e, ERR_NOMEM, "%s", path);
    if (zip_open(&p->zip, path, e)) {
        pt_close(f);
        return e->code;
    }
    if (read_archive(f, e)) {
        pt_close(f);
        return err_wrap(e, "%s", path);
    }
    return ERR_OK;
}

void pt_close(struct pt_file *f)
{
    struct pt_private *p = f->priv;

    if (p) {
        for (size_t i = 0; i < p->n_kept; i++)
            free(p->kept[i]);
        free(p->kept);
        free(p->top);
        pickle_free(&p->pickle);
        zip_close(&p->zip);
        free(p);
    }
    free(f->tensors);
    free(f->scalars);
    *f = (struct pt_file){0};
}

const struct pt_tensor *pt_find(const struct pt_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_tensors; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    return NULL;
}
