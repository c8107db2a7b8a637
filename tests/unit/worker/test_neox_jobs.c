/* lm_import, lm_pretrain and acts_extract on GPT-NeoX as the runner does them: folders in, folders out. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/fs.h"
#include "common/json.h"
#include "tests/lib/tmpdir.h"
#include "worker/data/acts.h"
#include "worker/data/tokens.h"
#include "worker/jobs/neox_feed.h"
#include "worker/jobs/neox_trainer.h"
#include "worker/neox/neox_file.h"
#include "worker/neox/neox_plan.h"
#include "worker/runner/frame.h"

#define ID "00000000000000000000000000000000000000000000000000000000000000a1"
#define RESULT "{\"format\": 1, \"job\": \"" ID "\", \"metrics\": {}}"
enum { VOCAB = 23, IDS = 3000 };

static char *root;

static char *path_of(const char *name, const char *file)
{
    struct buf b = {0};

    buf_fmt(&b, "%s/%s%s%s", root, name, *file ? "/" : "", file);
    return buf_steal(&b);
}

/* Ids with a rule that can be learnt: mostly the last one plus three. */
static void make_tokens(const char *name, bool is_lines)
{
    static const char *const split[] = {"train", "valid", "test"};
    char *dir = path_of(name, "");
    struct err e;

    assert_ok(fs_mkdirs(dir, &e), e);
    for (uint32_t s = 0; s < 3; s++) {
        struct tokens_writer w;
        uint32_t id = 1 + s;

        assert_ok(tokens_create(&w, dir, split[s], VOCAB, is_lines, &e), e);
        for (uint32_t i = 0, left = 0; i < IDS / (s ? 5 : 1); i++) {
            id = i % 11 == 0 ? i * (7 + s) % VOCAB : (id + 3) % VOCAB;
            assert_ok(tokens_add(&w, &id, 1, &e), e);
            if (left-- == 0) {
                tokens_end_doc(&w, 4, 1);
                left = i % 17;
            }
        }
        tokens_end_doc(&w, 4, 1);
        assert_ok(tokens_finish(&w, &e), e);
    }
    free(dir);
    dir = path_of(name, "result.json");
    assert_ok(fs_replace(dir, RESULT, strlen(RESULT), &e), e);
    free(dir);
}

struct inputs {
    const char *model, *data;
};

static enum err_code run(const char *name, const char *kind, const char *knobs, struct inputs in,
                         const struct frame_opts *opts, struct err *e)
{
    struct frame_opts o = opts ? *opts : (struct frame_opts){.clock = &clock_system, .progress_fd = -1};
    struct buf json = {0}, dir = {0}, file = {0};
    enum err_code rc;

    buf_fmt(&dir, "%s/%s.tmp", root, name);
    buf_fmt(&file, "%s/job.json", dir.data);
    buf_fmt(&json,
            "{\"job\": \"" ID "\", \"kind\": \"%s\", \"version\": 1, \"run_id\": \"%s\", \"sweep\": \"x\","
            " \"stage\": \"s\", \"epoch\": 1, \"knobs\": {%s}, \"common\": {}, \"context\": {},"
            " \"results\": \"%s\", \"inputs\": [", kind, name, knobs, root);
    if (in.model)
        buf_fmt(&json, "{\"name\": \"model\", \"job\": \"" ID "\", \"path\": \"%s\"}", in.model);
    if (in.data)
        buf_fmt(&json, "%s{\"name\": \"data\", \"job\": \"" ID "\", \"path\": \"%s\"}",
                in.model ? ", " : "", in.data);
    buf_str(&json, "]}");
    assert_ok(fs_mkdirs(dir.data, e), *e);
    assert_ok(fs_replace(file.data, json.data, json.len, e), *e);
    o.dir = dir.data;
    rc = frame_run(&o, e);
    buf_free(&json), buf_free(&dir), buf_free(&file);
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

static struct buf bytes_of(const char *name, const char *file)
{
    char *path = path_of(name, file);
    struct buf b = {0};
    struct err e;

    assert_ok(fs_read(path, 1 << 26, &b, &e), e);
    free(path);
    return b;
}

static void assert_same_file(const char *a, const char *b, const char *file)
{
    struct buf x = bytes_of(a, file), y = bytes_of(b, file);

    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    buf_free(&x), buf_free(&y);
}

#define SHAPE                                                                                      \
    "\"n_layers\": 2, \"d_model\": 16, \"n_heads\": 2, \"rotary_pct\": 0.5, \"context\": 24, \"batch\": 6"
#define RUN SHAPE ", \"lr\": 0.01, \"seed\": 3"

static void training_learns_and_is_repeatable(void **state)
{
    struct err e;

    (void)state;
    assert_ok(run("a", "lm_pretrain", RUN ", \"epochs\": 6", (struct inputs){NULL, "tok"}, NULL, &e), e);
    assert_ok(run("b", "lm_pretrain", RUN ", \"epochs\": 6", (struct inputs){NULL, "tok"}, NULL, &e), e);
    assert_ok(run("zero", "lm_pretrain", RUN ", \"epochs\": 0", (struct inputs){NULL, "tok"}, NULL, &e), e);
    assert_same_file("a", "b", "model/model.safetensors");
    assert_same_file("a", "b", "model/config.json");
    assert_near(metric("zero", "nll"), log(VOCAB), 0.5);
    if (!(metric("a", "nll") < 1.2))
        fail_msg("validation loss %.3f", metric("a", "nll"));
    assert_near(metric("a", "ppl"), exp(metric("a", "nll")), 1e-9);
    assert_near(metric("a", "n_scored"), IDS / 5 - 1, 0);
    assert_near(metric("a", "steps"), 125, 0); /* 6 epochs of 125 sequences, 6 a step */
}

static void micro_batches_and_lines_work_alike(void **state)
{
    struct err e;

    (void)state;
    assert_ok(run("micro", "lm_pretrain", RUN ", \"steps\": 30, \"micro\": 4, \"checkpoint\": true",
                  (struct inputs){NULL, "tok"}, NULL, &e), e);
    assert_ok(run("whole", "lm_pretrain", RUN ", \"steps\": 30", (struct inputs){NULL, "tok"}, NULL, &e), e);
    assert_near(metric("micro", "nll"), metric("whole", "nll"), 1e-3);
    assert_ok(run("on-lines", "lm_pretrain", RUN ", \"steps\": 150, \"tied\": true, \"parallel\": false",
                  (struct inputs){NULL, "lines"}, NULL, &e), e);
    if (!(metric("on-lines", "nll") < 2.8))
        fail_msg("validation loss %.3f", metric("on-lines", "nll"));
}

/* Rows that no id reads are trained with the others, as Pythia's are. */
static void the_vocabulary_may_be_wider_than_the_data(void **state)
{
    const char *wide = RUN ", \"epochs\": 6, \"n_vocab\": 64", *narrow = RUN ", \"n_vocab\": 3";
    struct err e;

    (void)state;
    assert_ok(run("wide", "lm_pretrain", wide, (struct inputs){NULL, "tok"}, NULL, &e), e);
    assert_ok(run("usual", "lm_pretrain", RUN ", \"epochs\": 6", (struct inputs){NULL, "tok"}, NULL, &e), e);
    assert_near(metric("wide", "n_params") - metric("usual", "n_params"), 2 * 16 * (64 - VOCAB), 0);
    if (!(metric("wide", "nll") < 1.2))
        fail_msg("validation loss %.3f", metric("wide", "nll"));
    assert_fails(run("narrow", "lm_pretrain", narrow, (struct inputs){NULL, "tok"}, NULL, &e), ERR_INVALID, e,
                 "n_vocab: 3 is less than the");
    assert_fails(run("other", "lm_pretrain", RUN ", \"n_vocab\": 65", (struct inputs){"wide", "tok"}, NULL, &e),
                 ERR_INVALID, e, "has 64");
}

/* Another schedule from where one ended; the shape is the model's. */
static void training_goes_on_from_a_model(void **state)
{
    struct err e;

    (void)state;
    assert_ok(run("first", "lm_pretrain", RUN ", \"epochs\": 3", (struct inputs){NULL, "tok"}, NULL, &e), e);
    assert_ok(run("none", "lm_pretrain", "\"context\": 24, \"epochs\": 0", (struct inputs){"first", "tok"},
                  NULL, &e), e);
    assert_near(metric("none", "nll"), metric("first", "nll"), 1e-6);
    assert_same_file("first", "none", "model/model.safetensors");
    assert_ok(run("more", "lm_pretrain", "\"context\": 24, \"batch\": 6, \"steps\": 60, \"lr\": 0.005, "
                  "\"schedule\": \"linear\", \"lr_floor\": 0", (struct inputs){"first", "tok"}, NULL, &e), e);
    if (!(metric("more", "train_loss") < metric("first", "train_loss")))
        fail_msg("%.4f after %.4f", metric("more", "train_loss"), metric("first", "train_loss"));
}

/* --- stopping and going on --------------------------------------------------------------------- */
struct stopper {
    struct clock clock;
    int64_t now, stop_at;
    volatile sig_atomic_t stop;
};

static int64_t tick(const struct clock *c)
{
    struct stopper *s = c->user;

    s->now += 1000;
    if (s->stop_at && s->now >= s->stop_at)
        s->stop = 1;
    return s->now;
}

static int64_t tick_wall(const struct clock *c)
{
    return 1770000000000 + ((struct stopper *)c->user)->now / 1000;
}

static void tick_sleep(const struct clock *c, int64_t us)
{
    ((struct stopper *)c->user)->now += us;
}

/* Stops at moments that differ; each attempt goes on. */
static void stop_often(const char *knobs)
{
    int n_stops = 0;
    struct err e;

    for (int64_t stop_at = 23000;; stop_at = stop_at * 5 / 3) {
        struct stopper s = {{tick, tick_wall, tick_sleep, &s}, 0, stop_at, 0};
        struct frame_opts o = {.clock = &s.clock, .progress_fd = -1, .stop = &s.stop};
        enum err_code rc = run("stopped", "lm_pretrain", knobs, (struct inputs){NULL, "tok"}, &o, &e);

        if (rc == ERR_OK)
            break;
        assert_int_equal(rc, ERR_STOPPED);
        n_stops++;
    }
    if (n_stops < 2)
        fail_msg("stopped %d times only", n_stops);
}

static void remove_run(const char *name)
{
    char *dir = path_of(name, "");
    struct err e;

    assert_ok(fs_remove_tree(dir, &e), e);
    free(dir);
}

static void stopping_changes_no_bit(void **state)
{
    static const char *const forms[] = {
        "", ", \"weights\": \"bf16\", \"moments\": \"bf16\", \"activations\": \"bf16\"",
        ", \"weights\": \"master\", \"moments\": \"bf16\", \"gradients\": \"block\"", ", \"precision\": \"bf16\""};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct buf knobs = {0};
        struct err e;

        buf_fmt(&knobs, RUN ", \"steps\": 40, \"eval_every\": 7%s", forms[i]);
        assert_ok(run("straight", "lm_pretrain", knobs.data, (struct inputs){NULL, "tok"}, NULL, &e), e);
        stop_often(knobs.data);
        assert_same_file("straight", "stopped", "model/model.safetensors");
        assert_same_file("straight", "stopped", "series.csv");
        buf_free(&knobs);
        remove_run("straight");
        remove_run("stopped");
    }
}

/* Half the file; a further training takes it up exactly and may go on in float32. */
static void weights_in_16_bits_are_written_as_they_are(void **state)
{
    const char *half = RUN ", \"epochs\": 6, \"weights\": \"bf16\"", *base = "\"context\": 24, \"epochs\": 0";
    struct buf x, y;
    struct err e;

    (void)state;
    assert_ok(run("full", "lm_pretrain", RUN ", \"epochs\": 6", (struct inputs){NULL, "tok"}, NULL, &e), e);
    assert_ok(run("short", "lm_pretrain", half, (struct inputs){NULL, "tok"}, NULL, &e), e);
    assert_ok(run("on", "lm_pretrain", base, (struct inputs){"short", "tok"}, NULL, &e), e);
    assert_near(metric("short", "nll"), metric("full", "nll"), 0.1);
    assert_near(metric("on", "nll"), metric("short", "nll"), 1e-8); /* of one float, by two ways */
    x = bytes_of("full", "model/model.safetensors"), y = bytes_of("short", "model/model.safetensors");
    assert_true((double)y.len < 0.7 * (double)x.len);
    buf_free(&x), buf_free(&y);
    assert_fails(run("cut", "lm_pretrain", RUN ", \"micro\": 2, \"gradients\": \"block\"", (struct inputs){NULL, "tok"},
                     NULL, &e), ERR_INVALID, e, "gradients: block holds no sums over micro-batches");
}

static void import_keeps_the_weights(void **state)
{
    struct buf knobs = {0};
    const char *source = getenv("SAEGRID_SOURCE");
    struct buf x, y = {0}, path = {0};
    struct err e;

    (void)state;
    source = source ? source : ".";
    buf_fmt(&knobs, "\"path\": \"%s/tests/data/golden_neox/tiny_a\"", source);
    assert_ok(run("import", "lm_import", knobs.data, (struct inputs){0}, NULL, &e), e);
    x = bytes_of("import", "model/model.safetensors");
    buf_fmt(&path, "%s/tests/data/golden_neox/tiny_a/model.safetensors", source);
    assert_ok(fs_read(path.data, 1 << 26, &y, &e), e);
    assert_int_equal(x.len, y.len);
    assert_near(metric("import", "n_params"), 94128, 0);
    buf_free(&x), buf_free(&y), buf_free(&path), buf_free(&knobs);
}

static struct acts extract(const char *name, const char *knobs, const char *data)
{
    char *dir = path_of(name, "");
    struct acts a;
    struct err e;

    assert_ok(run(name, "acts_extract", knobs, (struct inputs){"first", data}, NULL, &e), e);
    assert_ok(acts_open(&a, dir, &e), e);
    free(dir);
    return a;
}

static void rows_of_hooks_fit_together(void **state)
{
    struct acts pre = extract("pre", "\"layer\": 1, \"hook\": \"resid_pre\"", "tok");
    struct acts post = extract("post", "\"layer\": 1, \"hook\": \"resid_post\"", "tok");
    struct acts attn = extract("attn", "\"layer\": 1, \"hook\": \"attn_out\"", "tok");
    struct acts mlp = extract("mlp", "\"layer\": 1, \"hook\": \"mlp_out\"", "tok");
    struct acts bare = extract("bare", "\"layer\": 1, \"hook\": \"ln2_normalized\"", "tok");
    struct acts under = extract("under", "\"layer\": 0, \"hook\": \"resid_post\"", "tok");

    (void)state;
    assert_int_equal(pre.n, IDS);
    for (size_t i = 0; i < pre.n * pre.d; i++) { /* parallel residual */
        assert_near(post.x[i], pre.x[i] + attn.x[i] + mlp.x[i], 1e-5);
        assert_true(under.x[i] == pre.x[i]);
    }
    for (size_t i = 0; i < bare.n; i += 97) {
        double mean = 0, sq = 0;

        for (size_t j = 0; j < bare.d; j++) {
            mean += (double)bare.x[i * bare.d + j];
            sq += (double)bare.x[i * bare.d + j] * (double)bare.x[i * bare.d + j];
        }
        assert_near(mean, 0, 1e-4);
        assert_near(sq / (double)bare.d, 1, 0.02);
    }
    struct acts *all[] = {&pre, &post, &attn, &mlp, &bare, &under};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        acts_close(all[i]);
}

static void shares_of_rows_are_nested(void **state)
{
    struct acts all = extract("all", "\"layer\": 1, \"split\": \"valid\"", "lines");
    struct acts some = extract("some", "\"layer\": 1, \"split\": \"valid\", \"max_rows\": 50", "lines");
    struct acts half = extract("half", "\"layer\": 1, \"split\": \"valid\", \"data_fraction\": 0.5", "lines");
    struct acts skip = extract("skip", "\"layer\": 1, \"split\": \"valid\", \"skip_bos\": true", "lines");
    struct acts bos = extract("bos", "\"layer\": 1, \"split\": \"valid\", \"position\": \"bos\"", "lines");
    size_t at = 0;

    (void)state;
    assert_int_equal(all.n, IDS / 5);
    assert_int_equal(some.n, 50);
    assert_memory_equal(some.x, all.x, 50 * all.d * sizeof(float));
    for (size_t i = 0; i < half.n; i++, at++)
        while (memcmp(half.x + i * all.d, all.x + at * all.d, all.d * sizeof(float)))
            assert_true(++at < all.n);
    assert_int_equal(half.n, IDS / 10);
    assert_int_equal(skip.n + bos.n, all.n);
    struct acts *each[] = {&all, &some, &half, &skip, &bos};
    for (size_t i = 0; i < ARRAY_LEN(each); i++)
        acts_close(each[i]);
}

static void refusals_say_what_is_wrong(void **state)
{
    struct err e;

    (void)state;
    assert_fails(run("no-data", "acts_extract", "\"layer\": 1", (struct inputs){"first", NULL}, NULL, &e),
                 ERR_INVALID, e, "data: missing: a GPT-NeoX model is read on token ids");
    assert_fails(run("deep", "acts_extract", "\"layer\": 2", (struct inputs){"first", "tok"}, NULL, &e),
                 ERR_INVALID, e, "layer: 2 is outside [0, 1]");
    assert_fails(run("huge", "lm_pretrain", "\"n_layers\": 1000, \"d_model\": 65536, \"n_heads\": 64, \"context\": 512, \"batch\": 2",
                     (struct inputs){NULL, "tok"}, NULL, &e), ERR_INVALID, e, "GiB: weights");
}

/* A limit between two plans names the one that fits. */
static void the_plan_names_what_would_fit(void **state)
{
    struct neox_cfg c = {.n_layers = 12, .d_model = 768, .n_heads = 12, .d_head = 64, .d_mlp = 3072,
                         .n_vocab = 50304, .n_rot = 16, .has_attn_bias = true, .is_parallel = true};
    struct neox_shape s = {.n_max = 8192, .t_max = 512, .is_training = true}, less = s;
    struct neox_store f32 = {0};
    struct neox_need full, small;
    struct buf text = {0};
    struct err e;

    (void)state;
    less.is_checkpointed = true;
    neox_need(&full, &c, &s, &f32, 0);
    neox_need(&small, &c, &less, &f32, 0);
    assert_int_equal(full.total, neox_bytes(&c, true) + neox_acts_bytes(&c, &s) + neox_library_bytes(&c, &s));
    assert_near((double)full.weights, 4 * 162322944.0, 1e4);
    assert_ok(neox_fits(&c, &s, &f32, 0, full.total, "the limit", &e), e);
    assert_fails(neox_fits(&c, &s, &f32, 0, full.total - 1, "the limit", &e), ERR_INVALID, e,
                 "would fit: checkpoint: true (");
    assert_has(e.text, "micro: 1 (");
    assert_fails(neox_fits(&c, &s, &f32, 0, (size_t)1 << 29, "the limit", &e), ERR_INVALID, e, "smaller model");
    neox_need_text(&text, &small);
    assert_has(text.data, "moments 1.209");
    buf_free(&text);
}

static int make_root(void **state)
{
    (void)state;
    root = tmpdir_make();
    make_tokens("tok", false);
    make_tokens("lines", true);
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    tmpdir_remove(root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_learns_and_is_repeatable),
        cmocka_unit_test(micro_batches_and_lines_work_alike),
        cmocka_unit_test(the_vocabulary_may_be_wider_than_the_data),
        cmocka_unit_test(training_goes_on_from_a_model),
        cmocka_unit_test(stopping_changes_no_bit),
        cmocka_unit_test(weights_in_16_bits_are_written_as_they_are),
        cmocka_unit_test(import_keeps_the_weights),
        cmocka_unit_test(rows_of_hooks_fit_together),
        cmocka_unit_test(shares_of_rows_are_nested),
        cmocka_unit_test(refusals_say_what_is_wrong),
        cmocka_unit_test(the_plan_names_what_would_fit),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
