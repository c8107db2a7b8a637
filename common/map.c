/* map.c - see map.h.  Open addressing over an array of entries in insertion order. */
#include "common/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"

static void *grow(void *p, size_t n, size_t size)
{
    void *q = n > SIZE_MAX / size ? NULL : realloc(p, n * size);

    if (!q)
        oom_exit("map of %zu items", n);
    return q;
}

/* FNV-1a over 8 bytes at a time, then the finaliser of MurmurHash3. */
static uint64_t hash_of(const unsigned char *key, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u ^ len;

    while (len) {
        uint64_t word = 0;
        size_t n = len < sizeof word ? len : sizeof word;

        memcpy(&word, key, n);
        h = (h ^ word) * 0x100000001b3u;
        h ^= h >> 29;
        key += n;
        len -= n;
    }
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
    return h ^ (h >> 33);
}

/* Slot that holds the key, or the free slot where it belongs.  n_slots > 0. */
static size_t slot_of(const struct map *m, const void *key, size_t len, uint64_t hash)
{
    size_t i = hash & (m->n_slots - 1);

    for (; m->slots[i]; i = (i + 1) & (m->n_slots - 1)) {
        const struct map_entry *t = &m->entries[m->slots[i] - 1];

        if (t->hash == hash && t->key_len == len &&
            (len == 0 || memcmp(m->keys + t->key_at, key, len) == 0))
            break;
    }
    return i;
}

static void rehash(struct map *m, size_t n_slots)
{
    free(m->slots);
    m->slots = grow(NULL, n_slots, sizeof *m->slots);
    memset(m->slots, 0, n_slots * sizeof *m->slots);
    m->n_slots = n_slots;
    for (size_t k = 0; k < m->n; k++) {
        size_t i = m->entries[k].hash & (n_slots - 1);

        while (m->slots[i])
            i = (i + 1) & (n_slots - 1);
        m->slots[i] = (uint32_t)(k + 1);
    }
}

static size_t key_store(struct map *m, const void *key, size_t len)
{
    size_t at = m->keys_len;

    if (len > m->keys_cap - m->keys_len) {
        m->keys_cap = (m->keys_cap + len) * 2;
        m->keys = grow(m->keys, m->keys_cap, 1);
    }
    if (len)
        memcpy(m->keys + at, key, len);
    m->keys_len += len;
    return at;
}

int64_t *map_get(const struct map *m, const void *key, size_t len)
{
    size_t i;

    if (m->n == 0)
        return NULL;
    i = slot_of(m, key, len, hash_of(key, len));
    return m->slots[i] ? &m->entries[m->slots[i] - 1].value : NULL;
}

int64_t *map_put(struct map *m, const void *key, size_t len, bool *is_new)
{
    uint64_t hash = hash_of(key, len);
    size_t i;

    if ((m->n + 1) * 4 > m->n_slots * 3)
        rehash(m, m->n_slots ? m->n_slots * 2 : 16);
    i = slot_of(m, key, len, hash);
    *is_new = !m->slots[i];
    if (*is_new) {
        if (m->n == m->cap_entries) {
            m->cap_entries = m->cap_entries ? m->cap_entries * 2 : 16;
            m->entries = grow(m->entries, m->cap_entries, sizeof *m->entries);
        }
        m->entries[m->n] = (struct map_entry){key_store(m, key, len), len, hash, 0};
        m->slots[i] = (uint32_t)++m->n;
    }
    return &m->entries[m->slots[i] - 1].value;
}

const char *map_key(const struct map *m, size_t i, size_t *len)
{
    *len = m->entries[i].key_len;
    return m->keys + m->entries[i].key_at;
}

void map_free(struct map *m)
{
    free(m->entries);
    free(m->slots);
    free(m->keys);
    *m = (struct map){0};
}
