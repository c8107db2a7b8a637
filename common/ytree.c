/* ytree.c - reading YAML by events.  See ytree.h.
 *
 * libyaml neither limits depth nor finds duplicate keys, and its nesting costs are quadratic, so
 * size and depth are checked while events arrive.  The first syntax error ends the reading;
 * duplicate keys are collected.
 */
#include "common/ytree.h"

#include <string.h>
#include <yaml.h>

#include "common/oom.h"

enum { KEYS_MAX = 4096 }; /* each is compared with all before it */

struct anchor {
    const char *name;
    struct ynode *node; /* NULL while it is being read */
    struct anchor *next;
};

struct level {
    struct ynode *node;
    struct ynode *key; /* of a mapping: read, waits for its value */
    size_t cap;
    struct anchor *anchor;
};

struct reader {
    struct pool *pool;
    const char *file;
    struct buf *errors;
    bool failed, stop;
    struct level levels[YTREE_DEPTH_MAX];
    size_t depth, n_nodes;
    struct anchor *anchors;
    struct ynode *root;
    int n_documents;
};

static void fail_at(struct reader *r, size_t line, size_t col, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void fail_at(struct reader *r, size_t line, size_t col, const char *fmt, ...)
{
    va_list ap;

    buf_fmt(r->errors, "%s:%zu:%zu: ", r->file, line, col);
    va_start(ap, fmt);
    buf_vfmt(r->errors, fmt, ap);
    va_end(ap);
    buf_char(r->errors, '\n');
    r->failed = true;
}

#define FAIL_STOP(r, mark, ...)                                                                    \
    do {                                                                                           \
        fail_at(r, (mark).line + 1, (mark).column + 1, __VA_ARGS__);                               \
        (r)->stop = true;                                                                          \
    } while (0)

static struct ynode *node_new(struct reader *r, enum ynode_type type, const yaml_event_t *ev)
{
    struct ynode *n = pool_new(r->pool, struct ynode, 1);

    n->type = type;
    n->file = r->file;
    n->line = (int)ev->start_mark.line + 1;
    n->col = (int)ev->start_mark.column + 1;
    n->weight = n->height = 1;
    return n;
}

static void check_duplicate(struct reader *r, const struct ynode *map, const struct ynode *key)
{
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->keys[i]->text, key->text) == 0) {
            fail_at(r, (size_t)key->line, (size_t)key->col,
                    "%s: duplicate key: it is also on line %d, column %d", key->text,
                    map->keys[i]->line, map->keys[i]->col);
            return;
        }
    }
}

static void append(struct reader *r, struct level *l, struct ynode *key, struct ynode *value)
{
    struct ynode *parent = l->node;

    if (parent->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 4;
        struct ynode **items = pool_new(r->pool, struct ynode *, cap);
        struct ynode **keys = key ? pool_new(r->pool, struct ynode *, cap) : NULL;

        if (parent->n)
            memcpy(items, parent->items, parent->n * sizeof *items);
        if (parent->n && keys)
            memcpy(keys, parent->keys, parent->n * sizeof *keys);
        parent->items = items;
        parent->keys = keys;
        l->cap = cap;
    }
    if (key)
        parent->keys[parent->n] = key;
    parent->items[parent->n++] = value;
    parent->weight += value->weight + (key != NULL);
    if (parent->height < value->height + 1)
        parent->height = value->height + 1;
}

/* Hangs a finished node into its parent; it becomes a key, a value, an item or the root. */
static void place(struct reader *r, struct ynode *n, const yaml_event_t *ev)
{
    struct level *l = r->depth ? &r->levels[r->depth - 1] : NULL;

    if (!l) {
        r->root = n;
    } else if (l->node->type == YNODE_LIST) {
        append(r, l, NULL, n);
    } else if (l->key) {
        append(r, l, l->key, n);
        l->key = NULL;
    } else if (n->type != YNODE_SCALAR) {
        fail_at(r, (size_t)n->line, (size_t)n->col,
                "a key has to be a single word, not a list or mapping");
        r->stop = true;
    } else if (!n->is_quoted && strcmp(n->text, "<<") == 0) {
        FAIL_STOP(r, ev->start_mark,
                  "<<: merge keys are not supported: write the keys out, or use defaults:");
    } else {
        check_duplicate(r, l->node, n);
        l->key = n;
        if (l->node->n == KEYS_MAX)
            FAIL_STOP(r, ev->start_mark, "more than %d keys in one mapping", (int)KEYS_MAX);
    }
}

static struct anchor *add_anchor(struct reader *r, const yaml_char_t *name, struct ynode *done)
{
    struct anchor *a;

    if (!name)
        return NULL;
    a = pool_new(r->pool, struct anchor, 1);
    a->name = pool_str(r->pool, (const char *)name);
    a->node = done;
    a->next = r->anchors;
    r->anchors = a;
    return a;
}

static void check_tag(struct reader *r, const yaml_char_t *tag, const yaml_event_t *ev)
{
    if (tag)
        FAIL_STOP(r, ev->start_mark, "%s: tags are not supported", (const char *)tag);
}

static void count_nodes(struct reader *r, size_t n, const yaml_event_t *ev, const char *what)
{
    r->n_nodes += n;
    if (r->n_nodes > YTREE_NODES_MAX)
        FAIL_STOP(r, ev->start_mark, "%smore than %d nodes", what, (int)YTREE_NODES_MAX);
}

static void on_scalar(struct reader *r, const yaml_event_t *ev)
{
    const char *text = (const char *)ev->data.scalar.value;
    struct ynode *n = node_new(r, YNODE_SCALAR, ev);

    check_tag(r, ev->data.scalar.tag, ev);
    if (strlen(text) != ev->data.scalar.length)
        FAIL_STOP(r, ev->start_mark, "the text holds a NUL character");
    n->text = pool_str(r->pool, text);
    n->is_quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    add_anchor(r, ev->data.scalar.anchor, n);
    count_nodes(r, 1, ev, "");
    if (!r->stop)
        place(r, n, ev);
}

static void on_alias(struct reader *r, const yaml_event_t *ev)
{
    const char *name = (const char *)ev->data.alias.anchor;
    struct anchor *a = r->anchors;

    while (a && strcmp(a->name, name) != 0)
        a = a->next;
    if (!a) {
        FAIL_STOP(r, ev->start_mark, "alias *%s: there is no anchor &%s before it", name, name);
    } else if (!a->node) {
        FAIL_STOP(r, ev->start_mark, "alias *%s: it stands inside what it stands for", name);
    } else if (r->depth + a->node->height > YTREE_DEPTH_MAX) {
        FAIL_STOP(r, ev->start_mark, "alias *%s: nested deeper than %d levels", name,
                  (int)YTREE_DEPTH_MAX);
    } else {
        char what[80];

        snprintf(what, sizeof what, "alias *%.40s: aliases expand to ", name);
        count_nodes(r, a->node->weight, ev, what);
        if (!r->stop)
            place(r, a->node, ev);
    }
}

static void on_open(struct reader *r, const yaml_event_t *ev, enum ynode_type type,
                    const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct level *l;

    check_tag(r, tag, ev);
    count_nodes(r, 1, ev, "");
    if (!r->stop && r->depth == YTREE_DEPTH_MAX)
        FAIL_STOP(r, ev->start_mark, "nested deeper than %d levels", (int)YTREE_DEPTH_MAX);
    if (r->stop)
        return;
    l = &r->levels[r->depth++];
    *l = (struct level){.node = node_new(r, type, ev), .anchor = add_anchor(r, anchor, NULL)};
}

static void on_close(struct reader *r, const yaml_event_t *ev)
{
    struct level *l = &r->levels[--r->depth];

    if (l->anchor)
        l->anchor->node = l->node;
    place(r, l->node, ev);
}

static void on_event(struct reader *r, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++r->n_documents > 1)
            FAIL_STOP(r, ev->start_mark, "a second document starts here: only one is allowed");
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(r, ev);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(r, ev);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_open(r, ev, YNODE_LIST, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
        break;
    case YAML_MAPPING_START_EVENT:
        on_open(r, ev, YNODE_MAP, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_close(r, ev);
        break;
    default:
        break;
    }
}

/* Line and column of a byte: reader errors give no mark. */
static void place_of(const char *text, size_t at, size_t *line, size_t *col)
{
    *line = *col = 1;
    for (size_t i = 0; i < at; i++) {
        *col = text[i] == '\n' ? 1 : *col + 1;
        *line += text[i] == '\n';
    }
}

/* True if the line at the mark holds `$name{`, which has to be quoted. */
static bool has_selection(const char *text, size_t len, size_t line)
{
    const char *p = text, *end = text + len, *eol;

    for (size_t i = 0; i < line && p; i++) {
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : NULL;
    }
    if (!p)
        return false;
    eol = memchr(p, '\n', (size_t)(end - p));
    eol = eol ? eol : end;
    for (; p + 1 < eol; p++) {
        if (*p == '$' && p[1] != '{') {
            size_t n =
                strspn(p + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

            if (p + 1 + n < eol && p[1 + n] == '{')
                return true;
        }
    }
    return false;
}

static void syntax_error(struct reader *r, const yaml_parser_t *p, const char *text, size_t len)
{
    const char *problem = p->problem ? p->problem : "cannot be read";
    size_t line = p->problem_mark.line + 1, col = p->problem_mark.column + 1;

    if (p->error == YAML_MEMORY_ERROR)
        oom_exit("libyaml");
    if (p->error == YAML_READER_ERROR) {
        size_t at = p->problem_offset < len ? p->problem_offset : len - (len > 0);

        place_of(text, at, &line, &col);
        fail_at(r, line, col, "not UTF-8 text: %s (byte 0x%02x)", problem, (unsigned char)text[at]);
        return;
    }
    fail_at(r, line, col, "YAML: %s%s%s%s", p->context ? p->context : "", p->context ? ": " : "",
            problem,
            has_selection(text, len, p->problem_mark.line) ? "; $stage{...} has to be quoted" : "");
}

static void read_events(struct reader *r, yaml_parser_t *parser, const char *text, size_t len)
{
    bool is_end = false;

    while (!r->stop && !is_end) {
        yaml_event_t ev;

        if (!yaml_parser_parse(parser, &ev)) {
            syntax_error(r, parser, text, len);
            return;
        }
        is_end = ev.type == YAML_STREAM_END_EVENT;
        on_event(r, &ev);
        yaml_event_delete(&ev);
    }
}

enum err_code ytree_parse(struct pool *pool, const char *file, const char *text, size_t len,
                          struct ynode **out, struct buf *errors)
{
    struct reader r = {.pool = pool, .file = file, .errors = errors};
    yaml_parser_t parser;

    *out = NULL;
    if (len > YTREE_BYTES_MAX) {
        fail_at(&r, 1, 1, "%zu bytes are more than the %d that are read", len,
                (int)YTREE_BYTES_MAX);
        return ERR_INVALID;
    }
    if (!yaml_parser_initialize(&parser))
        oom_exit("libyaml");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    read_events(&r, &parser, text, len);
    yaml_parser_delete(&parser);
    if (!r.failed && !r.root)
        fail_at(&r, 1, 1, "the file is empty");
    if (!r.failed)
        *out = r.root;
    return r.failed ? ERR_INVALID : ERR_OK;
}
