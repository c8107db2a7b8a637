/* test_match.c - matching: invariants, recorded random baselines, a brute-force assignment. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "common/rng_compat.h"
#include "common/stats.h"
#include "worker/eval/assign.h"
#include "worker/eval/boot.h"
#include "worker/eval/chance.h"
#include "worker/eval/match.h"
#include "worker/num/vec.h"

enum { SEED = 3 };

static real *random_rows(size_t f, size_t d, uint64_t seed)
{
    struct rng r = rng_stream(seed, "test");
    real *x = malloc(f * d * sizeof *x);

    for (size_t i = 0; i < f * d; i++)
        x[i] = (real)rng_normal(&r);
    for (size_t i = 0; i < f; i++)
        vec_normalise(x + i * d, d);
    return x;
}

static real *torch_rows(size_t f, size_t d, uint64_t seed)
{
    float *draw = malloc(f * d * sizeof *draw);
    real *x = malloc(f * d * sizeof *x);
    struct mt19937 g;

    mt_seed(&g, seed);
    mt_randn(&g, draw, f * d);
    for (size_t i = 0; i < d; i++)
        for (size_t c = 0; c < f; c++)
            x[c * d + i] = draw[i * f + c];
    for (size_t i = 0; i < f; i++)
        vec_normalise(x + i * d, d);
    free(draw);
    return x;
}

static size_t pwmcc_of_seeds(double *out, const int64_t *seeds, size_t n, size_t f, size_t d)
{
    real *dir[8];
    struct err e;
    size_t pairs = 0;

    for (size_t i = 0; i < n; i++)
        dir[i] = torch_rows(f, d, (uint64_t)seeds[i]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            struct dict a = {dir[i], f, d}, b = {dir[j], f, d};
            struct match m;

            assert_ok(match_max(&m, &a, &b, &e), e);
            out[pairs++] = m.pwmcc;
        }
    for (size_t i = 0; i < n; i++)
        free(dir[i]);
    return pairs;
}

static void recorded_random_baseline_is_reproduced(void **state)
{
    static const int64_t seeds[] = {1000, 1001, 1002, 1003, 1004};
    static const double want[] = {.29829183, .29916039, .29818341, .30025677, .30033220,
                                  .29858167, .29903698, .29896514, .29893047, .29655592};
    double got[10], lo, hi;
    struct pcg64 g;

    (void)state;
    assert_int_equal(pwmcc_of_seeds(got, seeds, 5, 1024, 128), 10);
    for (size_t i = 0; i < 10; i++)
        assert_near(got[i], want[i], 2e-7);
    assert_near(stats_mean(got, 10), 0.2988294795, 2e-7);
    assert_near(stats_std(got, 10), 0.00107566, 2e-7);
    pcg64_seed(&g, 29);
    stats_bootstrap_mean(got, 10, 10000, &g, &lo, &hi);
    assert_near(lo, 0.298161, 1e-6);
    assert_near(hi, 0.299439, 1e-6);
}

static void recorded_ablation_baselines_are_reproduced(void **state)
{
    static const int64_t seeds[] = {100042, 100123, 100456, 100789, 101011};
    static const struct {
        size_t f;
        double five, three;
    } rows[] = {{64, .22757094, .22893435},
                {128, .24555577, .24792037},
                {256, .26545892, .26577336},
                {512, .28203502, .28250592}};
    double got[10];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = pwmcc_of_seeds(got, seeds, 5, rows[i].f, 128);

        assert_near(stats_mean(got, n), rows[i].five, 2e-7);
        n = pwmcc_of_seeds(got, seeds, 3, rows[i].f, 128);
        assert_near(stats_mean(got, n), rows[i].three, 2e-7);
    }
}

enum { SUBSPACE_K = 8, DIM_MAX = 64 };

static enum err_code overlap_of(struct subspace *out, const struct dict *a, const struct dict *b,
                                struct err *e)
{
    static double basis[2][SUBSPACE_K * DIM_MAX];

    assert_true(a->d <= DIM_MAX);
    if (match_basis(basis[0], a, SUBSPACE_K, e) || match_basis(basis[1], b, SUBSPACE_K, e))
        return e->code;
    return match_subspace(out, basis[0], basis[1], SUBSPACE_K, a->d, e);
}

static void feature_order_does_not_matter(void **state)
{
    enum { F = 700, D = 24 }; /* more than one tile */
    real *a = random_rows(F, D, 1), *b = random_rows(F, D, 2), *moved = malloc(F * D * sizeof *b);
    struct dict da = {a, F, D}, db = {b, F, D}, dm = {moved, F, D};
    struct match one, two, self;
    struct rng r = rng_stream(SEED, "order");
    uint32_t perm[F];
    double h_one, h_two, dup;
    struct subspace s, t;
    struct err e;

    (void)state;
    rng_perm(&r, perm, F);
    for (size_t i = 0; i < F; i++)
        memcpy(moved + i * D, b + perm[i] * D, D * sizeof *b);
    assert_ok(match_max(&one, &da, &db, &e), e);
    assert_ok(match_max(&two, &da, &dm, &e), e);
    assert_near(one.pwmcc, two.pwmcc, 1e-6);
    assert_near(one.mmcs, two.mmcs, 1e-6);
    assert_ok(match_max(&two, &db, &da, &e), e); /* symmetric */
    assert_near(one.pwmcc, two.pwmcc, 1e-6);
    assert_near(one.mmcs, two.mmcs, 1e-6);
    assert_ok(match_hungarian(&h_one, NULL, &da, &db, false, &e), e);
    assert_ok(match_hungarian(&h_two, NULL, &da, &dm, false, &e), e);
    assert_near(h_one, h_two, 1e-6);
    assert_ok(match_max(&self, &dm, &db, &e), e); /* the same features in another order */
    assert_near(self.pwmcc, 1, 1e-6);
    assert_ok(match_hungarian(&h_two, NULL, &dm, &db, false, &e), e);
    assert_near(h_two, 1, 1e-6);
    assert_ok(overlap_of(&s, &da, &db, &e), e);
    assert_ok(overlap_of(&t, &da, &dm, &e), e);
    assert_near(s.overlap, t.overlap, 1e-6);
    assert_ok(match_duplicates(&dup, &da, &e), e);
    assert_true(dup > 0.5 && dup < 1);
    memcpy(a + 699 * D, a + 3 * D, D * sizeof *a);
    assert_ok(match_duplicates(&dup, &da, &e), e);
    assert_near(dup, 1, 1e-6);
    free(a);
    free(b);
    free(moved);
}

static void hungarian_never_exceeds_the_mean_of_maxima(void **state)
{
    struct err e;

    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        size_t f = 20 + 7 * seed, g = f + seed, d = 3 + seed;
        real *a = random_rows(f, d, seed), *b = random_rows(g, d, seed + 99);
        struct dict da = {a, f, d}, db = {b, g, d};
        struct match m;
        uint32_t *partner = malloc(g * sizeof *partner);
        double forth, back, abs;

        assert_ok(match_max(&m, &da, &db, &e), e);
        assert_ok(match_hungarian(&forth, partner, &da, &db, false, &e), e);
        for (size_t i = 0; i < f; i++)
            for (size_t j = 0; j < i; j++)
                assert_int_not_equal(partner[i], partner[j]);
        assert_ok(match_hungarian(&back, partner, &db, &da, false, &e), e);
        assert_ok(match_hungarian(&abs, NULL, &da, &db, true, &e), e);
        assert_near(forth, back, 1e-6);
        assert_true(forth <= m.mmcs_rows + 1e-6);
        assert_true(abs >= forth - 1e-6);
        free(partner);
        free(a);
        free(b);
    }
}

/* Least cost over all orders of the columns. */
static double brute(const float *cost, size_t n, size_t m, size_t row, unsigned used)
{
    double best = INFINITY;

    if (row == n)
        return 0;
    for (size_t j = 0; j < m; j++)
        if (!(used & 1u << j)) {
            double c = cost[row * m + j] + brute(cost, n, m, row + 1, used | 1u << j);

            best = c < best ? c : best;
        }
    return best;
}

static void assignment_is_the_best_of_all(void **state)
{
    struct rng r = rng_stream(SEED, "assign");
    struct err e;

    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t n = 1 + rng_below(&r, 5), m = n + rng_below(&r, 3);
        float cost[64];
        uint32_t col[8];
        double sum = 0;

        for (size_t i = 0; i < n * m; i++)
            cost[i] = round % 2 ? (float)rng_normal(&r) : (float)rng_below(&r, 3);
        assert_ok(assign_min(col, cost, n, m, &e), e);
        for (size_t i = 0; i < n; i++)
            sum += cost[i * m + col[i]];
        assert_near(sum, brute(cost, n, m, 0, 0), 1e-5);
    }
}

static void random_dictionaries_agree_as_much_as_chance_says(void **state)
{
    real *a = random_rows(512, 64, 7), *b = random_rows(512, 64, 8);
    struct dict da = {a, 512, 64}, db = {b, 512, 64};
    struct match m;
    struct err e;

    (void)state;
    assert_ok(match_max(&m, &da, &db, &e), e);
    assert_near(m.pwmcc, chance_pwmcc(64, 512, 512), 0.01);
    assert_near(m.mmcs, chance_mmcs(64, 512, 512), 0.01);
    free(a);
    free(b);
}

static void intervals_hold_the_mean_and_shrink_to_a_point(void **state)
{
    double pair[16], values[6] = {.3, .31, .29, .35, .33, .3}, same[4] = {.2, .2, .2, .2};
    struct pcg64 g, h;
    struct interval i;
    struct err e;
    size_t p = 0;

    (void)state;
    for (size_t a = 0; a < 4; a++)
        for (size_t b = a + 1; b < 4; b++)
            pair[a * 4 + b] = pair[b * 4 + a] = values[p++];
    pcg64_seed(&g, 17);
    assert_ok(boot_seeds(&i, pair, 4, &g, 2000, &e), e);
    assert_true(i.low < stats_mean(values, 6) && stats_mean(values, 6) < i.high);
    assert_true(i.low >= .29 && i.high <= .35);
    pcg64_seed(&g, 17);
    pcg64_seed(&h, 29);
    assert_ok(boot_ratio(&i, values, 6, &g, same, 4, &h, 2000, &e), e);
    assert_true(i.low > .29 / .2 && i.low < i.high && i.high < .35 / .2);
    pcg64_seed(&g, 17);
    pcg64_seed(&h, 29);
    assert_ok(boot_ratio(&i, same, 4, &g, same, 4, &h, 100, &e), e);
    assert_near(i.low, 1, 1e-12);
    assert_near(i.high, 1, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_random_baseline_is_reproduced),
        cmocka_unit_test(recorded_ablation_baselines_are_reproduced),
        cmocka_unit_test(feature_order_does_not_matter),
        cmocka_unit_test(hungarian_never_exceeds_the_mean_of_maxima),
        cmocka_unit_test(assignment_is_the_best_of_all),
        cmocka_unit_test(random_dictionaries_agree_as_much_as_chance_says),
        cmocka_unit_test(intervals_hold_the_mean_and_shrink_to_a_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
