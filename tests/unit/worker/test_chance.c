/* test_chance.c - the closed form of chance agreement against the recorded table. */
#include "tests/lib/check.h"

#include "worker/eval/chance.h"

static void expected_values_match_the_table_to_1e_6(void **state)
{
    static const struct {
        size_t d, f;
        double pwmcc, mmcs;
    } rows[] = {
        {16, 32, 0.556902, 0.499863},    {32, 64, 0.443425, 0.403987},
        {64, 128, 0.345886, 0.318877},   {64, 512, 0.393569, 0.370584},
        {128, 32, 0.206177, 0.182200},   {128, 48, 0.218892, 0.196347},
        {128, 64, 0.227542, 0.205887},   {128, 80, 0.234054, 0.213029},
        {128, 128, 0.247252, 0.227411},  {128, 256, 0.265565, 0.247192},
        {128, 512, 0.282689, 0.265537},  {128, 1024, 0.298793, 0.282677},
        {128, 2048, 0.314010, 0.298787}, {256, 1024, 0.213192, 0.201446},
        {512, 1024, 0.151429, 0.142998}, {512, 2048, 0.159436, 0.151426},
        {512, 4096, 0.167078, 0.159435}, {768, 4096, 0.136680, 0.130400},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_near(chance_pwmcc(rows[i].d, rows[i].f, rows[i].f), rows[i].pwmcc, 1e-6);
        assert_near(chance_mmcs(rows[i].d, rows[i].f, rows[i].f), rows[i].mmcs, 1e-6);
    }
}

static void one_dimension_and_unequal_sizes_are_handled(void **state)
{
    (void)state;
    assert_near(chance_pwmcc(1, 5, 7), 1, 0);
    assert_near(chance_max_signed(1, 1), 0, 0);
    assert_near(chance_pwmcc(128, 64, 512), (0.227542 + 0.282689) / 2, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expected_values_match_the_table_to_1e_6),
        cmocka_unit_test(one_dimension_and_unequal_sizes_are_handled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
