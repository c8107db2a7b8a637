/* bpe_load.c - a tokenizers file into the tables of bpe.h.
 *
 * Everything in the file that could change ids is either followed or refused by name, so a file
 * that opens gives the ids of the library that wrote it.
 */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/map.h"
#include "worker/data/bpe_parts.h"
#include "worker/data/gz.h"
#include "worker/data/utf8.h"

enum { FILE_MAX = 256 << 20, TOKENS_MAX = 1 << 24 };

struct load {
    struct bpe *b;
    const struct json *model, *added;
    struct map vocab;   /* text -> id in the file */
    size_t n_file;      /* ids in the file */
    size_t n_merges;    /* that are kept */
    const char **text;  /* [n_file] NULL: no such id */
    bool *is_added;     /* [n_file] */
    struct bpe_alphabet alphabet;
    uint32_t *id;       /* [n_file] new id, BPE_NONE: dropped */
    struct err *e;
};

/* --- what the file says, and whether we follow it ------------------------------------------ */
static bool is_false(const struct json *v)
{
    bool b = true;

    return !v || json_is_null(v) || (json_bool(v, &b) && !b);
}

static bool is_empty(const struct json *v)
{
    const char *s = v ? json_str(v) : NULL;

    return !v || json_is_null(v) || (s && !*s);
}

static bool has_type(const struct json *v, const char *type)
{
    const char *s = v ? json_str(json_get(v, "type")) : NULL;

    return s && !strcmp(s, type);
}

static enum err_code refuse(struct load *l, const char *what)
{
    return err_set(l->e, ERR_INVALID, "%s is not supported", what);
}

static enum err_code check_steps(struct load *l, const struct json *root)
{
    const struct json *norm = json_get(root, "normalizer"), *pre = json_get(root, "pre_tokenizer");
    bool use_regex = true;

    l->b->is_nfc = has_type(norm, "NFC");
    if (!l->b->is_nfc && norm && !json_is_null(norm))
        return refuse(l, "normalizer: other than NFC or null");
    if (!has_type(pre, "ByteLevel"))
        return refuse(l, "pre_tokenizer: other than ByteLevel");
    if (!is_false(json_get(pre, "add_prefix_space")))
        return refuse(l, "pre_tokenizer.add_prefix_space: true");
    if (json_bool(json_get(pre, "use_regex"), &use_regex) && !use_regex)
        return refuse(l, "pre_tokenizer.use_regex: false");
    if (!has_type(json_get(root, "decoder"), "ByteLevel"))
        return refuse(l, "decoder: other than ByteLevel");
    const struct json *post = json_get(root, "post_processor");
    if (post && !json_is_null(post) && !has_type(post, "ByteLevel"))
        return refuse(l, "post_processor: other than ByteLevel or null");
    return ERR_OK;
}

static enum err_code check_model(struct load *l)
{
    static const char *const off[] = {"fuse_unk", "byte_fallback", "ignore_merges"};
    static const char *const empty[] = {"unk_token", "continuing_subword_prefix",
                                        "end_of_word_suffix"};
    char what[80];
    double dropout = 0;

    if (!has_type(l->model, "BPE"))
        return refuse(l, "model: other than BPE");
    for (size_t i = 0; i < ARRAY_LEN(off); i++)
        if (!is_false(json_get(l->model, off[i]))) {
            snprintf(what, sizeof what, "model.%s: true", off[i]);
            return refuse(l, what);
        }
    for (size_t i = 0; i < ARRAY_LEN(empty); i++)
        if (!is_empty(json_get(l->model, empty[i]))) {
            snprintf(what, sizeof what, "model.%s", empty[i]);
            return refuse(l, what);
        }
    if (json_f64(json_get(l->model, "dropout"), &dropout) && dropout > 0)
        return refuse(l, "model.dropout");
    if (!json_is_object(json_get(l->model, "vocab")) || !json_is_array(json_get(l->model, "merges")))
        return err_set(l->e, ERR_INVALID, "model: vocab or merges are missing");
    return ERR_OK;
}

/* --- ids of the file ----------------------------------------------------------------------- */
static enum err_code id_of(struct load *l, const struct json *v, const char *text, int64_t *id)
{
    if (!v || !json_i64(v, id) || *id < 0 || *id >= TOKENS_MAX)
        return err_set(l->e, ERR_INVALID, "token \"%.40s\": its id is not one of 0..%d", text,
                       TOKENS_MAX - 1);
    if ((size_t)*id >= l->n_file)
        l->n_file = (size_t)*id + 1;
    return ERR_OK;
}

static enum err_code read_vocab(struct load *l)
{
    int64_t id;

    for (const struct json *v = json_first(json_get(l->model, "vocab")); v; v = json_next(v)) {
        bool is_new;

        if (id_of(l, v, json_key(v), &id))
            return l->e->code;
        *map_put(&l->vocab, json_key(v), strlen(json_key(v)), &is_new) = id;
    }
    for (const struct json *v = json_first(l->added); v; v = json_next(v)) {
        const char *text = json_str(json_get(v, "content"));

        if (!text || !*text)
            return err_set(l->e, ERR_INVALID, "added_tokens: a token without content");
        if (id_of(l, json_get(v, "id"), text, &id))
            return l->e->code;
    }
    return ERR_OK;
}

static enum err_code place(struct load *l, int64_t id, const char *text)
{
    if (l->text[id] && strcmp(l->text[id], text) != 0)
        return err_set(l->e, ERR_INVALID, "id %lld: both \"%.40s\" and \"%.40s\"", (long long)id,
                       l->text[id], text);
    l->text[id] = text;
    return ERR_OK;
}

static enum err_code place_all(struct load *l)
{
    int64_t id = 0;

    l->text = calloc(l->n_file, sizeof *l->text);
    l->is_added = calloc(l->n_file, sizeof *l->is_added);
    l->id = calloc(l->n_file, sizeof *l->id);
    if (!l->text || !l->is_added || !l->id)
        return err_set(l->e, ERR_NOMEM, "tables of %zu tokens", l->n_file);
    for (const struct json *v = json_first(json_get(l->model, "vocab")); v; v = json_next(v))
        if (json_i64(v, &id) && place(l, id, json_key(v)))
            return l->e->code;
    for (const struct json *v = json_first(l->added); v; v = json_next(v)) {
        if (!json_i64(json_get(v, "id"), &id) || place(l, id, json_str(json_get(v, "content"))))
            return l->e->code;
        l->is_added[id] = true;
    }
    return ERR_OK;
}

/* --- merges -------------------------------------------------------------------------------- */
/* The two halves of "A B" or ["A", "B"]; joined in `both`, the first `n_left` bytes long. */
static enum err_code halves(struct load *l, const struct json *m, struct buf *both, size_t *n_left)
{
    const char *text = json_str(m), *gap = text ? strchr(text, ' ') : NULL;
    const struct json *first = json_is_array(m) ? json_first(m) : NULL;
    const struct json *second = first ? json_next(first) : NULL;
    const char *a = first ? json_str(first) : NULL, *b = second ? json_str(second) : NULL;

    buf_reset(both);
    if (gap && !strchr(gap + 1, ' ')) {
        buf_add(both, text, (size_t)(gap - text));
        *n_left = both->len;
        buf_str(both, gap + 1);
        return ERR_OK;
    }
    if (!a || !b || json_next(second))
        return err_set(l->e, ERR_INVALID, "merges: \"%.60s\" is not two tokens", text ? text : "");
    buf_str(both, a);
    *n_left = both->len;
    buf_str(both, b);
    return ERR_OK;
}

struct pair {
    uint32_t left, right, whole; /* ids of the file */
};

static enum err_code read_merge(struct load *l, const struct json *m, struct buf *both,
                                struct pair *out)
{
    size_t n_left = 0;

    if (halves(l, m, both, &n_left))
        return l->e->code;
    const int64_t *a = map_get(&l->vocab, both->data, n_left);
    const int64_t *b = map_get(&l->vocab, both->data + n_left, both->len - n_left);
    const int64_t *c = map_get(&l->vocab, both->data, both->len);
    if (!a || !b || !c)
        return err_set(l->e, ERR_INVALID, "merges: \"%.*s %.60s\": a part or the product is not in vocab",
                       (int)n_left, both->data, both->data + n_left);
    *out = (struct pair){(uint32_t)*a, (uint32_t)*b, (uint32_t)*c};
    return ERR_OK;
}

static size_t count_tokens(const struct load *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n_file; i++)
        n += l->text[i] != NULL;
    return n;
}

/* New ids: what only a dropped merge makes goes, the rest keeps its order. */
static enum err_code number(struct load *l, const struct pair *pair, size_t n_pairs, size_t want)
{
    size_t n_tokens = count_tokens(l);

    l->n_merges = n_pairs;
    if (want && want != l->n_file) {
        if (want > n_tokens || n_tokens - want > n_pairs)
            return err_set(l->e, ERR_INVALID, "n_vocab: %zu is outside [%zu, %zu]", want,
                           n_tokens - n_pairs, n_tokens);
        l->n_merges -= n_tokens - want;
    }
    for (size_t i = l->n_merges; i < n_pairs; i++)
        if (!l->is_added[pair[i].whole])
            l->id[pair[i].whole] = BPE_NONE;
    for (size_t i = 0; i < l->n_merges; i++)
        l->id[pair[i].whole] = 0; /* two merges may make the same token */
    bool is_whole = l->n_merges == n_pairs;
    for (size_t i = 0; i < l->n_file; i++) {
        bool is_kept = is_whole || (l->text[i] && l->id[i] != BPE_NONE);

        l->id[i] = is_kept ? (uint32_t)l->b->n_vocab++ : BPE_NONE;
    }
    return ERR_OK;
}

static enum err_code fill_merges(struct load *l, const struct pair *pair)
{
    struct bpe *b = l->b;
    size_t n_slots = 1024;

    while (n_slots < 3 * l->n_merges)
        n_slots *= 2;
    b->merge = malloc(n_slots * sizeof *b->merge);
    if (!b->merge)
        return err_set(l->e, ERR_NOMEM, "table of %zu merges", l->n_merges);
    b->merge_mask = n_slots - 1;
    for (size_t i = 0; i < n_slots; i++)
        b->merge[i].pair = BPE_FREE;
    for (size_t i = 0; i < l->n_merges; i++)
        bpe_merge_add(b, l->id[pair[i].left], l->id[pair[i].right], (uint32_t)i,
                      l->id[pair[i].whole]);
    return ERR_OK;
}

static enum err_code read_merges(struct load *l, size_t want)
{
    const struct json *list = json_get(l->model, "merges");
    size_t n = json_len(list), i = 0;
    struct pair *pair = calloc(n + 1, sizeof *pair);
    struct buf both = {0};
    enum err_code rc = pair ? ERR_OK : err_set(l->e, ERR_NOMEM, "%zu merges", n);

    for (const struct json *m = json_first(list); m && !rc; m = json_next(m))
        rc = read_merge(l, m, &both, &pair[i++]);
    if (!rc)
        rc = number(l, pair, n, want);
    if (!rc)
        rc = fill_merges(l, pair);
    buf_free(&both);
    free(pair);
    return rc;
}

/* --- what ids stand for -------------------------------------------------------------------- */
static enum err_code fill_bytes(struct load *l)
{
    struct bpe *b = l->b;
    struct buf bytes = {0};

    b->at = calloc(b->n_vocab + 1, sizeof *b->at);
    if (!b->at)
        return err_set(l->e, ERR_NOMEM, "%zu tokens", b->n_vocab);
    for (size_t i = 0; i < l->n_file; i++)
        if (l->id[i] != BPE_NONE) {
            b->at[l->id[i]] = (uint32_t)bytes.len;
            if (l->text[i])
                bpe_text_bytes(&l->alphabet, l->text[i], &bytes);
        }
    b->at[b->n_vocab] = (uint32_t)bytes.len;
    b->bytes = buf_steal(&bytes);
    return ERR_OK;
}

static enum err_code fill_byte_ids(struct load *l)
{
    for (unsigned i = 0; i < 256; i++) {
        char text[4];
        const int64_t *id = map_get(&l->vocab, text, utf8_put(text, l->alphabet.character[i]));
        bool is_used = i < 0xC0 || (i >= 0xC2 && i <= 0xF4);

        if (!id && is_used)
            return err_set(l->e, ERR_INVALID, "vocab: no token for the byte 0x%02X", i);
        l->b->byte_id[i] = id ? l->id[*id] : BPE_NONE;
    }
    return ERR_OK;
}

/* --- added tokens -------------------------------------------------------------------------- */
static int by_length(const void *a, const void *b)
{
    const struct bpe_added *x = a, *y = b;

    return (x->len < y->len) - (x->len > y->len);
}

static void set_pair(uint64_t *set, unsigned first, unsigned second)
{
    unsigned key = first << 8 | second;

    set[key / 64] |= (uint64_t)1 << (key % 64);
}

static enum err_code add_token(struct load *l, struct bpe_added_set *s, const char *text, uint32_t id)
{
    struct bpe_added *t = realloc(s->token, (s->n + 1) * sizeof *t);
    const uint8_t *p = (const uint8_t *)text;
    size_t n = strlen(text);
    char *copy = t ? strdup(text) : NULL;

    if (t)
        s->token = t;
    if (!copy)
        return err_set(l->e, ERR_NOMEM, "added token \"%.40s\"", text);
    s->token[s->n++] = (struct bpe_added){copy, n, id};
    s->first[p[0]] = true;
    for (unsigned second = 0; second < 256; second++)
        if (n == 1 || p[1] == second)
            set_pair(s->pair, p[0], second);
    for (size_t i = 0; i + 1 < n; i++)
        set_pair(l->b->inside, p[i], p[i + 1]);
    return ERR_OK;
}

static enum err_code read_added(struct load *l)
{
    static const char *const off[] = {"single_word", "lstrip", "rstrip"};
    struct bpe *b = l->b;

    b->inside = calloc(1024, sizeof *b->inside);
    if (!b->inside)
        return err_set(l->e, ERR_NOMEM, "added tokens");
    for (const struct json *v = json_first(l->added); v; v = json_next(v)) {
        const char *text = json_str(json_get(v, "content"));
        bool is_normal = is_false(json_get(v, "normalized"));
        int64_t id = 0;

        for (size_t i = 0; i < ARRAY_LEN(off); i++)
            if (!is_false(json_get(v, off[i])))
                return err_set(l->e, ERR_INVALID, "added_tokens: \"%.40s\": %s: true is not supported",
                               text, off[i]);
        if (!json_i64(json_get(v, "id"), &id) ||
            add_token(l, is_normal ? &b->raw : &b->normal, text, l->id[id]))
            return l->e->code;
    }
    if (b->raw.n)
        qsort(b->raw.token, b->raw.n, sizeof *b->raw.token, by_length);
    if (b->normal.n)
        qsort(b->normal.token, b->normal.n, sizeof *b->normal.token, by_length);
    return ERR_OK;
}

static enum err_code load(struct load *l, const struct json *root, size_t want)
{
    l->model = json_get(root, "model");
    l->added = json_get(root, "added_tokens");
    if (!l->model)
        return err_set(l->e, ERR_INVALID, "not a tokenizers file: it has no \"model\"");
    enum err_code rc = check_steps(l, root);
    if (!rc)
        rc = check_model(l);
    if (!rc)
        rc = read_vocab(l);
    if (!rc)
        rc = place_all(l);
    if (!rc)
        rc = read_merges(l, want);
    if (!rc)
        rc = fill_bytes(l);
    if (!rc)
        rc = fill_byte_ids(l);
    return rc ? rc : read_added(l);
}

static enum err_code parse(const char *path, struct json **root, struct err *e)
{
    struct buf text = {0};
    enum err_code rc = gz_read(path, FILE_MAX, &text, e);

    if (!rc && (rc = json_parse(text.data ? text.data : "", text.len, root, e)) != ERR_OK)
        rc = err_wrap(e, "%s", path);
    buf_free(&text);
    return rc;
}

enum err_code bpe_open(struct bpe *b, const char *path, size_t n_vocab, struct err *e)
{
    struct err own;
    struct load l = {.b = b, .e = e ? e : &own};
    struct json *root = NULL;

    *b = (struct bpe){0};
    bpe_alphabet_init(&l.alphabet);
    if (parse(path, &root, l.e))
        return l.e->code;
    enum err_code rc = load(&l, root, n_vocab);
    if (rc)
        rc = err_wrap(l.e, "%s", path);
    if (!rc)
        rc = unicode_open(&b->unicode, l.e);
    b->cache = rc ? NULL : bpe_cache_new();
    if (!rc && !b->cache)
        rc = err_set(l.e, ERR_NOMEM, "cache of the tokeniser");
    if (rc)
        bpe_close(b);
    json_free(root);
    map_free(&l.vocab);
    free(l.text);
    free(l.is_added);
    free(l.id);
    return rc;
}
