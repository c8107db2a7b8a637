/* spec_source.c - from files to one tree: includes, params, defaults, then the overrides.
 *
 * Each file's params and defaults reach its own stages only; params of the including file, of the
 * profile and of --set go before those of the same name further down.  What comes out holds
 * nothing but sweep, title, phase, hypothesis, expected, exports, recorded, checks and stages, so its
 * text stands alone.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "coordinator/spec_internal.h"

enum { FILES_MAX = 64 };

static const char *const top_keys[] = {"sweep",    "title",    "phase",  "hypothesis",
                                       "expected", "defaults", "params", "profiles",
                                       "include",  "exports",  "checks", "recorded", "controls",
                                       "stages",   NULL};
static const char *const kept_keys[] = {"sweep",      "title",    "phase",
                                        "hypothesis", "expected", "exports",
                                        "recorded", "controls"};

struct loader {
    struct spec *s;
    const struct spec_options *o;
    struct ynode *overlay;  /* params from profile and --set */
    struct ynode *declared; /* names of params that some file has */
    struct ynode *stages;   /* merged */
    struct ynode *checks;   /* of all files */
    char *open[FILES_MAX];  /* real paths of the files being read, for cycles */
    size_t n_open, n_files;
};

bool spec_is_name(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    return n > 0 && n <= 64 && text[n] == '\0' && !(text[0] >= '0' && text[0] <= '9');
}

static struct ynode *map_new(struct loader *l, const struct ynode *where)
{
    struct ynode *m = ynode_scalar(&l->s->detail->pool, "", false, where);

    m->type = YNODE_MAP;
    return m;
}

static struct ynode *list_new(struct loader *l, const struct ynode *where)
{
    struct ynode *m = map_new(l, where);

    m->type = YNODE_LIST;
    return m;
}

static bool is_word(const char *const *words, const char *text)
{
    for (; *words; words++)
        if (strcmp(*words, text) == 0)
            return true;
    return false;
}

/* Why a file cannot be read, without its name in front. */
static const char *file_error(const char *path, const struct err *e)
{
    static const char *const before[] = {"open ", ""};

    if (fs_is_dir(path))
        return "is a directory, not a sweep file";
    for (size_t i = 0; i < ARRAY_LEN(before); i++) {
        size_t n = strlen(before[i]), m = strlen(path);

        if (strncmp(e->text, before[i], n) == 0 && strncmp(e->text + n, path, m) == 0 &&
            strncmp(e->text + n + m, ": ", 2) == 0)
            return e->text + n + m + 2;
    }
    return e->text;
}

static struct ynode *parse_file(struct loader *l, const char *path, const struct ynode *at)
{
    struct spec *s = l->s;
    struct buf text = {0};
    struct ynode *root = NULL;
    struct err e;

    if (fs_read(path, YTREE_BYTES_MAX, &text, &e)) {
        if (at)
            spec_error(s, at, "include", "%s: %s", path, file_error(path, &e));
        else
            spec_error(s, NULL, NULL, "%s", file_error(path, &e));
    } else {
        struct buf lines = {0};

        if (ytree_parse(&s->detail->pool, pool_str(&s->detail->pool, path),
                        text.data ? text.data : "", text.len, &root, &lines)) {
            buf_add(s->detail->errors, lines.data, lines.len);
            s->detail->n_errors++;
            root = NULL;
        }
        buf_free(&lines);
    }
    buf_free(&text);
    if (root && root->type != YNODE_MAP) {
        spec_error(s, root, NULL, "expected keys such as sweep: and stages:, found a %s",
                   root->type == YNODE_LIST ? "list" : "single value");
        return NULL;
    }
    return root ? ytree_copy(&s->detail->pool, root) : NULL; /* aliases become nodes of their own */
}

static void check_top_keys(struct loader *l, const struct ynode *root)
{
    for (size_t i = 0; i < root->n; i++)
        if (!is_word(top_keys, root->keys[i]->text))
            spec_error(l->s, root->keys[i], root->keys[i]->text, "unknown key%s",
                       spec_hint(l->s, cfg_nearest(NULL, 0, top_keys, root->keys[i]->text)));
}

/* --- params -------------------------------------------------------------------------------- */

static struct ynode *effective_params(struct loader *l, const struct ynode *root,
                                      const struct ynode *overlay)
{
    struct spec *s = l->s;
    const struct ynode *own = ytree_get(root, "params");
    struct ynode *all = map_new(l, root);

    if (own && own->type != YNODE_MAP) {
        spec_error(s, own, "params", "expected {name: value}");
        own = NULL;
    }
    for (size_t i = 0; own && i < own->n; i++) {
        if (!spec_is_name(own->keys[i]->text))
            spec_error(s, own->keys[i], "params", "\"%s\" is no name: letters, digits and _",
                       own->keys[i]->text);
        ytree_put(&s->detail->pool, all, own->keys[i], own->items[i]);
        ytree_put(&s->detail->pool, l->declared, own->keys[i], own->keys[i]);
    }
    for (size_t i = 0; i < overlay->n; i++)
        ytree_put(&s->detail->pool, all, overlay->keys[i], overlay->items[i]);
    return all;
}

/* --- defaults ------------------------------------------------------------------------------ */

static bool any_kind_has(const char *knob)
{
    for (size_t i = 0; i < kind_count(); i++)
        if (cfg_find(kind_at(i)->fields, kind_at(i)->n_fields, knob))
            return true;
    return cfg_find(job_fields, job_fields_n, knob) != NULL;
}

static bool is_axis_of(const struct ynode *stage, const char *knob)
{
    const struct ynode *zip = ytree_get(stage, "zip");

    if (ytree_get(ytree_get(stage, "grid"), knob) || ytree_get(ytree_get(stage, "sample"), knob) ||
        ytree_get(zip, knob))
        return true;
    for (size_t i = 0; zip && zip->type == YNODE_LIST && i < zip->n; i++)
        if (ytree_get(zip->items[i], knob))
            return true;
    return false;
}

static void put_defaults(struct loader *l, const struct ynode *root, const struct ynode *stages)
{
    struct spec *s = l->s;
    const struct ynode *defaults = ytree_get(root, "defaults");

    if (!defaults)
        return;
    if (defaults->type != YNODE_MAP) {
        spec_error(s, defaults, "defaults", "expected {knob: value}");
        return;
    }
    for (size_t i = 0; i < defaults->n; i++) {
        const char *knob = defaults->keys[i]->text;

        if (!any_kind_has(knob)) {
            spec_error(s, defaults->keys[i], "defaults", "%s: no kind has a knob of that name%s",
                       knob, spec_hint(s, cfg_nearest(job_fields, job_fields_n, NULL, knob)));
            continue;
        }
        for (size_t j = 0; j < stages->n; j++) {
            struct ynode *stage = stages->items[j];
            const struct ynode *kind = ytree_get(stage, "kind");
            const struct job_kind *k = kind && kind->text ? kind_find(kind->text) : NULL;

            if (k && !ytree_get(stage, knob) && !is_axis_of(stage, knob) &&
                (cfg_find(k->fields, k->n_fields, knob) ||
                 cfg_find(job_fields, job_fields_n, knob)))
                ytree_put(&s->detail->pool, stage, defaults->keys[i], defaults->items[i]);
        }
    }
}

/* --- files --------------------------------------------------------------------------------- */

static struct ynode *load_file(struct loader *l, const char *path, const struct ynode *at,
                               const struct ynode *overlay);

static void load_named(struct loader *l, const char *from, const struct ynode *n,
                       const struct ynode *overlay)
{
    const char *slash = strrchr(from, '/');
    struct buf path = {0};

    if (!n || n->type != YNODE_SCALAR || *n->text == '\0') {
        spec_error(l->s, n, "include", "expected a file name, or {file: F, as: P}");
        return;
    }
    if (slash && n->text[0] != '/')
        buf_add(&path, from, (size_t)(slash + 1 - from));
    buf_str(&path, n->text);
    load_file(l, path.data, n, overlay);
    buf_free(&path);
}

static void merge_stages(struct loader *l, const struct ynode *stages)
{
    for (size_t i = 0; i < stages->n; i++) {
        const char *name = stages->keys[i]->text;

        for (size_t j = 0; j < l->stages->n; j++) {
            const struct ynode *other = l->stages->keys[j];

            if (strcmp(other->text, name) == 0)
                spec_error(l->s, stages->keys[i], name, "a stage of that name is also at %s:%d:%d",
                           other->file, other->line, other->col);
        }
        ytree_put(&l->s->detail->pool, l->stages, stages->keys[i], stages->items[i]);
    }
}

static void append(struct loader *l, struct ynode *list, struct ynode *item)
{
    struct ynode **items = pool_new(&l->s->detail->pool, struct ynode *, list->n + 1);

    if (list->n)
        memcpy(items, list->items, list->n * sizeof *items);
    items[list->n++] = item;
    list->items = items;
}

/* `recorded: FILE`: the list of that name in it takes the place of the name. */
static void load_recorded(struct loader *l, struct ynode *root, const char *from)
{
    struct ynode *n = ytree_get(root, "recorded"), *file, *list;
    const char *slash = strrchr(from, '/');
    struct buf path = {0};

    if (!n || n->type != YNODE_SCALAR)
        return;
    if (slash && n->text[0] != '/')
        buf_add(&path, from, (size_t)(slash + 1 - from));
    buf_str(&path, n->text);
    file = parse_file(l, pool_str(&l->s->detail->pool, path.data), n);
    list = file ? ytree_get(file, "recorded") : NULL;
    if (file && !list)
        spec_error(l->s, n, "recorded", "%s: has no list recorded:", path.data);
    else if (list)
        ytree_put(&l->s->detail->pool, root, ynode_scalar(&l->s->detail->pool, "recorded", false, n), list);
    buf_free(&path);
}

/* A file name; or {file: F, as: P}: stage s of F is P_s here, and its checks follow it. */
static void load_include(struct loader *l, const char *from, const struct ynode *n,
                         const struct ynode *overlay)
{
    struct ynode *outside = l->stages, *own, *all = l->checks;
    const struct ynode *as = n->type == YNODE_MAP ? ytree_get(n, "as") : NULL;

    if (n->type != YNODE_MAP) {
        load_named(l, from, n, overlay);
        return;
    }
    if (!as || as->type != YNODE_SCALAR || !spec_is_name(as->text) || n->n != 2) {
        spec_error(l->s, n, "include", "expected a file name, or {file: F, as: P} with a name P");
        return;
    }
    own = l->stages = map_new(l, n);
    l->checks = list_new(l, n);
    load_named(l, from, ytree_get(n, "file"), overlay);
    spec_prefix(l->s, own, l->checks, as->text);
    for (size_t i = 0; i < l->checks->n; i++)
        append(l, all, l->checks->items[i]);
    l->stages = outside;
    l->checks = all;
    merge_stages(l, own);
}

static void read_file(struct loader *l, struct ynode *root, const char *path,
                      const struct ynode *overlay)
{
    const struct ynode *params, *include, *stages, *checks;

    check_top_keys(l, root);
    load_recorded(l, root, path);
    params = effective_params(l, root, overlay);
    for (size_t i = 0; i < root->n; i++)
        if (strcmp(root->keys[i]->text, "params") != 0)
            root->items[i] = spec_put_params(l->s, root->items[i], params);
    include = ytree_get(root, "include");
    if (include && include->type != YNODE_LIST)
        load_include(l, path, include, params);
    for (size_t i = 0; include && include->type == YNODE_LIST && i < include->n; i++)
        load_include(l, path, include->items[i], params);
    checks = ytree_get(root, "checks");
    if (checks && checks->type != YNODE_LIST)
        spec_error(l->s, checks, "checks", "expected a list");
    for (size_t i = 0; checks && checks->type == YNODE_LIST && i < checks->n; i++)
        append(l, l->checks, checks->items[i]);
    stages = ytree_get(root, "stages");
    if (stages && stages->type == YNODE_MAP) {
        put_defaults(l, root, stages);
        merge_stages(l, stages);
    } else if (stages) {
        spec_error(l->s, stages, "stages", "expected {name: {kind: ...}}");
    }
}

static struct ynode *load_file(struct loader *l, const char *path, const struct ynode *at,
                               const struct ynode *overlay)
{
    char real[PATH_MAX];
    struct ynode *root;

    if (!realpath(path, real))
        snprintf(real, sizeof real, "%s", path);
    for (size_t i = 0; i < l->n_open; i++) {
        if (strcmp(l->open[i], real) == 0) {
            spec_error(l->s, at, "include", "%s: a cycle: that file includes this one", path);
            return NULL;
        }
    }
    if (l->n_files++ >= FILES_MAX) {
        spec_error(l->s, at, "include", "more than %d files", (int)FILES_MAX);
        return NULL;
    }
    root = parse_file(l, path, at);
    if (!root)
        return NULL;
    l->open[l->n_open++] = pool_str(&l->s->detail->pool, real);
    if (at) {
        read_file(l, root, path, overlay);
        l->n_open--;
    }
    return root;
}

/* --- profile and --set --------------------------------------------------------------------- */

static void set_file(struct ynode *n, const char *file)
{
    n->file = file;
    n->line = n->col = 0;
    for (size_t i = 0; i < n->n; i++) {
        set_file(n->items[i], file);
        if (n->keys)
            set_file(n->keys[i], file);
    }
}

/* The value of --set as a tree that says where it comes from. */
static struct ynode *parse_set(struct loader *l, const struct spec_set *set)
{
    struct pool *pool = &l->s->detail->pool;
    struct buf label = {0}, ignored = {0};
    struct ynode *n = NULL, *where;

    buf_fmt(&label, "--set %s=%s", set->key, set->value);
    where = ynode_scalar(pool, "", true, NULL);
    where->file = pool_str(pool, label.data);
    buf_free(&label);
    if (*set->value == '\0' || strpbrk(set->value, "\n\r") ||
        ytree_parse(pool, where->file, set->value, strlen(set->value), &n, &ignored)) {
        n = ynode_scalar(pool, set->value, true, where);
        if (*set->value == '[' || *set->value == '{')
            spec_error(l->s, where, NULL, "the value is not YAML");
    }
    buf_free(&ignored);
    n = ytree_copy(pool, n);
    set_file(n, where->file);
    return n;
}

static const struct ynode *find_profile(struct loader *l, const struct ynode *root)
{
    const struct ynode *all = ytree_get(root, "profiles"), *p;
    const char *names[64] = {NULL};

    if (!l->o->profile)
        return NULL;
    p = ytree_get(all, l->o->profile);
    if (p && p->type == YNODE_MAP)
        return p;
    for (size_t i = 0; all && all->type == YNODE_MAP && i < all->n && i < 63; i++)
        names[i] = all->keys[i]->text;
    spec_error(l->s, p ? p : all, "profiles", "%s: %s%s", l->o->profile,
               p ? "expected {stage.knob: value}" : "no such profile",
               spec_hint(l->s, p ? NULL : cfg_nearest(NULL, 0, names, l->o->profile)));
    return NULL;
}

static void check_declared(struct loader *l)
{
    for (size_t i = 0; i < l->overlay->n; i++) {
        const char *names[64] = {NULL};
        const char *name = l->overlay->keys[i]->text;

        if (ytree_get(l->declared, name))
            continue;
        for (size_t j = 0; j < l->declared->n && j < 63; j++)
            names[j] = l->declared->keys[j]->text;
        spec_error(l->s, l->overlay->keys[i], NULL,
                   "%s: no such param%s; a knob is written stage.knob", name,
                   spec_hint(l->s, cfg_nearest(NULL, 0, names, name)));
    }
}

static void apply(struct loader *l, const struct ynode *profile, struct ynode **sets)
{
    for (size_t i = 0; profile && i < profile->n; i++)
        if (strchr(profile->keys[i]->text, '.'))
            spec_override(l->s, l->stages, profile->keys[i]->text, profile->items[i],
                          profile->keys[i]);
    for (size_t i = 0; i < l->o->n_sets; i++)
        if (strchr(l->o->sets[i].key, '.'))
            spec_override(l->s, l->stages, l->o->sets[i].key, sets[i], sets[i]);
}

static struct ynode *result(struct loader *l, const struct ynode *root)
{
    struct ynode *out = map_new(l, root);
    struct pool *pool = &l->s->detail->pool;

    for (size_t i = 0; i < ARRAY_LEN(kept_keys); i++) {
        struct ynode *v = ytree_get(root, kept_keys[i]);

        if (v)
            ytree_put(pool, out, ynode_scalar(pool, kept_keys[i], false, v), v);
    }
    if (l->checks->n)
        ytree_put(pool, out, ynode_scalar(pool, "checks", false, root), l->checks);
    if (ytree_get(root, "stages") || l->stages->n)
        ytree_put(pool, out, ynode_scalar(pool, "stages", false, root), l->stages);
    return out;
}

struct ynode *spec_source(struct spec *s, const struct spec_options *o)
{
    struct loader l = {.s = s, .o = o};
    struct pool *pool = &s->detail->pool;
    struct ynode **sets = pool_new(pool, struct ynode *, o->n_sets + 1);
    struct ynode *root = load_file(&l, s->path, NULL, NULL);
    const struct ynode *profile;

    if (!root)
        return NULL;
    l.overlay = map_new(&l, root);
    l.declared = map_new(&l, root);
    l.checks = list_new(&l, root);
    l.stages = map_new(&l, ytree_get(root, "stages") ? ytree_get(root, "stages") : root);
    profile = find_profile(&l, root);
    for (size_t i = 0; profile && i < profile->n; i++)
        if (!strchr(profile->keys[i]->text, '.'))
            ytree_put(pool, l.overlay, profile->keys[i], profile->items[i]);
    for (size_t i = 0; i < o->n_sets; i++) {
        sets[i] = parse_set(&l, &o->sets[i]);
        if (!strchr(o->sets[i].key, '.'))
            ytree_put(pool, l.overlay, ynode_scalar(pool, o->sets[i].key, false, sets[i]), sets[i]);
    }
    read_file(&l, root, s->path, l.overlay);
    check_declared(&l);
    apply(&l, profile, sets);
    return result(&l, root);
}
