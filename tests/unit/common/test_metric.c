/* test_metric.c - two metrics never share a name. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "common/metric.h"

static void names_are_unique_and_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < metric_count(); i++) {
        const struct metric_row *m = metric_at(i);

        assert_ptr_equal(metric_find(m->name), m);
        assert_true(strlen(m->help) > 5);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(m->name, metric_at(j)->name);
            assert_string_not_equal(m->long_name, metric_at(j)->long_name);
            assert_string_not_equal(m->name, metric_at(j)->long_name);
        }
    }
    assert_null(metric_at(metric_count()));
    assert_null(metric_find("no_such_metric"));
}

static void long_names_are_those_of_the_programme(void **state)
{
    (void)state;
    assert_string_equal(metric_find("dead_pct")->long_name, "dead_neuron_pct");
    assert_ptr_equal(metric_find("trained_vs_random_ratio"), metric_find("ratio"));
    assert_true(metric_find("wall_s")->is_volatile);
    assert_false(metric_find("ev")->is_volatile);
    assert_int_equal(metric_find("mse")->better, BETTER_LOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique_and_found),
        cmocka_unit_test(long_names_are_those_of_the_programme),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
