/* safetensors.h - the safetensors file format: named tensors behind a JSON header.
 *
 *   u64 little-endian N | N bytes of JSON, padded with spaces | tensor bytes, back to back
 *
 * Reading maps the file; tensor data point into the map (copied where the map is not aligned for
 * their type).  Everything a hostile file could say is checked before data is touched: lengths,
 * names, shapes, duplicate keys, overlaps and holes.  Writing is deterministic: the same tensors in
 * any order give the same bytes.  Shards are read through model.safetensors.index.json.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/nn/pt.h"
#include "worker/num/real.h"

enum st_dtype { ST_F32, ST_F64, ST_F16, ST_BF16, ST_I64, ST_I32, ST_I16, ST_I8, ST_U64, ST_U32,
                ST_U16, ST_U8, ST_BOOL };
enum { ST_DIMS_MAX = 8 };

struct st_tensor {
    const char *name;
    enum st_dtype dtype;
    int n_dims;
    int64_t shape[ST_DIMS_MAX];
    const void *data;       /* row-major, little-endian */
    const real *from;       /* writing, instead of data: rounded to dtype (F32, F16, BF16) on the way */
};
struct st_meta {
    const char *key, *value;
};

struct st_file {
    struct st_tensor *tensors;  /* in the order of their data; of shards: file after file */
    size_t n_tensors;
    struct st_meta *meta;       /* __metadata__ of a single file */
    size_t n_meta;
    void *priv;
};

MUST_CHECK enum err_code st_open(struct st_file *f, const char *path, struct err *e);
/* `dir` holds model.safetensors.index.json and its shards, or one model.safetensors.  Every tensor
 * of the index must lie in the shard it names, and the shards hold no other. */
MUST_CHECK enum err_code st_open_dir(struct st_file *f, const char *dir, struct err *e);
void st_close(struct st_file *f);
const struct st_tensor *st_find(const struct st_file *f, const char *name); /* NULL if absent */
const char *st_meta_find(const struct st_file *f, const char *key);         /* NULL if absent */

/* Atomic.  Tensors are sorted by falling size of their type, then by name; metadata by key. */
MUST_CHECK enum err_code st_write(const char *path, const struct st_tensor *t, size_t n_t,
                                  const struct st_meta *m, size_t n_m, struct err *e);
/* Shards model-00001-of-0000N.safetensors of at most `max` bytes of data each (a larger tensor has
 * one of its own) and their index, in a folder that exists; tensors in the order given. */
MUST_CHECK enum err_code st_write_shards(const char *dir, const struct st_tensor *t, size_t n_t,
                                         uint64_t max, struct err *e);

size_t st_size(enum st_dtype t);
const char *st_dtype_name(enum st_dtype t);        /* "F32" */
size_t st_count(const struct st_tensor *t);        /* elements */
/* All elements as float; integers and doubles are rounded.  ERR_INVALID names the first one that is
 * not finite, if `finite` is asked for. */
MUST_CHECK enum err_code st_to_f32(float *out, const struct st_tensor *t, bool finite,
                                   struct err *e);
/* One element of any floating or integer type, as double; `at` in elements. */
double st_number(const void *data, enum st_dtype t, size_t at);
bool st_dtype_of_pt(enum pt_dtype t, enum st_dtype *out); /* false: there is none */
