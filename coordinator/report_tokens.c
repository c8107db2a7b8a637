/* report_tokens.c - which tokens an arm moves: tables, and passages coloured by the change. */
#include "coordinator/report_table.h"

#include <math.h>
#include <string.h>

#include "common/json.h"
#include "coordinator/html.h"

enum { ROWS_A_LIST = 10, STEPS = 4 }; /* shades each way */

static const struct list {
    const char *name, *caption;
} lists[] = {{"up", "Ids whose loss rises most"}, {"down", "Ids whose loss falls most"}, {"shift", "Ids whose activation moves most"}};

/* White space as it can be seen. */
static void put_token(struct buf *out, const char *text)
{
    struct buf seen = {0};

    buf_str(&seen, "");
    for (const char *c = text; *c; c++)
        if (*c == '\n')
            buf_str(&seen, "\u23ce");
        else
            buf_char(&seen, *c);
    html_text(out, seen.data);
    buf_free(&seen);
}

static enum err_code put_list(struct report *r, const char *stage, const char *job, const struct list *l, struct err *e)
{
    static const struct report_col loss[] = {
        {.column = "text", .title = "token"}, {.column = "n", .title = "times"}, {.column = "loss_control", .title = "control's loss (nats)"},
        {.column = "d_loss", .title = "change"}, {.column = "d_loss_low", .title = "95 % over seeds", .form = REPORT_RANGE, .second = "d_loss_high"}};
    static const struct report_col shift[] = {
        {.column = "text", .title = "token"}, {.column = "n_rows", .title = "rows"}, {.column = "shift_control", .title = "control's distance"},
        {.column = "shift", .title = "distance", .metric = "act_shift"},
        {.column = "d_shift_low", .title = "difference, 95 % over seeds", .form = REPORT_RANGE, .second = "d_shift_high"},
        {.column = "cos", .title = "cosine to control's", .metric = "act_cos_control"}};
    const bool is_shift = !strcmp(l->name, "shift");
    struct table t = {0};
    struct buf caption = {0};
    enum err_code rc = query_table(r->q, &t, e,
        "SELECT json_quote(json_extract(v.value, '$.text')) AS text, json_extract(v.value, '$.n') AS n,"
        " json_extract(v.value, '$.loss_control') AS loss_control, json_extract(v.value, '$.d_loss') AS d_loss,"
        " json_extract(v.value, '$.d_loss_low') AS d_loss_low, json_extract(v.value, '$.d_loss_high') AS d_loss_high,"
        " json_extract(v.value, '$.n_rows') AS n_rows, json_extract(v.value, '$.shift_control') AS shift_control,"
        " json_extract(v.value, '$.shift') AS shift, json_extract(v.value, '$.d_shift_low') AS d_shift_low,"
        " json_extract(v.value, '$.d_shift_high') AS d_shift_high, json_extract(v.value, '$.cos') AS cos, ?1 AS job"
        " FROM blob b JOIN job j ON j.id = b.job, json_each(CAST(b.data AS TEXT), '$.rows') v"
        " WHERE lower(hex(j.digest)) = ?1 AND b.name = 'tokens' AND json_extract(v.value, '$.list') = ?2 ORDER BY v.key LIMIT ?3",
        "tti", job, l->name, (int64_t)ROWS_A_LIST);

    buf_fmt(&caption, "%s: %s", stage, l->caption);
    if (!rc && t.n_rows)
        report_table(r, &t, is_shift ? shift : loss, is_shift ? ARRAY_LEN(shift) : ARRAY_LEN(loss), caption.data, "saegrid table tokens");
    table_free(&t);
    buf_free(&caption);
    return rc;
}

/* --- passages ----------------------------------------------------------------------------------- */

/* What is drawn full: nine of ten values lie within it, as far as a sample says. */
static double scale_of(const struct json *ids)
{
    double sum = 0, n = 0, v;

    for (const struct json *i = json_first(ids); i; i = json_next(i))
        if (json_f64(json_next(json_first(i)), &v)) {
            sum += v * v;
            n++;
        }
    return n > 0 && sum > 0 ? 1.6 * sqrt(sum / n) : 1;
}

static void put_passage(struct report *r, const char *stage, const struct json *p)
{
    const struct json *ids = json_get(p, "ids");
    const char *what = json_str(json_get(p, "what")), *unit = json_str(json_get(p, "unit"));
    const double scale = scale_of(ids);

    if (!what || !unit || !json_first(ids))
        return;
    buf_str(r->out, "<figure class=\"passage\"><figcaption>");
    html_text(r->out, stage);
    buf_fmt(r->out, ": change of the %s, in ", strcmp(what, "loss") ? "activation's distance from the untouched model's" : "loss");
    html_text(r->out, unit);
    buf_str(r->out, "; red: more than the control, blue: less. Full colour: ");
    table_number(r->out, scale);
    buf_str(r->out, ".</figcaption>\n<p>");
    for (const struct json *i = json_first(ids); i; i = json_next(i)) {
        const char *text = json_str(json_first(i));
        double v = NAN;
        int shade;

        json_f64(json_next(json_first(i)), &v);
        shade = isnan(v) ? 0 : (int)fmin(STEPS, floor(fabs(v) / scale * STEPS + 0.5));
        if (shade) {
            buf_fmt(r->out, "<span class=\"%s%d\" title=\"", v > 0 ? "up" : "down", shade);
            table_number(r->out, v);
            buf_str(r->out, "\">");
        }
        put_token(r->out, text ? text : "");
        buf_str(r->out, shade ? "</span>" : "");
    }
    buf_str(r->out, "</p></figure>\n");
}

static enum err_code put_passages(struct report *r, const char *stage, const char *job, struct err *e)
{
    struct table t = {0};
    struct json *doc = NULL;
    enum err_code rc = query_table(r->q, &t, e, "SELECT CAST(b.data AS TEXT) FROM blob b JOIN job j ON j.id = b.job"
                                   " WHERE lower(hex(j.digest)) = ?1 AND b.name = 'passages'", "t", job);

    if (!rc && t.n_rows)
        rc = json_parse(t.cells[0].text, strlen(t.cells[0].text), &doc, e);
    for (const struct json *p = rc ? NULL : json_first(doc); p; p = json_next(p))
        put_passage(r, stage, p);
    json_free(doc);
    table_free(&t);
    return rc;
}

/* --- section ------------------------------------------------------------------------------------ */

static enum err_code put_one(struct report *r, const char *stage, const char *job, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < ARRAY_LEN(lists) && !rc; i++)
        rc = put_list(r, stage, job, &lists[i], e);
    return rc ? rc : put_passages(r, stage, job, e);
}

static enum err_code write_tokens(struct report *r, struct err *e)
{
    static const struct report_col cols[] = {
        {.column = "stage", .form = REPORT_RUN},
        {.column = "token_loss_delta", .title = "loss, all ids (nats)"},
        {.column = "tokens_moved_pct", .title = "ids moved in loss (%)"},
        {.column = "token_moves_pct", .title = "ids moved in activation (%)"},
        {.column = "act_shift", .title = "distance from the untouched model's"},
        {.column = "act_shift_control", .title = "the control's"},
        {.column = "act_cos_control", .title = "cosine to the control's"},
        {.column = "act_norm_ratio", .title = "length against the control's"}};
    struct table t = {0};
    enum err_code rc = query_table(r->q, &t, e,
        "SELECT x.stage || CASE WHEN count(*) OVER (PARTITION BY x.stage) > 1 THEN ' ' || row_number() OVER (PARTITION BY x.stage ORDER BY x.job)"
        " ELSE '' END AS stage, x.* FROM (SELECT r.stage AS of_stage, r.stage AS stage, r.job AS job, t.ord AS ord,"
        " max(iif(m.name = 'token_loss_delta', m.value, NULL)) AS token_loss_delta, max(iif(m.name = 'tokens_moved_pct', m.value, NULL)) AS tokens_moved_pct,"
        " max(iif(m.name = 'token_moves_pct', m.value, NULL)) AS token_moves_pct, max(iif(m.name = 'act_shift', m.value, NULL)) AS act_shift,"
        " max(iif(m.name = 'act_shift_control', m.value, NULL)) AS act_shift_control, max(iif(m.name = 'act_cos_control', m.value, NULL)) AS act_cos_control,"
        " max(iif(m.name = 'act_norm_ratio', m.value, NULL)) AS act_norm_ratio"
        " FROM runs r JOIN stage t ON t.name = r.stage AND t.sweep = ?2 LEFT JOIN metrics m ON m.job = r.job AND m.sweep = r.sweep WHERE r.sweep = ?1"
        " AND r.kind = 'lm_tokens_compare' AND r.state = 'done' GROUP BY r.job) x ORDER BY x.ord, x.job", "ti", r->sweep, r->sweep_id);

    if (!rc && t.n_rows)
        report_table(r, &t, cols, ARRAY_LEN(cols), "How much each arm moves: means over ids or rows, and over seeds", "saegrid table metrics");
    for (size_t i = 0; i < t.n_rows && !rc; i++)
        rc = put_one(r, table_cell(&t, i, 0)->text, table_cell(&t, i, (size_t)table_col(&t, "job"))->text, e);
    table_free(&t);
    return rc;
}

REPORT_SECTION(tokens) = {"tokens", "Which tokens move", write_tokens};
