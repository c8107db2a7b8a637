/* neox_file.h - a model as a Hugging Face folder: config.json and safetensors, one file or shards.
 *
 * Opening checks everything before memory is taken: the configuration, and that every parameter is
 * there once, with its shape, in F16, BF16, F32 or F64 and finite.  Buffers (causal masks, rotary
 * tables) are ignored; any other tensor is refused by name.
 */
#pragma once
#include "worker/neox/neox.h"
#include "worker/nn/safetensors.h"

struct neox_file {
    struct neox_cfg cfg;
    struct st_file st;
    size_t n_buffers;        /* ignored tensors */
    enum st_dtype dtype;     /* of the embedding */
};

MUST_CHECK enum err_code neox_file_open(struct neox_file *f, const char *dir, struct err *e);
void neox_file_close(struct neox_file *f);
/* The weights into a model made for f->cfg. */
void neox_file_load(const struct neox_file *f, struct neox *m);

/* config.json alone */
MUST_CHECK enum err_code neox_cfg_read(struct neox_cfg *c, const char *path, struct err *e);
MUST_CHECK enum err_code neox_cfg_write(const struct neox_cfg *c, enum st_dtype dtype,
                                        const char *path, struct err *e);

struct neox_save {
    enum st_dtype dtype;     /* ST_F32, ST_F16 or ST_BF16; rounded to nearest even */
    uint64_t shard_max;      /* bytes; 0: one file */
};
/* config.json and weights into a folder that exists.  F16 refuses a weight beyond its range, by name.
 * Matrices that are held in bfloat16 are written in it whatever `how` says. */
MUST_CHECK enum err_code neox_save(const struct neox *m, const char *dir, const struct neox_save *how,
                                   struct err *e);

/* Elements as `real`, and the first one that is not finite (SIZE_MAX: none). */
void neox_tensor_read(real *out, const struct st_tensor *t);
void neox_tensor_read_half(uint16_t *out, const struct st_tensor *t); /* to bfloat16, to nearest even */
size_t neox_tensor_nonfinite(const struct st_tensor *t);
