/* acts.h - an activation matrix on disk: acts.pt, one float32 tensor [n_rows, d_model].
 *
 * The file is a PyTorch zip archive with stored (uncompressed) entries, so its data is mapped,
 * not read: a hundred SAEs on one machine share the page cache.  Written by acts_extract and
 * data_make, loaded by torch.load(weights_only=True).
 */
#pragma once
#include <stddef.h>

#include "common/err.h"

struct pt_file;

#define ACTS_FILE     "acts.pt"
#define ACTS_OUT_FILE "acts_out.pt" /* the same rows at a second hook, if there is one */

struct acts {
    const float *x; /* [n, d] row-major, mapped read-only; 64-byte aligned if we wrote it */
    size_t n, d;
    struct pt_file *file;
};

MUST_CHECK enum err_code acts_open(struct acts *a, const char *dir, struct err *e);
/* Another file of that form in the folder. */
MUST_CHECK enum err_code acts_open_file(struct acts *a, const char *dir, const char *name, struct err *e);
void acts_close(struct acts *a);
/* A NaN or infinity is refused: ERR_INVALID names its row and column, nothing is written. */
MUST_CHECK enum err_code acts_write(const char *path, const float *x, size_t n, size_t d, struct err *e);
