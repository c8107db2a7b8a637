/* test_picks.c - jobs that decide by the results of others: lm_gate, sae_l0, sae_pick, from results written by hand. */
#include "jobrun.h"

#include <math.h>

#include "worker/eval/l0_scan.h"

static struct jobrun jobs;

static int setup(void **state)
{
    (void)state;
    jobs = (struct jobrun){.root = tmpdir_make()};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(jobs.root);
    return 0;
}

/* A finished job of these metrics and knobs. */
static void done(const char *name, const char *metrics, const char *absent, const char *knobs)
{
    struct buf path = {0}, text = {0};

    buf_fmt(&path, "%s/result.json", name);
    buf_fmt(&text, "{\"format\": 1, \"job\": \"%s\", \"metrics\": {%s}, \"absent\": {%s}}", jobrun_id(1000 + ++jobs.n), metrics, absent);
    jobrun_file(&jobs, path.data, text.data);
    buf_reset(&path);
    buf_reset(&text);
    buf_fmt(&path, "%s/job.json", name);
    buf_fmt(&text, "{\"knobs\": {%s}}", knobs);
    jobrun_file(&jobs, path.data, text.data);
    buf_free(&path);
    buf_free(&text);
}

/* --- lm_gate ---------------------------------------------------------------------------------- */

#define FOURIER "\"fourier_top5\": 0.37, \"fourier_random\": 0.1"

static void gate_says(const char *metrics, const char *absent, double sound)
{
    char name[16], input[32];
    struct err e;

    snprintf(name, sizeof name, "m%d", jobs.n);
    done(name, metrics, absent, "");
    snprintf(input, sizeof input, "model=%s", name);
    snprintf(name, sizeof name, "g%d", jobs.n);
    assert_ok(jobrun(&jobs, name, "lm_gate", "", input, &e), e);
    if (fabs(jobrun_metric(&jobs, name, "sound") - sound) > 0)
        fail_msg("%s: sound is %g", metrics, jobrun_metric(&jobs, name, "sound"));
}

static void a_base_model_has_to_pass_all_three_tests(void **state)
{
    (void)state;
    gate_says("\"val_acc\": 0.995, \"leak\": 0.0, " FOURIER, "", 1);
    gate_says("\"val_acc\": 0.98, \"leak\": 0.0, " FOURIER, "", 0);
    gate_says("\"val_acc\": 1.0, \"leak\": 1.0, " FOURIER, "", 0);
    gate_says("\"val_acc\": 1.0, \"leak\": 0.0, \"fourier_top5\": 0.105, \"fourier_random\": 0.1", "", 0);
    gate_says("\"val_acc\": 1.0, \"leak\": 0.0", "\"fourier_top5\": \"the task's tokens are no residues\"", 1);
    gate_says("\"val_acc\": 1.0, \"leak\": 0.0", "", 0); /* no test is none passed */
    gate_says("\"val_acc\": 1.0, " FOURIER, "", 0);
}

/* --- sae_l0 ----------------------------------------------------------------------------------- */

static void scan(void)
{
    done("s1", "\"l0\": 32, \"ev\": 0.95", "", "\"l1\": 0.1");
    done("s2", "\"l0\": 8, \"ev\": 0.94", "", "\"l1\": 1");
    done("s3", "\"l0\": 3, \"ev\": 0.90", "", "\"l1\": 10"); /* two seeds */
    done("s4", "\"l0\": 1, \"ev\": 0.80", "", "\"l1\": 10");
    done("s5", "", "", "\"l1\": 100"); /* diverged */
}

static void the_coefficient_of_an_l0_is_interpolated(void **state)
{
    struct err e;

    (void)state;
    scan();
    assert_ok(jobrun(&jobs, "f", "sae_l0", "\"target_l0\": 16, \"ev_drop\": 0.02", "saes=s1,saes=s2,saes=s3,saes=s4,saes=s5", &e), e);
    assert_near(jobrun_metric(&jobs, "f", "coef_pick"), sqrt(0.1), 1e-12); /* 16 is half way from 8 to 32 in logs */
    assert_near(jobrun_metric(&jobs, "f", "ev_target"), 0.945, 1e-12);
    /* 0.93 lies between L0 8 (0.94) and 2 (0.85): a ninth of the way */
    assert_near(jobrun_metric(&jobs, "f", "l0_knee"), exp(log(8) + (log(2) - log(8)) / 9), 1e-9);
    assert_true(isnan(jobrun_metric(&jobs, "f", "k_pick")));
    assert_ok(jobrun(&jobs, "out", "sae_l0", "\"target_l0\": 64", "saes=s1,saes=s2", &e), e);
    assert_true(isnan(jobrun_metric(&jobs, "out", "coef_pick")));
    assert_int_equal(jobrun(&jobs, "one", "sae_l0", "\"target_l0\": 8", "saes=s1", &e), ERR_INVALID);
}

static void a_knee_needs_a_fall(void **state)
{
    struct l0_point v[3];
    size_t n = 0;
    bool is_inside;

    (void)state;
    l0_scan_add(v, &n, 2, 2, 0.94);
    l0_scan_add(v, &n, 8, 8, 0.95);
    l0_scan_sort(v, n);
    assert_near(l0_scan_knee(v, n, 0.02, &is_inside), 2, 0);
    assert_false(is_inside);
    l0_scan_add(v, &n, 1, 1, 0.5);
    l0_scan_sort(v, n);
    assert_true(l0_scan_knee(v, n, 0.02, &is_inside) > 1 && is_inside);
    assert_true(l0_scan_knee(v, n, 0.02, &is_inside) < 2);
}

/* --- sae_pick --------------------------------------------------------------------------------- */

/* A comparison whose trained minus random lies in [lcb, ucb]. */
static void compared(const char *name, double l0, double ev, double lcb, double ucb)
{
    char text[256];

    snprintf(text, sizeof text, "\"l0_mean\": %g, \"ev_mean\": %g, \"delta_lcb\": %g, \"ci_high\": %g, \"random_ci_low\": 0.25", l0, ev,
             lcb, 0.25 + ucb);
    done(name, text, "", "");
}

static void pick(const char *name, const char *knobs, double want)
{
    struct err e;

    assert_ok(jobrun(&jobs, name, "sae_pick", knobs, "compares=a,compares=b,compares=c,compares=d", &e), e);
    assert_near(jobrun_metric(&jobs, name, "k_pick"), want, 0);
}

static void the_sparsest_that_is_not_told_apart_is_picked(void **state)
{
    struct err e;

    (void)state;
    compared("a", 4, 0.80, 0.20, 0.30);  /* its upper end reaches the best's lower one */
    compared("b", 8, 0.90, 0.28, 0.36);  /* the most stable */
    compared("c", 16, 0.95, 0.10, 0.15);
    compared("d", 2, 0.50, 0.02, 0.27);  /* does not reach */
    pick("p", "", 4);
    assert_near(jobrun_metric(&jobs, "p", "n_pick_ties"), 2, 0);
    assert_near(jobrun_metric(&jobs, "p", "lcb_pick"), 0.20, 1e-12);
    pick("with_ev", "\"ev_drop\": 0.1", 8);     /* k = 4 costs too much EV */
    pick("strict_ev", "\"ev_drop\": 0.01", 16); /* so does 8: the only one left */
    done("e", "\"l0_mean\": 3", "", "");
    assert_int_equal(jobrun(&jobs, "none", "sae_pick", "", "compares=e", &e), ERR_INVALID);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_base_model_has_to_pass_all_three_tests),
        T(the_coefficient_of_an_l0_is_interpolated),
        T(a_knee_needs_a_fall),
        T(the_sparsest_that_is_not_told_apart_is_picked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
