/* test_table.c - one table in five forms; what is rounded and what is not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/err.h"
#include "coordinator/table.h"

static struct table example(void)
{
    static const char *const cols[] = {"name", "k", "ev", "none"};
    struct table t = {0};

    for (size_t i = 0; i < ARRAY_LEN(cols); i++)
        table_add_col(&t, cols[i]);
    struct cell *row = table_add_row(&t);
    cell_set_text(&row[0], "a_b, \"c\"");
    cell_set_i64(&row[1], 8);
    cell_set_f64(&row[2], 1.0 / 3);
    row = table_add_row(&t);
    cell_set_text(&row[0], "\xc3\xa4|x");
    cell_set_i64(&row[1], 16);
    cell_set_f64(&row[2], NAN);
    return t;
}

static void expect(enum table_format f, const char *want)
{
    struct table t = example();
    struct buf b = {0};

    table_print(&t, f, false, &b);
    assert_string_equal(b.data, want);
    buf_free(&b);
    table_free(&t);
}

static void test_text_aligns_and_rounds(void **state)
{
    (void)state;
    expect(TABLE_TEXT, "name       k      ev  none\n"
                       "a_b, \"c\"   8  0.3333     -\n"
                       "\xc3\xa4|x       16       -     -\n");
}

static void test_csv_and_json_keep_every_bit(void **state)
{
    (void)state;
    expect(TABLE_CSV, "name,k,ev,none\n\"a_b, \"\"c\"\"\",8,0.3333333333333333,\n\xc3\xa4|x,16,,\n");
    expect(TABLE_JSON, "[\n  {\n    \"name\": \"a_b, \\\"c\\\"\",\n    \"k\": 8,\n    \"ev\": 0.3333333333333333,\n"
                       "    \"none\": null\n  },\n  {\n    \"name\": \"\xc3\xa4|x\",\n    \"k\": 16,\n    \"ev\": null,\n"
                       "    \"none\": null\n  }\n]\n");
}

static void test_markdown_and_latex_escape(void **state)
{
    (void)state;
    expect(TABLE_MD, "| name | k | ev | none |\n|---|---:|---:|---:|\n| a_b, \"c\" | 8 | 0.3333 | - |\n"
                     "| \xc3\xa4\\|x | 16 | - | - |\n");
    expect(TABLE_LATEX, "% \\usepackage{booktabs}\n\\begin{tabular}{lrrr}\n\\toprule\nname & k & ev & none \\\\\n\\midrule\n"
                        "a\\_b, \"c\" & 8 & 0.3333 & - \\\\\n\xc3\xa4\\textbar{}x & 16 & - & - \\\\\n\\bottomrule\n\\end{tabular}\n");
}

static void test_numbers(void **state)
{
    static const struct {
        double v;
        const char *want;
    } row[] = {{0, "0"}, {-0.0, "0"}, {0.82341, "0.8234"}, {12.5, "12.5"}, {123456, "123456"}, {1.2e-7, "1.2e-07"},
               {1e20, "1e+20"}, {-3.00004, "-3"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct buf b = {0};

        table_number(&b, row[i].v);
        assert_string_equal(b.data, row[i].want);
        buf_free(&b);
    }
}

static void test_columns_are_dropped_and_chosen(void **state)
{
    static const char *const keep[] = {"k"}, *const order[] = {"ev", "nowhere", "name"};
    struct table t = example();

    (void)state;
    table_drop_empty(&t);
    assert_int_equal(t.n_cols, 3);
    table_select(&t, order, ARRAY_LEN(order));
    assert_int_equal(t.n_cols, 2);
    assert_string_equal(t.cols[0], "ev");
    assert_string_equal(table_cell(&t, 0, 1)->text, "a_b, \"c\"");
    table_free(&t);

    t = example();
    t.cells[t.n_cols + 1].i = 8; /* k is 8 in both */
    table_drop_constant(&t, keep, 1);
    assert_int_equal(table_col(&t, "k"), 1);
    assert_int_equal(table_col(&t, "none"), -1);
    table_drop_constant(&t, NULL, 0);
    assert_int_equal(table_col(&t, "k"), -1);
    table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_aligns_and_rounds),
        cmocka_unit_test(test_csv_and_json_keep_every_bit),
        cmocka_unit_test(test_markdown_and_latex_escape),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_columns_are_dropped_and_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
