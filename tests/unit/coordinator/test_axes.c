/* test_axes.c - what axes run through, how they combine, what is refused before it is made. */
#include <math.h>

#include "tests/unit/coordinator/sweep_jobs.h"

#define MOCK(body) "sweep: x\nstages:\n  a: {kind: mock, " body "}\n"

static void values_are_canonical_and_in_order(void **state)
{
    static const struct {
        const char *text, *knobs;
    } rows[] = {
        {MOCK("grid: {seed: [3, 1, 2]}"), "{\"seed\":3}\n{\"seed\":1}\n{\"seed\":2}\n"},
        {MOCK("grid: {seed: 5}"), "{\"seed\":5}\n"},
        {MOCK("grid: {seed: {range: [1, 4]}}"), "{\"seed\":1}\n{\"seed\":2}\n{\"seed\":3}\n"},
        {MOCK("grid: {seed: {range: [1, 10, 4]}}"), "{\"seed\":1}\n{\"seed\":5}\n{\"seed\":9}\n"},
        {MOCK("grid: {seed: {range: [3, 0, -1]}}"), "{\"seed\":3}\n{\"seed\":2}\n{\"seed\":1}\n"},
        {MOCK("grid: {sleep: {range: [0.1, 0.4, 0.1]}}"),
         "{\"sleep\":0.1}\n{\"sleep\":0.2}\n{\"sleep\":0.3}\n"},
        {MOCK("grid: {seed: {geom: [64, 1024, 5]}}"),
         "{\"seed\":64}\n{\"seed\":128}\n{\"seed\":256}\n{\"seed\":512}\n{\"seed\":1024}\n"},
        {MOCK("grid: {seed: {geom: [10, 1000, 4]}}"),
         "{\"seed\":10}\n{\"seed\":46}\n{\"seed\":215}\n{\"seed\":1000}\n"},
        {MOCK("grid: {seed: [1, 2], steps: [1, 5]}"),
         "{\"seed\":1}\n{\"seed\":1,\"steps\":5}\n{\"seed\":2}\n{\"seed\":2,\"steps\":5}\n"},
        {MOCK("zip: {seed: [1, 2, 3], steps: [4, 4, 5]}"),
         "{\"seed\":1,\"steps\":4}\n{\"seed\":2,\"steps\":4}\n{\"seed\":3,\"steps\":5}\n"},
        {MOCK("zip: [{seed: [1, 2], steps: [4, 5]}, {sleep: [1, 2], tag: [u, v]}]"),
         "{\"seed\":1,\"sleep\":1,\"steps\":4,\"tag\":\"u\"}\n"
         "{\"seed\":1,\"sleep\":2,\"steps\":4,\"tag\":\"v\"}\n"
         "{\"seed\":2,\"sleep\":1,\"steps\":5,\"tag\":\"u\"}\n"
         "{\"seed\":2,\"sleep\":2,\"steps\":5,\"tag\":\"v\"}\n"},
        {MOCK("grid: {seed: {range: [0, 4]}}, exclude: [{seed: [1, 2]}, {seed: 9}]"),
         "{}\n{\"seed\":3}\n"},
        {MOCK("grid: {seed: [1, 2], steps: [4, 5]}, exclude: {seed: 1, steps: 5}"),
         "{\"seed\":1,\"steps\":4}\n{\"seed\":2,\"steps\":4}\n{\"seed\":2,\"steps\":5}\n"},
        {MOCK("grid: {seed: {range: [0, 9]}}, when: {seed: {range: [2, 9, 3]}}"),
         "{\"seed\":2}\n{\"seed\":5}\n{\"seed\":8}\n"},
        {MOCK("grid: {seed: [1, 2], steps: [4, 5]}, when: [{seed: 1, steps: 4}, {a.seed: 2}]"),
         "{\"seed\":1,\"steps\":4}\n{\"seed\":2,\"steps\":4}\n{\"seed\":2,\"steps\":5}\n"},
        {MOCK("tag: u, grid: {seed: [1, 2]}, when: {tag: [u, v], seed: 2}"),
         "{\"seed\":2,\"tag\":\"u\"}\n"},
        {MOCK("grid: {threads: [1, 2]}"), "{}\n{}\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        sweep_stage_is(rows[i].text, "a", rows[i].knobs);
}

static void bad_axes_are_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {MOCK("grid: {}"), "s.yaml:3:25: grid: expected {knob: [values], ...}\n"},
        {MOCK("grid: {seed: []}"), "s.yaml:3:32: seed: the axis is empty\n"},
        {MOCK("grid: {seed: [1, 2, 1]}"), "s.yaml:3:32: seed: the value 1 comes twice\n"},
        {MOCK("grid: {sleep: [0.5, 5e-1]}"), "s.yaml:3:33: sleep: the value 0.5 comes twice\n"},
        {MOCK("grid: {seed: [1, x]}"), "s.yaml:3:36: seed: expected an integer, got \"x\"\n"},
        {MOCK("grid: {seed: {rnge: [1, 2]}}"),
         "s.yaml:3:32: seed: expected a list, {range: [a, b, step]} or {geom: [a, b, n]}\n"},
        {MOCK("grid: {seed: {range: [1]}}"), "s.yaml:3:40: seed: expected 2 or 3 numbers\n"},
        {MOCK("grid: {seed: {range: [2, 2]}}"),
         "s.yaml:3:40: seed: range: [2, 2) in steps of 1 is empty\n"},
        {MOCK("grid: {seed: {range: [0, 9, 0]}}"),
         "s.yaml:3:40: seed: range: [0, 9) in steps of 0 is empty\n"},
        {MOCK("grid: {seed: {range: [-1, 3]}}"),
         "s.yaml:3:40: seed: -1 is outside [0, 2^63 - 1]\n"},
        {MOCK("grid: {seed: {geom: [0, 9, 3]}}"),
         "s.yaml:3:39: seed: geom: [0, 9, 3]: both ends have to be above 0, and the count a whole "
         "number of 2 or more\n"},
        {MOCK("grid: {seed: {geom: [1, 3, 9]}}"), "s.yaml:3:32: seed: the value 1 comes twice\n"},
        {MOCK("seed: 1, grid: {seed: [1, 2]}"),
         "s.yaml:3:35: grid: seed: is given a single value in this stage too\n"},
        {MOCK("grid: {seed: [1]}, zip: {seed: [2], steps: [1]}"),
         "s.yaml:3:44: zip: seed: is an axis already\n"},
        {MOCK("grid: {speed: [1]}"),
         "s.yaml:3:26: grid: speed: kind mock has no knob of that name (did you mean seed?)\n"},
        {MOCK("zip: {seed: [1, 2], steps: [1, 2, 3]}"),
         "s.yaml:3:46: zip: steps has 3 values, but seed has 2: they go in step\n"},
        {MOCK("grid: {seed: [1]}, when: {sed: 1}"),
         "s.yaml:3:45: when: sed: no such axis (did you mean seed?); there is a.seed\n"},
        {MOCK("grid: {seed: [1]}, exclude: {seed: 1}"), "s.yaml:3:3: a: when and exclude leave no job\n"},
        {MOCK("sample: {seed: {uniform: [1, 9]}}"), "s.yaml:3:27: sample: n is missing\n"},
        {MOCK("sample: {n: 3, seed: 1}"), "s.yaml:3:27: sample: no knob is drawn\n"},
        {MOCK("sample: {n: 3, sleep: {unifrom: [1, 9]}}"),
         "s.yaml:3:42: sleep: expected {uniform: [a, b]}, {loguniform: [a, b]} or {choice: [...]} "
         "(did you mean uniform?)\n"},
        {MOCK("sample: {n: 3, sleep: {loguniform: [0, 9]}}"),
         "s.yaml:3:54: sleep: loguniform: the lowest value, 0, has to be above 0\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        sweep_fails_with(rows[i].text, NULL, NULL, rows[i].error);
}

static void huge_axes_and_products_are_refused_before_they_are_made(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {MOCK("grid: {seed: {range: [0, 10000000000]}}"),
         "s.yaml:3:40: seed: 10000000000 values are more than the 10000000 that an axis may have\n"},
        {MOCK("grid: {seed: {range: [0, 1e18, 1e-3]}}"),
         "s.yaml:3:40: seed: 1000000000000000000000 values are more than the 10000000 that an axis "
         "may have\n"},
        {MOCK("grid: {seed: {geom: [1, 9, 1e9]}}"),
         "s.yaml:3:39: seed: 1000000000 values are more than the 10000000 that an axis may have\n"},
        {MOCK("sample: {n: 1e9, sleep: {uniform: [0, 1]}}"),
         "s.yaml:3:31: sample: 1000000000 is outside [0, 10000000]\n"},
        {MOCK("grid: {seed: {range: [0, 1000000]}, steps: {range: [1, 1000000]}}"),
         "s.yaml:3:32: a: 1000000 (seed) x 999999 (steps) = 999999000000 jobs are more than the "
         "20000000 that a sweep may have\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        sweep_fails_with(rows[i].text, NULL, NULL, rows[i].error);
}

static void samples_repeat_with_their_seed_and_stay_in_range(void **state)
{
    const char *text = MOCK("sample: {n: 50, seed: 7, sleep: {loguniform: [1e-4, 1e-2]}, "
                            "steps: {uniform: [1, 6]}, tag: {choice: [u, v]}}");
    struct sweep_jobs one = sweep_expand(text), two = sweep_expand(text);
    struct sweep_jobs other = sweep_expand(
        MOCK("sample: {n: 50, seed: 8, sleep: {loguniform: [1e-4, 1e-2]}}"));
    struct sweep_jobs alone = sweep_expand(
        MOCK("sample: {n: 50, seed: 7, sleep: {loguniform: [1e-4, 1e-2]}}"));
    bool seen[8] = {false};
    size_t differ = 0;

    (void)state;
    assert_int_equal(one.n, 50);
    for (size_t i = 0; i < one.n; i++) {
        double v = atof(strstr(one.v[i].knobs, "\"sleep\":") + 8);
        const char *steps = strstr(one.v[i].knobs, "\"steps\":");
        int s = steps ? atoi(steps + 8) : 1;

        assert_string_equal(one.v[i].id, two.v[i].id);
        assert_true(v >= 1e-4 && v <= 1e-2);
        assert_true(s >= 1 && s <= 6);
        seen[s] = true;
        assert_true(fabs(v - atof(strstr(alone.v[i].knobs, "\"sleep\":") + 8)) == 0);
        differ += strcmp(alone.v[i].id, other.v[i].id) != 0;
    }
    assert_int_equal(differ, 50);
    for (int s = 1; s <= 6; s++)
        assert_true(seen[s]); /* both ends can be drawn */
    sweep_end(&one);
    sweep_end(&two);
    sweep_end(&other);
    sweep_end(&alone);
}

static void counts_multiply(void **state)
{
    (void)state;
    for (int a = 1; a < 4; a++)
        for (int b = 1; b < 4; b++)
            for (int n = 1; n < 4; n++) {
                char text[256];
                struct sweep_jobs all;

                snprintf(text, sizeof text,
                         "sweep: x\nstages:\n  a:\n    kind: mock\n    grid: {seed: {range: [0, %d]}, "
                         "eat: {range: [0, %d]}}\n    sample: {n: %d, sleep: {uniform: [1, 2]}}\n", a, b, n);
                all = sweep_expand(text);
                assert_int_equal(all.n, a * b * n);
                sweep_end(&all);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_canonical_and_in_order),
        cmocka_unit_test(bad_axes_are_refused),
        cmocka_unit_test(huge_axes_and_products_are_refused_before_they_are_made),
        cmocka_unit_test(samples_repeat_with_their_seed_and_stay_in_range),
        cmocka_unit_test(counts_multiply),
    };

    return cmocka_run_group_tests(tests, sweep_setup, sweep_teardown);
}
