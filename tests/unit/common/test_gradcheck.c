/* test_gradcheck.c - the checker of gradients must itself notice errors. */
#include "tests/lib/check.h"
#include "tests/lib/gradcheck.h"

enum { N = 12 };

struct problem {
    double x[N], dx[N];
};

/* sum of x_i^3 sin(i) + product of neighbours; and its gradient into dx */
static double loss(void *ctx)
{
    struct problem *p = ctx;
    double sum = 0;

    for (int i = 0; i < N; i++) {
        sum += p->x[i] * p->x[i] * p->x[i] * sin(i + 1) + p->x[i] * p->x[(i + 1) % N];
        p->dx[i] = 3 * p->x[i] * p->x[i] * sin(i + 1) + p->x[(i + 1) % N] + p->x[(i + N - 1) % N];
    }
    return sum;
}

static struct problem make(void)
{
    struct problem p;

    for (int i = 0; i < N; i++)
        p.x[i] = cos(3 * i);
    loss(&p);
    return p;
}

static void test_right_gradient_passes(void **state)
{
    struct problem p = make(), before = p;
    struct gradcheck c = {p.x, p.dx, N, loss, &p};

    (void)state;
    assert_true(gradcheck_worst(&c, 8, 1) < 1e-9);
    assert_memory_equal(p.x, before.x, sizeof p.x);
}

static void test_wrong_gradient_is_noticed(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++) {
        struct problem p = make();
        struct gradcheck c = {p.x, p.dx, N, loss, &p};

        p.dx[i] += 1e-4;
        assert_true(gradcheck_worst(&c, 8, 1) > 1e-6);
    }
}

static void test_nan_is_never_small(void **state)
{
    struct problem p = make();
    struct gradcheck c = {p.x, p.dx, N, loss, &p};

    (void)state;
    p.dx[3] = NAN;
    assert_false(gradcheck_worst(&c, 8, 1) < 1e-7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_gradient_passes),
        cmocka_unit_test(test_wrong_gradient_is_noticed),
        cmocka_unit_test(test_nan_is_never_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
