/* test_views_cpt.c - the views of continued pretraining, and the gates of its tax from both sides. */
#include "mf.h"

#include "coordinator/expect.h"
#include "coordinator/manifest_query.h"
#include "coordinator/table.h"

enum { CORPUS, BASE, CPT, EVAL, TAX, ACTS, SAE, CHECK };
static const struct mf_stage stages[] = {
    [CORPUS] = {"corpus", "data_make", {0}},
    [BASE] = {"base", "lm_pretrain", {0}},
    [CPT] = {"cpt", "lm_cpt", {0}},
    [EVAL] = {"eval", "lm_eval", {0}},
    [TAX] = {"tax", "lm_compare", {.metric = "ppl_increase_pct", .has_max = true, .max = 2}},
    [ACTS] = {"acts", "acts_extract", {0}},
    [SAE] = {"sae", "sae_train", {0}},
    [CHECK] = {"check", "structure_check", {0}},
};
#define FROM(a, b) .n_inputs = 2, .inputs = {{.name = "model", .job = a}, {.name = "data", .job = b}}
#define CPT_OF(knob_text) {.stage = CPT, .knobs = "{" knob_text "}", FROM(1, 0)}
#define EVAL_OF(model) {.stage = EVAL, .knobs = "{\"window\":64}", .context = "{\"m\":" #model "}", FROM(model, 0)}
#define ACTS_OF(model) {.stage = ACTS, .knobs = "{}", .context = "{\"m\":" #model "}", FROM(model, 0)}
#define SAE_OF(acts, seed) {.stage = SAE, .knobs = "{\"k\":8,\"seed\":" #seed "}", .context = "{\"m\":" #acts "}", \
    .n_inputs = 1, .inputs = {{.name = "acts", .job = acts}}}
#define TAX_OF(arm, control) {.stage = TAX, .knobs = "{\"label\":\"" #arm "\"}", .n_inputs = 2, \
    .inputs = {{.name = "evals", .job = arm}, {.name = "control", .job = control}}}
static const struct mf_job jobs[] = {
    /* 0 */ {.stage = CORPUS, .knobs = "{}"},
    /* 1 */ {.stage = BASE, .knobs = "{}", .n_inputs = 1, .inputs = {{.name = "data", .job = 0}}},
    /* 2 */ CPT_OF("\"arm\":\"control\""),
    /* 3 */ CPT_OF("\"arm\":\"control\",\"seed\":1"),
    /* 4 */ CPT_OF("\"lambda\":0.1"),                /* saeception, seed 0: both by default */
    /* 5 */ CPT_OF("\"lambda\":0.1,\"seed\":1"),
    /* 6 */ CPT_OF("\"arm\":\"random\",\"lr\":0.5"), /* another step size: no control of its own */
    /* 7 */ EVAL_OF(1), EVAL_OF(2), EVAL_OF(3), EVAL_OF(4), EVAL_OF(5), EVAL_OF(6),
    /* 13 */ TAX_OF(10, 8), TAX_OF(11, 9),
    /* 15 */ ACTS_OF(2), ACTS_OF(3), ACTS_OF(4), ACTS_OF(5),
    /* 19 */ SAE_OF(15, 0), SAE_OF(16, 1), SAE_OF(17, 0), SAE_OF(18, 1),
    /* 23 */ {.stage = CHECK, .knobs = "{}", .n_inputs = 4, .inputs = {{.name = "saes", .job = 21}, {.name = "saes", .job = 22},
                                                                       {.name = "control", .job = 19}, {.name = "control", .job = 20}}},
};

static void fill(const char *results, const char *notes)
{
    static const char *const done[] = {
        [7] = "\"ppl\":200", [8] = "\"ppl\":100", [9] = "\"ppl\":50", [10] = "\"ppl\":101.9", [11] = "\"ppl\":51", [12] = "\"ppl\":150",
        [13] = "\"ppl_increase_pct\":1.9,\"ppl_increase_pct_low\":1.5,\"ppl_increase_pct_high\":2.25",
        [14] = "\"ppl_increase_pct\":2.1,\"ppl_increase_pct_low\":1.75,\"ppl_increase_pct_high\":2.5",
        [23] = "\"d_pwmcc\":0.125,\"lazier_signs\":2,\"busier_signs\":0",
        [19] = "\"l0\":8,\"dead_pct\":1,\"ev\":0.75,\"steps_to_90\":100", [20] = "\"l0\":10,\"dead_pct\":3,\"ev\":0.25,\"steps_to_90\":200",
        [21] = "\"l0\":6,\"dead_pct\":1,\"ev\":0.75,\"steps_to_90\":50", [22] = "\"l0\":7,\"dead_pct\":2,\"ev\":0.75,\"steps_to_90\":100"};
    struct spec s = mf_spec("cpt", 8, 1);
    struct manifest *m;
    struct err e = {0};

    s.text = notes;
    mf.stages = stages;
    mf.jobs = jobs;
    mf.n_jobs = sizeof jobs / sizeof *jobs;
    MF_OK(manifest_open(results, 0, &m, &e));
    mf_add(m, &s, NULL);
    for (int i = 0; i < mf.n_jobs; i++) {
        const char *metrics = (size_t)i < sizeof done / sizeof *done && done[i] ? done[i] : "";
        char body[256];

        snprintf(body, sizeof body, "\"verdict\":%s,\"metrics\":{%s}", mf.jobs[i].stage == CHECK ? "\"pass\"" : "null", metrics);
        MF_OK(mf_finish_folder(results, m, i + 1, body, &e));
    }
    manifest_close(m);
}

static void expect_csv(const char *results, const char *sql, const char *want)
{
    struct table t = {0};
    struct buf b = {0};
    struct query *q;
    struct err e = {0};

    MF_OK(query_open(results, &q, &e));
    if (query_table(q, &t, &e, sql, ""))
        fail_msg("%s: %s", sql, e.text);
    query_close(q);
    table_print(&t, TABLE_CSV, false, &b);
    assert_string_equal(b.data, want);
    buf_free(&b);
    table_free(&t);
}

static void an_arm_stands_beside_its_own_control_and_the_base(void **state)
{
    fill(*state, "sweep: cpt\n");
    expect_csv(*state,
               "SELECT arm, seed, lambda, split, ppl, round(change_base_pct, 9) AS base, round(change_control_pct, 9) AS control,"
               " verdict FROM perplexity ORDER BY arm, seed",
               "arm,seed,lambda,split,ppl,base,control,verdict\n"
               "baseline,,,valid,200,,,\n"
               "control,0,,valid,100,-50,0,\n"
               "control,1,,valid,50,-75,0,\n"
               "random,0,0.01,valid,150,-25,,\n"
               "saeception,0,0.1,valid,101.9,-49.05,1.9,pass\n"
               "saeception,1,0.1,valid,51,-74.5,2,negative\n");
    expect_csv(*state, "SELECT arm, random_target FROM perplexity WHERE random_target IS NOT NULL",
               "arm,random_target\nrandom,norm_matched\n");
}

static void the_gate_of_the_tax_lies_between_its_two_sides(void **state)
{
    fill(*state, "sweep: cpt\n");
    expect_csv(*state, "SELECT ppl_increase_pct AS tax, verdict FROM runs WHERE stage = 'tax' ORDER BY 1",
               "tax,verdict\n1.9,pass\n2.1,negative\n");
}

static void structure_is_folded_over_seeds_and_set_against_the_control(void **state)
{
    fill(*state, "sweep: cpt\n");
    expect_csv(*state,
               "SELECT arm, seeds, l0, round(l0_std, 9) AS l0_std, dead_pct, ev, steps_to_90, d_l0, d_dead_pct, d_ev, d_steps_to_90 FROM structure ORDER BY arm",
               "arm,seeds,l0,l0_std,dead_pct,ev,steps_to_90,d_l0,d_dead_pct,d_ev,d_steps_to_90\n"
               "control,2,9,1.414213562,2,0.5,150,0,0,0,0\n"
               "saeception,2,6.5,0.707106781,1.5,0.75,75,-2.5,-0.5,0.25,-75\n");
}

static void arms_are_perplexity_folded_over_seeds(void **state)
{
    fill(*state, "sweep: cpt\n");
    expect_csv(*state,
               "SELECT arm, seeds, ppl, round(ppl_std, 6) AS ppl_std, change_base_pct AS base, round(change_control_pct, 9) AS control,"
               " round(change_control_pct_std, 6) AS control_std, change_control_pct_low AS low, change_control_pct_high AS high, verdict FROM arms",
               "arm,seeds,ppl,ppl_std,base,control,control_std,low,high,verdict\n"
               "baseline,1,200,,,,,,,\n"
               "control,2,75,35.355339,-62.5,0,0,,,\n"
               "random,1,150,,-25,,,,,\n"
               "saeception,2,76.45,35.991735,-61.775,1.95,0.070711,1.75,2.5,negative\n");
    expect_csv(*state, "SELECT arm, settings FROM arms WHERE settings LIKE '%lr%'", "arm,settings\nrandom,\"{\"\"lr\"\":0.5}\"\n");
    expect_csv(*state, "SELECT arm, d_pwmcc, lazier_signs, busier_signs, lazier FROM structure ORDER BY arm",
               "arm,d_pwmcc,lazier_signs,busier_signs,lazier\ncontrol,,,,\nsaeception,0.125,2,0,pass\n");
}

static void expect_verdict(const char *results, const char *claim, const char *want)
{
    struct table t = {0};
    struct query *q;
    struct err e = {0};

    MF_OK(query_open(results, &q, &e));
    MF_OK(expect_table(&t, q, "cpt", &e));
    query_close(q);
    for (size_t r = 0; r < t.n_rows; r++)
        if (!strcmp(table_cell(&t, r, (size_t)table_col(&t, "check"))->text, claim))
            assert_string_equal(table_cell(&t, r, (size_t)table_col(&t, "verdict"))->text, want);
    assert_int_equal(t.n_rows, 3);
    table_free(&t);
}

/* 1.9 [1.5, 2.25] and 2.1 [1.75, 2.5] */
static void a_check_takes_the_interval_that_a_job_reports(void **state)
{
    fill(*state, "sweep: cpt\nchecks:\n"
                 "  - {claim: a, of: $tax, metric: ppl_increase_pct, max: 2}\n"
                 "  - {claim: b, of: $tax, metric: ppl_increase_pct, max: 2.6}\n"
                 "  - {claim: c, of: $tax, metric: ppl_increase_pct, max: 1.7}\n");
    expect_verdict(*state, "a", "undecided");
    expect_verdict(*state, "b", "held");
    expect_verdict(*state, "c", "did not hold");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, mf_setup, mf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_arm_stands_beside_its_own_control_and_the_base),
        TEST(the_gate_of_the_tax_lies_between_its_two_sides),
        TEST(structure_is_folded_over_seeds_and_set_against_the_control),
        TEST(arms_are_perplexity_folded_over_seeds),
        TEST(a_check_takes_the_interval_that_a_job_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
