/* run_copy.c - see run_copy.h. */
#include "coordinator/run_copy.h"

#include <string.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/rundir.h"

struct copy {
    struct query *q;
    int64_t job;
    struct table row;      /* one row, columns below */
};
enum { HEX, KIND, RUN, SWEEP, STAGE, KNOBS, CONTEXT, STATE, VERDICT, MESSAGE, STARTED, ENDED, HOST };

static const char columns[] =
    "SELECT lower(hex(j.digest)), k.name, j.run_name, s.name, t.name, j.knobs, c.json, j.state, j.verdict, j.message,"
    " strftime('%Y-%m-%dT%H:%M:%SZ', a.started_ms / 1000, 'unixepoch'), strftime('%Y-%m-%dT%H:%M:%SZ', a.ended_ms / 1000, 'unixepoch'),"
    " a.host FROM job j JOIN kind k ON k.id = j.kind JOIN sweep s ON s.id = j.sweep JOIN stage t ON t.id = j.stage"
    " JOIN context c ON c.id = j.context LEFT JOIN attempt a ON a.job = j.id AND a.epoch = j.epoch WHERE j.id = ?1";

static const char *text_of(const struct copy *c, size_t col)
{
    return table_cell(&c->row, 0, col)->text; /* NULL if there is none */
}

static enum err_code put_file(const char *folder, const char *name, const struct buf *text, struct err *e)
{
    struct buf path = {0};

    buf_fmt(&path, "%s/%s", folder, name);
    enum err_code rc = fs_replace(path.data, text->data, text->len, e);
    buf_free(&path);
    return rc;
}

static enum err_code put_job(const struct copy *c, const char *folder, struct err *e)
{
    static const struct {
        const char *key;
        size_t col;
    } texts[] = {{"job", HEX}, {"kind", KIND}, {"run_id", RUN}, {"sweep", SWEEP}, {"stage", STAGE}};
    struct buf out = {0};
    struct jsonw w;

    jw_init(&w, &out, false);
    jw_open(&w, '{');
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        jw_key(&w, texts[i].key), jw_str(&w, text_of(c, texts[i].col));
    jw_key(&w, "knobs"), jw_raw(&w, text_of(c, KNOBS));
    jw_key(&w, "context"), jw_raw(&w, text_of(c, CONTEXT));
    jw_close(&w, '}');
    enum err_code rc = put_file(folder, RUN_JOB_FILE, &out, e);
    buf_free(&out);
    return rc;
}

static enum err_code put_result(const struct copy *c, const char *folder, struct err *e)
{
    struct table m = {0};
    struct buf out = {0};
    struct jsonw w;
    enum err_code rc = query_table(c->q, &m, e, "SELECT n.name, m.value FROM metric m JOIN metric_name n ON n.id = m.name"
                                   " WHERE m.job = ?1 ORDER BY n.id", "i", c->job);

    jw_init(&w, &out, false);
    jw_open(&w, '{');
    jw_key(&w, "job"), jw_str(&w, text_of(c, HEX));
    jw_key(&w, "verdict"), jw_str(&w, text_of(c, VERDICT));
    jw_key(&w, "message"), jw_str(&w, text_of(c, MESSAGE));
    jw_key(&w, "metrics"), jw_open(&w, '{');
    for (size_t i = 0; i < m.n_rows; i++)
        jw_key(&w, table_cell(&m, i, 0)->text), jw_f64(&w, table_cell(&m, i, 1)->f);
    jw_close(&w, '}');
    jw_key(&w, "provenance"), jw_open(&w, '{');
    jw_key(&w, "started"), jw_str(&w, text_of(c, STARTED));
    jw_key(&w, "ended"), jw_str(&w, text_of(c, ENDED));
    jw_key(&w, "host"), jw_str(&w, text_of(c, HOST));
    jw_close(&w, '}');
    jw_close(&w, '}');
    if (!rc)
        rc = put_file(folder, RUN_RESULT_FILE, &out, e);
    table_free(&m);
    buf_free(&out);
    return rc;
}

static enum err_code put_series(const struct copy *c, const char *folder, struct err *e)
{
    struct table p = {0};
    struct buf out = {0};
    enum err_code rc = query_table(c->q, &p, e, "SELECT n.name, p.step, p.value FROM series_point p JOIN series_name n ON n.id = p.name"
                                   " WHERE p.job = ?1 ORDER BY n.id, p.step", "i", c->job);

    buf_str(&out, "name,step,value\n");
    for (size_t i = 0; i < p.n_rows; i++) {
        buf_fmt(&out, "%s,%lld,", table_cell(&p, i, 0)->text, (long long)table_cell(&p, i, 1)->i);
        buf_f64(&out, table_cell(&p, i, 2)->f);
        buf_char(&out, '\n');
    }
    if (!rc)
        rc = put_file(folder, RUN_SERIES_FILE, &out, e);
    table_free(&p);
    buf_free(&out);
    return rc;
}

enum err_code run_copy_write(struct query *q, const char *run, const char *dest, struct buf *folder, struct err *e)
{
    struct copy c = {.q = q};
    enum err_code rc = query_job(q, run, &c.job, e);

    if (!rc)
        rc = query_table(q, &c.row, e, columns, "i", c.job);
    if (!rc && strcmp(text_of(&c, STATE), "done") != 0)
        rc = err_set(e, ERR_INVALID, "%s: the job is %s: nothing to export yet", run, text_of(&c, STATE));
    if (!rc) {
        buf_fmt(folder, "%s/" RUN_COPY_PREFIX "%.8s", dest, text_of(&c, HEX));
        rc = fs_mkdirs(folder->data, e);
    }
    if (!rc)
        rc = put_job(&c, folder->data, e);
    if (!rc)
        rc = put_series(&c, folder->data, e);
    if (!rc)
        rc = put_result(&c, folder->data, e); /* the last: it marks the folder complete */
    table_free(&c.row);
    return rc;
}
