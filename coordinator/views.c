/* views.c - see views.h.
 *
 * A knob's value in a view is the job's own text, else its kind's default, else the value among
 * its ancestors' knobs (the job's context).  Every view about sweeps shows what the last text of
 * the sweep asks for: sweep_job rows of its newest revision.
 */
#include "coordinator/views.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "common/kinds/kind.h"
#include "coordinator/views_cpt.h"

enum { KNOBS_MAX = 512 };

/* In front; the others follow in the order of the kinds. */
static const char *const first_knobs[] = {"task", "layer", "hook", "position", "arch",
                                          "d_sae", "k", "seed", "data_fraction"};

static bool is_listed(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool is_knob(const char *name)
{
    for (size_t i = 0; i < kind_count(); i++)
        if (cfg_find(kind_at(i)->fields, kind_at(i)->n_fields, name))
            return true;
    return false;
}

size_t views_knobs(const char **names, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(first_knobs); i++)
        if (n < max && is_knob(first_knobs[i]))
            names[n++] = first_knobs[i];
    for (size_t i = 0; i < kind_count(); i++) {
        const struct job_kind *k = kind_at(i);

        for (size_t f = 0; f < k->n_fields; f++)
            if (n < max && !is_listed(names, n, k->fields[f].name))
                names[n++] = k->fields[f].name;
    }
    return n;
}

void views_metric_column(const char *metric, struct buf *out)
{
    buf_fmt(out, "%s%s", metric, is_knob(metric) ? "_done" : "");
}

static void sql_string(struct buf *out, const char *text)
{
    buf_char(out, '\'');
    for (; *text; text++)
        buf_fmt(out, *text == '\'' ? "''" : "%c", *text);
    buf_char(out, '\'');
}

static void default_value(struct buf *out, const struct cfg_field *f)
{
    struct buf canon = {0};
    struct err e;

    if (cfg_canon(f, f->deflt, &canon, &e))
        buf_str(&canon, f->deflt);
    if (cfg_is_text(f->type))
        sql_string(out, canon.data ? canon.data : "");
    else if (f->type == CFG_BOOL)
        buf_str(out, canon.data && strcmp(canon.data, "true") == 0 ? "1" : "0");
    else
        buf_str(out, canon.data ? canon.data : "NULL");
    buf_free(&canon);
}

static void knob_value(struct buf *out, const char *name)
{
    buf_str(out, "CASE kd.name");
    for (size_t i = 0; i < kind_count(); i++) {
        const struct job_kind *k = kind_at(i);
        const struct cfg_field *f = cfg_find(k->fields, k->n_fields, name);

        if (!f)
            continue;
        buf_fmt(out, " WHEN '%s' THEN coalesce(json_extract(j.knobs, '$.%s'), ", k->name, name);
        default_value(out, f);
        buf_char(out, ')');
    }
    buf_fmt(out, " ELSE json_extract(c.json, '$.%s') END AS \"%s\"", name, name);
}

static void knob_columns(struct buf *out, bool with_seeds)
{
    const char *names[KNOBS_MAX];
    size_t n = views_knobs(names, KNOBS_MAX);

    for (size_t i = 0; i < n; i++) {
        if (!with_seeds && strncmp(names[i], "seed", 4) == 0)
            continue;
        buf_str(out, ",\n  ");
        knob_value(out, names[i]);
    }
}

/* The id itself: looking it up in each of hundreds of subqueries took as long as all else in a row. */
static void metric_value(struct buf *out, const char *name, const int64_t *ids)
{
    size_t i = 0;

    while (i < metric_count() && strcmp(metric_at(i)->name, name) != 0)
        i++;
    assert(i < metric_count());
    buf_fmt(out, ",\n  (SELECT m.value FROM metric m WHERE m.job = j.id AND m.name = %" PRId64 ") AS \"", ids[i]);
}

#define FROM_JOBS                                                                                  \
    "\nFROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND sj.revision = s.revision"             \
    " JOIN stage t ON t.id = sj.stage JOIN job j ON j.id = sj.job JOIN kind kd ON kd.id = j.kind" \
    " JOIN context c ON c.id = j.context"
#define WHOSE "s.name AS sweep, t.name AS stage, kd.name AS kind, j.run_name AS run_id, lower(hex(j.digest)) AS job"

static void view_runs(struct buf *out, const int64_t *ids)
{
    buf_str(out, "CREATE VIEW runs AS SELECT " WHOSE
                 ", j.state, coalesce(sj.verdict, j.verdict) AS verdict");
    knob_columns(out, true);
    for (size_t i = 0; i < metric_count(); i++) {
        const char *name = metric_at(i)->name;

        if (strcmp(name, "wall_s") == 0) /* the attempt's, below */
            continue;
        metric_value(out, name, ids);
        views_metric_column(name, out);
        buf_char(out, '"');
    }
    buf_str(out, ",\n  a.wall_s, a.host, json_extract(p.json, '$.commit') AS \"commit\"" FROM_JOBS
                 " LEFT JOIN attempt a ON a.job = j.id AND a.epoch = j.epoch"
                 " LEFT JOIN provenance p ON p.id = a.provenance;\n");
}

static void view_stability(struct buf *out, const int64_t *ids)
{
    static const char *const names[] = {
        "n_seeds",     "n_pairs",         "pwmcc_mean",     "pwmcc_std",      "ci_low",
        "ci_high",     "random_mean",     "random_expected", "surrogate_mean", "untrained_mean",
        "shuffled_mean", "ratio",         "ratio_ci_low",   "ratio_ci_high",  "p_value",
        "ev_mean",     "l0_mean",         "dead_pct_mean",  "erank",          "gt_mcc",
        "hungarian_mean", "delta",       "delta_lcb",      "ev_std",         "l0_std",
        "seed_ci_low", "seed_ci_high",    "leak",           "base_acc"};

    buf_str(out, "CREATE VIEW stability AS SELECT s.name AS sweep, t.name AS stage, j.run_name AS run_id, "
                 "lower(hex(j.digest)) AS job");
    knob_columns(out, true);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        metric_value(out, names[i], ids);
        buf_fmt(out, "%s\"", names[i]);
    }
    buf_str(out, FROM_JOBS "\nWHERE kd.name = 'sae_compare' AND j.state = 'done';\n");
}

/* A knob of what the activations were made by, and of nothing later. */
static bool is_data_knob(const char *name)
{
    static const char *const makers[] = {"lm_train", "lm_import", "acts_extract", "data_make"};
    const struct job_kind *sae = kind_find("sae_train");
    bool is_data = false;

    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        const struct job_kind *k = kind_find(makers[i]);

        is_data = is_data || (k && cfg_find(k->fields, k->n_fields, name));
    }
    return is_data && strncmp(name, "seed", 4) != 0 && !(sae && cfg_find(sae->fields, sae->n_fields, name));
}

/* Rivals are the conditions of the sweep on the same activations, whatever stage they are of: each
 * architecture may have its own. */
static void view_pareto(struct buf *out)
{
    const char *names[KNOBS_MAX];
    size_t n = views_knobs(names, KNOBS_MAX);

    buf_str(out, "CREATE VIEW pareto AS WITH f AS MATERIALIZED (SELECT * FROM stability WHERE ratio IS NOT NULL AND coalesce(surrogate, 'none') = 'none')\n"
                 "SELECT sweep, stage, run_id, job");
    for (size_t i = 0; i < n; i++)
        buf_fmt(out, ", \"%s\"", names[i]);
    buf_str(out,
            ",\n  ratio, ev_mean AS ev, l0_mean AS l0, dead_pct_mean AS dead_pct FROM f\n"
            "WHERE NOT EXISTS (SELECT 1 FROM f o WHERE o.sweep = f.sweep");
    for (size_t i = 0; i < n; i++)
        if (is_data_knob(names[i]))
            buf_fmt(out, " AND o.\"%s\" IS f.\"%s\"", names[i], names[i]);
    buf_str(out,
            " AND o.ratio >= f.ratio AND o.ev_mean >= f.ev_mean AND o.l0_mean <= f.l0_mean"
            " AND o.dead_pct_mean <= f.dead_pct_mean AND (o.ratio > f.ratio OR o.ev_mean > f.ev_mean"
            " OR o.l0_mean < f.l0_mean OR o.dead_pct_mean < f.dead_pct_mean));\n");
}

static void without_seeds(struct buf *out, const char *json)
{
    const char *names[KNOBS_MAX];
    size_t n = views_knobs(names, KNOBS_MAX);

    buf_fmt(out, "json_remove(%s", json);
    for (size_t i = 0; i < n; i++)
        if (strncmp(names[i], "seed", 4) == 0)
            buf_fmt(out, ", '$.%s'", names[i]);
    buf_char(out, ')');
}

/* Two passes: the mean by a window, then squares about it.  The quantile beyond the table is
 * Cornish and Fisher's expansion, good to 1e-7 there. */
static void view_summary(struct buf *out)
{
    buf_str(out, "CREATE VIEW summary AS WITH conditions AS MATERIALIZED (SELECT s.id AS sweep, t.id AS stage, j.id AS job,\n  ");
    without_seeds(out, "j.knobs");
    buf_str(out, " || j.kind || ");
    without_seeds(out, "c.json");
    buf_str(out, " AS condition" FROM_JOBS "\nWHERE j.state = 'done'),\n"
        "vals AS (SELECT q.*, m.name, m.value, avg(m.value) OVER (PARTITION BY sweep, stage, condition, m.name) AS mu"
        " FROM conditions q JOIN metric m ON m.job = q.job),\n"
        "folded AS MATERIALIZED (SELECT sweep, stage, min(job) AS job, name, count(*) AS n, max(mu) AS mean,"
        " CASE WHEN count(*) > 1 THEN sqrt(sum((value - mu) * (value - mu)) / (count(*) - 1)) END AS std"
        " FROM vals GROUP BY sweep, stage, condition, name),\n"
        "wide AS (SELECT o.*, o.std / sqrt(o.n) * coalesce((SELECT q FROM student_t WHERE student_t.n = o.n),"
        " 1.959963984540054 + 2.3722712360 / (o.n - 1) + 2.8224986203 / ((o.n - 1) * (o.n - 1))) AS half FROM folded o)\n"
        "SELECT s.name AS sweep, t.name AS stage, kd.name AS kind");
    knob_columns(out, false);
    buf_str(out,
            ",\n  mn.name AS metric, w.n, w.mean, w.std, w.mean - w.half AS ci_low, w.mean + w.half AS ci_high\n"
            "FROM wide w JOIN sweep s ON s.id = w.sweep JOIN stage t ON t.id = w.stage JOIN job j ON j.id = w.job"
            " JOIN kind kd ON kd.id = j.kind JOIN context c ON c.id = j.context JOIN metric_name mn ON mn.id = w.name;\n");
}

static void small_views(struct buf *out)
{
    buf_str(out,
        "CREATE VIEW metrics AS SELECT lower(hex(j.digest)) AS job, s.name AS sweep, t.name AS stage,"
        " mn.name AS name, m.value AS value, mn.is_volatile AS is_volatile"
        " FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND sj.revision = s.revision"
        " JOIN stage t ON t.id = sj.stage JOIN job j ON j.id = sj.job JOIN metric m ON m.job = j.id"
        " JOIN metric_name mn ON mn.id = m.name;\n"
        "CREATE VIEW series AS SELECT lower(hex(j.digest)) AS job, n.name AS name, p.step AS step, p.value AS value"
        " FROM series_point p JOIN job j ON j.id = p.job JOIN series_name n ON n.id = p.name;\n"
        "CREATE VIEW pairs AS SELECT lower(hex(j.digest)) AS job, p.seed_a, p.seed_b, p.pwmcc, p.mmcs, p.hungarian,"
        " p.hungarian_abs, p.subspace, p.grassmann FROM pair p JOIN job j ON j.id = p.job;\n"
        "CREATE VIEW failures AS SELECT (SELECT name FROM sweep WHERE id = j.sweep) AS sweep,"
        " (SELECT name FROM stage WHERE id = j.stage) AS stage, kd.name AS kind, j.run_name AS run_id,"
        " lower(hex(j.digest)) AS job, j.state, j.class, j.message,"
        " CASE WHEN NOT j.in_agent THEN 'saegrid-runner run experiments/' || (SELECT name FROM sweep WHERE id = j.sweep)"
        " || '/' || j.run_name || '.tmp' END AS command,"
        " a.log, (SELECT count(*) FROM attempt b WHERE b.job = j.id) AS attempts,"
        " (SELECT f.commit_id FROM fix f WHERE f.job = j.id ORDER BY f.id DESC LIMIT 1) AS fix"
        " FROM job j JOIN kind kd ON kd.id = j.kind LEFT JOIN attempt a ON a.job = j.id AND a.epoch = j.epoch"
        " WHERE j.state IN ('failed', 'quarantined');\n");
}

static const char *const names[] = {"runs", "summary", "stability", "pareto", "metrics", "series",
                                    "pairs", "failures", "perplexity", "arms", "structure"};

static void create_all(struct buf *out, const int64_t *ids)
{
    view_runs(out, ids);
    view_stability(out, ids);
    view_pareto(out);
    view_summary(out);
    small_views(out);
    views_cpt_sql(out);
}

void views_sql(struct buf *out, const int64_t *ids)
{
    for (size_t i = ARRAY_LEN(names); i-- > 0;)
        buf_fmt(out, "DROP VIEW IF EXISTS %s;\n", names[i]);
    create_all(out, ids);
}

void views_temp_sql(struct buf *out, const int64_t *ids)
{
    static const char create[] = "CREATE VIEW ";
    struct buf all = {0};

    create_all(&all, ids);
    const char *p = all.data;
    for (const char *next; (next = strstr(p, create)); p = next + strlen(create)) {
        buf_add(out, p, (size_t)(next - p));
        buf_str(out, "CREATE TEMP VIEW ");
    }
    buf_str(out, p);
    buf_free(&all);
}
