/* test_manifest_jobs.c - repair, gates, values, logs, links, and what `check` finds. */
#include "mf.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "coordinator/check.h"
#include "coordinator/manifest_internal.h"

static const struct mf_stage two_mocks[] = {{"first", "mock", {0}}, {"second", "mock", {0}}};
static const struct mf_job chain[] = {
    {.knobs = "{\"seed\":1}"},
    {.knobs = "{\"seed\":2}"},
    {.stage = 1, .knobs = "{\"tag\":\"a\"}", .n_inputs = 2, .inputs = {{.name = "x", .job = 0}, {.name = "x", .job = 1, .ord = 1}}},
    {.stage = 1, .knobs = "{\"seed\":1}", .repeat_of = 1},
};

static struct manifest *open_ok(const char *dir)
{
    struct manifest *m;
    struct err e = {0};

    MF_OK(manifest_open(dir, 0, &m, &e));
    return m;
}

static int64_t ask(struct manifest *m, const char *sql)
{
    sqlite3_stmt *st;
    int64_t v = -1;

    if (sqlite3_prepare_v2(m->db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(m->db));
    if (sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return v;
}

static void use_chain(void)
{
    mf.stages = two_mocks;
    mf.jobs = chain;
    mf.n_jobs = ARRAY_LEN(chain);
}

static void test_requeue_needs_a_fix_for_a_fault_of_the_code(void **state)
{
    struct spec s = mf_spec("chain", 2, 1);
    struct event ev;
    struct err e = {0};
    int64_t n;

    use_chain();
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    mf_apply(m, EVENT_READY, 2, 0);
    mf_apply(m, EVENT_GRANT, 2, 1);
    ev = mf_event(EVENT_FAIL, 2, 1);
    ev.class = ERR_CLASS_CODE;
    ev.message = "SIGSEGV";
    MF_OK(manifest_apply(m, &ev, 1, &e));
    ev = mf_event(EVENT_SKIP, 3, 0);
    ev.cause = 2;
    MF_OK(manifest_apply(m, &ev, 1, &e));
    assert_int_equal(ask(m, "SELECT attempts FROM failures WHERE class = 'code' AND message = 'SIGSEGV'"), 1);
    MF_OK(manifest_rearm(m, 1, MF_DAY, &n, &e));
    assert_int_equal(n, 0);
    assert_int_equal(manifest_requeue(m, 2, &(struct manifest_wish){0}, MF_DAY, &n, &e), ERR_INVALID);
    assert_int_equal(manifest_requeue(m, 1, &(struct manifest_wish){0}, MF_DAY, &n, &e), ERR_INVALID);
    MF_OK(manifest_requeue(m, 2, &(struct manifest_wish){.fix = "abc123"}, MF_DAY, &n, &e));
    assert_int_equal(n, 2); /* and the one that was skipped */
    assert_int_equal(ask(m, "SELECT count(*) FROM fix WHERE commit_id = 'abc123'"), 1);
    assert_int_equal(ask(m, "SELECT count(*) FROM job WHERE state = 'waiting'"), 3);
    manifest_close(m);
}

static void test_what_was_skipped_follows_although_a_kill_fell_between(void **state)
{
    struct spec s = mf_spec("chain", 2, 1);
    struct event ev;
    struct err e = {0};
    int64_t n;

    use_chain();
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    ev = mf_event(EVENT_SKIP, 3, 0); /* because of job 2, which somebody has put back since */
    ev.cause = 2;
    MF_OK(manifest_apply(m, &ev, 1, &e));
    MF_OK(manifest_rearm(m, 1, MF_DAY, &n, &e));
    assert_int_equal(n, 1);
    assert_int_equal(ask(m, "SELECT count(*) FROM job WHERE state = 'waiting'"), 3);
    manifest_close(m);
}

static void test_the_same_command_rearms_quarantine_and_raised_timeouts(void **state)
{
    static const struct mf_job slow[] = {{.knobs = "{\"seed\":1}", .timeout = 10}, {.knobs = "{\"seed\":2}", .timeout = 10}};
    static const struct mf_job more[] = {{.knobs = "{\"seed\":1}", .timeout = 20}, {.knobs = "{\"seed\":2}", .timeout = 10}};
    struct spec s = mf_spec("slow", 1, 1);
    struct err e = {0};
    int64_t n;

    mf.stages = two_mocks;
    mf.jobs = slow;
    mf.n_jobs = 2;
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    for (int64_t job = 1; job <= 2; job++) {
        struct event ev = mf_event(EVENT_FAIL, job, 1);

        mf_apply(m, EVENT_READY, job, 0);
        mf_apply(m, EVENT_GRANT, job, 1);
        ev.class = ERR_CLASS_CONFIG;
        ev.wall_s = 10.01;
        MF_OK(manifest_apply(m, &ev, 1, &e));
    }
    MF_OK(manifest_rearm(m, 1, MF_DAY, &n, &e));
    assert_int_equal(n, 0);
    mf.jobs = more;
    mf_add(m, &s, NULL);
    MF_OK(manifest_rearm(m, 1, MF_DAY, &n, &e));
    assert_int_equal(n, 1);
    assert_int_equal(ask(m, "SELECT state = 'waiting' FROM job WHERE id = 1"), 1);
    manifest_close(m);
}

static void test_a_dead_coordinators_leases_are_free_again(void **state)
{
    struct spec s = mf_spec("chain", 2, 1);
    struct err e = {0};
    int64_t done, again;

    use_chain();
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    mf_apply(m, EVENT_READY, 1, 0);
    mf_apply(m, EVENT_GRANT, 1, 1);
    MF_OK(manifest_recover(m, MF_DAY, &done, &again, &e));
    assert_int_equal(done, 0);
    assert_int_equal(again, 1);
    assert_int_equal(ask(m, "SELECT state = 'ready' AND n_infra = 0 AND n_lost = 0 FROM job WHERE id = 1"), 1);
    manifest_close(m);
}

static void test_gates_decide_alone_and_against_another_stage(void **state)
{
    static const struct mf_stage stages[] = {
        {"control", "mock", {0}},
        {"own", "mock", {.metric = "value", .has_min = true, .min = 3}},
        {"arm", "mock", {.metric = "value", .against = "control", .has_max = true, .max = 2}},
    };
    static const struct mf_job jobs[] = {
        {.stage = 0, .knobs = "{\"seed\":0}"}, {.stage = 0, .knobs = "{\"seed\":1}"},
        {.stage = 1, .knobs = "{\"seed\":2}"}, {.stage = 2, .knobs = "{\"seed\":3}"},
        {.stage = 2, .knobs = "{\"seed\":4}", .n_inputs = 1, .inputs = {{.name = "r", .job = 2, .must_pass = true}}}};
    struct spec s = mf_spec("gates", 3, 1);
    struct err e = {0};
    int64_t cause;
    bool missed;

    mf.stages = stages;
    mf.jobs = jobs;
    mf.n_jobs = 5;
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    mf_finish(m, 3, "value=2.9");
    assert_int_equal(ask(m, "SELECT verdict = 'negative' FROM runs WHERE stage = 'own'"), 1);
    MF_OK(manifest_require_missed(m, 5, &missed, &cause, &e));
    assert_true(missed && cause == 3);
    mf_finish(m, 4, "value=5");
    mf_finish(m, 1, "value=2");
    assert_int_equal(ask(m, "SELECT count(*) FROM sweep_job WHERE verdict IS NOT NULL"), 1); /* control is open */
    mf_finish(m, 2, "value=4");
    assert_int_equal(ask(m, "SELECT verdict = 'pass' FROM runs WHERE stage = 'arm' AND state = 'done'"), 1);
    assert_int_equal(ask(m, "SELECT reason LIKE 'passed: value - mean of control = 2,%' FROM sweep_job WHERE job = 4"), 1);
    manifest_close(m);
}

static int count_in_log(const char *dir, const char *what)
{
    struct buf path = {0}, text = {0};
    struct err e;
    int n = 0;

    buf_fmt(&path, "%s/EXPERIMENT_LOG.md", dir);
    if (fs_is_file(path.data) && fs_read(path.data, 1 << 20, &text, &e) == ERR_OK)
        for (const char *p = text.data; (p = strstr(p, what)); p++)
            n++;
    buf_free(&path);
    buf_free(&text);
    return n;
}

static void test_failures_and_negatives_are_logged_once(void **state)
{
    struct spec s = mf_spec("chain", 2, 1);
    struct event ev;
    struct err e = {0};

    use_chain();
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    mf_finish(m, 1, "value=1");
    assert_int_equal(count_in_log(*state, "## "), 0);
    mf_apply(m, EVENT_READY, 2, 0);
    mf_apply(m, EVENT_GRANT, 2, 1);
    ev = mf_event(EVENT_FAIL, 2, 1);
    ev.class = ERR_CLASS_CODE;
    ev.message = "SIGSEGV";
    MF_OK(manifest_apply(m, &ev, 1, &e));
    assert_int_equal(count_in_log(*state, "- Message: SIGSEGV"), 1);
    assert_int_equal(count_in_log(*state, "failed, class code"), 1);
    mf_apply(m, EVENT_REQUEUE, 2, 1);
    mf_apply(m, EVENT_READY, 2, 1);
    mf_apply(m, EVENT_GRANT, 2, 2);
    ev = mf_event(EVENT_DONE, 2, 2);
    ev.class = ERR_CLASS_SCIENCE;
    ev.message = "diverged";
    MF_OK(manifest_apply(m, &ev, 1, &e));
    assert_int_equal(ask(m, "SELECT count(*) FROM runs WHERE verdict = 'negative'"), 1);
    assert_int_equal(count_in_log(*state, "- Outcome: negative"), 1);
    /* a crash after the append and before the mark */
    assert_int_equal(sqlite3_exec(m->db, "UPDATE log_entry SET is_written = 0", NULL, NULL, NULL), SQLITE_OK);
    manifest_close(m);
    m = open_ok(*state);
    assert_int_equal(ask(m, "SELECT sum(is_written) FROM log_entry"), 2);
    assert_int_equal(count_in_log(*state, "<!-- entry "), 2);
    manifest_close(m);
}

static void test_a_payload_resolves_values_of_other_jobs(void **state)
{
    static const struct mf_job jobs[] = {
        {.knobs = "{\"seed\":1}"},
        {.knobs = "{\"process\":true,\"seed\":2}"},
        {.stage = 1, .knobs = "{\"process\":true}", .context = "{\"task\":\"modadd\"}", .n_inputs = 2,
         .inputs = {{.name = "seed", .field = "value", .job = 0}, {.name = "acts", .job = 1, .ord = 1}}},
    };
    struct spec s = mf_spec("values", 2, 1);
    struct buf payload = {0}, dir = {0};
    struct err e = {0};

    mf.stages = two_mocks;
    mf.jobs = jobs;
    mf.n_jobs = 3;
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    assert_int_equal(manifest_payload(m, 3, 1, &payload, &dir, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "has no metric value"));
    buf_free(&payload);
    buf_free(&dir);
    mf_finish(m, 1, "value=17");
    MF_OK(manifest_payload(m, 3, 3, &payload, &dir, &e));
    assert_string_equal(dir.data, "experiments/values/test_mock_2_19700102");
    assert_non_null(strstr(payload.data, "\"knobs\":{\"process\":true,\"seed\":17}"));
    assert_non_null(strstr(payload.data, "\"context\":{\"task\":\"modadd\"}"));
    assert_non_null(strstr(payload.data, "\"epoch\":3"));
    assert_non_null(strstr(payload.data, "\"inputs\":[{\"name\":\"acts\",\"job\":\""));
    assert_non_null(strstr(payload.data, "\"path\":\"experiments/values/test_mock_1_19700102\"}]"));
    assert_int_equal(ask(m, "SELECT seed FROM runs WHERE stage = 'second'"), 17);
    buf_free(&payload);
    buf_free(&dir);
    manifest_close(m);
}

static void test_a_shared_result_is_linked_from_the_other_sweep(void **state)
{
    static const struct mf_job one[] = {{.knobs = "{\"process\":true,\"seed\":1}"}};
    struct spec a = mf_spec("home", 1, 1), b = mf_spec("guest", 1, 2);
    struct err e = {0};
    char path[256], to[256];
    ssize_t n;

    mf.stages = two_mocks;
    mf.jobs = one;
    mf.n_jobs = 1;
    struct manifest *m = open_ok(*state);
    mf_add(m, &a, NULL);
    mf_add(m, &b, NULL);
    MF_OK(mf_finish_folder(*state, m, 1, "\"metrics\":{\"value\":1}", &e));
    MF_OK(manifest_links(m, 2, &e));
    MF_OK(manifest_links(m, 2, &e)); /* again: no error */
    snprintf(path, sizeof path, "%s/experiments/guest/test_mock_0_19700102", (char *)*state);
    n = readlink(path, to, sizeof to - 1);
    assert_true(n > 0);
    to[n] = '\0';
    assert_string_equal(to, "../home/test_mock_0_19700102");
    assert_true(fs_is_dir(path));
    assert_int_equal(ask(m, "SELECT count(*) FROM metrics WHERE sweep = 'guest'"), 1);
    manifest_close(m);
}

static void test_a_complete_folder_of_a_dead_coordinator_is_taken(void **state)
{
    static const struct mf_job one[] = {{.knobs = "{\"process\":true,\"seed\":1}"}};
    struct spec a = mf_spec("home", 1, 1);
    struct event ev[2] = {mf_event(EVENT_READY, 1, 0), mf_event(EVENT_GRANT, 1, 1)};
    struct err e = {0};
    int64_t done, again;

    mf.stages = two_mocks;
    mf.jobs = one;
    mf.n_jobs = 1;
    struct manifest *m = open_ok(*state);
    mf_add(m, &a, NULL);
    MF_OK(manifest_apply(m, ev, 2, &e));
    mf_write_folder(*state, m, 1, "\"metrics\":{\"value\":4}");
    MF_OK(manifest_recover(m, MF_DAY, &done, &again, &e));
    assert_int_equal(done, 1);
    assert_int_equal(again, 0);
    assert_int_equal(ask(m, "SELECT value FROM runs WHERE state = 'done'"), 4);
    manifest_close(m);
}

/* They are taken in together; the one whose result is of no use runs again, and only that. */
static void test_of_many_complete_folders_a_bad_one_spoils_no_other(void **state)
{
    static const struct mf_job jobs[] = {{.knobs = "{\"process\":true,\"seed\":1}"},
                                         {.knobs = "{\"process\":true,\"seed\":2}"},
                                         {.knobs = "{\"process\":true,\"seed\":3}"},
                                         {.knobs = "{\"process\":true,\"seed\":4}"}};
    struct spec a = mf_spec("home", 1, 1);
    struct err e = {0};
    int64_t done, again;

    mf.stages = two_mocks;
    mf.jobs = jobs;
    mf.n_jobs = 4;
    struct manifest *m = open_ok(*state);
    mf_add(m, &a, NULL);
    for (int64_t job = 1; job <= 4; job++) {
        mf_apply(m, EVENT_READY, job, 0);
        mf_apply(m, EVENT_GRANT, job, 1);
    }
    mf_write_folder(*state, m, 1, "\"metrics\":{\"value\":1}");
    mf_write_folder(*state, m, 2, "\"metrics\":{\"no_such_metric\":2}");
    mf_write_folder(*state, m, 4, "\"metrics\":{\"value\":4}");
    MF_OK(manifest_recover(m, MF_DAY, &done, &again, &e));
    assert_int_equal(done, 2);
    assert_int_equal(again, 2);
    assert_int_equal(ask(m, "SELECT sum(value) FROM runs WHERE state = 'done'"), 5);
    assert_int_equal(ask(m, "SELECT count(*) FROM job WHERE state = 'ready' AND id IN (2, 3)"), 2);
    manifest_close(m);
}

/* The discrepancies of the folder, as one text. */
static void find(const char *results, struct buf *out)
{
    struct check_report r;
    struct query *q;
    struct err e = {0};

    buf_reset(out);
    MF_OK(query_open(results, &q, &e));
    MF_OK(check_run(q, results, true, &r, &e));
    for (size_t i = 0; i < r.found.n_rows; i++)
        buf_fmt(out, "%s: %s\n", table_cell(&r.found, i, 0)->text, table_cell(&r.found, i, 1)->text);
    check_free(&r);
    query_close(q);
}

static void test_check_names_what_disagrees(void **state)
{
    static const struct mf_job one[] = {{.knobs = "{\"process\":true,\"seed\":1}"}};
    struct spec a = mf_spec("home", 1, 1);
    struct buf text = {0};
    struct err e = {0};
    uint8_t digest[32];
    char dir[256], body[300], hex[65];

    mf.stages = two_mocks;
    mf.jobs = one;
    mf.n_jobs = 1;
    struct manifest *m = open_ok(*state);
    mf_add(m, &a, NULL);
    snprintf(dir, sizeof dir, "%s/experiments/home/test_mock_0_19700102", (char *)*state);
    mf_put_file(dir, "a.pt", "abc");
    sha256_of("abc", 3, digest);
    snprintf(body, sizeof body, "\"metrics\":{\"ev\":0.1},\"artifacts\":[{\"path\":\"a.pt\",\"bytes\":3,\"sha256\":\"%s\"}]",
             hex_text(hex, digest, 32));
    MF_OK(mf_finish_folder(*state, m, 1, body, &e));
    find(*state, &text);
    assert_int_equal(text.len, 0);
    mf_put_file(dir, "a.pt", "abd");
    find(*state, &text);
    assert_non_null(strstr(text.data, "home/test_mock_0_19700102/a.pt: SHA-256 is"));
    mf_put_file(dir, "a.pt", "ab");
    find(*state, &text);
    assert_non_null(strstr(text.data, "2 bytes, the manifest says 3"));
    mf_put_file(dir, "a.pt", "abc");
    snprintf(dir, sizeof dir, "%s/experiments/home/stranger", (char *)*state);
    mf_put_file(dir, "x", "");
    find(*state, &text);
    assert_string_equal(text.data, "experiments/home/stranger: a folder that no job of the manifest owns\n");
    MF_OK(fs_remove_tree(dir, &e));
    assert_int_equal(sqlite3_exec(m->db, "UPDATE job SET state = 'failed'", NULL, NULL, NULL), SQLITE_OK);
    find(*state, &text);
    assert_non_null(strstr(text.data, "the manifest says failed, its events say done"));
    buf_free(&text);
    manifest_close(m);
}

static void set(struct manifest *m, const char *sql)
{
    assert_int_equal(sqlite3_exec(m->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void test_metrics_come_back_from_an_unchanged_result_only(void **state)
{
    static const struct mf_job one[] = {{.knobs = "{\"process\":true,\"seed\":1}"}};
    static const char *const harms[] = {"UPDATE metric SET value = 0.10000000000000002", "DELETE FROM metric",
                                        "INSERT INTO metric SELECT 1, id, 2 FROM metric_name WHERE name = 'l0'"};
    struct spec a = mf_spec("home", 1, 1);
    struct buf text = {0};
    struct err e = {0};
    bool is_mended;

    mf.stages = two_mocks;
    mf.jobs = one;
    mf.n_jobs = 1;
    struct manifest *m = open_ok(*state);
    mf_add(m, &a, NULL);
    MF_OK(mf_finish_folder(*state, m, 1, "\"metrics\":{\"ev\":0.1}", &e));
    MF_OK(manifest_mend_metrics(m, 1, &is_mended, &e));
    assert_false(is_mended);
    for (size_t i = 0; i < ARRAY_LEN(harms); i++) {
        set(m, harms[i]);
        find(*state, &text);
        assert_non_null(strstr(text.data, "experiments/home/test_mock_0_19700102: metric "));
        MF_OK(manifest_mend_metrics(m, 1, &is_mended, &e));
        assert_true(is_mended);
        find(*state, &text);
        assert_int_equal(text.len, 0);
    }
    mf_write_folder(*state, m, 1, "\"metrics\":{\"ev\":0.2}");
    find(*state, &text);
    assert_non_null(strstr(text.data, "metric ev: the manifest says 0.1"));
    assert_non_null(strstr(text.data, "/result.json: SHA-256 is"));
    MF_OK(manifest_mend_metrics(m, 1, &is_mended, &e));
    assert_false(is_mended);
    buf_free(&text);
    manifest_close(m);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, mf_setup, mf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_requeue_needs_a_fix_for_a_fault_of_the_code),
        TEST(test_what_was_skipped_follows_although_a_kill_fell_between),
        TEST(test_the_same_command_rearms_quarantine_and_raised_timeouts),
        TEST(test_a_dead_coordinators_leases_are_free_again),
        TEST(test_gates_decide_alone_and_against_another_stage),
        TEST(test_failures_and_negatives_are_logged_once),
        TEST(test_a_payload_resolves_values_of_other_jobs),
        TEST(test_a_shared_result_is_linked_from_the_other_sweep),
        TEST(test_a_complete_folder_of_a_dead_coordinator_is_taken),
        TEST(test_of_many_complete_folders_a_bad_one_spoils_no_other),
        TEST(test_check_names_what_disagrees),
        TEST(test_metrics_come_back_from_an_unchanged_result_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
