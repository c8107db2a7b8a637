/* cmd_spec.c - see cmd_spec.h. */
#include "coordinator/cmd_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/cmd_common.h"

/* "key=value" split in two; the keys are copies. */
static enum err_code split(const struct opts_list *sets, struct spec_set *out, struct err *e)
{
    for (size_t i = 0; i < sets->n; i++) {
        const char *eq = strchr(sets->v[i], '=');

        if (!eq || eq == sets->v[i])
            return err_set(e, ERR_USAGE, "--set %s: expected STAGE.KNOB=VALUE or PARAM=VALUE",
                           sets->v[i]);
        out[i].key = strndup(sets->v[i], (size_t)(eq - sets->v[i]));
        out[i].value = eq + 1;
        if (!out[i].key)
            return err_set(e, ERR_NOMEM, "out of memory");
    }
    return ERR_OK;
}

struct spec *cmd_load_spec(const char *command, const char *path, const struct opts_list *sets,
                           const char *profile, int *exit_code)
{
    struct spec_set *pairs = calloc(sets->n + 1, sizeof *pairs);
    struct buf errors = {0};
    struct spec *s = NULL;
    struct err e = {0};
    enum err_code rc = pairs ? split(sets, pairs, &e) : err_set(&e, ERR_NOMEM, "out of memory");

    if (rc == ERR_OK)
        rc = spec_load(path, pairs, sets->n, profile, &s, &errors, &e);
    if (errors.len)
        fputs(errors.data, stderr);
    else if (rc)
        cmd_fail(command, &e);
    *exit_code = err_exit_code(rc);
    for (size_t i = 0; pairs && i < sets->n; i++)
        free((char *)pairs[i].key);
    free(pairs);
    buf_free(&errors);
    return s;
}
