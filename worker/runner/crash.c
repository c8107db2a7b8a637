/* crash.c - see crash.h. */
#include "worker/runner/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"

enum { FRAMES_MAX = 64, STACK_BYTES = 64 * 1024 };

static struct {
    const char *volatile run_id;
    const char *volatile phase;
    volatile int64_t step;
} about;
static char handler_stack[STACK_BYTES];

static const struct {
    int sig;
    const char *name;
} fatal[] = {{SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},
             {SIGFPE, "SIGFPE"},   {SIGILL, "SIGILL"},   {SIGSYS, "SIGSYS"},
             {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}};

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));

    (void)n; /* nothing can be done about it here */
}

static void say_i64(int64_t v)
{
    char text[24];
    size_t at = sizeof text - 1;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    text[at] = '\0';
    do {
        text[--at] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        text[--at] = '-';
    say(text + at);
}

static void say_what(int sig)
{
    const char *run_id = about.run_id, *phase = about.phase, *name = "signal";

    for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
        if (fatal[i].sig == sig)
            name = fatal[i].name;
    say("saegrid-runner: job ");
    say(run_id ? run_id : "?");
    say(": ");
    say(name);
    say(" in phase ");
    say(phase ? phase : "start");
    say(", step ");
    say_i64(about.step);
}

/* Said again after the stack: the last line of the log becomes the failure's message. */
static void on_fatal(int sig)
{
    void *frames[FRAMES_MAX];

    say_what(sig);
    say(", stack:\n");
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    say_what(sig);
    say("\n");
    signal(sig, SIG_DFL);
    raise(sig);
}

void crash_install(void)
{
    stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    struct sigaction sa = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK | (int)SA_RESETHAND};
    static bool is_warm;
    void *warm[1];

    if (!is_warm)
        backtrace(warm, 1); /* loads libgcc now: the handler must not allocate */
    is_warm = true;
    sigaltstack(&stack, NULL);
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
        sigaction(fatal[i].sig, &sa, NULL);
}

void crash_job(const char *run_id)
{
    about.run_id = run_id;
}

void crash_phase(const char *phase)
{
    about.phase = phase;
}

void crash_step(int64_t step)
{
    about.step = step;
}
