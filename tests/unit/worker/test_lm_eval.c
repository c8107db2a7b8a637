/* lm_eval: sums against passes of the model itself, protocols, batches, stopping, samples. */
#include "tests/unit/worker/neoxrun.h"

#include <signal.h>

#include "common/rng.h"
#include "worker/jobs/lm_eval_text.h"
#include "worker/jobs/lm_sample.h"
#include "worker/nn/pt.h"

static struct jobrun jobs;

static void data(const char *name, const char *layout)
{
    struct buf knobs = {0};
    struct err e;

    buf_fmt(&knobs, "\"task\": \"text\", \"text\": \"%s/text\", \"layout\": \"%s\"", jobs.root, layout);
    assert_ok(jobrun(&jobs, name, "data_make", knobs.data, "", &e), e);
    buf_free(&knobs);
}

static int setup(void **state)
{
    struct buf text = {0};

    (void)state;
    jobs = (struct jobrun){.root = tmpdir_make()};
    for (int i = 0; i < 30; i++)
        buf_fmt(&text, "Line %d of a short text.\n%s", i * i, i % 3 ? "" : "\n");
    jobrun_file(&jobs, "text/train/a.txt", "Words of the text, that's all.");
    jobrun_file(&jobs, "text/valid/a.txt", text.data);
    jobrun_file(&jobs, "text/valid/b.txt", "Another one.\n");
    buf_free(&text);
    data("packed", "packed");
    data("line", "line");
    neoxrun(&jobs, "model", 257, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(jobs.root);
    return 0;
}

static enum err_code eval(const char *name, const char *layout, const char *knobs, struct err *e)
{
    char inputs[64], all[256];

    snprintf(inputs, sizeof inputs, "model=model,data=%s", layout);
    snprintf(all, sizeof all, "\"n_samples\": 0, %s", knobs);
    return jobrun(&jobs, name, "lm_eval", all, inputs, e);
}

/* NLL of ids [from,to) behind id 0, one pass. */
static double direct(const char *layout, bool is_behind_end, size_t doc, size_t n_context)
{
    const struct lm_scorer_shape shape = {.n_max = 2048, .t_max = 2048, .threads = 1};
    struct buf dir = {0}, model = {0};
    int32_t id[2048] = {0};
    struct neox_cfg cfg;
    struct lm_scorer s;
    struct tokens t;
    struct arena a;
    struct err e;
    size_t bytes;

    buf_fmt(&dir, "%s/%s", jobs.root, layout);
    buf_fmt(&model, "%s/model", jobs.root);
    assert_ok(tokens_open(&t, dir.data, "valid", &e), e);
    assert_ok(lm_scorer_plan(model.data, &shape, &cfg, &bytes, &e), e);
    assert_ok(arena_open(&a, "direct", bytes, &e), e);
    assert_ok(lm_scorer_init(&s, model.data, &shape, &a, &e), e);
    size_t from = t.token_at[doc], n = t.token_at[doc + 1] - from;
    n -= !t.is_lines && doc + 1 < t.n_docs; /* the separator */
    tokens_copy(&t, from, n, id + is_behind_end);
    n += is_behind_end;
    assert_true(neox_batch_add(&s.batch, id, n - 1, id[n - 1]));
    for (size_t i = 0; i + 1 < n_context; i++)
        s.batch.target[i] = -1;
    double sum = neox_loss(&s.m, &s.acts, &s.batch.view);
    arena_close(&a);
    tokens_close(&t);
    buf_free(&dir);
    buf_free(&model);
    return sum;
}

static void rolling_is_the_sum_over_documents(void **state)
{
    struct err e;

    (void)state;
    assert_ok(eval("rolling", "packed", "\"window\": 2048", &e), e);
    double want = direct("packed", true, 0, 1) + direct("packed", true, 1, 1);
    double n = jobrun_metric(&jobs, "rolling", "n_scored"), nll = jobrun_metric(&jobs, "rolling", "nll");
    assert_near(nll * n, want, 1e-4 * want);
    assert_near(jobrun_metric(&jobs, "rolling", "bpb"), want / (log(2) * n), 1e-4); /* a byte an id */
    assert_near(jobrun_metric(&jobs, "rolling", "ppl"), exp(nll), 1e-9 * exp(nll));
    assert_near(log(jobrun_metric(&jobs, "rolling", "word_ppl")), want / (30 * 6 + 2), 1e-3);
}

static void lines_are_scored_behind_their_first_id(void **state)
{
    struct err e;
    double want = 0;

    (void)state;
    assert_ok(eval("lines", "line", "\"protocol\": \"line\", \"window\": 64", &e), e);
    for (size_t d = 0; d < 31; d++)
        want += direct("line", false, d, 1);
    double n = jobrun_metric(&jobs, "lines", "n_scored");
    assert_near(jobrun_metric(&jobs, "lines", "nll") * n, want, 1e-4 * want);
    assert_true(isfinite(jobrun_metric(&jobs, "lines", "ppl_ref")));
}

static void protocols_score_what_they_say(void **state)
{
    struct err e;
    double n;

    (void)state;
    assert_ok(eval("all", "packed", "\"window\": 32", &e), e);
    n = jobrun_metric(&jobs, "all", "n_scored");
    assert_ok(eval("block", "packed", "\"window\": 32, \"protocol\": \"block\"", &e), e);
    double n_all = n + 1; /* and the separator */
    assert_near(jobrun_metric(&jobs, "block", "n_scored"), n_all - ceil(n_all / 32), 0);
    assert_ok(eval("prefix", "packed", "\"window\": 32, \"protocol\": \"block\", \"prefix\": true", &e), e);
    assert_near(jobrun_metric(&jobs, "prefix", "n_scored"), n_all, 0);
    assert_ok(eval("stride", "packed", "\"window\": 32, \"protocol\": \"stride\", \"stride\": 8", &e), e);
    assert_near(jobrun_metric(&jobs, "stride", "n_scored"), n_all - 1, 0);
    assert_ok(eval("some", "packed", "\"window\": 32, \"max_ids\": 100", &e), e);
    assert_near(jobrun_metric(&jobs, "some", "n_scored"), 100, 0);
}

/* Neither the batch nor what shares it changes a number. */
static void batches_do_not_matter(void **state)
{
    struct err e;

    (void)state;
    assert_ok(eval("wide", "packed", "\"window\": 40, \"batch_ids\": 2000", &e), e);
    assert_ok(eval("narrow", "packed", "\"window\": 40, \"batch_ids\": 40", &e), e);
    assert_near(jobrun_metric(&jobs, "wide", "nll"), jobrun_metric(&jobs, "narrow", "nll"), 1e-6);
}

/* A job that is stopped after its first batch and goes on gives the same bits. */
static void stopping_changes_nothing(void **state)
{
    static const char knobs[] = "\"n_samples\": 0, \"window\": 16, \"batch_ids\": 64";
    volatile sig_atomic_t stop = 1;
    struct frame_opts o = {.clock = &clock_system, .progress_fd = -1, .stop = &stop};
    struct buf dir = {0};
    struct err e;

    (void)state;
    assert_ok(eval("straight", "packed", "\"window\": 16, \"batch_ids\": 64", &e), e);
    buf_fmt(&dir, "%s/stopped.tmp", jobs.root);
    jobs.stop = &stop;
    assert_fails(jobrun(&jobs, "stopped", "lm_eval", knobs, "model=model,data=packed", &e), ERR_STOPPED, e,
                 "stopped on request");
    jobs.stop = NULL;
    o.dir = dir.data;
    for (int i = 0; i < 3; i++) { /* a batch each time */
        e.text[0] = '\0';
        assert_int_equal(frame_run(&o, &e), ERR_STOPPED);
    }
    stop = 0;
    assert_ok(frame_run(&o, &e), e);
    double a = jobrun_metric(&jobs, "straight", "nll"), b = jobrun_metric(&jobs, "stopped", "nll");
    assert_memory_equal(&a, &b, sizeof a);
    buf_free(&dir);
}

static void losses_are_written(void **state)
{
    struct buf path = {0};
    struct pt_file f;
    struct err e;
    double sum = 0, n = 0;

    (void)state;
    assert_ok(eval("losses", "packed", "\"window\": 32, \"protocol\": \"block\"", &e), e);
    buf_fmt(&path, "%s/losses/losses.pt", jobs.root);
    assert_ok(pt_open(&f, path.data, &e), e);
    const struct pt_tensor *t = pt_find(&f, "");
    const float *x = t->data;
    assert_true(isnan(x[0]) && isnan(x[32]));
    for (int64_t i = 0; i < t->shape[0]; i++)
        if (!isnan(x[i])) {
            sum += (double)x[i];
            n++;
        }
    assert_near(sum / n, jobrun_metric(&jobs, "losses", "nll"), 1e-5);
    pt_close(&f);
    buf_free(&path);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct err e;

    (void)state;
    neoxrun(&jobs, "tiny", 200, 2);
    assert_fails(jobrun(&jobs, "vocab", "lm_eval", "", "model=tiny,data=packed", &e), ERR_INVALID, e,
                 "257 ids, the model knows 200");
    assert_fails(eval("layout", "packed", "\"protocol\": \"line\"", &e), ERR_INVALID, e, "layout line");
    assert_fails(jobrun(&jobs, "none", "lm_eval", "", "model=packed,data=packed", &e), ERR_NOT_FOUND, e, "model");
}

/* --- the reference's weighting -------------------------------------------------------------- */
static void the_weighting_of_the_reference(void **state)
{
    const uint64_t at[] = {0, 3, 5, 9};
    const double nll[] = {NAN, 1, 3, NAN, 5, NAN, 2, 2, 8};
    const struct tokens t = {.n = 9, .n_docs = 3, .is_lines = true, .token_at = at};

    (void)state;
    /* batches {0,1} and {2}: means 3 and 4, ids 5 and 4 */
    assert_near(log(lm_ref_ppl(nll, &t, 10, 2)), (3.0 * 5 + 4.0 * 4) / 9, 1e-12);
    assert_near(log(lm_ref_ppl(nll, &t, 10, 1)), (2.0 * 3 + 5.0 * 2 + 4.0 * 4) / 9, 1e-12);
    assert_near(log(lm_ref_ppl(nll, &t, 3, 2)), (3.0 * 5 + 4.0 * 3) / 8, 1e-12); /* ids cut at 3 */
}

/* --- samples ------------------------------------------------------------------------------- */
static void picks_follow_the_distribution(void **state)
{
    const real logits[] = {1, 3, 2, -50, 3};
    struct rng r = rng_stream(4, "test.pick");
    struct lm_rank order[5];
    int n[5] = {0}, n_top[5] = {0}, n_cold[5] = {0};
    double z = exp(-2) + 2 + exp(-1);

    (void)state;
    assert_int_equal(lm_pick(logits, 5, 0, 0, 0.999, order), 1); /* the first of equals */
    for (int i = 0; i < 20000; i++) {
        n[lm_pick(logits, 5, 1, 0, rng_f64(&r), order)]++;
        n_top[lm_pick(logits, 5, 1, 3, rng_f64(&r), order)]++;
        n_cold[lm_pick(logits, 5, 0.1, 0, rng_f64(&r), order)]++;
    }
    assert_near(n[0] / 2e4, exp(-2) / z, 0.01);
    assert_near(n[1] / 2e4, 1 / z, 0.015);
    assert_int_equal(n[3], 0);
    assert_int_equal(n_top[0] + n_top[3], 0);
    assert_near(n_top[2] / 2e4, exp(-1) / (2 + exp(-1)), 0.015);
    assert_in_range(n_cold[2], 0, 10);
}

static void samples_are_written_and_repeat(void **state)
{
    struct buf a = {0}, b = {0}, path = {0};
    struct err e;

    (void)state;
    for (int i = 0; i < 2; i++) {
        char name[8] = {'s', (char)('0' + i), 0};

        assert_ok(jobrun(&jobs, name, "lm_eval", "\"n_samples\": 3, \"sample_ids\": 20, \"seed\": 5",
                         "model=model,data=packed", &e), e);
        buf_reset(&path);
        buf_fmt(&path, "%s/%s/samples.txt", jobs.root, name);
        assert_ok(fs_read(path.data, 1 << 16, i ? &b : &a, &e), e);
    }
    assert_string_equal(a.data, b.data);
    assert_has(a.data, "--- 2");
    buf_free(&a);
    buf_free(&b);
    buf_free(&path);
}

static void words_are_runs_of_letters(void **state)
{
    struct map known = {0};
    struct unicode u;
    struct err e;
    size_t n = 0, n_known = 0;

    (void)state;
    assert_ok(unicode_open(&u, &e), e);
    lm_words_add(&known, &u, "The cat's tail; caf\xC3\xA9!", 23);
    assert_int_equal(known.n, 4);
    assert_non_null(map_get(&known, "cat's", 5));
    assert_non_null(map_get(&known, "caf\xC3\xA9", 5));
    lm_words_count(&known, &u, "the 'CAT'S dog tai", 18, &n, &n_known);
    assert_int_equal(n, 3); /* "tai" may go on */
    assert_int_equal(n_known, 2);
    map_free(&known);
    unicode_close(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rolling_is_the_sum_over_documents),
        cmocka_unit_test(lines_are_scored_behind_their_first_id),
        cmocka_unit_test(protocols_score_what_they_say),
        cmocka_unit_test(batches_do_not_matter),
        cmocka_unit_test(stopping_changes_nothing),
        cmocka_unit_test(losses_are_written),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(the_weighting_of_the_reference),
        cmocka_unit_test(picks_follow_the_distribution),
        cmocka_unit_test(samples_are_written_and_repeat),
        cmocka_unit_test(words_are_runs_of_letters),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
