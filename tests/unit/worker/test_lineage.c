/* test_lineage.c - results of two arms are paired by the seeds they descend from, whatever their order. */
#include "jobrun.h"

#include <math.h>

static struct jobrun jobs;

static int setup(void **state)
{
    (void)state;
    jobs.root = tmpdir_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(jobs.root);
    return 0;
}

/* A folder with the job file of `kind`; below: folder of its model, "" for none. */
static void order(const char *name, const char *kind, const char *knobs, const char *model)
{
    struct buf path = {0}, text = {0};

    buf_fmt(&path, "%s/job.json", name);
    buf_fmt(&text, "{\"kind\": \"%s\", \"knobs\": {%s}, \"inputs\": [{\"name\": \"data\", \"path\": \"none\"}", kind, knobs);
    if (*model)
        buf_fmt(&text, ", {\"name\": \"model\", \"path\": \"%s\"}", model);
    buf_str(&text, "]}");
    jobrun_file(&jobs, path.data, text.data);
    buf_free(&path);
    buf_free(&text);
}

/* An evaluation of a model continued with `seed`; below 0: of one that was not. */
static void eval(const char *name, double ppl, int seed)
{
    struct buf path = {0}, text = {0}, model = {0}, knobs = {0};

    buf_fmt(&model, "cpt_%s", name);
    if (seed != 0)
        buf_fmt(&knobs, "\"seed\": %d", seed);
    order(model.data, seed < 0 ? "lm_pretrain" : "lm_cpt", seed < 0 ? "" : knobs.data ? knobs.data : "", "");
    order(name, "lm_eval", "\"seed\": 77", model.data); /* its own seed says nothing about the model */
    buf_fmt(&path, "%s/result.json", name);
    buf_fmt(&text, "{\"format\": 1, \"job\": \"%s\", \"metrics\": {\"ppl\": %g, \"n_scored\": 50}}",
            jobrun_id(1000 + ++jobs.n), ppl);
    jobrun_file(&jobs, path.data, text.data);
    buf_free(&path);
    buf_free(&text);
    buf_free(&model);
    buf_free(&knobs);
}

static double tax(const char *name, const char *inputs)
{
    struct err e;

    assert_ok(jobrun(&jobs, name, "lm_compare", "", inputs, &e), e);
    return jobrun_metric(&jobs, name, "ppl_increase_pct");
}

static void the_order_of_the_inputs_does_not_matter(void **state)
{
    (void)state;
    eval("c0", 100, 0);
    eval("c5", 200, 5);
    eval("a0", 102, 0);
    eval("a5", 202, 5);
    const double want = tax("straight", "evals=a0,evals=a5,control=c0,control=c5");

    assert_near(want, 1.5, 1e-12);
    assert_near(tax("turned", "evals=a0,evals=a5,control=c5,control=c0"), want, 0);
    assert_near(tax("both", "evals=a5,evals=a0,control=c0,control=c5"), want, 1e-12);
}

static void a_seed_without_a_partner_is_refused(void **state)
{
    struct err e;

    (void)state;
    eval("c6", 200, 6);
    assert_fails(jobrun(&jobs, "missing", "lm_compare", "", "evals=a0,evals=a5,control=c0,control=c6", &e), ERR_INVALID,
                 e, "evals: seed 5 has no partner in control");
    assert_fails(jobrun(&jobs, "twice", "lm_compare", "", "evals=a0,evals=a0,control=c0,control=c5", &e), ERR_INVALID, e,
                 "evals: two results of seed 0");
    eval("n", 200, -1);
    assert_fails(jobrun(&jobs, "unknown", "lm_compare", "", "evals=a0,evals=a5,control=c0,control=n", &e), ERR_INVALID, e,
                 "evals: seed 5 has no partner in control");
    assert_near(tax("begun", "evals=a5,control=n"), 1, 1e-12); /* one against what it began from */
}

static void models_without_a_seed_are_paired_by_place(void **state)
{
    (void)state;
    eval("n1", 100, -1);
    eval("n2", 50, -1);
    assert_near(tax("place", "evals=n1,evals=n2,control=n2,control=n1"), (100 - 50) / 2.0, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_the_inputs_does_not_matter),
        cmocka_unit_test(a_seed_without_a_partner_is_refused),
        cmocka_unit_test(models_without_a_seed_are_paired_by_place),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
