/* weights.h - the named tensors of a checkpoint, whether .pt or safetensors, into an SAE's arrays. */
#pragma once
#include "worker/nn/safetensors.h"
#include "worker/sae/sae_model.h"

struct weights {
    struct st_tensor *t;
    size_t n;
    struct pt_file pt;      /* scalars too; empty for safetensors */
    struct st_file st;
    bool is_pt;
    size_t skip;            /* length of a prefix that all names have: "model_state_dict." */
};

/* By what the file is, not by its name: a .pt archive begins with "PK". */
MUST_CHECK enum err_code weights_open(struct weights *w, const char *path, struct err *e);
void weights_close(struct weights *w);
/* Looks below `prefix` from now on, if a tensor is there; returns whether. */
bool weights_below(struct weights *w, const char *prefix);

const struct st_tensor *weights_find(const struct weights *w, const char *name); /* or NULL */
/* Sizes of a matrix. */
MUST_CHECK enum err_code weights_shape(const struct weights *w, const char *name, size_t *rows,
                                       size_t *cols, struct err *e);
/* The matrix of the file is [rows,cols]; `is_flipped`: out [cols,rows] is its transpose. */
MUST_CHECK enum err_code weights_matrix(const struct weights *w, const char *name, real *out,
                                        size_t rows, size_t cols, bool is_flipped, struct err *e);
MUST_CHECK enum err_code weights_vector(const struct weights *w, const char *name, real *out,
                                        size_t n, struct err *e);
/* A scalar of a .pt, an entry of safetensors metadata, or a tensor of one element; false if there
 * is none. */
bool weights_number(const struct weights *w, const char *name, double *out);
const char *weights_text(const struct weights *w, const char *name); /* scalar or metadata; or NULL */
