/* wandb.h - Weights & Biases' transaction log, as `wandb sync` reads it.
 *
 * A LevelDB log of protobuf records (wandb_internal.proto) with a header of seven bytes and zlib's
 * CRC-32: a record is cut where a block of 32 KiB ends.  Records: wandb_begin(), one run, then any
 * number of history rows, a summary, wandb_end().  Values are JSON texts.
 */
#pragma once
#include "common/buf.h"

struct wandb_log {
    struct buf *out;
    int64_t num;            /* of the last record */
};

/* Items of one record: the keys of a row, of the summary or of the config. */
struct wandb_items {
    struct buf bytes;       /* begin with {0}; the record takes it */
};

struct wandb_run {
    const char *id, *project, *group, *job_type, *name, *notes, *host;
    const char *const *tags; /* NULL-terminated; NULL: none */
    int64_t start_s;
};

void wandb_item(struct wandb_items *items, const char *key, const char *json);

void wandb_begin(struct wandb_log *log, struct buf *out, const char *producer);
void wandb_run(struct wandb_log *log, const struct wandb_run *run, struct wandb_items *config);
void wandb_history(struct wandb_log *log, int64_t step, struct wandb_items *row);
void wandb_summary(struct wandb_log *log, struct wandb_items *row);
void wandb_end(struct wandb_log *log, int exit_code, int64_t runtime_s);
