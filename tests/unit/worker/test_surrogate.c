/* Control rows keep what they promise and nothing else. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "worker/data/surrogate.h"

enum { N = 20000, D = 6 };

static void mean_and_cov(const float *x, double mean[D], double cov[D * D])
{
    memset(mean, 0, D * sizeof *mean);
    memset(cov, 0, D * D * sizeof *cov);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++)
            mean[j] += (double)x[i * D + j] / N;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++)
            for (size_t k = 0; k < D; k++)
                cov[j * D + k] += ((double)x[i * D + j] - mean[j]) *
                                  ((double)x[i * D + k] - mean[k]) / N;
}

/* Correlated, skewed rows of rank 5: the last column is the sum of the first two. */
static float *rows(void)
{
    struct rng r = rng_stream(3, "rows");
    float *x = malloc(N * D * sizeof *x);

    for (size_t i = 0; i < N; i++) {
        double z = rng_normal(&r);

        for (size_t j = 0; j < D; j++)
            x[i * D + j] = (float)(3 + z * (double)j + exp(0.3 * rng_normal(&r)));
        x[i * D + D - 1] = x[i * D] + x[i * D + 1];
    }
    return x;
}

static void gaussian_rows_keep_mean_covariance_and_rank(void **state)
{
    float *x = rows();
    double m[D], c[D * D], m2[D], c2[D * D];
    struct err e;

    (void)state;
    mean_and_cov(x, m, c);
    assert_ok(surrogate_gaussian(x, N, D, 5, &e), e);
    mean_and_cov(x, m2, c2);
    for (size_t j = 0; j < D; j++)
        assert_near(m2[j], m[j], 5 * sqrt(c[j * D + j] / N));
    for (size_t j = 0; j < D * D; j++)
        assert_near(c2[j], c[j], 5 * sqrt(2.0 / N) * sqrt(c[j / D * D + j / D] * c[j % D * D + j % D]));
    for (size_t i = 0; i < N; i += 97)
        assert_near(x[i * D + D - 1], (double)x[i * D] + (double)x[i * D + 1], 1e-4);
    free(x);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

static void shuffled_columns_keep_their_values_and_lose_their_correlation(void **state)
{
    float *x = rows(), *y = rows(), a[1000], b[1000];
    double m[D], c[D * D];
    struct err e;

    (void)state;
    assert_ok(surrogate_shuffle(x, 1000, D, 5, &e), e);
    for (size_t j = 0; j < D; j++) {
        for (size_t i = 0; i < 1000; i++) {
            a[i] = x[i * D + j];
            b[i] = y[i * D + j];
        }
        qsort(a, 1000, sizeof *a, by_value);
        qsort(b, 1000, sizeof *b, by_value);
        assert_memory_equal(a, b, sizeof a);
    }
    assert_ok(surrogate_shuffle(y, N, D, 5, &e), e);
    mean_and_cov(y, m, c);
    assert_near(c[2 * D + 3] / sqrt(c[2 * D + 2] * c[3 * D + 3]), 0, 5 / sqrt(N));
    free(x);
    free(y);
}

static void a_seed_decides_the_rows(void **state)
{
    float *x = rows(), *y = rows(), *z = rows();
    struct err e;

    (void)state;
    assert_ok(surrogate_gaussian(x, 100, D, 5, &e), e);
    assert_ok(surrogate_gaussian(y, 100, D, 5, &e), e);
    assert_ok(surrogate_gaussian(z, 100, D, 6, &e), e);
    assert_memory_equal(x, y, 100 * D * sizeof *x);
    assert_memory_not_equal(x, z, 100 * D * sizeof *x);
    free(x);
    free(y);
    free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_rows_keep_mean_covariance_and_rank),
        cmocka_unit_test(shuffled_columns_keep_their_values_and_lose_their_correlation),
        cmocka_unit_test(a_seed_decides_the_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
