/* test_bad_host.c - one host of four fails everything at once, for infra causes: being the fastest
 * to be free it would take most of the sweep, so it is held. */
#include "tests/lib/sim.h"

#include <stdio.h>

#include "tests/lib/check.h"

enum { SEEDS = 50 };

static void test_a_bad_host_eats_a_handful_of_attempts_and_no_sweep(void **state)
{
    long holds = 0, bad_ends = 0, done = 0, jobs = 0, worst = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_config config = {.seed = seed, .n_agents = 8, .n_hosts = 4, .n_jobs = 400, .capacity = 4,
                                    .term_ms = 3000, .poll_us = 5000, .width = 400,
                                    .bad_host = 1 + (int)(seed % 4), .is_calm = true};
        struct sim s;
        sim_open(&s, &config);
        sim_run(&s);
        queue_check(&s.core.queue);
        for (size_t i = 0; i < s.n_jobs; i++)
            done += s.jobs[i].state == JOB_DONE;
        jobs += config.n_jobs;
        holds += s.n.holds;
        bad_ends += s.n.bad_ends;
        worst = s.n.bad_ends > worst ? s.n.bad_ends : worst;
        assert_true(s.n.holds >= 1);
        sim_close(&s);
    }
    printf("%d sweeps of 400 jobs: %ld holds, %ld attempts lost on the bad host (at most %ld a sweep), "
           "%ld of %ld jobs done\n", (int)SEEDS, holds, bad_ends, worst, done, jobs);
    assert_true(worst <= 60);
    assert_true(done * 100 >= jobs * 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bad_host_eats_a_handful_of_attempts_and_no_sweep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
