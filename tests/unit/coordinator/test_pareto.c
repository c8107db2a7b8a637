/* test_pareto.c - the view `pareto`: rivals are the conditions on the same activations. */
#include "mf.h"

#include "coordinator/manifest_query.h"

static const struct mf_stage stages[] = {{"topk", "sae_compare", {0}}, {"relu", "sae_compare", {0}}};
static const struct mf_job jobs[] = {
    {.stage = 0, .knobs = "{}", .context = "{\"arch\":\"topk\",\"k\":4,\"layer\":0,\"task\":\"modadd\",\"seed\":1}"},
    {.stage = 0, .knobs = "{}", .context = "{\"arch\":\"topk\",\"k\":8,\"layer\":0,\"task\":\"modadd\",\"seed\":2}"},
    {.stage = 1, .knobs = "{}", .context = "{\"arch\":\"relu\",\"k\":9,\"layer\":0,\"task\":\"modadd\"}"},
    {.stage = 1, .knobs = "{}", .context = "{\"arch\":\"relu\",\"k\":7,\"layer\":1,\"task\":\"modadd\"}"},
    {.stage = 1, .knobs = "{}", .context = "{\"arch\":\"relu\",\"k\":5,\"layer\":0,\"task\":\"modadd\"}"},
};
static const char *const metrics[] = {
    "\"ratio\":3,\"ev_mean\":0.8,\"l0_mean\":4,\"dead_pct_mean\":0",   /* most stable */
    "\"ratio\":2,\"ev_mean\":0.9,\"l0_mean\":8,\"dead_pct_mean\":0",   /* beaten by the next, of another stage */
    "\"ratio\":2.5,\"ev_mean\":0.9,\"l0_mean\":8,\"dead_pct_mean\":0",
    "\"ratio\":1.1,\"ev_mean\":0.5,\"l0_mean\":9,\"dead_pct_mean\":5", /* worst, but of another layer */
    "\"ratio\":2.5,\"ev_mean\":0.9,\"l0_mean\":8,\"dead_pct_mean\":0", /* a tie is kept */
};

static void test_rivals_share_activations_not_stages(void **state)
{
    struct spec s = mf_spec("demo", ARRAY_LEN(stages), 1);
    struct table t = {0};
    struct buf text = {0}, csv = {0};
    struct manifest *m;
    struct query *q;
    struct err e = {0};

    mf.stages = stages;
    mf.jobs = jobs;
    mf.n_jobs = ARRAY_LEN(jobs);
    MF_OK(manifest_open(*state, 0, &m, &e));
    mf_add(m, &s, NULL);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        buf_reset(&text);
        buf_fmt(&text, "\"verdict\":\"pass\",\"metrics\":{%s}", metrics[i]);
        MF_OK(mf_finish_folder(*state, m, (int)i + 1, text.data, &e));
    }
    manifest_close(m);
    MF_OK(query_open(*state, &q, &e));
    MF_OK(query_table(q, &t, &e, "SELECT arch, k, ratio FROM pareto ORDER BY k", ""));
    table_print(&t, TABLE_CSV, false, &csv);
    assert_string_equal(csv.data, "arch,k,ratio\ntopk,4,3\nrelu,5,2.5\nrelu,7,1.1\nrelu,9,2.5\n");
    query_close(q);
    table_free(&t);
    buf_free(&text);
    buf_free(&csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rivals_share_activations_not_stages, mf_setup, mf_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
