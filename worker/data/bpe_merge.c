/* bpe_merge.c - from one piece to its ids: the merges, and a cache of pieces seen before. */
#include <string.h>

#include "common/oom.h"
#include "worker/data/bpe_parts.h"

enum {
    SHORT_MAX = 48,             /* longer pieces are merged with a heap */
    CACHED_MAX = 64,            /* longer pieces are not kept */
    CACHE_SLOTS = 1 << 17,
    CACHE_PIECES = CACHE_SLOTS / 2, /* then it begins anew */
    NONE = -1
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93u;
    x ^= x >> 32;
    return x;
}

const struct bpe_merge *bpe_merge_find(const struct bpe *b, uint32_t left, uint32_t right)
{
    uint64_t pair = (uint64_t)left << 32 | right;

    for (size_t i = mix(pair) & b->merge_mask;; i = (i + 1) & b->merge_mask) {
        if (b->merge[i].pair == pair)
            return &b->merge[i];
        if (b->merge[i].pair == BPE_FREE)
            return NULL;
    }
}

void bpe_merge_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id)
{
    uint64_t pair = (uint64_t)left << 32 | right;
    size_t i = mix(pair) & b->merge_mask;

    while (b->merge[i].pair != BPE_FREE && b->merge[i].pair != pair)
        i = (i + 1) & b->merge_mask;
    b->merge[i] = (struct bpe_merge){pair, rank, id};
}

/* --- merging ------------------------------------------------------------------------------ */
void bpe_merge_short(const struct bpe *b, uint32_t *id, size_t *n)
{
    for (;;) {
        const struct bpe_merge *best = NULL;
        size_t at = 0;

        for (size_t i = 0; i + 1 < *n; i++) {
            const struct bpe_merge *m = bpe_merge_find(b, id[i], id[i + 1]);

            if (m && (!best || m->rank < best->rank)) {
                best = m;
                at = i;
            }
        }
        if (!best)
            return;
        id[at] = best->id;
        memmove(id + at + 1, id + at + 2, (*n - at - 2) * sizeof *id);
        (*n)--;
    }
}

/* A pair that was adjacent when it was put on the heap; stale if its ids are gone. */
struct candidate {
    uint32_t rank, left;  /* place of the left symbol */
    uint32_t left_id, right_id;
};

struct heap {
    struct candidate *c;
    size_t n;
};

static bool is_before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void heap_push(struct heap *h, struct candidate c)
{
    size_t i = h->n++;

    while (i && is_before(&c, &h->c[(i - 1) / 2])) {
        h->c[i] = h->c[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->c[i] = c;
}

static struct candidate heap_pop(struct heap *h)
{
    struct candidate top = h->c[0], last = h->c[--h->n];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= h->n)
            break;
        if (child + 1 < h->n && is_before(&h->c[child + 1], &h->c[child]))
            child++;
        if (!is_before(&h->c[child], &last))
            break;
        h->c[i] = h->c[child];
        i = child;
    }
    h->c[i] = last;
    return top;
}

struct chain { /* symbols of a piece; merged ones are unlinked */
    uint32_t *id;
    int64_t *next, *prev;
    struct heap heap;
};

static void offer(const struct bpe *b, struct chain *s, int64_t left)
{
    if (left == NONE || s->next[left] == NONE)
        return;
    uint32_t l = s->id[left], r = s->id[s->next[left]];
    const struct bpe_merge *m = bpe_merge_find(b, l, r);

    if (m)
        heap_push(&s->heap, (struct candidate){m->rank, (uint32_t)left, l, r});
}

static void merge_all(const struct bpe *b, struct chain *s)
{
    while (s->heap.n) {
        struct candidate c = heap_pop(&s->heap);
        int64_t left = c.left, right = s->next[left];

        if (s->id[left] != c.left_id || right == NONE || s->id[right] != c.right_id)
            continue;
        s->id[left] = bpe_merge_find(b, c.left_id, c.right_id)->id;
        s->id[right] = BPE_NONE;
        s->next[left] = s->next[right];
        if (s->next[left] != NONE)
            s->prev[s->next[left]] = left;
        offer(b, s, s->prev[left]);
        offer(b, s, left);
    }
}

void bpe_merge_long(const struct bpe *b, uint32_t *id, size_t *n)
{
    struct chain s = {.id = id};
    size_t kept = 0;

    s.next = malloc(*n * sizeof *s.next);
    s.prev = malloc(*n * sizeof *s.prev);
    s.heap.c = malloc(3 * *n * sizeof *s.heap.c); /* n - 1 at first, two for each of n - 1 merges */
    if (!s.next || !s.prev || !s.heap.c)
        oom_exit("bpe_merge");
    for (size_t i = 0; i < *n; i++) {
        s.next[i] = i + 1 < *n ? (int64_t)i + 1 : NONE;
        s.prev[i] = i ? (int64_t)i - 1 : NONE;
    }
    for (size_t i = 0; i + 1 < *n; i++)
        offer(b, &s, (int64_t)i);
    merge_all(b, &s);
    for (int64_t i = 0; i != NONE; i = s.next[i])
        id[kept++] = id[i];
    *n = kept;
    free(s.next);
    free(s.prev);
    free(s.heap.c);
}

void bpe_merge_piece(const struct bpe *b, const uint8_t *piece, size_t n, struct ids *out)
{
    ids_reserve(out, n);
    uint32_t *id = out->id + out->n;
    for (size_t i = 0; i < n; i++)
        id[i] = b->byte_id[piece[i]];
    if (n <= SHORT_MAX)
        bpe_merge_short(b, id, &n);
    else
        bpe_merge_long(b, id, &n);
    out->n += n;
}

/* --- cache -------------------------------------------------------------------------------- */
struct entry {
    uint64_t hash;
    uint32_t piece_at, id_at;
    uint16_t len, n_ids; /* len 0: an empty slot */
};

struct bpe_cache {
    struct entry *slot;
    struct buf pieces;
    struct ids ids;
    size_t n;
};

struct bpe_cache *bpe_cache_new(void)
{
    struct bpe_cache *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->slot = calloc(CACHE_SLOTS, sizeof *c->slot);
    if (!c->slot) {
        free(c);
        return NULL;
    }
    return c;
}

void bpe_cache_free(struct bpe_cache *c)
{
    if (!c)
        return;
    free(c->slot);
    buf_free(&c->pieces);
    ids_free(&c->ids);
    free(c);
}

static uint64_t hash_of(const uint8_t *p, size_t n)
{
    uint64_t h = n * 0x9E3779B97F4A7C15u, word = 0;

    for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        h = mix(h ^ word);
    }
    word = 0;
    memcpy(&word, p, n);
    return mix(h ^ word);
}

static void cache_forget(struct bpe_cache *c)
{
    memset(c->slot, 0, CACHE_SLOTS * sizeof *c->slot);
    buf_reset(&c->pieces);
    c->ids.n = 0;
    c->n = 0;
}

void bpe_piece(struct bpe *b, const uint8_t *piece, size_t n, struct ids *out)
{
    struct bpe_cache *c = b->cache;
    uint64_t hash;
    size_t i, from = out->n;

    if (n == 1) {
        ids_push(out, b->byte_id[piece[0]]);
        return;
    }
    if (n > CACHED_MAX) {
        bpe_merge_piece(b, piece, n, out);
        return;
    }
    hash = hash_of(piece, n);
    for (i = hash % CACHE_SLOTS; c->slot[i].len; i = (i + 1) % CACHE_SLOTS) {
        const struct entry *s = &c->slot[i];

        if (s->hash == hash && s->len == n && !memcmp(c->pieces.data + s->piece_at, piece, n)) {
            ids_reserve(out, s->n_ids);
            memcpy(out->id + out->n, c->ids.id + s->id_at, s->n_ids * sizeof *out->id);
            out->n += s->n_ids;
            return;
        }
    }
    bpe_merge_piece(b, piece, n, out);
    if (c->n == CACHE_PIECES) {
        cache_forget(c);
        i = hash % CACHE_SLOTS;
    }
    size_t n_ids = out->n - from;
    c->slot[i] = (struct entry){hash, (uint32_t)c->pieces.len, (uint32_t)c->ids.n, (uint16_t)n,
                                (uint16_t)n_ids};
    c->n++;
    buf_add(&c->pieces, piece, n);
    ids_reserve(&c->ids, n_ids);
    memcpy(c->ids.id + c->ids.n, out->id + from, n_ids * sizeof *out->id);
    c->ids.n += n_ids;
}
