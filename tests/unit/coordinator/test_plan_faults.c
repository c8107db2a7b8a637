/* test_plan_faults.c - a malloc fails, at each place between a sweep file and its jobs: an error that says
 * so or exit code 71, never a crash.  One for each place of our own; SAEGRID_FAULTS=all (tests/slow/
 * faults.sh): one for each chain of calls, libyaml's and cJSON's included.
 */
#include "common/err.h"
#include "tests/lib/faults.h"
#include "tests/lib/sites.h"
#include "tests/unit/coordinator/sweep.h"

#include "tests/lib/mallocs.h"

static const char text[] =
    "sweep: x\nphase: p1\ntitle: all of it\nhypothesis: h\nexpected: e\n"
    "params: {size: 13}\ndefaults: {retries: 2, timeout: 1h}\n"
    "stages:\n"
    "  model: {kind: lm_train, modulus: \"${size}\", d_model: 16, n_heads: 2}\n"
    "  acts: {kind: acts_extract, model: $model, grid: {layer: [0, 1]}}\n"
    "  sae:\n"
    "    kind: sae_train\n"
    "    acts: $acts\n"
    "    d_sae: 32\n"
    "    grid: {k: [4, 8], seed: {range: [0, 3]}}\n"
    "    exclude: [{k: 8, seed: 2}]\n"
    "  drawn: {kind: sae_train, acts: \"$acts{layer: 0}\", sample: {n: 2, seed: 7, lr: {loguniform: [1e-4, 1e-2]}}}\n"
    "  random: {kind: sae_random, like: $sae}\n"
    "  cmp: {kind: sae_compare, saes: $sae, baseline: $random, over: [sae.seed]}\n";

static enum err_code take(void *ctx, const struct expand_job *j, struct err *e)
{
    (void)e;
    *(int *)ctx += j->kind && j->knobs && j->run_name;
    return ERR_OK;
}

static enum err_code plan(void *ctx, struct err *e)
{
    struct buf errors = {0};
    struct spec *s = NULL;
    int *n = ctx;

    *n = 0;
    enum err_code rc = spec_load("s.yaml", NULL, 0, NULL, &s, &errors, e);
    if (!rc)
        rc = expand(s, &(struct expand_sink){take, n}, e);
    if (rc && errors.len)
        err_set(e, rc, "%s", errors.data);
    spec_free(s);
    buf_free(&errors);
    return rc;
}

static bool is_clean(enum err_code rc) { return rc == ERR_NOMEM || rc == ERR_IO; }

static void nothing(void *ctx) { (void)ctx; }

static void test_each_place_of_a_plan_may_be_refused_memory(void **state)
{
    bool is_all = getenv("SAEGRID_FAULTS") != NULL;
    int n_jobs = 0;
    struct malloc_walk w = {"a plan", &n_jobs, plan, is_clean, nothing, NULL, is_all ? 200 : 0,
                            is_all ? SITES_ALL : SITES_OWN};

    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
    sweep_file("s.yaml", text);
    malloc_walk(&w);
    assert_int_equal(n_jobs, 1 + 2 + 10 + 2 + 10 + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_place_of_a_plan_may_be_refused_memory)};

    return cmocka_run_group_tests(tests, sweep_setup, sweep_teardown);
}
