/* ingest.h - reads a complete result folder (formats in common/rundir.h) and checks it.
 *
 * Nothing is written.  Any disagreement (other job, other size, bad text) is ERR_CORRUPT with
 * the file's name in front.
 */
#pragma once
#include <stdint.h>

#include "common/buf.h"
#include "common/json.h"

enum { INGEST_SERIES_MAX = 2000 }; /* points kept of one name */

struct ingest {
    struct json *root;          /* of result.json */
    const char *verdict;        /* "pass", "negative" or NULL; points into root */
    const char *message;
    const char *command;        /* of the runner, or NULL */
    struct buf dir;             /* the folder */
    uint8_t digest[32];         /* SHA-256 of result.json, */
    int64_t bytes;              /* and its size */
    struct buf provenance;      /* one JSON object, without what tells attempts apart (pid, times) */
};

MUST_CHECK enum err_code ingest_open(struct ingest *in, const char *dir, const char *job_hex,
                                     struct err *e);
void ingest_close(struct ingest *in); /* no-op if not open */

/* ERR_CORRUPT names a metric that the kind declares and the result neither has nor explains. */
MUST_CHECK enum err_code ingest_declared(const struct json *root, struct err *e);
/* Metrics of a result.json in its order, without the null ones. */
MUST_CHECK enum err_code ingest_metrics(const struct json *root,
                                        enum err_code (*each)(void *ctx, const char *name, double value,
                                                              struct err *e),
                                        void *ctx, struct err *e);

/* Every point of series.csv that is kept: of n points of a name, n > 2000, those with number
 * floor(i (n - 1) / 1999), i = 0 .. 1999, so the first and the last are among them.  Points that
 * are not finite are left out before.  No file: no points. */
struct ingest_point {
    const char *name;           /* zero-terminated, until the call returns */
    int64_t step;
    double value;
};
MUST_CHECK enum err_code ingest_series(const struct ingest *in,
                                       enum err_code (*each)(void *ctx, const struct ingest_point *p,
                                                             struct err *e),
                                       void *ctx, struct err *e);

/* Rows of the blob `pairs`: columns by name, NaN where a column is absent or empty. */
enum { INGEST_PAIR_VALUES = 6 };
struct ingest_pair {
    int64_t seed_a, seed_b;
    double value[INGEST_PAIR_VALUES]; /* pwmcc mmcs hungarian hungarian_abs subspace grassmann */
};
MUST_CHECK enum err_code ingest_pairs(const char *csv,
                                      enum err_code (*each)(void *ctx, const struct ingest_pair *p,
                                                            struct err *e),
                                      void *ctx, struct err *e);

/* "name=value name=value": metrics of a job that ran inside the agent. */
MUST_CHECK enum err_code ingest_inline(const char *text,
                                       enum err_code (*each)(void *ctx, const char *name, double value,
                                                             struct err *e),
                                       void *ctx, struct err *e);
