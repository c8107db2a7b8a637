/* outcome.c - see outcome.h; exit codes are those of common/err.h. */
#include "worker/agent/outcome.h"

#include <signal.h>
#include <string.h>

static enum err_class class_of_exit(int code)
{
    static const enum err_code codes[] = {ERR_USAGE, ERR_INVALID, ERR_IO,      ERR_NOMEM,  ERR_BUSY,
                                          ERR_BUG,   ERR_TIMEOUT, ERR_STOPPED};

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (err_exit_code(codes[i]) == code)
            return err_class(codes[i]);
    return code == 0 ? ERR_CLASS_INFRA : ERR_CLASS_CODE; /* 0 without a result: lost on disk */
}

static enum err_class class_of_signal(int sig)
{
    switch (sig) {
    case SIGXCPU: /* limits of the shell or the batch system: the next attempt would meet them too */
    case SIGXFSZ:
        return ERR_CLASS_CONFIG;
    case SIGSEGV:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGSYS:
    case SIGTRAP:
        return ERR_CLASS_CODE;
    default:
        return ERR_CLASS_EXTERNAL;
    }
}

struct outcome outcome_of(const struct proc_end *end, enum outcome_cause cause, bool has_result)
{
    struct outcome o = {ERR_CLASS_NONE, false};

    if (end->exit_code == 0 && has_result)
        return o;
    if (cause == CAUSE_MEMORY || (cause == CAUSE_OOM && end->signal == SIGKILL))
        return (struct outcome){ERR_CLASS_INFRA, true};
    if (cause == CAUSE_TIMEOUT || cause == CAUSE_CPU)
        o.class = ERR_CLASS_CONFIG;
    else if (end->signal)
        o.class = class_of_signal(end->signal);
    else
        o.class = class_of_exit(end->exit_code);
    o.is_oom = end->exit_code == err_exit_code(ERR_NOMEM);
    return o;
}

static void tell_limit(struct buf *out, const char *what, char option)
{
    buf_fmt(out, "over the limit of %s of the shell or batch system (ulimit -%c); raise it, then saegrid requeue",
            what, option);
}

void outcome_message(struct buf *out, const struct proc_end *end, enum outcome_cause cause,
                     const char *error_text, const char *last_line)
{
    if (cause == CAUSE_TIMEOUT)
        buf_str(out, "over its time limit; a larger `timeout` goes on from its checkpoint");
    else if (cause == CAUSE_MEMORY)
        buf_str(out, "over its memory limit; raise `memory`");
    else if (cause == CAUSE_OOM && end->signal == SIGKILL)
        buf_str(out, "killed: the machine was out of memory; give it fewer agents (-j), or more memory");
    else if (cause == CAUSE_CPU || end->signal == SIGXCPU)
        tell_limit(out, "CPU time", 't');
    else if (end->signal == SIGXFSZ)
        tell_limit(out, "file size", 'f');
    else if (cause == CAUSE_SPACE)
        tell_limit(out, "address space", 'v');
    else if (end->signal)
        buf_fmt(out, "signal %d (%s)", end->signal, strsignal(end->signal));
    else if (end->exit_code)
        buf_fmt(out, "exit code %d", end->exit_code);
    else
        buf_str(out, "ended without a result");
    const char *detail = error_text && *error_text ? error_text : last_line;
    if (detail && *detail)
        buf_fmt(out, ": %s", detail);
}
