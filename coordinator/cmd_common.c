/* cmd_common.c - see cmd_common.h. */
#include "coordinator/cmd_common.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool cmd_start(const struct opts_cmd *cmd, int argc, char **argv, struct opts_args *args,
               int *exit_code)
{
    struct err e = {0};
    struct buf help = {0};

    if (opts_parse(cmd, argc, argv, args, &e)) {
        *exit_code = cmd_fail(cmd->name, &e);
        return false;
    }
    if (!args->want_help)
        return true;
    opts_help(cmd, &help);
    *exit_code = cmd_put(&help);
    return false;
}

int cmd_fail(const char *name, const struct err *e)
{
    fprintf(stderr, "saegrid %s: %s\n", name, e->text);
    return err_exit_code(e->code);
}

const char *cmd_results(const char *option)
{
    const char *env = getenv("SAEGRID_RESULTS");

    if (option)
        return option;
    return env && *env ? env : "results";
}

bool cmd_use_colour(FILE *f)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fileno(f)) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

int cmd_put(struct buf *text)
{
    bool ok = fwrite(text->data ? text->data : "", 1, text->len, stdout) == text->len;
    int errnum = errno;

    ok = fflush(stdout) == 0 && ok;
    buf_free(text);
    if (ok || errnum == EPIPE)
        return 0;
    fprintf(stderr, "saegrid: cannot write to stdout: %s\n", strerror(errnum));
    return 74;
}
