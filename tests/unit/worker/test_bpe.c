/* The tokeniser against the library that it imitates (tests/data/tokenizer), and against itself:
 * chunks of any size, any bytes, both ways to merge, smaller vocabularies. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/fs.h"
#include "common/rng.h"
#include "common/sha256.h"
#include "tests/lib/shipped.h"
#include "tests/lib/tmpdir.h"
#include "worker/data/bpe_parts.h"
#include "worker/data/gz.h"
#include "worker/data/tokenizer.h"

#define TOKENIZER "sweeps/data/tokenizer/20B_tokenizer.json.gz"

static struct tokenizer full;

static int setup(void **state)
{
    struct err e;

    (void)state;
    assert_ok(tokenizer_open(&full, shipped_path(TOKENIZER), 0, &e), e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tokenizer_close(&full);
    return 0;
}

static size_t unhex(const char *text, char *out)
{
    size_t n = strlen(text) / 2;

    assert_true(hex_parse((uint8_t *)out, n, text));
    return n;
}

static void assert_ids(const struct ids *got, const char *list, const char *label)
{
    size_t i = 0;

    for (const char *p = list; *p; i++) {
        char *end;
        unsigned long want = strtoul(p, &end, 10);

        if (i >= got->n || got->id[i] != want)
            fail_msg("%s: id %zu is %d, not %lu, of %s", label, i,
                     i < got->n ? (int)got->id[i] : -1, want, list);
        p = end + (*end == ',');
    }
    assert_int_equal(got->n, i);
}

static void decode_all(const struct tokenizer *t, const struct ids *ids, struct buf *out)
{
    struct tok_decode d;
    struct err e;

    buf_reset(out);
    tok_decode_init(&d, t);
    for (size_t i = 0; i < ids->n; i++)
        assert_ok(tok_decode_add(&d, ids->id[i], out, &e), e);
    tok_decode_end(&d, out);
}

static void golden_strings_have_the_ids_of_the_library_and_decode(void **state)
{
    struct buf file = {0}, decoded = {0};
    struct ids ids = {0};
    struct err e;
    size_t n_cases = 0;

    (void)state;
    assert_ok(fs_read(shipped_path("tests/data/tokenizer/golden.tsv"), 1 << 20, &file, &e), e);
    for (char *line = strtok(file.data, "\n"); line; line = strtok(NULL, "\n")) {
        char category[32], *tab = strchr(line, '\t'), text[4096], want[4096];

        if (*line == '#')
            continue;
        snprintf(category, sizeof category, "%.*s", (int)(tab - line), line);
        char *hex = tab + 1, *list = strchr(hex, '\t'), *back;
        *list++ = '\0';
        back = strchr(list, '\t');
        *back++ = '\0';
        size_t n = unhex(hex, text);
        ids.n = 0;
        tokenizer_encode(&full, text, n, false, &ids);
        assert_ids(&ids, list, category);
        decode_all(&full, &ids, &decoded);
        if (*back != '-')
            n = unhex(back, want);
        else
            memcpy(want, text, n);
        assert_int_equal(decoded.len, n);
        assert_memory_equal(decoded.data, want, n);
        n_cases++;
    }
    assert_int_equal(n_cases, 241);
    ids_free(&ids);
    buf_free(&file);
    buf_free(&decoded);
}

static void corpora_have_the_digests_of_the_library(void **state)
{
    struct buf file = {0}, text = {0};
    struct ids ids = {0};
    struct err e;
    size_t n_files = 0;

    (void)state;
    assert_ok(fs_read(shipped_path("tests/data/tokenizer/corpus.tsv"), 1 << 20, &file, &e), e);
    for (char *line = strtok(file.data, "\n"); line; line = strtok(NULL, "\n")) {
        char name[128], path[256], want[65], got[65];
        unsigned long n_tokens;
        uint8_t digest[32];

        if (sscanf(line, "%127[^\t#]\t%lu\t%64s", name, &n_tokens, want) != 3)
            continue;
        snprintf(path, sizeof path, "sweeps/data/text/%s.gz", name);
        buf_reset(&text);
        assert_ok(gz_read(shipped_path(path), 1 << 24, &text, &e), e);
        ids.n = 0;
        tokenizer_encode(&full, text.data, text.len, false, &ids);
        assert_int_equal(ids.n, n_tokens);
        sha256_of(ids.id, ids.n * sizeof *ids.id, digest);
        assert_string_equal(hex_text(got, digest, sizeof digest), want);
        n_files++;
    }
    assert_int_equal(n_files, 14);
    ids_free(&ids);
    buf_free(&file);
    buf_free(&text);
}

/* --- streams ------------------------------------------------------------------------------- */
static const char *const parts[] = {
    "the", " of", "'re", "'", "re", " ", "  ", "\n", "\n\n", "\t", "0", "42", "\xC3\xA9", "e\xCC\x81",
    "\xCC\x81", "\xE2\x80\x9C", "\xF0\x9F\x98\x80", "\xED\x95\x9C", "\xE1\x84\x92\xE1\x85\xA1",
    "\xE1\x86\xAB", "\xC2\xA0", "\xE3\x80\x80", "<|endoftext|>", "<|endof", "|>", "...", "{", "}",
    "        ", "                         ", "\xE4\xB8\xAD\xE6\x96\x87", "\xEF\xBF\xBD", "\xFF", "\xE2\x80",
    "\xF0\x9F", "\xED\xA0\x80", "A", "SAE", "_", "\\", "\xE2\x84\xAB", "\xCD\x84", "\xD9\xA1",
};

static void random_text(struct rng *r, struct buf *out)
{
    size_t n = (size_t)rng_below(r, 40);

    buf_reset(out);
    buf_str(out, "");
    for (size_t i = 0; i < n; i++) {
        if (rng_below(r, 8) == 0)
            buf_char(out, (char)rng_below(r, 256));
        else
            buf_str(out, parts[rng_below(r, ARRAY_LEN(parts))]);
    }
}

static void chunks_do_not_change_ids(void **state)
{
    struct rng r = rng_stream(1, "test.bpe.chunks");
    struct buf text = {0};
    struct ids whole = {0}, pieces = {0};

    (void)state;
    for (int round = 0; round < 4000; round++) {
        struct tok_encode s;
        bool is_plain = rng_below(&r, 4) == 0;
        size_t at = 0, largest = 1 + (size_t)rng_below(&r, 12);

        random_text(&r, &text);
        whole.n = pieces.n = 0;
        tokenizer_encode(&full, text.data, text.len, is_plain, &whole);
        tok_encode_init(&s, &full, is_plain);
        while (at < text.len) {
            size_t n = 1 + (size_t)rng_below(&r, largest);

            n = n < text.len - at ? n : text.len - at;
            tok_encode_add(&s, text.data + at, n, false, &pieces);
            at += n;
        }
        tok_encode_add(&s, "", 0, true, &pieces);
        tok_encode_free(&s);
        assert_int_equal(pieces.n, whole.n);
        assert_memory_equal(pieces.id, whole.id, whole.n * sizeof *whole.id);
    }
    ids_free(&whole);
    ids_free(&pieces);
    buf_free(&text);
}

/* A stream holds one stretch without a cut, not the text. */
static void a_stream_forgets_what_it_has_encoded(void **state)
{
    struct tok_encode s;
    struct ids ids = {0};
    size_t most = 0;

    (void)state;
    tok_encode_init(&s, &full, false);
    for (int i = 0; i < 20000; i++) {
        tok_encode_add(&s, "a word, and another; ", 21, false, &ids);
        most = s.text.len > most ? s.text.len : most;
    }
    assert_in_range(most, 1, 64);
    tok_encode_free(&s);
    ids_free(&ids);
}

/* Decoding what was encoded gives the text, repaired and normalised: once more changes nothing. */
static void any_bytes_come_back_as_normal_text(void **state)
{
    struct rng r = rng_stream(2, "test.bpe.bytes");
    struct buf text = {0}, once = {0}, twice = {0};
    struct ids ids = {0};

    (void)state;
    for (int round = 0; round < 2000; round++) {
        buf_reset(&text);
        for (size_t i = 0, n = (size_t)rng_below(&r, 60); i < n; i++)
            buf_char(&text, (char)rng_below(&r, 256));
        ids.n = 0;
        tokenizer_encode(&full, text.data ? text.data : "", text.len, false, &ids);
        decode_all(&full, &ids, &once);
        ids.n = 0;
        tokenizer_encode(&full, once.data, once.len, false, &ids);
        decode_all(&full, &ids, &twice);
        assert_int_equal(once.len, twice.len);
        assert_memory_equal(once.data, twice.data, once.len);
    }
    ids_free(&ids);
    buf_free(&text);
    buf_free(&once);
    buf_free(&twice);
}

static void the_heap_merges_as_the_plain_loop_does(void **state)
{
    struct rng r = rng_stream(3, "test.bpe.merge");
    uint32_t a[200], b[200];

    (void)state;
    for (int round = 0; round < 3000; round++) {
        size_t n = 1 + (size_t)rng_below(&r, 200), n_a = n, n_b = n;
        unsigned letters = 1 + (unsigned)rng_below(&r, 6);

        for (size_t i = 0; i < n; i++)
            a[i] = b[i] = full.bpe.byte_id[(uint8_t)"ethane"[rng_below(&r, letters)]];
        bpe_merge_short(&full.bpe, a, &n_a);
        bpe_merge_long(&full.bpe, b, &n_b);
        assert_int_equal(n_a, n_b);
        assert_memory_equal(a, b, n_a * sizeof *a);
    }
}

static void special_text_is_text_on_request(void **state)
{
    struct ids ids = {0};

    (void)state;
    tokenizer_encode(&full, "a<|endoftext|>", 14, false, &ids);
    assert_ids(&ids, "66,0", "special");
    ids.n = 0;
    tokenizer_encode(&full, "a<|endoftext|>", 14, true, &ids);
    assert_true(ids.n > 2);
    for (size_t i = 0; i < ids.n; i++)
        assert_true(ids.id[i] > 1);
    ids_free(&ids);
}

/* --- smaller vocabularies ------------------------------------------------------------------ */
static void a_small_vocabulary_keeps_bytes_first_merges_and_runs_of_spaces(void **state)
{
    struct tokenizer small;
    struct ids ids = {0};
    struct buf text = {0};
    struct err e;
    size_t n;

    (void)state;
    assert_ok(tokenizer_open(&small, shipped_path(TOKENIZER), 4096, &e), e);
    assert_int_equal(small.n_vocab, 4096);
    for (uint32_t id = 0; id < 4073; id++) { /* specials, bytes, 3828 merges: ids as in the full one */
        size_t n_full;
        const char *a = tokenizer_bytes(&small, id, &n), *b = tokenizer_bytes(&full, id, &n_full);

        assert_int_equal(n, n_full);
        assert_memory_equal(a, b, n);
    }
    for (size_t run = 2; run <= 24; run++) {
        buf_reset(&text);
        for (size_t i = 0; i < run; i++)
            buf_char(&text, ' ');
        ids.n = 0;
        tokenizer_encode(&small, text.data, run, false, &ids);
        assert_int_equal(ids.n, 1);
        assert_int_equal(ids.id[0], 4096 + 1 - run);
    }
    buf_reset(&text);
    assert_ok(gz_read(shipped_path("sweeps/data/text/valid/time_machine.txt.gz"), 1 << 24, &text, &e), e);
    struct buf back = {0};
    ids.n = 0;
    tokenizer_encode(&small, text.data, text.len, false, &ids);
    for (size_t i = 0; i < ids.n; i++)
        assert_in_range(ids.id[i], 2, 4095);
    decode_all(&small, &ids, &back);
    assert_int_equal(back.len, text.len);
    assert_memory_equal(back.data, text.data, text.len);
    buf_free(&back);
    buf_free(&text);
    ids_free(&ids);
    tokenizer_close(&small);
}

static void a_vocabulary_has_room_for_what_cannot_be_left_out(void **state)
{
    struct tokenizer t;
    struct err e;

    (void)state;
    assert_ok(tokenizer_open(&t, shipped_path(TOKENIZER), 268, &e), e);
    tokenizer_close(&t);
    assert_ok(tokenizer_open(&t, shipped_path(TOKENIZER), 50277, &e), e);
    tokenizer_close(&t);
    assert_fails(tokenizer_open(&t, shipped_path(TOKENIZER), 267, &e), ERR_INVALID, e, "[268, 50277]");
    assert_fails(tokenizer_open(&t, shipped_path(TOKENIZER), 50278, &e), ERR_INVALID, e, "50278");
    assert_fails(tokenizer_open(&t, "bytes", 300, &e), ERR_INVALID, e, "257");
}

static void bytes_are_themselves(void **state)
{
    struct tokenizer t;
    struct buf all = {0}, back = {0};
    struct ids ids = {0};
    struct err e;

    (void)state;
    assert_ok(tokenizer_open(&t, "bytes", 0, &e), e);
    for (int i = 255; i >= 0; i--)
        buf_char(&all, (char)i);
    tokenizer_encode(&t, all.data, 256, false, &ids);
    assert_int_equal(ids.n, 256);
    assert_int_equal(ids.id[0], 256);
    assert_int_equal(ids.id[255], 1);
    decode_all(&t, &ids, &back);
    assert_int_equal(back.len, 256);
    assert_memory_equal(back.data, all.data, 256);
    struct tok_decode d;
    tok_decode_init(&d, &t);
    assert_fails(tok_decode_add(&d, 257, &back, &e), ERR_INVALID, e, "257");
    buf_free(&all);
    buf_free(&back);
    ids_free(&ids);
    tokenizer_close(&t);
}

/* --- files that are not what they should be ------------------------------------------------ */
static void what_is_not_supported_is_refused_by_name(void **state)
{
#define HEAD "{\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, \"decoder\": {\"type\": \"ByteLevel\"}, "
    const struct {
        const char *text, *says;
    } row[] = {
        {"", "JSON"},
        {"[1]", "no \"model\""},
        {HEAD "\"model\": {\"type\": \"Unigram\"}}", "other than BPE"},
        {"{\"model\": {\"type\": \"BPE\"}, \"pre_tokenizer\": {\"type\": \"Whitespace\"}}", "pre_tokenizer"},
        {HEAD "\"normalizer\": {\"type\": \"Lowercase\"}, \"model\": {\"type\": \"BPE\"}}", "normalizer"},
        {HEAD "\"model\": {\"type\": \"BPE\", \"dropout\": 0.1, \"vocab\": {}, \"merges\": []}}", "dropout"},
        {HEAD "\"model\": {\"type\": \"BPE\", \"byte_fallback\": true}}", "byte_fallback"},
        {HEAD "\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\"}}", "unk_token"},
        {HEAD "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 1}}}", "merges are missing"},
        {HEAD "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": -1}, \"merges\": []}}", "\"a\""},
        {HEAD "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 1, \"b\": 1}, \"merges\": []}}", "both"},
        {HEAD "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 1}, \"merges\": [\"a b\"]}}", "a b"},
        {HEAD "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 1}, \"merges\": [\"ab\"]}}", "not two tokens"},
        {HEAD "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 1}, \"merges\": []}}", "byte 0x00"},
    };
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "t.json");
    struct tokenizer t;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        assert_ok(fs_replace(path, row[i].text, strlen(row[i].text), &e), e);
        assert_fails(tokenizer_open(&t, path, 0, &e), ERR_INVALID, e, row[i].says);
        assert_has(e.text, path);
    }
    assert_fails(tokenizer_open(&t, dir, 0, &e), ERR_INVALID, e, "folder");
    assert_fails(tokenizer_open(&t, "/nowhere/t.json", 0, &e), ERR_NOT_FOUND, e, "nowhere");
    assert_ok(fs_replace(path, "\x1F\x8B\x08junk", 7, &e), e);
    assert_fails(tokenizer_open(&t, path, 0, &e), ERR_INVALID, e, "gzip");
    free(path);
    tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_strings_have_the_ids_of_the_library_and_decode),
        cmocka_unit_test(corpora_have_the_digests_of_the_library),
        cmocka_unit_test(chunks_do_not_change_ids),
        cmocka_unit_test(a_stream_forgets_what_it_has_encoded),
        cmocka_unit_test(any_bytes_come_back_as_normal_text),
        cmocka_unit_test(the_heap_merges_as_the_plain_loop_does),
        cmocka_unit_test(special_text_is_text_on_request),
        cmocka_unit_test(a_small_vocabulary_keeps_bytes_first_merges_and_runs_of_spaces),
        cmocka_unit_test(a_vocabulary_has_room_for_what_cannot_be_left_out),
        cmocka_unit_test(bytes_are_themselves),
        cmocka_unit_test(what_is_not_supported_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
