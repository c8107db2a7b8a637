/* nfc.c - see nfc.h.
 *
 * NFC(xy) = NFC(x) NFC(y) where y begins with a code point that has no UNICODE_JOINS: its
 * decomposition begins with a starter that composes with nothing before it.  So only runs from
 * one such boundary to the next that hold an unstable code point are normalised; the rest is copied.
 */
#include "worker/data/nfc.h"

#include <stdlib.h>
#include <string.h>

#include "common/oom.h"
#include "worker/data/utf8.h"

struct run {
    uint32_t *c;
    size_t n, cap;
};

/* Length of the ASCII at the beginning. */
static size_t ascii_len(const uint8_t *p, size_t n)
{
    size_t i = 0;
    uint64_t eight;

    for (; n - i >= sizeof eight; i += sizeof eight) {
        memcpy(&eight, p + i, sizeof eight);
        if (eight & 0x8080808080808080u)
            break;
    }
    while (i < n && p[i] < 0x80)
        i++;
    return i;
}

bool nfc_is_stable(const struct unicode *u, const uint8_t *text, size_t n)
{
    size_t len;

    for (size_t i = ascii_len(text, n); i < n; i += ascii_len(text + i, n - i)) {
        if (u->flags[utf8_get(text + i, &len)] & UNICODE_UNSTABLE)
            return false;
        i += len;
    }
    return true;
}

static void push(struct run *r, uint32_t c)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->c = realloc(r->c, r->cap * sizeof *r->c);
        if (!r->c)
            oom_exit("nfc");
    }
    r->c[r->n++] = c;
}

static void push_full(struct run *r, uint32_t c)
{
    uint32_t part[2];
    size_t n = unicode_decompose(c, part);

    if (n == 0)
        push(r, c);
    for (size_t i = 0; i < n; i++)
        push_full(r, part[i]);
}

struct mark {
    uint32_t c;
    uint32_t place; /* keeps the sort stable */
    uint8_t ccc;
};

static int by_class(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;

    return x->ccc != y->ccc ? (x->ccc > y->ccc) - (x->ccc < y->ccc)
                            : (x->place > y->place) - (x->place < y->place);
}

/* Canonical order: every maximal stretch of combining marks, sorted by class, stably. */
static void order(struct run *r)
{
    for (size_t i = 0; i < r->n;) {
        size_t end = i;

        while (end < r->n && unicode_ccc_of(r->c[end]))
            end++;
        if (end - i > 1) {
            struct mark *m = malloc((end - i) * sizeof *m);

            if (!m)
                oom_exit("nfc");
            for (size_t k = i; k < end; k++)
                m[k - i] = (struct mark){r->c[k], (uint32_t)(k - i), unicode_ccc_of(r->c[k])};
            qsort(m, end - i, sizeof *m, by_class);
            for (size_t k = i; k < end; k++)
                r->c[k] = m[k - i].c;
            free(m);
        }
        i = end + (end == i);
    }
}

/* A character joins the last starter unless one between them has class 0 or a class >= its own. */
static void compose(struct run *r)
{
    size_t starter = r->n, kept = 0;
    int last = -1; /* class of the last kept character behind the starter; -1: none */

    for (size_t i = 0; i < r->n; i++) {
        uint32_t c = r->c[i];
        int ccc = unicode_ccc_of(c);
        uint32_t whole = starter < r->n && last < ccc ? unicode_composite(r->c[starter], c) : 0;

        if (whole) {
            r->c[starter] = whole;
            continue;
        }
        if (ccc == 0) {
            starter = kept;
            last = -1;
        } else {
            last = ccc;
        }
        r->c[kept++] = c;
    }
    r->n = kept;
}

static void add_run(struct run *r, struct buf *out, const uint8_t *text, size_t n)
{
    char four[4];
    size_t len;

    r->n = 0;
    for (size_t i = 0; i < n; i += len)
        push_full(r, utf8_get(text + i, &len));
    order(r);
    compose(r);
    for (size_t i = 0; i < r->n; i++)
        buf_add(out, four, utf8_put(four, r->c[i]));
}

void nfc_add(const struct unicode *u, struct buf *out, const uint8_t *text, size_t n)
{
    struct run r = {0};
    size_t copied = 0, boundary = 0, len;

    for (size_t i = 0; i < n;) {
        uint8_t flags = u->flags[utf8_get(text + i, &len)];

        if (!(flags & UNICODE_JOINS))
            boundary = i;
        i += len;
        if (!(flags & UNICODE_UNSTABLE))
            continue;
        while (i < n && u->flags[utf8_get(text + i, &len)] & UNICODE_JOINS)
            i += len;
        if (boundary > copied)
            buf_add(out, text + copied, boundary - copied);
        add_run(&r, out, text + boundary, i - boundary);
        copied = boundary = i;
    }
    buf_add(out, text + copied, n - copied);
    free(r.c);
}
