/* control.c - see control.h: the files. */
#include "coordinator/control.h"

#include <dirent.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/json.h"

enum { ORDER_MAX = 4096, KEEP_MS = 3600000 };

static const char *const whats[] = {"cancel", "pause", "resume", "priority", "requeue"};
static const char *const targets[] = {"job", "stage", "sweep"};

/* Texts of an order: absent is empty. */
static const struct {
    const char *key;
    size_t at, size;
} texts[] = {
#define TEXT(key) {#key, offsetof(struct control_order, key), sizeof((struct control_order *)0)->key}
    TEXT(name), TEXT(fix), TEXT(who), TEXT(note), TEXT(class),
#undef TEXT
};

static bool find_name(const char *const *names, size_t n, const char *text, int *out)
{
    for (size_t i = 0; text && i < n; i++)
        if (strcmp(names[i], text) == 0) {
            *out = (int)i;
            return true;
        }
    return false;
}

/* --- who orders --------------------------------------------------------------------------- */

enum err_code control_put(const char *results, const struct control_order *o,
                          struct buf *path, struct err *e)
{
    struct buf text = {0};
    struct jsonw w;

    buf_fmt(path, "%s/control", results);
    if (fs_mkdirs(path->data, e))
        return e->code;
    buf_fmt(path, "/%013" PRId64 "-%ld.json", o->wall_ms, (long)getpid());
    jw_init(&w, &text, false);
    jw_open(&w, '{');
    jw_key(&w, "what");
    jw_str(&w, whats[o->what]);
    jw_key(&w, "target");
    jw_str(&w, targets[o->target.type]);
    jw_key(&w, "id");
    jw_i64(&w, o->target.id);
    jw_key(&w, "priority");
    jw_i64(&w, o->priority);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        jw_key(&w, texts[i].key);
        jw_str(&w, (const char *)o + texts[i].at);
    }
    jw_close(&w, '}');
    buf_char(&text, '\n');
    enum err_code rc = fs_replace(path->data, text.data, text.len, e);
    buf_free(&text);
    return rc;
}

bool control_answer(const char *path, bool *is_ok, struct buf *text)
{
    struct buf done = {0};
    struct json *root = NULL;
    struct err e;
    bool is_there;

    buf_fmt(&done, "%s.done", path);
    is_there = fs_is_file(done.data) && json_read(done.data, 65536, &root, &e) == ERR_OK;
    if (is_there) {
        const char *said = json_str(json_get(root, "text"));
        if (!json_bool(json_get(root, "ok"), is_ok))
            *is_ok = false;
        buf_str(text, said ? said : "");
        unlink(done.data);
    }
    json_free(root);
    buf_free(&done);
    return is_there;
}

/* --- who obeys ---------------------------------------------------------------------------- */

static bool parse(const char *path, struct control_order *o, struct err *e)
{
    struct json *root = NULL;
    int what = 0, type = 0;

    if (json_read(path, ORDER_MAX, &root, e))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *text = json_str(json_get(root, texts[i].key));
        snprintf((char *)o + texts[i].at, texts[i].size, "%s", text ? text : "");
    }
    bool ok = find_name(whats, ARRAY_LEN(whats), json_str(json_get(root, "what")), &what) &&
              find_name(targets, ARRAY_LEN(targets), json_str(json_get(root, "target")), &type) &&
              json_i64(json_get(root, "id"), &o->target.id) &&
              json_i64(json_get(root, "priority"), &o->priority);
    o->what = (enum control_what)what;
    o->target.type = (enum target_type)type;
    json_free(root);
    if (!ok)
        (void)!err_set(e, ERR_INVALID, "%s: not an order of this version", path);
    return ok;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);

    return n >= k && strcmp(text + n - k, end) == 0;
}

static void remove_if_old(const char *dir, const char *name, int64_t wall_ms)
{
    struct buf path = {0};
    struct stat st;

    buf_fmt(&path, "%s/%s", dir, name);
    if (stat(path.data, &st) == 0 && wall_ms - (int64_t)st.st_mtime * 1000 > KEEP_MS)
        unlink(path.data);
    buf_free(&path);
}

/* The first order in the folder by name, "" if there is none. */
static void find_first(const char *dir, int64_t wall_ms, char *first, size_t size)
{
    DIR *d = opendir(dir);

    first[0] = '\0';
    for (struct dirent *it = d ? readdir(d) : NULL; it; it = readdir(d)) {
        if (ends_with(it->d_name, ".done"))
            remove_if_old(dir, it->d_name, wall_ms);
        else if (ends_with(it->d_name, ".json") && strlen(it->d_name) < size &&
                 (!first[0] || strcmp(it->d_name, first) < 0))
            snprintf(first, size, "%s", it->d_name);
    }
    if (d)
        closedir(d);
}

bool control_next(const char *results, int64_t wall_ms, struct buf *path, struct control_order *o)
{
    struct buf dir = {0};
    char name[256];
    struct err e;
    bool has_one = false;

    buf_fmt(&dir, "%s/control", results);
    while (!has_one) {
        find_first(dir.data, wall_ms, name, sizeof name);
        if (!name[0])
            break;
        buf_reset(path);
        buf_fmt(path, "%s/%s", dir.data, name);
        has_one = parse(path->data, o, &e);
        o->wall_ms = wall_ms;
        if (!has_one && control_done(path->data, false, e.text, &e))
            break;
    }
    buf_free(&dir);
    return has_one;
}

enum err_code control_done(const char *path, bool is_ok, const char *text, struct err *e)
{
    struct buf done = {0}, json = {0};
    struct jsonw w;

    buf_fmt(&done, "%s.done", path);
    jw_init(&w, &json, false);
    jw_open(&w, '{');
    jw_key(&w, "ok");
    jw_bool(&w, is_ok);
    jw_key(&w, "text");
    jw_str(&w, text);
    jw_close(&w, '}');
    buf_char(&json, '\n');
    enum err_code rc = fs_replace(done.data, json.data, json.len, e);
    if (unlink(path) && !rc)
        rc = err_set(e, ERR_IO, "%s: cannot be removed", path);
    buf_free(&done);
    buf_free(&json);
    return rc;
}
