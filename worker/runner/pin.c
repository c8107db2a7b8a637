/* pin.c - see pin.h. */
#include "worker/runner/pin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/rundir.h"
#include "worker/num/isa.h"

enum { JOB_FILE_MAX = 64 << 20 };

/* The set that the job asks for; false: none. */
static bool wanted(const char *folder, enum isa_set *set)
{
    struct json *doc = NULL;
    struct buf path = {0};
    const char *text = NULL;
    bool is_pinned;

    buf_fmt(&path, "%s/%s", folder, RUN_JOB_FILE);
    if (fs_is_file(path.data) && !json_read(path.data, JOB_FILE_MAX, &doc, NULL) &&
        json_is_object(json_get(doc, "common")))
        text = json_str(json_get(json_get(doc, "common"), "isa"));
    is_pinned = text && isa_parse(text, set);
    json_free(doc);
    buf_free(&path);
    return is_pinned;
}

static bool is_set(const struct isa_env *v)
{
    const char *now = getenv(v->name);

    return now && !strcmp(now, v->value);
}

enum err_code pin_isa(const char *folder, char **argv, struct err *e)
{
    const struct isa_env *env;
    enum isa_set set;
    bool is_done = true;

    if (!wanted(folder, &set))
        return ERR_OK;
    if (isa_in_use() < set)
        return err_set(e, ERR_UNAVAILABLE, "isa: %s: this machine, or %s, goes no further than %s",
                       isa_name(set), ISA_ENV, isa_name(isa_in_use()));
    env = isa_env(set);
    for (int i = 0; i < ISA_ENV_MAX && env[i].name; i++) {
        is_done = is_done && is_set(&env[i]);
        setenv(env[i].name, env[i].value, true);
    }
    if (is_done)
        return ERR_OK;
    execv("/proc/self/exe", argv);
    return err_errno(e, errno, "isa: start the program anew");
}
