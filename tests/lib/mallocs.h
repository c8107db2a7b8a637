/* mallocs.h - the n-th malloc, calloc or realloc of a run fails; after faults.h and sites.h, once a program.
 *
 * A run may end with an error, or at once with exit code 71 (oom.h); a signal, or an error of another
 * kind, is a fault.  Each run is a process of its own.  ASan has a malloc of its own: skip() there.
 */
#pragma once
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/err.h"

enum { FAULT_MALLOC = 128 };

#ifndef __SANITIZE_ADDRESS__
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

/* OpenBLAS does not look at what its malloc returns (0.3.29 at least): what it crashes of is not ours. */
static bool malloc_fails(const void *caller)
{
    Dl_info where;

    if (!(fault.kinds & FAULT_MALLOC) || (dladdr(caller, &where) && where.dli_fname && strstr(where.dli_fname, "openblas")))
        return false;
    return fails_now((enum fault_kind)FAULT_MALLOC);
}

void *malloc(size_t n)
{
    return malloc_fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return malloc_fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return malloc_fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}
#endif

struct malloc_walk {
    const char *what;
    void *ctx;
    enum err_code (*run)(void *ctx, struct err *e);
    bool (*is_clean)(enum err_code rc);
    void (*before)(void *ctx);            /* a fresh start */
    void (*after)(void *ctx, long n);     /* what has to hold; NULL: nothing more */
    long n_more;                          /* calls by chance, beside one of each site */
    enum site_depth depth;
};

enum { RUN_WHOLE = 0, RUN_CLEAN = 1, RUN_UNCLEAN = 2, RUN_ELSEWHERE = 4, RUN_OOM = 71 };

static __attribute__((noinline)) enum err_code malloc_do(const struct malloc_walk *w, struct err *e)
{
    sites.top = (uintptr_t)__builtin_frame_address(0);
    enum err_code rc = w->run(w->ctx, e);
    sites.top = 0;
    return rc;
}

/* `said` is shared with the process that runs. */
static int malloc_run(const struct malloc_walk *w, long n, uint32_t site, struct err *said)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(99);
        signal(SIGSEGV, SIG_DFL); /* which cmocka had caught */
        signal(SIGBUS, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        fault_arm(FAULT_MALLOC, n, ENOMEM);
        said->text[0] = '\0';
        enum err_code rc = malloc_do(w, said);
        bool has_failed = fault_disarm();
        if (has_failed && rc && !(w->is_clean(rc) && *said->text))
            _exit(RUN_UNCLEAN);
        _exit(!has_failed ? RUN_WHOLE : site_is(site) ? RUN_CLEAN : RUN_CLEAN | RUN_ELSEWHERE);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        print_error("%s: malloc %ld: signal %d\n", w->what, n, WTERMSIG(status));
    else if (WEXITSTATUS(status) == RUN_UNCLEAN)
        print_error("%s: malloc %ld: %s: %s\n", w->what, n, err_name(said->code), said->text);
    return WIFSIGNALED(status) ? RUN_UNCLEAN : WEXITSTATUS(status);
}

/* Prints how many calls and sites there are and how many were failed. */
static void malloc_walk(const struct malloc_walk *w)
{
    long n = 0, n_at_once = 0, n_failed = 0, n_elsewhere = 0, n_wrong = 0;
    struct err e = {0};

    struct err *said = mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(said != MAP_FAILED);
    w->before(w->ctx); /* once before, for what is made once in a process */
    if (malloc_do(w, &e))
        fail_msg("%s: nothing failed, and yet: %s", w->what, e.text);
    w->before(w->ctx);
    sites_begin(FAULT_MALLOC, w->depth);
    enum err_code rc = malloc_do(w, &e);
    sites_end();
    if (rc)
        fail_msg("%s: nothing failed, and yet: %s", w->what, e.text);
    long *call = sites_choose(w->n_more, 1, &n);
    for (long i = 0; i < n; i++) {
        w->before(w->ctx);
        int status = malloc_run(w, call[i], sites.of_call[call[i] - 1], said);

        n_wrong += status == RUN_UNCLEAN;
        n_failed += status != RUN_WHOLE;
        n_at_once += status == RUN_OOM;
        n_elsewhere += status != RUN_OOM && (status & RUN_ELSEWHERE) != 0;
        if (w->after)
            w->after(w->ctx, call[i]);
    }
    free(call);
    munmap(said, sizeof *said);
    printf("%s: %ld mallocs from %u %s; failed: one of each and %ld by chance, %ld did fail (%ld at another site "
           "than recorded), %ld of them ended the run at once\n", w->what, sites.n_calls, sites.n,
           w->depth == SITES_OWN ? "places of ours" : "call chains", w->n_more, n_failed, n_elsewhere, n_at_once);
    assert_int_equal(n_wrong, 0);
    assert_true(sites.n_calls < CALLS_MAX && sites.n < SITES_MAX);
    assert_true(n_failed - n_elsewhere >= (long)sites.n * 9 / 10);
}
