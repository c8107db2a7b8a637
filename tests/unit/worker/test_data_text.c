/* data_make, task text: packed and by lines, splits that do not leak, nested fractions. */
#include "tests/unit/worker/jobrun.h"

#include "common/map.h"
#include "tests/lib/shipped.h"
#include "worker/data/tokens.h"

static struct jobrun jobs;

static int setup(void **state)
{
    (void)state;
    jobs = (struct jobrun){.root = tmpdir_make()};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(jobs.root);
    return 0;
}

/* data_make of <root>/<text>, byte-level unless `more` names a tokeniser. */
static enum err_code make(const char *name, const char *text, const char *more, struct err *e)
{
    struct buf knobs = {0};

    buf_fmt(&knobs, "\"task\": \"text\", \"text\": \"%s/%s\"%s%s", jobs.root, text, *more ? ", " : "", more);
    enum err_code rc = jobrun(&jobs, name, "data_make", knobs.data, "", e);
    buf_free(&knobs);
    return rc;
}

static struct tokens split_of(const char *name, const char *split)
{
    struct tokens t;
    struct buf dir = {0};
    struct err e;

    buf_fmt(&dir, "%s/%s", jobs.root, name);
    assert_ok(tokens_open(&t, dir.data, split, &e), e);
    buf_free(&dir);
    return t;
}

/* Ids of the byte-level tokeniser as text, id 0 as '|'. */
static char *text_of(const struct tokens *t, size_t from, size_t to)
{
    struct buf b = {0};

    buf_str(&b, "");
    for (size_t i = from; i < to; i++)
        buf_char(&b, tokens_get(t, i) ? (char)(tokens_get(t, i) - 1) : '|');
    return buf_steal(&b);
}

static void assert_text(const struct tokens *t, const char *want)
{
    char *got = text_of(t, 0, t->n);

    assert_string_equal(got, want);
    free(got);
}

static void given_folders_are_packed_with_separators(void **state)
{
    struct tokens t;
    struct err e;

    (void)state;
    jobrun_file(&jobs, "given/train/b.txt", "second text\n");
    jobrun_file(&jobs, "given/train/a.txt", "first");
    jobrun_file(&jobs, "given/train/empty.txt", "");
    jobrun_file(&jobs, "given/valid/v.txt", "held out");
    jobrun_file(&jobs, "given/beside.txt", "not part of it");
    assert_ok(make("packed", "given", "", &e), e);
    t = split_of("packed", "train");
    assert_text(&t, "first|second text\n");
    assert_int_equal(t.n_docs, 2);
    assert_int_equal(t.token_at[1], 6); /* the separator belongs to the first */
    assert_int_equal(t.byte_at[1], 5);
    assert_int_equal(tokens_n_bytes(&t), 17);
    assert_int_equal(tokens_n_words(&t), 3);
    assert_false(t.is_lines);
    tokens_close(&t);
    t = split_of("packed", "valid");
    assert_text(&t, "held out");
    tokens_close(&t);
    t = split_of("packed", "test");
    assert_int_equal(t.n, 0);
    tokens_close(&t);
    assert_near(jobrun_metric(&jobs, "packed", "tokens_train"), 18, 0);
    assert_near(jobrun_metric(&jobs, "packed", "vocab_size"), 257, 0);
}

static void lines_are_sequences_of_at_most_max_length(void **state)
{
    struct tokens t;
    struct err e;

    (void)state;
    jobrun_file(&jobs, "lines/train/a.txt", "one two\n\n   \nthree four five\nend");
    assert_ok(make("by_line", "lines", "\"layout\": \"line\", \"max_length\": 7", &e), e);
    t = split_of("by_line", "train");
    assert_text(&t, "one twothree fend");
    assert_true(t.is_lines);
    assert_int_equal(t.n_docs, 3);
    assert_int_equal(t.token_at[2], 14);
    assert_int_equal(t.byte_at[2], 14);
    assert_int_equal(t.word_at[2], 4);
    tokens_close(&t);
}

static void a_tokeniser_is_kept_beside_the_ids(void **state)
{
    struct tokenizer tok;
    struct buf more = {0}, dir = {0};
    struct ids ids = {0};
    struct tokens t;
    struct err e;

    (void)state;
    jobrun_file(&jobs, "bpe/train/a.txt", "Hello world, hello <|endoftext|> 42");
    buf_fmt(&more, "\"tokenizer\": \"%s\", \"n_vocab\": 5000",
            shipped_path("sweeps/data/tokenizer/20B_tokenizer.json.gz"));
    assert_ok(make("bpe_ids", "bpe", more.data, &e), e);
    buf_fmt(&dir, "%s/bpe_ids", jobs.root);
    assert_ok(tokens_tokenizer(&tok, dir.data, &e), e);
    assert_int_equal(tok.n_vocab, 5000);
    tokenizer_encode(&tok, "Hello world, hello <|endoftext|> 42", 35, true, &ids);
    t = split_of("bpe_ids", "train");
    assert_int_equal(t.n, ids.n);
    for (size_t i = 0; i < ids.n; i++)
        assert_int_equal(tokens_get(&t, i), ids.id[i]);
    tokens_close(&t);
    tokenizer_close(&tok);
    ids_free(&ids);
    buf_free(&more);
    buf_free(&dir);
}

/* --- splits -------------------------------------------------------------------------------- */
/* 2000 lines of which each stands there twice, in paragraphs of five. */
static void write_lines(const char *path)
{
    struct buf text = {0};

    for (int i = 0; i < 4000; i++)
        buf_fmt(&text, "line number %d of the text%s\n", i * 7 % 2000, i % 5 == 4 ? "\n" : "");
    jobrun_file(&jobs, path, text.data);
    buf_free(&text);
}

static void collect(struct map *m, const char *name, const char *split, int64_t value)
{
    struct tokens t = split_of(name, split);

    for (size_t d = 0; d < t.n_docs; d++) {
        char *text = text_of(&t, t.token_at[d], t.token_at[d + 1]);
        bool is_new;
        int64_t *v = map_put(m, text, strlen(text) - (strchr(text, '|') != NULL), &is_new);

        *v = is_new ? value : *v | value;
        free(text);
    }
    tokens_close(&t);
}

static void no_unit_is_in_two_splits(void **state)
{
    static const char *const unit[] = {"line", "block"};
    char more[160], name[32];
    struct err e;

    (void)state;
    write_lines("twice/a.txt");
    for (size_t u = 0; u < ARRAY_LEN(unit); u++) {
        struct map m = {0};
        size_t n[8] = {0};

        snprintf(name, sizeof name, "unit_%s", unit[u]);
        snprintf(more, sizeof more, "\"split\": \"%s\", \"layout\": \"%s\", \"block_bytes\": 300, "
                 "\"valid_fraction\": 0.2, \"test_fraction\": 0.1", unit[u], u ? "packed" : "line");
        assert_ok(make(name, "twice", more, &e), e);
        collect(&m, name, "train", 1);
        collect(&m, name, "valid", 2);
        collect(&m, name, "test", 4);
        for (size_t i = 0; i < m.n; i++)
            n[m.entries[i].value]++;
        assert_int_equal(n[1] + n[2] + n[4], m.n);
        assert_near((double)n[2] / (double)m.n, 0.2, 0.06);
        assert_near((double)n[4] / (double)m.n, 0.1, 0.05);
        map_free(&m);
    }
}

static void equal_documents_go_together(void **state)
{
    struct map m = {0};
    struct err e;

    (void)state;
    for (int i = 0; i < 60; i++) {
        char path[64], text[64];

        snprintf(path, sizeof path, "docs/%02d.txt", i);
        snprintf(text, sizeof text, "document %d\n", i / 2);
        jobrun_file(&jobs, path, text);
    }
    assert_ok(make("by_doc", "docs", "\"split\": \"document\", \"valid_fraction\": 0.4", &e), e);
    collect(&m, "by_doc", "train", 1);
    collect(&m, "by_doc", "valid", 2);
    collect(&m, "by_doc", "test", 4);
    assert_int_equal(m.n, 30);
    for (size_t i = 0; i < m.n; i++)
        assert_true(m.entries[i].value == 1 || m.entries[i].value == 2 || m.entries[i].value == 4);
    map_free(&m);
}

static void a_smaller_fraction_is_a_subset(void **state)
{
    static const char *const fraction[] = {"0.2", "0.5", "1"};
    char more[200], name[32];
    struct map m = {0};
    size_t n[8] = {0};
    struct err e;

    (void)state;
    write_lines("part/train/a.txt");
    write_lines("part/valid/a.txt");
    for (size_t i = 0; i < ARRAY_LEN(fraction); i++) {
        snprintf(name, sizeof name, "part_%zu", i);
        snprintf(more, sizeof more, "\"layout\": \"line\", \"data_fraction\": %s", fraction[i]);
        assert_ok(make(name, "part", more, &e), e);
        collect(&m, name, "train", 1 << i);
        struct tokens t = split_of(name, "valid");
        assert_int_equal(t.n_docs, 4000); /* what is measured on stays */
        tokens_close(&t);
    }
    for (size_t i = 0; i < m.n; i++)
        n[m.entries[i].value]++;
    assert_int_equal(n[7] + n[6] + n[4], 2000);
    assert_near((double)n[7] / 2000, 0.2, 0.04);
    assert_near((double)(n[7] + n[6]) / 2000, 0.5, 0.05);
    map_free(&m);
}

static void the_seed_decides_the_split(void **state)
{
    struct tokens a, b, c;
    struct err e;

    (void)state;
    write_lines("seeds/a.txt");
    assert_ok(make("s1", "seeds", "\"split\": \"line\", \"seed\": 1", &e), e);
    assert_ok(make("s1b", "seeds", "\"split\": \"line\", \"seed\": 1", &e), e);
    assert_ok(make("s2", "seeds", "\"split\": \"line\", \"seed\": 2", &e), e);
    a = split_of("s1", "valid");
    b = split_of("s1b", "valid");
    c = split_of("s2", "valid");
    assert_int_equal(a.map_size, b.map_size);
    assert_memory_equal(a.map, b.map, a.map_size);
    assert_true(a.map_size != c.map_size || memcmp(a.map, c.map, a.map_size) != 0);
    tokens_close(&a);
    tokens_close(&b);
    tokens_close(&c);
}

static void what_cannot_be_is_refused(void **state)
{
    struct err e;

    (void)state;
    jobrun_file(&jobs, "flat/a.txt", "a text without folders");
    assert_fails(make("bad1", "flat", "", &e), ERR_INVALID, e, "given wants folders");
    assert_ok(make("good", "flat", "\"split\": \"test\"", &e), e);
    assert_near(jobrun_metric(&jobs, "good", "tokens_test"), 22, 0);
    assert_fails(make("bad2", "nowhere", "", &e), ERR_NOT_FOUND, e, "nowhere");
    assert_fails(make("bad3", "flat", "\"tokenizer\": \"/nowhere.json\"", &e), ERR_NOT_FOUND, e, "/nowhere.json");
    assert_fails(make("bad4", "flat", "\"n_vocab\": 12", &e), ERR_INVALID, e, "257");
    assert_fails(jobrun(&jobs, "bad5", "data_make", "\"task\": \"text\"", "", &e), ERR_INVALID, e, "text: missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_folders_are_packed_with_separators),
        cmocka_unit_test(lines_are_sequences_of_at_most_max_length),
        cmocka_unit_test(a_tokeniser_is_kept_beside_the_ids),
        cmocka_unit_test(no_unit_is_in_two_splits),
        cmocka_unit_test(equal_documents_go_together),
        cmocka_unit_test(a_smaller_fraction_is_a_subset),
        cmocka_unit_test(the_seed_decides_the_split),
        cmocka_unit_test(what_cannot_be_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
