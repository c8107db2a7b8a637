/* st_write.c - the writing half of safetensors.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fs.h"
#include "common/json.h"
#include "worker/nn/half.h"
#include "worker/nn/safetensors.h"

static int by_size_and_name(const void *a, const void *b)
{
    const struct st_tensor *x = *(const struct st_tensor *const *)a;
    const struct st_tensor *y = *(const struct st_tensor *const *)b;
    size_t p = st_size(x->dtype), q = st_size(y->dtype);

    return p != q ? (p > q ? -1 : 1) : strcmp(x->name, y->name);
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const struct st_meta *const *)a)->key, (*(const struct st_meta *const *)b)->key);
}

static void put_meta(struct jsonw *w, const struct st_meta *const *m, size_t n)
{
    jw_key(w, "__metadata__");
    jw_open(w, '{');
    for (size_t i = 0; i < n; i++)
        jw_key(w, m[i]->key), jw_str(w, m[i]->value);
    jw_close(w, '}');
}

/* The padded header, its length in front. */
static void put_header(struct buf *out, const struct st_tensor *const *t, size_t n_t,
                       const struct st_meta *const *m, size_t n_m)
{
    uint64_t at = 0, n;
    struct jsonw w;

    for (int i = 0; i < 8; i++)
        buf_char(out, 0);
    jw_init(&w, out, false);
    jw_open(&w, '{');
    if (n_m)
        put_meta(&w, m, n_m);
    for (size_t i = 0; i < n_t; i++) {
        uint64_t bytes = st_count(t[i]) * st_size(t[i]->dtype);

        jw_key(&w, t[i]->name);
        jw_open(&w, '{');
        jw_key(&w, "dtype"), jw_str(&w, st_dtype_name(t[i]->dtype));
        jw_key(&w, "shape"), jw_open(&w, '[');
        for (int d = 0; d < t[i]->n_dims; d++)
            jw_i64(&w, t[i]->shape[d]);
        jw_close(&w, ']');
        jw_key(&w, "data_offsets"), jw_open(&w, '[');
        jw_i64(&w, (int64_t)at), jw_i64(&w, (int64_t)(at + bytes));
        jw_close(&w, ']');
        jw_close(&w, '}');
        at += bytes;
    }
    jw_close(&w, '}');
    while (out->len % 8)
        buf_char(out, ' ');
    n = out->len - 8;
    for (int i = 0; i < 8; i++)
        out->data[i] = (char)(n >> (8 * i));
}

enum { ROUNDED = 1 << 14 }; /* elements at a time */

static bool put_rounded(FILE *f, const struct st_tensor *t)
{
    union {
        float f32[ROUNDED];
        uint16_t half[ROUNDED];
    } part;
    const size_t n = st_count(t), size = st_size(t->dtype);

    for (size_t at = 0, len; at < n; at += len) {
        len = n - at < ROUNDED ? n - at : ROUNDED;
        for (size_t i = 0; i < len; i++) {
            float x = (float)t->from[at + i];

            if (t->dtype == ST_F32)
                part.f32[i] = x;
            else
                part.half[i] = t->dtype == ST_F16 ? f16_of_f32(x) : bf16_of_f32(x);
        }
        if (fwrite(&part, size, len, f) != len)
            return false;
    }
    return true;
}

static bool put_data(FILE *f, const struct st_tensor *t)
{
    const size_t n = st_count(t);

    return t->from ? put_rounded(f, t) : fwrite(t->data, st_size(t->dtype), n, f) == n;
}

static enum err_code put_file(const char *path, const struct buf *header,
                              const struct st_tensor *const *t, size_t n_t, struct err *e)
{
    struct buf part = {0};
    enum err_code rc = ERR_OK;
    FILE *f;

    buf_fmt(&part, "%s.part", path);
    f = fopen(part.data, "wbe");
    if (!f) {
        rc = err_errno(e, errno, "%s", part.data);
        buf_free(&part);
        return rc;
    }
    bool ok = fwrite(header->data, 1, header->len, f) == header->len;
    for (size_t i = 0; i < n_t && ok; i++)
        ok = put_data(f, t[i]);
    ok = fflush(f) == 0 && ok && fsync(fileno(f)) == 0;
    ok = fclose(f) == 0 && ok;
    if (!ok || rename(part.data, path)) {
        rc = err_errno(e, errno, "write %s", path);
        unlink(part.data);
    }
    buf_free(&part);
    return rc;
}

enum err_code st_write(const char *path, const struct st_tensor *t, size_t n_t,
                       const struct st_meta *m, size_t n_m, struct err *e)
{
    const struct st_tensor **tensors = calloc(n_t + 1, sizeof *tensors);
    const struct st_meta **meta = calloc(n_m + 1, sizeof *meta);
    struct buf header = {0};
    enum err_code rc = ERR_OK;

    if (!tensors || !meta)
        rc = err_set(e, ERR_NOMEM, "%s: %zu tensors: out of memory", path, n_t);
    for (size_t i = 0; i < n_t && !rc; i++)
        tensors[i] = &t[i];
    for (size_t i = 0; i < n_m && !rc; i++)
        meta[i] = &m[i];
    if (!rc) {
        qsort(tensors, n_t, sizeof *tensors, by_size_and_name);
        qsort(meta, n_m, sizeof *meta, by_key);
        put_header(&header, tensors, n_t, meta, n_m);
        rc = put_file(path, &header, tensors, n_t, e);
    }
    buf_free(&header);
    free(tensors);
    free(meta);
    return rc;
}

static size_t bytes_of(const struct st_tensor *t)
{
    return st_count(t) * st_size(t->dtype);
}

/* Tensors from `at` on that share a shard. */
static size_t shard_len(const struct st_tensor *t, size_t n_t, size_t at, uint64_t max)
{
    uint64_t sum = bytes_of(&t[at]);
    size_t n = 1;

    while (at + n < n_t && sum + bytes_of(&t[at + n]) <= max)
        sum += bytes_of(&t[at + n++]);
    return n;
}

enum err_code st_write_shards(const char *dir, const struct st_tensor *t, size_t n_t, uint64_t max,
                              struct err *e)
{
    static const struct st_meta meta = {"format", "pt"};
    size_t n_shards = 0, shard = 0;
    uint64_t total = 0;
    struct buf map = {0}, path = {0}, index = {0};
    struct jsonw w;
    enum err_code rc = ERR_OK;

    for (size_t at = 0; at < n_t; at += shard_len(t, n_t, at, max))
        n_shards++;
    jw_init(&w, &map, true);
    jw_open(&w, '{');
    for (size_t at = 0, n; at < n_t && !rc; at += n) {
        char name[64];

        n = shard_len(t, n_t, at, max);
        snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", ++shard, n_shards);
        buf_reset(&path);
        buf_fmt(&path, "%s/%s", dir, name);
        for (size_t i = at; i < at + n; i++) {
            jw_key(&w, t[i].name), jw_str(&w, name);
            total += bytes_of(&t[i]);
        }
        rc = st_write(path.data, t + at, n, &meta, 1, e);
    }
    jw_close(&w, '}');
    buf_fmt(&index, "{\"metadata\": {\"total_size\": %" PRIu64 "}, \"weight_map\": %s}\n", total,
            map.data);
    buf_reset(&path);
    buf_fmt(&path, "%s/model.safetensors.index.json", dir);
    if (!rc)
        rc = fs_replace(path.data, index.data, index.len, e);
    buf_free(&map);
    buf_free(&path);
    buf_free(&index);
    return rc;
}
