/* tables.c - see tables.h. */
#include "coordinator/tables.h"

#include <stdio.h>
#include <string.h>

#include "common/kinds/kind.h"
#include "coordinator/beware.h"
#include "coordinator/opts.h"

#define BY_SWEEP "sweep = ?1"
#define BY_JOB                                                                                     \
    "job IN (SELECT lower(hex(j.digest)) FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND "   \
    "sj.revision = s.revision JOIN job j ON j.id = sj.job WHERE s.name = ?1)"
#define JOB_OF(x) "(SELECT lower(hex(digest)) FROM job WHERE id = " x ") AS job"
#define RUN_OF(x) "(SELECT run_name FROM job WHERE id = " x ") AS run_id"

static const struct {
    const char *name, *from, *sweep;
    enum beware_by by;
} sources[] = {
    {"runs", "runs", BY_SWEEP, BEWARE_JOB},
    {"summary", "summary", BY_SWEEP, BEWARE_STAGE},
    {"stability", "stability", BY_SWEEP, BEWARE_JOB},
    {"pareto", "pareto", BY_SWEEP, BEWARE_JOB},
    {"perplexity", "perplexity", BY_SWEEP, BEWARE_NONE},
    {"arms", "arms", BY_SWEEP, BEWARE_NONE},
    {"structure", "structure", BY_SWEEP, BEWARE_NONE},
    {"metrics", "metrics", BY_SWEEP, BEWARE_JOB},
    {"series", "series", BY_JOB, BEWARE_JOB},
    {"pairs", "pairs", BY_JOB, BEWARE_JOB},
    {"failures", "failures", BY_SWEEP, BEWARE_JOB},
    {"attempts",
     "(SELECT " RUN_OF("a.job") ", " JOB_OF("a.job") ", epoch, rank, host, outcome, class, exit_code, signal, wall_s,"
     " cpu_s, maxrss_kib, message FROM attempt a ORDER BY granted_ms, epoch)", BY_JOB, BEWARE_NONE},
    {"slowest", "(SELECT sweep, stage, kind, run_id, job, wall_s, host FROM runs WHERE state = 'done' ORDER BY wall_s DESC)",
     BY_SWEEP, BEWARE_NONE},
    {"artifacts",
     "(SELECT " RUN_OF("a.job") ", " JOB_OF("a.job") ", path, bytes, lower(hex(sha256)) AS sha256 FROM artifact a)",
     BY_JOB, BEWARE_NONE},
    {"tokens",
     "(SELECT r.sweep AS sweep, r.stage AS stage, json_extract(v.value, '$.list') AS list, json_extract(v.value, '$.id') AS id,"
     " json_extract(v.value, '$.text') AS text, json_extract(v.value, '$.n') AS n,"
     " json_extract(v.value, '$.loss_control') AS loss_control, json_extract(v.value, '$.d_loss') AS d_loss,"
     " json_extract(v.value, '$.d_loss_low') AS d_loss_low, json_extract(v.value, '$.d_loss_high') AS d_loss_high,"
     " json_extract(v.value, '$.n_rows') AS n_rows, json_extract(v.value, '$.shift_control') AS shift_control,"
     " json_extract(v.value, '$.shift') AS shift, json_extract(v.value, '$.d_shift_low') AS d_shift_low,"
     " json_extract(v.value, '$.d_shift_high') AS d_shift_high, json_extract(v.value, '$.cos') AS cos, r.run_id AS run_id"
     " FROM blob b JOIN job j ON j.id = b.job JOIN runs r ON r.job = lower(hex(j.digest)),"
     " json_each(CAST(b.data AS TEXT), '$.rows') v WHERE b.name = 'tokens' ORDER BY r.run_id, v.key)",
     BY_SWEEP, BEWARE_NONE},
    {"time",
     "(SELECT s.name AS sweep, k.name AS kind, count(DISTINCT a.job) AS jobs, count(*) AS attempts, sum(a.wall_s) AS wall_s,"
     " sum(a.cpu_s) AS cpu_s, sum(a.wall_s * j.threads) / 3600 AS core_hours,"
     " 100 * sum(a.wall_s * j.threads) / sum(sum(a.wall_s * j.threads)) OVER (PARTITION BY s.id) AS share_pct,"
     " max(a.wall_s) AS longest_s FROM sweep s JOIN (SELECT DISTINCT sweep, job, revision FROM sweep_job) sj ON sj.sweep = s.id"
     " AND sj.revision = s.revision JOIN job j ON j.id = sj.job JOIN kind k ON k.id = j.kind JOIN attempt a ON a.job = j.id"
     " AND a.wall_s IS NOT NULL GROUP BY s.id, k.name ORDER BY s.id, core_hours DESC)", BY_SWEEP, BEWARE_NONE},
    {"promotions",
     "(SELECT s.name AS sweep, t.name AS stage, j.run_name AS run_id, lower(hex(j.digest)) AS job, t.gate_metric AS metric,"
     " sj.verdict, sj.reason, (SELECT count(*) FROM job_input i JOIN job d ON d.id = i.job WHERE i.input = j.id AND i.must_pass = 1"
     " AND d.state = 'skipped') AS stopped_jobs FROM sweep s JOIN stage t ON t.sweep = s.id AND t.gate_top IS NOT NULL"
     " JOIN sweep_job sj ON sj.stage = t.id AND sj.revision = s.revision JOIN job j ON j.id = sj.job AND j.state <> 'skipped'"
     " ORDER BY s.id, t.ord, CAST(substr(sj.reason, instr(sj.reason, 'rank ') + 5) AS INTEGER))", BY_SWEEP, BEWARE_JOB},
    {"fixes", "(SELECT " RUN_OF("f.job") ", " JOB_OF("f.job") ", commit_id, who, note FROM fix f)", BY_JOB, BEWARE_NONE},
    {"definitions", "(SELECT name, long_name, unit, better, is_volatile, help FROM metric_name)", NULL, BEWARE_NONE},
};

void tables_names(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        buf_fmt(out, "%s%s", i ? ", " : "", sources[i].name);
    buf_str(out, ", hypotheses, checks, replication");
}

static enum err_code unknown(const char *name, struct err *e)
{
    const char *names[ARRAY_LEN(sources)], *near;
    struct buf all = {0};
    enum err_code rc;

    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        names[i] = sources[i].name;
    near = opts_nearest(names, ARRAY_LEN(names), name);
    tables_names(&all);
    if (near)
        rc = err_set(e, ERR_NOT_FOUND, "%s: no such table (did you mean %s?)", name, near);
    else
        rc = err_set(e, ERR_NOT_FOUND, "%s: no such table; there are %s", name, all.data);
    buf_free(&all);
    return rc;
}

/* "a,b" as quoted identifiers; in backticks, since SQLite takes an unknown "name" for a text. */
static void add_columns(struct buf *sql, const char *list)
{
    buf_char(sql, '`');
    for (; *list; list++) {
        if (*list == ',')
            buf_str(sql, "`,`");
        else if (*list != ' ' && *list != '`')
            buf_char(sql, *list);
    }
    buf_char(sql, '`');
}

static void write_select(struct buf *sql, const struct tables_ask *a, size_t source, const char *join)
{
    buf_str(sql, "SELECT ");
    if (a->columns)
        add_columns(sql, a->columns);
    else
        buf_str(sql, "t.*");
    buf_fmt(sql, "%s FROM %s t%s WHERE %s", *join ? ", beware" : "", sources[source].from, join,
            a->sweep && sources[source].sweep ? sources[source].sweep : "?1 IS ?1");
    if (a->where)
        buf_fmt(sql, " AND (%s)", a->where);
    if (a->order)
        buf_fmt(sql, " ORDER BY %s", a->order);
    if (a->limit > 0)
        buf_fmt(sql, " LIMIT %lld", (long long)a->limit);
}

enum err_code tables_get(struct query *q, const struct tables_ask *a, struct table *out, struct err *e)
{
    struct buf sql = {0}, join = {0};
    size_t i = 0;
    int64_t id;
    enum err_code rc;

    while (i < ARRAY_LEN(sources) && strcmp(sources[i].name, a->name) != 0)
        i++;
    if (i == ARRAY_LEN(sources))
        return unknown(a->name, e);
    rc = a->sweep ? query_sweep(q, a->sweep, &id, e) : ERR_OK;
    if (!rc && a->with_beware)
        rc = beware_sql(q, sources[i].by, &sql, &join, e);
    if (!rc) {
        write_select(&sql, a, i, join.data ? join.data : "");
        rc = query_table(q, out, e, sql.data, "t", a->sweep);
    }
    if (!rc && join.len)
        beware_tidy(out);
    buf_free(&sql);
    buf_free(&join);
    return rc ? err_wrap(e, "table %s", a->name) : ERR_OK;
}

bool tables_is_knob(const struct table *t, size_t col)
{
    for (size_t i = 0; i < kind_count(); i++)
        if (cfg_find(kind_at(i)->fields, kind_at(i)->n_fields, t->cols[col]))
            return true;
    return false;
}

void tables_knob_text(const struct cell *c, struct buf *out)
{
    static const char mark[] = "sha256:";
    const char *slash = c->type == CELL_TEXT && strncmp(c->text, mark, strlen(mark)) == 0 ? strrchr(c->text, '/') : NULL;

    if (slash && slash[1])
        buf_str(out, slash + 1);
    else
        cell_text(c, out);
}

bool tables_varies(const struct table *t, size_t col)
{
    int stage = table_col(t, "stage");

    for (size_t r = 0; r < t->n_rows; r++) {
        const struct cell *a = table_cell(t, r, col);

        for (size_t o = 0; o < r && a->type != CELL_NULL; o++) {
            const struct cell *b = table_cell(t, o, col);
            bool same_stage = stage < 0 || cell_equal(table_cell(t, r, (size_t)stage), table_cell(t, o, (size_t)stage));

            if (!same_stage || (stage >= 0 && b->type == CELL_NULL))
                continue;
            if (!cell_equal(a, b)) /* without stages, of arms say, none is a value too */
                return true;
            break; /* equal to o, which was compared with those before it */
        }
    }
    return false;
}

void tables_trim(struct table *t)
{
    const char *names[512];
    bool one = t->n_rows == 1;
    size_t n = 0;

    table_drop_empty(t);
    for (size_t c = 0; c < t->n_cols && n < ARRAY_LEN(names); c++)
        if (strcmp(t->cols[c], "job") != 0 && (one || !tables_is_knob(t, c) || tables_varies(t, c)))
            names[n++] = t->cols[c];
    if (t->n_rows)
        table_select(t, names, n);
}
