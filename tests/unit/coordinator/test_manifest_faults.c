/* test_manifest_faults.c - a write, sync, open, rename, SQL step or malloc fails, somewhere in a whole
 * life of a manifest.
 *
 * After each: a clean error or none at all, a manifest that SQLite finds whole, and the same calls
 * again end in the tables of an undisturbed life.  By default one call fails for each place of our own
 * that it can come from (sites.h); SAEGRID_FAULTS=all (tests/slow/faults.sh) walks every write,
 * sync, open, rename and SQL step, and one malloc of each chain of calls, SQLite's own included.
 */
#include "common/err.h"
#include "tests/lib/faults.h"
#include "tests/lib/sites.h"

#include "mf.h"

#include <dlfcn.h>
#include <sqlite3.h>

#include "tests/lib/mallocs.h"

/* --- SQL steps ------------------------------------------------------------------------------ */

enum { FAULT_STEP = 64 };
static bool is_step_error; /* what the connection then says, until its next step */
static int n_exec;         /* depth of those under way, whose own steps are not ours */

int sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *ctx, char **why)
{
    static int (*real)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_exec");
    if (!n_exec && sql && !strstr(sql, "sqlite_master ")) { /* SQLite reads its schema so, by itself */
        is_step_error = fails_now((enum fault_kind)FAULT_STEP);
        if (is_step_error)
            return SQLITE_FULL;
    }
    n_exec++;
    int rc = real(db, sql, row, ctx, why);
    n_exec--;
    return rc;
}

int sqlite3_step(sqlite3_stmt *st)
{
    static int (*real)(sqlite3_stmt *);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_step");
    if (n_exec)
        return real(st);
    is_step_error = fails_now((enum fault_kind)FAULT_STEP);
    return is_step_error ? SQLITE_FULL : real(st);
}

int sqlite3_extended_errcode(sqlite3 *db)
{
    static int (*real)(sqlite3 *);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_extended_errcode");
    return is_step_error ? SQLITE_FULL : real(db);
}

/* --- a life --------------------------------------------------------------------------------- */

static const struct mf_stage life_stages[] = {{"rows", "data_make", {0}}, {"some", "mock", {0}}};
static const struct mf_job life_jobs[] = {
    {.knobs = "{\"seed\":1}"},
    {.stage = 1, .knobs = "{\"seed\":2}"}, /* its first attempt fails by a fault of the code */
    {.stage = 1, .knobs = "{\"tag\":\"a\"}", .n_inputs = 2,
     .inputs = {{.name = "x", .job = 0}, {.name = "x", .job = 1, .ord = 1}}},
};
enum { FOLDER_JOB = 1, BUGGY_JOB = 2 };

/* The folder is written by somebody else, who has no faults. */
static void write_folder(const char *dir, struct manifest *m)
{
    unsigned kinds = fault.kinds;
    bool was_step_error = is_step_error;

    fault.kinds = 0;
    mf_write_folder(dir, m, FOLDER_JOB, "\"metrics\":{\"value\":0.25},\"artifacts\":[]");
    is_step_error = was_step_error;
    fault.kinds = kinds;
}

static enum err_code one_move(const char *dir, struct manifest *m, const struct mf_seen *s, int i, struct err *e)
{
    struct event ev = mf_event(EVENT_READY, s->job[i], s->epoch[i]);
    int64_t n;

    if (s->state[i] == JOB_FAILED)
        return manifest_requeue(m, s->job[i], &(struct manifest_wish){.fix = "abc123"}, MF_DAY, &n, e);
    if (s->state[i] == JOB_READY) {
        ev.type = EVENT_GRANT;
        ev.epoch++;
    } else if (s->state[i] == JOB_LEASED) {
        ev.type = s->job[i] == BUGGY_JOB && s->epoch[i] == 1 ? EVENT_FAIL : EVENT_DONE;
        ev.class = ev.type == EVENT_FAIL ? ERR_CLASS_CODE : ERR_CLASS_NONE;
        ev.message = ev.type == EVENT_FAIL ? "SIGSEGV" : NULL;
        ev.metrics = s->job[i] == FOLDER_JOB ? NULL : "value=0.5";
        if (s->job[i] == FOLDER_JOB)
            write_folder(dir, m);
    }
    return manifest_apply(m, &ev, 1, e);
}

/* Moves the first job that is not done and waits for none that is not; until all are done. */
static enum err_code drive(const char *dir, struct manifest *m, int64_t sweep, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (int turn = 0; !rc; turn++) {
        struct mf_seen s = {0};
        int i = 0;

        rc = manifest_load(m, sweep, mf_see, &s, e);
        while (!rc && i < s.n && s.state[i] == JOB_DONE)
            i++;
        if (rc || i == s.n)
            return rc;
        if (turn == 60)
            return err_set(e, ERR_BUG, "it never ends");
        rc = one_move(dir, m, &s, i, e);
    }
    return rc;
}

/* What `saegrid run` does from its start to its end; the same again goes on where one has stopped. */
static enum err_code live(const char *dir, struct err *e)
{
    struct spec s = mf_spec("life", 2, 1);
    struct manifest *m = NULL;
    int64_t sweep, n_jobs, n, n_done, n_again;
    enum err_code rc = manifest_open(dir, 0, &m, e);

    mf.stages = life_stages;
    mf.jobs = life_jobs;
    mf.n_jobs = ARRAY_LEN(life_jobs);
    if (!rc)
        rc = manifest_add_sweep(m, &s, MF_DAY, &sweep, &n_jobs, &n, e);
    if (!rc)
        rc = manifest_recover(m, MF_DAY, &n_done, &n_again, e);
    if (!rc)
        rc = manifest_rearm(m, sweep, MF_DAY, &n, e);
    if (!rc)
        rc = drive(dir, m, sweep, e);
    manifest_close(m);
    return rc;
}

/* --- what has to hold ----------------------------------------------------------------------- */

static const char tables[] =
    "SELECT 'integrity ' || integrity_check FROM pragma_integrity_check;"
    "SELECT 'foreign ' || \"table\" FROM pragma_foreign_key_check;"
    "SELECT j.id || ' ' || j.run_name || ' ' || j.state FROM job j ORDER BY j.id;"
    "SELECT m.job || ' ' || n.name || ' ' || m.value FROM metric m JOIN metric_name n ON n.id = m.name ORDER BY 1;"
    "SELECT p.job || ' ' || p.step || ' ' || coalesce(p.value, 'null') FROM series_point p ORDER BY 1;"
    "SELECT 'done twice ' || job FROM event WHERE type = 'done' GROUP BY job HAVING count(*) > 1;"
    "SELECT 'open ' || count(*) FROM attempt WHERE outcome = 'running';"
    "SELECT 'views ' || count(*) FROM runs;";

static int add_row(void *ctx, int n, char **values, char **names)
{
    (void)n;
    (void)names;
    buf_fmt(ctx, "%s\n", values[0] ? values[0] : "NULL");
    return 0;
}

static void dump(const char *dir, const char *sql, struct buf *out)
{
    char path[300], *why = NULL;
    sqlite3 *db;

    is_step_error = false;
    snprintf(path, sizeof path, "%s/manifest.sqlite", dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    if (sqlite3_exec(db, sql, add_row, out, &why))
        fail_msg("%s: %s", path, why);
    sqlite3_close(db);
}

static bool is_clean(enum err_code rc)
{
    return rc == ERR_IO || rc == ERR_NO_SPACE || rc == ERR_NOMEM || rc == ERR_NOT_FOUND || rc == ERR_BUSY;
}

static void fresh(const char *dir)
{
    struct err e = {0};

    MF_OK(fs_remove_tree(dir, &e));
    MF_OK(fs_mkdirs(dir, &e));
}

/* After a life with a fault: whole, and the same again ends like an undisturbed one. */
static void check_after(const char *dir, const char *want, const char *what, long n)
{
    struct buf got = {0};
    struct err e = {0};
    char path[300];

    snprintf(path, sizeof path, "%s/manifest.sqlite", dir);
    if (access(path, F_OK) == 0) {
        dump(dir, "SELECT integrity_check FROM pragma_integrity_check", &got);
        if (strcmp(got.data, "ok\n") != 0)
            fail_msg("%s %ld: %s", what, n, got.data);
    }
    if (live(dir, &e))
        fail_msg("%s %ld: the same again: %s", what, n, e.text);
    buf_reset(&got);
    dump(dir, tables, &got);
    if (strcmp(got.data, want) != 0)
        fail_msg("%s %ld: got\n%swanted\n%s", what, n, got.data, want);
    buf_free(&got);
}

static void make_want(const char *dir, struct buf *want)
{
    struct err e = {0};

    fresh(dir);
    MF_OK(live(dir, &e));
    dump(dir, tables, want);
    assert_non_null(strstr(want->data, "integrity ok"));
    assert_non_null(strstr(want->data, "value 0.25"));
}

static bool is_all(void) { return getenv("SAEGRID_FAULTS") != NULL; }

/* The n-th call of these kinds fails; true if there was one.  *n_clean counts lives that it ends. */
static bool fail_one(const char *dir, unsigned kinds, int errnum, const char *what, long n, const char *want, long *n_clean)
{
    struct err e = {0};

    fresh(dir);
    fault_arm(kinds, n, errnum);
    enum err_code rc = live(dir, &e);
    bool has_failed = fault_disarm();
    if (rc && (!is_clean(rc) || !*e.text))
        fail_msg("%s %ld: %s: %s", what, n, err_name(rc), e.text);
    if (!has_failed && rc)
        fail_msg("%s: nothing failed, and yet: %s", what, e.text);
    *n_clean += rc != ERR_OK;
    check_after(dir, want, what, n);
    return has_failed;
}

/* Each call, or one of each place of ours that makes them; at least `at_least` must fail. */
static void walk(const char *dir, unsigned kinds, int errnum, const char *what, long at_least)
{
    struct buf want = {0};
    struct err e = {0};
    long n = 0, n_clean = 0, n_failed = 0;

    make_want(dir, &want);
    fresh(dir);
    sites_begin(kinds, SITES_OWN);
    MF_OK(live(dir, &e));
    sites_end();
    long *call = sites_choose(0, 1, &n), n_calls = sites.n_calls;
    if (is_all())
        n = n_calls + 1;
    for (long i = 0; i < n; i++)
        n_failed += fail_one(dir, kinds, errnum, what, is_all() ? i + 1 : call[i], want.data, &n_clean);
    printf("%s: %ld calls from %u places of ours; %ld failed, %ld of them ended the life with an error\n", what,
           n_calls, sites.n, n_failed, n_clean);
    assert_true(n_failed >= at_least && n_failed >= (is_all() ? n_calls : (long)sites.n * 9 / 10));
    assert_true(n_clean > 0);
    free(call);
    buf_free(&want);
}

static void test_each_failing_write(void **state)
{
    walk(*state, FAULT_WRITE, ENOSPC, "write", 15);
}

static void test_each_failing_sync(void **state)
{
    walk(*state, FAULT_SYNC, EIO, "sync", 10);
}

static void test_each_failing_open_rename_mkdir_and_unlink(void **state)
{
    walk(*state, FAULT_OPEN | FAULT_NAME, EIO, "name", 5);
}

static void test_each_failing_sql_step(void **state)
{
    walk(*state, FAULT_STEP, 0, "step", 40);
}

struct lives {
    const char *dir;
    struct buf want;
};

static enum err_code malloc_live(void *ctx, struct err *e) { return live(((struct lives *)ctx)->dir, e); }

static void malloc_before(void *ctx) { fresh(((struct lives *)ctx)->dir); }

static void malloc_after(void *ctx, long n)
{
    const struct lives *l = ctx;

    check_after(l->dir, l->want.data, "malloc", n);
}

static void test_each_failing_malloc(void **state)
{
    struct lives l = {.dir = *state};
    struct malloc_walk w = {"a manifest's life", &l, malloc_live, is_clean, malloc_before, malloc_after,
                            is_all() ? 500 : 10, is_all() ? SITES_ALL : SITES_OWN};

#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
    make_want(l.dir, &l.want);
    malloc_walk(&w);
    buf_free(&l.want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_failing_write, mf_setup, mf_teardown),
        cmocka_unit_test_setup_teardown(test_each_failing_sync, mf_setup, mf_teardown),
        cmocka_unit_test_setup_teardown(test_each_failing_open_rename_mkdir_and_unlink, mf_setup, mf_teardown),
        cmocka_unit_test_setup_teardown(test_each_failing_sql_step, mf_setup, mf_teardown),
        cmocka_unit_test_setup_teardown(test_each_failing_malloc, mf_setup, mf_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
