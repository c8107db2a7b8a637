/* test_hypo.c - doctored conditions flip each verdict of H1 to H5. */
#include "tests/lib/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/rng.h"
#include "coordinator/hypo_internal.h"

enum { SEEDS = 5, BOOT = 400 };

static struct hypo_data data;

static int empty(void **state)
{
    (void)state;
    hypo_data_free(&data);
    data.cond = calloc(256, sizeof *data.cond);
    data.causal = calloc(16, sizeof *data.causal);
    return 0;
}

static int done(void **state)
{
    (void)state;
    hypo_data_free(&data);
    return 0;
}

struct want {
    const char *task, *arch;
    double k, d_sae, erank, ev, l0, pwmcc, spread, surrogate;
};

/* Pairs around pwmcc; a seed moves all of its pairs by up to `spread`. */
static void add(const struct want *w)
{
    struct hypo_cond *c = &data.cond[data.n_conds];
    char rows[32], text[3][128], id[32];

    snprintf(rows, sizeof rows, "%s;%g", w->task, w->erank);
    snprintf(text[0], sizeof text[0], "%s;%s;%g", rows, w->arch, w->d_sae);
    snprintf(text[1], sizeof text[1], "%s;%s;k%g", rows, w->arch, w->k);
    snprintf(text[2], sizeof text[2], "%s;%g", rows, w->d_sae);
    snprintf(id, sizeof id, "%012zx%04zx", (size_t)0x123456789ab, data.n_conds);
    *c = (struct hypo_cond){.job = strdup(id), .acts = strdup(rows), .task = strdup(w->task),
                            .arch = strdup(w->arch), .but_k = strdup(text[0]), .but_d_sae = strdup(text[1]),
                            .but_arch = strdup(text[2]), .k = w->k, .d_sae = w->d_sae, .erank = w->erank, .ev = w->ev,
                            .l0 = w->l0, .random = 0.25, .surrogate = w->surrogate, .n = SEEDS,
                            .pair = calloc(SEEDS * SEEDS, sizeof(double))};
    for (size_t i = 0; i < SEEDS; i++)
        for (size_t j = 0; j < SEEDS; j++)
            c->pair[i * SEEDS + j] = w->pwmcc + w->spread * ((double)(i + j) / (SEEDS - 1) - 1);
    data.n_conds++;
}

static void add_causal(double gap, double spread)
{
    struct hypo_causal *c = &data.causal[data.n_causal++];

    *c = (struct hypo_causal){.job = strdup("fedcba9876543210"), .n = SEEDS, .gap = calloc(SEEDS, sizeof(double))};
    for (size_t i = 0; i < SEEDS; i++)
        c->gap[i] = gap + spread * ((double)i / (SEEDS - 1) - 0.5);
}

static struct hypo_result results[HYPO_COUNT];

static const struct hypo_result *judge(size_t h)
{
    struct err e;

    hypo_results_free(results);
    assert_ok(hypo_judge(results, &data, BOOT, 1, &e), e);
    return &results[h];
}

static void is(size_t h, enum hypo_verdict want)
{
    const struct hypo_result *r = judge(h);

    if (r->verdict != want)
        fail_msg("%s: %s, expected %s: effect %g, %g to %g; %s", r->name, hypo_verdict_text(r->verdict),
                 hypo_verdict_text(want), r->effect, r->low, r->high, r->evidence.data ? r->evidence.data : "");
}

/* Widths 32 to 256 on rows of several ranks; PWMCC falls by `slope` from one to the next. */
static void map(size_t n_sets, double slope, double spread)
{
    for (size_t s = 0; s < n_sets; s++)
        for (int w = 0; w < 4; w++)
            add(&(struct want){"modadd", "topk", 8, 32 << w, 20 + 30 * (double)s, 0.9, 8, 0.6 - slope * w, spread, NAN});
}

static void h1_flips_with_the_direction_of_the_width(void **state)
{
    is(HYPO_H1, HYPO_NO_DATA);
    map(3, 0.05, 0.01);
    is(HYPO_H1, HYPO_SUPPORTED);
    empty(state);
    map(3, -0.05, 0.01);
    is(HYPO_H1, HYPO_REFUTED);
    empty(state);
    map(2, 0.05, 0.01); /* too few sets of rows, whatever they say */
    is(HYPO_H1, HYPO_UNDECIDED);
    assert_non_null(strstr(results[HYPO_H1].evidence.data, "Only 2 of 3 sets"));
}

/* Along k: EV rises; PWMCC falls by `slope`. */
static void trade(double slope, double spread)
{
    for (int i = 0; i < 4; i++)
        add(&(struct want){"modadd", "topk", 4 << i, 128, 60, 0.8 + 0.04 * i, 4 << i, 0.6 - slope * i, spread, NAN});
}

static void h2_flips_with_the_direction_of_the_trade(void **state)
{
    is(HYPO_H2, HYPO_NO_DATA);
    trade(0.05, 0.01);
    is(HYPO_H2, HYPO_SUPPORTED);
    assert_float_equal(results[HYPO_H2].effect, 1, 1e-12);
    assert_int_equal(results[HYPO_H2].n_seeds, SEEDS);
    empty(state);
    trade(-0.05, 0.01);
    is(HYPO_H2, HYPO_REFUTED);
}

static void rival(const char *arch, double l0, double pwmcc, double ev, double spread)
{
    add(&(struct want){"modadd", arch, 0, 128, 60, ev, l0, pwmcc, spread, NAN});
}

static void h3_needs_a_gain_at_equal_l0_that_is_not_paid_for(void **state)
{
    trade(0.05, 0.01);
    is(HYPO_H3, HYPO_NO_DATA);
    rival("relu", 8, 0.7, 0.84, 0.01); /* TopK has 0.55 there, at EV 0.84 */
    is(HYPO_H3, HYPO_SUPPORTED);
    assert_near(results[HYPO_H3].effect, 0.15, 1e-9);
    empty(state);
    trade(0.05, 0.01);
    rival("relu", 8, 0.7, 0.8, 0.01); /* EV 0.04 below */
    is(HYPO_H3, HYPO_REFUTED);
    empty(state);
    trade(0.05, 0.01);
    rival("relu", 8, 0.5, 0.9, 0.01);
    is(HYPO_H3, HYPO_REFUTED);
    rival("gated", 8, 0.58, 0.9, 0.1); /* may or may not */
    is(HYPO_H3, HYPO_UNDECIDED);
    empty(state);
    trade(0.05, 0.01);
    rival("relu", 64, 0.9, 0.99, 0.01); /* no TopK at that L0: not compared */
    is(HYPO_H3, HYPO_NO_DATA);
}

static void controlled(double pwmcc, double surrogate)
{
    add(&(struct want){"modadd", "topk", 8, 128, 60, 0.9, 8, pwmcc, 0.01, surrogate});
}

static void h4_needs_all_three_parts(void **state)
{
    is(HYPO_H4, HYPO_NO_DATA);
    controlled(0.6, 0.4);
    is(HYPO_H4, HYPO_UNDECIDED); /* no intervention was run */
    add_causal(0.2, 0.05);
    is(HYPO_H4, HYPO_SUPPORTED);
    empty(state);
    controlled(0.6, 0.4);
    add_causal(-0.2, 0.05);
    is(HYPO_H4, HYPO_REFUTED);
    empty(state);
    controlled(0.6, 0.61); /* Gaussian rows do as well */
    add_causal(0.2, 0.05);
    is(HYPO_H4, HYPO_REFUTED);
    assert_non_null(strstr(results[HYPO_H4].evidence.data, "in 0 of 1 conditions, below them in 1,"));
    empty(state);
    for (int i = 0; i < 7; i++)
        controlled(0.6, 0.4);
    controlled(0.6, 0.63); /* one of eight, which the mean would hide */
    add_causal(0.2, 0.05);
    is(HYPO_H4, HYPO_REFUTED);
    assert_non_null(strstr(results[HYPO_H4].evidence.data, "in 7 of 8 conditions"));
    empty(state);
    controlled(0.6, 0.4);
    controlled(0.6, 0.599); /* not told apart */
    add_causal(0.2, 0.05);
    is(HYPO_H4, HYPO_UNDECIDED);
    empty(state);
    controlled(0.251, 0.2); /* chance */
    add_causal(0.2, 0.05);
    is(HYPO_H4, HYPO_REFUTED);
    empty(state);
    controlled(0.6, 0.4);
    add_causal(0.05, 0.5);
    is(HYPO_H4, HYPO_UNDECIDED);
    assert_true(results[HYPO_H4].seeds_needed > SEEDS);
}

/* The Gaussian rows of the last condition, whose seeds differ among themselves too. */
static void spread_surrogate(double pwmcc, double spread)
{
    struct hypo_cond *c = &data.cond[data.n_conds - 1];

    c->n_surrogate = SEEDS;
    c->surrogate_pair = calloc(SEEDS * SEEDS, sizeof(double));
    for (size_t i = 0; i < SEEDS; i++)
        for (size_t j = 0; j < SEEDS; j++)
            c->surrogate_pair[i * SEEDS + j] = pwmcc + spread * ((double)(i + j) / (SEEDS - 1) - 1);
}

static void h4_counts_the_noise_of_the_gaussian_rows(void **state)
{
    controlled(0.6, 0.585);
    add_causal(0.2, 0.05);
    is(HYPO_H4, HYPO_SUPPORTED);
    assert_non_null(strstr(results[HYPO_H4].evidence.data, "own spread is not known in 1"));
    spread_surrogate(0.585, 0.01);
    is(HYPO_H4, HYPO_SUPPORTED);
    assert_null(strstr(results[HYPO_H4].evidence.data, "own spread"));
    empty(state);
    controlled(0.6, 0.585);
    add_causal(0.2, 0.05);
    spread_surrogate(0.585, 0.1); /* the same means */
    is(HYPO_H4, HYPO_UNDECIDED);
}

static void task(const char *name, double pwmcc, double spread)
{
    add(&(struct want){name, "topk", 8, 128, 60, 0.9, 8, pwmcc, spread, NAN});
}

static void h5_is_as_strong_as_the_weakest_task(void **state)
{
    is(HYPO_H5, HYPO_NO_DATA);
    task("modadd", 0.6, 0.01);
    task("copy", 0.5, 0.01);
    is(HYPO_H5, HYPO_UNDECIDED);
    task("sort", 0.4, 0.01);
    is(HYPO_H5, HYPO_SUPPORTED);
    empty(state);
    task("modadd", 0.6, 0.01);
    task("copy", 0.5, 0.01);
    task("sort", 0.25, 0.001);
    is(HYPO_H5, HYPO_REFUTED);
    empty(state);
    task("modadd", 0.6, 0.01);
    task("copy", 0.5, 0.01);
    task("sort", 0.2625, 0.02);
    is(HYPO_H5, HYPO_UNDECIDED);
    add(&(struct want){"sort", "topk", 16, 128, 60, 0.9, 16, 0.1, 0.01, NAN}); /* a k that the others lack */
    is(HYPO_H5, HYPO_UNDECIDED);
}

static void intervals_come_from_seeds_and_not_from_pairs(void **state)
{
    double half;

    (void)state;
    task("modadd", 0.6, 0.1);
    task("copy", 0.6, 0.1);
    task("sort", 0.6, 0.1);
    const struct hypo_result *r = judge(HYPO_H5);
    half = (r->high - r->low) / 2;
    /* a seed moves its pairs by +-0.05: mean over pairs moves by 2 sd / sqrt(5) = 0.032, ratio 0.13 */
    assert_true(half > 0.12 && half < 0.35);
    assert_near(r->effect, 2.4, 1e-9);
}

static void spearman_is_that_of_ranks(void **state)
{
    const double x[] = {1, 2, 3, 4}, y[] = {10, 30, 20, 400}, tied[] = {1, 1, 2, 3}, flat[] = {1, 1, 1, 1};

    (void)state;
    assert_near(hypo_spearman(x, y, 4), 0.8, 1e-12);
    assert_near(hypo_spearman(x, tied, 4), 0.9486832980505138, 1e-12);
    assert_true(isnan(hypo_spearman(x, flat, 4)) && isnan(hypo_spearman(x, y, 2)));
}

static void seeds_needed_shrink_the_interval_to_the_threshold(void **state)
{
    (void)state;
    assert_int_equal(hypo_seeds(5, 1.2, 0.3, 1.0), 12); /* 5 * 1.5^2 = 11.25 */
    assert_int_equal(hypo_seeds(5, 1.0, 0.3, 1.0), 0);
    assert_int_equal(hypo_side(0.6, 0.7, 0.5), HYPO_SUPPORTED);
    assert_int_equal(hypo_side(0.3, 0.4, 0.5), HYPO_REFUTED);
    assert_int_equal(hypo_side(0.4, 0.6, 0.5), HYPO_UNDECIDED);
    assert_int_equal(hypo_side(NAN, 0.6, 0.5), HYPO_NO_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(h1_flips_with_the_direction_of_the_width, empty, done),
        cmocka_unit_test_setup_teardown(h2_flips_with_the_direction_of_the_trade, empty, done),
        cmocka_unit_test_setup_teardown(h3_needs_a_gain_at_equal_l0_that_is_not_paid_for, empty, done),
        cmocka_unit_test_setup_teardown(h4_needs_all_three_parts, empty, done),
        cmocka_unit_test_setup_teardown(h4_counts_the_noise_of_the_gaussian_rows, empty, done),
        cmocka_unit_test_setup_teardown(h5_is_as_strong_as_the_weakest_task, empty, done),
        cmocka_unit_test_setup_teardown(intervals_come_from_seeds_and_not_from_pairs, empty, done),
        cmocka_unit_test(spearman_is_that_of_ranks),
        cmocka_unit_test(seeds_needed_shrink_the_interval_to_the_threshold),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);

    hypo_results_free(results);
    return rc;
}
