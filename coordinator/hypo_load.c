/* hypo_load.c - the conditions of the hypotheses from a manifest, and their verdicts as a table.
 *
 * Two comparisons are of the same rows if all knobs of their activations and models are equal, and on
 * one line over k if all knobs but k are: seeds never count.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/kinds/kind.h"
#include "coordinator/hypo.h"
#include "coordinator/manifest_query.h"
#include "coordinator/tables.h"

#define LEAK_LIMIT 0.1
#define OF_SWEEP                                                                                   \
    "(?1 IS NULL OR job IN (SELECT lower(hex(j.digest)) FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id" \
    " AND sj.revision = s.revision JOIN job j ON j.id = sj.job WHERE s.name = ?1))"

static const char *const data_kinds[] = {"lm_train", "acts_extract", "data_make", NULL};
static const char *const of_arch[] = {"arch", "k", "lr", "l1", "l1_form", "l1_warmup", "bandwidth", "theta", "jump_loss",
                                      "target_l0", "tanh_scale", "prefixes", "bias_rule", "bias_groups", "bias_high",
                                      "bias_low", "bias_every", "bias_gamma", "normalize", "jacobian", NULL};

/* Comparisons in which seeds vary as a whole: not those of one source of randomness alone. */
#define OF_WHOLE_SEEDS                                                                             \
    " AND job NOT IN (SELECT lower(hex(j.digest)) FROM job j JOIN job_input i ON i.job = j.id AND i.name = 'saes'" \
    " JOIN job m ON m.id = i.input GROUP BY j.id"                                                  \
    " HAVING count(DISTINCT coalesce(json_extract(m.knobs, '$.seed'), 0)) < count(*))"

static bool is_in(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static bool is_of_data(const char *knob)
{
    for (size_t i = 0; data_kinds[i]; i++) {
        const struct job_kind *k = kind_find(data_kinds[i]);

        if (k && cfg_find(k->fields, k->n_fields, knob))
            return true;
    }
    return false;
}

static double number(const struct table *t, size_t row, const char *name)
{
    int col = table_col(t, name);
    const struct cell *c = col < 0 ? NULL : table_cell(t, row, (size_t)col);

    if (c && c->type == CELL_I64)
        return (double)c->i;
    return c && c->type == CELL_F64 ? c->f : NAN;
}

static char *text(const struct table *t, size_t row, const char *name)
{
    int col = table_col(t, name);
    const struct cell *c = col < 0 ? NULL : table_cell(t, row, (size_t)col);

    return strdup(c && c->type == CELL_TEXT ? c->text : "");
}

/* "name=value;" of the knobs that count: of the rows alone, or all but those of `without`. */
static char *key(const struct table *t, size_t row, bool of_data, const char *const *without)
{
    struct buf out = {0};

    for (size_t c = 0; c < t->n_cols; c++) {
        const struct cell *cell = table_cell(t, row, c);

        if (!tables_is_knob(t, c) || strncmp(t->cols[c], "seed", 4) == 0 || cell->type == CELL_NULL ||
            (of_data && !is_of_data(t->cols[c])) || (without && is_in(without, t->cols[c])))
            continue;
        buf_fmt(&out, "%s=", t->cols[c]);
        if (cell->type == CELL_TEXT)
            buf_str(&out, cell->text);
        else if (cell->type == CELL_I64)
            buf_fmt(&out, "%lld", (long long)cell->i);
        else
            buf_f64(&out, cell->f);
        buf_char(&out, ';');
    }
    return buf_steal(&out);
}

static bool is_wanted(const struct table *t, size_t row)
{
    double leak = number(t, row, "leak"), steps = number(t, row, "steps");
    double checkpoint = number(t, row, "checkpoint"), n = number(t, row, "n_seeds");

    if (number(t, row, "prefix") > 0)
        return false;

    return !(leak > LEAK_LIMIT) && steps >= HYPO_STEPS_MIN && !(checkpoint >= 0) && n >= 3 && n <= HYPO_SEEDS_MAX;
}

static void take(struct hypo_cond *c, const struct table *t, size_t row)
{
    static const char *const k[] = {"k", NULL}, *const d_sae[] = {"d_sae", NULL};
    double random = number(t, row, "random_mean");

    char *rows = text(t, row, "surrogate");
    bool is_control = strcmp(rows, "") != 0 && strcmp(rows, "none") != 0;

    free(rows);
    *c = (struct hypo_cond){.is_surrogate = is_control, .job = text(t, row, "job"), .task = text(t, row, "task"), .arch = text(t, row, "arch"),
                            .acts = key(t, row, true, NULL), .but_k = key(t, row, false, k),
                            .but_d_sae = key(t, row, false, d_sae), .but_arch = key(t, row, false, of_arch),
                            .k = number(t, row, "k"), .d_sae = number(t, row, "d_sae"),
                            .erank = number(t, row, "erank"), .ev = number(t, row, "ev_mean"),
                            .l0 = number(t, row, "l0_mean"), .surrogate = number(t, row, "surrogate_mean"),
                            .random = isfinite(random) ? random : number(t, row, "random_expected"),
                            .n = (size_t)number(t, row, "n_seeds")};
}

/* Place of a seed among those of the job, in the order of their first pair. */
static size_t seed_place(double *seeds, size_t *n, size_t max, double seed)
{
    size_t i = 0;

    while (i < *n && seeds[i] != seed)
        i++;
    if (i == *n && *n < max)
        seeds[(*n)++] = seed;
    return i;
}

/* Rows of `pairs` from *at on that are of the condition's job; both are in the order of jobs. */
static void take_pairs(struct hypo_cond *c, const struct table *pairs, size_t *at)
{
    double seeds[HYPO_SEEDS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < c->n * c->n; i++)
        c->pair[i] = NAN;
    while (*at < pairs->n_rows && strcmp(table_cell(pairs, *at, 0)->text, c->job) < 0)
        (*at)++;
    for (; *at < pairs->n_rows && strcmp(table_cell(pairs, *at, 0)->text, c->job) == 0; (*at)++) {
        size_t a = seed_place(seeds, &n, c->n, number(pairs, *at, "seed_a"));
        size_t b = seed_place(seeds, &n, c->n, number(pairs, *at, "seed_b"));

        if (a < c->n && b < c->n)
            c->pair[a * c->n + b] = c->pair[b * c->n + a] = number(pairs, *at, "pwmcc");
    }
}

/* The SAEs that a comparison has under an input's name; NULL: none. */
static const char *members(const struct table *inputs, const char *job, const char *name)
{
    for (size_t r = 0; r < inputs->n_rows; r++)
        if (strcmp(table_cell(inputs, r, 0)->text, job) == 0 && strcmp(table_cell(inputs, r, 1)->text, name) == 0)
            return table_cell(inputs, r, 2)->text;
    return NULL;
}

/* The comparison of the very SAEs that `c` has as its surrogate. */
static const struct hypo_cond *twin(const struct hypo_data *d, const struct table *inputs, const struct hypo_cond *c)
{
    const char *want = members(inputs, c->job, "surrogate");

    for (size_t i = 0; want && i < d->n_conds; i++) {
        const char *saes = d->cond[i].is_surrogate ? members(inputs, d->cond[i].job, "saes") : NULL;

        if (saes && strcmp(saes, want) == 0)
            return &d->cond[i];
    }
    return NULL;
}

/* Gaussian rows are no conditions of their own: they lend their pairs to those that have them as a control. */
static enum err_code pair_surrogates(struct hypo_data *d, struct query *q, struct err *e)
{
    struct table inputs = {0};
    size_t kept = 0;
    enum err_code rc = query_table(q, &inputs, e,
        "SELECT job, name, group_concat(input) FROM (SELECT lower(hex(j.digest)) AS job, i.name AS name, i.input AS input FROM job j"
        " JOIN kind k ON k.id = j.kind AND k.name = 'sae_compare' JOIN job_input i ON i.job = j.id AND i.name IN ('saes', 'surrogate')"
        " ORDER BY j.id, i.name, i.input) GROUP BY job, name", "");

    for (size_t i = 0; i < d->n_conds && !rc; i++) {
        struct hypo_cond *c = &d->cond[i];
        const struct hypo_cond *other = c->is_surrogate ? NULL : twin(d, &inputs, c);

        if (!other)
            continue;
        c->n_surrogate = other->n;
        c->surrogate_pair = calloc(other->n * other->n, sizeof *c->surrogate_pair);
        if (!c->surrogate_pair)
            rc = err_set(e, ERR_NOMEM, "hypotheses: out of memory");
        else
            memcpy(c->surrogate_pair, other->pair, other->n * other->n * sizeof *other->pair);
    }
    for (size_t i = 0; i < d->n_conds; i++) {
        if (d->cond[i].is_surrogate)
            hypo_cond_free(&d->cond[i]);
        else
            d->cond[kept++] = d->cond[i];
    }
    d->n_conds = kept;
    table_free(&inputs);
    return rc;
}

static enum err_code load_conds(struct hypo_data *d, struct query *q, const char *sweep, struct err *e)
{
    struct table t = {0}, pairs = {0};
    size_t at = 0;
    const char *last = "";
    enum err_code rc = query_table(q, &t, e, "SELECT * FROM stability WHERE pwmcc_mean IS NOT NULL AND " OF_SWEEP OF_WHOLE_SEEDS
                                             " ORDER BY job, sweep, stage", "t", sweep);

    if (!rc)
        rc = query_table(q, &pairs, e, "SELECT job, seed_a, seed_b, pwmcc FROM pairs ORDER BY job, seed_a, seed_b", "");
    d->cond = rc ? NULL : calloc(t.n_rows + 1, sizeof *d->cond);
    if (!rc && !d->cond)
        rc = err_set(e, ERR_NOMEM, "hypotheses: out of memory");
    for (size_t r = 0; !rc && r < t.n_rows; r++) {
        struct hypo_cond *c = &d->cond[d->n_conds];
        const char *job = table_cell(&t, r, (size_t)table_col(&t, "job"))->text;

        if (strcmp(job, last) == 0 || !is_wanted(&t, r))
            continue;
        last = job;
        take(c, &t, r);
        d->n_conds++;
        c->pair = calloc(c->n * c->n, sizeof *c->pair);
        if (!c->pair)
            rc = err_set(e, ERR_NOMEM, "hypotheses: out of memory");
        else
            take_pairs(c, &pairs, &at);
    }
    table_free(&pairs);
    table_free(&t);
    return rc ? rc : pair_surrogates(d, q, e);
}

static enum err_code load_causal(struct hypo_data *d, struct query *q, const char *sweep, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(q, &t, e,
                                   "SELECT job, step, value FROM series WHERE name = 'causal_gap' AND " OF_SWEEP
                                   " AND job NOT IN (SELECT job FROM metrics WHERE name = 'leak' AND value > 0.1)"
                                   " ORDER BY job, step", "t", sweep);

    d->causal = rc ? NULL : calloc(t.n_rows + 1, sizeof *d->causal);
    if (!rc && !d->causal)
        rc = err_set(e, ERR_NOMEM, "hypotheses: out of memory");
    for (size_t r = 0; !rc && r < t.n_rows; r++) {
        const char *job = table_cell(&t, r, 0)->text;
        struct hypo_causal *c = &d->causal[d->n_causal ? d->n_causal - 1 : 0];

        if (d->n_causal == 0 || strcmp(c->job, job) != 0) {
            c = &d->causal[d->n_causal++];
            c->job = strdup(job);
            c->gap = calloc(HYPO_SEEDS_MAX, sizeof *c->gap);
        }
        if (!c->gap)
            rc = err_set(e, ERR_NOMEM, "hypotheses: out of memory");
        else if (c->n < HYPO_SEEDS_MAX)
            c->gap[c->n++] = number(&t, r, "value");
    }
    while (d->n_causal && d->causal[d->n_causal - 1].n < 2) { /* one seed has no spread */
        free(d->causal[--d->n_causal].job);
        free(d->causal[d->n_causal].gap);
    }
    table_free(&t);
    return rc;
}

enum err_code hypo_load(struct hypo_data *d, struct query *q, const char *sweep, struct err *e)
{
    int64_t id;
    enum err_code rc = sweep ? query_sweep(q, sweep, &id, e) : ERR_OK;

    *d = (struct hypo_data){0};
    if (!rc)
        rc = load_conds(d, q, sweep, e);
    if (!rc)
        rc = load_causal(d, q, sweep, e);
    if (rc)
        hypo_data_free(d);
    return rc;
}

static void add_result(struct table *out, const struct hypo_result *r)
{
    struct cell *c = table_add_row(out);
    bool is_there = r->verdict != HYPO_NO_DATA;

    cell_set_text(&c[0], r->name);
    cell_set_text(&c[1], hypo_verdict_text(r->verdict));
    cell_set_f64(&c[2], r->effect);
    cell_set_f64(&c[3], r->low);
    cell_set_f64(&c[4], r->high);
    cell_set_f64(&c[5], r->threshold);
    cell_set_i64(&c[6], (int64_t)r->n_conds);
    if (is_there)
        cell_set_i64(&c[7], (int64_t)r->n_seeds);
    if (r->seeds_needed)
        cell_set_i64(&c[8], (int64_t)r->seeds_needed);
    cell_set_text(&c[9], r->claim);
    cell_set_text(&c[10], r->rule);
    cell_set_text(&c[11], r->evidence.len ? r->evidence.data : NULL);
    cell_set_text(&c[12], r->jobs.len ? r->jobs.data : NULL);
}

enum err_code hypo_table(struct table *out, struct query *q, const char *sweep, struct err *e)
{
    static const char *const cols[] = {"hypothesis", "verdict", "effect", "low", "high", "threshold", "conditions",
                                       "seeds", "seeds_needed", "claim", "rule", "evidence", "jobs"};
    struct hypo_result results[HYPO_COUNT];
    struct hypo_data d;

    if (hypo_load(&d, q, sweep, e))
        return e->code;
    enum err_code rc = hypo_judge(results, &d, HYPO_BOOT, HYPO_BOOT_SEED, e);
    for (size_t i = 0; i < ARRAY_LEN(cols); i++)
        table_add_col(out, cols[i]);
    for (size_t i = 0; !rc && i < HYPO_COUNT; i++)
        add_result(out, &results[i]);
    hypo_results_free(results);
    hypo_data_free(&d);
    return rc;
}
