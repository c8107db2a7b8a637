/* manifest_sweep.c - a checked sweep becomes rows.
 *
 * Rows carry the sweep's revision, so jobs that a new text no longer asks for stay in the manifest
 * but leave the sweep's views.  The text's digest does not tell everything (a kind's version or an
 * input file may have changed): if rows of this revision remain that this expansion did not name,
 * the revision is raised and the expansion runs once more.
 */
#include "coordinator/manifest_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/map.h"

enum { ROWS_PER_COMMIT = 4096, NAME_TEXT = 256 };

struct adding {
    struct manifest *m;
    const struct spec *spec;
    int64_t sweep, revision, wall_ms;
    int64_t *stages;     /* row ids by index in the spec */
    int64_t *rows;       /* job row ids by index in the expansion */
    size_t n_rows, cap_rows;
    int64_t n_new;
    int32_t *first;      /* the stage that named a row first */
    struct map repeats;  /* (row, other stage) of this pass */
    size_t in_txn;
    char day[9], last_name[NAME_TEXT];
    const struct job_kind *kind; /* the last one, and its row */
    int64_t kind_row;
    struct buf context;  /* the last one, and its row */
    int64_t context_row;
};

static enum err_code kind_row(struct adding *a, const struct job_kind *k, struct err *e)
{
    enum err_code rc;

    if (a->kind == k)
        return ERR_OK;
    rc = db_i64(a->m, ST_KIND_FIND, 0, &a->kind_row, e, "ti", k->name, (int64_t)k->version);
    if (!rc && a->kind_row == 0) {
        rc = db_run(a->m, ST_KIND_ADD, e, "ti", k->name, (int64_t)k->version);
        a->kind_row = sqlite3_last_insert_rowid(a->m->db);
    }
    a->kind = rc ? NULL : k;
    return rc;
}

static enum err_code context_row(struct adding *a, const char *json, struct err *e)
{
    enum err_code rc;

    if (a->context_row && strcmp(a->context.data, json) == 0)
        return ERR_OK;
    buf_reset(&a->context);
    buf_str(&a->context, json);
    rc = db_intern(a->m, ST_CONTEXT_FIND, ST_CONTEXT_ADD, json, &a->context_row, e);
    if (rc)
        a->context_row = 0;
    return rc;
}

/* In the agent: no process, no folder. */
static bool is_in_agent(const struct expand_job *j)
{
    return j->kind->in_agent && !strstr(j->knobs, "\"process\":true") && !strstr(j->knobs, "\"process\": true");
}

static enum err_code insert_as(struct adding *a, const struct expand_job *j, const char *name, struct err *e)
{
    const struct job_knobs *c = &j->common;

    return db_run(a->m, ST_JOB_ADD, e, "bititiiiitiiffifi", (const void *)j->id.b, 32, a->kind_row, j->knobs,
                  a->context_row, name, a->sweep, a->stages[j->stage], (int64_t)is_in_agent(j), c->threads,
                  c->isa ? c->isa : "auto", c->priority, c->retries, c->timeout, c->checkpoint_every, c->memory, j->cost_s,
                  a->wall_ms);
}

static enum err_code insert_job(struct adding *a, const struct expand_job *j, int64_t *row, struct err *e)
{
    char name[NAME_TEXT], hex[65];
    enum err_code rc = ERR_OK;
    bool is_like_last = strcmp(a->last_name, j->run_name) == 0; /* taken: spare a failing insert */

    snprintf(a->last_name, sizeof a->last_name, "%s", j->run_name);
    snprintf(name, sizeof name, "%s_%s", j->run_name, a->day);
    if (!is_like_last)
        rc = insert_as(a, j, name, e);
    if (is_like_last || (rc && sqlite3_extended_errcode(a->m->db) == SQLITE_CONSTRAINT_UNIQUE)) {
        snprintf(name, sizeof name, "%s_%s-%.8s", j->run_name, a->day, jobid_hex(hex, &j->id));
        rc = insert_as(a, j, name, e);
    }
    *row = sqlite3_last_insert_rowid(a->m->db);
    for (size_t i = 0; i < j->n_inputs && !rc; i++) {
        const struct expand_input *in = &j->inputs[i];
        const struct kind_input *decl = kind_input_find(j->kind, in->name);

        if (decl && decl->is_like && !in->field && !in->must_pass)
            continue;
        if (in->job < 0 || in->job >= (int64_t)a->n_rows)
            return err_set(e, ERR_BUG, "job %lld: input %s comes later", (long long)j->index, in->name);
        rc = db_run(a->m, ST_JOB_INPUT_ADD, e, "iittiii", *row, (int64_t)i, in->name, in->field,
                    (int64_t)in->ord, a->rows[in->job], (int64_t)in->must_pass);
    }
    a->n_new++;
    return rc;
}

static enum err_code find_job(struct adding *a, const struct expand_job *j, int64_t *id, bool *same,
                              struct err *e)
{
    const struct job_knobs *c = &j->common;
    sqlite3_stmt *row;
    enum err_code rc = db_row(a->m, ST_JOB_FIND, &row, e, "b", (const void *)j->id.b, 32);

    *id = 0;
    if (rc || !row)
        return rc;
    *id = sqlite3_column_int64(row, 0);
    *same = sqlite3_column_double(row, 2) == c->timeout && sqlite3_column_int64(row, 3) == c->retries &&
            sqlite3_column_int64(row, 4) == c->priority &&
            sqlite3_column_double(row, 5) == c->checkpoint_every && sqlite3_column_int64(row, 6) == c->memory;
    db_done(row);
    return ERR_OK;
}

static enum err_code add_new(struct adding *a, const struct expand_job *j, struct err *e)
{
    const struct job_knobs *c = &j->common;
    int64_t id;
    bool same = false;
    enum err_code rc = find_job(a, j, &id, &same, e);

    if (!rc && id == 0) {
        rc = kind_row(a, j->kind, e);
        if (!rc)
            rc = context_row(a, j->context ? j->context : "{}", e);
        if (!rc)
            rc = insert_job(a, j, &id, e);
    } else if (!rc && !same) {
        rc = db_run(a->m, ST_JOB_LIMITS, e, "ifiifi", id, c->timeout, c->retries, c->priority,
                    c->checkpoint_every, c->memory);
    }
    if (rc)
        return rc;
    if (a->n_rows == a->cap_rows) {
        a->cap_rows = a->cap_rows ? 2 * a->cap_rows : 1024;
        a->rows = realloc(a->rows, a->cap_rows * sizeof *a->rows);
        a->first = realloc(a->first, a->cap_rows * sizeof *a->first);
        if (!a->rows || !a->first)
            return err_set(e, ERR_NOMEM, "%zu jobs: out of memory", a->n_rows);
    }
    a->first[a->n_rows] = j->stage;
    a->rows[a->n_rows++] = id;
    return ERR_OK;
}

static void note_repeat(struct adding *a, const struct expand_job *j)
{
    int64_t key[2] = {j->index, j->stage};
    bool is_new;

    map_put(&a->repeats, key, sizeof key, &is_new);
}

static enum err_code add_job(void *ctx, const struct expand_job *j, struct err *e)
{
    struct adding *a = ctx;
    enum err_code rc = ERR_OK;

    if (!j->is_repeat)
        rc = add_new(a, j, e);
    if (!rc && (j->index < 0 || j->index >= (int64_t)a->n_rows))
        rc = err_set(e, ERR_BUG, "job %lld of %zu", (long long)j->index, a->n_rows);
    if (!rc && j->is_repeat && a->first[j->index] != j->stage)
        note_repeat(a, j);
    if (!rc)
        rc = db_run(a->m, ST_SWEEP_JOB_SET, e, "iiii", a->sweep, a->rows[j->index], a->stages[j->stage],
                    a->revision);
    a->in_txn++;
    if (!rc && a->in_txn >= ROWS_PER_COMMIT) {
        a->in_txn = 0;
        rc = db_commit(a->m, e);
        if (!rc)
            rc = db_begin(a->m, e);
    }
    return rc;
}

static enum err_code set_stages(struct adding *a, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < a->spec->n_stages && !rc; i++) {
        const struct spec_gate *g = spec_stage_gate(a->spec, i);
        const char *name = spec_stage_name(a->spec, i);

        rc = db_run(a->m, ST_STAGE_SET, e, "ititittffifi", a->sweep, name, (int64_t)i,
                    spec_stage_kind(a->spec, i)->name, a->revision, g ? g->metric : NULL,
                    g ? g->against : NULL, g && g->has_min ? g->min : (double)NAN,
                    g && g->has_max ? g->max : (double)NAN, (int64_t)(g && g->fail_on_miss), g && g->top > 0 ? g->top : (double)NAN,
                    (int64_t)(g && g->low_is_best));
        if (!rc)
            rc = db_i64(a->m, ST_STAGE_FIND, 0, &a->stages[i], e, "it", a->sweep, name);
    }
    return rc;
}

/* Finds or makes the sweep's row and its revision. */
static enum err_code set_sweep(struct adding *a, bool raise, struct err *e)
{
    const struct spec *s = a->spec;
    sqlite3_stmt *row;
    bool same = false;
    enum err_code rc = db_row(a->m, ST_SWEEP_FIND, &row, e, "t", s->name);

    if (!rc && !row) {
        rc = db_run(a->m, ST_SWEEP_ADD, e, "ti", s->name, a->wall_ms);
        if (!rc)
            rc = db_row(a->m, ST_SWEEP_FIND, &row, e, "t", s->name);
    }
    if (rc || !row)
        return rc;
    a->sweep = sqlite3_column_int64(row, 0);
    a->revision = sqlite3_column_int64(row, 2);
    same = sqlite3_column_bytes(row, 1) == 32 && memcmp(sqlite3_column_blob(row, 1), s->digest, 32) == 0;
    db_done(row);
    if (!same || raise)
        a->revision++;
    if (same && !raise)
        return ERR_OK;
    rc = db_run(a->m, ST_GATES_CLEAR, e, "i", a->sweep); /* rules, or who is compared, may have changed */
    if (rc)
        return rc;
    return db_run(a->m, ST_SWEEP_SET, e, "ittttttbii", a->sweep, s->title, s->phase, s->hypothesis,
                  s->expected, s->path, s->text ? s->text : "", (const void *)s->digest, 32, a->revision,
                  a->wall_ms);
}

static enum err_code one_pass(struct adding *a, bool raise, struct err *e)
{
    struct expand_sink sink = {add_job, a};
    enum err_code rc = db_begin(a->m, e);

    a->n_rows = 0;
    a->in_txn = 0;
    map_free(&a->repeats);
    a->repeats = (struct map){0};
    if (!rc)
        rc = set_sweep(a, raise, e);
    if (!rc)
        rc = set_stages(a, e);
    if (!rc)
        rc = expand(a->spec, &sink, e);
    if (rc) {
        db_rollback(a->m);
        return rc;
    }
    return db_commit(a->m, e);
}

/* Gates of jobs that were done before this sweep asked for them. */
static enum err_code late_gates(struct adding *a, struct err *e)
{
    int64_t job = 0, next;
    enum err_code rc = db_begin(a->m, e);

    while (!rc) {
        rc = db_i64(a->m, ST_GATES_LATE, 0, &next, e, "ii", a->sweep, job);
        if (rc || next == 0)
            break;
        job = next;
        rc = manifest_gates(a->m, job, a->wall_ms, e);
    }
    if (rc) {
        db_rollback(a->m);
        return rc;
    }
    return db_commit(a->m, e);
}

static enum err_code run_passes(struct adding *a, struct err *e)
{
    int64_t listed = 0;
    enum err_code rc = one_pass(a, false, e);

    if (!rc)
        rc = db_i64(a->m, ST_SWEEP_ROWS, 0, &listed, e, "ii", a->sweep, a->revision);
    if (!rc && listed != (int64_t)(a->n_rows + a->repeats.n))
        rc = one_pass(a, true, e);
    if (!rc)
        rc = db_run(a->m, ST_SWEEP_WHOLE, e, "ii", a->sweep, (int64_t)a->n_rows);
    if (!rc)
        rc = manifest_note_gates(a->m, e);
    return rc ? rc : late_gates(a, e);
}

enum err_code manifest_add_sweep(struct manifest *m, const struct spec *s, int64_t wall_ms, int64_t *sweep_id,
                                 int64_t *n_jobs, int64_t *n_new, struct err *e)
{
    struct adding a = {.m = m, .spec = s, .wall_ms = wall_ms};
    enum err_code rc;

    clock_day(a.day, wall_ms);
    a.stages = calloc(s->n_stages + 1, sizeof *a.stages);
    rc = a.stages ? run_passes(&a, e) : err_set(e, ERR_NOMEM, "stages: out of memory");
    *sweep_id = m->sweep = a.sweep;
    *n_jobs = (int64_t)a.n_rows;
    *n_new = a.n_new;
    free(a.stages);
    free(a.rows);
    free(a.first);
    map_free(&a.repeats);
    buf_free(&a.context);
    return rc ? err_wrap(e, "sweep %s", s->name) : ERR_OK;
}

enum err_code manifest_find_sweep(struct manifest *m, const struct spec *s, int64_t *sweep_id,
                                  int64_t *n_jobs, struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_SWEEP_FIND, &row, e, "t", s->name);

    *sweep_id = *n_jobs = 0;
    if (rc || !row)
        return rc;
    if (sqlite3_column_bytes(row, 1) == 32 && memcmp(sqlite3_column_blob(row, 1), s->digest, 32) == 0 &&
        sqlite3_column_int(row, 3)) {
        *sweep_id = m->sweep = sqlite3_column_int64(row, 0);
        *n_jobs = sqlite3_column_int64(row, 4);
    }
    db_done(row);
    return ERR_OK;
}
