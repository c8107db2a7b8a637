/* safetensors.c - the reading half of safetensors.h.
 *
 * A file is trusted with nothing: the header's length against the file's, the header against the
 * strict JSON reader (which refuses duplicate keys), every range against its shape and its
 * neighbours.  Ranges must tile the data section without overlap or hole, as the format demands.
 */
#include "worker/nn/safetensors.h"

#include <fcntl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fs.h"
#include "common/json.h"

enum { HEADER_MAX = 100 << 20, SHARDS_MAX = 4096 };

struct mapping {
    uint8_t *at;
    size_t n;
    struct json *header;
};
struct st_private {
    struct mapping *maps;
    size_t n_maps;
    void **copies;              /* of data that the map does not align */
    size_t n_copies;
    struct json *index;
};

/* A tensor with its place, while the tiling is checked. */
struct placed {
    struct st_tensor t;
    uint64_t begin, end;
};

static void *take(size_t n, size_t size, struct err *e)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        err_set(e, ERR_NOMEM, "%zu items of %zu bytes: out of memory", n, size);
    return p;
}

static bool dtype_parse(const char *name, enum st_dtype *out)
{
    for (int t = ST_F32; t <= ST_BOOL; t++)
        if (!strcmp(st_dtype_name((enum st_dtype)t), name)) {
            *out = (enum st_dtype)t;
            return true;
        }
    return false;
}

static enum err_code read_shape(struct placed *p, const struct json *v, uint64_t *bytes,
                                struct err *e)
{
    uint64_t n = st_size(p->t.dtype);

    if (!json_is_array(v) || json_len(v) > ST_DIMS_MAX)
        return err_set(e, ERR_CORRUPT, "shape: not a list of at most %d sizes", ST_DIMS_MAX);
    for (const struct json *i = json_first(v); i; i = json_next(i)) {
        int64_t size;

        if (json_str(i) || !json_i64(i, &size) || size < 0 ||
            __builtin_mul_overflow(n, (uint64_t)size, &n) || n > INT64_MAX)
            return err_set(e, ERR_CORRUPT, "shape: a size that cannot be");
        p->t.shape[p->t.n_dims++] = size;
    }
    *bytes = n;
    return ERR_OK;
}

static enum err_code read_tensor(struct placed *p, const struct json *v, uint64_t n_data,
                                 struct err *e)
{
    const char *dtype = json_str(json_get(v, "dtype"));
    const struct json *range = json_get(v, "data_offsets");
    const struct json *first = range && json_is_array(range) ? json_first(range) : NULL;
    int64_t begin, end;
    uint64_t bytes = 0;

    if (!json_is_object(v) || json_len(v) != 3)
        return err_set(e, ERR_CORRUPT, "not {dtype, shape, data_offsets}");
    if (!dtype || !dtype_parse(dtype, &p->t.dtype))
        return err_set(e, ERR_INVALID, "dtype: %.40s is not one this program reads",
                       dtype ? dtype : "(none)");
    if (read_shape(p, json_get(v, "shape"), &bytes, e))
        return e->code;
    if (!first || json_len(range) != 2 || json_str(first) || json_str(json_next(first)) ||
        !json_i64(first, &begin) || !json_i64(json_next(first), &end))
        return err_set(e, ERR_CORRUPT, "data_offsets: not two numbers");
    if (begin < 0 || end < begin || (uint64_t)end > n_data)
        return err_set(e, ERR_CORRUPT, "data_offsets: [%" PRId64 ", %" PRId64 "] is outside the %" PRIu64
                       " bytes of data", begin, end, n_data);
    if ((uint64_t)(end - begin) != bytes)
        return err_set(e, ERR_CORRUPT, "data_offsets: %" PRId64 " bytes, its shape and dtype need %" PRIu64,
                       end - begin, bytes);
    p->begin = (uint64_t)begin;
    p->end = (uint64_t)end;
    return ERR_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->t.name, y->t.name);
}

static enum err_code check_tiling(const struct placed *p, size_t n, uint64_t n_data, struct err *e)
{
    uint64_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i].begin < at)
            return err_set(e, ERR_CORRUPT, "%.100s: overlaps the tensor before it", p[i].t.name);
        if (p[i].begin > at)
            return err_set(e, ERR_CORRUPT, "%.100s: %" PRIu64 " bytes before it belong to no tensor",
                           p[i].t.name, p[i].begin - at);
        at = p[i].end;
    }
    if (at != n_data)
        return err_set(e, ERR_CORRUPT, "%" PRIu64 " bytes at the end belong to no tensor",
                       n_data - at);
    return ERR_OK;
}

static enum err_code read_meta(struct st_file *f, const struct json *v, struct err *e)
{
    if (!json_is_object(v))
        return err_set(e, ERR_CORRUPT, "__metadata__: not an object");
    f->meta = take(json_len(v), sizeof *f->meta, e);
    if (!f->meta)
        return e->code;
    for (const struct json *i = json_first(v); i; i = json_next(i)) {
        if (!json_str(i))
            return err_set(e, ERR_CORRUPT, "__metadata__: %.60s: not a string", json_key(i));
        f->meta[f->n_meta++] = (struct st_meta){json_key(i), json_str(i)};
    }
    return ERR_OK;
}

/* Fills `p` from the header's members; metadata goes to the file (of a single one only). */
static enum err_code read_members(struct st_file *f, const struct json *header, struct placed *p,
                                  uint64_t n_data, size_t *n, struct err *e)
{
    for (const struct json *i = json_first(header); i; i = json_next(i)) {
        const char *name = json_key(i);

        if (!strcmp(name, "__metadata__")) {
            if (!f->meta && read_meta(f, i, e))
                return e->code;
            continue;
        }
        p[*n].t.name = name;
        if (read_tensor(&p[*n], i, n_data, e))
            return err_wrap(e, "%.100s", *name ? name : "(no name)");
        ++*n;
    }
    qsort(p, *n, sizeof *p, by_place);
    return check_tiling(p, *n, n_data, e);
}

static enum err_code point_at_data(struct st_private *pr, struct st_tensor *t, const uint8_t *data,
                                   struct err *e)
{
    size_t size = st_size(t->dtype), bytes = st_count(t) * size;

    t->data = data;
    if ((uintptr_t)data % size == 0 || !bytes)
        return ERR_OK;
    void *copy = take(bytes, 1, e), **grown;

    if (!copy)
        return e->code;
    memcpy(copy, data, bytes);
    grown = realloc(pr->copies, (pr->n_copies + 1) * sizeof *grown);
    if (!grown) {
        free(copy);
        return err_set(e, ERR_NOMEM, "%s: out of memory", t->name);
    }
    pr->copies = grown;
    pr->copies[pr->n_copies++] = copy;
    t->data = copy;
    return ERR_OK;
}

static enum err_code add_tensors(struct st_file *f, struct mapping *m, uint64_t n_header,
                                 struct err *e)
{
    size_t n = 0, max = json_len(m->header);
    struct placed *p = take(max, sizeof *p, e);
    struct st_tensor *grown = NULL;
    uint64_t n_data = m->n - 8 - n_header;
    enum err_code rc = p ? read_members(f, m->header, p, n_data, &n, e) : ERR_NOMEM;

    if (!rc) {
        grown = realloc(f->tensors, (f->n_tensors + n + 1) * sizeof *grown);
        rc = grown ? ERR_OK : err_set(e, ERR_NOMEM, "%zu tensors: out of memory", n);
    }
    if (grown)
        f->tensors = grown;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = point_at_data(f->priv, &p[i].t, m->at + 8 + n_header + p[i].begin, e);
        f->tensors[f->n_tensors++] = p[i].t;
    }
    free(p);
    return rc;
}

static enum err_code map_file(struct mapping *m, const char *path, struct err *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(e, ERR_INVALID, "%s: not a file", path);
    }
    m->n = (size_t)st.st_size;
    m->at = m->n ? mmap(NULL, m->n, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (m->at == MAP_FAILED) {
        m->at = NULL;
        return err_errno(e, errno, "%s: map", path);
    }
    return ERR_OK;
}

static enum err_code read_file(struct st_file *f, struct mapping *m, struct err *e)
{
    uint64_t n_header = 0;

    if (m->n < 8)
        return err_set(e, ERR_CORRUPT, "%zu bytes: too short for a safetensors file", m->n);
    for (int i = 7; i >= 0; i--)
        n_header = n_header << 8 | m->at[i];
    if (n_header > HEADER_MAX || n_header > m->n - 8)
        return err_set(e, ERR_CORRUPT, "a header of %" PRIu64 " bytes in a file of %zu: cut short, or "
                       "not a safetensors file", n_header, m->n);
    if (n_header < 2 || m->at[8] != '{')
        return err_set(e, ERR_CORRUPT, "its header does not begin with {");
    if (json_parse((const char *)m->at + 8, n_header, &m->header, e)) {
        e->code = ERR_CORRUPT;
        return err_wrap(e, "header");
    }
    return add_tensors(f, m, n_header, e);
}

static enum err_code add_file(struct st_file *f, const char *path, struct err *e)
{
    struct st_private *pr = f->priv;
    struct mapping *grown = realloc(pr->maps, (pr->n_maps + 1) * sizeof *grown);

    if (!grown)
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    pr->maps = grown;
    pr->maps[pr->n_maps] = (struct mapping){0};
    if (map_file(&pr->maps[pr->n_maps], path, e))
        return e->code;
    pr->n_maps++;
    if (read_file(f, &pr->maps[pr->n_maps - 1], e))
        return err_wrap(e, "%s", path);
    return ERR_OK;
}

static enum err_code begin(struct st_file *f, struct err *e)
{
    *f = (struct st_file){.priv = take(1, sizeof(struct st_private), e)};
    return f->priv ? ERR_OK : e->code;
}

enum err_code st_open(struct st_file *f, const char *path, struct err *e)
{
    struct err own;

    e = e ? e : &own;
    if (begin(f, e) || add_file(f, path, e)) {
        st_close(f);
        return e->code;
    }
    return ERR_OK;
}

void st_close(struct st_file *f)
{
    struct st_private *p = f->priv;

    for (size_t i = 0; p && i < p->n_maps; i++) {
        json_free(p->maps[i].header);
        if (p->maps[i].at)
            munmap(p->maps[i].at, p->maps[i].n);
    }
    for (size_t i = 0; p && i < p->n_copies; i++)
        free(p->copies[i]);
    if (p) {
        json_free(p->index);
        free(p->copies);
        free(p->maps);
    }
    free(p);
    free(f->tensors);
    free(f->meta);
    *f = (struct st_file){0};
}

const struct st_tensor *st_find(const struct st_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_tensors; i++)
        if (!strcmp(f->tensors[i].name, name))
            return &f->tensors[i];
    return NULL;
}

const char *st_meta_find(const struct st_file *f, const char *key)
{
    for (size_t i = 0; i < f->n_meta; i++)
        if (!strcmp(f->meta[i].key, key))
            return f->meta[i].value;
    return NULL;
}

/* --- shards ----------------------------------------------------------------------------------- */

/* Opens the shards in the order of their first mention. */
static enum err_code add_shards(struct st_file *f, const char *dir, const struct json *weights,
                                struct err *e)
{
    const char *opened[SHARDS_MAX];
    size_t n = 0;

    for (const struct json *i = json_first(weights); i; i = json_next(i)) {
        const char *shard = json_str(i);
        struct buf path = {0};
        size_t at = 0;
        enum err_code rc;

        if (!shard || !fs_name_is_safe(shard))
            return err_set(e, ERR_CORRUPT, "weight_map: %.80s: not the name of a file", json_key(i));
        while (at < n && strcmp(opened[at], shard))
            at++;
        if (at < n)
            continue;
        if (n == SHARDS_MAX)
            return err_set(e, ERR_INVALID, "weight_map: more than %d files", SHARDS_MAX);
        opened[n++] = shard;
        buf_fmt(&path, "%s/%s", dir, shard);
        rc = add_file(f, path.data, e);
        buf_free(&path);
        if (rc)
            return rc;
    }
    return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct st_tensor *)a)->name, ((const struct st_tensor *)b)->name);
}

/* The tensors found and those of the index are the same set. */
static enum err_code check_index(const struct st_file *f, const struct json *weights, struct err *e)
{
    struct st_tensor *sorted = take(f->n_tensors, sizeof *sorted, e);
    enum err_code rc = ERR_OK;

    if (!sorted)
        return e->code;
    if (f->n_tensors)
        memcpy(sorted, f->tensors, f->n_tensors * sizeof *sorted);
    qsort(sorted, f->n_tensors, sizeof *sorted, by_name);
    for (size_t i = 0; i < f->n_tensors && !rc; i++) {
        if (i && !strcmp(sorted[i].name, sorted[i - 1].name))
            rc = err_set(e, ERR_CORRUPT, "%.100s: in two shards", sorted[i].name);
        else if (!json_get(weights, sorted[i].name))
            rc = err_set(e, ERR_CORRUPT, "%.100s: not in the index", sorted[i].name);
    }
    for (const struct json *i = json_first(weights); i && !rc; i = json_next(i)) {
        struct st_tensor key = {.name = json_key(i)};

        if (!bsearch(&key, sorted, f->n_tensors, sizeof *sorted, by_name))
            rc = err_set(e, ERR_CORRUPT, "%.100s: in the index, not in %.80s", json_key(i),
                         json_str(i));
    }
    free(sorted);
    return rc;
}

enum err_code st_open_dir(struct st_file *f, const char *dir, struct err *e)
{
    struct buf path = {0};
    struct err own;
    enum err_code rc;

    e = e ? e : &own;
    rc = begin(f, e);
    buf_fmt(&path, "%s/model.safetensors.index.json", dir);
    if (!rc && !fs_is_file(path.data)) {
        buf_reset(&path);
        buf_fmt(&path, "%s/model.safetensors", dir);
        rc = add_file(f, path.data, e);
    } else if (!rc) {
        struct st_private *pr = f->priv;

        rc = json_read(path.data, HEADER_MAX, &pr->index, e);
        const struct json *weights = rc ? NULL : json_get(pr->index, "weight_map");
        if (!rc && !json_is_object(weights))
            rc = err_set(e, ERR_CORRUPT, "weight_map: missing");
        if (!rc)
            rc = add_shards(f, dir, weights, e);
        if (!rc)
            rc = check_index(f, weights, e);
        if (rc)
            err_wrap(e, "%s", path.data);
    }
    buf_free(&path);
    if (rc)
        st_close(f);
    return rc;
}
