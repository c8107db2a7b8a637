/* expect.c - see expect.h. */
#include "coordinator/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/condition.h"
#include "coordinator/hypo.h"
#include "coordinator/pair_boot.h"
#include "coordinator/point.h"
#include "coordinator/tables.h"

enum { COL_SWEEP, COL_CHECK, COL_VERDICT, COL_EFFECT, COL_LOW, COL_HIGH, COL_N, COL_RULE, COL_COUNT };
static const char *const columns[COL_COUNT] = {"sweep", "check", "verdict", "effect", "low", "high", "conditions", "rule"};

/* What a check came to: the number nearest to being wrong, with its interval. */
struct outcome {
    enum expect_verdict verdict;
    double v, low, high;
    double margin;      /* from the rule's limit, towards the right side */
    size_t n;
};

struct checking {
    struct query *q;
    const char *sweep;
    struct pool *pool;
    const struct ynode *check;
    struct points of;
};

const char *expect_text(enum expect_verdict v)
{
    static const char *const text[] = {"no check", "held", "undecided", "did not hold"};

    return text[v];
}

static const char *text_of(const struct ynode *n, const char *key)
{
    const struct ynode *v = ytree_get(n, key);

    return v && v->type == YNODE_SCALAR ? v->text : NULL;
}

static bool has_number(const struct ynode *n, const char *key, double *out)
{
    const char *text = text_of(n, key);

    *out = text ? strtod(text, NULL) : NAN;
    return text != NULL;
}

static double or_else(double x, double y)
{
    return isfinite(x) ? x : y;
}

/* Takes the row's interval for at least `min`: +1 surely, -1 surely not, 0 cannot be told. */
static int side(double v, double low, double high, double min)
{
    if (!isfinite(v))
        return 0;
    if (or_else(low, v) >= min)
        return 1;
    return or_else(high, v) < min ? -1 : 0;
}

static void worsen(struct outcome *o, int sure, double margin, double v, double low, double high)
{
    enum expect_verdict is = sure > 0 ? EXPECT_HELD : sure < 0 ? EXPECT_MISSED : EXPECT_UNDECIDED;

    o->n++;
    if (is < o->verdict)
        return;
    if (is == o->verdict && isfinite(o->v) && o->margin <= margin)
        return;
    *o = (struct outcome){is, v, low, high, margin, o->n};
}

/* --- differences ------------------------------------------------------------------------------ */

static void shift(struct points *p, size_t r, double v, double low, double high)
{
    double down = isfinite(p->low[r]) ? p->v[r] - p->low[r] : 0, up = isfinite(p->high[r]) ? p->high[r] - p->v[r] : 0;
    double other_down = isfinite(low) ? v - low : 0, other_up = isfinite(high) ? high - v : 0;
    bool has_any = isfinite(p->low[r]) || isfinite(low);

    p->v[r] -= v;
    p->low[r] = has_any ? p->v[r] - hypot(down, other_up) : NAN;
    p->high[r] = has_any ? p->v[r] + hypot(up, other_down) : NAN;
}

/* Of the same seeds: one draw serves both sides. */
static enum err_code shift_paired(struct checking *c, size_t r, const struct points *b, size_t rb, const char *metric,
                                  struct err *e)
{
    int ja = table_col(&c->of.t, "job"), jb = table_col(&b->t, "job");
    bool is_ratio = strcmp(metric, "ratio") == 0;
    struct pair_boot x = {.n = 0}, y = {.n = 0};
    double low, high;

    if (ja < 0 || jb < 0 || (!is_ratio && strcmp(metric, "pwmcc_mean") != 0)) {
        shift(&c->of, r, b->v[rb], b->low[rb], b->high[rb]);
        return ERR_OK;
    }
    enum err_code rc = pair_boot_load(&x, c->q, table_cell(&c->of.t, r, (size_t)ja)->text, e);
    if (!rc)
        rc = pair_boot_load(&y, c->q, table_cell(&b->t, rb, (size_t)jb)->text, e);
    if (!rc)
        rc = pair_boot_difference(&x, is_ratio ? 1 / points_also(&c->of, r, "random_mean") : 1, &y,
                                  is_ratio ? 1 / points_also(b, rb, "random_mean") : 1, &low, &high, e);
    if (!rc) {
        c->of.v[r] -= b->v[rb];
        c->of.low[r] = low;
        c->of.high[r] = high;
    }
    pair_boot_free(&x);
    pair_boot_free(&y);
    return rc;
}

/* The row of b with equal values of the knobs that vary in both; the only one serves for all. */
static size_t partner(const struct points *a, size_t r, const struct points *b)
{
    if (b->t.n_rows == 1)
        return 0;
    for (size_t rb = 0; rb < b->t.n_rows; rb++) {
        bool is_equal = true;

        for (size_t col = 0; col < a->t.n_cols && is_equal; col++) {
            int other = table_col(&b->t, a->t.cols[col]);

            if (tables_is_knob(&a->t, col) && other >= 0 && !table_is_constant(&a->t, col) &&
                !table_is_constant(&b->t, (size_t)other))
                is_equal = cell_equal(table_cell(&a->t, r, col), table_cell(&b->t, rb, (size_t)other));
        }
        if (is_equal)
            return rb;
    }
    return b->t.n_rows;
}

/* b's number where its metric `by` (rows rise by it) is x, on a scale of log x. */
static bool interpolate(const struct points *b, const char *by, double x, double *v, double *low, double *high)
{
    for (size_t r = 0; r + 1 < b->t.n_rows; r++) {
        double x0 = points_also(b, r, by), x1 = points_also(b, r + 1, by);

        if (!(x >= x0 && x <= x1 && x0 > 0))
            continue;
        double t = x1 > x0 ? log(x / x0) / log(x1 / x0) : 0;
        *v = b->v[r] + t * (b->v[r + 1] - b->v[r]);
        *low = b->low[r] + t * (b->low[r + 1] - b->low[r]);
        *high = b->high[r] + t * (b->high[r + 1] - b->high[r]);
        return true;
    }
    return false;
}

static enum err_code subtract_stage(struct checking *c, const char *metric, const char *minus, struct err *e)
{
    const char *by = text_of(c->check, "matched");
    struct points b = {.v = NULL};
    struct point_ref ref;
    enum err_code rc = ERR_OK;

    if (!point_ref_read(c->pool, minus, &ref))
        return err_set(e, ERR_INVALID, "checks: minus: %s: expected $stage{axis: value}", minus);
    rc = points_load(&b, c->q, c->sweep, &ref, metric, by, e);
    for (size_t r = 0; r < c->of.t.n_rows && !rc; r++) {
        double v, low, high;
        size_t rb = by ? 0 : partner(&c->of, r, &b);

        if (by && interpolate(&b, by, points_also(&c->of, r, by), &v, &low, &high))
            shift(&c->of, r, v, low, high);
        else if (!by && rb < b.t.n_rows)
            rc = shift_paired(c, r, &b, rb, metric, e);
        else
            c->of.v[r] = c->of.low[r] = c->of.high[r] = NAN;
    }
    points_free(&b);
    return rc;
}

static enum err_code subtract(struct checking *c, const char *metric, struct err *e)
{
    const char *minus = text_of(c->check, "minus");

    if (!minus)
        return ERR_OK;
    if (*minus == '$')
        return subtract_stage(c, metric, minus, e);
    for (size_t r = 0; r < c->of.t.n_rows; r++)
        shift(&c->of, r, points_also(&c->of, r, minus), NAN, NAN);
    return ERR_OK;
}

/* --- the rules -------------------------------------------------------------------------------- */

static void judge_limits(struct checking *c, struct outcome *o)
{
    double min, max;
    bool has_min = has_number(c->check, "min", &min), has_max = has_number(c->check, "max", &max);
    const struct points *p = &c->of;

    for (size_t r = 0; r < p->t.n_rows; r++) {
        if (!isfinite(p->v[r]))
            continue;
        if (has_min)
            worsen(o, side(p->v[r], p->low[r], p->high[r], min), or_else(p->low[r], p->v[r]) - min, p->v[r], p->low[r], p->high[r]);
        if (has_max)
            worsen(o, side(-p->v[r], -p->high[r], -p->low[r], -max), max - or_else(p->high[r], p->v[r]), p->v[r], p->low[r], p->high[r]);
    }
}

/* The next row of the same line: equal in every knob that varies but `knob`. */
static size_t next_on_line(const struct table *t, size_t from, const char *knob)
{
    for (size_t r = from + 1; r < t->n_rows; r++) {
        bool is_equal = true;

        for (size_t col = 0; col < t->n_cols && is_equal; col++)
            if (tables_is_knob(t, col) && strcmp(t->cols[col], knob) != 0 && !table_is_constant(t, col))
                is_equal = cell_equal(table_cell(t, from, col), table_cell(t, r, col));
        if (is_equal)
            return r;
    }
    return t->n_rows;
}

static bool is_first_of_line(const struct table *t, size_t row, const char *knob)
{
    for (size_t r = 0; r < row; r++)
        if (next_on_line(t, r, knob) == row)
            return false;
    return true;
}

/* From end to end it surely moves that way, and no step surely moves the other way. */
static void judge_trend(struct checking *c, const char *knob, double way, struct outcome *o)
{
    const struct points *p = &c->of;

    for (size_t r = 0; r < p->t.n_rows; r++) {
        size_t last = r;
        bool is_against = false;

        if (!is_first_of_line(&p->t, r, knob))
            continue;
        for (size_t next = next_on_line(&p->t, r, knob); next < p->t.n_rows; next = next_on_line(&p->t, last, knob)) {
            double up = hypot(or_else(p->high[next], p->v[next]) - p->v[next], p->v[last] - or_else(p->low[last], p->v[last]));

            is_against = is_against || way * (p->v[next] - p->v[last]) + up < 0;
            last = next;
        }
        if (last == r)
            continue;
        double d = p->v[last] - p->v[r], half = hypot(or_else(p->high[last], p->v[last]) - or_else(p->low[last], p->v[last]),
                                                      or_else(p->high[r], p->v[r]) - or_else(p->low[r], p->v[r])) / 2;
        worsen(o, is_against || way * d + half < 0 ? -1 : way * d - half > 0 ? 1 : 0, way * d - half, d, d - half, d + half);
    }
}

static void judge_spread(struct checking *c, struct outcome *o)
{
    const struct points *p = &c->of;
    size_t top = p->t.n_rows, bottom = p->t.n_rows;
    double min, max;

    for (size_t r = 0; r < p->t.n_rows; r++) {
        if (!isfinite(p->v[r]))
            continue;
        top = top == p->t.n_rows || p->v[r] > p->v[top] ? r : top;
        bottom = bottom == p->t.n_rows || p->v[r] < p->v[bottom] ? r : bottom;
    }
    if (top == bottom)
        return;
    double v = p->v[top] - p->v[bottom], low = or_else(p->low[top], p->v[top]) - or_else(p->high[bottom], p->v[bottom]),
           high = or_else(p->high[top], p->v[top]) - or_else(p->low[bottom], p->v[bottom]);
    if (has_number(c->check, "spread_min", &min))
        worsen(o, side(v, low, high, min), low - min, v, low, high);
    if (has_number(c->check, "spread_max", &max))
        worsen(o, side(-v, -high, -low, -max), max - high, v, low, high);
}

static enum err_code judge_hypothesis(struct checking *c, const char *name, struct outcome *o, struct err *e)
{
    struct table t = {0};
    enum err_code rc = hypo_table(&t, c->q, c->sweep, e);

    for (size_t r = 0; !rc && r < t.n_rows; r++) {
        const char *verdict = table_cell(&t, r, 1)->text;
        double v = NAN, low = NAN, high = NAN;

        if (strcmp(table_cell(&t, r, 0)->text, name) != 0)
            continue;
        table_f64(&t, r, "effect", &v);
        table_f64(&t, r, "low", &low);
        table_f64(&t, r, "high", &high);
        worsen(o, !strcmp(verdict, "supported") ? 1 : !strcmp(verdict, "refuted") ? -1 : 0, 0, v, low, high);
    }
    table_free(&t);
    return rc;
}

static enum err_code judge(struct checking *c, struct outcome *o, struct err *e)
{
    const char *of = text_of(c->check, "of"), *metric = text_of(c->check, "metric");
    const char *falls = text_of(c->check, "falls_with"), *rises = text_of(c->check, "rises_with");
    struct point_ref ref;

    *o = (struct outcome){EXPECT_NONE, NAN, NAN, NAN, 0, 0};
    if (text_of(c->check, "hypothesis"))
        return judge_hypothesis(c, text_of(c->check, "hypothesis"), o, e);
    if (!of || !metric || !point_ref_read(c->pool, of, &ref))
        return err_set(e, ERR_INVALID, "checks: of, metric: expected $stage{axis: value} and a metric");
    enum err_code rc = points_load(&c->of, c->q, c->sweep, &ref, metric, falls ? falls : rises, e);
    if (!rc)
        rc = subtract(c, metric, e);
    if (!rc) {
        judge_limits(c, o);
        judge_spread(c, o);
        if (falls || rises)
            judge_trend(c, falls ? falls : rises, falls ? -1 : 1, o);
    }
    points_free(&c->of);
    return rc;
}

/* --- the table -------------------------------------------------------------------------------- */

/* "of $stability, metric ratio, min 1.05": the check without its text. */
static void rule_text(const struct ynode *check, struct buf *out)
{
    for (size_t i = 0; i < check->n; i++) {
        if (strcmp(check->keys[i]->text, "claim") == 0)
            continue;
        buf_fmt(out, "%s%s %s", out->len ? ", " : "", check->keys[i]->text, check->items[i]->text);
    }
}

static enum err_code add_check(struct table *out, struct checking *c, struct err *e)
{
    struct outcome o;
    struct buf rule = {0};
    enum err_code rc = judge(c, &o, e);

    if (rc)
        return err_wrap(e, "sweep %s", c->sweep);
    struct cell *cell = table_add_row(out);
    rule_text(c->check, &rule);
    cell_set_text(&cell[COL_SWEEP], c->sweep);
    cell_set_text(&cell[COL_CHECK], text_of(c->check, "claim") ? text_of(c->check, "claim") : rule.data);
    cell_set_text(&cell[COL_VERDICT], expect_text(o.verdict == EXPECT_NONE ? EXPECT_UNDECIDED : o.verdict));
    cell_set_f64(&cell[COL_EFFECT], o.v);
    cell_set_f64(&cell[COL_LOW], o.low);
    cell_set_f64(&cell[COL_HIGH], o.high);
    cell_set_i64(&cell[COL_N], (int64_t)o.n);
    cell_set_text(&cell[COL_RULE], rule.data);
    buf_free(&rule);
    return ERR_OK;
}

static enum err_code add_sweep(struct table *out, struct query *q, const char *sweep, struct err *e)
{
    struct pool pool = {0};
    struct ynode *root = NULL;
    enum err_code rc = point_sweep_text(q, sweep, &pool, &root, e);
    const struct ynode *list = rc ? NULL : ytree_get(root, "checks");

    for (size_t i = 0; !rc && list && i < list->n; i++) {
        struct checking c = {q, sweep, &pool, list->items[i], {.v = NULL}};

        rc = add_check(out, &c, e);
    }
    pool_free(&pool);
    return rc;
}

enum err_code expect_table(struct table *out, struct query *q, const char *sweep, struct err *e)
{
    struct table sweeps = {0};
    int64_t id;
    enum err_code rc = sweep ? query_sweep(q, sweep, &id, e) : ERR_OK;

    for (size_t i = 0; i < COL_COUNT; i++)
        table_add_col(out, columns[i]);
    if (!rc)
        rc = query_table(q, &sweeps, e, "SELECT name FROM sweep WHERE ?1 IS NULL OR name = ?1 ORDER BY id", "t", sweep);
    for (size_t i = 0; !rc && i < sweeps.n_rows; i++)
        rc = add_sweep(out, q, table_cell(&sweeps, i, 0)->text, e);
    table_free(&sweeps);
    return rc;
}

enum expect_verdict expect_sum(const struct table *t, const char *sweep)
{
    enum expect_verdict sum = EXPECT_NONE;

    for (size_t r = 0; r < t->n_rows; r++)
        for (int v = EXPECT_HELD; v <= EXPECT_MISSED; v++)
            if (!strcmp(table_cell(t, r, COL_SWEEP)->text, sweep) &&
                !strcmp(table_cell(t, r, COL_VERDICT)->text, expect_text((enum expect_verdict)v)) && v > (int)sum)
                sum = (enum expect_verdict)v;
    return sum;
}

void expect_sentence(const struct table *t, const char *sweep, struct buf *out)
{
    size_t n[EXPECT_MISSED + 1] = {0}, total = 0;

    for (size_t r = 0; r < t->n_rows; r++)
        for (int v = EXPECT_HELD; v <= EXPECT_MISSED && !strcmp(table_cell(t, r, COL_SWEEP)->text, sweep); v++)
            n[v] += strcmp(table_cell(t, r, COL_VERDICT)->text, expect_text((enum expect_verdict)v)) == 0;
    total = n[EXPECT_HELD] + n[EXPECT_UNDECIDED] + n[EXPECT_MISSED];
    if (total == 0)
        return;
    buf_fmt(out, "%s: %zu of %zu check%s held", expect_text(expect_sum(t, sweep)), n[EXPECT_HELD], total, total == 1 ? "" : "s");
    if (n[EXPECT_MISSED])
        buf_fmt(out, ", %zu did not", n[EXPECT_MISSED]);
    if (n[EXPECT_UNDECIDED])
        buf_fmt(out, ", %zu undecided", n[EXPECT_UNDECIDED]);
}
