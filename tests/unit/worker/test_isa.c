/* test_isa.c - instruction sets: names, and what a process must be started with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/kinds/kind.h"
#include "worker/num/isa.h"

static void every_choice_of_the_knob_is_a_set(void **state)
{
    const struct cfg_field *f = cfg_find(job_fields, job_fields_n, "isa");
    char choices[64], *at = NULL;
    size_t n = 0;

    (void)state;
    assert_true(job_field_is_in_id("isa"));
    assert_true(job_field_is_in_id("threads"));
    assert_false(job_field_is_in_id("timeout"));
    snprintf(choices, sizeof choices, "%s", f->unit);
    for (const char *c = strtok_r(choices, "|", &at); c; c = strtok_r(NULL, "|", &at), n++) {
        enum isa_set set;

        assert_int_equal(isa_parse(c, &set), strcmp(c, "auto") != 0);
        if (strcmp(c, "auto"))
            assert_string_equal(isa_name(set), c);
    }
    assert_int_equal(n, 4);
}

static void a_set_names_the_core_of_openblas_too(void **state)
{
    (void)state;
    for (int s = ISA_BASE; s <= ISA_AVX512; s++) {
        const struct isa_env *env = isa_env((enum isa_set)s);
        bool has_core = false;

        assert_string_equal(env[0].name, ISA_ENV);
        assert_string_equal(env[0].value, isa_name((enum isa_set)s));
        for (int i = 0; i < ISA_ENV_MAX && env[i].name; i++)
            has_core = has_core || !strcmp(env[i].name, "OPENBLAS_CORETYPE");
        assert_true(has_core);
    }
}

/* What this process was started with is what it uses. */
static void what_is_pinned_is_not_exceeded(void **state)
{
    const char *pinned = getenv(ISA_ENV);
    enum isa_set set;

    (void)state;
    if (pinned && isa_parse(pinned, &set))
        assert_true(isa_in_use() <= set);
    assert_true(isa_in_use() <= ISA_AVX512);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_choice_of_the_knob_is_a_set),
        cmocka_unit_test(a_set_names_the_core_of_openblas_too),
        cmocka_unit_test(what_is_pinned_is_not_exceeded),
    };

    (void)argc;
    (void)argv;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
