/* ytree.h - the door to libyaml: a document as a tree whose nodes know their place.
 *
 * One document of UTF-8, at most 1 MiB, 64 levels, 100,000 nodes; an alias counts as many nodes
 * as it stands for, so a nest of aliases is refused at once.  Duplicate keys, merge keys, tags
 * and keys that are no scalars are errors.  Scalars are text: cfg_canon gives them a type.
 */
#pragma once
#include <stdbool.h>

#include "common/buf.h"
#include "common/pool.h"

enum ynode_type { YNODE_SCALAR, YNODE_LIST, YNODE_MAP };

struct ynode {
    enum ynode_type type;
    bool is_quoted;         /* of a scalar: not plain */
    int line, col;          /* from 1; line 0: `file` alone says where (a command line option) */
    const char *file;
    const char *text;       /* of a scalar */
    struct ynode **items;   /* of a list or mapping */
    struct ynode **keys;    /* of a mapping */
    size_t n;
    size_t weight, height;  /* nodes and levels in it, aliases counted */
};

enum { YTREE_BYTES_MAX = 1 << 20, YTREE_DEPTH_MAX = 64, YTREE_NODES_MAX = 100000 };

/* Nodes live in the pool, `file` is kept by reference.  Every error is appended to `errors` as
 * "file:line:column: what\n" and makes the result ERR_INVALID.  No document gives *out = NULL and
 * an error. */
MUST_CHECK enum err_code ytree_parse(struct pool *pool, const char *file, const char *text,
                                     size_t len, struct ynode **out, struct buf *errors);

struct ynode *ytree_get(const struct ynode *map, const char *key); /* NULL when absent */
bool ynode_is_null(const struct ynode *n);                         /* plain null, ~ or nothing */
struct ynode *ynode_scalar(struct pool *pool, const char *text, bool is_quoted,
                           const struct ynode *where);

/* Editing: the map must not be shared (mappings behind an alias are copied when first set). */
void ytree_put(struct pool *pool, struct ynode *map, struct ynode *key, struct ynode *value);
void ytree_drop(struct ynode *map, const char *key);
struct ynode *ytree_copy(struct pool *pool, const struct ynode *n); /* deep */

/* One line of flow YAML; what is not surely plain is quoted. */
void ytree_flow(const struct ynode *n, struct buf *out);
/* Block YAML for `levels` levels of mappings, flow below. */
void ytree_block(const struct ynode *n, int levels, struct buf *out);
