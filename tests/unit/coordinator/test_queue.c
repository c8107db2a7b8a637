/* test_queue.c - order of the ready set, paths, leases; against a slow obvious search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/rng.h"
#include "coordinator/queue.h"

static void add(struct queue *q, int64_t id, int priority, float cost, const int64_t *in, size_t n)
{
    struct job j = {.id = id, .priority = (int16_t)priority, .cost_s = cost, .state = JOB_READY};

    assert_int_equal(queue_add(q, &j, in, n, NULL), ERR_OK);
}

static void test_ready_set_gives_priority_then_path_then_id(void **state)
{
    struct queue q = {0};
    const int64_t one = 11;
    const int64_t want[] = {14, 11, 10, 12, 13};

    (void)state;
    add(&q, 10, 0, 2, NULL, 0);
    add(&q, 11, 0, 1, NULL, 0);
    add(&q, 12, 0, 2, &one, 1); /* 11 + 12 is the longest way */
    add(&q, 13, 0, 1, NULL, 0);
    add(&q, 14, 5, 0, NULL, 0);
    queue_link(&q);
    for (uint32_t i = 0; i < 5; i++)
        queue_push(&q, i);
    for (int i = 0; i < 5; i++) {
        uint32_t top = queue_top(&q);
        assert_int_equal(q.jobs[top].id, want[i]);
        queue_remove(&q, top);
    }
    assert_int_equal(queue_top(&q), QUEUE_NONE);
    queue_free(&q);
}

static void test_removing_anywhere_keeps_the_order(void **state)
{
    struct rng r = rng_stream(7, "test.queue");
    struct queue q = {0};
    enum { N = 500 };

    (void)state;
    for (int i = 0; i < N; i++)
        add(&q, i + 1, (int)rng_below(&r, 5), (float)rng_below(&r, 9), NULL, 0);
    queue_link(&q);
    for (uint32_t i = 0; i < N; i++)
        queue_push(&q, i);
    for (int i = 0; i < N / 2; i++) {
        uint32_t job = (uint32_t)rng_below(&r, N);
        queue_remove(&q, job); /* no-op the second time */
        q.jobs[job].state = JOB_CANCELLED;
    }
    int last = 1 << 20;
    for (uint32_t top = queue_top(&q); top != QUEUE_NONE; top = queue_top(&q)) {
        assert_int_equal(q.jobs[top].state, JOB_READY);
        assert_true(q.jobs[top].priority <= last);
        last = q.jobs[top].priority;
        queue_remove(&q, top);
        q.jobs[top].state = JOB_DONE;
    }
    for (uint32_t i = 0; i < N; i++)
        assert_int_not_equal(q.jobs[i].state, JOB_READY);
    queue_free(&q);
}

static void test_inputs_must_be_known_and_ids_unique(void **state)
{
    struct queue q = {0};
    struct job j = {.id = 5};
    const int64_t unknown = 9;
    struct err e;

    (void)state;
    assert_int_equal(queue_add(&q, &j, &unknown, 1, &e), ERR_CORRUPT);
    assert_int_equal(queue_add(&q, &j, NULL, 0, &e), ERR_OK);
    assert_int_equal(queue_add(&q, &j, NULL, 0, &e), ERR_CORRUPT);
    queue_free(&q);
}

static void test_edges_lead_both_ways(void **state)
{
    struct queue q = {0};
    const int64_t in[] = {1, 2};
    const uint32_t *at;
    size_t n;

    (void)state;
    add(&q, 1, 0, 1, NULL, 0);
    add(&q, 2, 0, 1, NULL, 0);
    add(&q, 3, 0, 1, in, 2);
    add(&q, 4, 0, 1, in, 1);
    queue_link(&q);
    queue_edges_out(&q, 0, &at, &n);
    assert_int_equal(n, 2);
    assert_int_equal(at[0] + at[1], 2 + 3);
    queue_edges_out(&q, 1, &at, &n);
    assert_int_equal(n, 1);
    queue_edges_in(&q, 2, &at, &n);
    assert_int_equal(n, 2);
    queue_free(&q);
}

static void test_delayed_jobs_wake_in_time(void **state)
{
    struct queue q = {0};

    (void)state;
    for (int i = 0; i < 50; i++)
        add(&q, i + 1, 0, 1, NULL, 0);
    queue_link(&q);
    for (uint32_t i = 0; i < 50; i++)
        queue_delay(&q, i, 1000 - 10 * (int64_t)i);
    assert_int_equal(queue_next_wake(&q), 510);
    queue_wake(&q, 509);
    assert_int_equal(q.n_ready, 0);
    queue_wake(&q, 755);
    assert_int_equal(q.n_ready, 25);
    q.jobs[0].is_delayed = false; /* it left the state meanwhile */
    queue_wake(&q, 5000);
    assert_int_equal(q.n_ready, 49);
    queue_free(&q);
}

static void test_a_job_record_is_at_most_72_bytes(void **state)
{
    (void)state;
    assert_true(sizeof(struct job) <= 72);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_set_gives_priority_then_path_then_id),
        cmocka_unit_test(test_removing_anywhere_keeps_the_order),
        cmocka_unit_test(test_inputs_must_be_known_and_ids_unique),
        cmocka_unit_test(test_edges_lead_both_ways),
        cmocka_unit_test(test_delayed_jobs_wake_in_time),
        cmocka_unit_test(test_a_job_record_is_at_most_72_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
