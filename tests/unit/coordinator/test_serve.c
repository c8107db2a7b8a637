/* test_serve.c - what an agent is told is on disk by then: an independent reader of the manifest looks at
 * the moment of each GRANT and each ACK, and once an order is answered.  The loop of the coordinator with a link and a clock of its own.
 */
#include "mf.h"

#include <sqlite3.h>

#include "common/proto.h"
#include "coordinator/control.h"
#include "coordinator/serve.h"

enum { N_JOBS = 7, INBOX_MAX = 64 };

static struct {
    const char *dir;
    struct buf in[INBOX_MAX]; /* datagrams of the agent */
    int first, n;
    int n_grants, n_acks;
    bool sends_twice;
    int64_t now_us;
    char answer[300];         /* of an order to cancel the last job; "": none was given */
} world;

static void say(struct buf *out, const struct msg *m) { proto_add(out, m); }

static struct buf *letter(void)
{
    assert_true(world.n < INBOX_MAX);
    world.in[world.n] = (struct buf){0};
    return &world.in[world.n++];
}

static void be_idle(struct buf *out)
{
    struct msg m = {.type = MSG_IDLE};

    m.u.IDLE.n_free = 2;
    say(out, &m);
}

/* What others see: only what was committed. */
static void check_row(int64_t job, int64_t epoch, const char *want)
{
    char path[300], got[64] = "";
    sqlite3_stmt *st;
    sqlite3 *db;

    snprintf(path, sizeof path, "%s/manifest.sqlite", world.dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT state || ' ' || epoch FROM job WHERE id = ?", -1, &st, NULL), SQLITE_OK);
    sqlite3_bind_int64(st, 1, job);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    snprintf(got, sizeof got, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    sqlite3_close(db);
    snprintf(path, sizeof path, "%s %lld", want, (long long)epoch);
    if (strcmp(got, path) != 0)
        fail_msg("job %lld was told as '%s' while the manifest said '%s'", (long long)job, path, got);
}

static void do_job(const struct msg_GRANT *g)
{
    struct msg m = {.type = MSG_RESULT};

    world.n_grants++;
    m.u.RESULT = (struct msg_RESULT){.job = g->job, .epoch = g->epoch, .metrics = "value=0.5", .wall_s = 0.001};
    struct buf *out = letter();
    say(out, &m);
    if (world.sends_twice)
        say(out, &m);
    be_idle(out);
}

static enum err_code agent_hears(struct link *l, int to, const void *data, size_t n, struct err *e)
{
    struct proto_reader r = proto_read(data, n);
    bool has_one;
    struct msg m;

    (void)l;
    assert_int_equal(to, 1);
    while (proto_next(&r, &m, &has_one, e) == ERR_OK && has_one) {
        if (m.type == MSG_GRANT) {
            check_row(m.u.GRANT.job, m.u.GRANT.epoch, "leased");
            do_job(&m.u.GRANT);
        } else if (m.type == MSG_ACK) {
            check_row(m.u.ACK.job, m.u.ACK.epoch, "done");
            world.n_acks++;
        }
    }
    assert_ptr_equal(r.at, r.end);
    return ERR_OK;
}

static bool agent_says(struct link *l, int *from, const void **data, size_t *n)
{
    (void)l;
    if (world.first == world.n)
        return false;
    *from = 1;
    *data = world.in[world.first].data;
    *n = world.in[world.first++].len;
    return true;
}

static int none_lost(struct link *l) { return (void)l, -1; }
static void forget(struct link *l, int rank) { (void)l, (void)rank; }
static size_t none_pending(struct link *l) { return (void)l, 0; }
static bool closes(struct link *l) { return (void)l, true; }

static int64_t now_us(const struct clock *c) { return (void)c, world.now_us += 10; }

/* The loop asks for the time of day between what it decides and what it stores. */
static int64_t wall_ms(const struct clock *c)
{
    (void)c;
    if (*world.answer && access(world.answer, F_OK) == 0)
        check_row(N_JOBS, 0, "cancelled");
    return MF_DAY + world.now_us / 1000;
}

static void sleep_us(const struct clock *c, int64_t us) { (void)c, world.now_us += us; }

static void be_born(const char *dir)
{
    struct msg m = {.type = MSG_HELLO};

    memset(&world, 0, sizeof world);
    world.dir = dir;
    m.u.HELLO = (struct msg_HELLO){.magic = PROTO_MAGIC, .version = PROTO_VERSION, .build = "b", .host = "node1", .pid = 77, .cores = 1, .held = ""};
    struct buf *out = letter();
    say(out, &m);
    be_idle(out);
}

static void run_sweep(const char *dir)
{
    static const struct link_ops ops = {agent_hears, agent_says, none_lost, forget, none_pending, closes};
    static const struct mf_stage stages[] = {{"some", "mock", {0}}};
    static volatile sig_atomic_t drain;
    struct link link = {.ops = &ops, .size = 2};
    struct clock clock = {now_us, wall_ms, sleep_us, NULL};
    struct spec spec = mf_spec("served", 1, 3);
    struct serve_config config = {.results = dir, .term_ms = 15000, .build = "b", .progress = PROGRESS_NONE, .out = stderr, .drain = &drain};
    struct manifest *m;
    struct serve s;
    struct err e = {0};

    mf.stages = stages;
    mf.n_mock = N_JOBS;
    MF_OK(manifest_open(dir, 0, &m, &e));
    config.sweep_id = mf_add(m, &spec, NULL);
    MF_OK(serve_open(&s, &config, m, &link, &clock, &e));
    MF_OK(serve_run(&s, &e));
    serve_close(&s);
    manifest_close(m);
    assert_int_equal(world.n_grants, *world.answer ? N_JOBS - 1 : N_JOBS);
    for (int i = 0; i < world.n; i++)
        buf_free(&world.in[i]);
}

static void test_grants_and_acks_are_on_disk_before_they_are_told(void **state)
{
    be_born(*state);
    run_sweep(*state);
    assert_int_equal(world.n_acks, N_JOBS);
}

static void test_a_result_that_comes_twice_counts_once_and_is_acked_twice(void **state)
{
    char path[300];
    sqlite3_stmt *st;
    sqlite3 *db;

    be_born(*state);
    world.sends_twice = true;
    run_sweep(*state);
    assert_int_equal(world.n_acks, 2 * N_JOBS);
    snprintf(path, sizeof path, "%s/manifest.sqlite", world.dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM event WHERE type IN ('done', 'stale')", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(st, 0), N_JOBS);
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static void test_an_order_is_on_disk_before_it_is_answered(void **state)
{
    struct control_order o = {.what = CONTROL_CANCEL, .target = {TARGET_JOB, N_JOBS}, .name = "the last"};
    struct buf path = {0}, text = {0};
    struct err e = {0};
    bool is_ok = false;

    be_born(*state);
    MF_OK(control_put(*state, &o, &path, &e));
    snprintf(world.answer, sizeof world.answer, "%s.done", path.data);
    run_sweep(*state);
    assert_int_equal(world.n_acks, N_JOBS - 1);
    check_row(N_JOBS, 0, "cancelled");
    assert_true(control_answer(path.data, &is_ok, &text));
    assert_true(is_ok);
    assert_non_null(strstr(text.data, "1 job cancelled"));
    buf_free(&path);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grants_and_acks_are_on_disk_before_they_are_told, mf_setup, mf_teardown),
        cmocka_unit_test_setup_teardown(test_an_order_is_on_disk_before_it_is_answered, mf_setup, mf_teardown),
        cmocka_unit_test_setup_teardown(test_a_result_that_comes_twice_counts_once_and_is_acked_twice, mf_setup, mf_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
