/* exports.c - see exports.h. */
#include "coordinator/exports.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/sha256.h"
#include "common/stats.h"
#include "common/version.h"
#include "coordinator/manifest_query.h"

#define ALPHA 0.05

static const char *const formats[] = {"husai_phase4a", NULL};

const char *const *exports_formats(void)
{
    return formats;
}

/* PWMCC of the pairs of one group, in the order of its seeds. */
struct pairs {
    int64_t *a, *b;
    double *v;
    size_t n;
};

struct husai {
    const struct spec *s;
    const char *results, *stage, *path;
    struct query *q;
    int64_t job, wall_ms;
    char *run_id;
    struct pairs trained, random;
    struct table metrics;
};

static void pairs_free(struct pairs *p)
{
    free(p->a);
    free(p->b);
    free(p->v);
}

static enum err_code pairs_room(struct pairs *p, size_t n, struct err *e)
{
    *p = (struct pairs){calloc(n + 1, sizeof *p->a), calloc(n + 1, sizeof *p->b), calloc(n + 1, sizeof *p->v), 0};
    return p->a && p->b && p->v ? ERR_OK : err_set(e, ERR_NOMEM, "%zu pairs: out of memory", n);
}

static enum err_code load_trained(struct husai *h, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(h->q, &t, e, "SELECT seed_a, seed_b, pwmcc FROM pair WHERE job = ?1 ORDER BY seed_a, seed_b",
                                   "i", h->job);

    if (!rc)
        rc = pairs_room(&h->trained, t.n_rows, e);
    for (size_t i = 0; !rc && i < t.n_rows; i++) {
        h->trained.a[i] = table_cell(&t, i, 0)->i;
        h->trained.b[i] = table_cell(&t, i, 1)->i;
        h->trained.v[i] = table_cell(&t, i, 2)->f;
        h->trained.n++;
    }
    table_free(&t);
    return rc;
}

/* The blob baseline_pairs: seed_a,seed_b,pwmcc,... */
static enum err_code load_random(struct husai *h, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(h->q, &t, e, "SELECT CAST(data AS TEXT) FROM blob WHERE job = ?1 AND name = 'baseline_pairs'",
                                   "i", h->job);
    const char *p = rc || t.n_rows == 0 ? "" : table_cell(&t, 0, 0)->text;

    if (!rc)
        rc = pairs_room(&h->random, strlen(p) / 4, e);
    for (p = strchr(p, '\n'); !rc && p && p[1]; p = strchr(p + 1, '\n')) {
        char *end;
        size_t i = h->random.n++;

        h->random.a[i] = strtoll(p + 1, &end, 10);
        h->random.b[i] = strtoll(end + 1, &end, 10);
        h->random.v[i] = strtod(end + 1, &end);
    }
    table_free(&t);
    return rc;
}

static double metric(const struct husai *h, const char *name)
{
    for (size_t i = 0; i < h->metrics.n_rows; i++)
        if (strcmp(table_cell(&h->metrics, i, 0)->text, name) == 0)
            return table_cell(&h->metrics, i, 1)->f;
    return NAN;
}

/* The one finished comparison of the stage; job 0: none yet. */
static enum err_code find(struct husai *h, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(h->q, &t, e,
                                   "SELECT j.id, j.run_name FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND sj.revision ="
                                   " s.revision JOIN stage t ON t.id = sj.stage JOIN job j ON j.id = sj.job JOIN kind k ON"
                                   " k.id = j.kind WHERE s.name = ?1 AND t.name = ?2 AND j.state = 'done' AND k.name ="
                                   " 'sae_compare'", "tt", h->s->name, h->stage);

    if (!rc && t.n_rows > 1)
        rc = err_set(e, ERR_INVALID, "%s: %zu comparisons, this format holds one", h->stage, t.n_rows);
    if (!rc && t.n_rows == 1) {
        h->job = table_cell(&t, 0, 0)->i;
        h->run_id = strdup(table_cell(&t, 0, 1)->text);
    }
    table_free(&t);
    if (!rc && h->job)
        rc = query_table(h->q, &h->metrics, e, "SELECT n.name, m.value FROM metric m JOIN metric_name n ON n.id = m.name"
                                               " WHERE m.job = ?1", "i", h->job);
    return rc;
}

/* --- the JSON ----------------------------------------------------------------------------------- */

static void put_number(struct jsonw *w, const char *key, double v)
{
    jw_key(w, key);
    if (isfinite(v))
        jw_f64(w, v);
    else
        jw_null(w);
}

static void put_metadata(struct jsonw *w, const struct husai *h)
{
    char when[21], hex[65];

    clock_iso(when, h->wall_ms);
    hex_text(hex, h->s->digest, 32);
    jw_key(w, "run_metadata"), jw_open(w, '{');
    jw_key(w, "timestamp_utc"), jw_str(w, when);
    jw_key(w, "git_commit"), jw_str(w, SAEGRID_COMMIT);
    jw_key(w, "command"), jw_str(w, "saegrid run");
    jw_key(w, "sweep"), jw_str(w, h->s->name);
    jw_key(w, "config_hash"), jw_str(w, hex);
    jw_key(w, "run_id"), jw_str(w, h->run_id);
    jw_close(w, '}');
}

/* Seeds of a group, each once, in their order. */
static void put_seeds(struct jsonw *w, const struct pairs *p)
{
    jw_key(w, "seeds"), jw_open(w, '[');
    for (size_t i = 0; i < p->n && p->a[i] == p->a[0]; i++) {
        if (i == 0)
            jw_i64(w, p->a[0]);
        jw_i64(w, p->b[i]);
    }
    jw_close(w, ']');
}

static enum err_code put_group(struct jsonw *w, const char *key, const struct pairs *p, double low, double high,
                               struct err *e)
{
    double *sorted = malloc((p->n + 1) * sizeof *sorted);

    if (!sorted)
        return err_set(e, ERR_NOMEM, "%zu pairs: out of memory", p->n);
    memcpy(sorted, p->v, p->n * sizeof *sorted);
    stats_sort(sorted, p->n);
    jw_key(w, key), jw_open(w, '{');
    put_seeds(w, p);
    jw_key(w, "n_pairs"), jw_i64(w, (int64_t)p->n);
    jw_key(w, "pwmcc_values"), jw_open(w, '[');
    for (size_t i = 0; i < p->n; i++)
        jw_f64(w, p->v[i]);
    jw_close(w, ']');
    put_number(w, "mean", stats_mean(p->v, p->n));
    put_number(w, "std", stats_std(p->v, p->n));
    put_number(w, "min", p->n ? sorted[0] : NAN);
    put_number(w, "max", p->n ? sorted[p->n - 1] : NAN);
    put_number(w, "median", p->n ? stats_quantile(sorted, p->n, 0.5) : NAN);
    put_number(w, "ci95_low", low);
    put_number(w, "ci95_high", high);
    jw_key(w, "n"), jw_i64(w, (int64_t)p->n);
    jw_close(w, '}');
    free(sorted);
    return ERR_OK;
}

/* The trained dictionaries: seed, file, digest, shape. */
static enum err_code put_checkpoints(struct jsonw *w, const struct husai *h, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(
        h->q, &t, e,
        "SELECT coalesce(json_extract(j.knobs, '$.seed'), 0), 'experiments/' || s.name || '/' || j.run_name || '/' || a.path,"
        " lower(hex(a.sha256)), coalesce(json_extract(j.knobs, '$.d_sae'), json_extract(c.json, '$.d_sae')),"
        " json_extract(x.json, '$.d_model') FROM job_input i JOIN job j ON j.id = i.input JOIN sweep s ON s.id = j.sweep"
        " JOIN artifact a ON a.job = j.id AND a.path = 'checkpoints/sae.pt' JOIN job own ON own.id = i.job"
        " JOIN context c ON c.id = own.context JOIN context x ON x.id = j.context WHERE i.job = ?1 AND i.name = 'saes'"
        " ORDER BY i.ord", "i", h->job);

    jw_key(w, "checkpoint_manifest"), jw_open(w, '[');
    for (size_t i = 0; !rc && i < t.n_rows; i++) {
        jw_open(w, '{');
        jw_key(w, "seed"), jw_i64(w, table_cell(&t, i, 0)->i);
        jw_key(w, "checkpoint"), jw_str(w, table_cell(&t, i, 1)->text);
        jw_key(w, "sha256"), jw_str(w, table_cell(&t, i, 2)->text);
        jw_key(w, "shape"), jw_open(w, '[');
        if (table_cell(&t, i, 4)->type == CELL_I64)
            jw_i64(w, table_cell(&t, i, 4)->i); /* decoder.weight is [d_model, d_sae] */
        if (table_cell(&t, i, 3)->type == CELL_I64)
            jw_i64(w, table_cell(&t, i, 3)->i);
        jw_close(w, ']');
        jw_close(w, '}');
    }
    jw_close(w, ']');
    table_free(&t);
    return rc;
}

static void put_tests(struct jsonw *w, const struct husai *h)
{
    double p = metric(h, "p_value"), delta = metric(h, "delta");

    jw_key(w, "comparison"), jw_open(w, '{');
    put_number(w, "difference", delta);
    put_number(w, "ratio", metric(h, "ratio"));
    put_number(w, "effect_size_cohens_d", metric(h, "cohens_d"));
    jw_close(w, '}');
    jw_key(w, "statistical_test"), jw_open(w, '{');
    jw_key(w, "test"), jw_str(w, "mannwhitneyu_greater");
    put_number(w, "statistic", metric(h, "mwu"));
    put_number(w, "p_value", p);
    put_number(w, "alpha", ALPHA);
    jw_key(w, "reject_null"), jw_bool(w, p < ALPHA);
    jw_close(w, '}');
    jw_key(w, "conclusion"),
        jw_str(w, delta > 0 && p < ALPHA ? "training_signal_present" : "no_training_signal");
}

static enum err_code put_all(struct buf *out, const struct husai *h, struct err *e)
{
    struct table arch = {0};
    struct jsonw w;
    enum err_code rc = query_table(h->q, &arch, e, "SELECT json_extract(c.json, '$.arch') FROM job j JOIN context c ON c.id ="
                                                   " j.context WHERE j.id = ?1", "i", h->job);

    jw_init(&w, out, true);
    jw_open(&w, '{');
    put_metadata(&w, h);
    jw_key(&w, "architecture"), jw_str(&w, rc || arch.n_rows == 0 ? NULL : table_cell(&arch, 0, 0)->text);
    if (!rc)
        rc = put_group(&w, "trained", &h->trained, metric(h, "ci_low"), metric(h, "ci_high"), e);
    if (!rc)
        rc = put_group(&w, "random", &h->random, metric(h, "random_ci_low"), metric(h, "random_ci_high"), e);
    put_tests(&w, h);
    if (!rc)
        rc = put_checkpoints(&w, h, e);
    jw_close(&w, '}');
    buf_char(out, '\n');
    table_free(&arch);
    return rc;
}

/* --- files -------------------------------------------------------------------------------------- */

struct written {
    struct buf list;  /* JSON objects: path, sha256, bytes */
};

static void folder_of(const char *path, struct buf *out)
{
    const char *slash = strrchr(path, '/');

    if (slash)
        buf_add(out, path, (size_t)(slash + 1 - path));
}

static enum err_code put_file(struct written *to, const struct husai *h, const char *path, const struct buf *text,
                              struct err *e)
{
    struct buf full = {0}, dir = {0};
    uint8_t digest[32];
    char hex[65];
    enum err_code rc;

    buf_fmt(&full, "%s/%s", h->results, path);
    folder_of(full.data, &dir);
    rc = fs_mkdirs(dir.data, e);
    if (!rc)
        rc = fs_replace(full.data, text->data, text->len, e);
    sha256_of(text->data, text->len, digest);
    hex_text(hex, digest, 32);
    buf_fmt(&to->list, "%s{\"path\": \"%s\", \"sha256\": \"%s\", \"bytes\": %zu}", to->list.len ? ", " : "", path, hex,
            text->len);
    buf_free(&full);
    buf_free(&dir);
    return rc;
}

static enum err_code put_pairs(struct written *to, const struct husai *h, const char *name, const struct pairs *p,
                               struct err *e)
{
    struct buf text = {0}, path = {0};
    enum err_code rc;

    buf_str(&text, "seed_a,seed_b,pwmcc\n");
    for (size_t i = 0; i < p->n; i++) {
        buf_fmt(&text, "%" PRId64 ",%" PRId64 ",", p->a[i], p->b[i]);
        buf_f64(&text, p->v[i]);
        buf_char(&text, '\n');
    }
    folder_of(h->path, &path);
    buf_str(&path, name);
    rc = put_file(to, h, path.data, &text, e);
    buf_free(&text);
    buf_free(&path);
    return rc;
}

/* manifest.json beside them: written last, so that it lists what is there. */
static enum err_code put_manifest(struct written *to, const struct husai *h, struct err *e)
{
    struct written ignored = {0};
    struct buf text = {0}, path = {0};
    struct jsonw w;
    enum err_code rc;

    jw_init(&w, &text, true);
    jw_open(&w, '{');
    put_metadata(&w, h);
    jw_key(&w, "artifacts"), jw_open(&w, '[');
    if (to->list.len)
        jw_raw(&w, to->list.data);
    jw_close(&w, ']');
    jw_close(&w, '}');
    buf_char(&text, '\n');
    folder_of(h->path, &path);
    buf_str(&path, "manifest.json");
    rc = put_file(&ignored, h, path.data, &text, e);
    buf_free(&ignored.list);
    buf_free(&text);
    buf_free(&path);
    return rc;
}

static enum err_code write_files(struct husai *h, struct err *e)
{
    struct written to = {0};
    struct buf text = {0};
    enum err_code rc = load_trained(h, e);

    if (!rc)
        rc = load_random(h, e);
    if (!rc)
        rc = put_all(&text, h, e);
    if (!rc)
        rc = put_file(&to, h, h->path, &text, e);
    if (!rc)
        rc = put_pairs(&to, h, "trained_pairwise_pwmcc.csv", &h->trained, e);
    if (!rc)
        rc = put_pairs(&to, h, "random_pairwise_pwmcc.csv", &h->random, e);
    if (!rc)
        rc = put_manifest(&to, h, e);
    buf_free(&to.list);
    buf_free(&text);
    return rc;
}

static enum err_code write_one(struct husai *h, struct buf *said, struct err *e)
{
    enum err_code rc = find(h, e);

    if (!rc && !h->job)
        buf_fmt(said, "export: %s: %s is not done, nothing written\n", h->path, h->stage);
    else if (!rc)
        rc = write_files(h, e);
    if (!rc && h->job)
        buf_fmt(said, "export: %s/%s\n", h->results, h->path);
    pairs_free(&h->trained);
    pairs_free(&h->random);
    table_free(&h->metrics);
    free(h->run_id);
    return rc ? err_wrap(e, "export %s", h->path) : ERR_OK;
}

enum err_code exports_write(const struct spec *s, const char *results, int64_t wall_ms, struct buf *said,
                            struct err *e)
{
    struct query *q;
    enum err_code rc = ERR_OK;

    if (spec_n_exports(s) == 0)
        return ERR_OK;
    if (query_open(results, &q, e))
        return e->code;
    for (size_t i = 0; !rc && i < spec_n_exports(s); i++) {
        struct husai h = {.s = s, .results = results, .q = q, .wall_ms = wall_ms};
        const char *format;

        spec_export(s, i, &format, &h.stage, &h.path);
        rc = write_one(&h, said, e);
    }
    query_close(q);
    return rc;
}
