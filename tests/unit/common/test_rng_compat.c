/* test_rng_compat.c - PyTorch's and NumPy's random numbers.
 *
 * The wanted values were printed by PyTorch 2.13 (CPU) and NumPy 2.4.
 */
#include "tests/lib/check.h"

#include "common/rng_compat.h"

static void test_mt19937_reference_output(void **state)
{
    struct mt19937 g;
    uint32_t v = 0;

    (void)state;
    mt_seed(&g, 5489); /* the published check: 1st and 10,000th output of the default seed */
    assert_int_equal(mt_u32(&g), 3499211612u);
    for (int i = 1; i < 10000; i++)
        v = mt_u32(&g);
    assert_int_equal(v, 4123659995u);
}

static void test_torch_randn_of_128_by_1024(void **state)
{
    enum { N = 128 * 1024 };
    const struct {
        uint64_t seed;
        double first, second, at_77777, last;
    } row[] = {
        {1000, -0.530559003, -1.12997055, -0.266438603, -0.0790536329},
        {1001, 0.870102644, 0.174369216, -0.287114888, -0.449416399},
        {1002, 0.136663362, -0.865495861, 1.43671691, 0.187245503},
        {1003, 0.210298195, -0.445025682, -0.73005569, 0.677482665},
        {1004, -1.64923608, -0.670708776, -0.772214532, -1.03418767},
    };
    float *x = malloc(N * sizeof *x);
    struct mt19937 g;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        mt_seed(&g, row[i].seed);
        mt_randn(&g, x, N);
        assert_near(x[0], row[i].first, 1e-6);
        assert_near(x[1], row[i].second, 1e-6);
        assert_near(x[77777], row[i].at_77777, 1e-6);
        assert_near(x[N - 1], row[i].last, 1e-6);
    }
    free(x);
}

static void test_torch_randn_redraws_the_last_16_of_an_odd_length(void **state)
{
    const struct {
        int i;
        double v;
    } row[] = {{0, 1.92691529},    {1, 1.48728406},   {2, 0.9007172},     {3, -2.1055210},
               {15, 0.76244539},   {16, 1.64231694},  {20, -0.758131146}, {21, -0.424518973},
               {31, -0.487913877}, {32, -1.41805995}, {36, 1.17895091}};
    struct mt19937 g;
    float x[37];

    (void)state;
    mt_seed(&g, 42);
    mt_randn(&g, x, 37);
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        assert_near(x[row[i].i], row[i].v, 1e-6);
}

static void test_torch_randn_below_16_values_is_drawn_in_double(void **state)
{
    const double want[7] = {0.336690366, 0.128809407,  0.234462366, 0.23033303,
                            -1.12285638, -0.186328292, 2.20820141};
    struct mt19937 g;
    float x[16];

    (void)state;
    mt_seed(&g, 42);
    mt_randn(&g, x, 7);
    for (int i = 0; i < 7; i++)
        assert_near(x[i], want[i], 1e-7);
    mt_seed(&g, 7);
    mt_randn(&g, x, 16);
    assert_near(x[0], -0.820134521, 1e-6);
    assert_near(x[15], 1.09016514, 1e-6);
}

static void test_torch_uniform(void **state)
{
    const float want[4] = {0.0209535249f, -0.180718094f, 0.0955270231f, 0.0941341668f};
    struct mt19937 g;
    float x[4];

    (void)state;
    mt_seed(&g, 7);
    mt_uniform_fill(&g, x, 4, -0.3, 0.3);
    assert_memory_equal(x, want, sizeof x);
}

static void test_torch_randperm(void **state)
{
    const int64_t want[20] = {2, 14, 18, 15, 1, 10, 0, 4, 6, 11, 8, 3, 7, 17, 13, 12, 19, 5, 16, 9};
    struct mt19937 g;
    int64_t p[20];

    (void)state;
    mt_seed(&g, 42);
    mt_randperm(&g, p, 20);
    assert_memory_equal(p, want, sizeof p);
    assert_near(mt_uniform(&g), 0.6274491548538208, 0); /* and the stream goes on in step */
    mt_randperm(&g, p, 0);
}

static void test_numpy_default_rng(void **state)
{
    const struct {
        uint64_t seed;
        double want[3];
        uint64_t next;
    } row[] = {
        {0, {0.6369616873214543, 0.2697867137638703, 0.04097352393619469}, 304881062738325533u},
        {17, {0.8450747927979015, 0.16097309116910696, 0.5577445473656921}, 6789876482546754402u},
        {29, {0.05004697035406891, 0.5063222985714494, 0.5192340296297115}, 4892135815024974185u},
        {8589934597u,
         {0.23772096442823154, 0.42782131249807576, 0.5914133521906731},
         12939611145087722505u},
    };
    struct pcg64 g;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        pcg64_seed(&g, row[i].seed);
        for (int k = 0; k < 3; k++)
            assert_near(pcg64_f64(&g), row[i].want[k], 0);
        assert_true(pcg64_u64(&g) == row[i].next);
    }
}

static void test_numpy_choice(void **state)
{
    const uint32_t ten[12] = {7, 8, 1, 1, 4, 5, 7, 3, 0, 2, 4, 3};
    const uint32_t more[5] = {41, 19, 28, 27, 4};
    const uint32_t wide[6] = {2222891172u, 2535224377u, 322022490u,
                              482919273u,  1673233641u, 2284899362u}; /* with redraws */
    struct pcg64 g;

    (void)state;
    pcg64_seed(&g, 17);
    for (int i = 0; i < 12; i++)
        assert_int_equal(pcg64_below(&g, 10), ten[i]);
    for (int i = 0; i < 5; i++)
        assert_int_equal(pcg64_below(&g, 45), more[i]);
    pcg64_seed(&g, 17);
    for (int i = 0; i < 6; i++)
        assert_int_equal(pcg64_below(&g, 3000000000u), wide[i]);
    assert_int_equal(pcg64_below(&g, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mt19937_reference_output),
        cmocka_unit_test(test_torch_randn_of_128_by_1024),
        cmocka_unit_test(test_torch_randn_redraws_the_last_16_of_an_odd_length),
        cmocka_unit_test(test_torch_randn_below_16_values_is_drawn_in_double),
        cmocka_unit_test(test_torch_uniform),
        cmocka_unit_test(test_torch_randperm),
        cmocka_unit_test(test_numpy_default_rng),
        cmocka_unit_test(test_numpy_choice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
