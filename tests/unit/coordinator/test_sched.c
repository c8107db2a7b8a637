/* test_sched.c - which agent takes which job. */
#include "tests/lib/check.h"

#include "coordinator/sched.h"

enum { AGENTS_MAX = 16 };

struct bed {
    struct queue q;
    struct sched s;
    struct job jobs[512]; /* kept: what each granted job is */
    int rank_of[512];
    int64_t n;
    float cost_s;        /* of jobs to be added */
};

static void open_bed(struct bed *b, int n_hosts, int per_host)
{
    char name[8] = "n0";

    memset(b, 0, sizeof *b);
    b->cost_s = 100;
    sched_init(&b->s, n_hosts * per_host + 1);
    for (int r = 1; r <= n_hosts * per_host; r++) {
        name[1] = (char)('a' + (r - 1) / per_host);
        b->s.ranks[r].is_up = true;
        b->s.ranks[r].capacity = 8;
        b->s.ranks[r].host = sched_host(&b->s, name);
    }
}

static void close_bed(struct bed *b)
{
    queue_free(&b->q);
    sched_free(&b->s);
}

static void add(struct bed *b, int threads, bool in_agent, int priority)
{
    struct err e;
    struct job j = {.id = ++b->n,
                    .threads = (uint16_t)threads,
                    .in_agent = in_agent,
                    .priority = (int16_t)priority,
                    .cost_s = b->cost_s,
                    .state = JOB_READY};

    assert_ok(queue_add(&b->q, &j, NULL, 0, &e), e);
    b->jobs[b->n] = j;
    queue_push(&b->q, (uint32_t)b->n - 1);
}

/* One pass; how many were placed. */
static int pass(struct bed *b)
{
    uint32_t job;
    int n = 0, rank;

    sched_begin(&b->s);
    while ((rank = sched_pick(&b->s, &b->q, &job)) >= 0) {
        queue_remove(&b->q, job);
        sched_took(&b->s, rank, &b->q.jobs[job]);
        b->rank_of[job + 1] = rank;
        n++;
    }
    sched_end(&b->s, &b->q);
    return n;
}

static void done(struct bed *b, int job)
{
    sched_release(&b->s, b->rank_of[job], &b->jobs[job]);
    b->rank_of[job] = 0;
}

static void test_one_process_an_agent_however_large_its_capacity(void **state)
{
    struct bed b;

    (void)state;
    open_bed(&b, 1, 4);
    for (int i = 0; i < 10; i++)
        add(&b, 1, false, 0);
    assert_int_equal(pass(&b), 4);
    assert_int_equal(pass(&b), 0);
    for (int r = 1; r <= 4; r++)
        assert_int_equal(b.s.ranks[r].n_held, 1);
    done(&b, 2);
    assert_int_equal(pass(&b), 1);
    close_bed(&b);
}

static void test_short_processes_are_granted_ahead_while_many_are_ready(void **state)
{
    struct bed b;

    (void)state;
    open_bed(&b, 1, 2);
    b.cost_s = 1;
    for (int i = 0; i < 10; i++)
        add(&b, 1, false, 0);
    assert_int_equal(pass(&b), 4); /* one runs, one waits, on each */
    assert_int_equal(b.s.ranks[1].n_held, 2);
    assert_int_equal(b.s.ranks[2].n_held, 2);
    done(&b, 1);
    assert_int_equal(pass(&b), 1);
    done(&b, 2);
    done(&b, 3);
    assert_int_equal(pass(&b), 2);
    assert_int_equal(b.q.n_ready, 3);
    done(&b, 4);
    assert_int_equal(pass(&b), 1);
    done(&b, 5);
    assert_int_equal(pass(&b), 0); /* the last two wait for whoever is free first */
    close_bed(&b);
}

/* An estimate may be wrong: eight at first, then by what the last one took. */
static void test_tiny_processes_are_bounded_by_what_the_last_one_took(void **state)
{
    static const struct {
        double wall_s;
        int n;
    } row[] = {{0.001, SCHED_TINY_MAX}, {0.02, 20}, {60, SCHED_TINY_MIN}, {0, SCHED_TINY_MAX}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct bed b;

        open_bed(&b, 1, 2);
        b.cost_s = 0;
        b.s.ranks[1].capacity = b.s.ranks[2].capacity = 1024;
        for (int k = 0; k < 3 * SCHED_TINY_MAX; k++)
            add(&b, 1, false, 0);
        pass(&b);
        assert_int_equal(b.s.ranks[1].n_held, SCHED_TINY_MIN);
        assert_int_equal(b.s.ranks[2].n_held, SCHED_TINY_MIN);
        sched_ran(&b.s, 2, row[i].wall_s);
        pass(&b);
        assert_int_equal(b.s.ranks[1].n_held, SCHED_TINY_MIN);
        assert_int_equal(b.s.ranks[2].n_held, row[i].n);
        close_bed(&b);
    }
}

static void test_no_process_waits_behind_a_long_one(void **state)
{
    struct bed b;

    (void)state;
    open_bed(&b, 1, 2);
    b.cost_s = 3;
    for (int i = 0; i < 10; i++)
        add(&b, 1, false, 0);
    assert_int_equal(pass(&b), 2);
    assert_int_equal(pass(&b), 0);
    close_bed(&b);
}

static void test_in_agent_jobs_spread_evenly_up_to_the_capacity(void **state)
{
    struct bed b;

    (void)state;
    open_bed(&b, 1, 4);
    for (int i = 0; i < 10; i++)
        add(&b, 1, true, 0);
    assert_int_equal(pass(&b), 10);
    for (int r = 1; r <= 4; r++)
        assert_in_range(b.s.ranks[r].n_held, 2, 3);
    for (int i = 0; i < 30; i++)
        add(&b, 1, true, 0);
    assert_int_equal(pass(&b), 22);
    for (int r = 1; r <= 4; r++)
        assert_int_equal(b.s.ranks[r].n_held, 8);
    close_bed(&b);
}

static void test_an_in_agent_job_never_waits_behind_a_process(void **state)
{
    struct bed b;

    (void)state;
    open_bed(&b, 1, 2);
    add(&b, 1, false, 1);
    add(&b, 1, true, 0);
    add(&b, 1, true, 0);
    assert_int_equal(pass(&b), 3);
    assert_int_equal(b.rank_of[2], b.rank_of[3]);
    assert_int_not_equal(b.rank_of[1], b.rank_of[2]);
    add(&b, 1, false, 0); /* and no process behind in-agent jobs */
    assert_int_equal(pass(&b), 0);
    done(&b, 2);
    assert_int_equal(pass(&b), 0);
    done(&b, 3);
    assert_int_equal(pass(&b), 1);
    close_bed(&b);
}

static void test_agents_that_are_down_refused_lent_or_without_room_get_nothing(void **state)
{
    struct bed b;

    (void)state;
    open_bed(&b, 1, 4);
    b.s.ranks[1].is_up = false;
    b.s.ranks[2].is_refused = true;
    b.s.ranks[3].capacity = 0;
    b.s.ranks[4].lent_to = 1;
    add(&b, 1, false, 0);
    add(&b, 1, true, 0);
    add(&b, 2, false, 0);
    assert_int_equal(pass(&b), 0);
    b.s.ranks[4].lent_to = -1;
    assert_true(pass(&b) > 0);
    assert_int_equal(b.s.ranks[4].n_held, 1);
    close_bed(&b);
}

static void test_a_wide_job_lends_agents_of_its_host_until_it_ends(void **state)
{
    struct bed b;
    int n_lent = 0;

    (void)state;
    open_bed(&b, 2, 4);
    add(&b, 3, false, 1);
    for (int i = 0; i < 10; i++)
        add(&b, 1, false, 0);
    assert_int_equal(pass(&b), 1 + 1 + 4);
    for (int r = 1; r <= 8; r++) {
        bool is_lent = b.s.ranks[r].lent_to >= 0;
        n_lent += is_lent;
        if (is_lent) {
            assert_int_equal(b.s.ranks[r].host, b.s.ranks[b.rank_of[1]].host);
            assert_int_equal(b.s.ranks[r].n_held, 0);
        }
    }
    assert_int_equal(n_lent, 2);
    done(&b, 1);
    for (int r = 1; r <= 8; r++)
        assert_int_equal(b.s.ranks[r].lent_to, -1);
    assert_int_equal(pass(&b), 3);
    close_bed(&b);
}

static void test_a_wide_job_reserves_a_busy_host_so_that_narrow_ones_do_not_starve_it(void **state)
{
    struct bed b;

    (void)state;
    open_bed(&b, 1, 4);
    for (int i = 0; i < 4; i++)
        add(&b, 1, false, 0);
    assert_int_equal(pass(&b), 4);
    add(&b, 4, false, 5); /* job 5 */
    for (int i = 0; i < 20; i++)
        add(&b, 1, false, 0);
    for (int i = 1; i <= 3; i++) {
        done(&b, i);
        assert_int_equal(pass(&b), 0);
    }
    done(&b, 4);
    assert_int_equal(pass(&b), 1);
    assert_true(b.rank_of[5] > 0);
    close_bed(&b);
}

static void test_narrow_jobs_go_on_elsewhere_while_a_wide_one_waits(void **state)
{
    struct bed b;

    (void)state;
    open_bed(&b, 2, 2);
    for (int i = 0; i < 4; i++)
        add(&b, 1, false, 0);
    assert_int_equal(pass(&b), 4);
    add(&b, 2, false, 5); /* job 5 */
    add(&b, 1, false, 0);
    add(&b, 1, false, 0);
    for (int i = 1; i <= 4; i++)
        if (b.s.ranks[b.rank_of[i]].host == 0) {
            done(&b, i);
            break;
        }
    pass(&b);
    for (int i = 1; i <= 4; i++)
        if (b.rank_of[i] && b.s.ranks[b.rank_of[i]].host == 1)
            done(&b, i);
    pass(&b);
    pass(&b);
    assert_true(b.rank_of[5] > 0 || b.rank_of[6] > 0);
    assert_int_equal(b.q.n_ready + (b.rank_of[5] > 0) + (b.rank_of[6] > 0) + (b.rank_of[7] > 0), 3);
    close_bed(&b);
}

static void test_a_job_wider_than_every_host_runs_on_all_of_one(void **state)
{
    struct bed b;

    (void)state;
    open_bed(&b, 2, 2);
    add(&b, 64, false, 0);
    assert_int_equal(pass(&b), 1);
    add(&b, 1, false, 0);
    add(&b, 1, false, 0);
    add(&b, 1, false, 0);
    assert_int_equal(pass(&b), 2);
    close_bed(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_process_an_agent_however_large_its_capacity),
        cmocka_unit_test(test_short_processes_are_granted_ahead_while_many_are_ready),
        cmocka_unit_test(test_tiny_processes_are_bounded_by_what_the_last_one_took),
        cmocka_unit_test(test_no_process_waits_behind_a_long_one),
        cmocka_unit_test(test_in_agent_jobs_spread_evenly_up_to_the_capacity),
        cmocka_unit_test(test_an_in_agent_job_never_waits_behind_a_process),
        cmocka_unit_test(test_agents_that_are_down_refused_lent_or_without_room_get_nothing),
        cmocka_unit_test(test_a_wide_job_lends_agents_of_its_host_until_it_ends),
        cmocka_unit_test(test_a_wide_job_reserves_a_busy_host_so_that_narrow_ones_do_not_starve_it),
        cmocka_unit_test(test_narrow_jobs_go_on_elsewhere_while_a_wide_one_waits),
        cmocka_unit_test(test_a_job_wider_than_every_host_runs_on_all_of_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
