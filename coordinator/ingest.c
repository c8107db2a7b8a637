/* ingest.c - see ingest.h. */
#include "coordinator/ingest.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/kinds/kind.h"
#include "common/map.h"
#include "common/rundir.h"
#include "common/sha256.h"

enum { RESULT_BYTES_MAX = 256 << 20, SERIES_BYTES_MAX = 1 << 30, NAME_MAX_LEN = 63 };

static enum err_code check_artifact(const struct ingest *in, const struct json *a, struct err *e)
{
    const char *path = json_str(json_get(a, "path")), *hex = json_str(json_get(a, "sha256"));
    uint8_t digest[32];
    struct buf full = {0};
    struct stat st;
    int64_t bytes;
    enum err_code rc = ERR_OK;

    if (!path || !hex || !json_i64(json_get(a, "bytes"), &bytes) || !hex_parse(digest, 32, hex))
        return err_set(e, ERR_CORRUPT, "artifacts: path, bytes or sha256 is missing or malformed");
    if (path[0] == '/' || strstr(path, ".."))
        return err_set(e, ERR_CORRUPT, "artifacts: %s: leads out of the folder", path);
    buf_fmt(&full, "%s/%s", in->dir.data, path);
    if (stat(full.data, &st) != 0)
        rc = err_set(e, ERR_CORRUPT, "%s: %s", path, strerror(errno));
    else if (st.st_size != bytes)
        rc = err_set(e, ERR_CORRUPT, "%s: %lld bytes, but result.json says %lld", path,
                     (long long)st.st_size, (long long)bytes);
    buf_free(&full);
    return rc;
}

/* What the kind declares is there, or absent with a reason; a kind that is not named declares nothing. */
enum err_code ingest_declared(const struct json *root, struct err *e)
{
    const char *name = json_str(json_get(root, "kind"));
    const struct job_kind *k = name ? kind_find(name) : NULL;

    for (const char *const *m = k ? k->metrics : NULL; m && *m; m++) {
        const char *why = json_str(json_get(json_get(root, "absent"), *m));
        double value;

        if (!json_f64(json_get(json_get(root, "metrics"), *m), &value) && (!why || !*why))
            return err_set(e, ERR_CORRUPT, "metrics: %s: declared by kind %s, neither there nor absent with a reason", *m,
                           k->name);
    }
    return ERR_OK;
}

static enum err_code check_result(struct ingest *in, const char *job_hex, struct err *e)
{
    const char *job = json_str(json_get(in->root, "job"));
    const struct json *verdict = json_get(in->root, "verdict");
    int64_t format;
    enum err_code rc = ERR_OK;

    if (!json_i64(json_get(in->root, "format"), &format) || format != 1)
        return err_set(e, ERR_CORRUPT, "format is not 1");
    if (!job || strcmp(job, job_hex) != 0)
        return err_set(e, ERR_CORRUPT, "is of job %.12s, not of %.12s", job ? job : "(none)", job_hex);
    in->verdict = json_str(verdict);
    in->message = json_str(json_get(in->root, "message"));
    if (in->verdict && strcmp(in->verdict, "pass") != 0 && strcmp(in->verdict, "negative") != 0)
        return err_set(e, ERR_CORRUPT, "verdict is \"%s\"", in->verdict);
    if (!json_is_object(json_get(in->root, "metrics")))
        return err_set(e, ERR_CORRUPT, "metrics are missing");
    rc = ingest_declared(in->root, e);
    for (const struct json *a = json_first(json_get(in->root, "artifacts")); a && !rc; a = json_next(a))
        rc = check_artifact(in, a, e);
    return rc;
}

static void add_json(struct jsonw *w, const struct json *v)
{
    double f;
    bool b;

    if (json_str(v))
        jw_str(w, json_str(v));
    else if (json_bool(v, &b))
        jw_bool(w, b);
    else if (json_f64(v, &f))
        jw_f64(w, f);
    else
        jw_null(w);
}

/* Facts of one attempt: without them the rest is the same for every job of a machine and build,
 * and is stored once. */
static bool is_of_attempt(const char *key)
{
    static const char *const keys[] = {"pid", "command", "started", "ended", "env.SAEGRID_PARENT"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static void take_provenance(struct ingest *in)
{
    const struct json *p = json_get(in->root, "provenance");
    struct jsonw w;

    jw_init(&w, &in->provenance, false);
    jw_open(&w, '{');
    in->command = json_str(json_get(p, "command"));
    for (const struct json *v = json_first(p); v; v = json_next(v)) {
        if (is_of_attempt(json_key(v)))
            continue;
        jw_key(&w, json_key(v));
        add_json(&w, v);
    }
    jw_close(&w, '}');
}

/* Digest and contents are of the same bytes. */
static enum err_code read_result(struct ingest *in, const char *path, struct err *e)
{
    struct buf text = {0};
    enum err_code rc = fs_read(path, RESULT_BYTES_MAX, &text, e);

    if (!rc) {
        sha256_of(text.len ? text.data : "", text.len, in->digest);
        in->bytes = (int64_t)text.len;
        rc = json_parse(text.len ? text.data : "", text.len, &in->root, e);
    }
    buf_free(&text);
    return rc;
}

enum err_code ingest_open(struct ingest *in, const char *dir, const char *job_hex, struct err *e)
{
    struct buf path = {0};
    enum err_code rc;

    *in = (struct ingest){0};
    buf_str(&in->dir, dir);
    buf_fmt(&path, "%s/%s", dir, RUN_RESULT_FILE);
    rc = read_result(in, path.data, e);
    if (!rc)
        rc = check_result(in, job_hex, e);
    if (rc) {
        if (rc != ERR_NOMEM && rc != ERR_IO && rc != ERR_NO_SPACE) /* those pass: the folder may be whole */
            rc = e ? (e->code = ERR_CORRUPT) : ERR_CORRUPT;
        err_wrap(e, "%s", path.data);
        ingest_close(in);
    } else {
        take_provenance(in);
    }
    buf_free(&path);
    return rc;
}

void ingest_close(struct ingest *in)
{
    json_free(in->root);
    buf_free(&in->dir);
    buf_free(&in->provenance);
    *in = (struct ingest){0};
}

enum err_code ingest_metrics(const struct json *root,
                             enum err_code (*each)(void *ctx, const char *name, double value, struct err *e),
                             void *ctx, struct err *e)
{
    enum err_code rc = ERR_OK;
    double value;

    for (const struct json *v = json_first(json_get(root, "metrics")); v && !rc; v = json_next(v)) {
        if (json_is_null(v))
            continue;
        if (!json_f64(v, &value))
            return err_set(e, ERR_CORRUPT, "metrics: %s: not a number", json_key(v));
        rc = each(ctx, json_key(v), value, e);
    }
    return rc;
}

/* --- series --- */

struct line {
    const char *name;
    size_t name_len;
    int64_t step;
    double value;
};

/* Parses "name,step,value"; false for the header, blank lines and values that are not finite. */
static enum err_code parse_line(const char *p, const char *end, struct line *l, bool *keep, struct err *e)
{
    const char *comma = memchr(p, ',', (size_t)(end - p));
    char *stop;

    *keep = false;
    if (p == end || (comma && comma - p == 4 && strncmp(p, "name", 4) == 0))
        return ERR_OK;
    if (!comma || comma == p || comma - p > NAME_MAX_LEN)
        return err_set(e, ERR_CORRUPT, "\"%.*s\" is not name,step,value", (int)(end - p), p);
    *l = (struct line){.name = p, .name_len = (size_t)(comma - p)};
    l->step = strtoll(comma + 1, &stop, 10);
    if (stop == comma + 1 || *stop != ',')
        return err_set(e, ERR_CORRUPT, "\"%.*s\": step is not a whole number", (int)(end - p), p);
    p = stop + 1;
    l->value = strtod(p, &stop);
    if (stop != end && *stop != '\r' && stop != p)
        return err_set(e, ERR_CORRUPT, "%s is not a number", p);
    *keep = stop != p && isfinite(l->value);
    return ERR_OK;
}

static enum err_code walk_series(const struct buf *text,
                                 enum err_code (*each)(void *ctx, const struct line *l, struct err *e),
                                 void *ctx, struct err *e)
{
    const char *p = text->data, *stop = p + text->len;
    enum err_code rc = ERR_OK;

    for (size_t n = 1; p < stop && !rc; n++) {
        const char *end = memchr(p, '\n', (size_t)(stop - p));
        struct line l;
        bool keep;

        if (!end)
            end = stop;
        rc = parse_line(p, end, &l, &keep, e);
        if (rc)
            return err_wrap(e, "%s:%zu", RUN_SERIES_FILE, n);
        if (keep)
            rc = each(ctx, &l, e);
        p = end + 1;
    }
    return rc;
}

struct thinning {
    struct map counts;  /* name -> points */
    struct map seen;    /* name -> points passed so far */
    enum err_code (*each)(void *ctx, const struct ingest_point *p, struct err *e);
    void *ctx;
};

static enum err_code count_line(void *ctx, const struct line *l, struct err *e)
{
    struct thinning *t = ctx;
    bool is_new;

    (void)e;
    ++*map_put(&t->counts, l->name, l->name_len, &is_new);
    return ERR_OK;
}

/* True if point i of n is floor(j (n-1) / (max-1)) for some j. */
static bool is_kept(int64_t i, int64_t n)
{
    const int64_t last = INGEST_SERIES_MAX - 1;

    if (n <= INGEST_SERIES_MAX)
        return true;
    int64_t j = (i * last + n - 2) / (n - 1); /* least j with j (n-1) >= i last */
    return j * (n - 1) / last == i;
}

static enum err_code pass_line(void *ctx, const struct line *l, struct err *e)
{
    struct thinning *t = ctx;
    char name[NAME_MAX_LEN + 1];
    bool is_new;
    int64_t n = *map_get(&t->counts, l->name, l->name_len);
    int64_t i = (*map_put(&t->seen, l->name, l->name_len, &is_new))++;

    if (!is_kept(i, n))
        return ERR_OK;
    memcpy(name, l->name, l->name_len);
    name[l->name_len] = '\0';
    return t->each(t->ctx, &(struct ingest_point){name, l->step, l->value}, e);
}

enum err_code ingest_series(const struct ingest *in,
                            enum err_code (*each)(void *ctx, const struct ingest_point *p, struct err *e),
                            void *ctx, struct err *e)
{
    struct thinning t = {.each = each, .ctx = ctx};
    struct buf path = {0}, text = {0};
    enum err_code rc = ERR_OK;

    buf_fmt(&path, "%s/%s", in->dir.data, RUN_SERIES_FILE);
    if (fs_is_file(path.data))
        rc = fs_read(path.data, SERIES_BYTES_MAX, &text, e);
    if (!rc && text.len)
        rc = walk_series(&text, count_line, &t, e);
    if (!rc && text.len)
        rc = walk_series(&text, pass_line, &t, e);
    map_free(&t.counts);
    map_free(&t.seen);
    buf_free(&path);
    buf_free(&text);
    return rc;
}

/* --- pairs --- */

enum { PAIR_COLUMNS_MAX = 32, PAIR_SEED_A = 100, PAIR_SEED_B, PAIR_OTHER };

static int pair_column(const char *name, size_t n)
{
    static const char *const names[INGEST_PAIR_VALUES] = {"pwmcc",         "mmcs",     "hungarian",
                                                          "hungarian_abs", "subspace", "grassmann"};

    if (n == 6 && strncmp(name, "seed_a", 6) == 0)
        return PAIR_SEED_A;
    if (n == 6 && strncmp(name, "seed_b", 6) == 0)
        return PAIR_SEED_B;
    for (int i = 0; i < INGEST_PAIR_VALUES; i++)
        if (strlen(names[i]) == n && strncmp(names[i], name, n) == 0)
            return i;
    return PAIR_OTHER;
}

static enum err_code pair_cell(struct ingest_pair *p, int column, const char *text, size_t n, struct err *e)
{
    char cell[64], *stop;

    if (n == 0 || column == PAIR_OTHER)
        return ERR_OK;
    if (n >= sizeof cell)
        return err_set(e, ERR_CORRUPT, "pairs: \"%.*s\" is too long", (int)n, text);
    memcpy(cell, text, n);
    cell[n] = '\0';
    if (column == PAIR_SEED_A)
        p->seed_a = strtoll(cell, &stop, 10);
    else if (column == PAIR_SEED_B)
        p->seed_b = strtoll(cell, &stop, 10);
    else
        p->value[column] = strtod(cell, &stop);
    return *stop ? err_set(e, ERR_CORRUPT, "pairs: \"%s\" is not a number", cell) : ERR_OK;
}

static size_t cell_len(const char *p)
{
    return strcspn(p, ",\r\n");
}

enum err_code ingest_pairs(const char *csv,
                           enum err_code (*each)(void *ctx, const struct ingest_pair *p, struct err *e),
                           void *ctx, struct err *e)
{
    int columns[PAIR_COLUMNS_MAX], n_columns = 0, n_seeds = 0;
    const char *p = csv;
    enum err_code rc = ERR_OK;

    for (; n_columns < PAIR_COLUMNS_MAX; p++) {
        size_t n = cell_len(p);

        columns[n_columns] = pair_column(p, n);
        n_seeds += columns[n_columns] == PAIR_SEED_A || columns[n_columns] == PAIR_SEED_B;
        n_columns++;
        p += n;
        if (*p != ',')
            break;
    }
    if (n_seeds != 2)
        return err_set(e, ERR_CORRUPT, "pairs: the header lacks seed_a or seed_b");
    while (!rc && *(p += strspn(p, "\r\n"))) {
        struct ingest_pair row;

        memset(&row, 0, sizeof row);
        for (int i = 0; i < INGEST_PAIR_VALUES; i++)
            row.value[i] = NAN;
        for (int i = 0; i < n_columns && !rc; i++) {
            size_t n = cell_len(p);

            rc = pair_cell(&row, columns[i], p, n, e);
            p += n;
            p += *p == ',';
        }
        p += strcspn(p, "\r\n");
        if (!rc)
            rc = each(ctx, &row, e);
    }
    return rc;
}

enum err_code ingest_inline(const char *text,
                            enum err_code (*each)(void *ctx, const char *name, double value, struct err *e),
                            void *ctx, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (const char *p = text + strspn(text, " "); *p && !rc; p += strspn(p, " ")) {
        size_t n = strcspn(p, "= ");
        char name[NAME_MAX_LEN + 1], *stop;
        double v;

        if (p[n] != '=' || n == 0 || n > NAME_MAX_LEN)
            return err_set(e, ERR_CORRUPT, "metrics: \"%s\" is not name=value", p);
        memcpy(name, p, n);
        name[n] = '\0';
        v = strtod(p + n + 1, &stop);
        if (stop == p + n + 1 || (*stop && *stop != ' '))
            return err_set(e, ERR_CORRUPT, "metrics: %s: not a number", name);
        p = stop;
        if (isfinite(v))
            rc = each(ctx, name, v, e);
    }
    return rc;
}
