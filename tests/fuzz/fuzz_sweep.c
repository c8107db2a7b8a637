/* fuzz_sweep.c - whatever stands in a sweep file: a clear error or a sweep, expanded for a while. */
#include "common/buf.h"
#include "coordinator/expand.h"
#include "tests/fuzz/fuzz.h"

enum { JOBS_MAX = 300 };

static enum err_code take(void *ctx, const struct expand_job *j, struct err *e)
{
    int *n = ctx;

    if (!j->kind || !j->knobs || !j->run_name)
        abort();
    return ++*n < JOBS_MAX ? ERR_OK : err_set(e, ERR_STOPPED, "enough");
}

static void at_end(void)
{
    fuzz_clean("sweep.yaml");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool is_set_up;
    struct buf errors = {0};
    struct spec *s = NULL;
    struct err e = {0};
    int n_jobs = 0;

    if (!is_set_up)
        is_set_up = atexit(at_end) == 0;
    enum err_code rc = spec_load(fuzz_file("sweep.yaml", data, n), NULL, 0, NULL, &s, &errors, &e);
    if (rc && !errors.len && !*e.text)
        abort(); /* refused without a word */
    if (!rc && expand(s, &(struct expand_sink){take, &n_jobs}, &e) && !*e.text)
        abort();
    spec_free(s);
    buf_free(&errors);
    return 0;
}
