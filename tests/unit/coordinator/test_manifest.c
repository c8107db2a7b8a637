/* test_manifest.c - one writer, recorded sweeps, events as transactions, replay. */
#include "mf.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/clock.h"
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

static void test_a_sweep_is_recorded_once(void **state)
{
    struct spec s = mf_spec("chain", 2, 1);
    struct mf_seen seen = {0};
    struct err e = {0};
    int64_t id, n_new;

    use_chain();
    struct manifest *m = open_ok(*state);
    id = mf_add(m, &s, &n_new);
    assert_int_equal(n_new, 3);
    MF_OK(manifest_load(m, id, mf_see, &seen, &e));
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.n_inputs, 2);
    mf_finish(m, seen.job[0], "value=1.5");
    manifest_close(m);

    m = open_ok(*state);
    assert_int_equal(mf_add(m, &s, &n_new), id);
    assert_int_equal(n_new, 0);
    assert_int_equal(ask(m, "SELECT count(*) FROM job"), 3);
    assert_int_equal(ask(m, "SELECT count(*) FROM job WHERE state = 'done'"), 1);
    assert_int_equal(ask(m, "SELECT count(*) FROM runs"), 4); /* the shared one in both stages */
    assert_int_equal(ask(m, "SELECT count(*) FROM runs WHERE run_id = 'test_mock_0_19700102' AND value = 1.5"), 2);
    manifest_close(m);
}

static void test_a_changed_sweep_shows_only_what_it_asks_for(void **state)
{
    struct spec s = mf_spec("chain", 2, 1), t = mf_spec("chain", 2, 2);
    struct mf_seen seen = {0};
    struct err e = {0};
    int64_t n_new;

    use_chain();
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    mf.n_jobs = 2;
    mf_add(m, &t, &n_new);
    assert_int_equal(n_new, 0);
    MF_OK(manifest_load(m, 1, mf_see, &seen, &e));
    assert_int_equal(seen.n, 2);
    assert_int_equal(ask(m, "SELECT count(*) FROM runs"), 2);
    assert_int_equal(ask(m, "SELECT count(*) FROM job"), 3);
    mf.n_jobs = 3; /* the same text, other jobs: a kind's version or a file changed */
    mf_add(m, &t, &n_new);
    assert_int_equal(ask(m, "SELECT count(*) FROM runs"), 3);
    mf.n_jobs = 1;
    mf_add(m, &t, &n_new);
    assert_int_equal(ask(m, "SELECT count(*) FROM runs"), 1);
    manifest_close(m);
}

static void test_equal_names_get_a_suffix(void **state)
{
    static const struct mf_job jobs[] = {{.knobs = "{\"seed\":1}", .run_name = "same"},
                                         {.knobs = "{\"seed\":2}", .run_name = "same"}};
    struct spec s = mf_spec("names", 1, 1);

    mf.stages = two_mocks;
    mf.jobs = jobs;
    mf.n_jobs = 2;
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    assert_int_equal(ask(m, "SELECT count(*) FROM job WHERE run_name = 'same_19700102'"), 1);
    assert_int_equal(ask(m, "SELECT count(*) FROM job WHERE run_name = 'same_19700102-' || "
                            "lower(substr(hex(digest), 1, 8))"), 1);
    manifest_close(m);
}

static void test_a_second_coordinator_is_refused_by_name(void **state)
{
    struct manifest *m = open_ok(*state), *other;
    struct err e = {0};
    char pid[32];
    pid_t child;
    int status;

    snprintf(pid, sizeof pid, "pid %ld ", (long)getpid());
    child = fork();
    if (child == 0)
        _exit(manifest_open(*state, 60, &other, &e) == ERR_BUSY && strstr(e.text, pid) &&
              strstr(e.text, "held by host ") && strstr(e.text, " since 20") ? 0 : 1);
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(manifest_open(*state, 0, &other, &e), ERR_BUSY); /* the same process too */
    manifest_close(m);
    manifest_close(open_ok(*state));
}

static void test_an_illegal_move_refuses_the_whole_batch(void **state)
{
    struct spec s = mf_spec("chain", 2, 1);
    struct event ev[2];
    struct err e = {0};

    use_chain();
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    ev[0] = mf_event(EVENT_READY, 1, 0);
    ev[1] = mf_event(EVENT_DONE, 2, 1);
    assert_int_equal(manifest_apply(m, ev, 2, &e), ERR_BUG);
    assert_int_equal(ask(m, "SELECT count(*) FROM event"), 0);
    assert_int_equal(ask(m, "SELECT count(*) FROM job WHERE state = 'waiting'"), 3);
    ev[1] = mf_event(EVENT_GRANT, 99, 1);
    assert_int_equal(manifest_apply(m, ev, 2, &e), ERR_BUG);
    manifest_close(m);
}

static void test_an_old_epoch_cannot_finish_a_job(void **state)
{
    struct spec s = mf_spec("chain", 2, 1);
    struct event ev = mf_event(EVENT_DONE, 1, 1);
    struct err e = {0};

    use_chain();
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    mf_apply(m, EVENT_READY, 1, 0);
    mf_apply(m, EVENT_GRANT, 1, 1);
    mf_apply(m, EVENT_RETRY, 1, 1);
    mf_apply(m, EVENT_GRANT, 1, 2);
    assert_int_equal(manifest_apply(m, &ev, 1, &e), ERR_BUG);
    mf_apply(m, EVENT_STALE, 1, 1);
    assert_int_equal(ask(m, "SELECT epoch FROM job WHERE id = 1 AND state = 'leased'"), 2);
    assert_int_equal(ask(m, "SELECT count(*) FROM attempt WHERE outcome = 'retry'"), 1);
    assert_int_equal(ask(m, "SELECT count(*) FROM attempt WHERE outcome = 'running'"), 1);
    manifest_close(m);
}

static void test_nan_is_never_stored(void **state)
{
    struct spec s = mf_spec("chain", 2, 1);
    struct event ev;
    struct err e = {0};

    use_chain();
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    mf_finish(m, 1, "value=nan loss=inf ev=0.1");
    assert_int_equal(ask(m, "SELECT count(*) FROM metric"), 1);
    mf_apply(m, EVENT_READY, 2, 0);
    mf_apply(m, EVENT_GRANT, 2, 1);
    ev = mf_event(EVENT_DONE, 2, 1);
    ev.metrics = "nonsense=1";
    assert_int_equal(manifest_apply(m, &ev, 1, &e), ERR_CORRUPT);
    assert_int_equal(manifest_bad_job(m), 2);
    assert_non_null(strstr(e.text, "nonsense"));
    assert_int_equal(ask(m, "SELECT count(*) FROM job WHERE state = 'leased'"), 1);
    manifest_close(m);
}

static void replay(struct manifest *from, struct manifest *to)
{
    sqlite3_stmt *st;

    assert_int_equal(sqlite3_prepare_v2(from->db, "SELECT type, job, epoch, coalesce(cause, 0), metrics, n_infra, n_lost FROM event ORDER BY id",
                                        -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        struct event ev = mf_event(EVENT_READY, sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2));
        struct err e = {0};

        while (strcmp(event_type_name(ev.type), db_text(st, 0)) != 0)
            ev.type++;
        ev.cause = sqlite3_column_int64(st, 3);
        ev.metrics = (const char *)sqlite3_column_text(st, 4);
        ev.n_infra = sqlite3_column_int(st, 5);
        ev.n_lost = sqlite3_column_int(st, 6);
        MF_OK(manifest_apply(to, &ev, 1, &e));
    }
    sqlite3_finalize(st);
}

static void test_replaying_the_events_rebuilds_the_states(void **state)
{
    struct spec s = mf_spec("chain", 2, 1);
    char other[64];
    struct event ev;
    struct err e = {0};
    struct mf_seen a = {0}, b = {0};

    use_chain();
    struct manifest *m = open_ok(*state);
    mf_add(m, &s, NULL);
    mf_apply(m, EVENT_AGENT_UP, 0, 0);
    mf_finish(m, 1, "value=2");
    mf_apply(m, EVENT_READY, 2, 0);
    mf_apply(m, EVENT_GRANT, 2, 1);
    ev = mf_event(EVENT_RETRY, 2, 1);
    ev.class = ERR_CLASS_INFRA;
    ev.n_infra = 1;
    MF_OK(manifest_apply(m, &ev, 1, &e));
    mf_apply(m, EVENT_GRANT, 2, 2);
    ev = mf_event(EVENT_FAIL, 2, 2);
    ev.class = ERR_CLASS_CODE;
    ev.n_infra = 1;
    MF_OK(manifest_apply(m, &ev, 1, &e));
    ev = mf_event(EVENT_SKIP, 3, 0);
    ev.cause = 2;
    MF_OK(manifest_apply(m, &ev, 1, &e));

    snprintf(other, sizeof other, "%s/replay", (char *)*state);
    struct manifest *r = open_ok(other);
    mf_add(r, &s, NULL);
    replay(m, r);
    MF_OK(manifest_load(m, 1, mf_see, &a, &e));
    MF_OK(manifest_load(r, 1, mf_see, &b, &e));
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(a.state[0], JOB_DONE);
    assert_int_equal(a.state[1], JOB_FAILED);
    assert_int_equal(a.state[2], JOB_SKIPPED);
    assert_int_equal(ask(m, "SELECT n_infra FROM job WHERE id = 2"), 1);
    assert_int_equal(ask(r, "SELECT cause FROM job WHERE id = 3"), 2);
    assert_int_not_equal(sqlite3_exec(m->db, "DELETE FROM event", NULL, NULL, NULL), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(m->db, "UPDATE event SET epoch = 9", NULL, NULL, NULL), SQLITE_OK);
    manifest_close(r);
    manifest_close(m);
}

static void test_a_folder_that_cannot_be_written_is_an_error(void **state)
{
    struct manifest *m;
    struct err e = {0};
    char path[80];

    (void)state;
    assert_int_equal(manifest_open("/proc/nowhere", 0, &m, &e) != ERR_OK, 1);
    snprintf(path, sizeof path, "%s/file", (char *)*state);
    fclose(fopen(path, "w"));
    assert_int_not_equal(manifest_open(path, 0, &m, &e), ERR_OK);
    if (geteuid() != 0) {
        chmod(*state, 0500);
        assert_int_equal(manifest_open(*state, 0, &m, &e), ERR_IO);
        chmod(*state, 0700);
    }
}

static void test_fifty_thousand_jobs_a_second_are_recorded(void **state)
{
    enum { N = 20000 };
    struct spec s = mf_spec("many", 1, 1);
    int64_t from;
    int64_t n_new;

    mf.stages = two_mocks;
    mf.n_mock = N;
    struct manifest *m = open_ok(*state);
    from = clock_system.mono_us(&clock_system);
    mf_add(m, &s, &n_new);
    assert_int_equal(n_new, N);
    print_message("%.0f jobs/s\n", N * 1e6 / (double)(clock_system.mono_us(&clock_system) - from));
    assert_int_equal(ask(m, "SELECT n_jobs FROM sweep"), N);
    manifest_close(m);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, mf_setup, mf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_sweep_is_recorded_once),
        TEST(test_a_changed_sweep_shows_only_what_it_asks_for),
        TEST(test_equal_names_get_a_suffix),
        TEST(test_a_second_coordinator_is_refused_by_name),
        TEST(test_an_illegal_move_refuses_the_whole_batch),
        TEST(test_an_old_epoch_cannot_finish_a_job),
        TEST(test_nan_is_never_stored),
        TEST(test_replaying_the_events_rebuilds_the_states),
        TEST(test_a_folder_that_cannot_be_written_is_an_error),
        TEST(test_fifty_thousand_jobs_a_second_are_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
