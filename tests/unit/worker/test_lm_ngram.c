/* lm_ngram as the runner does it, against sums of the model's own probabilities. */
#include "tests/unit/worker/jobrun.h"

#include "worker/data/tokens.h"
#include "worker/eval/ngram.h"

static struct jobrun jobs;

static int setup(void **state)
{
    struct buf text = {0};

    (void)state;
    jobs = (struct jobrun){.root = tmpdir_make()};
    for (int i = 0; i < 300; i++)
        buf_fmt(&text, "the %s sat on the %s mat\n", i % 3 ? "cat" : "dog", i % 5 ? "red" : "blue");
    jobrun_file(&jobs, "text/train/a.txt", text.data);
    jobrun_file(&jobs, "text/train/b.txt", "and that was all of it\n");
    jobrun_file(&jobs, "text/valid/a.txt", "the cat sat on the blue dog\n\nthe end\n");
    buf_free(&text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(jobs.root);
    return 0;
}

static void make(const char *name, const char *layout)
{
    struct buf knobs = {0};
    struct err e;

    buf_fmt(&knobs, "\"task\": \"text\", \"text\": \"%s/text\", \"layout\": \"%s\"", jobs.root, layout);
    assert_ok(jobrun(&jobs, name, "data_make", knobs.data, "", &e), e);
    buf_free(&knobs);
}

static double expected_nll(const char *name, size_t order)
{
    struct buf dir = {0};
    struct tokens t;
    struct ngram g;
    struct err e;
    int32_t id[16384];
    double sum = 0;

    buf_fmt(&dir, "%s/%s", jobs.root, name);
    assert_ok(tokens_open(&t, dir.data, "train", &e), e);
    ngram_init(&g, order, t.n_vocab);
    tokens_copy(&t, 0, t.n, id);
    for (size_t d = 0; d < (t.is_lines ? t.n_docs : 1); d++) {
        size_t from = t.is_lines ? t.token_at[d] : 0, to = t.is_lines ? t.token_at[d + 1] : t.n;

        assert_ok(ngram_add(&g, id + from, to - from, &e), e);
    }
    ngram_finish(&g);
    tokens_close(&t);
    assert_ok(tokens_open(&t, dir.data, "valid", &e), e);
    tokens_copy(&t, 0, t.n, id);
    for (size_t d = 0; d < t.n_docs; d++)
        for (size_t i = t.token_at[d]; i < t.token_at[d + 1]; i++)
            sum -= log(ngram_prob(&g, id + t.token_at[d], i - t.token_at[d], id[i]));
    sum /= (double)t.n;
    tokens_close(&t);
    ngram_free(&g);
    buf_free(&dir);
    return sum;
}

static void numbers_are_those_of_the_model(void **state)
{
    static const char *const layout[] = {"packed", "line"};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(layout); i++) {
        char in[64], name[64];

        make(layout[i], layout[i]);
        snprintf(in, sizeof in, "data=%s", layout[i]);
        snprintf(name, sizeof name, "ngram_%s", layout[i]);
        assert_ok(jobrun(&jobs, name, "lm_ngram", "\"order\": 4", in, &e), e);
        double nll = jobrun_metric(&jobs, name, "nll"), n = jobrun_metric(&jobs, name, "n_scored");
        double bytes = i ? 34 : 37; /* line: without the line ends */
        assert_near(nll, expected_nll(layout[i], 4), 1e-12);
        assert_near(n, bytes, 0);
        assert_near(jobrun_metric(&jobs, name, "ppl"), exp(nll), 1e-9);
        assert_near(jobrun_metric(&jobs, name, "bpb"), nll * n / bytes / log(2), 1e-12);
        assert_near(jobrun_metric(&jobs, name, "word_ppl"), exp(nll * n / 9), 1e-6 * exp(nll * n / 9));
    }
}

static void an_order_more_helps_on_its_own_text(void **state)
{
    struct err e;
    double last = 99;

    (void)state;
    make("again", "packed");
    for (int order = 1; order <= 4; order++) {
        char knobs[64], name[32];

        snprintf(knobs, sizeof knobs, "\"order\": %d, \"split\": \"train\"", order);
        snprintf(name, sizeof name, "order_%d", order);
        assert_ok(jobrun(&jobs, name, "lm_ngram", knobs, "data=again", &e), e);
        double bpb = jobrun_metric(&jobs, name, "bpb");
        assert_true(bpb < last);
        last = bpb;
    }
}

static void a_split_without_ids_is_refused(void **state)
{
    struct err e;

    (void)state;
    make("more", "packed");
    assert_fails(jobrun(&jobs, "none", "lm_ngram", "\"split\": \"test\"", "data=more", &e), ERR_INVALID, e,
                 "no ids");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_the_model),
        cmocka_unit_test(an_order_more_helps_on_its_own_text),
        cmocka_unit_test(a_split_without_ids_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
