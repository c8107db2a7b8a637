/* repair.c - see repair.h. */
#include "coordinator/repair.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/oom.h"
#include "common/rundir.h"
#include "coordinator/start.h"

enum { JSON_MAX = 256 << 20 };

struct repair {
    struct manifest *m;
    const char *results;
    struct table *done;
    struct buf path, to;
};

static void did(struct repair *r, const char *where, const char *what)
{
    struct cell *row = table_add_row(r->done);

    cell_set_text(&row[0], where);
    cell_set_text(&row[1], what);
}

/* --- names in a folder, sorted ------------------------------------------------------------ */

struct names {
    char **v;
    size_t n, cap;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_free(struct names *l)
{
    while (l->n)
        free(l->v[--l->n]);
    free(l->v);
}

static void names_add(struct names *l, const char *name)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->v = realloc(l->v, l->cap * sizeof *l->v);
        if (!l->v)
            oom_exit("repair");
    }
    struct buf b = {0};
    buf_str(&b, name);
    l->v[l->n++] = buf_steal(&b);
}

static struct names list(const char *path)
{
    struct names l = {0};
    DIR *h = opendir(path);
    struct dirent *d;

    while (h && (d = readdir(h)))
        if (d->d_name[0] != '.')
            names_add(&l, d->d_name);
    if (h)
        closedir(h);
    if (l.n)
        qsort(l.v, l.n, sizeof *l.v, by_name);
    return l;
}

/* --- one folder --------------------------------------------------------------------------- */

/* results/quarantine/<sweep>/<name>, made unique by a number: nothing there is replaced. */
static enum err_code quarantine(struct repair *r, const char *where, const char *why, struct err *e)
{
    const char *rest = where + strlen("experiments/");
    struct buf parent = {0};
    enum err_code rc;

    buf_fmt(&parent, "%s/quarantine/%.*s", r->results, (int)(strchr(rest, '/') - rest), rest);
    rc = fs_mkdirs(parent.data, e);
    for (int i = 0; !rc && i < 1000; i++) {
        buf_reset(&r->to);
        buf_fmt(&r->to, "%s/quarantine/%s", r->results, rest);
        if (i)
            buf_fmt(&r->to, ".%d", i);
        if (!fs_is_dir(r->to.data))
            break;
    }
    buf_reset(&r->path);
    buf_fmt(&r->path, "%s/%s", r->results, where);
    if (!rc)
        rc = fs_rename_dir(r->path.data, r->to.data, e);
    if (!rc) {
        buf_reset(&parent);
        buf_fmt(&parent, "moved to %s: %s", r->to.data + strlen(r->results) + 1, why);
        did(r, where, parent.data);
    }
    buf_free(&parent);
    return rc;
}

static void drop_states(struct repair *r, const char *where)
{
    static const char *const names[] = {"state.pt", "state.pt.prev", "state.pt.next", "state.pt.next.part"};
    bool is_any = false;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        buf_reset(&r->path);
        buf_fmt(&r->path, "%s/%s/checkpoints/%s", r->results, where, names[i]);
        is_any |= unlink(r->path.data) == 0;
    }
    buf_reset(&r->path);
    buf_fmt(&r->path, "%s/%s/checkpoints", r->results, where);
    rmdir(r->path.data); /* stays unless it is empty */
    if (is_any)
        did(r, where, "removed the state for resuming of a finished job");
}

/* The job that a folder says it is of, with its stage; "" if it does not say. */
struct claim {
    struct buf job, stage;
};

static void add_field(const struct json *doc, const char *key, struct buf *out)
{
    const char *text = json_str(json_get(doc, key));

    if (text && !out->len)
        buf_str(out, text);
}

static struct claim read_claim(struct repair *r, const char *where)
{
    static const char *const files[] = {RUN_RESULT_FILE, RUN_JOB_FILE};
    struct claim c = {0};

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct json *doc = NULL;

        buf_reset(&r->path);
        buf_fmt(&r->path, "%s/%s/%s", r->results, where, files[i]);
        if (!fs_is_file(r->path.data) || json_read(r->path.data, JSON_MAX, &doc, NULL))
            continue;
        add_field(doc, "job", &c.job);
        add_field(doc, "stage", &c.stage);
        json_free(doc);
    }
    return c;
}

static size_t stem_len(const char *name)
{
    size_t n = strlen(name);

    return n > 4 && strcmp(name + n - 4, ".tmp") == 0 ? n - 4 : n;
}

/* Its job knows the folder by another name: it takes this one if it never ran. */
static enum err_code adopt(struct repair *r, const struct manifest_owner *o, const struct claim *c,
                           const char *where, bool *is_ours, struct err *e)
{
    const char *rest = where + strlen("experiments/"), *slash = strchr(rest, '/');
    struct buf sweep = {0}, run = {0};
    enum err_code rc;

    buf_add(&sweep, rest, (size_t)(slash - rest));
    buf_add(&run, slash + 1, stem_len(slash + 1));
    struct manifest_home home = {sweep.data, c->stage.len ? c->stage.data : "", run.data};
    rc = manifest_adopt(r->m, o->job, &home, is_ours, e);
    buf_free(&sweep);
    buf_free(&run);
    return rc;
}

static enum err_code mend_folder(struct repair *r, const char *where, struct err *e)
{
    struct claim c = read_claim(r, where);
    struct manifest_owner o;
    size_t n = stem_len(where);
    bool is_tmp = where[n] != '\0', is_ours = false;
    enum err_code rc = manifest_owner(r->m, c.job.data, &o, e);

    if (!rc && o.job)
        is_ours = strlen(o.dir.data) == n && strncmp(o.dir.data, where, n) == 0;
    if (!rc && o.job && !is_ours)
        rc = adopt(r, &o, &c, where, &is_ours, e);
    buf_reset(&r->path);
    buf_fmt(&r->path, "%s/%.*s", r->results, (int)n, where);
    if (!rc && !is_ours) {
        rc = quarantine(r, where, o.job ? "its job has another folder" : "no job of the manifest owns it", e);
    } else if (!rc && is_tmp && o.state == JOB_DONE && rundir_is_complete(r->path.data)) {
        buf_str(&r->path, ".tmp");
        rc = fs_remove_tree(r->path.data, e);
        if (!rc)
            did(r, where, "removed: half-written leftover of a finished job");
    } else if (!rc && !is_tmp && !rundir_is_complete(r->path.data)) {
        rc = quarantine(r, where, "it has no " RUN_RESULT_FILE, e);
    } else if (!rc && !is_tmp) {
        drop_states(r, where);
    }
    buf_free(&o.dir);
    buf_free(&c.job);
    buf_free(&c.stage);
    return rc;
}

static enum err_code mend_entry(struct repair *r, const char *where, struct err *e)
{
    struct stat st;

    buf_reset(&r->path);
    buf_fmt(&r->path, "%s/%s", r->results, where);
    if (lstat(r->path.data, &st))
        return ERR_OK;
    if (S_ISLNK(st.st_mode) && stat(r->path.data, &st)) {
        unlink(r->path.data);
        did(r, where, "removed a link that led nowhere");
        return ERR_OK;
    }
    if (lstat(r->path.data, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (where[stem_len(where)] && rmdir(r->path.data) == 0) {
            did(r, where, "removed an empty folder");
            return ERR_OK;
        }
        return mend_folder(r, where, e);
    }
    return ERR_OK;
}

/* --- all ---------------------------------------------------------------------------------- */

static enum err_code mend_sweep(struct repair *r, const char *sweep, struct err *e)
{
    struct buf path = {0}, where = {0};
    enum err_code rc = ERR_OK;

    buf_fmt(&path, "%s/experiments/%s", r->results, sweep);
    struct names runs = list(path.data);
    for (size_t i = 0; i < runs.n && !rc; i++) {
        buf_reset(&where);
        buf_fmt(&where, "experiments/%s/%s", sweep, runs.v[i]);
        rc = mend_entry(r, where.data, e);
    }
    names_free(&runs);
    buf_free(&path);
    buf_free(&where);
    return rc;
}

static enum err_code mend_all(struct repair *r, struct err *e)
{
    struct buf path = {0};
    enum err_code rc = ERR_OK;

    buf_fmt(&path, "%s/experiments", r->results);
    struct names sweeps = list(path.data);
    for (size_t i = 0; i < sweeps.n && !rc; i++)
        rc = mend_sweep(r, sweeps.v[i], e);
    names_free(&sweeps);
    buf_free(&path);
    return rc;
}

static void tell_taken(void *ctx, const char *dir, const char *bad)
{
    struct repair *r = ctx;
    struct err e;

    if (!bad)
        did(r, dir, "taken in: its result was complete, its job waited");
    else if (quarantine(r, dir, bad, &e))
        did(r, dir, e.text);
}

static void tell_metrics(void *ctx, const char *dir)
{
    did(ctx, dir, "metrics taken from its " RUN_RESULT_FILE " again: the manifest had others");
}

enum err_code repair_run(struct manifest *m, const char *results, int64_t wall_ms, struct table *done,
                         struct err *e)
{
    struct repair r = {.m = m, .results = results, .done = done};
    int64_t n_done, n_again;
    char text[64];

    table_add_col(done, "where");
    table_add_col(done, "what");
    enum err_code rc = manifest_recover(m, wall_ms, &n_done, &n_again, e);
    if (!rc && n_done + n_again) {
        snprintf(text, sizeof text, "%lld leases ended: %lld done, %lld wait again",
                 (long long)(n_done + n_again), (long long)n_done, (long long)n_again);
        did(&r, "manifest.sqlite", text);
    }
    if (!rc)
        rc = mend_all(&r, e);
    if (!rc)
        rc = manifest_take_up(m, wall_ms, tell_taken, &r, e);
    if (!rc)
        rc = manifest_mend_metrics_all(m, tell_metrics, &r, e);
    if (!rc)
        rc = manifest_links_all(m, e);
    buf_free(&r.path);
    buf_free(&r.to);
    return rc;
}

enum err_code repair_find_texts(const char *results, struct repair_texts *out, struct err *e)
{
    struct names texts = {0};
    struct buf path = {0};

    buf_fmt(&path, "%s/experiments", results);
    struct names sweeps = list(path.data);
    for (size_t i = 0; i < sweeps.n; i++) {
        buf_reset(&path);
        buf_fmt(&path, "%s/experiments/%s/" START_TEXT_FILE, results, sweeps.v[i]);
        if (fs_is_file(path.data))
            names_add(&texts, path.data);
    }
    names_free(&sweeps);
    buf_free(&path);
    *out = (struct repair_texts){texts.v, texts.n};
    return texts.n ? ERR_OK
                   : err_set(e, ERR_NOT_FOUND, "%s/experiments: no " START_TEXT_FILE " in any folder: "
                             "name the sweep files", results);
}

void repair_texts_free(struct repair_texts *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->v[i]);
    free(t->v);
}
