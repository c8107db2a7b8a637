/* test_disasters.c - a thousand seeded clusters that lose agents, coordinators and messages.
 *
 * SIM_SEED=n runs that seed alone; SIM_SEEDS=n runs so many. */
#include "tests/lib/sim.h"

#include <stdio.h>

#include "tests/lib/check.h"

static long from_env(const char *name, long otherwise)
{
    const char *text = getenv(name);

    return text ? strtol(text, NULL, 10) : otherwise;
}

static void add_counts(struct sim_counts *sum, const struct sim_counts *n)
{
    sum->grants += n->grants;
    sum->deaths += n->deaths;
    sum->hangs += n->hangs;
    sum->stale += n->stale;
    sum->restarts += n->restarts;
    sum->crashes_before += n->crashes_before;
    sum->crashes_after += n->crashes_after;
    sum->lost += n->lost;
    sum->retries += n->retries;
    sum->drains += n->drains;
    sum->cancels += n->cancels;
    sum->messages += n->messages;
    sum->batches += n->batches;
    sum->quarantines += n->quarantines;
    sum->holds += n->holds;
    sum->pauses += n->pauses;
    sum->priorities += n->priorities;
    sum->requeues += n->requeues;
    sum->slow_commits += n->slow_commits;
}

static void run_seed(uint64_t seed, struct sim_counts *sum)
{
    struct rng r = rng_stream(seed, "shape");
    struct sim_config config = {.seed = seed,
                                .n_agents = 1 + (int)rng_below(&r, 8),
                                .n_jobs = 1 + (int)rng_below(&r, 40),
                                .n_disasters = (int)rng_below(&r, 16),
                                .capacity = rng_below(&r, 2) ? 256 : 1 + (int)rng_below(&r, 4),
                                .term_ms = 3000,
                                .poll_us = 5000};
    struct sim s;

    config.n_hosts = 1 + (int)rng_below(&r, (uint64_t)config.n_agents);
    config.grace_ms = rng_below(&r, 3) ? 2 * config.term_ms : 0;
    sim_open(&s, &config);
    sim_run(&s);
    sim_same(&s);
    sim_truth(&s);
    add_counts(sum, &s.n);
    sim_close(&s);
}

static void print_counts(long first, long n_seeds, const struct sim_counts *n)
{
    printf("seeds %ld..%ld: %ld grants, %ld deaths of agents, %ld hangs, %ld agents given up, "
           "%ld coordinator restarts (%ld before a commit, %ld after), %ld drains, %ld cancels, "
           "%ld hosts held, %ld pauses, %ld priorities, %ld put back, "
           "%ld retries, %ld quarantined, %ld stale results, %ld messages, %ld batches, %ld of them on a slow disk\n",
           first, first + n_seeds - 1, n->grants, n->deaths, n->hangs, n->lost, n->restarts,
           n->crashes_before, n->crashes_after, n->drains, n->cancels, n->holds, n->pauses,
           n->priorities, n->requeues, n->retries, n->quarantines,
           n->stale, n->messages, n->batches, n->slow_commits);
}

static void test_every_job_ends_as_its_script_says_whatever_dies(void **state)
{
    struct sim_counts sum = {0};
    long only = from_env("SIM_SEED", -1), n_seeds = only >= 0 ? 1 : from_env("SIM_SEEDS", 1000);
    long first = only >= 0 ? only : 1;

    (void)state;
    for (long i = 0; i < n_seeds; i++)
        run_seed((uint64_t)(first + i), &sum);
    print_counts(first, n_seeds, &sum);
    if (only >= 0 || n_seeds < 1000)
        return;
    assert_true(sum.deaths + sum.hangs + sum.restarts >= 1000);
    assert_true(sum.stale > 0 && sum.crashes_before > 0 && sum.crashes_after > 0);
    assert_true(sum.lost > 0 && sum.drains > 0 && sum.cancels > 0 && sum.quarantines > 0);
    assert_true(sum.slow_commits > 100);
    assert_true(sum.pauses > 0 && sum.priorities > 0 && sum.requeues > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_job_ends_as_its_script_says_whatever_dies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
