/* manifest_gate.c - verdicts of gates, as soon as the jobs they need are done.
 *
 * A job's end can decide its own gate, and, if its stage is complete by that, the gates of stages
 * that compare themselves with it.  A gate that lets the best of a stage pass is decided when the last of them is
 * done, for all at once: the order in which they ended cannot matter.
 */
#include "common/oom.h"
#include "coordinator/manifest_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/gate.h"

struct open_gate {
    int64_t sweep, stage, job, epoch;
    char *metric, *against; /* against may be NULL */
    double min, max, value;
    double top;             /* > 0: the best so many, or that share, of the stage */
    bool low_is_best;
};

static double column_f64(sqlite3_stmt *row, int col)
{
    return sqlite3_column_type(row, col) == SQLITE_NULL ? NAN : sqlite3_column_double(row, col);
}

/* --- the best of a stage ------------------------------------------------------------------ */

struct rival {
    int64_t job;
    double value;           /* NaN: none, or diverged */
};

static struct rival *room(struct rival *v, size_t n, size_t *cap)
{
    if (n < *cap)
        return v;
    *cap = *cap ? 2 * *cap : 64;
    v = realloc(v, *cap * sizeof *v);
    if (!v)
        abort();
    return v;
}

/* All jobs of the stage, the best first, equal ones by their digests; *is_open: some are not done. */
static enum err_code rank(struct manifest *m, const struct open_gate *o, struct rival **out, size_t *n, bool *is_open,
                          struct err *e)
{
    sqlite3_stmt *row;
    size_t cap = 0;
    enum err_code rc = db_row(m, ST_GATE_RANKED, &row, e, "iitf", o->sweep, o->stage, o->metric,
                              o->low_is_best ? -1.0 : 1.0);

    *n = 0;
    *out = NULL;
    *is_open = false;
    for (; !rc && row; rc = db_next(m, &row, e)) {
        if (strcmp(db_text(row, 1), "skipped") == 0) /* it was stopped before */
            continue;
        *out = room(*out, *n, &cap);
        (*out)[(*n)++] = (struct rival){sqlite3_column_int64(row, 0), column_f64(row, 2)};
        *is_open = *is_open || strcmp(db_text(row, 1), "done") != 0;
    }
    return rc;
}

static enum err_code decide_top(struct manifest *m, const struct open_gate *o, struct err *e)
{
    struct rival *v;
    struct buf why = {0};
    size_t n, kept;
    bool is_open;
    enum err_code rc = rank(m, o, &v, &n, &is_open, e);

    kept = gate_kept(o->top, n);
    for (size_t i = 0; !rc && !is_open && i < n; i++) {
        bool goes_on = i < kept && isfinite(v[i].value);

        buf_reset(&why);
        buf_fmt(&why, "%s: rank %zu of %zu by %s = ", goes_on ? "promoted" : "stopped", i + 1, n, o->metric);
        if (isfinite(v[i].value))
            buf_f64(&why, v[i].value);
        else
            buf_str(&why, "none");
        buf_fmt(&why, "; the best %zu go on", kept);
        rc = db_run(m, ST_GATE_SET, e, "iiitt", o->sweep, o->stage, v[i].job, goes_on ? "pass" : "negative", why.data);
    }
    buf_free(&why);
    free(v);
    return rc;
}

static enum err_code decide(struct manifest *m, const struct open_gate *o, int64_t wall_ms, struct err *e)
{
    struct gate g = {o->metric, o->against, o->min, o->max};
    struct buf why = {0};
    sqlite3_stmt *row;
    double mean = NAN;
    bool is_open = false, ok;
    enum err_code rc = ERR_OK;

    if (o->against) {
        rc = db_row(m, ST_GATE_MEAN, &row, e, "itt", o->sweep, o->against, o->metric);
        if (!rc && row) {
            is_open = sqlite3_column_int64(row, 0) > 0;
            mean = column_f64(row, 1);
            db_done(row);
        }
    }
    if (rc || is_open)
        return rc;
    ok = gate_passes(&g, o->value, mean, &why);
    rc = db_run(m, ST_GATE_SET, e, "iiitt", o->sweep, o->stage, o->job, ok ? "pass" : "negative", why.data);
    if (!rc && !ok)
        rc = explog_note(m, o->job, o->epoch, "negative", wall_ms, e);
    buf_free(&why);
    return rc;
}

static enum err_code collect(struct manifest *m, int64_t job, struct open_gate **gates, size_t *n,
                             struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_GATES_OPEN, &row, e, "i", job);

    for (size_t cap = 0; !rc && row; rc = db_next(m, &row, e)) {
        if (*n == cap) {
            cap = cap ? 2 * cap : 16;
            *gates = realloc(*gates, cap * sizeof **gates);
            if (!*gates)
                oom_exit("manifest_gate");
        }
        (*gates)[(*n)++] = (struct open_gate){
            .sweep = sqlite3_column_int64(row, 0),
            .stage = sqlite3_column_int64(row, 1),
            .job = sqlite3_column_int64(row, 2),
            .metric = strdup(db_text(row, 3)),
            .against = sqlite3_column_type(row, 4) == SQLITE_NULL ? NULL : strdup(db_text(row, 4)),
            .min = column_f64(row, 5),
            .max = column_f64(row, 6),
            .value = column_f64(row, 7),
            .epoch = sqlite3_column_int64(row, 8),
            .top = sqlite3_column_type(row, 9) == SQLITE_NULL ? 0 : sqlite3_column_double(row, 9),
            .low_is_best = sqlite3_column_int(row, 10) != 0,
        };
    }
    return rc;
}

enum err_code manifest_note_gates(struct manifest *m, struct err *e)
{
    int64_t any;
    enum err_code rc = db_i64(m, ST_GATES_ANY, 0, &any, e, "");

    m->has_gates = any;
    return rc;
}

enum err_code manifest_gates(struct manifest *m, int64_t job, int64_t wall_ms, struct err *e)
{
    struct open_gate *gates = NULL;
    size_t n = 0;
    enum err_code rc;

    if (!m->has_gates)
        return ERR_OK;
    rc = collect(m, job, &gates, &n, e);
    for (size_t i = 0; i < n; i++) {
        bool is_repeat = i && gates[i].top > 0 && gates[i].sweep == gates[i - 1].sweep && gates[i].stage == gates[i - 1].stage;

        if (!rc && !is_repeat)
            rc = gates[i].top > 0 ? decide_top(m, &gates[i], e) : decide(m, &gates[i], wall_ms, e);
        free(gates[i].metric);
        free(gates[i].against);
    }
    free(gates);
    return rc;
}
