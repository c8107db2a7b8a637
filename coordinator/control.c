/* control.c - see control.h. */
#include "coordinator/control.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"

#define FOLDER "control"
#define PAUSED FOLDER "/paused"

enum { ORDER_MAX = 16 << 20, ANSWER_MAX = 64 << 10, JOB_ID_MAX = 1 << 30 };

static const char *const verbs[CONTROL_VERB_COUNT] = {"cancel", "requeue", "priority"};

const char *control_verb_name(enum control_verb v)
{
    return v < CONTROL_VERB_COUNT ? verbs[v] : "?";
}

void control_free(struct control_order *o)
{
    free(o->jobs);
    json_free(o->doc);
    *o = (struct control_order){0};
}

static void path_of(struct buf *out, const char *results, const char *name, const char *suffix)
{
    buf_reset(out);
    buf_fmt(out, "%s/" FOLDER "/%s%s", results, name, suffix);
}

void control_who(struct buf *out)
{
    const char *user = getenv("USER");
    char host[256] = "unknown";

    gethostname(host, sizeof host - 1);
    buf_fmt(out, "%s on %s", user && *user ? user : "somebody", host);
}

/* --- giving orders ------------------------------------------------------------------------ */

static void write_order(const struct control_order *o, struct buf *text)
{
    struct jsonw w;

    jw_init(&w, text, false);
    jw_open(&w, '{');
    jw_key(&w, "verb"), jw_str(&w, control_verb_name(o->verb));
    jw_key(&w, "what"), jw_str(&w, o->what);
    jw_key(&w, "who"), jw_str(&w, o->who);
    jw_key(&w, "fix"), jw_str(&w, o->fix);
    jw_key(&w, "note"), jw_str(&w, o->note);
    jw_key(&w, "priority"), jw_i64(&w, o->priority);
    jw_key(&w, "jobs"), jw_open(&w, '[');
    for (size_t i = 0; i < o->n_jobs; i++) {
        jw_open(&w, '[');
        jw_i64(&w, o->jobs[i].from);
        jw_i64(&w, o->jobs[i].to);
        jw_close(&w, ']');
    }
    jw_close(&w, ']');
    jw_close(&w, '}');
    buf_char(text, '\n');
}

enum err_code control_put(const char *results, const struct control_order *o, struct buf *name,
                          struct err *e)
{
    struct buf path = {0}, text = {0};
    enum err_code rc;

    buf_fmt(&path, "%s/" FOLDER, results);
    rc = fs_mkdirs(path.data, e);
    buf_fmt(name, "%lld-%ld.json", (long long)clock_system.wall_ms(&clock_system), (long)getpid());
    path_of(&path, results, name->data, "");
    write_order(o, &text);
    if (!rc)
        rc = fs_replace(path.data, text.data, text.len, e);
    buf_free(&path);
    buf_free(&text);
    return rc;
}

bool control_answer(const char *results, const char *name, struct buf *out)
{
    struct buf path = {0};
    struct err e;

    path_of(&path, results, name, ".done");
    bool is_there = fs_is_file(path.data) && fs_read(path.data, ANSWER_MAX, out, &e) == ERR_OK;
    if (is_there)
        unlink(path.data);
    buf_free(&path);
    return is_there;
}

bool control_take_back(const char *results, const char *name)
{
    struct buf path = {0};

    path_of(&path, results, name, "");
    bool is_ours = unlink(path.data) == 0;
    buf_free(&path);
    return is_ours;
}

/* --- obeying them ------------------------------------------------------------------------- */

static bool is_order(const char *name)
{
    size_t n = strlen(name);

    return name[0] >= '0' && name[0] <= '9' && n > 5 && strcmp(name + n - 5, ".json") == 0;
}

/* By number, then by text. */
static bool is_before(const char *a, const char *b)
{
    long long x = strtoll(a, NULL, 10), y = strtoll(b, NULL, 10);

    return x != y ? x < y : strcmp(a, b) < 0;
}

bool control_next(const char *results, struct buf *name)
{
    struct buf path = {0};
    struct dirent *d;

    buf_reset(name);
    buf_fmt(&path, "%s/" FOLDER, results);
    DIR *h = opendir(path.data);
    while (h && (d = readdir(h)))
        if (is_order(d->d_name) && (!name->len || is_before(d->d_name, name->data))) {
            buf_reset(name);
            buf_str(name, d->d_name);
        }
    if (h)
        closedir(h);
    buf_free(&path);
    return name->len > 0;
}

static enum err_code read_jobs(const struct json *list, struct control_order *o, struct err *e)
{
    size_t n = list ? json_len(list) : 0;

    o->jobs = calloc(n + 1, sizeof *o->jobs);
    if (!o->jobs)
        return err_set(e, ERR_NOMEM, "jobs");
    for (const struct json *r = n ? json_first(list) : NULL; r; r = json_next(r)) {
        struct control_range *to = &o->jobs[o->n_jobs];
        const struct json *from = json_is_array(r) && json_len(r) == 2 ? json_first(r) : NULL;

        if (!from || !json_i64(from, &to->from) || !json_i64(json_next(from), &to->to) ||
            to->from < 1 || to->to < to->from || to->to > JOB_ID_MAX)
            return err_set(e, ERR_INVALID, "jobs: not a list of [from, to]");
        o->n_jobs++;
    }
    return ERR_OK;
}

static enum err_code read_order(struct control_order *o, struct err *e)
{
    const char *verb = json_str(json_get(o->doc, "verb"));
    const struct json *priority = json_get(o->doc, "priority");
    int v = 0;

    while (v < CONTROL_VERB_COUNT && !(verb && strcmp(verb, verbs[v]) == 0))
        v++;
    if (v == CONTROL_VERB_COUNT)
        return err_set(e, ERR_INVALID, "verb: not cancel, requeue or priority");
    o->verb = (enum control_verb)v;
    o->what = json_str(json_get(o->doc, "what"));
    o->who = json_str(json_get(o->doc, "who"));
    o->fix = json_str(json_get(o->doc, "fix"));
    o->note = json_str(json_get(o->doc, "note"));
    if (priority && !json_i64(priority, &o->priority))
        return err_set(e, ERR_INVALID, "priority: not an integer");
    return read_jobs(json_get(o->doc, "jobs"), o, e);
}

enum err_code control_read(const char *results, const char *name, struct control_order *out, struct err *e)
{
    struct buf path = {0};
    enum err_code rc;

    *out = (struct control_order){0};
    path_of(&path, results, name, "");
    rc = json_read(path.data, ORDER_MAX, &out->doc, e);
    if (!rc && !json_is_object(out->doc))
        rc = err_set(e, ERR_INVALID, "not an object");
    if (!rc)
        rc = read_order(out, e);
    if (rc) {
        rc = err_wrap(e, "%s", path.data);
        control_free(out);
    }
    buf_free(&path);
    return rc;
}

enum err_code control_done(const char *results, const char *name, const char *answer, struct err *e)
{
    struct buf path = {0};
    enum err_code rc;

    path_of(&path, results, name, ".done");
    rc = fs_replace(path.data, answer, strlen(answer), e);
    path_of(&path, results, name, "");
    if (!rc && unlink(path.data) && errno != ENOENT)
        rc = err_errno(e, errno, "%s", path.data);
    buf_free(&path);
    return rc;
}

/* --- pausing ------------------------------------------------------------------------------ */

bool control_is_paused(const char *results, struct buf *why)
{
    struct buf path = {0};
    struct err e;

    buf_fmt(&path, "%s/" PAUSED, results);
    bool is_paused = access(path.data, F_OK) == 0;
    if (is_paused && why && fs_read(path.data, ANSWER_MAX, why, &e) == ERR_OK)
        while (why->len && why->data[why->len - 1] == '\n')
            why->data[--why->len] = '\0';
    buf_free(&path);
    return is_paused;
}

enum err_code control_pause(const char *results, const char *text, struct err *e)
{
    struct buf path = {0};
    enum err_code rc;

    buf_fmt(&path, "%s/" FOLDER, results);
    rc = fs_mkdirs(path.data, e);
    buf_reset(&path);
    buf_fmt(&path, "%s/" PAUSED, results);
    if (!rc)
        rc = fs_replace(path.data, text, strlen(text), e);
    buf_free(&path);
    return rc;
}

enum err_code control_resume(const char *results, bool *was_paused, struct err *e)
{
    struct buf path = {0};
    enum err_code rc = ERR_OK;

    buf_fmt(&path, "%s/" PAUSED, results);
    *was_paused = unlink(path.data) == 0;
    if (!*was_paused && errno != ENOENT)
        rc = err_errno(e, errno, "%s", path.data);
    buf_free(&path);
    return rc;
}
