/* The benchmark slices: planted cases score high, unrelated ones at chance. */
#include "tests/lib/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "worker/eval/absorb.h"
#include "worker/eval/absorb_ref.h"
#include "worker/eval/cebench.h"
#include "worker/eval/kprobe.h"
#include "worker/eval/logit.h"

enum { N_TRAIN = 1200, N_TEST = 600, N = N_TRAIN + N_TEST, F = 40, D = 16, CHILDREN = 16 };

static float a[N * F], x[N * D];
static unsigned char parent[N];
static real dir[F * D];

static float noise(struct rng *r)
{
    return (float)rng_f64(r);
}

/* --- logistic regression ------------------------------------------------------------------------ */

static void the_gradient_vanishes_at_the_solution(void **state)
{
    struct rng r = rng_stream(1, "test");
    double v[50 * 3], w[4], g[4] = {0};
    unsigned char y[50];
    struct err e;

    (void)state;
    for (size_t i = 0; i < 150; i++)
        v[i] = rng_normal(&r);
    for (size_t i = 0; i < 50; i++)
        y[i] = v[3 * i] - v[3 * i + 1] + rng_normal(&r) > 0;
    assert_ok(logit_fit(w, v, y, 50, 3, 2.0, &e), e);
    for (size_t i = 0; i < 50; i++) {
        double p = 1 / (1 + exp(-logit_score(w, v + 3 * i, 3)));

        for (size_t c = 0; c < 3; c++)
            g[c] += 2 * (p - y[i]) * v[3 * i + c];
        g[3] += 2 * (p - y[i]);
    }
    for (size_t c = 0; c < 3; c++)
        assert_near(g[c] + w[c], 0, 1e-3);
    assert_near(g[3], 0, 1e-3);
    assert_true(w[0] > 0 && w[1] < 0);
}

static void separable_classes_end_at_the_penalty(void **state)
{
    const double v[] = {-2, -1, 1, 2};
    const unsigned char y[] = {0, 0, 1, 1};
    double w[2];
    struct err e;

    (void)state;
    assert_ok(logit_fit(w, v, y, 4, 1, 1.0, &e), e);
    assert_near(w[0], 1.006578, 1e-5); /* w = sum |x| / (1 + exp(w |x|)) */
    assert_near(w[1], 0, 1e-6);
}

/* The rarer class counts as much as if its rows were repeated: the same minimum. */
static void classes_can_be_balanced(void **state)
{
    const double v[] = {-2, -1, 0.5, 1, 2, -0.3}, twice[] = {-2, -1, 0.5, 1, 1, 2, 2, -0.3};
    const unsigned char y[] = {0, 0, 0, 1, 1, 0}, yy[] = {0, 0, 0, 1, 1, 1, 1, 0};
    double w[2], ww[2];
    struct err e;

    (void)state;
    assert_ok(logit_fit_balanced(w, v, y, 6, 1, 1.0, &e), e);  /* weights 6/8 and 6/4 */
    assert_ok(logit_fit(ww, twice, yy, 8, 1, 0.75, &e), e);
    assert_near(w[0], ww[0], 1e-6);
    assert_near(w[1], ww[1], 1e-6);
}

/* --- probing ------------------------------------------------------------------------------------ */

/* Random activations; column `hot` follows the parent label where it is planted. */
static void make(bool is_planted, uint64_t seed)
{
    struct rng r = rng_stream(seed, "test");

    for (size_t i = 0; i < N; i++) {
        parent[i] = rng_below(&r, 3) == 0; /* one third: has to be balanced */
        for (size_t c = 0; c < F; c++)
            a[i * F + c] = rng_below(&r, 4) == 0 ? noise(&r) : 0;
        if (is_planted)
            a[i * F + 7] = parent[i] ? 3 + noise(&r) : 0;
    }
}

static struct probe_result probe(size_t k, uint32_t *first)
{
    uint32_t order[F];
    struct probe_result out;
    struct probe p;
    struct err e;
    size_t hits = 0;

    assert_ok(probe_init(&p, a, F, parent, N_TRAIN, N_TEST, &e), e);
    for (size_t i = 0; i < p.n_train; i++)
        hits += parent[p.row[i]];
    assert_int_equal(2 * hits, p.n_train);
    assert_ok(probe_rank(order, &p, false, &e), e);
    assert_ok(probe_fit(&out, NULL, &p, order, k, &e), e);
    *first = order[0];
    probe_free(&p);
    return out;
}

static void a_planted_feature_is_found_and_predicts_the_label(void **state)
{
    uint32_t first;

    (void)state;
    make(true, 1);
    assert_true(probe(1, &first).acc == 1);
    assert_int_equal(first, 7);
    assert_true(probe(5, &first).acc > 0.99 && probe(5, &first).f1 > 0.99);
}

static void features_that_ignore_the_label_are_at_chance(void **state)
{
    uint32_t first;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        make(false, seed);
        assert_near(probe(5, &first).acc, 0.5, 0.09); /* 3 sd of 300 test rows */
    }
}

/* --- absorption --------------------------------------------------------------------------------- */

static void unit_direction(size_t f, size_t axis, size_t second, double share)
{
    memset(dir + f * D, 0, D * sizeof *dir);
    dir[f * D + axis] = (real)sqrt(1 - share * share);
    dir[f * D + second] = (real)share;
}

/* Rows: parent along axis 0; two fifths of them also have one of 16 children, along an axis of its
 * own.  Feature 0 is the parent's, 1 to 16 the children's, which, where they absorb, hold the parent's
 * direction and silence feature 0.  No child is frequent enough to count as a main feature. */
static void hierarchy(bool absorbs)
{
    struct rng r = rng_stream(5, "test");

    memset(a, 0, sizeof a);
    unit_direction(0, 0, 2, 0);
    for (size_t f = 1; f < F; f++)
        unit_direction(f, 1 + f % (D - 1), 0, absorbs && f <= CHILDREN ? 0.8 : 0);
    for (size_t i = 0; i < N; i++) {
        size_t child = 1 + rng_below(&r, 40);

        parent[i] = rng_below(&r, 2) == 1;
        child = parent[i] && child <= CHILDREN ? child : 0;
        for (size_t c = 0; c < D; c++)
            x[i * D + c] = (float)(0.05 * rng_normal(&r));
        x[i * D] += parent[i];
        x[i * D + 1 + child % (D - 1)] += child > 0;
        for (size_t c = CHILDREN + 1; c < F; c++)
            a[i * F + c] = rng_below(&r, 8) == 0 ? 0.02f * noise(&r) : 0;
        a[i * F] = parent[i] && !(absorbs && child) ? 1 : 0;
        if (child)
            a[i * F + child] = 1.3f;
    }
}

static struct absorb absorption(void)
{
    struct absorb_in in = {.x = x, .a = a, .dir = dir, .d = D, .f = F};
    struct absorb out;
    struct err e;

    assert_ok(probe_init(&in.dense, x, D, parent, N_TRAIN, N_TEST, &e), e);
    assert_ok(probe_init(&in.latent, a, F, parent, N_TRAIN, N_TEST, &e), e);
    assert_ok(absorb_measure(&out, &in, &e), e);
    probe_free(&in.dense);
    probe_free(&in.latent);
    return out;
}

static void a_child_that_took_the_parents_direction_has_absorbed_it(void **state)
{
    struct absorb yes, no;

    (void)state;
    hierarchy(true);
    yes = absorption();
    assert_true(yes.dense_f1 > 0.95 && yes.n_rows > 200);
    assert_near(yes.n_split, 1, 0);
    assert_near(yes.full, 0.4, 0.08);
    assert_near(yes.fraction, 0.4, 0.08);
    hierarchy(false);
    no = absorption();
    assert_true(no.full == 0 && no.fraction < 0.01);
    assert_near(no.n_split, 1, 0);
}

static void a_main_feature_that_is_silent_without_a_substitute_is_not_absorbed(void **state)
{
    (void)state;
    hierarchy(true);
    for (size_t i = 0; i < N; i++)
        memset(a + i * F + 1, 0, CHILDREN * sizeof *a); /* nobody stands in */
    assert_true(absorption().full == 0);
}

static struct absorb_ref absorption_ref(size_t n_candidates)
{
    const struct absorb_ref_in in = {.x = x, .a = a, .dir = dir, .y = parent, .d = D, .f = F, .n_train = N_TRAIN,
                                     .n_test = N_TEST, .n_candidates = n_candidates};
    struct absorb_ref out;
    struct err e;

    assert_ok(absorb_ref_measure(&out, &in, &e), e);
    return out;
}

static void the_references_score_finds_what_is_planted_too(void **state)
{
    struct absorb_ref yes, no;

    (void)state;
    hierarchy(true);
    yes = absorption_ref(0);
    assert_near((double)yes.n_main, 1, 0);
    assert_true(yes.n_rows > 200);
    assert_near(yes.score, 0.4, 0.08); /* rows with a child score 1, all others 0 */
    assert_near(absorption_ref(5).score, yes.score, 0.02); /* the parent's own is among the best five */
    hierarchy(false);
    no = absorption_ref(0);
    assert_near(no.score, 0, 0);
    for (size_t i = 0; i < N; i++) /* not silent, but half: a child takes what is missing */
        if (a[i * F] > 0 && i % 2)
            a[i * F] = 0.5f, a[i * F + 1] = 1.3f;
    unit_direction(1, 2, 0, 0.4);
    no = absorption_ref(0);
    const double share = 1.3 * 0.4 / (1.3 * 0.4 + 0.5);
    assert_near(no.score, share / 2, 0.06);
}

static void a_label_with_too_few_rows_has_no_score(void **state)
{
    (void)state;
    hierarchy(true);
    memset(parent, 0, sizeof parent);
    memset(parent, 1, ABSORB_REF_ROWS_MIN - 1);
    assert_true(isnan(absorption_ref(0).score));
}

/* --- contrast ----------------------------------------------------------------------------------- */

static struct cebench contrast(bool is_planted)
{
    uint32_t one[100], two[100];
    size_t n = 0, i = 0, j = 0;
    struct cebench out;
    struct err e;

    make(is_planted, 9);
    for (; n < 100; n++, i++, j++) {
        while (!parent[i])
            i++;
        while (parent[j])
            j++;
        one[n] = (uint32_t)i;
        two[n] = (uint32_t)j;
    }
    assert_ok(cebench_measure(&out, a, F, one, two, n, &e), e);
    return out;
}

static void one_feature_that_carries_the_contrast_stands_out(void **state)
{
    struct cebench yes = contrast(true), no = contrast(false);
    float flat[4 * F] = {0};
    uint32_t one[] = {0, 2}, two[] = {1, 3};
    struct cebench none;
    struct err e;

    (void)state;
    assert_true(yes.contrastive > no.contrastive + 1.5);
    assert_true(no.contrastive < 3.5); /* the greatest of 40 of no special kind */
    assert_true(yes.interpretability > no.interpretability + 1);
    assert_ok(cebench_measure(&none, flat, F, one, two, 2, &e), e);
    assert_true(none.contrastive == 0 && none.independent == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_vanishes_at_the_solution),
        cmocka_unit_test(separable_classes_end_at_the_penalty),
        cmocka_unit_test(a_planted_feature_is_found_and_predicts_the_label),
        cmocka_unit_test(features_that_ignore_the_label_are_at_chance),
        cmocka_unit_test(a_child_that_took_the_parents_direction_has_absorbed_it),
        cmocka_unit_test(the_references_score_finds_what_is_planted_too),
        cmocka_unit_test(a_label_with_too_few_rows_has_no_score),
        cmocka_unit_test(classes_can_be_balanced),
        cmocka_unit_test(a_main_feature_that_is_silent_without_a_substitute_is_not_absorbed),
        cmocka_unit_test(one_feature_that_carries_the_contrast_stands_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
