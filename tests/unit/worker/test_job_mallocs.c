/* test_job_mallocs.c - a malloc fails, at each place in a job that makes one: an error that says so or
 * exit code 71, never a crash, and the next attempt is whole.
 *
 * By default one for each place of our own (sites.h) of a short chain of jobs; SAEGRID_FAULTS=all
 * (tests/slow/faults.sh) one for each chain of calls, the libraries' own included.
 */
#include "tests/lib/check.h"

#include "tests/lib/faults.h"
#include "tests/lib/sites.h"

#include "common/log.h"
#include "tests/lib/mallocs.h"
#include "tests/unit/worker/jobs.h"

struct chain_job {
    const char *name, *kind, *knobs, *inputs[7];
};
static const struct chain_job chain[] = {
    {"rows", "data_make", "\"d_model\": 8, \"n_atoms\": 12, \"n_active\": 2, \"n_rows\": 64", {NULL}},
    {"a", "sae_train", "\"d_sae\": 12, \"k\": 2, \"steps\": 3, \"batch\": 16, \"lr\": 0.001", {"acts", "rows"}},
    {"b", "sae_train", "\"d_sae\": 12, \"k\": 2, \"steps\": 3, \"batch\": 16, \"lr\": 0.001, \"seed\": 1",
     {"acts", "rows"}},
    {"pair", "sae_compare", "\"n_boot\": 10, \"subspace_k\": 2", {"saes", "a", "saes", "b"}},
    {"model", "lm_train", "\"modulus\": 5, \"d_model\": 8, \"n_heads\": 2, \"n_layers\": 1, \"epochs\": 1", {NULL}},
};

static bool is_clean(enum err_code rc)
{
    return rc == ERR_NOMEM || rc == ERR_IO || rc == ERR_UNAVAILABLE;
}

static void remove_job(void *ctx)
{
    const struct chain_job *j = ctx;
    struct buf path = {0};
    struct err e;

    buf_fmt(&path, "%s/%s", root, j->name);
    assert_ok(fs_remove_tree(path.data, &e), e);
    buf_str(&path, ".tmp");
    assert_ok(fs_remove_tree(path.data, &e), e);
    buf_free(&path);
}

static enum err_code run_job(void *ctx, struct err *e)
{
    const struct chain_job *j = ctx;

    return run(j->name, j->kind, j->knobs, j->inputs, NULL, e);
}

static void run_again(void *ctx, long n)
{
    const struct chain_job *j = ctx;
    struct err e = {0};

    if (run_job(ctx, &e))
        fail_msg("%s: malloc %ld: the next attempt: %s", j->name, n, e.text);
}

static void test_each_place_of_a_job_may_be_refused_memory(void **state)
{
    bool is_all = getenv("SAEGRID_FAULTS") != NULL;
    struct err e = {0};

    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
    root = tmpdir_make();
    for (size_t i = 0; i < ARRAY_LEN(chain); i++) {
        struct chain_job j = chain[i];
        struct malloc_walk w = {j.kind, &j, run_job, is_clean, remove_job, run_again, is_all ? 100 : 0,
                                is_all ? SITES_ALL : SITES_OWN};

        if (i != 2) /* the twin of the one before */
            malloc_walk(&w);
        remove_job(&j);
        assert_ok(run_job(&j, &e), e);
    }
    tmpdir_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_place_of_a_job_may_be_refused_memory)};

    setenv("SAEGRID_LOG", "error", 1);
    log_level_from_env();
    setenv("PATH", "/nowhere", 1); /* no gnuplot: what is drawn is not what is tested */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
