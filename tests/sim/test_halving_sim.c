/* test_halving_sim.c - successive halving on a virtual clock: the real core and the real manifest, scripted workers.
 *
 * Three rungs of N jobs; the best share of a rung goes on.  Who is promoted, and every job's end, have to be what sorting
 * the scores says, whatever the number of workers, the order in which they end, workers that are lost, and coordinators that
 * die before or after a commit.  Scores have ties, and one candidate has none.  Every seed is one history.
 */
#include "tests/unit/coordinator/mf.h"

#include <math.h>

#include "common/rng.h"
#include "coordinator/core.h"
#include "coordinator/gate.h"
#include "coordinator/job_state.h"
#include "coordinator/manifest_query.h"

enum { N = 9, RUNGS = 3, JOBS = N * RUNGS, WORKERS_MAX = 7, TERM_MS = 1000, END_MS = 3600000, SEEDS = 12 };
#define TOP 0.34

static const struct mf_stage stages[RUNGS] = {
    {"rung0", "mock", {.metric = "ev", .top = TOP}}, {"rung1", "mock", {.metric = "ev", .top = 1}}, {"rung2", "mock", {0}}};

struct worker {
    bool is_up;
    int64_t job, epoch, end_ms; /* job 0: free */
};

struct world {
    uint64_t field;          /* scores and failures come from it, and nothing else does */
    int n_workers;
    bool is_stormy;
    struct rng rng;
    int64_t now_ms;
    const char *results;
    struct manifest *manifest;
    struct core core;
    struct core_out out, late;
    struct worker workers[WORKERS_MAX + 1];
    int n_restarts, n_lost;
};

/* --- the field ---------------------------------------------------------------------------- */

static bool is_broken(uint64_t field, int64_t job)
{
    return field % 4 == 3 && job == 5; /* in one field of four, one of the first rung crashes */
}

/* Of the job with this row id, 1 .. JOBS; NaN: it has none. */
static double score(uint64_t field, int64_t job)
{
    struct rng r = rng_stream(field * 1000 + (uint64_t)job, "halving.score");

    return job == 1 + (int64_t)(field % N) ? NAN : (double)rng_below(&r, 6) / 8;
}

static void make_field(struct mf_job *jobs, char knobs[JOBS][32])
{
    for (int i = 0; i < JOBS; i++) {
        int below = (i / N - 1) * N;

        snprintf(knobs[i], sizeof knobs[i], "{\"seed\":%d}", i);
        jobs[i] = (struct mf_job){.stage = i / N, .knobs = knobs[i]};
        if (i < N)
            continue;
        jobs[i].inputs[jobs[i].n_inputs++] = (struct expand_input){.name = "require", .job = i - N, .must_pass = 1};
        for (int r = below; r < below + N; r++)
            jobs[i].inputs[jobs[i].n_inputs++] = (struct expand_input){.name = "require", .job = r, .must_pass = 2};
    }
}

/* --- the coordinator ---------------------------------------------------------------------- */

static enum err_code load_job(void *ctx, const struct manifest_job *mj)
{
    struct world *w = ctx;
    struct err e = {0};
    struct job j = {.id = mj->job, .cost_s = (float)mj->cost_s, .threads = 1, .retries = (uint8_t)mj->retries, .in_agent = true,
                    .state = (uint8_t)mj->state, .epoch = (uint32_t)mj->epoch, .n_infra = (uint8_t)mj->n_infra,
                    .n_lost = (uint8_t)mj->n_lost};

    return core_add_job(&w->core, &j, mj->inputs, mj->n_inputs, &e);
}

static void coordinator_rise(struct world *w)
{
    struct core_config config = {.n_ranks = WORKERS_MAX + 1, .term_ms = TERM_MS, .crash_limit = 100, .build = "b"};
    struct spec s = mf_spec("halving", RUNGS, 1);
    int64_t sweep, n_done, n_again;
    struct err e = {0};

    MF_OK(manifest_open(w->results, 0, &w->manifest, &e));
    sweep = mf_add(w->manifest, &s, NULL);
    MF_OK(manifest_recover(w->manifest, MF_DAY + w->now_ms, &n_done, &n_again, &e));
    core_init(&w->core, &config);
    MF_OK(manifest_load(w->manifest, sweep, load_job, w, &e));
    while (core_start(&w->core, w->now_ms, &w->out))
        ;
    memset(w->workers, 0, sizeof w->workers); /* they are heard of again */
}

static void coordinator_die(struct world *w)
{
    core_out_reset(&w->out);
    core_out_reset(&w->late);
    core_free(&w->core);
    manifest_close(w->manifest);
    w->n_restarts++;
    coordinator_rise(w);
}

static void commit(struct world *w, struct core_out *o)
{
    struct err e = {0};

    for (size_t i = 0; i < o->n_events; i++)
        o->events[i].wall_ms = MF_DAY + w->now_ms;
    if (o->n_events)
        MF_OK(manifest_apply(w->manifest, o->events, o->n_events, &e));
}

static void say(struct world *w, int rank, const struct msg *m)
{
    core_message(&w->core, rank, m, w->now_ms, &w->out);
}

static void take_grant(struct world *w, const struct core_reply *r)
{
    bool is_missed;
    int64_t cause;
    struct err e = {0};

    MF_OK(manifest_require_missed(w->manifest, r->job, &is_missed, &cause, &e));
    if (is_missed)
        core_grant_skipped(&w->core, r->job, cause, &w->late);
    else
        w->workers[r->rank] = (struct worker){true, r->job, r->epoch, w->now_ms + 10 + (int64_t)rng_below(&w->rng, 400)};
}

static void say_idle(struct world *w, int rank)
{
    struct msg m = {.type = MSG_IDLE};

    m.u.IDLE.n_free = 1;
    say(w, rank, &m);
}

/* --- the workers -------------------------------------------------------------------------- */

static void say_result(struct world *w, int rank)
{
    struct worker *k = &w->workers[rank];
    struct msg m = {.type = MSG_RESULT};
    double v = score(w->field, k->job);
    char text[64];

    snprintf(text, sizeof text, isnan(v) ? "l0=8" : "l0=8 ev=%.17g", v);
    m.u.RESULT = (struct msg_RESULT){.job = k->job, .epoch = k->epoch, .metrics = text, .message = "",
                                     .outcome = is_broken(w->field, k->job) ? ERR_CLASS_CODE : ERR_CLASS_NONE};
    k->job = 0;
    say(w, rank, &m);
    say_idle(w, rank);
}

static void worker_turn(struct world *w, int rank)
{
    struct worker *k = &w->workers[rank];
    struct msg m = {.type = MSG_HELLO};
    struct buf held = {0};

    if (!k->is_up) {
        m.u.HELLO = (struct msg_HELLO){PROTO_MAGIC, PROTO_VERSION, "b", "n0", 100 + rank, 1, ""};
        say(w, rank, &m);
        say_idle(w, rank);
        k->is_up = true;
    } else if (w->is_stormy && rng_below(&w->rng, 60) == 0) {
        *k = (struct worker){0};
        w->n_lost++;
        core_rank_lost(&w->core, rank, w->now_ms, &w->out);
    } else if (k->job && w->now_ms >= k->end_ms) {
        say_result(w, rank);
    } else {
        m.type = MSG_HEARTBEAT;
        if (k->job)
            proto_held_add(&held, k->job, k->epoch);
        m.u.HEARTBEAT.held = held.data ? held.data : "";
        say(w, rank, &m);
    }
    buf_free(&held);
}

static bool dies(struct world *w)
{
    if (!w->is_stormy || rng_below(&w->rng, 25))
        return false;
    coordinator_die(w);
    return true;
}

static void turn(struct world *w)
{
    for (int r = 1; r <= w->n_workers; r++)
        worker_turn(w, r);
    core_tick(&w->core, w->now_ms, &w->out);
    core_grant(&w->core, w->now_ms, &w->out);
    if (w->out.n_events && dies(w)) /* the batch never was */
        return;
    commit(w, &w->out);
    if (w->out.n_events && dies(w)) /* its replies were never sent */
        return;
    for (size_t i = 0; i < w->out.n_replies; i++)
        if (w->out.replies[i].type == MSG_GRANT)
            take_grant(w, &w->out.replies[i]);
    core_out_reset(&w->out);
    commit(w, &w->late);
    core_out_reset(&w->late);
}

/* --- one history -------------------------------------------------------------------------- */

static void run(struct world *w, char *dir)
{
    w->results = dir;
    w->now_ms = 1000;
    coordinator_rise(w);
    while (!core_is_settled(&w->core) && w->now_ms < END_MS) {
        w->now_ms += 20;
        turn(w);
    }
    if (!core_is_settled(&w->core))
        fail_msg("field %llu, %d workers: not settled after a virtual hour", (unsigned long long)w->field, w->n_workers);
    core_free(&w->core);
    core_out_free(&w->out);
    core_out_free(&w->late);
    manifest_close(w->manifest);
}

static struct table ask(const char *results)
{
    struct table t = {0};
    struct query *q;
    struct err e = {0};

    MF_OK(query_open(results, &q, &e));
    MF_OK(query_table(q, &t, &e, "SELECT j.id, j.state, sj.verdict, sj.reason, lower(hex(j.digest)) FROM job j"
                                 " JOIN sweep_job sj ON sj.job = j.id ORDER BY j.id", ""));
    query_close(q);
    return t;
}

struct rival {
    int64_t job;
    double score;
    const char *digest;
};

static int by_rank(const void *a, const void *b)
{
    const struct rival *x = a, *y = b;

    if (isnan(x->score) != isnan(y->score))
        return isnan(x->score) ? 1 : -1;
    if (!isnan(x->score) && x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return strcmp(x->digest, y->digest);
}

/* Ends of all jobs by sorting the scores; `ends[job]` is a state and a verdict. */
static void sort_it_out(uint64_t field, const struct table *t, const char *ends[JOBS + 1])
{
    struct rival v[N];
    size_t n = 0, n_next = 0;

    for (int64_t j = 1; j <= N; j++)
        v[n++] = (struct rival){j, score(field, j), table_cell(t, (size_t)j - 1, 4)->text};
    for (int64_t j = 1; j <= JOBS; j++)
        ends[j] = "skipped ";
    for (int rung = 0; rung < RUNGS && n; rung++, n = n_next) {
        size_t kept = gate_kept(stages[rung].gate.top, n);
        bool is_open = false;

        for (size_t i = 0; i < n; i++)
            is_open = is_open || is_broken(field, v[i].job);
        qsort(v, n, sizeof *v, by_rank);
        n_next = 0;
        for (size_t i = 0; i < n; i++) {
            bool goes_on = i < kept && !isnan(v[i].score) && !is_open;
            int64_t next = v[i].job + N;

            ends[v[i].job] = is_broken(field, v[i].job) ? "failed " : rung == RUNGS - 1 || is_open ? "done "
                             : goes_on                  ? "done pass" : "done negative";
            if (goes_on && rung < RUNGS - 1)
                v[n_next++] = (struct rival){next, score(field, next), table_cell(t, (size_t)next - 1, 4)->text};
        }
    }
}

static void ends_are(uint64_t field, const struct table *t)
{
    const char *want[JOBS + 1];

    sort_it_out(field, t, want);
    assert_int_equal(t->n_rows, JOBS);
    for (size_t i = 0; i < JOBS; i++) {
        const char *verdict = table_cell(t, i, 2)->text, *reason = table_cell(t, i, 3)->text;
        struct buf got = {0};

        buf_fmt(&got, "%s %s", table_cell(t, i, 1)->text, verdict ? verdict : "");
        if (strcmp(got.data, want[i + 1]) != 0)
            fail_msg("field %llu: job %zu: \"%s\", by sorting \"%s\"", (unsigned long long)field, i + 1, got.data, want[i + 1]);
        assert_true(!verdict || strstr(reason, strcmp(verdict, "pass") == 0 ? "promoted: rank" : "stopped: rank"));
        buf_free(&got);
    }
}

static void history(uint64_t seed, uint64_t field, int n_workers, bool is_stormy, struct buf *csv, int *n_restarts, int *n_lost)
{
    struct world w = {.field = field, .n_workers = n_workers, .is_stormy = is_stormy, .rng = rng_stream(seed, "halving.sim")};
    char dir[] = "/tmp/saegrid_test_XXXXXX";
    struct table t;
    struct err e;

    assert_non_null(mkdtemp(dir));
    run(&w, dir);
    t = ask(dir);
    ends_are(field, &t);
    table_print(&t, TABLE_CSV, false, csv);
    table_free(&t);
    *n_restarts += w.n_restarts;
    *n_lost += w.n_lost;
    assert_int_equal(fs_remove_tree(dir, &e), ERR_OK);
}

static void test_promotions_are_those_of_sorting_in_every_history(void **state)
{
    static const int n_workers[] = {1, 2, WORKERS_MAX};
    static struct mf_job jobs[JOBS];
    static char knobs[JOBS][32];
    int n_restarts = 0, n_lost = 0, n = 0;

    (void)state;
    make_field(jobs, knobs);
    mf.stages = stages;
    mf.jobs = jobs;
    mf.n_jobs = JOBS;
    for (uint64_t field = 0; field < SEEDS; field++) {
        struct buf calm = {0};

        history(field, field, 1, false, &calm, &n_restarts, &n_lost);
        for (size_t i = 0; i < ARRAY_LEN(n_workers); i++) {
            struct buf csv = {0};

            history(field * 100 + i, field, n_workers[i], true, &csv, &n_restarts, &n_lost);
            assert_string_equal(csv.data, calm.data);
            buf_free(&csv);
            n++;
        }
        buf_free(&calm);
    }
    print_message("%d fields, %d stormy histories: %d coordinators died, %d workers were lost\n", (int)SEEDS, n, n_restarts, n_lost);
    assert_true(n_restarts > n && n_lost > n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_promotions_are_those_of_sorting_in_every_history)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
