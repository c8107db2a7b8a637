/* fuzz_job.c - whatever stands in job.json: a runner loads it or says why not. */
#include "common/clock.h"
#include "tests/fuzz/fuzz.h"
#include "worker/runner/job_private.h"

static void at_end(void)
{
    fuzz_clean("job.json");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool is_set_up;
    struct job *j = NULL;
    struct err e = {0};

    if (!is_set_up)
        is_set_up = atexit(at_end) == 0;
    fuzz_file("job.json", data, n);
    enum err_code rc = job_load(&j, fuzz_dir(), &clock_system, &e);
    if (rc ? !*e.text : !j->kind || !j->cfg)
        abort();
    job_unload(j);
    return 0;
}
