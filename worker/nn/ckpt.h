/* ckpt.h - the whole state of a training in one file, so that a later attempt goes on bit for bit.
 *
 * Name everything that changes from step to step once; save and load walk the same list:
 *
 *   struct ckpt c = {0};
 *   ckpt_params(&c, params, n_params);              data, m and v of every row
 *   ckpt_bytes(&c, "adam.t", &adam.t, sizeof adam.t);
 *   ckpt_bytes(&c, "rng.order", &rng, sizeof rng);  any plain memory
 *   job_checkpoint_load(j, &c, &is_resumed, &e);    job.h; adds the logged series
 *
 * Memory is borrowed until ckpt_free().  The file holds a SHA-256 of its contents; the one before
 * is kept beside it until the new one is on disk.
 */
#pragma once
#include "worker/nn/adam.h"
#include "worker/nn/pt.h"

struct ckpt_item {
    char *name;
    void *data;       /* load: filled; NULL: an extra, read by ckpt_extra */
    const void *from; /* save */
    size_t n;
    enum pt_dtype dtype;
};

struct ckpt {
    struct ckpt_item *items;
    size_t n, cap;
    struct pt_file file; /* after a load */
};

void ckpt_bytes(struct ckpt *c, const char *name, void *data, size_t n);
void ckpt_params(struct ckpt *c, struct param *p, size_t n_params);
/* Saved, but not filled by a load: its size is not known before.  `data` is read by the next
 * ckpt_save; the same name again replaces it. */
void ckpt_extra_set(struct ckpt *c, const char *name, const void *data, size_t n);
/* Bytes of an extra of the loaded file; NULL if it has none.  Valid until ckpt_free. */
const void *ckpt_extra(const struct ckpt *c, const char *name, size_t *n);

/* <path>, atomically; the one before becomes <path>.prev. */
MUST_CHECK enum err_code ckpt_save(struct ckpt *c, const char *path, const char *owner,
                                   struct err *e);
/* Fills the listed memory from <path>, else from <path>.prev; *is_found says whether one of them
 * was whole, had the same list and the same owner.  If none, memory is untouched and `e` says why
 * the last one was refused (empty: there is none): start from the beginning. */
void ckpt_load(struct ckpt *c, const char *path, const char *owner, bool *is_found, struct err *e);
void ckpt_free(struct ckpt *c);
