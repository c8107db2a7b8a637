/* ckpt.h - the state of a job on disk: named blocks of plain memory, for a later attempt.
 *
 * Saving replaces the file atomically and syncs it.  A file is taken only if job, version, block
 * names and sizes are the same and its digest holds; anything else is ERR_CORRUPT, and the caller
 * starts anew.  Blocks hold no pointers.
 */
#pragma once
#include <stdint.h>

#include "common/err.h"

#define CKPT_FILE "checkpoints/state.bin"

struct ckpt_block {
    const char *name; /* shorter than 32 bytes */
    void *data;
    size_t size;
};

struct ckpt {
    const char *job;     /* hex id: another job's file is refused */
    int64_t version;     /* of the layout: the caller counts it up */
    const struct ckpt_block *blocks;
    size_t n_blocks;
};

MUST_CHECK enum err_code ckpt_save(const char *path, const struct ckpt *c, struct err *e);
/* ERR_NOT_FOUND: no file.  On ERR_CORRUPT the blocks may be partly filled. */
MUST_CHECK enum err_code ckpt_load(const char *path, const struct ckpt *c, struct err *e);
/* Removes it; an absent file is fine. */
void ckpt_remove(const char *path);
