/* test_docs.c - every example of docs/sweep-language.md and every sweep that ships is valid. */
#include <dirent.h>

#include "tests/unit/coordinator/sweep.h"

static char source[512];

static int setup(void **state)
{
    const char *root = getenv("SAEGRID_SOURCE");

    snprintf(source, sizeof source, "%s", root ? root : "");
    return *source ? sweep_setup(state) : -1;
}

static enum err_code ignore(void *ctx, const struct expand_job *j, struct err *e)
{
    (void)e;
    assert_true(fs_name_is_safe(j->run_name));
    ++*(int *)ctx;
    return ERR_OK;
}

static int expand_text(const char *text)
{
    struct spec *s = sweep_load_with(text, NULL, NULL);
    int n = 0;
    struct expand_sink sink = {ignore, &n};

    assert_int_equal(expand(s, &sink, NULL), ERR_OK);
    spec_free(s);
    return n;
}

static void every_example_of_the_docs_is_valid(void **state)
{
    static const int jobs[] = {1 + 1 + 19 + 19 + 4, 6 + 2 + 5 + 2 + 4 + 20, 13 + 3, 2 + 6 + 2,
                               1 + 3 + 18 + 6 + 2, 4, 4, 1 + 9 + 9 + 9, 1 + 1 + 6 + 6 + 2, 2};
    struct buf text = {0};
    char path[600];
    size_t n = 0;

    (void)state;
    snprintf(path, sizeof path, "%s/docs/sweep-language.md", source);
    assert_int_equal(fs_read(path, 1 << 20, &text, NULL), ERR_OK);
    for (char *p = text.data; (p = strstr(p, "```yaml\n")) != NULL; n++) {
        char *end = strstr(p + 8, "```\n");

        assert_non_null(end);
        assert_true(n < ARRAY_LEN(jobs));
        *end = '\0';
        if (expand_text(p + 8) != jobs[n])
            fail_msg("example %zu makes another number of jobs:\n%s", n + 1, p + 8);
        p = end + 1;
    }
    assert_int_equal(n, ARRAY_LEN(jobs));
    buf_free(&text);
}

static void every_sweep_that_ships_is_valid(void **state)
{
    char path[600];
    struct dirent *f;
    size_t n = 0;
    DIR *d;

    (void)state;
    snprintf(path, sizeof path, "%s/sweeps", source);
    d = opendir(path);
    assert_non_null(d);
    while ((f = readdir(d)) != NULL) {
        struct buf errors = {0}, own = {0};
        struct spec *s;

        if (!strstr(f->d_name, ".yaml"))
            continue;
        /* Pythia is a folder of the user's own. */
        buf_fmt(&own, "%s/tests/data/golden_neox/tiny_a", source);
        const bool is_scale = !strncmp(f->d_name, "cpt_scale", 9);
        const struct spec_set set[] = {{is_scale ? "model.path" : "pythia", own.data}};
        size_t n_set = is_scale || !strncmp(f->d_name, "pythia", 6);
        snprintf(path, sizeof path, "%s/sweeps/%.60s", source, f->d_name);
        if (spec_load(path, set, n_set, NULL, &s, &errors, NULL))
            fail_msg("%s", errors.data);
        spec_free(s);
        buf_free(&own);
        n++;
    }
    closedir(d);
    assert_true(n > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_of_the_docs_is_valid),
        cmocka_unit_test(every_sweep_that_ships_is_valid),
    };

    return cmocka_run_group_tests(tests, setup, sweep_teardown);
}
