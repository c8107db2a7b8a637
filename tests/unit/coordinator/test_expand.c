/* test_expand.c - joins, gathers, controls, values and gates; ids; a million jobs. */
#include <time.h>

#include "common/json.h"
#include "tests/unit/coordinator/sweep_jobs.h"

#define CHAIN                                                                                      \
    "sweep: x\nphase: p1\nstages:\n"                                                               \
    "  model: {kind: lm_train, modulus: 13, d_model: 16, n_heads: 2}\n"                            \
    "  acts: {kind: acts_extract, model: $model, grid: {layer: [0, 1]}}\n"                         \
    "  sae: {kind: sae_train, acts: $acts, d_sae: 32, grid: {k: [4, 8], seed: [1, 2, 3]}}\n"       \
    "  random: {kind: sae_random, like: $sae}\n"

static void stages_come_inputs_first_whatever_the_file_says(void **state)
{
    struct sweep_jobs all = sweep_expand("sweep: x\nstages:\n"
                                         "  sae: {kind: sae_train, acts: $acts}\n"
                                         "  acts: {kind: acts_extract, model: $model}\n"
                                         "  model: {kind: lm_train}\n");

    (void)state;
    assert_int_equal(all.n, 3);
    assert_string_equal(all.v[0].stage, "model");
    assert_string_equal(all.v[1].stage, "acts");
    assert_string_equal(all.v[2].stage, "sae");
    assert_string_equal(all.v[1].inputs, "model=0");
    assert_string_equal(all.v[2].inputs, "acts=1");
    sweep_end(&all);
}

static void axes_are_inherited_and_multiply(void **state)
{
    struct sweep_jobs all = sweep_expand(CHAIN);

    (void)state;
    assert_int_equal(sweep_count(&all, "model"), 1);
    assert_int_equal(sweep_count(&all, "acts"), 2);
    assert_int_equal(sweep_count(&all, "sae"), 12);
    assert_string_equal(sweep_job(&all, "sae", 0)->inputs, "acts=1");
    assert_string_equal(sweep_job(&all, "sae", 6)->inputs, "acts=2");
    assert_string_equal(sweep_job(&all, "sae", 7)->knobs, "{\"d_sae\":32,\"k\":4,\"seed\":2}");
    sweep_end(&all);
}

static void two_inputs_join_on_the_axes_they_share(void **state)
{
    struct sweep_jobs all = sweep_expand(
        "sweep: x\nstages:\n"
        "  organism: {kind: data_make, grid: {seed: [1, 2, 3]}}\n"
        "  sae: {kind: sae_train, acts: $organism, d_sae: 32, k: 3, grid: {seed: [7, 8]}}\n"
        "  cmp: {kind: sae_compare, saes: $sae, truth: $organism, over: [sae.seed]}\n");

    (void)state;
    assert_int_equal(sweep_count(&all, "cmp"), 3);
    assert_string_equal(sweep_job(&all, "cmp", 0)->inputs, "saes=3 saes=4 truth=0");
    assert_string_equal(sweep_job(&all, "cmp", 2)->inputs, "saes=7 saes=8 truth=2");
    sweep_end(&all);
}

static void over_gathers_in_the_order_of_the_axis(void **state)
{
    struct sweep_jobs all = sweep_expand(
        CHAIN "  cmp: {kind: sae_compare, saes: $sae, baseline: $random, over: [seed]}\n");

    (void)state;
    assert_int_equal(sweep_count(&all, "cmp"), 4);
    assert_string_equal(sweep_job(&all, "cmp", 0)->inputs,
                        "saes=3 saes=4 saes=5 baseline=15 baseline=16 baseline=17");
    assert_string_equal(sweep_job(&all, "cmp", 3)->inputs,
                        "saes=12 saes=13 saes=14 baseline=15 baseline=16 baseline=17");
    sweep_end(&all);
}

static void over_two_axes_counts_equal_controls_once(void **state)
{
    struct sweep_jobs all = sweep_expand(
        CHAIN "  cmp: {kind: sae_compare, saes: $sae, baseline: $random, over: [seed, k]}\n");

    (void)state;
    assert_int_equal(sweep_count(&all, "cmp"), 2);
    assert_string_equal(sweep_job(&all, "cmp", 0)->inputs,
                        "saes=3 saes=4 saes=5 saes=6 saes=7 saes=8 "
                        "baseline=15 baseline=16 baseline=17");
    sweep_end(&all);
}

static void zipped_axes_gather_by_value(void **state)
{
    struct sweep_jobs all = sweep_expand(
        "sweep: x\nstages:\n"
        "  r: {kind: sae_random, zip: {d_sae: [64, 64, 128, 128], seed: [1, 2, 1, 2]}}\n"
        "  cmp: {kind: sae_compare, saes: $r, over: [seed]}\n");

    (void)state;
    assert_int_equal(sweep_count(&all, "cmp"), 2);
    assert_string_equal(sweep_job(&all, "cmp", 0)->inputs, "saes=0 saes=1");
    assert_string_equal(sweep_job(&all, "cmp", 1)->inputs, "saes=2 saes=3");
    sweep_end(&all);
}

static void selections_filter_and_one_value_frees_the_axis(void **state)
{
    struct sweep_jobs all = sweep_expand(
        CHAIN "  one: {kind: sae_compare, saes: '$sae{k: 4, layer: 1}', over: [seed]}\n"
              "  two: {kind: sae_compare, saes: '$sae{seed: [1, 3]}', baseline: '$sae{k: 4, layer: 0}', "
              "over: [seed]}\n");

    (void)state;
    assert_int_equal(sweep_count(&all, "one"), 1);
    assert_string_equal(sweep_job(&all, "one", 0)->inputs, "saes=9 saes=10 saes=11");
    assert_int_equal(sweep_count(&all, "two"), 4);
    assert_string_equal(sweep_job(&all, "two", 3)->inputs,
                        "saes=12 saes=14 baseline=3 baseline=4 baseline=5");
    sweep_end(&all);
}

static void a_list_of_stages_is_their_union(void **state)
{
    struct sweep_jobs all = sweep_expand(
        "sweep: x\nstages:\n"
        "  a: {kind: sae_random, d_sae: 64, grid: {seed: [1, 2]}}\n"
        "  b: {kind: sae_random, d_sae: 64, grid: {seed: [3]}}\n"
        "  c: {kind: sae_random, d_sae: 64, seed: 1}\n"
        "  all: {kind: sae_compare, saes: [$a, $b, $c], over: seed}\n");

    (void)state;
    assert_int_equal(sweep_count(&all, "all"), 1);
    assert_string_equal(sweep_job(&all, "all", 0)->inputs, "saes=0 saes=1 saes=2");
    sweep_end(&all);
}

static void equal_jobs_are_one_job(void **state)
{
    struct sweep_jobs all = sweep_expand(CHAIN);
    size_t repeats = 0;

    (void)state;
    assert_int_equal(sweep_count(&all, "random"), 12);
    for (size_t i = 0; i < 12; i++) {
        const struct sweep_job *j = sweep_job(&all, "random", i);

        repeats += j->is_repeat;
        assert_int_equal(j->index, 15 + (int)(i % 3));
    }
    assert_int_equal(repeats, 9);
    assert_string_equal(sweep_job(&all, "random", 1)->knobs,
                        "{\"d_model\":16,\"d_sae\":32,\"seed\":100002}");
    assert_string_equal(sweep_job(&all, "random", 1)->inputs, "");
    sweep_end(&all);
}

static void like_takes_what_is_not_set(void **state)
{
    (void)state;
    sweep_stage_is(CHAIN "  r2: {kind: sae_random, like: '$sae{k: 4, layer: 0}', d_sae: 64, "
                         "seed_offset: 7, rng: torch}\n", "r2",
                   "{\"d_model\":16,\"d_sae\":64,\"rng\":\"torch\",\"seed\":8}\n"
                   "{\"d_model\":16,\"d_sae\":64,\"rng\":\"torch\",\"seed\":9}\n"
                   "{\"d_model\":16,\"d_sae\":64,\"rng\":\"torch\",\"seed\":10}\n");
}

static void the_offset_is_not_part_of_the_id(void **state)
{
    struct sweep_jobs all = sweep_expand(
        "sweep: x\nstages:\n"
        "  o: {kind: data_make, d_model: 16}\n"
        "  s: {kind: sae_train, acts: $o, seed: 5, k: 2, d_sae: 64}\n"
        "  a: {kind: sae_random, like: $s}\n"
        "  b: {kind: sae_random, like: $s, seed_offset: 100000}\n"
        "  c: {kind: sae_random, d_model: 16, d_sae: 64, seed: 100005}\n"
        "  d: {kind: sae_random, d_model: 16, d_sae: 64, seed: 100005, seed_offset: 3}\n");

    (void)state;
    assert_int_equal(all.n, 6);
    for (size_t i = 3; i < 6; i++)
        assert_string_equal(all.v[i].id, all.v[2].id);
    sweep_end(&all);
}

static void a_value_comes_from_another_job(void **state)
{
    struct sweep_jobs all = sweep_expand(
        "sweep: x\nstages:\n"
        "  a: {kind: mock, grid: {seed: [1, 2]}}\n"
        "  b: {kind: mock, steps: $a.value, tag: t}\n"
        "  c: {kind: mock, steps: '$a{seed: 2}.value', tag: t}\n");

    (void)state;
    assert_int_equal(sweep_count(&all, "b"), 2);
    assert_string_equal(sweep_job(&all, "b", 1)->inputs, "steps=1.value");
    assert_string_equal(sweep_job(&all, "b", 1)->knobs, "{\"tag\":\"t\"}");
    assert_string_not_equal(sweep_job(&all, "b", 0)->id, sweep_job(&all, "b", 1)->id);
    assert_int_equal(sweep_count(&all, "c"), 1);
    assert_string_equal(sweep_job(&all, "c", 0)->id, sweep_job(&all, "b", 1)->id);
    sweep_end(&all);
}

static void require_waits_for_the_gate_of_the_same_axes(void **state)
{
    struct sweep_jobs all = sweep_expand(
        "sweep: x\nstages:\n"
        "  o: {kind: data_make, grid: {seed: [1, 2]}}\n"
        "  s: {kind: sae_train, acts: $o, k: 2, gate: {metric: ev, min: 0.5}, grid: {d_sae: [4, 8]}}\n"
        "  t: {kind: sae_train, acts: $o, k: 3, require: $s}\n"
        "  u: {kind: sae_train, acts: $o, k: 3}\n");

    (void)state;
    assert_int_equal(sweep_count(&all, "t"), 2);
    assert_string_equal(sweep_job(&all, "t", 1)->inputs, "acts=1 require!=4 require!=5");
    assert_string_equal(sweep_job(&all, "t", 1)->id, sweep_job(&all, "u", 1)->id);
    sweep_end(&all);
}

/* `decay` is a number of sae_train and a word of lm_cpt. */
static void a_word_and_a_number_of_one_name_do_not_mix(void **state)
{
    struct sweep_jobs all = sweep_expand(
        "sweep: x\nstages:\n"
        "  m: {kind: lm_import, path: .}\n"
        "  o: {kind: data_make, task: text, text: ., tokenizer: .}\n"
        "  a: {kind: acts_extract, model: $m, data: $o}\n"
        "  s: {kind: sae_train, acts: $a, k: 2, d_sae: 4, decay: 0.5}\n"
        "  c: {kind: lm_cpt, model: $m, data: $o, sae: $s, arm: control}\n"
        "  b: {kind: acts_extract, model: $c, data: $o}\n");
    struct json *j;
    struct err e = {0};

    (void)state;
    const char *of_sae = sweep_job(&all, "c", 0)->context, *of_model = sweep_job(&all, "b", 0)->context;
    assert_true(json_parse(of_sae, strlen(of_sae), &j, &e) == ERR_OK);
    json_free(j);
    assert_true(json_parse(of_model, strlen(of_model), &j, &e) == ERR_OK);
    json_free(j);
    assert_non_null(strstr(of_model, "\"decay\":\"all\""));
    sweep_end(&all);
}

static void context_is_what_the_ancestors_agree_on(void **state)
{
    struct sweep_jobs all = sweep_expand(
        CHAIN "  cmp: {kind: sae_compare, saes: $sae, baseline: $random, over: [seed]}\n");
    const char *c = sweep_job(&all, "cmp", 1)->context;

    (void)state;
    assert_non_null(strstr(c, "\"task\":\"modadd\""));
    assert_non_null(strstr(c, "\"modulus\":13"));
    assert_non_null(strstr(c, "\"layer\":0"));
    assert_non_null(strstr(c, "\"k\":8"));
    assert_non_null(strstr(c, "\"d_sae\":32"));
    assert_non_null(strstr(c, "\"epochs\":0"));   /* the SAE's, which is nearer than the model's */
    assert_null(strstr(c, "\"seed\":"));          /* differs within the group */
    assert_null(strstr(c, "seed_offset"));
    assert_string_equal(sweep_job(&all, "model", 0)->context, "{}");
    assert_non_null(strstr(sweep_job(&all, "acts", 0)->context, "\"n_heads\":2"));
    sweep_end(&all);
}

static void names_have_the_parts_that_apply(void **state)
{
    struct sweep_jobs all = sweep_expand(
        CHAIN "  cmp: {kind: sae_compare, saes: $sae, baseline: $random, over: [seed]}\n"
              "  relu: {kind: sae_train, acts: $acts, arch: relu, d_sae: 8}\n"
              "  q: {kind: mock, tag: ../x}\n");

    (void)state;
    assert_string_equal(sweep_job(&all, "model", 0)->name, "p1_modadd_model_seed0");
    assert_string_equal(sweep_job(&all, "acts", 0)->name, "p1_modadd_acts_seed0");
    assert_string_equal(sweep_job(&all, "sae", 0)->name, "p1_modadd_topk_dsae32_k4_seed1");
    assert_string_equal(sweep_job(&all, "random", 0)->name, "p1_random_dsae32_seed100001");
    assert_string_equal(sweep_job(&all, "cmp", 0)->name, "p1_modadd_compare_dsae32_k4");
    assert_string_equal(sweep_job(&all, "relu", 0)->name, "p1_modadd_relu_dsae8_seed0");
    assert_string_equal(sweep_job(&all, "q", 0)->name, "p1_mock_seed0");
    for (size_t i = 0; i < all.n; i++)
        assert_true(fs_name_is_safe(all.v[i].name));
    sweep_end(&all);
}

static void ids_ignore_key_order_spelling_and_defaults(void **state)
{
    static const char *const same[] = {
        "sweep: x\nstages:\n  o: {kind: data_make}\n"
        "  s: {kind: sae_train, acts: $o, lr: 1e-3, k: 4, d_sae: 8}\n",
        "sweep: y\nphase: z\nstages:\n  t: {d_sae: 0x8, acts: $p, k: 4.0, kind: sae_train, lr: 0.001}\n"
        "  p: {n_rows: 50000, kind: data_make, task: organism}\n",
        "sweep: x\ndefaults: {timeout: 3h, retries: 5, priority: 4, memory: 1G}\nstages:\n"
        "  o: {kind: data_make}\n"
        "  s: {kind: sae_train, acts: $o, arch: topk, steps: 3000, seed_init: -1, grid: {lr: [.001]}, "
        "k: 4, d_sae: 8}\n",
    };
    char first[65] = "";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct sweep_jobs all = sweep_expand(same[i]);

        assert_int_equal(all.n, 2);
        if (i == 0)
            strcpy(first, all.v[1].id);
        assert_string_equal(all.v[1].id, first);
        sweep_end(&all);
    }
}

static void threads_and_inputs_change_the_id(void **state)
{
    struct sweep_jobs all = sweep_expand(
        "sweep: x\nstages:\n  o: {kind: data_make, grid: {seed: [0, 1]}}\n"
        "  s: {kind: sae_train, acts: $o, k: 4, grid: {threads: [1, 2]}}\n");

    (void)state;
    for (size_t i = 0; i < all.n; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(all.v[i].id, all.v[j].id);
    assert_int_equal(sweep_job(&all, "s", 1)->common.threads, 2);
    assert_string_equal(sweep_job(&all, "s", 1)->knobs, "{\"k\":4}");
    sweep_end(&all);
}

static void golden_ids_of_a_chain_stay(void **state)
{
    struct sweep_jobs all = sweep_expand(CHAIN);

    (void)state;
    assert_string_equal(sweep_job(&all, "model", 0)->id,
                        "f4d8b89f65c3339c87325e9ce0f72078ffe60174c3c8918315c67317efb643b0");
    assert_string_equal(sweep_job(&all, "sae", 11)->id,
                        "aaa9e14628151ffc7ea1092d365ea33b1846baa32a3085dbab850ddac66607d2");
    assert_string_equal(sweep_job(&all, "random", 0)->id,
                        "abaeae164e9a7d3fc07cb701640b7b06a97f17269a549ffa8a8c9dce9a9b4c3a");
    sweep_end(&all);
}

static void wrong_gathers_are_refused(void **state)
{
    static const struct {
        const char *stage, *error;
    } rows[] = {
        {"  c: {kind: sae_compare, saes: $sae}\n",
         "s.yaml:8:3: c: over: missing: say which axes are gathered, `over: [axis]`, out of "
         "acts.layer, sae.k, sae.seed; [] for none\n"},
        {"  c: {kind: sae_compare, saes: $sae, over: [sed]}\n",
         "s.yaml:8:45: over: sed: no such axis (did you mean seed?); there is acts.layer, sae.k, "
         "sae.seed\n"},
        {"  c: {kind: sae_train, acts: $acts, over: [layer]}\n",
         "s.yaml:8:43: over: no input of kind sae_train gathers\n"},
        {"  m2: {kind: lm_train, grid: {seed: [1, 2]}}\n"
         "  a2: {kind: acts_extract, model: $m2}\n"
         "  s2: {kind: sae_train, acts: $a2, grid: {seed: [1, 2]}}\n"
         "  c: {kind: sae_compare, saes: $s2, over: [seed]}\n",
         "s.yaml:11:44: over: seed: could be each of m2.seed, s2.seed: write the full name\n"},
        {"  c: {kind: sae_compare, saes: '$sae{seed: 1}', over: [k]}\n  d: {kind: sae_compare, saes: "
         "'$sae{seed: 1, k: 4}', over: [layer]}\n  e: {kind: sae_compare, saes: '$sae{seed: 1, k: 4, "
         "layer: 0}'}\n",
         "s.yaml:10:32: e: saes: a comparison needs two SAEs or more, this group has 1\n"},
        {"  c: {kind: sae_compare, saes: '$sae{seed: 9}', over: [k]}\n",
         "s.yaml:8:32: c: $sae{seed: 9} selects no job\n"},
        {"  c: {kind: sae_compare, saes: '$sae{sed: 9}', over: [k]}\n",
         "s.yaml:8:32: $sae{sed: 9}: sed: no such axis (did you mean seed?); there is acts.layer, "
         "sae.k, sae.seed\n"},
        {"  c: {kind: sae_compare, saes: '$sae{seed: 9', over: [k]}\n",
         "s.yaml:8:32: saes: $sae{seed: 9: the { is never closed\n"},
        {"  o: {kind: data_make, grid: {n_atoms: [8, 16]}}\n"
         "  s: {kind: sae_train, acts: $o, k: 2, d_sae: 8, grid: {seed: [1, 2]}}\n"
         "  c: {kind: sae_compare, saes: $s, truth: $o, over: [seed, n_atoms]}\n",
         "s.yaml:10:43: over: o.n_atoms is gathered, but $o has that axis and gives one job to "
         "`truth`\n"},
        {"  r: {kind: sae_random, like: $wide}\n"
         "  wide: {kind: sae_train, acts: $acts, seed: $model.steps}\n",
         "s.yaml:8:31: like: seed: neither that stage nor its inputs give one value; set it here\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = {0};

        buf_fmt(&text, "%s%s", CHAIN, rows[i].stage);
        sweep_fails_with(text.data, NULL, NULL, rows[i].error);
        buf_free(&text);
    }
}

struct counter {
    int64_t n, n_new;
};

static enum err_code count_job(void *ctx, const struct expand_job *j, struct err *e)
{
    struct counter *c = ctx;

    (void)e;
    assert_int_equal(j->index, c->n);
    c->n++;
    c->n_new += !j->is_repeat;
    return ERR_OK;
}

static void a_million_jobs_expand(void **state)
{
    struct spec *s;
    struct counter c = {0};
    struct expand_sink sink = {count_job, &c};
    clock_t start = clock();

    (void)state;
    s = sweep_load_with("sweep: x\nstages: {a: {kind: mock, grid: {seed: {range: [0, 1000000]}}}}\n",
                        NULL, NULL);
    assert_int_equal(expand(s, &sink, NULL), ERR_OK);
    assert_int_equal(c.n_new, 1000000);
    print_message("a million jobs: %.2f s\n", (double)(clock() - start) / CLOCKS_PER_SEC);
    spec_free(s);
}

static enum err_code refuse_third(void *ctx, const struct expand_job *j, struct err *e)
{
    (void)ctx;
    return j->index == 2 ? err_set(e, ERR_NO_SPACE, "full") : ERR_OK;
}

static void an_error_of_the_sink_ends_the_expansion(void **state)
{
    struct spec *s = sweep_load_with(CHAIN, NULL, NULL);
    struct expand_sink sink = {refuse_third, NULL};
    struct err e;

    (void)state;
    assert_int_equal(expand(s, &sink, &e), ERR_NO_SPACE);
    assert_string_equal(e.text, "full");
    spec_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_come_inputs_first_whatever_the_file_says),
        cmocka_unit_test(axes_are_inherited_and_multiply),
        cmocka_unit_test(two_inputs_join_on_the_axes_they_share),
        cmocka_unit_test(over_gathers_in_the_order_of_the_axis),
        cmocka_unit_test(over_two_axes_counts_equal_controls_once),
        cmocka_unit_test(zipped_axes_gather_by_value),
        cmocka_unit_test(selections_filter_and_one_value_frees_the_axis),
        cmocka_unit_test(a_list_of_stages_is_their_union),
        cmocka_unit_test(equal_jobs_are_one_job),
        cmocka_unit_test(like_takes_what_is_not_set),
        cmocka_unit_test(the_offset_is_not_part_of_the_id),
        cmocka_unit_test(a_value_comes_from_another_job),
        cmocka_unit_test(require_waits_for_the_gate_of_the_same_axes),
        cmocka_unit_test(context_is_what_the_ancestors_agree_on),
        cmocka_unit_test(a_word_and_a_number_of_one_name_do_not_mix),
        cmocka_unit_test(names_have_the_parts_that_apply),
        cmocka_unit_test(ids_ignore_key_order_spelling_and_defaults),
        cmocka_unit_test(threads_and_inputs_change_the_id),
        cmocka_unit_test(golden_ids_of_a_chain_stay),
        cmocka_unit_test(wrong_gathers_are_refused),
        cmocka_unit_test(a_million_jobs_expand),
        cmocka_unit_test(an_error_of_the_sink_ends_the_expansion),
    };

    return cmocka_run_group_tests(tests, sweep_setup, sweep_teardown);
}
