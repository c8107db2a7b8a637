/* test_queue.c - jobs, edges, ready set, delayed set and leases. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "coordinator/queue.h"

enum { N = 2000, SEED = 20261 };

static void add(struct queue *q, struct job j, const int64_t *in, size_t n)
{
    struct err e;

    assert_ok(queue_add(q, &j, in, n, &e), e);
}

/* True if job index a must be granted before b. */
static bool comes_first(const struct job *a, const struct job *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->path_s < b->path_s || a->path_s > b->path_s)
        return a->path_s > b->path_s;
    return a->id < b->id;
}

static void add_random(struct queue *q, struct rng *r, int64_t id, enum job_state s)
{
    add(q,
        (struct job){.id = id,
                     .priority = (int16_t)((int)rng_below(r, 5) - 2),
                     .cost_s = (float)rng_below(r, 4),
                     .state = (uint8_t)s},
        NULL, 0);
}

static void test_ready_jobs_come_by_priority_then_path_then_id(void **state)
{
    struct queue q = {0};
    struct rng r = rng_stream(SEED, "order");
    uint32_t perm[N], last = QUEUE_NONE;

    (void)state;
    for (int64_t id = 1; id <= N; id++)
        add_random(&q, &r, id, JOB_READY);
    queue_link(&q);
    rng_perm(&r, perm, N);
    for (uint32_t i = 0; i < N; i++)
        queue_push(&q, perm[i]);
    queue_check(&q);
    for (int i = 0; i < N; i++) {
        uint32_t top = queue_top(&q);
        assert_true(last == QUEUE_NONE || comes_first(&q.jobs[last], &q.jobs[top]));
        queue_remove(&q, top);
        last = top;
    }
    assert_int_equal(queue_top(&q), QUEUE_NONE);
    queue_free(&q);
}

static void test_any_ready_job_can_be_removed_and_the_rest_keeps_its_order(void **state)
{
    struct queue q = {0};
    struct rng r = rng_stream(SEED, "remove");

    (void)state;
    for (int64_t id = 1; id <= N; id++) {
        add_random(&q, &r, id, JOB_READY);
        queue_push(&q, (uint32_t)id - 1);
    }
    for (int i = 0; i < N; i++) {
        uint32_t job = (uint32_t)rng_below(&r, N);
        if (q.jobs[job].state != JOB_READY)
            continue;
        queue_remove(&q, job);
        queue_remove(&q, job); /* no-op */
        queue_set_state(&q, job, JOB_DONE);
        if (i % 50 == 0)
            queue_check(&q);
    }
    assert_int_equal(q.n_ready, q.n_state[JOB_READY]);
    queue_free(&q);
}

static void test_delayed_jobs_wake_when_due_and_not_before(void **state)
{
    struct queue q = {0};
    struct rng r = rng_stream(SEED, "delay");
    int64_t due[N];

    (void)state;
    assert_int_equal(queue_next_wake(&q), INT64_MAX);
    for (uint32_t i = 0; i < N; i++) {
        add_random(&q, &r, i + 1, JOB_READY);
        due[i] = (int64_t)rng_below(&r, 1000);
        queue_delay(&q, i, due[i]);
    }
    for (int64_t now = 0; now <= 1000; now += 37) {
        queue_wake(&q, now);
        queue_check(&q);
        assert_true(queue_next_wake(&q) > now);
        for (uint32_t i = 0; i < N; i++)
            assert_int_equal(q.jobs[i].is_delayed, due[i] > now);
    }
    queue_wake(&q, 1000);
    assert_int_equal(q.n_ready, N);
    queue_free(&q);
}

static void test_a_job_that_left_while_delayed_does_not_wake(void **state)
{
    struct queue q = {0};
    struct rng r = rng_stream(SEED, "left");

    (void)state;
    add_random(&q, &r, 1, JOB_READY);
    queue_delay(&q, 0, 10);
    q.jobs[0].is_delayed = false;
    queue_set_state(&q, 0, JOB_CANCELLED);
    queue_wake(&q, 20);
    assert_int_equal(q.n_ready, 0);
    queue_check(&q);
    queue_free(&q);
}

static void test_ids_are_found_whatever_they_are(void **state)
{
    static const int64_t ids[] = {7, 1, INT64_MAX, 1LL << 40, 42, -5, INT64_MIN};
    struct queue q = {0};
    struct err e;
    struct job j = {.id = 42};

    (void)state;
    assert_int_equal(queue_find(&q, 1), QUEUE_NONE);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        add(&q, (struct job){.id = ids[i]}, NULL, 0);
    for (int64_t id = 1000; id < 1000 + N; id++)
        add(&q, (struct job){.id = id << 32}, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_int_equal(queue_find(&q, ids[i]), i);
    for (int64_t id = 1000; id < 1000 + N; id++)
        assert_int_equal(queue_find(&q, id << 32), (int64_t)ARRAY_LEN(ids) + id - 1000);
    assert_int_equal(queue_find(&q, 2), QUEUE_NONE);
    assert_fails(queue_add(&q, &j, NULL, 0, &e), ERR_CORRUPT, e, "job 42: listed twice");
    queue_free(&q);
}

static void test_inputs_must_be_listed_before(void **state)
{
    struct queue q = {0};
    struct err e;
    struct job j = {.id = 2};
    int64_t in[] = {1, 3};

    (void)state;
    add(&q, (struct job){.id = 1}, NULL, 0);
    assert_fails(queue_add(&q, &j, in, 2, &e), ERR_CORRUPT, e, "its input 3 is not listed");
    queue_free(&q);
}

static void test_edges_both_ways_and_longest_paths_equal_a_slow_reference(void **state)
{
    enum { M = 300 };
    struct queue q = {0};
    struct rng r = rng_stream(SEED, "edges");
    static bool edge[M][M];
    float path[M];

    (void)state;
    for (int64_t i = 0; i < M; i++) {
        int64_t in[M];
        size_t n = 0;
        for (int64_t k = 0; k < i; k++)
            if ((edge[k][i] = rng_below(&r, 40) == 0))
                in[n++] = k + 1;
        add(&q, (struct job){.id = i + 1, .cost_s = (float)(1 + rng_below(&r, 9))}, in, n);
    }
    queue_link(&q);
    for (int i = M - 1; i >= 0; i--) {
        const uint32_t *at;
        size_t n, n_out = 0;
        path[i] = 0;
        for (int k = 0; k < M; k++)
            if (edge[i][k]) {
                n_out++;
                path[i] = path[k] > path[i] ? path[k] : path[i];
            }
        path[i] += q.jobs[i].cost_s;
        assert_true(q.jobs[i].path_s == path[i]);
        queue_edges_out(&q, (uint32_t)i, &at, &n);
        assert_int_equal(n, n_out);
        for (size_t k = 0; k < n; k++)
            assert_true(edge[i][at[k]] && (k == 0 || at[k] > at[k - 1]));
        queue_edges_in(&q, (uint32_t)i, &at, &n);
        for (size_t k = 0; k < n; k++)
            assert_true(edge[at[k]][i]);
    }
    queue_free(&q);
}

static void test_leases_of_a_rank_form_a_list_and_records_are_used_again(void **state)
{
    enum { RANKS = 5, JOBS = 40 };
    struct queue q = {0};
    struct rng r = rng_stream(SEED, "lease");
    uint32_t head[RANKS];
    int rank_of[JOBS];

    (void)state;
    for (int k = 0; k < RANKS; k++)
        head[k] = QUEUE_NONE;
    for (int64_t id = 1; id <= JOBS; id++)
        add(&q, (struct job){.id = id, .state = JOB_READY}, NULL, 0);
    memset(rank_of, -1, sizeof rank_of);
    for (int i = 0; i < 5000; i++) {
        uint32_t job = (uint32_t)rng_below(&r, JOBS);
        int rank = (int)rng_below(&r, RANKS), n = 0, want = 0;
        if (rank_of[job] < 0) {
            queue_lease(&q, job, rank, &head[rank]);
            rank_of[job] = rank;
        } else {
            queue_unlease(&q, q.jobs[job].at, &head[rank_of[job]]);
            rank_of[job] = -1;
        }
        for (uint32_t l = head[rank]; l != QUEUE_NONE; l = q.leases[l].next, n++)
            assert_true(q.leases[l].rank == rank && rank_of[q.leases[l].job] == rank);
        for (int k = 0; k < JOBS; k++)
            want += rank_of[k] == rank;
        assert_int_equal(n, want);
    }
    assert_true(q.n_leases <= JOBS);
    queue_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_jobs_come_by_priority_then_path_then_id),
        cmocka_unit_test(test_any_ready_job_can_be_removed_and_the_rest_keeps_its_order),
        cmocka_unit_test(test_delayed_jobs_wake_when_due_and_not_before),
        cmocka_unit_test(test_a_job_that_left_while_delayed_does_not_wake),
        cmocka_unit_test(test_ids_are_found_whatever_they_are),
        cmocka_unit_test(test_inputs_must_be_listed_before),
        cmocka_unit_test(test_edges_both_ways_and_longest_paths_equal_a_slow_reference),
        cmocka_unit_test(test_leases_of_a_rank_form_a_list_and_records_are_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
