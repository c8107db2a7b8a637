/* pickle.c - see pickle.h.  Opcodes: CPython's Lib/pickletools.py, protocol 2. */
#include "worker/nn/pickle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"

enum { GLOBAL_MAX = 128 };

enum global { G_ORDERED_DICT, G_TENSOR, G_PARAMETER, G_SIZE, G_STORAGE };

static const struct {
    const char *module, *name;
    enum global what;
} globals[] = {
    {"collections", "OrderedDict", G_ORDERED_DICT},
    {"torch._utils", "_rebuild_tensor_v2", G_TENSOR},
    {"torch._utils", "_rebuild_parameter", G_PARAMETER},
    {"torch", "Size", G_SIZE},
};

static const char *const storages[] = {
    [PT_F32] = "FloatStorage", [PT_F64] = "DoubleStorage",   [PT_F16] = "HalfStorage",
    [PT_BF16] = "BFloat16Storage", [PT_I64] = "LongStorage", [PT_I32] = "IntStorage",
    [PT_I16] = "ShortStorage", [PT_I8] = "CharStorage",      [PT_U8] = "ByteStorage",
    [PT_BOOL] = "BoolStorage"};

const char *pt_storage_name(enum pt_dtype t)
{
    return storages[t];
}

struct machine {
    struct pickle *out;
    const uint8_t *at, *start, *end;
    struct pv **stack, **memo;
    size_t n_stack, cap_stack, cap_memo;
    size_t *marks;
    size_t n_marks, cap_marks;
    struct err *e;
};

static void *grown(void *items, size_t need, size_t *cap, size_t size)
{
    size_t old = *cap;

    if (need <= *cap)
        return items;
    while (*cap < need)
        *cap = *cap ? 2 * *cap : 16;
    items = realloc(items, *cap * size);
    if (!items)
        oom_exit("%zu values of a pickle", *cap);
    memset((char *)items + old * size, 0, (*cap - old) * size);
    return items;
}

static enum err_code damaged(struct machine *m, const char *what)
{
    return err_set(m->e, ERR_CORRUPT, "byte %zu: %s", (size_t)(m->at - m->start), what);
}

static struct pv *make(struct machine *m, enum pv_type type)
{
    struct pickle *p = m->out;
    struct pv *v = calloc(1, sizeof *v);

    if (!v)
        oom_exit("a value of a pickle");
    v->type = type;
    p->all = grown(p->all, p->n_all + 1, &p->cap_all, sizeof *p->all);
    p->all[p->n_all++] = v;
    return v;
}

static struct pv *push(struct machine *m, struct pv *v)
{
    m->stack = grown(m->stack, m->n_stack + 1, &m->cap_stack, sizeof *m->stack);
    m->stack[m->n_stack++] = v;
    return v;
}

/* Values above the newest mark cannot be taken one by one below it. */
static size_t n_free(const struct machine *m)
{
    return m->n_stack - (m->n_marks ? m->marks[m->n_marks - 1] : 0);
}

static void append(struct pv *list, struct pv *v)
{
    list->items = grown(list->items, list->n + 1, &list->cap, sizeof *list->items);
    list->items[list->n++] = v;
}

static bool take(struct machine *m, size_t n, const uint8_t **out)
{
    if ((size_t)(m->end - m->at) < n)
        return false;
    *out = m->at;
    m->at += n;
    return true;
}

static bool take_uint(struct machine *m, size_t n, uint64_t *out)
{
    const uint8_t *p;

    if (!take(m, n, &p))
        return false;
    *out = 0;
    for (size_t i = n; i-- > 0;)
        *out = *out << 8 | p[i];
    return true;
}

static enum err_code op_int(struct machine *m, size_t n_bytes, bool is_signed)
{
    uint64_t v;

    if (n_bytes > 8)
        return damaged(m, "an integer of more than 64 bits");
    if (!take_uint(m, n_bytes, &v))
        return damaged(m, "cut short");
    if (is_signed && n_bytes && n_bytes < 8 && v >> (8 * n_bytes - 1))
        v |= UINT64_MAX << (8 * n_bytes);
    push(m, make(m, PV_INT))->i = (int64_t)v;
    return ERR_OK;
}

static enum err_code op_long1(struct machine *m)
{
    uint64_t n;

    if (!take_uint(m, 1, &n))
        return damaged(m, "cut short");
    return op_int(m, n, true);
}

static enum err_code op_float(struct machine *m)
{
    const uint8_t *p;
    uint64_t bits = 0;
    struct pv *v;

    if (!take(m, 8, &p))
        return damaged(m, "cut short");
    for (int i = 0; i < 8; i++) /* big-endian */
        bits = bits << 8 | p[i];
    v = push(m, make(m, PV_FLOAT));
    memcpy(&v->f, &bits, sizeof v->f);
    return ERR_OK;
}

static enum err_code op_text(struct machine *m)
{
    const uint8_t *p;
    uint64_t n;
    struct pv *v;

    if (!take_uint(m, 4, &n) || !take(m, n, &p))
        return damaged(m, "cut short");
    if (memchr(p, 0, n))
        return damaged(m, "a text with a zero byte");
    v = push(m, make(m, PV_TEXT));
    v->s = calloc(1, n + 1);
    if (!v->s)
        oom_exit("%" PRIu64 " bytes of text", n);
    memcpy(v->s, p, n);
    return ERR_OK;
}

static bool take_line(struct machine *m, char *out)
{
    size_t n = 0;

    while (m->at + n < m->end && m->at[n] != '\n')
        n++;
    if (m->at + n == m->end || n >= GLOBAL_MAX)
        return false;
    memcpy(out, m->at, n);
    out[n] = '\0';
    m->at += n + 1;
    return true;
}

static enum err_code op_global(struct machine *m)
{
    char module[GLOBAL_MAX], name[GLOBAL_MAX];
    struct pv *v;

    if (!take_line(m, module) || !take_line(m, name))
        return damaged(m, "a global without a name");
    for (size_t i = 0; i < ARRAY_LEN(globals); i++) {
        if (strcmp(module, globals[i].module) == 0 && strcmp(name, globals[i].name) == 0) {
            push(m, make(m, PV_GLOBAL))->i = globals[i].what;
            return ERR_OK;
        }
    }
    for (size_t i = 0; strcmp(module, "torch") == 0 && i < ARRAY_LEN(storages); i++) {
        if (strcmp(name, storages[i]) == 0) {
            v = push(m, make(m, PV_GLOBAL));
            v->i = G_STORAGE;
            v->dtype = (enum pt_dtype)i;
            return ERR_OK;
        }
    }
    return err_set(m->e, ERR_INVALID, "holds %s.%s, which is not data of a checkpoint", module,
                   name);
}

static enum err_code op_persid(struct machine *m)
{
    struct pv *t = n_free(m) ? m->stack[m->n_stack - 1] : NULL, *v;

    if (!t || t->type != PV_TUPLE || t->n != 5 || t->items[0]->type != PV_TEXT ||
        strcmp(t->items[0]->s, "storage") != 0 || t->items[1]->type != PV_GLOBAL ||
        t->items[1]->i != G_STORAGE || t->items[2]->type != PV_TEXT ||
        t->items[4]->type != PV_INT || t->items[4]->i < 0)
        return damaged(m, "not a storage");
    v = make(m, PV_STORAGE);
    v->dtype = t->items[1]->dtype;
    v->key = t->items[2]->s;
    v->i = t->items[4]->i;
    m->stack[m->n_stack - 1] = v;
    return ERR_OK;
}

static bool is_int_tuple(const struct pv *v)
{
    if (v->type != PV_TUPLE)
        return false;
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i]->type != PV_INT)
            return false;
    return true;
}

static struct pv *rebuild_tensor(struct machine *m, const struct pv *args)
{
    struct pv *v;

    if (args->n < 6 || args->items[0]->type != PV_STORAGE || args->items[1]->type != PV_INT ||
        !is_int_tuple(args->items[2]) || !is_int_tuple(args->items[3]) ||
        args->items[2]->n != args->items[3]->n)
        return NULL;
    v = make(m, PV_TENSOR);
    for (size_t i = 0; i < 4; i++)
        append(v, args->items[i]);
    return v;
}

static enum err_code op_reduce(struct machine *m)
{
    const struct pv *f, *args;
    struct pv *v = NULL;

    if (n_free(m) < 2)
        return damaged(m, "a call without function");
    args = m->stack[m->n_stack - 1];
    f = m->stack[m->n_stack - 2];
    if (f->type != PV_GLOBAL || args->type != PV_TUPLE)
        return damaged(m, "a call of something else than a known function");
    if (f->i == G_ORDERED_DICT && args->n == 0)
        v = make(m, PV_DICT);
    else if (f->i == G_TENSOR)
        v = rebuild_tensor(m, args);
    else if (f->i == G_PARAMETER && args->n >= 1 && args->items[0]->type == PV_TENSOR)
        v = args->items[0];
    else if (f->i == G_SIZE && args->n == 1 && is_int_tuple(args->items[0]))
        v = args->items[0];
    if (!v)
        return damaged(m, "a call with unknown arguments");
    m->n_stack -= 2;
    push(m, v);
    return ERR_OK;
}

static enum err_code set_items(struct machine *m, size_t n)
{
    struct pv *dict = m->n_stack > n ? m->stack[m->n_stack - n - 1] : NULL;

    if (!dict || dict->type != PV_DICT || n % 2)
        return damaged(m, "items without dictionary");
    for (size_t i = m->n_stack - n; i < m->n_stack; i += 2) {
        if (m->stack[i]->type != PV_TEXT && m->stack[i]->type != PV_INT)
            return damaged(m, "a dictionary key that is neither text nor integer");
        append(dict, m->stack[i]);
        append(dict, m->stack[i + 1]);
    }
    m->n_stack -= n;
    return ERR_OK;
}

static enum err_code append_items(struct machine *m, size_t n)
{
    struct pv *list = m->n_stack > n ? m->stack[m->n_stack - n - 1] : NULL;

    if (!list || list->type != PV_LIST)
        return damaged(m, "items without list");
    for (size_t i = m->n_stack - n; i < m->n_stack; i++)
        append(list, m->stack[i]);
    m->n_stack -= n;
    return ERR_OK;
}

static enum err_code op_tuple(struct machine *m, size_t n)
{
    struct pv *v;

    if (n_free(m) < n)
        return damaged(m, "a tuple of values that are not there");
    v = make(m, PV_TUPLE);
    for (size_t i = m->n_stack - n; i < m->n_stack; i++)
        append(v, m->stack[i]);
    m->n_stack -= n;
    push(m, v);
    return ERR_OK;
}

/* Ends the newest mark: *n values stand above it. */
static enum err_code pop_mark(struct machine *m, size_t *n)
{
    if (!m->n_marks)
        return damaged(m, "no mark");
    *n = m->n_stack - m->marks[--m->n_marks];
    return ERR_OK;
}

static enum err_code op_marked(struct machine *m, uint8_t op)
{
    size_t n = 0;

    if (pop_mark(m, &n))
        return m->e->code;
    return op == 't' ? op_tuple(m, n) : op == 'u' ? set_items(m, n) : append_items(m, n);
}

static enum err_code op_put(struct machine *m, size_t n_bytes)
{
    uint64_t i;

    if (!take_uint(m, n_bytes, &i) || !n_free(m) || i > (uint64_t)(m->end - m->start))
        return damaged(m, "a memo of nothing, or far too many");
    m->memo = grown(m->memo, i + 1, &m->cap_memo, sizeof *m->memo);
    m->memo[i] = m->stack[m->n_stack - 1];
    return ERR_OK;
}

static enum err_code op_get(struct machine *m, size_t n_bytes)
{
    uint64_t i;

    if (!take_uint(m, n_bytes, &i) || i >= m->cap_memo || !m->memo[i])
        return damaged(m, "a memo that was never made");
    push(m, m->memo[i]);
    return ERR_OK;
}

static enum err_code op_mark(struct machine *m)
{
    m->marks = grown(m->marks, m->n_marks + 1, &m->cap_marks, sizeof *m->marks);
    m->marks[m->n_marks++] = m->n_stack;
    return ERR_OK;
}

static enum err_code op_bool(struct machine *m, bool v)
{
    push(m, make(m, PV_BOOL))->i = v;
    return ERR_OK;
}

static enum err_code op_proto(struct machine *m)
{
    uint64_t v;

    if (!take_uint(m, 1, &v) || v > 2)
        return damaged(m, "a pickle protocol above 2");
    return ERR_OK;
}

/* Attributes set on an object (`_metadata` of a state_dict): read past, not kept. */
static enum err_code op_build(struct machine *m)
{
    if (n_free(m) < 2)
        return damaged(m, "attributes of nothing");
    m->n_stack--;
    return ERR_OK;
}

static enum err_code step(struct machine *m, uint8_t op)
{
    switch (op) {
    case 0x80: return op_proto(m);
    case '(': return op_mark(m);
    case '}': push(m, make(m, PV_DICT)); return ERR_OK;
    case ']': push(m, make(m, PV_LIST)); return ERR_OK;
    case ')': return op_tuple(m, 0);
    case 0x85: return op_tuple(m, 1);
    case 0x86: return op_tuple(m, 2);
    case 0x87: return op_tuple(m, 3);
    case 't':
    case 'u':
    case 'e': return op_marked(m, op);
    case 's': return n_free(m) < 3 ? damaged(m, "no item") : set_items(m, 2);
    case 'a': return n_free(m) < 2 ? damaged(m, "no item") : append_items(m, 1);
    case 'X': return op_text(m);
    case 'K': return op_int(m, 1, false);
    case 'M': return op_int(m, 2, false);
    case 'J': return op_int(m, 4, true);
    case 0x8a: return op_long1(m);
    case 'G': return op_float(m);
    case 0x88: return op_bool(m, true);
    case 0x89: return op_bool(m, false);
    case 'N': push(m, make(m, PV_NONE)); return ERR_OK;
    case 'c': return op_global(m);
    case 'Q': return op_persid(m);
    case 'R': return op_reduce(m);
    case 'b': return op_build(m);
    case 'q': return op_put(m, 1);
    case 'r': return op_put(m, 4);
    case 'h': return op_get(m, 1);
    case 'j': return op_get(m, 4);
    default:
        return err_set(m->e, ERR_INVALID, "byte %zu: pickle opcode 0x%02x is not one of a checkpoint",
                       (size_t)(m->at - m->start - 1), op);
    }
}

static enum err_code interpret(struct machine *m)
{
    while (m->at < m->end) {
        uint8_t op = *m->at++;

        if (op == '.') {
            if (m->n_marks || m->n_stack != 1)
                return damaged(m, "ends with values left over");
            m->out->root = m->stack[0];
            return ERR_OK;
        }
        if (step(m, op))
            return m->e->code;
    }
    return damaged(m, "cut short");
}

enum err_code pickle_read(struct pickle *p, const uint8_t *data, size_t n, struct err *e)
{
    struct err own;
    struct machine m = {.out = p, .at = data, .start = data, .end = data + n, .e = e ? e : &own};
    enum err_code rc;

    *p = (struct pickle){0};
    rc = interpret(&m);
    free(m.stack);
    free(m.memo);
    free(m.marks);
    if (rc)
        pickle_free(p);
    return rc;
}

void pickle_free(struct pickle *p)
{
    for (size_t i = 0; i < p->n_all; i++) {
        free(p->all[i]->items);
        free(p->all[i]->s);
        free(p->all[i]);
    }
    free(p->all);
    *p = (struct pickle){0};
}
