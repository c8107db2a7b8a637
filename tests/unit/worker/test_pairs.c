/* Minimal pairs: BLiMP as it ships, its oddities, files that are not pairs; accuracies and comparisons. */
#include "tests/lib/check.h"

#include "common/fs.h"
#include "common/map.h"
#include "common/rng.h"
#include "tests/lib/shipped.h"
#include "tests/lib/tmpdir.h"
#include "worker/data/pairs.h"
#include "worker/eval/pairstat.h"

static void all_of_blimp_is_read_with_its_oddities(void **state)
{
    struct pairs p;
    struct map fields = {0}, terms = {0}, npi = {0};
    struct err e;
    size_t n_same = 0;
    bool is_new;

    (void)state;
    assert_ok(pairs_read(&p, shipped_path("sweeps/data/blimp"), 0, &e), e);
    assert_int_equal(p.n_paradigms, 60);
    assert_int_equal(p.n, 60000);
    for (size_t i = 0; i < p.n_paradigms; i++) {
        const struct paradigm *g = &p.paradigm[i];

        assert_int_equal(g->n, 1000);
        *map_put(&fields, g->field, strlen(g->field), &is_new) = 1;
        *map_put(&terms, g->term, strlen(g->term), &is_new) = 1;
        if (!strcmp(g->term, "npi_licensing"))
            *map_put(&npi, g->field, strlen(g->field), &is_new) = 1;
        for (size_t k = g->first; k < g->first + g->n; k++) {
            assert_int_equal(p.pair[k].paradigm, i);
            assert_int_equal(p.pair[k].id, k - g->first);
            if (p.pair[k].is_same) {
                assert_string_equal(g->uid, "principle_A_case_2");
                n_same++;
            }
        }
    }
    assert_int_equal(n_same, 5);
    assert_int_equal(fields.n, 4);
    assert_null(map_get(&fields, "syntax/semantics", 16));
    assert_int_equal(terms.n, 13);
    assert_int_equal(npi.n, 2);
    map_free(&fields);
    map_free(&terms);
    map_free(&npi);
    pairs_free(&p);
    assert_ok(pairs_read(&p, shipped_path("sweeps/data/blimp"), 3, &e), e);
    assert_int_equal(p.n, 180);
    pairs_free(&p);
}

#define ROW(good, uid, id)                                                                         \
    "{\"sentence_good\": \"" good "\", \"sentence_bad\": \"b\", \"field\": \"f\", "                \
    "\"linguistics_term\": \"t\", \"UID\": \"" uid "\", \"pairID\": " id "}\n"

static void what_is_no_pair_is_refused(void **state)
{
    const struct {
        const char *text, *says;
    } row[] = {
        {ROW("a", "x", "0") "{}\n", "pair 2: sentence_good"},
        {ROW("", "x", "0"), "sentence_good"},
        {ROW("a", "x", "\"zero\""), "pairID"},
        {ROW("a", "x", "0") ROW("a", "y", "0") ROW("a", "x", "1"), "UID x"},
        {"[1,2\n", "JSON"},
        {"\n\n", "no pairs"},
    };
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "p.jsonl");
    struct pairs p;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        assert_ok(fs_replace(path, row[i].text, strlen(row[i].text), &e), e);
        assert_fails(pairs_read(&p, path, 0, &e), ERR_INVALID, e, row[i].says);
        assert_has(e.text, "p.jsonl");
    }
    assert_fails(pairs_read(&p, "/nowhere", 0, &e), ERR_NOT_FOUND, e, "nowhere");
    assert_ok(fs_replace(path, ROW("a", "x", "\"7\""), strlen(ROW("a", "x", "\"7\"")), &e), e);
    assert_ok(pairs_read(&p, path, 0, &e), e);
    assert_int_equal(p.pair[0].id, 7);
    pairs_free(&p);
    free(path);
    tmpdir_remove(dir);
}

/* --- accuracies ---------------------------------------------------------------------------- */
static void ties_count_as_they_are_said_to(void **state)
{
    const double good[] = {-1, -2, -3, -4}, bad[] = {-2, -2, -1, -9};
    struct pair_score legacy = pair_score(good, bad, 4, false), now = pair_score(good, bad, 4, true);

    (void)state;
    assert_int_equal(legacy.n_right, 2);
    assert_int_equal(now.n_right, 3);
    assert_int_equal(now.n_ties, 1);
    assert_int_equal(legacy.n_ties, 1);
    assert_near(legacy.se, sqrt(0.25 / 3), 1e-15);
    assert_near(now.margin, (1 + 0 - 2 + 5) / 4.0, 1e-15);
    assert_near(now.margin_se, sqrt((0 + 1 + 9 + 16) / 3.0 / 4), 1e-12); /* about the mean, 1 */
}

static void means_do_not_weight_paradigms(void **state)
{
    const struct pair_score g[] = {{.n = 10, .accuracy = 0.5, .se = sqrt(0.25 / 9), .margin = 1},
                                   {.n = 1000, .accuracy = 0.9, .se = sqrt(0.09 / 999), .margin = 3}};
    struct pair_mean m = pair_mean(g, 2);

    (void)state;
    assert_near(m.accuracy, 0.7, 1e-15);
    assert_near(m.margin, 2, 1e-15);
    assert_near(m.se, sqrt(0.25 / 9 + 0.09 / 999) / 2, 1e-15);
    assert_near(m.se_pooled, sqrt((10 * 0.25 + 1000 * 0.09) / 1008 / 1010), 1e-15);
}

static void mcnemar_is_the_exact_binomial(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 30; n++)
        for (size_t k = 0; k <= n; k++) {
            double c = pow(0.5, (double)n), p = 0;

            for (size_t i = 0; i <= n; i++) {
                if (i <= (k < n - k ? k : n - k))
                    p += 2 * c;
                c *= (double)(n - i) / (double)(i + 1);
            }
            assert_near(pair_binomial_p(k, n), p < 1 ? p : 1, 1e-10);
        }
}

enum { N = 600, GROUPS = 3 };
static double a_good[N], a_bad[N], b_good[N], b_bad[N];
static const double *const cols[4][1] = {{a_good}, {a_bad}, {b_good}, {b_bad}};
static size_t group[N];

static struct pair_delta compare(double shift, uint64_t seed)
{
    struct rng r = rng_stream(seed, "test.pairs");

    for (size_t i = 0; i < N; i++) {
        double noise = rng_normal(&r);

        group[i] = i % GROUPS;
        b_good[i] = noise;
        b_bad[i] = 0;
        a_good[i] = noise + shift + 0.3 * rng_normal(&r);
        a_bad[i] = 0;
    }
    const struct pair_delta_in in = {cols[0], cols[1], cols[2], cols[3], group, N, GROUPS, 1, 1000, true, 1};
    return pair_delta(&in);
}

/* The interval covers no difference about 95 times in 100, and finds a large one. */
static void intervals_cover_and_find(void **state)
{
    int n_covered = 0, n_significant = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct pair_delta d = compare(0, seed);

        n_covered += d.ci_low <= 0 && d.ci_high >= 0;
        n_significant += d.p_mcnemar < 0.05;
        assert_true(d.ci_low <= d.accuracy && d.accuracy <= d.ci_high);
        assert_true(d.margin_low <= d.margin && d.margin <= d.margin_high);
        assert_near((d.ci_high - d.ci_low) / (2 * 1.96 * d.se), 1, 0.15);
    }
    assert_in_range(n_covered, 88, 100);
    assert_in_range(n_significant, 0, 12);
    struct pair_delta d = compare(0.5, 7);
    assert_true(d.ci_low > 0 && d.p_mcnemar < 0.001 && d.accuracy > d.detectable);
    assert_near(d.margin, 0.5, 0.05);
}

static void comparing_the_other_way_round_changes_signs(void **state)
{
    struct pair_delta d = compare(0.2, 3);
    const struct pair_delta_in back = {cols[2], cols[3], cols[0], cols[1], group, N, GROUPS, 1, 1000, true, 1};
    struct pair_delta r = pair_delta(&back);

    (void)state;
    assert_near(d.accuracy, -r.accuracy, 1e-12);
    assert_near(d.ci_low, -r.ci_high, 1e-12);
    assert_near(d.margin, -r.margin, 1e-12);
    assert_int_equal(d.n_gained, r.n_lost);
    assert_near(d.p_mcnemar, r.p_mcnemar, 1e-15);
    assert_near(d.detectable, (1.959964 + 0.841621) * d.se, 1e-6);
}

static void several_seeds_count_by_their_mean(void **state)
{
    const struct pair_delta d = compare(0.3, 5);
    /* seed 1 is seed 0; then one in which the two change places */
    const double *const twice[4][2] = {{a_good, a_good}, {a_bad, a_bad}, {b_good, b_good}, {b_bad, b_bad}};
    const double *const crossed[4][2] = {{a_good, b_good}, {a_bad, b_bad}, {b_good, a_good}, {b_bad, a_bad}};
    struct pair_delta_in in = {twice[0], twice[1], twice[2], twice[3], group, N, GROUPS, 2, 0, true, 1};
    const struct pair_delta t = pair_delta(&in);
    double right = 0;

    (void)state;
    for (size_t i = 0; i < N; i++)
        right += (b_good[i] >= b_bad[i]) / (double)N;
    assert_near(d.base, right, 1e-12);
    assert_near(t.accuracy, d.accuracy, 1e-12);
    assert_near(t.base, d.base, 1e-12);
    assert_near(t.margin, d.margin, 1e-12);
    assert_near(t.se, d.se, 1e-12);
    assert_int_equal(t.n_gained, 2 * d.n_gained);
    assert_true(isnan(t.ci_low) && isnan(t.margin_high)); /* no resamples were asked for */
    in.a_good = crossed[0], in.a_bad = crossed[1], in.b_good = crossed[2], in.b_bad = crossed[3];
    const struct pair_delta c = pair_delta(&in);
    assert_near(c.accuracy, 0, 1e-12);
    assert_near(c.margin, 0, 1e-12);
    assert_near(c.se, 0, 1e-12);
    assert_near(c.base, d.base + d.accuracy / 2, 1e-12);
    assert_int_equal(c.n_gained, c.n_lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_blimp_is_read_with_its_oddities),
        cmocka_unit_test(what_is_no_pair_is_refused),
        cmocka_unit_test(ties_count_as_they_are_said_to),
        cmocka_unit_test(means_do_not_weight_paradigms),
        cmocka_unit_test(mcnemar_is_the_exact_binomial),
        cmocka_unit_test(intervals_cover_and_find),
        cmocka_unit_test(several_seeds_count_by_their_mean),
        cmocka_unit_test(comparing_the_other_way_round_changes_signs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
