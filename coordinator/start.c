/* start.c - see start.h. */
#include "coordinator/start.h"

#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

enum { LOCK_WAIT_MS = 10000 };

enum err_code start_spec(const struct start_opts *o, struct spec **out, struct buf *errors,
                         struct err *e)
{
    struct spec_set *sets = calloc(o->sets.n + 1, sizeof *sets);
    char **keys = calloc(o->sets.n + 1, sizeof *keys);
    enum err_code rc = sets && keys ? ERR_OK : err_set(e, ERR_NOMEM, "--set");

    for (size_t i = 0; i < o->sets.n && !rc; i++) {
        const char *equals = strchr(o->sets.v[i], '=');
        if (!equals || equals == o->sets.v[i]) {
            rc = err_set(e, ERR_USAGE, "--set %s: not of the form STAGE.KNOB=VALUE", o->sets.v[i]);
            break;
        }
        keys[i] = strndup(o->sets.v[i], (size_t)(equals - o->sets.v[i]));
        sets[i] = (struct spec_set){keys[i], equals + 1};
    }
    if (!rc)
        rc = spec_load(o->path, sets, o->sets.n, o->profile, out, errors, e);
    for (size_t i = 0; keys && i < o->sets.n; i++)
        free(keys[i]);
    free(keys);
    free(sets);
    return rc;
}

/* The resolved text beside the results, from which a lost manifest is rebuilt. */
static enum err_code keep_text(const char *results, const struct spec *spec, struct err *e)
{
    struct buf path = {0}, old = {0};
    size_t n = strlen(spec->text);
    enum err_code rc;

    buf_fmt(&path, "%s/experiments/%s", results, spec->name);
    rc = fs_mkdirs(path.data, e);
    buf_str(&path, "/" START_TEXT_FILE);
    bool is_same = !rc && fs_is_file(path.data) && fs_read(path.data, n + 1, &old, NULL) == ERR_OK &&
                   old.len == n && memcmp(old.data, spec->text, n) == 0;
    if (!rc && !is_same)
        rc = fs_replace(path.data, spec->text, n, e);
    buf_free(&path);
    buf_free(&old);
    return rc;
}

enum err_code start_manifest(const struct start_opts *o, const struct spec *spec, int64_t wall_ms,
                             struct start *out, struct err *e)
{
    int64_t n_done, n_again, n_rearmed;

    *out = (struct start){0};
    if (manifest_open(o->results, LOCK_WAIT_MS, &out->manifest, e))
        return e->code;
    enum err_code rc = ERR_OK;
    if (o->is_recorded)
        rc = manifest_find_sweep(out->manifest, spec, &out->sweep_id, &out->n_jobs, e);
    if (!rc && !out->sweep_id)
        rc = manifest_add_sweep(out->manifest, spec, wall_ms, &out->sweep_id, &out->n_jobs,
                                &out->n_new, e);
    if (!rc)
        rc = keep_text(o->results, spec, e);
    if (!rc)
        rc = manifest_recover(out->manifest, wall_ms, &n_done, &n_again, e);
    if (!rc && o->rearm)
        rc = manifest_rearm(out->manifest, out->sweep_id, wall_ms, &n_rearmed, e);
    if (!rc)
        rc = manifest_links(out->manifest, out->sweep_id, e);
    if (rc) {
        manifest_close(out->manifest);
        out->manifest = NULL;
    }
    return rc;
}
