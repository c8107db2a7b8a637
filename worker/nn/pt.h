/* pt.h - PyTorch .pt archives: written for torch.load(weights_only=True), read by a whitelist
 * interpreter of the pickle opcodes.  Never executes anything.
 *
 * Writing: a flat dict name -> tensor, plus scalars (integers, strings, floats).  Deterministic:
 * the same input gives the same bytes.  Reading: the file is mapped; tensor data point into it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

enum pt_dtype { PT_F32, PT_F64, PT_F16, PT_BF16, PT_I64, PT_I32, PT_I16, PT_I8, PT_U8, PT_BOOL };
enum { PT_DIMS_MAX = 8 };

struct pt_tensor {
    const char *name;    /* nested dicts are joined with '.': "model_state_dict.encoder.weight" */
    enum pt_dtype dtype;
    int n_dims;
    int64_t shape[PT_DIMS_MAX];
    const void *data;    /* row-major, contiguous, little-endian */
};
struct pt_scalar {
    const char *name;
    enum { PT_INT, PT_FLOAT, PT_TEXT, PT_TRUTH } type;
    int64_t i;           /* PT_INT, PT_TRUTH */
    double f;
    const char *s;
};

/* A tensor named "group/name" lies in a nested dict `group`; those of a group stand together. */
MUST_CHECK enum err_code pt_write(const char *path, const struct pt_tensor *t, size_t n_t,
                                  const struct pt_scalar *s, size_t n_s, struct err *e);
/* one bare tensor, as torch.save(tensor) */
MUST_CHECK enum err_code pt_write_tensor(const char *path, const struct pt_tensor *t, struct err *e);

struct pt_file {
    struct pt_tensor *tensors; /* a bare tensor has the name "" */
    size_t n_tensors;
    struct pt_scalar *scalars;
    size_t n_scalars;
    void *priv;
};
MUST_CHECK enum err_code pt_open(struct pt_file *f, const char *path, struct err *e);
void pt_close(struct pt_file *f);
const struct pt_tensor *pt_find(const struct pt_file *f, const char *name); /* NULL if absent */
size_t pt_size(enum pt_dtype t);
