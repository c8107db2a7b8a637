/* ngram.c - see ngram.h.
 *
 * N-grams are the nodes of a trie: the child of node h by token w is the n-gram h w, found in one hash
 * table by the exact key (h, w).  A sequence is walked from its end, so that when an n-gram is met for
 * the first time the n-gram without its first token is already there and gets one more neighbour.
 */
#include "worker/eval/ngram.h"

#include <stdlib.h>
#include <string.h>

#include "common/oom.h"

enum { MANY = 3, SLOTS_MIN = 1 << 16 };

struct ngram_node {
    uint64_t key;      /* parent << 32 | token */
    uint32_t n_seen;   /* occurrences */
    uint32_t n_left;   /* distinct tokens before it */
    uint32_t total;    /* sum over its children of their counts */
    uint32_t n_of[MANY]; /* children with count 1, 2, more */
};

void ngram_init(struct ngram *g, size_t order, size_t n_vocab)
{
    *g = (struct ngram){.order = order, .n_vocab = n_vocab};
}

void ngram_free(struct ngram *g)
{
    free(g->node);
    free(g->slot);
    *g = (struct ngram){0};
}

static size_t place_of(const struct ngram *g, uint64_t key)
{
    uint64_t h = key * 0x9E3779B97F4A7C15u;

    return (size_t)(h ^ h >> 29) & g->mask;
}

/* Node of (parent, token), 0 if there is none; *at is its slot, or a free one. */
static uint32_t find(const struct ngram *g, uint32_t parent, int32_t token, size_t *at)
{
    uint64_t key = (uint64_t)parent << 32 | (uint32_t)token;

    for (*at = place_of(g, key); g->slot[*at]; *at = (*at + 1) & g->mask)
        if (g->node[g->slot[*at]].key == key)
            return g->slot[*at];
    return 0;
}

static enum err_code grow_slots(struct ngram *g, struct err *e)
{
    size_t n = g->slot ? 2 * (g->mask + 1) : SLOTS_MIN;
    uint32_t *slot = calloc(n, sizeof *slot);

    if (!slot)
        return err_set(e, ERR_NOMEM, "n-grams: table of %zu", n);
    free(g->slot);
    g->slot = slot;
    g->mask = n - 1;
    for (size_t i = 1; i < g->n; i++) {
        size_t at = place_of(g, g->node[i].key);

        while (slot[at])
            at = (at + 1) & g->mask;
        slot[at] = (uint32_t)i;
    }
    return ERR_OK;
}

/* Room for one more node. */
static enum err_code reserve(struct ngram *g, struct err *e)
{
    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap + g->cap / 2 : SLOTS_MIN / 2;
        struct ngram_node *node = cap < UINT32_MAX ? realloc(g->node, cap * sizeof *node) : NULL;

        if (!node)
            return err_set(e, ERR_NOMEM, "n-grams: %zu of them", cap);
        g->node = node;
        g->cap = cap;
    }
    if (g->n == 0)
        g->node[g->n++] = (struct ngram_node){0};
    return !g->slot || 2 * g->n > g->mask ? grow_slots(g, e) : ERR_OK;
}

enum err_code ngram_add(struct ngram *g, const int32_t *id, size_t n, struct err *e)
{
    uint32_t suffix[NGRAM_ORDER_MAX + 1] = {0}; /* [k]: the n-gram of length k at i + 1 */

    for (size_t i = n; i-- > 0;) {
        uint32_t here[NGRAM_ORDER_MAX + 1] = {0};

        for (size_t k = 1; k <= g->order && i + k <= n; k++) {
            size_t at;

            if (reserve(g, e))
                return e ? e->code : ERR_NOMEM;
            here[k] = find(g, here[k - 1], id[i + k - 1], &at);
            if (!here[k]) {
                here[k] = g->slot[at] = (uint32_t)g->n++;
                g->node[here[k]] = (struct ngram_node){
                    .key = (uint64_t)here[k - 1] << 32 | (uint32_t)id[i + k - 1]};
                g->n_of[k]++;
                if (k > 1)
                    g->node[suffix[k - 1]].n_left++;
            }
            g->node[here[k]].n_seen++;
        }
        memcpy(suffix, here, sizeof suffix);
    }
    return ERR_OK;
}

static uint32_t count_of(const struct ngram *g, const struct ngram_node *x, size_t length)
{
    return length == g->order ? x->n_seen : x->n_left;
}

static void set_discounts(double d[4], const size_t n[5])
{
    d[0] = 0;
    for (size_t i = 1; i <= MANY; i++) {
        double y = (double)n[1] / ((double)n[1] + 2 * (double)n[2]);
        bool is_usable = n[1] && n[2] && n[i] && n[i + 1];

        d[i] = is_usable ? (double)i - (double)(i + 1) * y * (double)n[i + 1] / (double)n[i] : 0.5 * (double)i;
        if (!(d[i] >= 0) || d[i] > (double)i) /* odd counts of counts: keep it a discount */
            d[i] = 0.5 * (double)i;
    }
}

void ngram_finish(struct ngram *g)
{
    size_t n[NGRAM_ORDER_MAX + 1][5] = {{0}}; /* [length][count] n-grams, counts of 4 and less */
    uint8_t *length = calloc(g->n + 1, 1);

    if (!length)
        oom_exit("ngram");
    for (size_t i = 1; i < g->n; i++) { /* a parent comes before its children */
        struct ngram_node *parent = &g->node[g->node[i].key >> 32];

        length[i] = (uint8_t)(length[g->node[i].key >> 32] + 1);
        uint32_t c = count_of(g, &g->node[i], length[i]);
        if (c == 0)
            continue;
        n[length[i]][c < 5 ? c : 0]++;
        parent->total += c;
        parent->n_of[(c < MANY ? c : MANY) - 1]++;
    }
    for (size_t k = 1; k <= g->order; k++)
        set_discounts(g->discount[k], n[k]);
    free(length);
}

double ngram_prob(const struct ngram *g, const int32_t *context, size_t n, int32_t w)
{
    double p = 1 / (double)g->n_vocab;
    size_t at;

    for (size_t k = 1; k <= g->order && k - 1 <= n && g->n; k++) {
        const double *d = g->discount[k];
        uint32_t h = 0;
        bool is_seen = true;

        for (size_t i = n - (k - 1); i < n && is_seen; i++) {
            h = find(g, h, context[i], &at);
            is_seen = h != 0;
        }
        const struct ngram_node *x = &g->node[h];
        if (!is_seen || x->total == 0)
            continue;
        uint32_t child = find(g, h, w, &at);
        uint32_t c = child ? count_of(g, &g->node[child], k) : 0;
        double rest = d[1] * x->n_of[0] + d[2] * x->n_of[1] + d[3] * x->n_of[2];
        p = ((double)c - d[c < MANY ? c : MANY] + rest * p) / (double)x->total;
    }
    return p;
}
