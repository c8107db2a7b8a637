/* test_ytree.c - YAML becomes a tree that knows its places; hostile files are refused at once. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/ytree.h"

static struct ynode *parse(struct pool *p, const char *text, size_t len, struct buf *errors)
{
    struct ynode *n = NULL;
    enum err_code rc = ytree_parse(p, "s.yaml", text, len, &n, errors);

    assert_int_equal(rc == ERR_OK, n != NULL);
    assert_int_equal(rc == ERR_OK, errors->len == 0);
    return n;
}

static void expect_error(const char *text, size_t len, const char *error)
{
    struct pool p = {0};
    struct buf errors = {0};

    assert_null(parse(&p, text, len, &errors));
    if (strcmp(errors.data, error) != 0)
        fail_msg("got  %swant %s", errors.data, error);
    buf_free(&errors);
    pool_free(&p);
}

static void nodes_know_line_and_column(void **state)
{
    struct pool p = {0};
    struct buf errors = {0};
    const char *text = "a: 1\nb:\n  - x\n  - {c: \"q\"}\n";
    struct ynode *root = parse(&p, text, strlen(text), &errors);
    struct ynode *c = ytree_get(ytree_get(root, "b")->items[1], "c");

    (void)state;
    assert_int_equal(root->n, 2);
    assert_string_equal(ytree_get(root, "a")->text, "1");
    assert_false(ytree_get(root, "a")->is_quoted);
    assert_int_equal(c->line, 4);
    assert_int_equal(c->col, 9);
    assert_true(c->is_quoted);
    assert_null(ytree_get(root, "z"));
    pool_free(&p);
}

static void every_kind_of_bad_yaml_has_its_place(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "s.yaml:1:1: the file is empty\n"},
        {"# only a comment\n", "s.yaml:1:1: the file is empty\n"},
        {"a: 1\nb: 2\na: 3\n", "s.yaml:3:1: a: duplicate key: it is also on line 1, column 1\n"},
        {"a: 1\n---\nb: 2\n", "s.yaml:2:1: a second document starts here: only one is allowed\n"},
        {"a: *x\n", "s.yaml:1:4: alias *x: there is no anchor &x before it\n"},
        {"a: &x [1, *x]\n", "s.yaml:1:11: alias *x: it stands inside what it stands for\n"},
        {"a: &x {k: 1}\nb:\n  <<: *x\n",
         "s.yaml:3:3: <<: merge keys are not supported: write the keys out, or use defaults:\n"},
        {"a: !!int 3\n", "s.yaml:1:4: tag:yaml.org,2002:int: tags are not supported\n"},
        {"[a]: 3\n", "s.yaml:1:1: a key has to be a single word, not a list or mapping\n"},
        {"a: \"x\\0y\"\n", "s.yaml:1:4: the text holds a NUL character\n"},
        {"a: caf\xe9\n", "s.yaml:1:7: not UTF-8 text: incomplete UTF-8 octet sequence (byte 0xe9)\n"},
        {"b: 1\na: \xff\n", "s.yaml:2:4: not UTF-8 text: invalid leading UTF-8 octet (byte 0xff)\n"},
        {"a: \x01\n", "s.yaml:1:4: not UTF-8 text: control characters are not allowed (byte 0x01)\n"},
        {"a:\n\t- 1\n",
         "s.yaml:2:1: YAML: while scanning for the next token: found character that cannot start any token\n"},
        {"a: $b{k: 1}\n", "s.yaml:1:8: YAML: mapping values are not allowed in this context; "
                          "$stage{...} has to be quoted\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_error(rows[i].text, strlen(rows[i].text), rows[i].error);
}

static void two_duplicate_keys_are_both_reported(void **state)
{
    const char *text = "a: 1\na: 2\nb: {c: 1, c: 2}\n";

    (void)state;
    expect_error(text, strlen(text),
                 "s.yaml:2:1: a: duplicate key: it is also on line 1, column 1\n"
                 "s.yaml:3:11: c: duplicate key: it is also on line 3, column 5\n");
}

static void aliases_stand_for_their_nodes(void **state)
{
    struct pool p = {0};
    struct buf errors = {0}, out = {0};
    const char *text = "a: &x [1, 2]\nb: *x\n";
    struct ynode *root = parse(&p, text, strlen(text), &errors);

    (void)state;
    ytree_flow(root, &out);
    assert_string_equal(out.data, "{a: [1, 2], b: [1, 2]}");
    buf_free(&out);
    pool_free(&p);
}

static void an_alias_bomb_is_refused(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_str(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++) {
        buf_fmt(&text, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            buf_fmt(&text, "%s*a%d", j ? ", " : "", i - 1);
        buf_str(&text, "]\n");
    }
    expect_error(text.data, text.len,
                 "s.yaml:5:45: alias *a3: aliases expand to more than 100000 nodes\n");
    buf_free(&text);
}

static void deep_and_long_files_are_refused(void **state)
{
    size_t n = 100000;
    char *text = malloc(YTREE_BYTES_MAX + 1);

    (void)state;
    assert_non_null(text);
    memset(text, '[', n);
    expect_error(text, n, "s.yaml:1:65: nested deeper than 64 levels\n");
    memset(text, 'x', YTREE_BYTES_MAX + 1);
    expect_error(text, YTREE_BYTES_MAX + 1,
                 "s.yaml:1:1: 1048577 bytes are more than the 1048576 that are read\n");
    free(text);
}

static void aliases_cannot_exceed_the_depth(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_str(&text, "a: &a ");
    for (int i = 0; i < 40; i++)
        buf_char(&text, '[');
    for (int i = 0; i < 40; i++)
        buf_char(&text, ']');
    buf_str(&text, "\nb: ");
    for (int i = 0; i < 30; i++)
        buf_char(&text, '[');
    buf_str(&text, "*a");
    for (int i = 0; i < 30; i++)
        buf_char(&text, ']');
    buf_char(&text, '\n');
    expect_error(text.data, text.len, "s.yaml:2:34: alias *a: nested deeper than 64 levels\n");
    buf_free(&text);
}

static void every_prefix_of_a_file_is_survived(void **state)
{
    const char *text = "sweep: &s x\nstages: {a: [1, \"two\", *s], b: |\n  text\n  }\n...\n";

    (void)state;
    for (size_t n = 0; n <= strlen(text); n++) {
        struct pool p = {0};
        struct buf errors = {0};

        parse(&p, text, n, &errors);
        buf_free(&errors);
        pool_free(&p);
    }
}

static void only_plain_words_are_null(void **state)
{
    struct pool p = {0};
    struct buf errors = {0};
    const char *text = "[null, ~, '', \"null\", no, nul]";
    struct ynode *root = parse(&p, text, strlen(text), &errors);
    const bool want[] = {true, true, false, false, false, false};

    (void)state;
    for (size_t i = 0; i < root->n; i++)
        assert_int_equal(ynode_is_null(root->items[i]), want[i]);
    pool_free(&p);
}

static void written_trees_read_back_the_same(void **state)
{
    const char *text = "sweep: s\ntitle: \"a: b # c\"\nstages:\n  m: {kind: mock, tag: 'no', "
                       "grid: {seed: [1, -2], tag: [a b, '$x{k: 1}', \"\\t\", '-', null]}}\n";
    struct pool p = {0};
    struct buf errors = {0}, once = {0}, twice = {0}, flow1 = {0}, flow2 = {0};
    struct ynode *a = parse(&p, text, strlen(text), &errors), *b;

    (void)state;
    ytree_block(a, 3, &once);
    b = parse(&p, once.data, once.len, &errors);
    ytree_block(b, 3, &twice);
    assert_string_equal(once.data, twice.data);
    ytree_flow(a, &flow1);
    ytree_flow(b, &flow2);
    assert_string_equal(flow1.data, flow2.data);
    buf_free(&once);
    buf_free(&twice);
    buf_free(&flow1);
    buf_free(&flow2);
    pool_free(&p);
}

static void edits_replace_add_and_drop(void **state)
{
    struct pool p = {0};
    struct buf errors = {0}, out = {0};
    const char *text = "{a: 1, b: 2}";
    struct ynode *root = parse(&p, text, strlen(text), &errors);
    struct ynode *copy = ytree_copy(&p, root);

    (void)state;
    ytree_put(&p, copy, ynode_scalar(&p, "b", false, NULL), ynode_scalar(&p, "3", false, NULL));
    ytree_put(&p, copy, ynode_scalar(&p, "c", false, NULL), ynode_scalar(&p, "x y", false, NULL));
    ytree_drop(copy, "a");
    ytree_flow(copy, &out);
    assert_string_equal(out.data, "{b: 3, c: \"x y\"}");
    buf_reset(&out);
    ytree_flow(root, &out);
    assert_string_equal(out.data, "{a: 1, b: 2}");
    buf_free(&out);
    pool_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_line_and_column),
        cmocka_unit_test(every_kind_of_bad_yaml_has_its_place),
        cmocka_unit_test(two_duplicate_keys_are_both_reported),
        cmocka_unit_test(aliases_stand_for_their_nodes),
        cmocka_unit_test(an_alias_bomb_is_refused),
        cmocka_unit_test(deep_and_long_files_are_refused),
        cmocka_unit_test(aliases_cannot_exceed_the_depth),
        cmocka_unit_test(every_prefix_of_a_file_is_survived),
        cmocka_unit_test(only_plain_words_are_null),
        cmocka_unit_test(written_trees_read_back_the_same),
        cmocka_unit_test(edits_replace_add_and_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
