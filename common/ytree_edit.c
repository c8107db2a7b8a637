/* ytree_edit.c - looking up, editing and writing trees.  See ytree.h. */
#include <string.h>

#include "common/ytree.h"

struct ynode *ytree_get(const struct ynode *map, const char *key)
{
    if (!map || map->type != YNODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

bool ynode_is_null(const struct ynode *n)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (n->type != YNODE_SCALAR || n->is_quoted)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(n->text, words[i]) == 0)
            return true;
    return false;
}

struct ynode *ynode_scalar(struct pool *pool, const char *text, bool is_quoted,
                           const struct ynode *where)
{
    struct ynode *n = pool_new(pool, struct ynode, 1);

    *n = (struct ynode){.type = YNODE_SCALAR, .is_quoted = is_quoted, .weight = 1, .height = 1};
    n->text = pool_str(pool, text);
    if (where) {
        n->file = where->file;
        n->line = where->line;
        n->col = where->col;
    }
    return n;
}

void ytree_put(struct pool *pool, struct ynode *map, struct ynode *key, struct ynode *value)
{
    struct ynode **items, **keys;

    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->keys[i]->text, key->text) == 0) {
            map->keys[i] = key;
            map->items[i] = value;
            return;
        }
    }
    items = pool_new(pool, struct ynode *, map->n + 1);
    keys = pool_new(pool, struct ynode *, map->n + 1);
    for (size_t i = 0; i < map->n; i++) {
        items[i] = map->items[i];
        keys[i] = map->keys[i];
    }
    items[map->n] = value;
    keys[map->n] = key;
    map->items = items;
    map->keys = keys;
    map->n++;
}

void ytree_drop(struct ynode *map, const char *key)
{
    size_t kept = 0;

    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->keys[i]->text, key) == 0)
            continue;
        map->keys[kept] = map->keys[i];
        map->items[kept++] = map->items[i];
    }
    map->n = kept;
}

struct ynode *ytree_copy(struct pool *pool, const struct ynode *n)
{
    struct ynode *c = pool_new(pool, struct ynode, 1);

    *c = *n;
    if (n->n == 0)
        return c;
    c->items = pool_new(pool, struct ynode *, n->n);
    if (n->keys)
        c->keys = pool_new(pool, struct ynode *, n->n);
    for (size_t i = 0; i < n->n; i++) {
        c->items[i] = ytree_copy(pool, n->items[i]);
        if (n->keys)
            c->keys[i] = n->keys[i];
    }
    return c;
}

static void put_scalar(const struct ynode *n, struct buf *out)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$+-";
    const char *t = n->text;

    if (ynode_is_null(n))
        buf_str(out, "null");
    else if (!n->is_quoted && *t && t[strspn(t, plain)] == '\0' && strcmp(t, "-") != 0 &&
             strncmp(t, "--", 2) != 0)
        buf_str(out, t);
    else
        buf_json(out, t);
}

void ytree_flow(const struct ynode *n, struct buf *out)
{
    if (n->type == YNODE_SCALAR) {
        put_scalar(n, out);
        return;
    }
    buf_char(out, n->type == YNODE_MAP ? '{' : '[');
    for (size_t i = 0; i < n->n; i++) {
        if (i)
            buf_str(out, ", ");
        if (n->type == YNODE_MAP) {
            put_scalar(n->keys[i], out);
            buf_str(out, ": ");
        }
        ytree_flow(n->items[i], out);
    }
    buf_char(out, n->type == YNODE_MAP ? '}' : ']');
}

static void block(const struct ynode *n, int levels, int indent, struct buf *out)
{
    for (size_t i = 0; i < n->n; i++) {
        const struct ynode *v = n->items[i];

        buf_fmt(out, "%*s", indent, "");
        put_scalar(n->keys[i], out);
        buf_char(out, ':');
        if (levels > 1 && v->type == YNODE_MAP && v->n) {
            buf_char(out, '\n');
            block(v, levels - 1, indent + 2, out);
        } else {
            buf_char(out, ' ');
            ytree_flow(v, out);
            buf_char(out, '\n');
        }
    }
}

void ytree_block(const struct ynode *n, int levels, struct buf *out)
{
    if (n->type == YNODE_MAP && n->n && levels > 0) {
        block(n, levels, 0, out);
        return;
    }
    ytree_flow(n, out);
    buf_char(out, '\n');
}
