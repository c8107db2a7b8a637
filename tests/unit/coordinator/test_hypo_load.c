/* test_hypo_load.c - which comparisons of a manifest speak to the hypotheses, and the verdicts as a table. */
#include "mf.h"

#include <math.h>

#include "coordinator/hypo.h"
#include "coordinator/manifest_query.h"

static const struct mf_stage stages[] = {{"sae", "sae_train", {0}}, {"compare", "sae_compare", {0}}, {"causal", "sae_causal", {0}}};

#define CONTEXT(more) "{\"arch\":\"topk\",\"d_sae\":128,\"k\":8,\"task\":\"modadd\",\"layer\":1," more "}"
#define SAES .n_inputs = 3, .inputs = {{.name = "saes", .job = 0}, {.name = "saes", .job = 1, .ord = 1}, {.name = "saes", .job = 2, .ord = 2}}
static const struct mf_job jobs[] = {
    {.stage = 0, .knobs = "{\"seed\":1}"},
    {.stage = 0, .knobs = "{\"seed\":2}"},
    {.stage = 0, .knobs = "{\"seed\":3}"},
    {.stage = 1, .knobs = "{}", .context = CONTEXT("\"steps\":3000"), .n_inputs = 6,               /* counts */
     .inputs = {{.name = "saes", .job = 0}, {.name = "saes", .job = 1, .ord = 1}, {.name = "saes", .job = 2, .ord = 2},
                {.name = "surrogate", .job = 1}, {.name = "surrogate", .job = 2, .ord = 1}, {.name = "surrogate", .job = 9, .ord = 2}}},
    {.stage = 1, .knobs = "{\"n_boot\":1}", .context = CONTEXT("\"steps\":140"), SAES},            /* too short */
    {.stage = 1, .knobs = "{\"checkpoint\":100}", .context = CONTEXT("\"steps\":3000"), SAES},     /* of a checkpoint */
    {.stage = 1, .knobs = "{\"prefix\":8}", .context = CONTEXT("\"steps\":3000"), SAES},           /* of a prefix */
    {.stage = 1, .knobs = "{\"n_boot\":2}", .context = CONTEXT("\"steps\":4000"), SAES},           /* leaks */
    {.stage = 1, .knobs = "{\"n_boot\":3}", .context = CONTEXT("\"steps\":5000"), .n_inputs = 2,    /* one seed: a source alone */
     .inputs = {{.name = "saes", .job = 0}, {.name = "saes", .job = 9, .ord = 1}}},
    {.stage = 0, .knobs = "{\"seed\":1,\"seed_order\":7}"},
    {.stage = 2, .knobs = "{}"},
    {.stage = 1, .knobs = "{\"n_boot\":4}", .context = CONTEXT("\"surrogate\":\"gaussian\",\"steps\":3000"), .n_inputs = 3, /* lends its pairs */
     .inputs = {{.name = "saes", .job = 9}, {.name = "saes", .job = 1, .ord = 1}, {.name = "saes", .job = 2, .ord = 2}}},
};
static const int order[] = {0, 1, 2, 9, 3, 4, 5, 6, 7, 8, 10, 11}; /* inputs first */

/* Seeds 1, 2, 3: pairs p - 0.01, p, p + 0.01. */
static void compared(const char *results, struct manifest *m, int64_t job, double p, double leak)
{
    char text[900];
    struct err e = {0};

    snprintf(text, sizeof text,
             "\"verdict\":null,\"metrics\":{\"pwmcc_mean\":%g,\"random_mean\":0.25,\"random_expected\":0.25,\"ratio\":%g,\"n_seeds\":3,"
             "\"ev_mean\":0.9,\"l0_mean\":8,\"erank\":60,\"surrogate_mean\":0.3,\"leak\":%g},"
             "\"blobs\":[{\"name\":\"pairs\",\"type\":\"text/csv\",\"text\":\"seed_a,seed_b,pwmcc,mmcs,hungarian,hungarian_abs,"
             "subspace,grassmann\\n1,2,%g,,,,,\\n1,3,%g,,,,,\\n2,3,%g,,,,,\\n\"}]", p, p / 0.25, leak, p - 0.01, p, p + 0.01);
    MF_OK(mf_finish_folder(results, m, job, text, &e));
}

static struct query *fill(const char *results)
{
    static struct mf_job sorted[ARRAY_LEN(jobs)];
    struct spec s = mf_spec("demo", 3, 1);
    struct manifest *m;
    struct query *q;
    struct err e = {0};

    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        sorted[i] = jobs[order[i]];
        for (int k = 0; k < sorted[i].n_inputs; k++)
            if (sorted[i].inputs[k].job == 9)
                sorted[i].inputs[k].job = 3;
    }
    mf.stages = stages;
    mf.jobs = sorted;
    mf.n_jobs = ARRAY_LEN(sorted);
    MF_OK(manifest_open(results, 0, &m, &e));
    mf_add(m, &s, NULL);
    for (int64_t job = 1; job <= 4; job++)
        MF_OK(mf_finish_folder(results, m, job, "\"verdict\":null,\"metrics\":{\"ev\":0.9,\"steps\":3000}", &e));
    for (int64_t job = 5; job <= 10; job++)
        compared(results, m, job, job == 5 ? 0.5 : 0.9, job == 9 ? 0.8 : 0);
    MF_OK(mf_finish_folder(results, m, 11, "\"verdict\":null,\"metrics\":{\"causal_gap\":0.2}", &e));
    compared(results, m, 12, 0.3, 0);
    manifest_close(m);
    MF_OK(query_open(results, &q, &e));
    return q;
}

static void test_only_whole_sound_long_comparisons_count(void **state)
{
    struct query *q = fill(*state);
    struct hypo_data d;
    struct err e = {0};

    MF_OK(hypo_load(&d, q, "demo", &e));
    assert_int_equal(d.n_conds, 1);
    assert_int_equal(d.cond[0].n, 3);
    assert_true(fabs(d.cond[0].random - 0.25) < 1e-12 && fabs(d.cond[0].surrogate - 0.3) < 1e-12);
    assert_true(fabs(d.cond[0].pair[0 * 3 + 1] - 0.49) < 1e-12 && fabs(d.cond[0].pair[2 * 3 + 1] - 0.51) < 1e-12);
    assert_true(isnan(d.cond[0].pair[0]));
    assert_int_equal(d.cond[0].n_surrogate, 3); /* those of the twin, which is no condition itself */
    assert_true(fabs(d.cond[0].surrogate_pair[0 * 3 + 1] - 0.29) < 1e-12 && fabs(d.cond[0].surrogate_pair[2 * 3 + 1] - 0.31) < 1e-12);
    assert_string_equal(d.cond[0].task, "modadd");
    assert_null(strstr(d.cond[0].but_k, "k=8;"));
    hypo_data_free(&d);
    assert_int_equal(hypo_load(&d, q, "demi", &e), ERR_NOT_FOUND);
    query_close(q);
}

static void test_the_table_has_a_row_a_hypothesis(void **state)
{
    struct query *q = fill(*state);
    struct table t = {0};
    struct err e = {0};

    MF_OK(hypo_table(&t, q, NULL, &e));
    assert_int_equal(t.n_rows, HYPO_COUNT);
    assert_string_equal(table_cell(&t, HYPO_H1, 1)->text, "no data"); /* one width is no line */
    assert_string_equal(table_cell(&t, HYPO_H4, 1)->text, "undecided"); /* nothing was ablated */
    assert_int_equal(strlen(table_cell(&t, HYPO_H4, (size_t)table_col(&t, "jobs"))->text), 12);
    table_free(&t);
    query_close(q);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, mf_setup, mf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(only_whole_sound_long_comparisons_count), T(the_table_has_a_row_a_hypothesis)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
