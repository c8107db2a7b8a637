/* test_views.c - the views that users rely on: columns, values, and the queries of the manual. */
#include "mf.h"

#include <math.h>

#include "common/clock.h"
#include "coordinator/manifest_query.h"
#include "coordinator/tables.h"
#include "coordinator/views.h"

static const struct mf_stage stages[] = {
    {"acts", "acts_extract", {0}}, {"sae", "sae_train", {0}}, {"stability", "sae_compare", {0}}, {"noop", "mock", {0}}};
static const struct mf_job jobs[] = {
    {.stage = 0, .knobs = "{\"layer\":0}", .context = "{\"task\":\"modadd\",\"modulus\":113}"},
    {.stage = 1, .knobs = "{\"k\":8,\"seed\":1}", .context = "{\"hook\":\"resid_post\",\"layer\":0,\"task\":\"modadd\"}",
     .n_inputs = 1, .inputs = {{.name = "acts", .job = 0}}},
    {.stage = 1, .knobs = "{\"k\":8,\"seed\":2}", .context = "{\"hook\":\"resid_post\",\"layer\":0,\"task\":\"modadd\"}",
     .n_inputs = 1, .inputs = {{.name = "acts", .job = 0}}},
    {.stage = 2, .knobs = "{}", .context = "{\"arch\":\"topk\",\"d_sae\":128,\"k\":8,\"layer\":0,\"task\":\"modadd\"}",
     .n_inputs = 2, .inputs = {{.name = "saes", .job = 1}, {.name = "saes", .job = 2, .ord = 1}}},
    {.stage = 3, .knobs = "{\"tag\":\"it's\"}"},
};

static void fill(const char *results)
{
    struct spec s = mf_spec("demo", 4, 1);
    struct manifest *m;
    struct err e = {0};

    mf.stages = stages;
    mf.jobs = jobs;
    mf.n_jobs = ARRAY_LEN(jobs);
    MF_OK(manifest_open(results, 0, &m, &e));
    mf_add(m, &s, NULL);
    MF_OK(mf_finish_folder(results, m, 1, "\"verdict\":null,\"metrics\":{\"erank\":80.5,\"n_rows\":100},\"provenance\":{\"commit\":\"c0ffee\"}", &e));
    MF_OK(mf_finish_folder(results, m, 2, "\"verdict\":\"pass\",\"metrics\":{\"ev\":0.9,\"l0\":8,\"steps\":3000,\"wall_s\":1}", &e));
    MF_OK(mf_finish_folder(results, m, 3, "\"verdict\":\"pass\",\"metrics\":{\"ev\":0.8,\"l0\":8,\"steps\":3000,\"wall_s\":2}", &e));
    MF_OK(mf_finish_folder(results, m, 4,
                 "\"verdict\":\"pass\",\"metrics\":{\"pwmcc_mean\":0.4,\"random_mean\":0.3,\"ratio\":1.3333333333333333,"
                 "\"ev_mean\":0.85,\"l0_mean\":8,\"dead_pct_mean\":1,\"n_seeds\":2,\"erank\":80.5},"
                 "\"absent\":{\"p_value\":\"one pair\"},"
                 "\"blobs\":[{\"name\":\"pairs\",\"type\":\"text/csv\",\"text\":"
                 "\"seed_a,seed_b,pwmcc,mmcs,hungarian,hungarian_abs,subspace,grassmann\\n1,2,0.4,0.3,0.25,,,0.1\\n\"}]", &e));
    mf_apply(m, EVENT_READY, 5, 0);
    mf_apply(m, EVENT_GRANT, 5, 1);
    struct event ev = mf_event(EVENT_FAIL, 5, 1);
    ev.class = ERR_CLASS_CONFIG;
    ev.message = "tag: no";
    MF_OK(manifest_apply(m, &ev, 1, &e));
    manifest_close(m);
}

static struct table ask(const char *results, const char *sql)
{
    struct table t = {0};
    struct query *q;
    struct err e = {0};

    MF_OK(query_open(results, &q, &e));
    if (query_table(q, &t, &e, sql, ""))
        fail_msg("%s: %s", sql, e.text);
    query_close(q);
    return t;
}

static void expect_csv(const char *results, const char *sql, const char *want)
{
    struct table t = ask(results, sql);
    struct buf b = {0};

    table_print(&t, TABLE_CSV, false, &b);
    assert_string_equal(b.data, want);
    buf_free(&b);
    table_free(&t);
}

static void test_runs_joins_knobs_defaults_context_and_metrics(void **state)
{
    fill(*state);
    expect_csv(*state, "SELECT stage, kind, state, verdict, task, layer, k, seed, arch, steps, steps_done, ev, wall_s, host, \"commit\" FROM runs WHERE stage IN ('acts', 'sae')",
               "stage,kind,state,verdict,task,layer,k,seed,arch,steps,steps_done,ev,wall_s,host,commit\n"
               "acts,acts_extract,done,,modadd,0,,0,,,,,2.5,node1,c0ffee\n"
               "sae,sae_train,done,pass,modadd,0,8,1,topk,3000,3000,0.9,2.5,node1,\n"
               "sae,sae_train,done,pass,modadd,0,8,2,topk,3000,3000,0.8,2.5,node1,\n");
    expect_csv(*state, "SELECT tag, process, sleep FROM runs WHERE kind = 'mock'", "tag,process,sleep\nit's,0,0\n");
}

static void test_stability_has_the_promised_columns_in_order(void **state)
{
    static const char *const want[] = {"n_seeds", "n_pairs", "pwmcc_mean", "pwmcc_std", "ci_low", "ci_high", "random_mean",
        "random_expected", "surrogate_mean", "untrained_mean", "shuffled_mean", "ratio", "ratio_ci_low", "ratio_ci_high",
        "p_value", "ev_mean", "l0_mean", "dead_pct_mean", "erank", "gt_mcc", "hungarian_mean",
        "delta", "delta_lcb", "ev_std", "l0_std", "seed_ci_low", "seed_ci_high", "leak", "base_acc"};
    struct table t;

    fill(*state);
    t = ask(*state, "SELECT * FROM stability");
    assert_int_equal(t.n_rows, 1);
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_string_equal(t.cols[t.n_cols - ARRAY_LEN(want) + i], want[i]);
    table_free(&t);
    expect_csv(*state, "SELECT task, layer, arch, d_sae, k, n_seeds, pwmcc_mean, ratio, p_value, erank FROM stability",
               "task,layer,arch,d_sae,k,n_seeds,pwmcc_mean,ratio,p_value,erank\n"
               "modadd,0,topk,128,8,2,0.4,1.3333333333333333,,80.5\n");
    expect_csv(*state, "SELECT k, ratio, ev, l0, dead_pct FROM pareto", "k,ratio,ev,l0,dead_pct\n8,1.3333333333333333,0.85,8,1\n");
}

static void test_summary_folds_seeds_with_a_t_interval(void **state)
{
    struct table t;
    double half = 12.706204736432095 * sqrt(0.005) / sqrt(2);

    fill(*state);
    t = ask(*state, "SELECT k, n, mean, std, ci_low, ci_high FROM summary WHERE stage = 'sae' AND metric = 'ev'");
    assert_int_equal(t.n_rows, 1);
    assert_int_equal(t.cells[0].i, 8);
    assert_int_equal(t.cells[1].i, 2);
    assert_true(fabs(t.cells[2].f - 0.85) < 1e-15);
    assert_true(fabs(t.cells[3].f - sqrt(0.005)) < 1e-15);
    assert_true(fabs(t.cells[4].f - (0.85 - half)) < 1e-9);
    assert_true(fabs(t.cells[5].f - (0.85 + half)) < 1e-9);
    table_free(&t);
    t = ask(*state, "SELECT * FROM summary");
    assert_int_equal(table_col(&t, "seed"), -1);
    assert_int_equal(table_col(&t, "seed_init"), -1);
    table_free(&t);
}

static void test_small_views(void **state)
{
    fill(*state);
    expect_csv(*state, "SELECT seed_a, seed_b, pwmcc, hungarian_abs, grassmann FROM pairs",
               "seed_a,seed_b,pwmcc,hungarian_abs,grassmann\n1,2,0.4,,0.1\n");
    expect_csv(*state, "SELECT name, step, value FROM series WHERE job = (SELECT job FROM runs WHERE kind = 'sae_train' LIMIT 1)",
               "name,step,value\nloss,1,0.5\nloss,3,0.25\n");
    expect_csv(*state, "SELECT class, message, attempts, fix FROM failures", "class,message,attempts,fix\nconfig,tag: no,1,\n");
    expect_csv(*state, "SELECT DISTINCT name, is_volatile FROM metrics WHERE name IN ('ev', 'wall_s') ORDER BY 1",
               "name,is_volatile\nev,0\nwall_s,1\n");
    expect_csv(*state, "SELECT count(*) FROM metrics m JOIN runs r USING (job)", "count(*)\n18\n");
}

static void test_a_result_of_another_job_or_size_is_refused(void **state)
{
    struct spec s = mf_spec("demo", 4, 1);
    struct manifest *m;
    struct err e = {0};

    mf.stages = stages;
    mf.jobs = jobs;
    mf.n_jobs = ARRAY_LEN(jobs);
    MF_OK(manifest_open(*state, 0, &m, &e));
    mf_add(m, &s, NULL);
    assert_int_equal(mf_finish_folder(*state, m, 1, "\"metrics\":{},\"artifacts\":[{\"path\":\"a.pt\",\"bytes\":3,\"sha256\":"
                            "\"0000000000000000000000000000000000000000000000000000000000000000\"}]", &e), ERR_CORRUPT);
    assert_int_equal(manifest_bad_job(m), 1);
    assert_non_null(strstr(e.text, "a.pt"));
    assert_int_equal(mf_finish_folder(*state, m, 1, "\"job\":\"x\",\"metrics\":{}", &e) == ERR_OK, 0);
    assert_int_equal(mf_finish_folder(*state, m, 1, "\"metrics\":{\"ev\":\"much\"}", &e), ERR_CORRUPT);
    assert_int_equal(mf_finish_folder(*state, m, 1, "\"metrics\":{\"ev\":1}", &e), ERR_OK);
    manifest_close(m);
}

static double column_sum(const struct table *t, const char *name)
{
    double sum = 0, v;

    for (size_t i = 0; i < t->n_rows; i++)
        sum += table_f64(t, i, name, &v) ? v : 0;
    return sum;
}

/* Every column of ten thousand runs, with the right values in them. */
static void test_ten_thousand_runs_in_a_few_seconds(void **state)
{
    enum { N = 10000 };
    struct spec s = mf_spec("many", 4, 1);
    struct event *ev = calloc(3 * N, sizeof *ev);
    struct manifest *m;
    int64_t from;
    struct err e = {0};
    struct table t;

    mf.stages = (const struct mf_stage[]){{"m", "mock", {0}}, {"b", "mock", {0}}, {"c", "mock", {0}}, {"d", "mock", {0}}};
    mf.n_mock = N;
    MF_OK(manifest_open(*state, 0, &m, &e));
    mf_add(m, &s, NULL);
    for (int64_t i = 0; i < N; i++) {
        ev[i] = mf_event(EVENT_READY, i + 1, 0);
        ev[N + i] = mf_event(EVENT_GRANT, i + 1, 1);
        ev[2 * N + i] = mf_event(EVENT_DONE, i + 1, 1);
        ev[2 * N + i].metrics = "ev=0.5 l0=8 mse=0.1 loss=0.2 dead_pct=3 value=1";
    }
    MF_OK(manifest_apply(m, ev, 3 * N, &e));
    manifest_close(m);
    free(ev);
    from = clock_system.mono_us(&clock_system);
    t = ask(*state, "SELECT * FROM runs");
    print_message("runs of %zu jobs: %.2f s\n", t.n_rows, (double)(clock_system.mono_us(&clock_system) - from) / 1e6);
    assert_int_equal(t.n_rows, N);
    assert_true(column_sum(&t, "ev") == 0.5 * N);
    assert_true(column_sum(&t, "dead_pct") == 3.0 * N);
    assert_true(column_sum(&t, "seed") == (double)N * (N - 1) / 2);
    assert_true(column_sum(&t, "pwmcc_mean") == 0);
    table_free(&t);
    from = clock_system.mono_us(&clock_system);
    t = ask(*state, "SELECT metric, n FROM summary");
    print_message("summary: %zu rows, %.2f s\n", t.n_rows, (double)(clock_system.mono_us(&clock_system) - from) / 1e6);
    assert_int_equal(t.n_rows, 6);
    assert_true(column_sum(&t, "n") == 6.0 * N);
    table_free(&t);
}

static void test_tables_by_name_sweep_and_column(void **state)
{
    static const struct {
        struct tables_ask ask;
        const char *want; /* CSV, or a part of the error */
    } row[] = {
        {{.name = "runs", .columns = "k, ev", .where = "ev > 0.85"}, "k,ev\n8,0.9\n"},
        {{.name = "runs", .columns = "seed", .sweep = "demo", .where = "kind = 'sae_train'", .order = "seed DESC", .limit = 1}, "seed\n2\n"},
        {{.name = "pairs", .columns = "seed_a", .sweep = "demo"}, "seed_a\n1\n"},
        {{.name = "runs", .columns = "k,nope"}, "no such column: nope"},
        {{.name = "runs", .where = "nope = 1"}, "no such column: nope"},
        {{.name = "rums"}, "did you mean runs?"},
        {{.name = "runs", .sweep = "deno"}, "did you mean demo?"},
    };
    struct query *q;
    struct err e = {0};

    fill(*state);
    MF_OK(query_open(*state, &q, &e));
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct table t = {0};
        struct buf b = {0};

        if (tables_get(q, &row[i].ask, &t, &e))
            buf_str(&b, e.text);
        else
            table_print(&t, TABLE_CSV, false, &b);
        if (!strstr(b.data, row[i].want))
            fail_msg("row %zu: \"%s\" lacks \"%s\"", i, b.data, row[i].want);
        table_free(&t);
        buf_free(&b);
    }
    query_close(q);
}

/* Every ```sql block of the manual answers without an error. */
static void test_the_queries_of_the_manual_run(void **state)
{
    const char *source = getenv("SAEGRID_SOURCE");
    struct buf path = {0}, text = {0};
    struct err e = {0};
    int n = 0;

    if (!source)
        skip();
    fill(*state);
    buf_fmt(&path, "%s/docs/manifest.md", source);
    MF_OK(fs_read(path.data, 1 << 20, &text, &e));
    for (char *p = strstr(text.data, "```sql\n"); p; p = strstr(p, "```sql\n")) {
        char *end = strstr(p += 7, "```");
        struct table t;

        assert_non_null(end);
        *end = '\0';
        t = ask(*state, p);
        assert_true(t.n_cols > 0);
        table_free(&t);
        p = end + 1;
        n++;
    }
    assert_true(n >= 10);
    buf_free(&path);
    buf_free(&text);
}

/* The manual names every view's own columns. */
static void test_the_manual_names_every_column(void **state)
{
    static const char *const views[] = {"stability", "pareto", "pairs", "series", "metrics", "failures",
                                        "perplexity", "arms", "structure"};
    const char *source = getenv("SAEGRID_SOURCE"), *knobs[512];
    size_t n_knobs = views_knobs(knobs, 512);
    struct buf path = {0}, text = {0}, sql = {0};
    struct err e = {0};

    if (!source)
        skip();
    fill(*state);
    buf_fmt(&path, "%s/docs/manifest.md", source);
    MF_OK(fs_read(path.data, 1 << 20, &text, &e));
    for (size_t v = 0; v < ARRAY_LEN(views); v++) {
        struct table t;

        buf_reset(&sql);
        buf_fmt(&sql, "SELECT * FROM %s LIMIT 1", views[v]);
        t = ask(*state, sql.data);
        for (size_t c = 0; c < t.n_cols; c++) {
            bool is_knob = false;

            for (size_t k = 0; k < n_knobs; k++)
                is_knob |= strcmp(knobs[k], t.cols[c]) == 0;
            if (!is_knob && !strstr(text.data, t.cols[c]))
                fail_msg("%s.%s is not in docs/manifest.md", views[v], t.cols[c]);
        }
        table_free(&t);
    }
    buf_free(&path);
    buf_free(&text);
    buf_free(&sql);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, mf_setup, mf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_runs_joins_knobs_defaults_context_and_metrics),
        TEST(test_stability_has_the_promised_columns_in_order),
        TEST(test_summary_folds_seeds_with_a_t_interval),
        TEST(test_small_views),
        TEST(test_a_result_of_another_job_or_size_is_refused),
        TEST(test_ten_thousand_runs_in_a_few_seconds),
        TEST(test_tables_by_name_sweep_and_column),
        TEST(test_the_queries_of_the_manual_run),
        TEST(test_the_manual_names_every_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
