/* The n-gram model against the formulas, computed slowly from the text itself. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "worker/eval/ngram.h"

enum { ORDER = 4, VOCAB = 7, LENGTH = 400 };

static int32_t text[2][LENGTH];

/* Occurrences of g[0..k) in both texts. */
static int seen(const int32_t *g, size_t k)
{
    int n = 0;

    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i + k <= LENGTH; i++)
            n += !memcmp(text[t] + i, g, k * sizeof *g);
    return n;
}

static int count(const int32_t *g, size_t k)
{
    int32_t longer[ORDER + 1];
    int n = 0;

    if (k == ORDER)
        return seen(g, k);
    memcpy(longer + 1, g, k * sizeof *g);
    for (longer[0] = 0; longer[0] < VOCAB; longer[0]++)
        n += seen(longer, k + 1) > 0;
    return n;
}

static void ref_discounts(size_t k, double d[4])
{
    size_t n_grams = 1, n[5] = {0};
    int32_t g[ORDER];

    for (size_t i = 0; i < k; i++)
        n_grams *= VOCAB;
    for (size_t x = 0; x < n_grams; x++) {
        size_t rest = x;
        int c;

        for (size_t i = 0; i < k; i++, rest /= VOCAB)
            g[i] = (int32_t)(rest % VOCAB);
        c = count(g, k);
        if (c >= 1 && c <= 4)
            n[c]++;
    }
    double y = (double)n[1] / (double)(n[1] + 2 * n[2]);
    for (size_t i = 1; i <= 3; i++) {
        bool is_usable = n[1] && n[2] && n[i] && n[i + 1];

        d[i] = is_usable ? (double)i - (double)(i + 1) * y * (double)n[i + 1] / (double)n[i] : -1;
        if (!(d[i] >= 0 && d[i] <= (double)i))
            d[i] = 0.5 * (double)i;
    }
    d[0] = 0;
}

static double discount[ORDER + 1][4];

static double ref_prob(const int32_t *h, size_t n, int32_t w)
{
    double lower = n == 0 ? 1.0 / VOCAB : ref_prob(h + 1, n - 1, w), total = 0, rest = 0, own = 0;
    int32_t g[ORDER];

    memcpy(g, h, n * sizeof *h);
    for (g[n] = 0; g[n] < VOCAB; g[n]++) {
        int c = count(g, n + 1);
        double d = discount[n + 1][c < 3 ? c : 3];

        total += c;
        rest += d;
        if (g[n] == w)
            own = c - d;
    }
    return total > 0 ? (own + rest * lower) / total : lower;
}

static int setup(void **state)
{
    struct rng r = rng_stream(5, "test.ngram");

    (void)state;
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < LENGTH; i++) {
            bool is_habit = i > 1 && rng_below(&r, 3);
            int32_t any = (int32_t)(rng_below(&r, VOCAB - 1) * rng_below(&r, 2));

            text[t][i] = is_habit ? (text[t][i - 1] * 2 + text[t][i - 2]) % (VOCAB - 1) : any;
        }
    for (size_t k = 1; k <= ORDER; k++)
        ref_discounts(k, discount[k]);
    return 0;
}

static void build(struct ngram *g)
{
    struct err e;

    ngram_init(g, ORDER, VOCAB);
    for (size_t t = 0; t < 2; t++)
        assert_ok(ngram_add(g, text[t], LENGTH, &e), e);
    ngram_finish(g);
}

static void probabilities_are_those_of_the_formulas(void **state)
{
    struct ngram g;
    struct rng r = rng_stream(6, "test.ngram");

    (void)state;
    build(&g);
    for (size_t k = 1; k <= ORDER; k++)
        for (size_t i = 1; i <= 3; i++)
            assert_near(g.discount[k][i], discount[k][i], 1e-12);
    for (int round = 0; round < 60; round++) {
        int32_t h[ORDER - 1];
        size_t n = (size_t)rng_below(&r, ORDER);

        for (size_t i = 0; i < n; i++)
            h[i] = (int32_t)rng_below(&r, VOCAB);
        for (int32_t w = 0; w < VOCAB; w++)
            assert_near(ngram_prob(&g, h, n, w), ref_prob(h, n, w), 1e-12);
    }
    ngram_free(&g);
}

/* Also behind contexts never seen (6 is not in the text), and none of them is zero. */
static void they_sum_to_one(void **state)
{
    struct ngram g;
    struct rng r = rng_stream(7, "test.ngram");

    (void)state;
    build(&g);
    for (int round = 0; round < 2000; round++) {
        int32_t h[6];
        size_t n = (size_t)rng_below(&r, 7);
        double sum = 0;

        for (size_t i = 0; i < n; i++)
            h[i] = (int32_t)rng_below(&r, VOCAB);
        for (int32_t w = 0; w < VOCAB; w++) {
            double p = ngram_prob(&g, h, n, w);

            assert_true(p > 0 && p < 1);
            sum += p;
        }
        assert_near(sum, 1, 1e-12);
    }
    ngram_free(&g);
}

/* N-grams do not reach from one sequence into the next, and longer contexts change nothing. */
static void sequences_are_apart(void **state)
{
    const int32_t ab[] = {1, 2}, cd[] = {3, 4};
    const int32_t h2[] = {2}, far[] = {5, 5, 5, 1}, near[] = {1};
    struct ngram g;
    struct err e;

    (void)state;
    ngram_init(&g, 2, VOCAB);
    for (int i = 0; i < 3; i++) {
        assert_ok(ngram_add(&g, ab, 2, &e), e);
        assert_ok(ngram_add(&g, cd, 2, &e), e);
    }
    ngram_finish(&g);
    assert_int_equal(g.n_of[2], 2);
    assert_near(ngram_prob(&g, h2, 1, 3), ngram_prob(&g, NULL, 0, 3), 0);
    assert_near(ngram_prob(&g, far, 4, 2), ngram_prob(&g, near, 1, 2), 0);
    assert_true(ngram_prob(&g, near, 1, 2) > 0.5);
    ngram_free(&g);
}

static void an_empty_model_knows_nothing(void **state)
{
    struct ngram g;

    (void)state;
    ngram_init(&g, 5, 10);
    ngram_finish(&g);
    assert_near(ngram_prob(&g, NULL, 0, 3), 0.1, 1e-15);
    ngram_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_those_of_the_formulas),
        cmocka_unit_test(they_sum_to_one),
        cmocka_unit_test(sequences_are_apart),
        cmocka_unit_test(an_empty_model_knows_nothing),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
