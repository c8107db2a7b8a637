/* test_rows.c - many rows at a time give the bits of one at a time. */
#include "tests/lib/check.h"

#include <string.h>

#include "common/rng.h"
#include "worker/num/rows.h"
#include "worker/num/vec.h"

enum { SEED = 4, N = 37, D = 160 };

static real grad[N * D], dir[N * D], want[N * D], got[N];

static void fill(struct rng *r)
{
    for (size_t i = 0; i < N * D; i++) {
        grad[i] = (real)rng_normal(r);
        dir[i] = i / D == 5 ? 0 : (real)rng_normal(r); /* a row of zeros, whatever d is */
    }
}

static void rows_equal_single_ones(void **state)
{
    static const size_t ds[] = {1, 7, 16, 33, 128, 160};
    struct rng r = rng_stream(SEED, "rows");

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(ds); s++)
        for (size_t n = 0; n <= N; n++) {
            size_t d = ds[s];

            fill(&r);
            memset(dir, 0, d * sizeof *dir);
            memcpy(want, grad, sizeof want);
            for (size_t i = 0; i < n; i++) {
                real along = vec_dot(want + i * d, dir + i * d, d);
                real sq = vec_dot(dir + i * d, dir + i * d, d);

                if (along != 0 && sq > 0)
                    vec_axpy(want + i * d, dir + i * d, -along / sq, d);
            }
            rows_project(grad, dir, n, d);
            if (memcmp(grad, want, sizeof want))
                fail_msg("projection of %zu rows of %zu differs", n, d);
            memcpy(want, dir, sizeof want);
            for (size_t i = 0; i < n; i++)
                vec_normalise(want + i * d, d);
            rows_normalise(dir, n, d);
            if (memcmp(dir, want, sizeof want))
                fail_msg("lengths of %zu rows of %zu differ", n, d);
            rows_sum(got, grad, n, d);
            for (size_t i = 0; i < n; i++) {
                double sum = 0;

                for (size_t c = 0; c < d; c++)
                    sum += (double)grad[i * d + c];
                if (got[i] != (real)sum)
                    fail_msg("sum %zu of %zu rows of %zu differs", i, n, d);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_equal_single_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
