/* beware.c - see beware.h. */
#include "coordinator/beware.h"

#include <string.h>

/* Models, with the reason; then all that descends from them, save decoders that only borrow a shape. */
#define BAD_MODELS                                                                                                     \
    "SELECT m.id AS model, 'the base model ' || m.run_name || ' did not pass its gate: ' ||"                           \
    " coalesce(g.message, 'its gate was missed') AS why FROM job g JOIN kind k ON k.id = g.kind AND k.name = 'lm_gate'" \
    " JOIN job_input i ON i.job = g.id JOIN job m ON m.id = i.input WHERE g.state = 'done' AND g.verdict = 'negative'"  \
    " UNION SELECT m.id, 'the base model ' || m.run_name || ' leaks: it is shown its answers, and ' || printf('%.3g', v.value)" \
    " || ' of its outputs follow them and not the operands' FROM metric_name n JOIN metric v ON v.name = n.id AND v.value > 0.1" \
    " JOIN job m ON m.id = v.job JOIN kind k ON k.id = m.kind AND k.name = 'lm_train' WHERE n.name = 'leak' AND NOT EXISTS" \
    " (SELECT 1 FROM job_input i JOIN job g ON g.id = i.job AND g.verdict = 'negative' AND g.state = 'done'"            \
    " JOIN kind k ON k.id = g.kind AND k.name = 'lm_gate' WHERE i.input = m.id)"
#define WITH                                                                                                           \
    "WITH RECURSIVE beware_all (job, why) AS (SELECT model, why FROM (" BAD_MODELS ") UNION SELECT i.job, b.why"        \
    " FROM beware_all b JOIN job_input i ON i.input = b.job AND i.name <> 'like'), "
#define OF_SWEEP                                                                                                       \
    " FROM (SELECT DISTINCT s.name AS sweep, t.name AS stage, b.why AS why FROM beware_all b JOIN sweep_job sj ON sj.job = b.job" \
    " JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision JOIN stage t ON t.id = sj.stage"

static const struct {
    const char *with, *join, *column;
} ways[] = {
    [BEWARE_NONE] = {"", "", NULL},
    [BEWARE_JOB] = {WITH "beware_of AS MATERIALIZED (SELECT lower(hex(j.digest)) AS beware_job, group_concat(b.why, '; ') AS beware"
                         " FROM beware_all b JOIN job j ON j.id = b.job GROUP BY j.id) ",
                    " LEFT JOIN beware_of ON beware_job = t.job", "job"},
    [BEWARE_STAGE] = {WITH "beware_of AS MATERIALIZED (SELECT sweep AS beware_sweep, stage AS beware_stage, group_concat(why, '; ') AS beware"
                           OF_SWEEP ") GROUP BY sweep, stage) ",
                      " LEFT JOIN beware_of ON beware_sweep = t.sweep AND beware_stage = t.stage", NULL},
    [BEWARE_SWEEP] = {WITH "beware_of AS MATERIALIZED (SELECT sweep AS beware_sweep, group_concat(why, '; ') AS beware FROM"
                           " (SELECT DISTINCT sweep, why" OF_SWEEP ")) GROUP BY sweep) ",
                      " LEFT JOIN beware_of ON beware_sweep = t.sweep", "sweep"},
};

static enum err_code has_any(struct query *q, bool *out, struct err *e)
{
    int64_t n;
    enum err_code rc = query_i64(q, &n, e, "SELECT EXISTS (" BAD_MODELS ")", "");

    *out = !rc && n;
    return rc;
}

enum err_code beware_sql(struct query *q, enum beware_by by, struct buf *with, struct buf *join, struct err *e)
{
    bool is_any = false;
    enum err_code rc = by == BEWARE_NONE ? ERR_OK : has_any(q, &is_any, e);

    if (is_any) {
        buf_str(with, ways[by].with);
        buf_str(join, ways[by].join);
    }
    return rc;
}

/* The text that belongs to a job or sweep; NULL: nothing is wrong with it. */
static const char *find(const struct table *known, const struct cell *key)
{
    for (size_t r = 0; key->type == CELL_TEXT && r < known->n_rows; r++)
        if (strcmp(table_cell(known, r, 0)->text, key->text) == 0)
            return table_cell(known, r, 1)->text;
    return NULL;
}

/* The same table with one more column. */
static void add_column(struct table *t, const struct table *known, size_t by)
{
    struct table out = {0};

    for (size_t c = 0; c < t->n_cols; c++)
        table_add_col(&out, t->cols[c]);
    table_add_col(&out, "beware");
    for (size_t r = 0; r < t->n_rows; r++) {
        struct cell *row = table_add_row(&out);

        for (size_t c = 0; c < t->n_cols; c++)
            cell_copy(&row[c], table_cell(t, r, c));
        cell_set_text(&row[t->n_cols], find(known, table_cell(t, r, by)));
    }
    table_free(t);
    *t = out;
}

static bool has_value(const struct table *t, const char *name)
{
    int col = table_col(t, name);

    for (size_t r = 0; col >= 0 && r < t->n_rows; r++)
        if (table_cell(t, r, (size_t)col)->type != CELL_NULL)
            return true;
    return false;
}

enum err_code beware_add(struct table *t, struct query *q, enum beware_by by, struct err *e)
{
    int col = ways[by].column ? table_col(t, ways[by].column) : -1;
    struct table known = {0};
    struct buf sql = {0};
    bool is_any = false;
    enum err_code rc = col < 0 ? ERR_OK : has_any(q, &is_any, e);

    if (is_any) {
        buf_fmt(&sql, "%sSELECT * FROM beware_of", ways[by].with);
        rc = query_table(q, &known, e, sql.data, "");
        if (!rc)
            add_column(t, &known, (size_t)col);
    }
    beware_tidy(t);
    table_free(&known);
    buf_free(&sql);
    return rc;
}

void beware_tidy(struct table *t)
{
    if (!has_value(t, "beware"))
        table_drop(t, "beware");
}

void beware_take(struct table *t, struct buf *lines)
{
    int col = table_col(t, "beware");
    struct buf line = {0};

    for (size_t r = 0; col >= 0 && r < t->n_rows; r++) {
        const struct cell *c = table_cell(t, r, (size_t)col);

        if (c->type != CELL_TEXT)
            continue;
        buf_reset(&line);
        buf_fmt(&line, "Beware: %s.\n", c->text);
        if (!lines->data || !strstr(lines->data, line.data))
            buf_str(lines, line.data);
    }
    table_drop(t, "beware");
    buf_free(&line);
}
