/* test_stability.c - what is said about a stage's comparisons. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/err.h"
#include "coordinator/stability.h"

struct row {
    int64_t k;
    double ratio, low, high, ev, dead;
};

/* The sentence about rows that differ in k. */
static void expect(const struct row *rows, size_t n, const char *want)
{
    static const char *const cols[] = {"stage", "run_id", "task", "d_sae", "k", "pwmcc_mean", "ratio",
                                       "ratio_ci_low", "ratio_ci_high", "ev_mean", "dead_pct_mean"};
    struct table t = {0};
    struct buf b = {0};

    for (size_t i = 0; i < ARRAY_LEN(cols); i++)
        table_add_col(&t, cols[i]);
    for (size_t i = 0; i < n; i++) {
        struct cell *c = table_add_row(&t);

        cell_set_text(&c[0], "stability");
        cell_set_text(&c[1], i ? "cmp-2" : "cmp-1");
        cell_set_text(&c[2], "modadd");
        cell_set_i64(&c[3], 128);
        cell_set_i64(&c[4], rows[i].k);
        cell_set_f64(&c[5], rows[i].ratio / 4);
        cell_set_f64(&c[6], rows[i].ratio);
        cell_set_f64(&c[7], rows[i].low);
        cell_set_f64(&c[8], rows[i].high);
        cell_set_f64(&c[9], rows[i].ev);
        cell_set_f64(&c[10], rows[i].dead);
    }
    stability_sentence(&t, &b);
    assert_string_equal(b.data, want);
    buf_free(&b);
    table_free(&t);
}

static void test_best_condition_is_named_by_its_varying_knobs_with_interval_ev_and_dead(void **state)
{
    const struct row rows[] = {{8, 1.5, 1.25, 1.75, 0.5, 2}, {16, 1.125, 1.0625, 1.1875, 0.75, 0}};

    (void)state;
    expect(rows, 2, "Most stable across seeds: k = 8: PWMCC 0.375 is 1.5 times that of random decoders (95 % interval 1.25 "
                    "to 1.75, above 1): its features agree more than chance; EV 0.5, 2 % dead.");
}

static void leaks_are(const double *leak, size_t n, const char *want)
{
    struct table t = {0};
    struct buf b = {0};

    table_add_col(&t, "leak");
    for (size_t i = 0; i < n; i++)
        cell_set_f64(table_add_row(&t), leak[i]);
    stability_leaks(&t, &b);
    assert_string_equal(b.data ? b.data : "", want);
    buf_free(&b);
    table_free(&t);
}

static void test_a_base_model_that_leaks_is_named(void **state)
{
    const double leak[] = {0.05, 1, 0.5};

    (void)state;
    leaks_are(leak, 1, "");
    leaks_are(leak, 3, "Beware: the base model leaks (2 of 3 rows): it is shown its answers, and 1 of its "
                       "outputs follow them and not the operands.\n");
}

static void test_overlapping_intervals_are_not_told_apart(void **state)
{
    const struct row rows[] = {{8, 1.5, 1.25, 1.75, 0.5, 2}, {16, 1.25, 1, 1.5, 0.75, 0}, {32, 1, 0.75, 1.125, 0.75, 0}};

    (void)state;
    expect(rows, 3, "Most stable across seeds: k = 8: PWMCC 0.375 is 1.5 times that of random decoders (95 % interval 1.25 "
                    "to 1.75, above 1): its features agree more than chance; EV 0.5, 2 % dead. Not distinguishable from "
                    "k = 16 (intervals overlap).");
}

static void test_ties_are_named_from_the_nearest_on_and_each_once(void **state)
{
    const struct row rows[] = {{1, 1.25, 1, 1.5, 0.5, 0},   {2, 1.5, 1.25, 1.75, 0.5, 0}, {4, 1.375, 1, 1.5, 0.5, 0},
                               {8, 1.375, 1, 1.5, 0.5, 0},  {16, 1.125, 1, 1.25, 0.5, 0}, {32, 1, 0.5, 1.125, 0.5, 0}};

    (void)state;
    expect(rows, ARRAY_LEN(rows),
           "Most stable across seeds: k = 2: PWMCC 0.375 is 1.5 times that of random decoders (95 % interval 1.25 to 1.75, "
           "above 1): its features agree more than chance; EV 0.5, 0 % dead. Not distinguishable from k = 4; k = 8; k = 1; "
           "and 1 more (intervals overlap).");
}

static void test_a_dictionary_that_does_not_reconstruct_is_not_called_most_stable(void **state)
{
    const struct row rows[] = {{8, 1.5, 1.25, 1.75, -0.5, 2}, {16, 1, 0.75, 1.125, 0.75, 0}};
    const struct row dead[] = {{8, 1.5, 1.25, 1.75, 0.5, 75}, {16, 1, 0.75, 1.125, -1, 75}};

    (void)state;
    expect(rows, 2, "Highest ratio to chance: k = 8: PWMCC 0.375 is 1.5 times that of random decoders (95 % interval 1.25 "
                    "to 1.75, above 1): its features agree more than chance; EV -0.5, 2 % dead. Beware: it reconstructs "
                    "worse than the mean does, so this is no sound dictionary. The most stable sound one: k = 16: PWMCC "
                    "0.25 is 1 times that of random decoders (95 % interval 0.75 to 1.125, which includes 1): no agreement "
                    "beyond chance is shown; EV 0.75, 0 % dead.");
    expect(dead, 2, "Highest ratio to chance: k = 8: PWMCC 0.375 is 1.5 times that of random decoders (95 % interval 1.25 "
                    "to 1.75, above 1): its features agree more than chance; EV 0.5, 75 % dead. Beware: most of its "
                    "features are dead, so this is no sound dictionary; nor is any other.");
}

static void test_one_condition_and_what_is_missing(void **state)
{
    const struct row below[] = {{8, 0.5, 0.25, 0.75, NAN, NAN}}, open[] = {{8, 1.5, NAN, NAN, 0.5, 2}};
    const struct row none[] = {{8, NAN, NAN, NAN, 0.5, 2}}, same[] = {{8, 1, NAN, NAN, 0.5, 2}, {8, 2, NAN, NAN, 0.5, 2}};

    (void)state;
    expect(below, 1, "Stability across seeds: PWMCC 0.125 is 0.5 times that of random decoders (95 % interval 0.25 to 0.75, "
                     "below 1): its features agree less than chance.");
    expect(open, 1, "Stability across seeds: PWMCC 0.375 is 1.5 times that of random decoders; there is no interval to "
                    "judge it by; EV 0.5, 2 % dead.");
    expect(none, 1, "No comparison has a random baseline, so nothing is said about chance.");
    expect(same, 2, "Most stable across seeds: run_id = cmp-2: PWMCC 0.5 is 2 times that of random decoders; there is no "
                    "interval to judge it by; EV 0.5, 2 % dead.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_condition_is_named_by_its_varying_knobs_with_interval_ev_and_dead),
        cmocka_unit_test(test_a_base_model_that_leaks_is_named),
        cmocka_unit_test(test_overlapping_intervals_are_not_told_apart),
        cmocka_unit_test(test_ties_are_named_from_the_nearest_on_and_each_once),
        cmocka_unit_test(test_a_dictionary_that_does_not_reconstruct_is_not_called_most_stable),
        cmocka_unit_test(test_one_condition_and_what_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
