/* lm_train and acts_extract as the runner does them: folders in, folders out. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/fs.h"
#include "common/json.h"
#include "tests/lib/tmpdir.h"
#include "worker/data/acts.h"
#include "worker/nn/pt.h"
#include "worker/runner/frame.h"

#define SMALL                                                                                      \
    "\"modulus\": 7, \"d_model\": 16, \"n_heads\": 2, \"d_mlp\": 32, \"batch\": 8"
#define ID(n) "000000000000000000000000000000000000000000000000000000000000000" n

static char *root;

static char *path_of(const char *name, const char *file)
{
    struct buf b = {0};

    buf_fmt(&b, "%s/%s%s%s", root, name, *file ? "/" : "", file);
    return buf_steal(&b);
}

/* Makes <root>/<name>.tmp with its job.json and runs it. */
static enum err_code run(const char *name, const char *kind, const char *knobs, const char *model,
                         const struct frame_opts *opts, struct err *e)
{
    struct frame_opts o = opts ? *opts : (struct frame_opts){.clock = &clock_system, .progress_fd = -1};
    struct buf json = {0}, dir = {0}, file = {0};
    enum err_code rc;

    buf_fmt(&dir, "%s/%s.tmp", root, name);
    buf_fmt(&file, "%s/job.json", dir.data);
    buf_fmt(&json,
            "{\"job\": \"" ID("1") "\", \"kind\": \"%s\", \"version\": 1, \"run_id\": \"%s\","
            " \"sweep\": \"x\", \"stage\": \"s\", \"epoch\": 1, \"knobs\": {%s}, \"common\": {},"
            " \"context\": {}, \"results\": \"%s\", \"inputs\": [",
            kind, name, knobs, root);
    if (model)
        buf_fmt(&json, "{\"name\": \"model\", \"job\": \"" ID("1") "\", \"path\": \"%s\"}", model);
    buf_str(&json, "]}");
    assert_ok(fs_mkdirs(dir.data, e), *e);
    assert_ok(fs_replace(file.data, json.data, json.len, e), *e);
    o.dir = dir.data;
    rc = frame_run(&o, e);
    buf_free(&json);
    buf_free(&dir);
    buf_free(&file);
    return rc;
}

static double metric(const char *name, const char *metric_name)
{
    char *path = path_of(name, "result.json");
    struct json *doc;
    struct err e;
    double v = NAN;

    assert_ok(json_read(path, 1 << 20, &doc, &e), e);
    json_f64(json_get(json_get(doc, "metrics"), metric_name), &v);
    json_free(doc);
    free(path);
    return v;
}

static struct acts open_acts(const char *name)
{
    char *dir = path_of(name, "");
    struct acts a;
    struct err e;

    assert_ok(acts_open(&a, dir, &e), e);
    free(dir);
    return a;
}

static struct acts extract(const char *name, const char *knobs, const char *model)
{
    struct err e = {0};

    assert_ok(run(name, "acts_extract", knobs, model, NULL, &e), e);
    return open_acts(name);
}

static int setup(void **state)
{
    struct err e = {0};

    (void)state;
    root = tmpdir_make();
    assert_ok(run("model", "lm_train", SMALL ", \"epochs\": 5", NULL, NULL, &e), e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(root);
    return 0;
}

static void the_stream_behind_a_block_is_before_plus_branches_and_before_the_next(void **state)
{
    struct acts pre = extract("pre", "\"hook\": \"resid_pre\", \"layer\": 1", "model");
    struct acts post = extract("post", "\"hook\": \"resid_post\", \"layer\": 1", "model");
    struct acts post0 = extract("post0", "\"hook\": \"resid_post\", \"layer\": 0", "model");
    struct acts attn = extract("attn", "\"hook\": \"attn_out\", \"layer\": 1", "model");
    struct acts mlp = extract("mlp", "\"hook\": \"mlp_out\", \"layer\": 1", "model");

    (void)state;
    assert_int_equal(post.n, 49);
    assert_int_equal(post.d, 16);
    for (size_t i = 0; i < post.n * post.d; i++) {
        assert_near(post0.x[i], pre.x[i], 1e-5);
        assert_near(post.x[i], pre.x[i] + attn.x[i] + mlp.x[i], 1e-5);
    }
    acts_close(&pre);
    acts_close(&post);
    acts_close(&post0);
    acts_close(&attn);
    acts_close(&mlp);
}

static void positions_are_rows_of_all_positions(void **state)
{
    const struct {
        const char *knobs;
        size_t pos;
    } row[] = {{"\"position\": \"bos\"", 0}, {"\"position\": \"first_operand\"", 1},
               {"\"position\": \"answer\"", 4}, {"\"position\": \"last\"", 4}};
    struct acts all = extract("all", "\"position\": \"all\"", "model");

    (void)state;
    assert_int_equal(all.n, 49 * 5);
    for (size_t k = 0; k < ARRAY_LEN(row); k++) {
        char name[16];
        struct acts one;

        snprintf(name, sizeof name, "pos%zu", k);
        one = extract(name, row[k].knobs, "model");
        assert_int_equal(one.n, 49);
        for (size_t i = 0; i < 49; i++)
            for (size_t j = 0; j < 16; j++)
                assert_near(one.x[i * 16 + j], all.x[(i * 5 + row[k].pos) * 16 + j], 1e-5);
        acts_close(&one);
    }
    acts_close(&all);
}

/* Number of the row of `all` that equals `row`, from `from` on. */
static size_t find(const struct acts *all, const float *row, size_t from)
{
    while (from < all->n) {
        double worst = 0;

        for (size_t j = 0; j < all->d; j++)
            worst = fmax(worst, fabs((double)(all->x[from * all->d + j] - row[j])));
        if (worst < 1e-5)
            return from;
        from++;
    }
    fail_msg("a row is missing or out of order");
    return 0;
}

static void smaller_shares_of_the_rows_are_subsets_in_order(void **state)
{
    struct acts all = extract("share100", "\"data_fraction\": 1", "model");
    struct acts half = extract("share50", "\"data_fraction\": 0.5", "model");
    struct acts tenth = extract("share10", "\"data_fraction\": 0.1", "model");
    size_t at = 0;

    (void)state;
    assert_int_equal(half.n, 25);
    assert_int_equal(tenth.n, 5);
    for (size_t i = 0; i < half.n; i++)
        at = find(&all, half.x + i * half.d, at) + 1;
    at = 0;
    for (size_t i = 0; i < tenth.n; i++)
        at = find(&half, tenth.x + i * tenth.d, at) + 1;
    assert_true(metric("share10", "n_rows") == 5);
    acts_close(&all);
    acts_close(&half);
    acts_close(&tenth);
}

static void surrogates_differ_from_the_rows_and_keep_their_number(void **state)
{
    struct acts none = extract("none", "", "model");
    struct acts gauss = extract("gauss", "\"surrogate\": \"gaussian\"", "model");
    struct acts shuffle = extract("shuffle", "\"surrogate\": \"shuffle\"", "model");

    (void)state;
    assert_int_equal(gauss.n, none.n);
    assert_memory_not_equal(gauss.x, none.x, none.n * none.d * sizeof *none.x);
    assert_memory_not_equal(shuffle.x, none.x, none.n * none.d * sizeof *none.x);
    assert_true(metric("shuffle", "erank") > metric("none", "erank"));
    acts_close(&none);
    acts_close(&gauss);
    acts_close(&shuffle);
}

static void a_block_that_the_model_has_not_is_refused_with_the_range(void **state)
{
    struct err e = {0};

    (void)state;
    assert_int_equal(run("far", "acts_extract", "\"layer\": 2", "model", NULL, &e), ERR_INVALID);
    assert_has(e.text, "layer: 2 is outside [0, 1]: the model has 2 blocks");
}

static void heads_that_do_not_divide_the_stream_are_refused(void **state)
{
    struct err e = {0};

    (void)state;
    assert_int_equal(run("heads", "lm_train", "\"d_model\": 16, \"n_heads\": 3", NULL, NULL, &e),
                     ERR_INVALID);
    assert_has(e.text, "n_heads: 3 does not divide d_model, 16");
}

static void drawn_tasks_are_read_on_fresh_examples(void **state)
{
    struct err e = {0};
    struct acts a;

    (void)state;
    assert_ok(run("copy", "lm_train", "\"task\": \"copy\", \"n_examples\": 50, \"epochs\": 1, " SMALL,
                  NULL, NULL, &e), e);
    a = extract("copy_acts", "\"data_fraction\": 0.002", "copy");
    assert_int_equal(a.n, 100); /* of 50,000 */
    acts_close(&a);
}

static void an_untrained_model_is_a_result_with_its_reasons(void **state)
{
    struct err e = {0};
    struct pt_file f;
    char *path;

    (void)state;
    assert_ok(run("untrained", "lm_train", SMALL ", \"epochs\": 0", NULL, NULL, &e), e);
    assert_true(metric("untrained", "epochs") == 0);
    assert_true(metric("untrained", "steps") == 0);
    assert_true(metric("untrained", "val_acc") < 0.8);
    assert_true(isnan(metric("untrained", "train_loss")));
    path = path_of("untrained", "checkpoints/model.pt");
    assert_ok(pt_open(&f, path, &e), e);
    assert_int_equal(f.n_tensors, 6 + 2 * 16);
    pt_close(&f);
    free(path);
}

static void stop_at_ends_the_training_by_rule(void **state)
{
    struct err e = {0};

    (void)state;
    assert_ok(run("stop", "lm_train",
                  SMALL ", \"epochs\": 50, \"stop_at\": \"{train_loss: 2.2, val_acc: 0}\"", NULL, NULL,
                  &e), e);
    assert_true(metric("stop", "epochs") < 50);
    assert_true(metric("stop", "train_loss") <= 2.2);
}

static void a_divergence_is_a_negative_result(void **state)
{
    struct err e = {0};
    char *path = path_of("diverged", "result.json");
    struct buf text = {0};

    (void)state;
    assert_ok(run("diverged", "lm_train",
                  SMALL ", \"epochs\": 40, \"lr\": 10, \"weight_decay\": 100", NULL, NULL, &e), e);
    assert_ok(fs_read(path, 1 << 20, &text, &e), e);
    assert_has(text.data, "\"verdict\": \"negative\"");
    assert_has(text.data, "diverged: epoch");
    buf_free(&text);
    free(path);
}

/* A clock that asks for a stop at its n-th reading. */
struct stopper {
    struct clock clock;
    volatile sig_atomic_t stop;
    int left;
};

static int64_t stopper_us(const struct clock *c)
{
    struct stopper *s = c->user;

    if (--s->left == 0)
        s->stop = 1;
    return clock_system.mono_us(&clock_system);
}

static void a_stopped_job_goes_on_to_the_same_bytes(void **state)
{
    struct buf want = {0}, got = {0};
    char *a = path_of("model", "checkpoints/model.pt"), *b = path_of("again", "checkpoints/model.pt");
    char *left = path_of("again", "checkpoints/state.bin");
    struct err e = {0};
    int n_stops = 0;

    (void)state;
    for (;;) {
        struct stopper s = {.clock = clock_system, .left = 25};
        struct frame_opts o = {.clock = &s.clock, .stop = &s.stop, .progress_fd = -1};
        enum err_code rc;

        s.clock.user = &s;
        s.clock.mono_us = stopper_us;
        rc = run("again", "lm_train", SMALL ", \"epochs\": 5", NULL, &o, &e);
        if (rc == ERR_OK)
            break;
        assert_int_equal(rc, ERR_STOPPED);
        assert_true(++n_stops < 40);
    }
    assert_true(n_stops >= 1);
    assert_ok(fs_read(a, 1 << 20, &want, &e), e);
    assert_ok(fs_read(b, 1 << 20, &got, &e), e);
    assert_int_equal(want.len, got.len);
    assert_memory_equal(want.data, got.data, want.len);
    assert_true(metric("model", "val_loss") == metric("again", "val_loss"));
    assert_false(fs_is_file(left));
    buf_free(&want);
    buf_free(&got);
    free(a);
    free(b);
    free(left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stream_behind_a_block_is_before_plus_branches_and_before_the_next),
        cmocka_unit_test(positions_are_rows_of_all_positions),
        cmocka_unit_test(smaller_shares_of_the_rows_are_subsets_in_order),
        cmocka_unit_test(surrogates_differ_from_the_rows_and_keep_their_number),
        cmocka_unit_test(a_block_that_the_model_has_not_is_refused_with_the_range),
        cmocka_unit_test(heads_that_do_not_divide_the_stream_are_refused),
        cmocka_unit_test(drawn_tasks_are_read_on_fresh_examples),
        cmocka_unit_test(an_untrained_model_is_a_result_with_its_reasons),
        cmocka_unit_test(stop_at_ends_the_training_by_rule),
        cmocka_unit_test(a_divergence_is_a_negative_result),
        cmocka_unit_test(a_stopped_job_goes_on_to_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
