/* The SAE kinds as the runner does them: data, training, controls, comparison. */
#include "tests/lib/check.h"

#include <signal.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/kinds/kind.h"
#include "tests/lib/tmpdir.h"
#include "worker/nn/pt.h"
#include "worker/runner/frame.h"

#define ID "0000000000000000000000000000000000000000000000000000000000000001"
#define ORGANISM "\"n_rows\": 20000"
#define TRAIN "\"d_sae\": 32, \"k\": 3, \"batch\": 512, \"lr\": 1e-3"

static char *root;

/* A clock that asks for a stop when it has been read often enough: in the middle of training. */
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

/* inputs: pairs "name folder", ended by NULL */
static enum err_code run(const char *name, const char *kind, const char *knobs,
                         const char *const *inputs, struct stopper *stop, struct err *e)
{
    struct buf json = {0}, dir = {0}, file = {0};
    enum err_code rc;

    buf_fmt(&dir, "%s/%s.tmp", root, name);
    buf_fmt(&file, "%s/job.json", dir.data);
    buf_fmt(&json,
            "{\"job\": \"" ID "\", \"kind\": \"%s\", \"version\": %d, \"run_id\": \"%s\","
            " \"sweep\": \"x\", \"stage\": \"s\", \"epoch\": 1, \"knobs\": {%s}, \"common\": {},"
            " \"context\": {}, \"results\": \"%s\", \"inputs\": [",
            kind, kind_find(kind)->version, name, knobs, root);
    for (size_t i = 0; inputs && inputs[i]; i += 2)
        buf_fmt(&json, "%s{\"name\": \"%s\", \"job\": \"" ID "\", \"path\": \"%s\"}", i ? "," : "",
                inputs[i], inputs[i + 1]);
    buf_str(&json, "]}");
    assert_ok(fs_mkdirs(dir.data, e), *e);
    assert_ok(fs_replace(file.data, json.data, json.len, e), *e);
    struct frame_opts o = {.dir = dir.data,
                           .clock = stop ? &stop->clock : &clock_system,
                           .stop = stop ? &stop->stop : NULL,
                           .progress_fd = -1};
    rc = frame_run(&o, e);
    buf_free(&json);
    buf_free(&dir);
    buf_free(&file);
    return rc;
}

static struct json *result_of(const char *name)
{
    struct buf path = {0};
    struct json *doc;
    struct err e;

    buf_fmt(&path, "%s/%s/result.json", root, name);
    assert_ok(json_read(path.data, 1 << 22, &doc, &e), e);
    buf_free(&path);
    return doc;
}

static double metric(const char *name, const char *metric_name)
{
    struct json *doc = result_of(name);
    double v = NAN;

    json_f64(json_get(json_get(doc, "metrics"), metric_name), &v);
    json_free(doc);
    return v;
}

static void must_run(const char *name, const char *kind, const char *knobs,
                     const char *const *inputs)
{
    struct err e = {0};

    assert_ok(run(name, kind, knobs, inputs, NULL, &e), e);
}

static const char *const on_data[] = {"acts", "data", NULL};

static int setup(void **state)
{
    (void)state;
    root = tmpdir_make();
    must_run("data", "data_make", ORGANISM, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(root);
    return 0;
}

static void agreement_with_truth_and_between_seeds_rises_with_training(void **state)
{
    static const char *const names[2][3] = {{"a0", "a1", "a2"}, {"b0", "b1", "b2"}};
    static const char *const cmp[] = {"short", "long"};
    double gt[2], pw[2], ev[2];

    (void)state;
    for (int l = 0; l < 2; l++) {
        const char *inputs[] = {"saes", names[l][0], "saes", names[l][1], "saes", names[l][2],
                                "truth", "data",     NULL};

        for (int s = 0; s < 3; s++) {
            struct buf knobs = {0};

            buf_fmt(&knobs, TRAIN ", \"seed\": %d, \"steps\": %d", s, l ? 1500 : 100);
            must_run(names[l][s], "sae_train", knobs.data, on_data);
            buf_free(&knobs);
        }
        must_run(cmp[l], "sae_compare", "\"n_boot\": 200", inputs);
        gt[l] = metric(cmp[l], "gt_mcc");
        pw[l] = metric(cmp[l], "hungarian_mean");
        ev[l] = metric(cmp[l], "ev_mean");
    }
    assert_true(gt[1] > gt[0] + 0.1 && pw[1] > pw[0] + 0.1 && ev[1] > ev[0]);
    assert_true(gt[1] > 0.8 && ev[1] > 0.85);
    assert_near(metric("long", "random_expected"), 0.556902, 1e-6);
    assert_near(metric("long", "erank"), metric("data", "erank"), 1e-12);
}

static void torch_baseline_reproduces_the_recorded_mean(void **state)
{
    const char *inputs[] = {"saes", "r0", "saes", "r1", "saes", "r2", "saes", "r3", "saes", "r4",
                            NULL};

    (void)state;
    for (int s = 0; s < 5; s++) {
        struct buf knobs = {0};
        char name[] = {'r', (char)('0' + s), 0};

        buf_fmt(&knobs, "\"d_model\": 128, \"d_sae\": 1024, \"rng\": \"torch\", \"seed\": %d",
                1000 + s);
        must_run(name, "sae_random", knobs.data, NULL);
        buf_free(&knobs);
    }
    must_run("random", "sae_compare", "\"hungarian\": false, \"boot_seed\": 29", inputs);
    assert_near(metric("random", "pwmcc_mean"), 0.2988294795, 2e-7);
    assert_near(metric("random", "ci_low"), 0.298161, 1e-6);
    assert_near(metric("random", "ci_high"), 0.299439, 1e-6);
}

static void a_stopped_training_goes_on_with_the_same_bits(void **state)
{
    static const char *const knobs = TRAIN ", \"steps\": 400";
    struct stopper s = {.clock = {counted_us, counted_wall, NULL, &s}, .stop_after = 300};
    struct err e = {0};

    (void)state;
    must_run("whole", "sae_train", knobs, on_data);
    assert_fails(run("parts", "sae_train", knobs, on_data, &s, &e), ERR_STOPPED, e,
                 "stopped at step 1");
    must_run("parts", "sae_train", knobs, on_data);
    assert_near(metric("whole", "ev"), metric("parts", "ev"), 0);
    assert_near(metric("whole", "loss"), metric("parts", "loss"), 0);
}

static void divergence_is_a_negative_result_and_left_out_of_comparisons(void **state)
{
    const char *inputs[] = {"saes", "diverged", "saes", "fine", NULL};
    struct json *doc;

    (void)state;
    must_run("diverged", "sae_train", "\"arch\": \"linear\", \"d_sae\": 32, \"lr\": 10, \"beta2\": 0",
             on_data);
    doc = result_of("diverged");
    assert_string_equal(json_str(json_get(doc, "verdict")), "negative");
    assert_has(json_str(json_get(doc, "message")), "not finite at step");
    json_free(doc);
    must_run("fine", "sae_train", TRAIN ", \"steps\": 5", on_data);
    must_run("few", "sae_compare", "", inputs);
    doc = result_of("few");
    assert_string_equal(json_str(json_get(doc, "verdict")), "negative");
    json_free(doc);
}

/* Absorption as sae_absorb leaves it. */
static void put_absorption(const char *name, double ref)
{
    struct buf path = {0}, text = {0};
    struct err e;

    buf_fmt(&path, "%s/%s", root, name);
    assert_ok(fs_mkdirs(path.data, &e), e);
    buf_str(&path, "/result.json");
    buf_fmt(&text, "{\"job\": \"" ID "\", \"metrics\": {\"absorption_ref\": %g}}", ref);
    assert_ok(fs_replace(path.data, text.data, text.len, &e), e);
    buf_free(&path);
    buf_free(&text);
}

static void absorption_is_shown_and_not_judged(void **state)
{
    const char *with[] = {"saes",    "sa0", "saes",    "sa1", "control",         "sc0", "control",         "sc1",
                          "absorbs", "ba0", "absorbs", "ba1", "control_absorbs", "bc0", "control_absorbs", "bc1", NULL};
    const char *without[] = {"saes", "sa0", "saes", "sa1", "control", "sc0", "control", "sc1", NULL};
    const char *few[] = {"saes",    "sa0", "saes",            "sa1", "control", "sc0", "control", "sc1",
                         "absorbs", "ba0", "control_absorbs", "bc0", NULL};
    struct err e = {0};

    (void)state;
    put_absorption("ba0", 0.5), put_absorption("ba1", 0.7);
    put_absorption("bc0", 0.6), put_absorption("bc1", 0.75);
    must_run("absorbed", "structure_check", "", with);
    must_run("plain", "structure_check", "", without);
    assert_near(metric("absorbed", "d_absorption_ref"), -0.075, 1e-12);
    assert_true(isnan(metric("absorbed", "d_absorption_saebench"))); /* not reported by them */
    assert_true(isnan(metric("plain", "d_absorption_ref")));
    assert_near(metric("absorbed", "lazier_signs"), metric("plain", "lazier_signs"), 0);
    assert_fails(run("less", "structure_check", "", few, NULL, &e), ERR_INVALID, e, "absorbs: 1 against 2 SAEs");
}

static void sparser_dictionaries_are_told_apart_from_their_control(void **state)
{
    const char *inputs[] = {"saes",    "sa0", "saes",    "sa1", "saes",    "sa2",
                            "control", "sc0", "control", "sc1", "control", "sc2", NULL};
    const char *same[] = {"saes",    "sa0", "saes",    "sa1", "saes",    "sa2",
                          "control", "sa0", "control", "sa1", "control", "sa2", NULL};
    const char *uneven[] = {"saes", "sa0", "saes", "sa1", "control", "sc0", NULL};
    struct err e = {0};

    (void)state;
    for (int s = 0; s < 3; s++)
        for (int is_arm = 0; is_arm < 2; is_arm++) {
            struct buf knobs = {0};
            char name[] = {'s', is_arm ? 'a' : 'c', (char)('0' + s), 0};

            buf_fmt(&knobs, "\"d_sae\": 32, \"k\": %d, \"batch\": 512, \"lr\": 1e-3, \"steps\": 300, \"seed\": %d",
                    is_arm ? 2 : 4, s);
            must_run(name, "sae_train", knobs.data, on_data);
            buf_free(&knobs);
        }
    must_run("lazy", "structure_check", "\"min_signs\": 1", inputs);
    assert_near(metric("lazy", "d_l0"), -2, 1e-9); /* 2 and 4 features a row: fewer; */
    assert_true(metric("lazy", "d_ev") < 0);       /* but they explain less: no verdict in favour */
    assert_true(metric("lazy", "lazier_signs") >= 1 && metric("lazy", "busier_signs") >= 1);
    struct json *doc = result_of("lazy");
    assert_has(json_str(json_get(doc, "message")), "mixed");
    json_free(doc);
    must_run("same", "structure_check", "", same);
    assert_near(metric("same", "lazier_signs"), 0, 0);
    assert_near(metric("same", "d_ev"), 0, 0);
    doc = result_of("same");
    assert_string_equal(json_str(json_get(doc, "verdict")), "negative");
    json_free(doc);
    assert_fails(run("uneven", "structure_check", "", uneven, NULL, &e), ERR_INVALID, e,
                 "2 against 1 in control");
}

static void bad_input_is_an_error_that_says_what_is_wrong(void **state)
{
    const char *one[] = {"saes", "data", NULL};
    struct err e = {0};

    (void)state;
    assert_fails(run("bad1", "sae_compare", "", one, NULL, &e), ERR_INVALID, e, "1 given");
    assert_fails(run("bad2", "sae_train", "\"d_sae\": 8, \"k\": 9", on_data, NULL, &e), ERR_INVALID,
                 e, "9 is outside [1, 8]");
    assert_fails(run("bad3", "sae_train", "\"steps\": 0", on_data, NULL, &e), ERR_INVALID, e,
                 "both 0");
    assert_fails(run("bad4", "data_make", "\"n_active\": 33", NULL, NULL, &e), ERR_INVALID, e,
                 "33 is more than n_atoms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agreement_with_truth_and_between_seeds_rises_with_training),
        cmocka_unit_test(torch_baseline_reproduces_the_recorded_mean),
        cmocka_unit_test(a_stopped_training_goes_on_with_the_same_bits),
        cmocka_unit_test(divergence_is_a_negative_result_and_left_out_of_comparisons),
        cmocka_unit_test(sparser_dictionaries_are_told_apart_from_their_control),
        cmocka_unit_test(absorption_is_shown_and_not_judged),
        cmocka_unit_test(bad_input_is_an_error_that_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
