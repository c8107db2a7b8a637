/* test_settle.c - when whole results are settled, and what is reported of them.  There is no warm
 * runner here, so the agent does it itself. */
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "common/rundir.h"
#include "worker/agent/agent_jobs.h"
#include "worker/agent/settle.h"

enum { BRIEF = 1, LONG = SETTLE_BRIEF_MS };

struct bed {
    struct agent a;
    char *dir;
    int64_t now_ms;
    int n_good, n_infra;   /* results reported so far */
};

static int open_bed(void **state)
{
    struct bed *b = calloc(1, sizeof *b);

    b->dir = tmpdir_make();
    b->now_ms = 1000;
    b->a.clock = &clock_system;
    warm_init(&b->a.warm, NULL);
    *state = b;
    return 0;
}

static int close_bed(void **state)
{
    struct bed *b = *state;

    while (b->a.n_items)
        agent_item_free(b->a.items[--b->a.n_items]);
    buf_free(&b->a.out);
    tmpdir_remove(b->dir);
    free(b);
    return 0;
}

/* A job whose process has just ended after `wall_ms`; without its result if it is `torn`. */
static struct agent_item *whole(struct bed *b, int64_t wall_ms, bool is_torn)
{
    struct agent_item *it = calloc(1, sizeof *it);
    struct msg m = {.type = MSG_RESULT};
    char name[32];
    struct err e;

    it->job = (int64_t)b->a.n_items + 1;
    it->lock_fd = -1;
    snprintf(name, sizeof name, "run%lld.tmp", (long long)it->job);
    it->tmp = tmpdir_path(b->dir, name);
    if (!is_torn) {
        char *file = tmpdir_path(it->tmp, RUN_RESULT_FILE);
        assert_ok(fs_mkdirs(it->tmp, &e), e);
        assert_ok(fs_replace(file, "{}", 2, &e), e);
        free(file);
    }
    m.u.RESULT.job = it->job;
    proto_add(&it->result, &m);
    b->a.items[b->a.n_items++] = it;
    settle_add(&b->a, it, wall_ms, b->now_ms);
    return it;
}

/* A step at `after_ms` from now; counts what it reports. */
static int step(struct bed *b, bool is_idle, int64_t after_ms)
{
    struct proto_reader r;
    int before = b->n_good + b->n_infra;
    struct msg m;
    struct err e;
    bool has_one = true;

    b->now_ms += after_ms;
    settle_step(&b->a, is_idle, b->now_ms);
    for (r = proto_read(b->a.out.data, b->a.out.len); has_one;) {
        assert_ok(proto_next(&r, &m, &has_one, &e), e);
        if (has_one && m.type == MSG_RESULT) {
            b->n_good += m.u.RESULT.outcome == ERR_CLASS_NONE;
            b->n_infra += m.u.RESULT.outcome == ERR_CLASS_INFRA;
        }
    }
    buf_reset(&b->a.out);
    return b->n_good + b->n_infra - before;
}

static void test_brief_jobs_wait_for_each_other(void **state)
{
    struct bed *b = *state;

    for (int i = 0; i < 10; i++) {
        whole(b, BRIEF, false);
        assert_int_equal(step(b, false, 1), 0);
    }
    assert_int_equal(step(b, false, SETTLE_WINDOW_MS - 11), 0);
    assert_int_equal(b->a.n_whole, 10);
    assert_int_equal(step(b, false, 1), 10); /* all with the first */
    assert_int_equal(b->a.n_whole, 0);
    assert_int_equal(b->n_good, 10);
}

static void test_nothing_waits_that_need_not(void **state)
{
    struct bed *b = *state;

    whole(b, BRIEF, false);
    assert_int_equal(step(b, true, 0), 1); /* the agent has nothing else to do */
    whole(b, LONG, false);
    assert_int_equal(step(b, false, 0), 1); /* a longer job */
    for (int i = 0; i < SETTLE_FULL - 1; i++)
        whole(b, BRIEF, false);
    assert_int_equal(step(b, false, 0), 0);
    whole(b, BRIEF, false);
    assert_int_equal(step(b, false, 0), SETTLE_FULL); /* enough of them */
    assert_int_equal(b->n_infra, 0);
}

static void test_results_have_their_names_before_they_are_reported(void **state)
{
    struct bed *b = *state;
    char *final = tmpdir_path(b->dir, "run1");
    struct agent_item *it = whole(b, LONG, false);

    assert_false(rundir_is_complete(final));
    assert_true(agent_has_process(&b->a)); /* an agent that leaves waits for it */
    step(b, false, 0);
    assert_true(rundir_is_complete(final));
    assert_int_equal(it->phase, ITEM_REPORTED);
    assert_null(it->tmp);
    assert_false(agent_has_process(&b->a));
    free(final);
}

static void test_one_that_cannot_be_settled_does_not_spoil_the_others(void **state)
{
    struct bed *b = *state;

    for (int i = 0; i < 6; i++)
        whole(b, LONG, i == 3);
    assert_int_equal(step(b, false, 0), 6);
    assert_int_equal(b->n_good, 5);
    assert_int_equal(b->n_infra, 1);
}

static void test_a_cancelled_one_is_forgotten(void **state)
{
    struct bed *b = *state;

    whole(b, BRIEF, false);
    whole(b, BRIEF, false);
    agent_cancel(&b->a, 1, 0);
    assert_int_equal(b->a.n_whole, 1);
    assert_int_equal(step(b, true, 0), 1);
}

#define SETTLE_TEST(f) cmocka_unit_test_setup_teardown(f, open_bed, close_bed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SETTLE_TEST(test_brief_jobs_wait_for_each_other),
        SETTLE_TEST(test_nothing_waits_that_need_not),
        SETTLE_TEST(test_results_have_their_names_before_they_are_reported),
        SETTLE_TEST(test_one_that_cannot_be_settled_does_not_spoil_the_others),
        SETTLE_TEST(test_a_cancelled_one_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
