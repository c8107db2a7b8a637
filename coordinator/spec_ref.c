/* spec_ref.c - `$stage`, `$stage{axis: value}` and `$stage.metric`. */
#include <string.h>

#include "coordinator/spec_internal.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

bool spec_is_ref(const struct ynode *n)
{
    return n->type == YNODE_SCALAR && n->text[0] == '$';
}

/* The text between `{` and its `}`; NULL if there is none. */
static const char *closing(const char *open)
{
    int depth = 0;

    for (const char *p = open; *p; p++) {
        depth += *p == '{' || *p == '[';
        depth -= *p == '}' || *p == ']';
        if (depth == 0)
            return p;
    }
    return NULL;
}

/* Reads `{k: 32, seed: [1, 2]}`; its nodes take the place of the reference. */
static void set_place(struct ynode *n, const struct ynode *where)
{
    n->file = where->file;
    n->line = where->line;
    n->col = where->col;
    for (size_t i = 0; i < n->n; i++) {
        set_place(n->items[i], where);
        if (n->keys)
            set_place(n->keys[i], where);
    }
}

static struct ynode *read_selection(struct spec *s, const struct ynode *at, const char *text,
                                    size_t len, const char *where)
{
    struct buf ignored = {0};
    struct ynode *map = NULL;
    enum err_code rc = ytree_parse(&s->detail->pool, at->file, text, len, &map, &ignored);

    buf_free(&ignored);
    if (rc || map->type != YNODE_MAP || map->n == 0) {
        spec_error(s, at, where, "%s: the selection has to be {axis: value, ...}", at->text);
        return NULL;
    }
    map = ytree_copy(&s->detail->pool, map);
    set_place(map, at);
    return map;
}

/* What follows the stage: `.metric` for a knob, nothing for an input. */
static bool read_metric(struct spec *s, const struct ynode *n, struct spec_source *src,
                        const char *rest, const char *where)
{
    const struct metric_row *m = *rest ? metric_find(rest + 1) : NULL;

    if (*rest == '\0' && src->role != SOURCE_VALUE)
        return true;
    if (*rest == '\0') {
        spec_error(s, n, where, "%s: a knob takes a value: write $%s.metric", n->text,
                   src->stage_name);
    } else if (*rest != '.' || !spec_is_name(rest + 1)) {
        spec_error(s, n, where,
                   "%s: expected $stage, $stage{axis: value} or $stage.metric, and "
                   "\"%s\" is left over",
                   n->text, rest);
    } else if (src->role != SOURCE_VALUE) {
        spec_error(s, n, where, "%s: a value is not a job: write $%s", n->text, src->stage_name);
    } else if (!m) {
        spec_error(s, n, where, "%s: %s is not a metric", n->text, rest + 1);
    } else {
        src->metric = m->name;
        return true;
    }
    return false;
}

static void read_one(struct spec *s, struct spec_stage *st, const struct ynode *n,
                     const struct spec_source *proto, const char *where)
{
    struct spec_source src = *proto;
    const char *p = n->text + 1;
    size_t len = strspn(p, NAME_CHARS);

    src.node = n;
    src.stage = -1;
    if (len == 0 || st->n_sources == SPEC_SOURCES_MAX) {
        spec_error(s, n, where, "%s: %s", n->text,
                   len ? "too many references in one stage" : "expected $stage");
        return;
    }
    src.stage_name = pool_strn(&s->detail->pool, p, len);
    p += len;
    if (*p == '{') {
        const char *end = closing(p);

        if (!end) {
            spec_error(s, n, where, "%s: the { is never closed", n->text);
            return;
        }
        src.select_node = read_selection(s, n, p, (size_t)(end + 1 - p), where);
        if (!src.select_node)
            return;
        p = end + 1;
    }
    if (read_metric(s, n, &src, p, where))
        st->sources[st->n_sources++] = src;
}

void spec_read_ref(struct spec *s, struct spec_stage *st, const struct ynode *n,
                   const struct spec_source *proto)
{
    const char *where = proto->input                  ? proto->input->name
                        : proto->role == SOURCE_VALUE ? st->knobs[proto->knob].field->name
                                                      : "require";

    if (spec_is_ref(n)) {
        read_one(s, st, n, proto, where);
        return;
    }
    if (n->type != YNODE_LIST || n->n == 0) {
        spec_error(s, n, where, "expected $stage%s",
                   n->type == YNODE_SCALAR && spec_is_name(n->text)
                       ? " (the dollar sign is missing)"
                       : "");
        return;
    }
    if (proto->input && (proto->input->form == INPUT_ONE || proto->input->form == INPUT_OPT)) {
        spec_error(s, n, where, "takes one stage, not a list");
        return;
    }
    for (size_t i = 0; i < n->n; i++) {
        if (spec_is_ref(n->items[i]))
            read_one(s, st, n->items[i], proto, where);
        else
            spec_error(s, n->items[i], where, "expected $stage");
    }
}
