/* live.h - results/progress.json: the last step that each running job reported.  It is no part of
 * the manifest: written about once a second while something changes, whole or not at all, without
 * waiting for the disk, removed at the end, and never read by the coordinator. */
#pragma once
#include "common/proto.h"

struct live_row {
    int64_t job, epoch, step, total;
    char text[96];
};

struct live {
    struct live_row *rows;  /* by rank */
    int n_ranks;
    int64_t next_ms;
    bool is_changed;
};

void live_open(struct live *l, int n_ranks);
void live_note(struct live *l, int rank, const struct msg_PROGRESS *m);
void live_write(struct live *l, const char *results, int64_t now_ms); /* no-op if not due */
void live_close(struct live *l, const char *results);

/* For readers: the progress of one attempt, "" if none is known. */
struct json;
struct json *live_read(const char *results); /* NULL: none; the caller frees it */
void live_find(const struct json *live, int64_t job, int64_t epoch, struct buf *out);
