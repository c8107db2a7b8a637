/* test_spec.c - every error of a sweep file, at its place; params, includes, overrides. */
#include "common/rng.h"
#include "tests/unit/coordinator/sweep_jobs.h"

static const struct {
    const char *text, *errors;
} bad_sweeps[] = {
    {"stages: {a: {kind: mock}}\n", "s.yaml:1:1: sweep: missing: every sweep has a name\n"},
    {"sweep: x\n",
     "s.yaml:1:1: stages: missing: a sweep has at least one stage, stages: {name: {kind: ...}}\n"},
    {"sweep: x\nstages: [1]\n", "s.yaml:2:9: stages: expected {name: {kind: ...}}\n"
     "s.yaml:2:9: stages: empty: a sweep has at least one stage, stages: {name: {kind: ...}}\n"},
    {"- 1\n", "s.yaml:1:1: expected keys such as sweep: and stages:, found a list\n"},
    {"sweep: x\nphse: y\nstages: {a: {kind: mock}}\n",
     "s.yaml:2:1: phse: unknown key (did you mean phase?)\n"},
    {"sweep: x\ntitle: [a]\nstages: {a: {kind: mock}}\n",
     "s.yaml:2:8: title: expected text, not a list\n"},
    {"sweep: ../x\nstages: {a: {kind: mock}}\n",
     "s.yaml:1:8: sweep: \"../x\" cannot name a folder: letters, digits, '.', '_' and '-', at "
     "most 200, not starting with '.' or '-'\n"},
    {"sweep: x\nstages: {a-b: {kind: mock}}\n",
     "s.yaml:2:10: stages: \"a-b\" cannot name a stage: letters, digits and _, not starting "
     "with a digit, at most 64\n"},
    {"sweep: x\nstages: {a: {kidn: mock}}\n", "s.yaml:2:10: a: kind: missing\n"},
    {"sweep: x\nstages: {a: {kind: sae_trian}}\n",
     "s.yaml:2:20: a: kind: there is no kind sae_trian (did you mean sae_train?)\n"},
    {"sweep: x\nstages: {a: {kind: mock, sed: 1}}\n",
     "s.yaml:2:26: a: sed: kind mock has no such knob or input (did you mean seed?)\n"},
    {"sweep: x\nstages: {a: {kind: mock, timout: 1}}\n",
     "s.yaml:2:26: a: timout: kind mock has no such knob or input (did you mean timeout?)\n"},
    {"sweep: x\nstages: {a: {kind: mock, seed: -1}}\n",
     "s.yaml:2:32: seed: -1 is outside [0, 2^63 - 1]\n"},
    {"sweep: x\nstages: {a: {kind: mock, seed: ~}}\n",
     "s.yaml:2:32: seed: the value is missing\n"},
    {"sweep: x\nstages: {a: {kind: mock, seed: [1, 2]}}\n",
     "s.yaml:2:32: seed: expected one value (integer), not a list: several values go below "
     "grid:\n"},
    {"sweep: x\nstages: {a: {kind: sae_compare, over: [seed]}}\n",
     "s.yaml:2:10: a: saes: missing: kind sae_compare needs `saes: $stage`, of kind "
     "sae_train|sae_random|sae_import\n"},
    {"sweep: x\nstages: {m: {kind: lm_train}, a: {kind: acts_extract, model: m}}\n",
     "s.yaml:2:62: model: expected $stage (the dollar sign is missing)\n"},
    {"sweep: x\nstages: {m: {kind: lm_train}, a: {kind: acts_extract, model: $n}}\n",
     "s.yaml:2:62: model: $n: there is no stage of that name (did you mean m?)\n"},
    {"sweep: x\nstages: {m: {kind: lm_train}, a: {kind: acts_extract, model: [$m, $m]}}\n",
     "s.yaml:2:62: model: takes one stage, not a list\n"},
    {"sweep: x\nstages: {m: {kind: mock}, a: {kind: acts_extract, model: $m}}\n",
     "s.yaml:2:58: model: $m is of kind mock; expected lm_train|lm_import|lm_pretrain|lm_cpt\n"},
    {"sweep: x\nstages: {a: {kind: mock, after: $a}}\n",
     "s.yaml:2:33: after: $a: a stage cannot need itself\n"},
    {"sweep: x\nstages: {a: {kind: mock, after: $b}, b: {kind: mock, after: $c}, c: {kind: mock, "
     "after: $a}}\n",
     "s.yaml:2:10: a: a cycle: a -> b -> c -> a: no stage of it could come first\n"},
    {"sweep: x\nstages: {m: {kind: lm_train}, a: {kind: acts_extract, model: $m.ev}}\n",
     "s.yaml:2:62: model: $m.ev: a value is not a job: write $m\n"},
    {"sweep: x\nstages: {m: {kind: mock}, a: {kind: mock, seed: $m}}\n",
     "s.yaml:2:49: seed: $m: a knob takes a value: write $m.metric\n"},
    {"sweep: x\nstages: {m: {kind: mock}, a: {kind: mock, seed: $m.vlaue}}\n",
     "s.yaml:2:49: seed: $m.vlaue: vlaue is not a metric\n"},
    {"sweep: x\nstages: {m: {kind: mock}, a: {kind: mock, threads: $m.value}}\n",
     "s.yaml:2:52: threads: cannot be decided by another job\n"},
    {"sweep: x\nstages: {m: {kind: mock}, a: {kind: mock, require: $m}}\n",
     "s.yaml:2:52: require: $m has no gate: that could pass\n"},
    {"sweep: x\nstages: {a: {kind: mock, gate: {metric: vaule, min: 1}}}\n",
     "s.yaml:2:41: gate: metric: vaule is not a metric (did you mean value?)\n"},
    {"sweep: x\nstages: {a: {kind: mock, gate: {metric: value}}}\n",
     "s.yaml:2:32: gate: min, max or top: one of them has to be given\n"},
    {"sweep: x\nstages: {a: {kind: mock, gate: {metric: value, min: 2, max: 1}}}\n",
     "s.yaml:2:32: gate: min, 2, is above max, 1: nothing can pass\n"},
    {"sweep: x\nstages: {a: {kind: mock, gate: {metric: value, max: 1, on_miss: stop}}}\n",
     "s.yaml:2:65: gate: on_miss: expected negative or fail\n"},
    {"sweep: x\nstages: {a: {kind: mock, gate: {metric: value, max: 1, against: b}}}\n",
     "s.yaml:2:65: gate: against: there is no stage b (did you mean a?)\n"},
    {"sweep: x\nchecks: [{of: $b, metric: evv}, {of: $a, metric: ev, mim: 1}]\nstages: {a: {kind: mock}}\n",
     "s.yaml:2:15: checks: of: there is no stage b (did you mean a?)\n"
     "s.yaml:2:27: checks: metric: evv is not a metric\n"
     "s.yaml:2:10: checks: min, max, falls_with, rises_with, spread_min or spread_max: one of them has to be given\n"
     "s.yaml:2:54: checks: mim: unknown key (did you mean min?)\n"
     "s.yaml:2:33: checks: min, max, falls_with, rises_with, spread_min or spread_max: one of them has to be given\n"},
    {"sweep: x\nrecorded: [{of: a, metric: ev, value: high}]\nstages: {a: {kind: mock}}\n",
     "s.yaml:2:17: recorded: of: expected $stage or $stage{axis: value}\n"
     "s.yaml:2:39: recorded: expected a finite number, got \"high\"\n"
     "s.yaml:2:12: recorded: value, within and source have to be given\n"},
    {"sweep: x\nexports: [{format: husai_phase4b, stage: b, path: ../p}]\nstages: {a: {kind: mock}}\n",
     "s.yaml:2:20: exports: husai_phase4b: no such format (did you mean husai_phase4a?)\n"
     "s.yaml:2:42: exports: b: no such stage (did you mean a?)\n"
     "s.yaml:2:51: exports: ../p: has to stay below the results folder\n"},
    {"sweep: x\ndefaults: {treads: 1}\nstages: {a: {kind: mock}}\n",
     "s.yaml:2:12: defaults: treads: no kind has a knob of that name (did you mean threads?)\n"},
    {"sweep: x\nparams: {size: 1}\nstages: {a: {kind: mock, tag: 'x${sze}'}}\n",
     "s.yaml:3:31: ${sze}: no such param (did you mean size?)\n"},
    {"sweep: x\ninclude: [no.yaml]\nstages: {a: {kind: mock}}\n",
     "s.yaml:2:11: include: no.yaml: No such file or directory\n"},
    {"sweep: x\ninclude: [s.yaml]\nstages: {a: {kind: mock}}\n",
     "s.yaml:2:11: include: s.yaml: a cycle: that file includes this one\n"},
    {"sweep: x\nstages: {m: {kind: lm_train, d_model: 30}}\n",
     "s.yaml:2:10: m: n_heads: 4 does not divide d_model, 30\n"},
    {"sweep: x\nstages: {m: {kind: lm_train, stop_at: {vla_acc: 1}}}\n",
     "s.yaml:2:39: m: stop_at: vla_acc is not one of val_acc, train_acc, val_loss, train_loss\n"},
    {"sweep: x\nstages: {m: {kind: lm_train, n_layers: 1}, a: {kind: acts_extract, model: $m, "
     "layer: 1}}\n",
     "s.yaml:2:86: a: layer: 1 is outside [0, 0]: the model has n_layers = 1\n"},
};

static void each_error_has_its_place_and_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_sweeps); i++)
        sweep_fails_with(bad_sweeps[i].text, NULL, NULL, bad_sweeps[i].errors);
}

static void all_errors_come_at_once(void **state)
{
    (void)state;
    sweep_fails_with("sweep: a/b\n"
                     "stagse: 1\n"
                     "stages:\n"
                     "  a: {kind: mock, sed: 1, seed: x}\n"
                     "  b: {kind: mcok}\n"
                     "  c: {kind: mock, after: $d}\n",
                     NULL, NULL,
                     "s.yaml:2:1: stagse: unknown key (did you mean stages?)\n"
                     "s.yaml:1:8: sweep: \"a/b\" cannot name a folder: letters, digits, '.', '_' "
                     "and '-', at most 200, not starting with '.' or '-'\n"
                     "s.yaml:4:19: a: sed: kind mock has no such knob or input (did you mean seed?)\n"
                     "s.yaml:4:33: seed: expected an integer, got \"x\"\n"
                     "s.yaml:5:13: b: kind: there is no kind mcok (did you mean mock?)\n"
                     "s.yaml:6:26: after: $d: there is no stage of that name (did you mean a?)\n");
}

static void thousands_of_errors_are_cut(void **state)
{
    struct buf text = {0}, errors = {0};
    size_t lines = 0;

    (void)state;
    buf_str(&text, "sweep: x\nstages:\n");
    for (int i = 0; i < 500; i++)
        buf_fmt(&text, "  a%d: {kind: mock, seed: x}\n", i);
    assert_null(sweep_try(text.data, NULL, NULL, &errors));
    for (const char *p = errors.data; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 101);
    assert_non_null(strstr(errors.data, "s.yaml: 400 more errors\n"));
    buf_free(&text);
    buf_free(&errors);
}

static void folders_and_absent_files_are_named(void **state)
{
    struct buf errors = {0};
    struct spec *s;
    struct err e = {0};

    (void)state;
    assert_int_equal(spec_load("/tmp", NULL, 0, NULL, &s, &errors, &e), ERR_INVALID);
    assert_string_equal(errors.data, "/tmp: is a directory, not a sweep file\n");
    buf_reset(&errors);
    assert_int_equal(spec_load("none.yaml", NULL, 0, NULL, &s, &errors, &e), ERR_INVALID);
    assert_string_equal(errors.data, "none.yaml: No such file or directory\n");
    assert_string_equal(e.text, "none.yaml: No such file or directory");
    buf_free(&errors);
}

static void the_head_of_a_sweep_is_kept(void **state)
{
    struct spec *s = sweep_load_with("sweep: x\ntitle: 'T: t'\nhypothesis: h\nexpected: e\n"
                                     "exports: [{format: husai_phase4a, stage: a, path: d/p.json}]\n"
                                     "stages:\n"
                                     "  a: {kind: mock, gate: {metric: value, against: $b, max: 2, "
                                     "on_miss: fail}}\n"
                                     "  b: {kind: mock}\n", NULL, NULL);
    const char *format, *stage, *path;
    const struct spec_gate *g = spec_stage_gate(s, 0);

    (void)state;
    assert_string_equal(s->name, "x");
    assert_string_equal(s->phase, "x");
    assert_string_equal(s->title, "T: t");
    assert_string_equal(s->hypothesis, "h");
    assert_string_equal(s->expected, "e");
    assert_int_equal(spec_n_exports(s), 1);
    spec_export(s, 0, &format, &stage, &path);
    assert_string_equal(format, "husai_phase4a");
    assert_string_equal(stage, "a");
    assert_string_equal(path, "d/p.json");
    assert_string_equal(g->metric, "value");
    assert_string_equal(g->against, "b");
    assert_true(g->has_max && !g->has_min && g->fail_on_miss && g->max == 2);
    assert_null(spec_stage_gate(s, 1));
    spec_free(s);
}

static void params_stand_anywhere_and_can_be_set(void **state)
{
    const char *text = "sweep: x\nparams: {n: 3, seeds: [1, 2], word: a b}\nstages:\n"
                       "  a:\n    kind: mock\n    tag: \"<${word}-${n}>\"\n    steps: ${n}\n"
                       "    grid:\n      seed: ${seeds}\n";
    const char *const sets[] = {"n=5", "seeds=[7]", NULL};
    struct sweep_jobs all;

    (void)state;
    sweep_stage_is(text, "a", "{\"seed\":1,\"steps\":3,\"tag\":\"<a b-3>\"}\n"
                              "{\"seed\":2,\"steps\":3,\"tag\":\"<a b-3>\"}\n");
    all = sweep_expand_with(text, sets, NULL);
    assert_int_equal(all.n, 1);
    assert_string_equal(all.v[0].knobs, "{\"seed\":7,\"steps\":5,\"tag\":\"<a b-5>\"}");
    sweep_end(&all);
}

static void defaults_reach_every_stage_that_has_the_knob(void **state)
{
    struct sweep_jobs all = sweep_expand("sweep: x\ndefaults: {threads: 2, timeout: 2h, d_model: 8, seed: 3}\n"
                                         "stages:\n"
                                         "  m: {kind: lm_train, threads: 1}\n"
                                         "  q: {kind: mock, grid: {seed: [1]}}\n");

    (void)state;
    assert_string_equal(sweep_job(&all, "m", 0)->knobs, "{\"d_model\":8,\"seed\":3}");
    assert_int_equal(sweep_job(&all, "m", 0)->common.threads, 1);
    assert_string_equal(sweep_job(&all, "q", 0)->knobs, "{\"seed\":1}");
    assert_int_equal(sweep_job(&all, "q", 0)->common.threads, 2);
    assert_true(sweep_job(&all, "q", 0)->common.timeout == 7200);
    sweep_end(&all);
}

static void set_replaces_values_and_axes(void **state)
{
    const char *text = "sweep: x\nstages:\n  a:\n    kind: mock\n    tag: t\n"
                       "    grid: {seed: [1, 2, 3], steps: [1, 2]}\n";
    static const struct {
        const char *sets[4], *knobs;
    } rows[] = {
        {{"a.seed=9"}, "{\"seed\":9,\"tag\":\"t\"}\n{\"seed\":9,\"steps\":2,\"tag\":\"t\"}\n"},
        {{"a.seed=9", "a.steps=4", "a.tag="}, "{\"seed\":9,\"steps\":4}\n"},
        {{"a.seed={range: [5, 7]}", "a.steps=1"}, "{\"seed\":5,\"tag\":\"t\"}\n{\"seed\":6,\"tag\":\"t\"}\n"},
        {{"a.tag=[u, v]", "a.seed=1", "a.steps=2"},
         "{\"seed\":1,\"steps\":2,\"tag\":\"u\"}\n{\"seed\":1,\"steps\":2,\"tag\":\"v\"}\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sweep_jobs all = sweep_expand_with(text, rows[i].sets, NULL);
        char *got = sweep_knobs(&all, "a");

        assert_string_equal(got, rows[i].knobs);
        free(got);
        sweep_end(&all);
    }
}

static void wrong_sets_are_refused(void **state)
{
    const char *text = "sweep: x\nparams: {size: 1}\nstages: {one: {kind: mock}}\n";
    static const struct {
        const char *set, *error;
    } rows[] = {
        {"one.sed=1", "--set one.sed=1: one: sed: kind mock has no such knob or input (did you mean seed?)\n"},
        {"one.seed=x", "--set one.seed=x: seed: expected an integer, got \"x\"\n"},
        {"oen.seed=1", "--set oen.seed=1: oen: no such stage (did you mean one?)\n"},
        {"sise=1", "--set sise=1: sise: no such param (did you mean size?); a knob is written "
                   "stage.knob\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *const sets[] = {rows[i].set, NULL};

        sweep_fails_with(text, sets, NULL, rows[i].error);
    }
}

static void a_profile_sets_knobs_and_params_and_set_wins(void **state)
{
    const char *text = "sweep: x\nparams: {n: 1}\n"
                       "profiles: {full: {n: 2, a.seed: [4, 5]}}\n"
                       "stages:\n  a:\n    kind: mock\n    seed: 3\n    steps: ${n}\n";
    const char *const sets[] = {"n=7", NULL};
    struct sweep_jobs all = sweep_expand_with(text, NULL, "full");
    char *got = sweep_knobs(&all, "a");

    (void)state;
    assert_string_equal(got, "{\"seed\":4,\"steps\":2}\n{\"seed\":5,\"steps\":2}\n");
    free(got);
    sweep_end(&all);
    all = sweep_expand_with(text, sets, "full");
    assert_string_equal(all.v[1].knobs, "{\"seed\":5,\"steps\":7}");
    sweep_end(&all);
    sweep_fails_with(text, NULL, "fulll",
                     "s.yaml:3:11: profiles: fulll: no such profile (did you mean full?)\n");
}

static void included_stages_keep_their_own_defaults(void **state)
{
    struct sweep_jobs all;

    (void)state;
    assert_int_equal(fs_mkdirs("sub", NULL), ERR_OK);
    sweep_file("sub/base.yaml", "sweep: base\ninclude: more.yaml\nparams: {n: 4}\n"
                                "defaults: {steps: 2}\n"
                                "stages:\n  b:\n    kind: mock\n    seed: ${n}\n");
    sweep_file("sub/more.yaml", "stages:\n  c: {kind: mock, after: $b}\n");
    all = sweep_expand("sweep: x\ninclude: [sub/base.yaml]\ndefaults: {sleep: 1}\n"
                       "stages:\n  a: {kind: mock, after: $c}\n");
    assert_string_equal(sweep_job(&all, "a", 0)->knobs, "{\"sleep\":1}");
    assert_string_equal(sweep_job(&all, "b", 0)->knobs, "{\"seed\":4,\"steps\":2}");
    assert_string_equal(sweep_job(&all, "c", 0)->knobs, "{}");
    assert_string_equal(all.v[0].stage, "b");
    sweep_end(&all);
    sweep_fails_with("sweep: x\ninclude: sub/base.yaml\nstages:\n  b: {kind: mock}\n", NULL, NULL,
                     "s.yaml:4:3: b: a stage of that name is also at sub/base.yaml:6:3\n");
}

static void a_file_included_under_a_name_keeps_its_jobs(void **state)
{
    static const char *const file =
        "sweep: f\nparams: {n: 4}\nstages:\n"
        "  a: {kind: mock, grid: {seed: [1, 2], tag: [u, v]}, gate: {metric: value, min: 0}}\n"
        "  b: {kind: mock, after: '$a{a.tag: u}', over: [a.seed]}\n"
        "  c: {kind: mock, steps: '$a{seed: 1, tag: v}.value', exclude: [{c.sleep: 2}], grid: {sleep: [1, 2]},"
        " gate: {metric: value, against: a, max: 9}, require: '$a{seed: 1, tag: v}'}\n"
        "  d: {kind: mock, seed: '${n}'}\n";
    struct sweep_jobs alone = sweep_expand(file), all;
    const struct spec_gate *gate;

    (void)state;
    sweep_file("f.yaml", file);
    all = sweep_expand("sweep: x\nparams: {n: 5}\ninclude: [{file: f.yaml, as: p}, {file: f.yaml, as: q}]\n"
                       "stages:\n  d: {kind: mock, after: $p_d}\n");
    assert_int_equal(all.n, 2 * alone.n + 1);
    assert_string_equal(sweep_job(&all, "p_d", 0)->knobs, "{\"seed\":5}");
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(sweep_job(&all, "p_a", i)->id, sweep_job(&alone, "a", i)->id);
    assert_string_equal(sweep_job(&all, "p_b", 0)->id, sweep_job(&alone, "b", 0)->id);
    assert_string_equal(sweep_job(&all, "q_c", 0)->id, sweep_job(&alone, "c", 0)->id);
    for (size_t i = 0; i < all.s->n_stages; i++) {
        gate = spec_stage_gate(all.s, i);
        if (!strcmp(spec_stage_name(all.s, i), "q_c"))
            assert_string_equal(gate->against, "q_a");
    }
    sweep_end(&all);
    sweep_end(&alone);
    sweep_fails_with("sweep: x\ninclude: {file: f.yaml}\n", NULL, NULL,
                     "s.yaml:2:10: include: expected a file name, or {file: F, as: P} with a name P\n"
                     "s.yaml:1:1: stages: missing: a sweep has at least one stage, stages: {name: {kind: ...}}\n");
}

static void the_stored_text_stands_alone(void **state)
{
    const char *text = "sweep: x\nparams: {n: 3}\ndefaults: {threads: 2}\nprofiles: {p: {a.sleep: 1}}\n"
                       "stages:\n"
                       "  a:\n    kind: mock\n    tag: \"${n}: x\"\n    grid: {seed: {range: [0, 3]}}\n"
                       "  b: {kind: mock, after: '$a{seed: [1, 2]}', over: [seed]}\n";
    const char *const sets[] = {"n=5", "a.steps=[1, 2]", NULL};
    struct sweep_jobs one = sweep_expand_with(text, sets, "p"), two;
    char *stored = strdup(one.s->text);

    (void)state;
    two = sweep_expand(stored);
    assert_string_equal(two.s->text, stored);
    assert_memory_equal(two.s->digest, one.s->digest, 32);
    assert_int_equal(one.n, two.n);
    for (size_t i = 0; i < one.n; i++)
        assert_string_equal(one.v[i].id, two.v[i].id);
    assert_null(strstr(stored, "params"));
    free(stored);
    sweep_end(&one);
    sweep_end(&two);
}

/* Bytes changed, doubled or lost at random: an error or another sweep, never a crash. */
static void damaged_sweeps_never_crash(void **state)
{
    static const char base[] =
        "sweep: x\nparams: {n: 3}\ndefaults: {threads: 2}\nstages:\n"
        "  m: {kind: lm_train, stop_at: {val_acc: 0.9}, gate: {metric: val_acc, min: 1}}\n"
        "  a:\n    kind: acts_extract\n    model: $m\n    require: $m\n    grid: {layer: [0, 1]}\n"
        "  s: &s\n    kind: sae_train\n    acts: $a\n    k: \"${n}\"\n"
        "    zip: {d_sae: [8, 16], batch: [1, 2]}\n    grid: {seed: {range: [0, 3]}}\n"
        "    sample: {n: 2, seed: 1, lr: {loguniform: [1e-3, 1e-2]}}\n"
        "    when: {seed: [0, 1]}\n    exclude: [{seed: 0, d_sae: 8}]\n"
        "  r: {kind: sae_random, like: '$s{layer: 0}'}\n"
        "  c: {kind: sae_compare, saes: $s, baseline: [$r], over: [seed, s.lr]}\n"
        "  q: {kind: mock, steps: $m.epochs, after: $q2}\n  q2: {kind: mock}\n";
    static const char junk[] = "{}[]$:,&*'\"\n -#.0a\t\x80";
    struct rng r = rng_stream(1, "test.damage");
    size_t n_good = 0;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        char text[2 * sizeof base];
        struct buf errors = {0};
        struct spec *s;

        strcpy(text, base);
        for (uint64_t hits = 1 + rng_below(&r, 2); hits; hits--) {
            size_t at = rng_below(&r, strlen(text)), n = 1 + rng_below(&r, 3);
            size_t rest = strlen(text + at);

            if (n > rest)
                n = rest;
            switch (rng_below(&r, 3)) {
            case 0:
                text[at] = junk[rng_below(&r, sizeof junk - 1)];
                break;
            case 1:
                memmove(text + at, text + at + n, rest - n + 1);
                break;
            default:
                memmove(text + at + n, text + at, rest + 1);
            }
        }
        s = sweep_try(text, NULL, NULL, &errors);
        if (s) {
            struct sweep_jobs all = {.s = s};
            struct expand_sink sink = {sweep_keep, &all};

            assert_int_equal(expand(s, &sink, NULL), ERR_OK);
            sweep_end(&all);
            n_good++;
        }
        buf_free(&errors);
    }
    assert_true(n_good > 20 && n_good < 2900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_its_place_and_reason),
        cmocka_unit_test(all_errors_come_at_once),
        cmocka_unit_test(thousands_of_errors_are_cut),
        cmocka_unit_test(folders_and_absent_files_are_named),
        cmocka_unit_test(the_head_of_a_sweep_is_kept),
        cmocka_unit_test(params_stand_anywhere_and_can_be_set),
        cmocka_unit_test(defaults_reach_every_stage_that_has_the_knob),
        cmocka_unit_test(set_replaces_values_and_axes),
        cmocka_unit_test(wrong_sets_are_refused),
        cmocka_unit_test(a_profile_sets_knobs_and_params_and_set_wins),
        cmocka_unit_test(included_stages_keep_their_own_defaults),
        cmocka_unit_test(a_file_included_under_a_name_keeps_its_jobs),
        cmocka_unit_test(the_stored_text_stands_alone),
        cmocka_unit_test(damaged_sweeps_never_crash),
    };

    return cmocka_run_group_tests(tests, sweep_setup, sweep_teardown);
}
