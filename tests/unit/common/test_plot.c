/* Figures: written, the same bytes twice, and no text can run anything. */
#include "tests/lib/check.h"

#include <stdio.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/plot.h"
#include "tests/lib/tmpdir.h"

static double x[5] = {1, 2, 3, 4, 5}, y[5] = {10, 0, NAN, 1, INFINITY};
static double low[5] = {9, -1, 0, 0.5, 0}, high[5] = {11, 1, 1, 1.5, 1};

static void draw(const char *dir, const char *name, const struct plot *p, struct buf *out)
{
    char *path = tmpdir_path(dir, name);
    struct err e;

    assert_ok(plot_write(path, p, &e), e);
    buf_reset(out);
    assert_ok(fs_read(path, 16 << 20, out, &e), e);
    free(path);
}

static void test_each_suffix_gives_its_format(void **state)
{
    const struct plot_line line = {.title = "a", .x = x, .y = y, .n = 5, .y_low = low, .y_high = high};
    const struct plot p = {.title = "t", .x_label = "x", .y_label = "y", .lines = &line, .n_lines = 1};
    char *dir = tmpdir_make(), *bad;
    struct buf b = {0};
    struct err e;
    (void)state;

    if (!plot_available())
        skip();
    draw(dir, "a.png", &p, &b);
    assert_memory_equal(b.data, "\x89PNG", 4);
    draw(dir, "a.pdf", &p, &b);
    assert_memory_equal(b.data, "%PDF", 4);
    draw(dir, "a.svg", &p, &b);
    assert_has(b.data, "<svg");
    bad = tmpdir_path(dir, "a.gif");
    assert_fails(plot_write(bad, &p, &e), ERR_INVALID, e, ".png, .svg or .pdf");
    free(bad);
    buf_free(&b);
    tmpdir_remove(dir);
}

static void test_equal_figures_have_equal_bytes(void **state)
{
    const struct plot_line line = {.title = "a", .x = x, .y = y, .n = 5};
    const struct plot p = {.title = "t", .is_bars = true, .lines = &line, .n_lines = 1};
    char *dir = tmpdir_make();
    struct buf a = {0}, b = {0};
    (void)state;

    if (!plot_available())
        skip();
    draw(dir, "a.png", &p, &a);
    draw(dir, "b.png", &p, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_free(&a);
    buf_free(&b);
    tmpdir_remove(dir);
}

static void test_points_that_cannot_be_shown_are_left_out(void **state)
{
    const struct plot_line all = {.title = "a", .x = x, .y = y, .n = 5};
    double x2[2] = {1, 4}, y2[2] = {10, 1};
    const struct plot_line shown = {.title = "a", .x = x2, .y = y2, .n = 2};
    struct plot p = {.title = "t", .log_y = true, .lines = &all, .n_lines = 1};
    char *dir = tmpdir_make();
    struct buf a = {0}, b = {0};
    (void)state;

    if (!plot_available())
        skip();
    draw(dir, "a.png", &p, &a);
    p.lines = &shown;
    draw(dir, "b.png", &p, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_free(&a);
    buf_free(&b);
    tmpdir_remove(dir);
}

static void test_styles_marks_and_matrices_are_drawn(void **state)
{
    static const char *const names[3] = {"left <b>", "middle", "right"};
    double at[3] = {0, 1, 2}, v[3] = {2, 1, 3}, below[3] = {1, 0.5, 2}, above[3] = {3, 2, 4};
    double cell[4] = {NAN, 0.25, 0.25, NAN};
    const struct plot_line lines[3] = {
        {.title = "intervals", .x = at, .y = v, .n = 3, .y_low = below, .y_high = above, .style = PLOT_INTERVALS},
        {.title = "scatter", .x = at, .y = above, .n = 3, .style = PLOT_SCATTER, .names = names},
        {.title = "reference", .x = at, .y = below, .n = 3, .style = PLOT_REFERENCE}};
    const struct plot_matrix matrix = {cell, 2, 2, names, names, "share"};
    struct plot p = {.title = "t", .lines = lines, .n_lines = 3, .x_at = at, .x_names = names, .n_x = 3,
                     .has_categories = true};
    char *dir = tmpdir_make();
    struct buf b = {0};
    (void)state;

    if (!plot_available())
        skip();
    draw(dir, "a.svg", &p, &b);
    assert_has(b.data, "left &lt;b>");
    assert_has(b.data, "reference");
    p = (struct plot){.title = "t", .matrix = &matrix};
    draw(dir, "b.svg", &p, &b);
    assert_has(b.data, "0.25");
    assert_has(b.data, "share");
    buf_free(&b);
    tmpdir_remove(dir);
}

static void test_a_figure_without_points_says_so(void **state)
{
    double nan[2] = {NAN, NAN};
    const struct plot_line line = {.title = "a", .x = x, .y = nan, .n = 2};
    struct plot p = {.title = "t", .log_x = true, .lines = &line, .n_lines = 1};
    char *dir = tmpdir_make();
    struct buf b = {0};
    (void)state;

    if (!plot_available())
        skip();
    draw(dir, "a.svg", &p, &b);
    assert_has(b.data, "no finite points");
    p.n_lines = 0;
    draw(dir, "b.svg", &p, &b);
    assert_has(b.data, "no finite points");
    buf_free(&b);
    tmpdir_remove(dir);
}

static void test_texts_are_shown_and_never_run(void **state)
{
    char *dir = tmpdir_make(), *trap = tmpdir_path(dir, "trap");
    char title[600];
    const struct plot_line line = {.title = title, .x = x, .y = x, .n = 5};
    struct plot p = {.title = title, .x_label = title, .y_label = "a_b ^2 {c} 'd'", .lines = &line,
                     .n_lines = 1};
    struct buf b = {0};
    (void)state;

    if (!plot_available())
        skip();
    snprintf(title, sizeof title, "it's `touch %s`\n!touch %s\nsystem('touch %s') $(touch %s) @x \\",
             trap, trap, trap, trap);
    draw(dir, "it's `x` a.svg", &p, &b);
    assert_has(b.data, "a_b ^2 {c}");
    assert_has(b.data, "`touch");
    assert_int_equal(access(trap, F_OK), -1);
    free(trap);
    buf_free(&b);
    tmpdir_remove(dir);
}

static void test_many_figures_take_one_call(void **state)
{
    const struct plot_line line = {.title = "a", .x = x, .y = x, .n = 5};
    const struct plot p[2] = {{.title = "log", .log_y = true, .lines = &line, .n_lines = 1},
                              {.title = "plain", .lines = &line, .n_lines = 1}};
    char *dir = tmpdir_make(), *both[2] = {tmpdir_path(dir, "1.png"), tmpdir_path(dir, "2.png")};
    struct buf a = {0}, b = {0};
    struct err e;
    (void)state;

    if (!plot_available())
        skip();
    assert_ok(plot_write_all((const char *const *)both, p, 2, &e), e);
    assert_ok(fs_read(both[1], 16 << 20, &a, &e), e);
    draw(dir, "alone.png", &p[1], &b); /* nothing of the first figure is left in the second */
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_free(&a);
    buf_free(&b);
    free(both[0]);
    free(both[1]);
    tmpdir_remove(dir);
}

static void test_a_folder_that_is_not_there_is_an_error(void **state)
{
    const struct plot_line line = {.title = "a", .x = x, .y = x, .n = 5};
    const struct plot p = {.title = "t", .lines = &line, .n_lines = 1};
    struct err e;
    (void)state;

    if (!plot_available())
        skip();
    assert_fails(plot_write("/nonexistent/folder/a.png", &p, &e), ERR_IO, e, "gnuplot");
}

static void test_without_gnuplot_it_is_said(void **state)
{
    const struct plot_line line = {.title = "a", .x = x, .y = x, .n = 5};
    const struct plot p = {.title = "t", .lines = &line, .n_lines = 1};
    char *path = getenv("PATH") ? strdup(getenv("PATH")) : NULL;
    struct err e;
    (void)state;

    setenv("PATH", "/nonexistent::/also/not", 1);
    assert_false(plot_available());
    assert_fails(plot_write("/tmp/a.png", &p, &e), ERR_UNAVAILABLE, e, "PATH");
    if (path)
        setenv("PATH", path, 1);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_suffix_gives_its_format),
        cmocka_unit_test(test_equal_figures_have_equal_bytes),
        cmocka_unit_test(test_points_that_cannot_be_shown_are_left_out),
        cmocka_unit_test(test_styles_marks_and_matrices_are_drawn),
        cmocka_unit_test(test_a_figure_without_points_says_so),
        cmocka_unit_test(test_texts_are_shown_and_never_run),
        cmocka_unit_test(test_many_figures_take_one_call),
        cmocka_unit_test(test_a_folder_that_is_not_there_is_an_error),
        cmocka_unit_test(test_without_gnuplot_it_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
