/* mock_inline.h - a `mock` without `process`, done inside the agent.
 *
 * The same value as worker/jobs/mock.c makes: first rng_f64 of stream "mock.value" of the seed.
 * Crashes are only reported, with the outcome that a crashed process would have had.
 */
#pragma once
#include "common/buf.h"

struct mock_inline {
    double sleep_s;        /* how long it pretends to work before its end */
    bool hangs;            /* never ends by itself */
    enum err_class class;  /* NONE: done */
    bool is_oom;
    int exit_code, signal;
    struct buf metrics;    /* "value=0.5"; caller frees */
    struct buf message;    /* caller frees */
};

MUST_CHECK enum err_code mock_inline(struct mock_inline *m, const char *payload, int64_t epoch,
                                     struct err *e);
void mock_inline_free(struct mock_inline *m);
