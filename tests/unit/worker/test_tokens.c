/* Token files: what is written is read, damage is refused; texts in units. */
#include "tests/lib/check.h"

#include "common/fs.h"
#include "tests/lib/tmpdir.h"
#include "worker/data/text.h"
#include "worker/data/tokens.h"
#include "worker/data/tokens_format.h"

static char *dir;

static int setup(void **state)
{
    (void)state;
    dir = tmpdir_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(dir);
    return 0;
}

static void write_some(const char *split, size_t n_vocab, const uint32_t *id, size_t n, size_t a_doc)
{
    struct tokens_writer w;
    struct err e;

    assert_ok(tokens_create(&w, dir, split, n_vocab, true, &e), e);
    for (size_t at = 0; at < n; at += a_doc) {
        size_t take = n - at < a_doc ? n - at : a_doc;

        assert_ok(tokens_add(&w, id + at, take, &e), e);
        tokens_end_doc(&w, 3 * take, take);
    }
    assert_ok(tokens_finish(&w, &e), e);
}

static void what_is_written_is_read(void **state)
{
    static uint32_t id[10001];
    const size_t vocab[] = {50277, 65536, 65537, 1 << 20};

    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(vocab); v++)
        for (size_t n = 0; n <= 10001; n = 10 * n + 1) {
            struct tokens t;
            struct err e;
            int32_t two[2];

            for (size_t i = 0; i < n; i++)
                id[i] = (uint32_t)((i * 7919 + n) % vocab[v]);
            write_some("train", vocab[v], id, n, 1000);
            assert_ok(tokens_open(&t, dir, "train", &e), e);
            assert_int_equal(t.n, n);
            assert_int_equal(t.n_vocab, vocab[v]);
            assert_int_equal(t.width, vocab[v] <= 65536 ? 2 : 4);
            assert_int_equal(t.n_docs, (n + 999) / 1000);
            assert_true(t.is_lines);
            assert_int_equal(tokens_n_bytes(&t), 3 * n);
            assert_int_equal(tokens_n_words(&t), n);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(tokens_get(&t, i), id[i]);
            if (n > 1) {
                tokens_copy(&t, n - 2, 2, two);
                assert_int_equal(two[1], id[n - 1]);
            }
            tokens_close(&t);
        }
}

/* Every cut and every changed byte of the header gives an error, never a crash or a wrong count. */
static void damage_is_refused(void **state)
{
    const uint32_t id[] = {1, 2, 3, 4, 5, 6, 7};
    char *path = tmpdir_path(dir, "valid.tokens");
    struct buf file = {0};
    struct tokens t;
    struct err e;

    (void)state;
    write_some("valid", 100, id, ARRAY_LEN(id), 3);
    assert_ok(fs_read(path, 1 << 20, &file, &e), e);
    for (size_t n = 0; n < file.len; n++) {
        assert_ok(fs_replace(path, file.data, n, &e), e);
        assert_true(tokens_open(&t, dir, "valid", &e) != ERR_OK);
    }
    for (size_t i = 0; i < sizeof(struct tokens_header) - 16; i++) {
        if (i >= 40 && i < 48) /* is_lines */
            continue;
        file.data[i] = (char)(file.data[i] ^ 0x81);
        assert_ok(fs_replace(path, file.data, file.len, &e), e);
        bool is_vocab = i >= 24 && i < 28; /* any number of ids up to 2^32 is one */
        if (!is_vocab)
            assert_true(tokens_open(&t, dir, "valid", &e) != ERR_OK);
        file.data[i] = (char)(file.data[i] ^ 0x81);
    }
    file.data[file.len - 1] = 1;
    assert_ok(fs_replace(path, file.data, file.len, &e), e);
    assert_ok(tokens_open(&t, dir, "valid", &e), e); /* the count of words may be anything that rises */
    tokens_close(&t);
    file.data[file.len - 8 * 6] = 77;                 /* but bytes and ids do not fall */
    assert_ok(fs_replace(path, file.data, file.len, &e), e);
    assert_fails(tokens_open(&t, dir, "valid", &e), ERR_CORRUPT, e, "valid.tokens");
    assert_fails(tokens_open(&t, dir, "nothing", &e), ERR_NOT_FOUND, e, "nothing.tokens");
    buf_free(&file);
    free(path);
}

/* --- texts --------------------------------------------------------------------------------- */
static void units(const char *text, enum text_unit unit, size_t block_bytes, struct buf *out)
{
    char *path = tmpdir_path(dir, "text.txt");
    struct text_reader r;
    struct text_piece p;
    enum err_code rc;
    struct err e;

    buf_reset(out);
    buf_str(out, "");
    assert_ok(fs_replace(path, text, strlen(text), &e), e);
    assert_ok(text_open(&r, path, unit, block_bytes, &e), e);
    while (text_next(&r, &p, &rc, &e)) {
        buf_add(out, p.text, p.n);
        if (p.is_end)
            buf_char(out, '|');
    }
    assert_int_equal(rc, ERR_OK);
    text_close(&r);
    free(path);
}

static void texts_come_in_units(void **state)
{
    struct buf out = {0};

    (void)state;
    units("one\n\ntwo\r\n  \nthree", TEXT_LINE, 0, &out);
    assert_string_equal(out.data, "one|two\r|three|");
    units("one\n\ntwo\n", TEXT_DOCUMENT, 0, &out);
    assert_string_equal(out.data, "one\n\ntwo\n|");
    units("", TEXT_DOCUMENT, 0, &out);
    assert_string_equal(out.data, "|");
    units("", TEXT_LINE, 0, &out);
    assert_string_equal(out.data, "");
    units("aaaa\n\nbb\n\ncccc\ncc\n\n\nd", TEXT_BLOCK, 5, &out);
    assert_string_equal(out.data, "aaaa\n\n|bb\n\ncccc\ncc\n\n\n|d|");
    units("no paragraph at all for a long time", TEXT_BLOCK, 2, &out);
    assert_string_equal(out.data, "no paragraph at all for a long t|ime|");
    buf_free(&out);
}

/* Larger than what is read at once: nothing is lost, whatever the unit. */
static void units_add_up_to_the_text(void **state)
{
    struct buf text = {0}, out = {0};

    (void)state;
    for (int i = 0; i < 60000; i++)
        buf_fmt(&text, "line %d%s\n", i, i % 7 ? "" : "\n");
    for (int unit = TEXT_DOCUMENT; unit <= TEXT_BLOCK; unit++) {
        size_t n = 0;

        units(text.data, unit, 3000, &out);
        for (size_t i = 0; i < out.len; i++)
            if (out.data[i] != '|')
                assert_int_equal(out.data[i], text.data[n++]);
        assert_int_equal(n, text.len);
    }
    units(text.data, TEXT_LINE, 0, &out);
    size_t n_lines = 0;
    for (size_t i = 0; i < out.len; i++)
        n_lines += out.data[i] == '|';
    assert_int_equal(n_lines, 60000);
    buf_free(&text);
    buf_free(&out);
}

static void words_are_counted_across_pieces(void **state)
{
    struct word_count w = {0};

    (void)state;
    word_count_add(&w, "  two wo", 8);
    word_count_add(&w, "rds\n", 4);
    word_count_add(&w, "\tx", 2);
    assert_int_equal(w.n, 3);
}

static void files_are_listed_in_order(void **state)
{
    static const char *const name[] = {"b.txt", "a.txt", "README.md", ".hidden", "LICENSE"};
    struct text_files f;
    struct buf sub = {0};
    struct err e;

    (void)state;
    buf_fmt(&sub, "%s/sub", dir);
    assert_ok(fs_mkdirs(sub.data, &e), e);
    assert_fails(text_list(&f, sub.data, &e), ERR_INVALID, e, "no texts");
    for (size_t i = 0; i < ARRAY_LEN(name); i++) {
        char *path = tmpdir_path(sub.data, name[i]);

        assert_ok(fs_replace(path, "x", 1, &e), e);
        free(path);
    }
    assert_ok(text_list(&f, sub.data, &e), e);
    assert_int_equal(f.n, 2);
    assert_has(f.path[0], "/a.txt");
    assert_has(f.path[1], "/b.txt");
    text_files_free(&f);
    assert_fails(text_list(&f, "/nowhere", &e), ERR_NOT_FOUND, e, "nowhere");
    buf_free(&sub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(texts_come_in_units),
        cmocka_unit_test(units_add_up_to_the_text),
        cmocka_unit_test(words_are_counted_across_pieces),
        cmocka_unit_test(files_are_listed_in_order),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
