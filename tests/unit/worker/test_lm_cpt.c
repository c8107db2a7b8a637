/* test_lm_cpt.c - continued pretraining as the runner does it: arms that differ from the control where
 * they should, and are it where they should be; resuming; what is refused. */
#include "tests/lib/check.h"

#include <signal.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/kinds/kind.h"
#include "tests/lib/tmpdir.h"
#include "worker/data/tokens.h"
#include "worker/runner/frame.h"

#define ID "00000000000000000000000000000000000000000000000000000000000000a1"
#define RESULT "{\"format\": 1, \"job\": \"" ID "\", \"metrics\": {}}"
#define SHAPE "\"n_layers\": 3, \"d_model\": 16, \"n_heads\": 2, \"context\": 16, \"batch\": 4, \"steps\": 20"
#define CPT "\"context\": 16, \"batch\": 4, \"tokens\": 640, \"lr\": 1e-3, \"eval_ids\": 200"
#define SHARP "\"k_sharp\": 2, \"k_sharp_override_reason\": \"test\", "
enum { VOCAB = 23 };

static char *root;

static char *path_of(const char *name, const char *file)
{
    struct buf b = {0};

    buf_fmt(&b, "%s/%s%s%s", root, name, *file ? "/" : "", file);
    return buf_steal(&b);
}

static void make_tokens(void)
{
    static const char *const split[] = {"train", "valid"};
    char *dir = path_of("data", "");
    struct err e;

    assert_ok(fs_mkdirs(dir, &e), e);
    for (uint32_t s = 0; s < 2; s++) {
        struct tokens_writer w;
        uint32_t id = 1 + s;

        assert_ok(tokens_create(&w, dir, split[s], VOCAB, false, &e), e);
        for (uint32_t i = 0; i < (s ? 400 : 2000); i++) {
            id = i % 11 == 0 ? i * (7 + s) % VOCAB : (id + 3) % VOCAB;
            assert_ok(tokens_add(&w, &id, 1, &e), e);
        }
        tokens_end_doc(&w, 4, 1);
        assert_ok(tokens_finish(&w, &e), e);
    }
    free(dir);
    dir = path_of("data", "result.json");
    assert_ok(fs_replace(dir, RESULT, strlen(RESULT), &e), e);
    free(dir);
}

/* A stop after so many readings of the clock. */
struct stopper {
    struct clock clock;
    int64_t reads, stop_after;
    volatile sig_atomic_t stop;
};
static int64_t counted_us(const struct clock *c)
{
    struct stopper *s = c->user;

    if (++s->reads == s->stop_after)
        s->stop = 1;
    return s->reads;
}
static int64_t counted_wall(const struct clock *c)
{
    return 1770000000000 + ((struct stopper *)c->user)->reads;
}

/* inputs: "name", "folder", ... */
static enum err_code run(const char *name, const char *kind, const char *knobs,
                         const char *const *inputs, struct stopper *stop, struct err *e)
{
    struct buf json = {0};
    char *dir = path_of(name, ""), *file;
    enum err_code rc;

    buf_fmt(&json, "%s.tmp", dir);
    free(dir);
    dir = buf_steal(&json);
    buf_fmt(&json, "%s/job.json", dir);
    file = buf_steal(&json);
    buf_fmt(&json,
            "{\"job\": \"" ID "\", \"kind\": \"%s\", \"version\": %d, \"run_id\": \"%s\", \"sweep\": \"x\","
            " \"stage\": \"s\", \"epoch\": 1, \"knobs\": {%s}, \"common\": {},"
            " \"context\": {%s}, \"results\": \"%s\", \"inputs\": [",
            kind, kind_find(kind)->version, name, knobs,
            strcmp(kind, "acts_extract") ? "\"hook\": \"resid_post\", \"layer\": 1" : "", root);
    for (size_t i = 0; inputs[i]; i += 2)
        buf_fmt(&json, "%s{\"name\": \"%s\", \"job\": \"" ID "\", \"path\": \"%s\"}", i ? ", " : "",
                inputs[i], inputs[i + 1]);
    buf_str(&json, "]}");
    assert_ok(fs_mkdirs(dir, e), *e);
    assert_ok(fs_replace(file, json.data, json.len, e), *e);
    struct frame_opts o = {.dir = dir, .clock = stop ? &stop->clock : &clock_system,
                           .stop = stop ? &stop->stop : NULL, .progress_fd = -1};
    rc = frame_run(&o, e);
    buf_free(&json);
    free(dir);
    free(file);
    return rc;
}

static const char *const on_data[] = {"data", "data", NULL};
static const char *const on_all[] = {"model", "base", "data", "data", "sae", "sae", NULL};

static void cpt(const char *name, const char *knobs)
{
    struct err e = {0};

    assert_ok(run(name, "lm_cpt", knobs, on_all, NULL, &e), e);
}

static double metric(const char *name, const char *metric_name)
{
    char *path = path_of(name, "result.json");
    struct json *doc;
    struct err e;
    double v = NAN;

    assert_ok(json_read(path, 1 << 22, &doc, &e), e);
    json_f64(json_get(json_get(doc, "metrics"), metric_name), &v);
    json_free(doc);
    free(path);
    return v;
}

static bool is_same_model(const char *a, const char *b)
{
    char *pa = path_of(a, "model/model.safetensors"), *pb = path_of(b, "model/model.safetensors");
    struct buf x = {0}, y = {0};
    struct err e;
    bool is_same;

    assert_ok(fs_read(pa, 1 << 26, &x, &e), e);
    assert_ok(fs_read(pb, 1 << 26, &y, &e), e);
    is_same = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
    buf_free(&x), buf_free(&y);
    free(pa), free(pb);
    return is_same;
}

static int setup(void **state)
{
    static const char *const on_model[] = {"model", "base", "data", "data", NULL};
    static const char *const on_acts[] = {"acts", "acts", NULL};
    struct err e = {0};

    (void)state;
    root = tmpdir_make();
    make_tokens();
    assert_ok(run("base", "lm_pretrain", SHAPE, on_data, NULL, &e), e);
    assert_ok(run("acts", "acts_extract", "\"layer\": 1, \"context\": 16", on_model, NULL, &e), e);
    assert_ok(run("sae", "sae_train", "\"d_sae\": 32, \"k\": 4, \"steps\": 50", on_acts, NULL, &e), e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(root);
    return 0;
}

static void every_arm_is_proven_and_differs_from_the_control(void **state)
{
    static const struct {
        const char *name, *knobs;
        double cos_sharp_min, cos_sharp_max;
    } rows[] = {
        {"l1", "\"arm\": \"l1\", \"lambda\": 0.01, " CPT, NAN, NAN},
        {"saeception", SHARP "\"arm\": \"saeception\", \"lambda\": 1, " CPT, 1 - 1e-6, 1 + 1e-6},
        {"cosine", SHARP "\"arm\": \"saeception_cosine\", \"lambda\": 1, " CPT, 1 - 1e-6, 1 + 1e-6},
        {"unit", SHARP "\"arm\": \"random\", \"random_target\": \"unit\", \"lambda\": 1, " CPT, -0.3, 0.3},
        {"matched", SHARP "\"arm\": \"random\", \"lambda\": 1, " CPT, -0.3, 0.3},
        {"random_k", SHARP "\"arm\": \"random\", \"random_target\": \"random_k\", \"lambda\": 1, " CPT, 0.2, 0.999},
        {"recon", "\"arm\": \"reconstruction\", \"lambda\": 1, " CPT, 1 - 1e-6, 1 + 1e-6},
    };

    (void)state;
    cpt("control", "\"arm\": \"control\", " CPT);
    assert_near(metric("control", "aux_grad_below"), 0, 0);
    assert_near(metric("control", "aux_grad_above"), 0, 0);
    assert_false(is_same_model("control", "base"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cpt(rows[i].name, rows[i].knobs);
        assert_true(metric(rows[i].name, "aux_grad_below") > 0);
        assert_near(metric(rows[i].name, "aux_grad_above"), 0, 0);
        assert_near(metric(rows[i].name, "lambda0_is_control"), 1, 0);
        assert_true(metric(rows[i].name, "aux_grad_ratio") > 0);
        assert_false(is_same_model("control", rows[i].name));
        for (size_t k = 0; k < i; k++)
            assert_false(is_same_model(rows[k].name, rows[i].name));
        if (!isnan(rows[i].cos_sharp_min)) {
            assert_true(metric(rows[i].name, "target_cos_sharp") >= rows[i].cos_sharp_min);
            assert_true(metric(rows[i].name, "target_cos_sharp") <= rows[i].cos_sharp_max);
        }
    }
    /* pulled towards it, the activation comes closer to its target */
    assert_true(metric("recon", "target_cos") > metric("matched", "target_cos"));
}

static void lambda_zero_is_the_control_bit_for_bit(void **state)
{
    (void)state;
    cpt("zero", SHARP "\"arm\": \"saeception\", \"lambda\": 0, " CPT);
    assert_true(is_same_model("control", "zero"));
    assert_near(metric("zero", "ppl"), metric("control", "ppl"), 0);
    assert_true(metric("zero", "aux_loss") > 0);
}

/* What stands under that path in the list of artefacts: does it differ from run to run? */
static bool is_volatile(const char *name, const char *artifact)
{
    char *path = path_of(name, "result.json");
    struct json *doc;
    struct err e;
    bool is_it = false, is_there = false;

    assert_ok(json_read(path, 1 << 22, &doc, &e), e);
    for (const struct json *a = json_first(json_get(doc, "artifacts")); a; a = json_next(a))
        if (strcmp(json_str(json_get(a, "path")), artifact) == 0) {
            is_there = true;
            json_bool(json_get(a, "volatile"), &is_it);
        }
    assert_true(is_there);
    json_free(doc);
    free(path);
    return is_it;
}

static void every_step_is_logged_with_its_speed(void **state)
{
    static const char *const series[] = {"lm_loss", "aux_loss", "aux_over_lm", "grad_lm", "grad_aux", "lr",
                                         "tokens_per_s"};
    char *path = path_of("saeception", "series.csv");
    struct buf text = {0};
    struct err e;

    (void)state;
    assert_ok(fs_read(path, 1 << 20, &text, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(series); i++)
        for (int step = 1; step <= 10; step++) { /* 640 ids, 64 a step */
            struct buf line = {0};

            buf_fmt(&line, "\n%s,%d,", series[i], step);
            if (!strstr(text.data, line.data))
                fail_msg("no point%s", line.data);
            buf_free(&line);
        }
    assert_true(is_volatile("saeception", "series.csv"));
    assert_false(is_volatile("base", "series.csv"));
    assert_false(is_volatile("saeception", "model/model.safetensors"));
    buf_free(&text);
    free(path);
}

static void micro_batches_and_checkpointing_give_the_same_training(void **state)
{
    (void)state;
    cpt("again", SHARP "\"arm\": \"saeception\", \"lambda\": 1, \"checkpoint\": true, " CPT);
    assert_true(is_same_model("saeception", "again"));
    cpt("micro", SHARP "\"arm\": \"saeception\", \"lambda\": 1, \"micro\": 1, " CPT);
    assert_near(metric("micro", "aux_loss") / metric("saeception", "aux_loss"), 1, 1e-4);
    assert_near(metric("micro", "ppl") / metric("saeception", "ppl"), 1, 1e-4);
}

static void a_stopped_run_goes_on_with_the_same_bits(void **state)
{
    static const char *const knobs = SHARP "\"arm\": \"random\", \"lambda\": 1, \"lambda_schedule\": \"anneal\","
                                           " \"anneal_every\": 3, " CPT;
    (void)state;
    cpt("whole", knobs);
    for (int64_t after = 60; after < 400; after += 97) {
        struct stopper s = {.clock = {counted_us, counted_wall, NULL, &s}, .stop_after = after};
        struct err e = {0};
        struct buf name = {0};

        buf_fmt(&name, "parts%d", (int)after);
        if (run(name.data, "lm_cpt", knobs, on_all, &s, &e))
            assert_ok(run(name.data, "lm_cpt", knobs, on_all, NULL, &e), e);
        assert_true(is_same_model("whole", name.data));
        assert_near(metric(name.data, "aux_over_lm"), metric("whole", "aux_over_lm"), 0);
        buf_free(&name);
    }
}

static void annealing_halves_lambda_while_the_tax_is_too_high(void **state)
{
    (void)state;
    cpt("anneal", SHARP "\"arm\": \"random\", \"random_target\": \"unit\", \"lambda\": 1000, \"lr\": 0.01,"
                        " \"lambda_schedule\": \"anneal\", \"anneal_every\": 1, \"lambda_floor\": 200,"
                        " \"context\": 16, \"batch\": 4, \"tokens\": 640, \"eval_ids\": 200");
    assert_near(metric("anneal", "lambda_end"), 200, 0);
    cpt("linear", SHARP "\"arm\": \"saeception\", \"lambda\": 1, \"lambda_schedule\": \"linear\","
                        " \"lambda_floor\": 0.25, " CPT);
    assert_near(metric("linear", "lambda_end"), 0.25, 1e-12);
}

static void damage_is_done_after_training_and_shows(void **state)
{
    (void)state;
    cpt("noisy", "\"arm\": \"control\", \"damage\": 0.5, " CPT);
    assert_false(is_same_model("noisy", "control"));
    assert_near(metric("noisy", "lm_loss"), metric("control", "lm_loss"), 0);
    assert_true(metric("noisy", "ppl") > 1.05 * metric("control", "ppl"));
}

static void what_cannot_be_is_refused(void **state)
{
    struct err e = {0};

    (void)state;
    assert_fails(run("bad1", "lm_cpt", "\"arm\": \"saeception\", " CPT, on_all, NULL, &e), ERR_INVALID, e,
                 "k_sharp: 0 is outside [1, 4]");
    assert_fails(run("bad2", "lm_cpt", "\"arm\": \"saeception\", \"k_sharp\": 5, " CPT, on_all, NULL, &e),
                 ERR_INVALID, e, "k_sharp: 5 is outside [1, 4]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_arm_is_proven_and_differs_from_the_control),
        cmocka_unit_test(lambda_zero_is_the_control_bit_for_bit),
        cmocka_unit_test(every_step_is_logged_with_its_speed),
        cmocka_unit_test(micro_batches_and_checkpointing_give_the_same_training),
        cmocka_unit_test(a_stopped_run_goes_on_with_the_same_bits),
        cmocka_unit_test(annealing_halves_lambda_while_the_tax_is_too_high),
        cmocka_unit_test(damage_is_done_after_training_and_shows),
        cmocka_unit_test(what_cannot_be_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
