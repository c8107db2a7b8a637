/* summary.c - see summary.h. */
#include "coordinator/summary.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "coordinator/tables.h"

#define OF_SWEEP                                                                                   \
    " FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND sj.revision = s.revision"              \
    " JOIN job j ON j.id = sj.job JOIN stage t ON t.id = sj.stage WHERE s.id = ?1"

/* Columns of the view `stability` that are no knobs. */
static const char *const figures[] = {
    "sweep",         "stage",         "run_id",          "job",            "n_seeds",
    "n_pairs",       "pwmcc_mean",    "pwmcc_std",       "ci_low",         "ci_high",
    "random_mean",   "random_expected", "surrogate_mean", "untrained_mean", "shuffled_mean",
    "ratio",         "ratio_ci_low",  "ratio_ci_high",   "p_value",        "ev_mean",
    "l0_mean",       "dead_pct_mean", "erank"};

enum err_code summary_load(struct query *q, int64_t sweep, struct summary *out, struct err *e)
{
    const struct {
        int64_t *n;
        const char *sql;
    } row[] = {
        {&out->n_jobs, "SELECT count(DISTINCT j.id)" OF_SWEEP},
        {&out->n_done, "SELECT count(DISTINCT j.id)" OF_SWEEP " AND j.state = 'done'"},
        {&out->n_open,
         "SELECT count(DISTINCT j.id)" OF_SWEEP " AND j.state IN ('waiting', 'ready', 'leased')"},
        {&out->n_failed, "SELECT count(DISTINCT j.id)" OF_SWEEP
                         " AND j.state IN ('failed', 'quarantined', 'cancelled')"},
        {&out->n_skipped, "SELECT count(DISTINCT j.id)" OF_SWEEP " AND j.state = 'skipped'"},
        {&out->n_negative,
         "SELECT count(DISTINCT j.id)" OF_SWEEP
         " AND j.state = 'done' AND (j.verdict = 'negative' OR sj.verdict = 'negative')"},
        {&out->n_gates_failed, "SELECT count(DISTINCT j.id)" OF_SWEEP
                               " AND j.state = 'done' AND sj.verdict = 'negative' AND t.gate_fails"},
    };

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        if (query_i64(q, row[i].n, e, row[i].sql, "i", sweep))
            return e->code;
    return ERR_OK;
}

int summary_exit_code(const struct summary *s)
{
    if (s->n_open)
        return err_exit_code(ERR_STOPPED);
    return s->n_failed || s->n_gates_failed ? 1 : 0;
}

void summary_counts(const struct summary *s, struct buf *out)
{
    buf_fmt(out, "%" PRId64 " job%s: %" PRId64 " done", s->n_jobs, s->n_jobs == 1 ? "" : "s", s->n_done);
    if (s->n_negative)
        buf_fmt(out, " (%" PRId64 " negative)", s->n_negative);
    if (s->n_failed)
        buf_fmt(out, ", %" PRId64 " failed", s->n_failed);
    if (s->n_skipped)
        buf_fmt(out, ", %" PRId64 " skipped", s->n_skipped);
    if (s->n_open)
        buf_fmt(out, ", %" PRId64 " to go", s->n_open);
    if (s->n_gates_failed)
        buf_fmt(out, "; %" PRId64 " missed a gate that must pass", s->n_gates_failed);
}

/* --- stability ---------------------------------------------------------------------------- */

static bool get_number(const struct table *t, size_t row, const char *name, double *out)
{
    int col = table_col(t, name);

    if (col < 0)
        return false;
    const struct cell *c = table_cell(t, row, (size_t)col);
    if (c->type == CELL_I64)
        *out = (double)c->i;
    else if (c->type == CELL_F64)
        *out = c->f;
    else
        return false;
    return isfinite(*out);
}

static void add_cell(struct buf *out, const struct cell *c)
{
    if (c->type == CELL_TEXT)
        buf_str(out, c->text);
    else if (c->type == CELL_I64)
        buf_fmt(out, "%" PRId64, c->i);
    else if (c->type == CELL_F64)
        table_number(out, c->f);
    else
        buf_char(out, '-');
}

static bool is_knob(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(figures); i++)
        if (strcmp(name, figures[i]) == 0)
            return false;
    return true;
}

static void add_condition(struct buf *out, const struct table *t, size_t row)
{
    size_t start = out->len;

    for (size_t c = 0; c < t->n_cols; c++) {
        if (!is_knob(t->cols[c]) || !tables_varies(t, c))
            continue;
        buf_fmt(out, "%s%s = ", out->len > start ? ", " : "", t->cols[c]);
        add_cell(out, table_cell(t, row, c));
    }
    if (out->len == start)
        buf_str(out, "the one condition");
}

static bool best_row(const struct table *t, size_t *row, double *ratio)
{
    bool found = false;
    double r;

    for (size_t i = 0; i < t->n_rows; i++) {
        if (!get_number(t, i, "ratio", &r) || (found && r <= *ratio))
            continue;
        *row = i;
        *ratio = r;
        found = true;
    }
    return found;
}

void summary_sentence(const struct table *t, struct buf *out)
{
    double ratio = 0, low, high, pwmcc = NAN;
    size_t row = 0;

    if (!best_row(t, &row, &ratio)) {
        buf_str(out, "No comparison has a random baseline, so nothing is said about chance.");
        return;
    }
    (void)get_number(t, row, "pwmcc_mean", &pwmcc);
    buf_str(out, t->n_rows > 1 ? "Most stable across seeds: " : "Stability across seeds, ");
    add_condition(out, t, row);
    buf_str(out, ": PWMCC ");
    table_number(out, pwmcc);
    buf_str(out, " is ");
    table_number(out, ratio);
    buf_str(out, " times that of random decoders");
    if (!get_number(t, row, "ratio_ci_low", &low) || !get_number(t, row, "ratio_ci_high", &high)) {
        buf_str(out, "; there is no interval to judge it by.");
        return;
    }
    buf_str(out, " (95 % interval ");
    table_number(out, low);
    buf_str(out, " to ");
    table_number(out, high);
    if (low > 1)
        buf_str(out, ", above 1): its features agree more than chance.");
    else if (high < 1)
        buf_str(out, ", below 1): its features agree less than chance.");
    else
        buf_str(out, ", which includes 1): no agreement beyond chance is shown.");
}

enum err_code summary_stability(struct query *q, const char *sweep, bool colour, struct buf *out,
                                struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(q, &t, e, "SELECT * FROM stability WHERE sweep = ?1", "t", sweep);

    if (!rc && t.n_rows) {
        struct buf sentence = {0};
        summary_sentence(&t, &sentence);
        rc = tables_stability(q, sweep, colour, out, e);
        buf_fmt(out, "\n%s\n", sentence.data);
        buf_free(&sentence);
    }
    table_free(&t);
    return rc;
}

enum err_code summary_failures(struct query *q, const char *sweep, struct buf *out, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(q, &t, e,
                                   "SELECT run_id, class, message FROM failures WHERE sweep = ?1 LIMIT 5",
                                   "t", sweep);

    for (size_t r = 0; r < t.n_rows && !rc; r++) {
        buf_str(out, r ? "        " : "failed: ");
        add_cell(out, table_cell(&t, r, 0));
        buf_str(out, " (");
        add_cell(out, table_cell(&t, r, 1));
        buf_str(out, "): ");
        add_cell(out, table_cell(&t, r, 2));
        buf_char(out, '\n');
    }
    table_free(&t);
    return rc;
}
