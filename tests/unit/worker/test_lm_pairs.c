/* lm_pairs and lm_pairs_compare: log-likelihoods against single passes, both conventions, comparisons. */
#include "tests/unit/worker/neoxrun.h"

#include "worker/data/tokens.h"
#include "worker/jobs/pair_scores.h"

static struct jobrun jobs;

static void put_pair(struct buf *b, const char *good, const char *bad, const char *uid, int id)
{
    buf_fmt(b, "{\"sentence_good\": \"%s\", \"sentence_bad\": \"%s\", \"field\": \"syntax/semantics\", "
               "\"linguistics_term\": \"%c\", \"UID\": \"%s\", \"pairID\": \"%d\"}\n", good, bad, *uid, uid, id);
}

static int setup(void **state)
{
    struct buf text = {0}, knobs = {0};
    struct err e;

    (void)state;
    jobs = (struct jobrun){.root = tmpdir_make()};
    for (int i = 0; i < 12; i++) {
        char good[40], bad[40];

        snprintf(good, sizeof good, "The cat %d sleeps.", i);
        snprintf(bad, sizeof bad, "The cat %d sleep.", i);
        put_pair(&text, good, i == 5 ? good : bad, "agree", i);
    }
    put_pair(&text, "Who left?", "Left who?", "other", 0);
    put_pair(&text, "Who left?", "Who who left?", "other", 1);
    jobrun_file(&jobs, "pairs.jsonl", text.data);
    jobrun_file(&jobs, "text/train/a.txt", "Some text");
    buf_fmt(&knobs, "\"task\": \"text\", \"text\": \"%s/text\"", jobs.root);
    assert_ok(jobrun(&jobs, "data", "data_make", knobs.data, "", &e), e);
    neoxrun(&jobs, "model", 257, 1);
    neoxrun(&jobs, "other", 257, 2);
    buf_free(&text);
    buf_free(&knobs);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(jobs.root);
    return 0;
}

static enum err_code pairs(const char *name, const char *inputs, const char *more, struct err *e)
{
    struct buf knobs = {0};

    buf_fmt(&knobs, "\"path\": \"%s/pairs.jsonl\"%s", jobs.root, more);
    enum err_code rc = jobrun(&jobs, name, "lm_pairs", knobs.data, inputs, e);
    buf_free(&knobs);
    return rc;
}

static double direct(const char *sentence)
{
    const struct lm_scorer_shape shape = {.n_max = 64, .t_max = 64, .threads = 1};
    struct buf model = {0};
    struct neox_cfg cfg;
    struct lm_scorer s;
    struct arena a;
    struct err e;
    int32_t id[64] = {0};
    size_t bytes, n = strlen(sentence);

    for (size_t i = 0; i < n; i++)
        id[i + 1] = 1 + (uint8_t)sentence[i];
    buf_fmt(&model, "%s/model", jobs.root);
    assert_ok(lm_scorer_plan(model.data, &shape, &cfg, &bytes, &e), e);
    assert_ok(arena_open(&a, "direct", bytes, &e), e);
    assert_ok(lm_scorer_init(&s, model.data, &shape, &a, &e), e);
    assert_true(neox_batch_add(&s.batch, id, n, id[n]));
    double ll = -neox_loss(&s.m, &s.acts, &s.batch.view);
    arena_close(&a);
    buf_free(&model);
    return ll;
}

static struct pair_scores scores_of(const char *name)
{
    struct buf dir = {0};
    struct pair_scores s;
    struct err e;

    buf_fmt(&dir, "%s/%s", jobs.root, name);
    assert_ok(pair_scores_read(&s, dir.data, &e), e);
    buf_free(&dir);
    return s;
}

static void sentences_are_scored_behind_the_prefix_in_both_conventions(void **state)
{
    static const char *const space[] = {"", " "};
    struct err e;

    (void)state;
    assert_ok(pairs("legacy", "model=model,data=data", ", \"mode\": \"legacy\"", &e), e);
    assert_ok(pairs("now", "model=model,data=data", "", &e), e);
    for (int k = 0; k < 2; k++) {
        struct pair_scores s = scores_of(k ? "now" : "legacy");
        size_t n_right = 0;
        char text[64];

        assert_string_equal(s.mode, k ? "v0.4" : "legacy");
        assert_int_equal(s.n, 14);
        assert_int_equal(s.n_groups, 2);
        for (int i = 0; i < 12; i += 5) {
            snprintf(text, sizeof text, "%sThe cat %d sleeps.", space[k], i);
            assert_near(s.good[i], direct(text), 1e-4 * fabs(s.good[i]));
            snprintf(text, sizeof text, "%sThe cat %d sleep%s.", space[k], i, i == 5 ? "s" : "");
            assert_near(s.bad[i], direct(text), 1e-4 * fabs(s.bad[i]));
        }
        assert_true(s.good[5] == s.bad[5]); /* to the bit: it is scored once */
        assert_true(s.good[12] == s.good[13]);
        for (int i = 0; i < 12; i++)
            n_right += s.good[i] > s.bad[i] || (k && i == 5);
        size_t n_other = (s.good[12] > s.bad[12]) + (size_t)(s.good[13] > s.bad[13]);
        assert_near(jobrun_metric(&jobs, k ? "now" : "legacy", "pair_acc"),
                    ((double)n_right / 12 + (double)n_other / 2) / 2, 1e-12);
        assert_near(jobrun_metric(&jobs, k ? "now" : "legacy", "n_ties"), 1, 0);
        pair_scores_free(&s);
    }
}

static void batches_do_not_matter(void **state)
{
    struct err e;

    (void)state;
    assert_ok(pairs("wide", "model=model,data=data", "", &e), e);
    assert_ok(pairs("narrow", "model=model,data=data", ", \"batch_ids\": 1", &e), e);
    struct pair_scores a = scores_of("wide"), b = scores_of("narrow");
    for (size_t i = 0; i < a.n; i++)
        assert_near(a.good[i], b.good[i], 1e-4);
    pair_scores_free(&a);
    pair_scores_free(&b);
}

static void stopping_changes_nothing(void **state)
{
    volatile sig_atomic_t stop = 1;
    struct frame_opts o = {.clock = &clock_system, .progress_fd = -1, .stop = &stop};
    struct buf dir = {0};
    struct err e;

    (void)state;
    assert_ok(pairs("straight", "model=model,data=data", ", \"batch_ids\": 60", &e), e);
    jobs.stop = &stop;
    assert_fails(pairs("stopped", "model=model,data=data", ", \"batch_ids\": 60", &e), ERR_STOPPED, e, "stopped");
    jobs.stop = NULL;
    buf_fmt(&dir, "%s/stopped.tmp", jobs.root);
    o.dir = dir.data;
    assert_int_equal(frame_run(&o, &e), ERR_STOPPED);
    stop = 0;
    assert_ok(frame_run(&o, &e), e);
    struct pair_scores a = scores_of("straight"), b = scores_of("stopped");
    assert_memory_equal(a.good, b.good, a.n * sizeof *a.good);
    assert_memory_equal(a.bad, b.bad, a.n * sizeof *a.bad);
    pair_scores_free(&a);
    pair_scores_free(&b);
    buf_free(&dir);
}

/* Paradigms are weighted alike, so the whole is the mean of its fields, weighted by their paradigms. */
static void parts_add_up(const char *name)
{
    static const char *const blobs[] = {"fields", "terms"};
    char path[512];
    struct json *doc = NULL;
    struct err e;

    snprintf(path, sizeof path, "%s/%s/result.json", jobs.root, name);
    assert_ok(json_read(path, 16 << 20, &doc, &e), e);
    for (size_t k = 0; k < ARRAY_LEN(blobs); k++) {
        double sum = 0, n = 0;

        for (const struct json *b = json_first(json_get(doc, "blobs")); b; b = json_next(b)) {
            if (strcmp(json_str(json_get(b, "name")), blobs[k]) != 0)
                continue;
            const char *row = strchr(json_str(json_get(b, "text")), '\n') + 1;
            for (; *row; row = strchr(row, '\n') + 1) {
                double paradigms, pairs, base, model, delta;

                assert_int_equal(sscanf(strchr(row, ',') + 1, "%lf,%lf,%lf,%lf,%lf", &paradigms, &pairs, &base, &model,
                                        &delta), 5);
                assert_near(model - base, delta, 1e-12);
                sum += paradigms * delta;
                n += paradigms;
            }
        }
        assert_near(n, jobrun_metric(&jobs, "a", "n_paradigms"), 0);
        assert_near(sum / n, jobrun_metric(&jobs, name, "pair_delta"), 1e-12);
    }
    json_free(doc);
}

static void two_models_are_compared_on_the_same_pairs(void **state)
{
    struct err e;

    (void)state;
    assert_ok(pairs("a", "model=model,data=data", "", &e), e);
    assert_ok(pairs("b", "model=other,data=data", "", &e), e);
    assert_ok(jobrun(&jobs, "delta", "lm_pairs_compare", "\"n_boot\": 200", "pairs=a,baseline=b", &e), e);
    double delta = jobrun_metric(&jobs, "a", "pair_acc") - jobrun_metric(&jobs, "b", "pair_acc");
    assert_near(jobrun_metric(&jobs, "delta", "pair_delta"), delta, 1e-12);
    double margin = jobrun_metric(&jobs, "a", "pair_margin") - jobrun_metric(&jobs, "b", "pair_margin");
    assert_near(jobrun_metric(&jobs, "delta", "margin_delta"), margin, 1e-9);
    assert_ok(jobrun(&jobs, "same", "lm_pairs_compare", "\"n_boot\": 200", "pairs=a,baseline=a", &e), e);
    assert_near(jobrun_metric(&jobs, "same", "pair_delta_high"), 0, 0);
    assert_near(jobrun_metric(&jobs, "same", "p_mcnemar"), 1, 0);
    assert_near(jobrun_metric(&jobs, "delta", "pair_acc_base"), jobrun_metric(&jobs, "b", "pair_acc"), 1e-12);
    assert_true(isnan(jobrun_metric(&jobs, "delta", "pair_delta_seed_low")));
    assert_ok(jobrun(&jobs, "seeds", "lm_pairs_compare", "\"n_boot\": 200", "pairs=a,pairs=b,baseline=b,baseline=a", &e), e);
    assert_near(jobrun_metric(&jobs, "seeds", "pair_delta"), 0, 1e-12);
    assert_near(jobrun_metric(&jobs, "seeds", "pair_delta_seed_high"),
                12.706204736432095 * fabs(delta), 1e-6); /* t of one degree times sd/sqrt 2 */
    assert_true(isnan(jobrun_metric(&jobs, "seeds", "p_mcnemar")));
    parts_add_up("delta");

    assert_ok(pairs("old", "model=model,data=data", ", \"mode\": \"legacy\"", &e), e);
    assert_fails(jobrun(&jobs, "modes", "lm_pairs_compare", "", "pairs=a,baseline=old", &e), ERR_INVALID, e,
                 "mode v0.4");
    assert_ok(pairs("few", "model=model,data=data", ", \"max_pairs\": 2", &e), e);
    assert_fails(jobrun(&jobs, "sets", "lm_pairs_compare", "", "pairs=a,baseline=few", &e), ERR_INVALID, e,
                 "same pairs");
}

static void what_is_missing_is_named(void **state)
{
    struct err e;

    (void)state;
    assert_fails(pairs("no_tok", "model=model", "", &e), ERR_INVALID, e, "tokenizer: none");
    assert_fails(jobrun(&jobs, "no_path", "lm_pairs", "\"path\": \"/nowhere\"", "model=model,data=data", &e),
                 ERR_NOT_FOUND, e, "nowhere");
    neoxrun(&jobs, "tiny", 100, 3);
    assert_fails(pairs("vocab", "model=tiny,data=data", "", &e), ERR_INVALID, e, "vocabulary");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_are_scored_behind_the_prefix_in_both_conventions),
        cmocka_unit_test(batches_do_not_matter),
        cmocka_unit_test(stopping_changes_nothing),
        cmocka_unit_test(two_models_are_compared_on_the_same_pairs),
        cmocka_unit_test(what_is_missing_is_named),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
