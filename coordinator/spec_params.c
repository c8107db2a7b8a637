/* spec_params.c - `${name}` in a tree: its text, or alone the whole value. */
#include <string.h>

#include "coordinator/spec_internal.h"

static struct ynode *substitute(struct spec *s, struct ynode *n, const struct ynode *params)
{
    struct buf out = {0};
    const char *p = n->text, *at;

    while ((at = strstr(p, "${")) != NULL) {
        const char *end = strchr(at, '}');
        const struct ynode *value;
        char *name;

        if (!end)
            break;
        name = pool_strn(&s->detail->pool, at + 2, (size_t)(end - at - 2));
        value = ytree_get(params, name);
        if (value && value->type != YNODE_SCALAR && at == n->text && end[1] == '\0') {
            buf_free(&out);
            return ytree_copy(&s->detail->pool, value);
        }
        if (!value || value->type != YNODE_SCALAR) {
            const char *names[64] = {NULL};

            for (size_t i = 0; i < params->n && i < 63; i++)
                names[i] = params->keys[i]->text;
            spec_error(s, n, NULL, "${%s}: %s%s", name,
                       value ? "a list can only stand alone" : "no such param",
                       spec_hint(s, value ? NULL : cfg_nearest(NULL, 0, names, name)));
            buf_free(&out);
            return n;
        }
        buf_add(&out, p, (size_t)(at - p));
        buf_str(&out, value->text);
        p = end + 1;
    }
    buf_str(&out, p);
    n->text = pool_strn(&s->detail->pool, out.data, out.len);
    buf_free(&out);
    return n;
}

struct ynode *spec_put_params(struct spec *s, struct ynode *n, const struct ynode *params)
{
    if (n->type == YNODE_SCALAR)
        return strstr(n->text, "${") ? substitute(s, n, params) : n;
    for (size_t i = 0; i < n->n; i++)
        n->items[i] = spec_put_params(s, n->items[i], params);
    return n;
}
