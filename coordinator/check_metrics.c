/* check_metrics.c - see check_metrics.h. */
#include "coordinator/check_metrics.h"

#include <string.h>

#include "coordinator/ingest.h"

enum { NAME, LONG_NAME, VALUE, IS_SEEN };

struct rows {
    struct table t;
    const char *source;     /* what the rows are compared with */
    struct buf *what;
};

static void differ(struct rows *r, const char *name, const double *is, const double *want)
{
    buf_fmt(r->what, "%s%s", r->what->len ? "; " : "metric ", name);
    if (!want)
        buf_fmt(r->what, ": in the manifest, not in %s", r->source);
    else if (!is)
        buf_fmt(r->what, ": in %s, not in the manifest", r->source);
    else
        buf_fmt(r->what, ": the manifest says %.17g, %s %.17g", *is, r->source, *want);
}

static enum err_code compare(void *ctx, const char *name, double value, struct err *e)
{
    struct rows *r = ctx;

    (void)e;
    for (size_t i = 0; i < r->t.n_rows; i++) {
        struct cell *row = r->t.cells + i * r->t.n_cols;

        if (strcmp(row[NAME].text, name) != 0 && strcmp(row[LONG_NAME].text, name) != 0)
            continue;
        row[IS_SEEN].i = 1;
        if (row[VALUE].f != value)
            differ(r, name, &row[VALUE].f, &value);
        return ERR_OK;
    }
    differ(r, name, NULL, &value);
    return ERR_OK;
}

static enum err_code rows_open(struct rows *r, struct query *q, int64_t job, struct err *e)
{
    return query_table(q, &r->t, e,
                       "SELECT n.name, n.long_name, m.value, 0 FROM metric m JOIN metric_name n ON n.id = m.name"
                       " WHERE m.job = ? ORDER BY n.name", "i", job);
}

/* `rc`: of the reading; what cannot be read is a difference too. */
static void rows_close(struct rows *r, enum err_code rc, const struct err *bad)
{
    if (rc)
        buf_fmt(r->what, "%s%s: %s", r->what->len ? "; " : "", r->source, bad->text);
    for (size_t i = 0; !rc && i < r->t.n_rows; i++) {
        const struct cell *row = table_cell(&r->t, i, 0);

        if (!row[IS_SEEN].i)
            differ(r, row[NAME].text, &row[VALUE].f, NULL);
    }
    table_free(&r->t);
}

enum err_code check_metrics(struct query *q, int64_t job, const struct json *root, struct buf *what, struct err *e)
{
    struct rows r = {.source = "result.json", .what = what};
    struct err bad = {0};
    enum err_code rc = rows_open(&r, q, job, e);

    if (!rc && ingest_declared(root, &bad))
        buf_fmt(what, "%s", bad.text);
    if (!rc)
        rows_close(&r, ingest_metrics(root, compare, &r, &bad), &bad);
    else
        table_free(&r.t);
    return rc;
}

enum err_code check_metrics_inline(struct query *q, int64_t job, const char *text, struct buf *what, struct err *e)
{
    struct rows r = {.source = "its event", .what = what};
    struct err bad = {0};
    enum err_code rc = rows_open(&r, q, job, e);

    if (!rc)
        rows_close(&r, ingest_inline(text, compare, &r, &bad), &bad);
    else
        table_free(&r.t);
    return rc;
}
