/* test_scale.c - 10,000 agents and 100,000 mixed jobs on the virtual clock: what the scheduler
 * makes of them.  Reports; asserts only what does not depend on this machine. */
#include "tests/lib/sim.h"

#include <stdio.h>

#include "common/clock.h"
#include "tests/lib/check.h"

static void test_ten_thousand_agents_finish_a_hundred_thousand_jobs(void **state)
{
    struct sim_config config = {.seed = 1,
                                .n_agents = 10000,
                                .n_hosts = 157,
                                .n_jobs = 100000,
                                .capacity = 256,
                                .term_ms = 30000,
                                .grace_ms = 0,
                                .poll_us = 20000,
                                .width = 25000,
                                .is_calm = true};
    int64_t start_us = clock_system.mono_us(&clock_system);
    double core_s = 0;
    struct sim s;

    (void)state;
    sim_open(&s, &config);
    for (size_t i = 0; i < s.n_jobs; i++) /* what cores could not do in less */
        core_s += (double)s.jobs[i].us / 1e6 * s.jobs[i].load.threads;
    sim_run(&s);
    sim_truth(&s);
    queue_check(&s.core.queue);
    double span_s = (double)s.now_us / 1e6, took_s;
    took_s = (double)(clock_system.mono_us(&clock_system) - start_us) / 1e6;
    printf("%d agents, %d jobs: %.1f s virtual, utilisation %.1f %%, %.2f messages a job, "
           "%ld batches; simulated in %.2f s, %.0f jobs/s\n",
           config.n_agents, config.n_jobs, span_s, 100 * core_s / (span_s * config.n_agents),
           (double)s.n.messages / config.n_jobs, s.n.batches, took_s, config.n_jobs / took_s);
    printf("%.0f messages/s, at most %ld a commit; from message to commit %.1f ms, %.1f at most\n",
           (double)s.n.messages / span_s, s.n.turn_max, (double)s.n.wait_us / 1e3 / (double)s.n.heard,
           (double)s.n.wait_max_us / 1e3);
    assert_int_equal(s.n.grants, config.n_jobs);
    assert_true(s.n.batches < config.n_jobs); /* fewer commits than jobs, */
    assert_true(s.n.messages < 10L * config.n_jobs);
    assert_true(s.n.wait_max_us <= config.poll_us); /* and nobody is passed over */
    assert_int_equal(s.n.lost + s.n.retries + s.n.stale, 0);
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_thousand_agents_finish_a_hundred_thousand_jobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
