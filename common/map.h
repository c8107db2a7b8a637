/* map.h - hash map from byte strings to 64-bit values.
 *
 * Keys are copied.  `struct map m = {0};` is empty.  Iteration order is insertion order.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
    struct map_entry *entries; /* insertion order */
    uint32_t *slots;           /* entry index + 1, 0 = free */
    size_t n, cap_entries, n_slots;
    char *keys;                /* all key bytes */
    size_t keys_len, keys_cap;
};

struct map_entry {
    size_t key_at, key_len; /* in keys */
    uint64_t hash;
    int64_t value;
};

/* Value of a key, or NULL.  The pointer holds until the next map_put. */
int64_t *map_get(const struct map *m, const void *key, size_t len);
/* Adds the key if absent; sets *is_new.  Returns its value's place. */
int64_t *map_put(struct map *m, const void *key, size_t len, bool *is_new);
const char *map_key(const struct map *m, size_t i, size_t *len); /* not zero-terminated */
void map_free(struct map *m);
