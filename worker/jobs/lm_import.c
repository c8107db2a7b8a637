/* lm_import.c - a Hugging Face folder becomes a result: checked whole, then written again.
 *
 * Knob `path` holds the digest that the sweep saw; what lies there now must still have it.
 */
#include <string.h>

#include "common/arena.h"
#include "common/kinds/lm_import.h"
#include "common/pathid.h"
#include "worker/jobs/neox_io.h"
#include "worker/neox/neox_plan.h"
#include "worker/runner/impl.h"

static enum err_code open_model(struct neox_file *f, const struct job *j, struct err *e)
{
    const struct lm_import_cfg *c = j->cfg;

    if (neox_file_open(f, pathid_path(c->path), e))
        return err_wrap(e, "lm_import: path");
    return ERR_OK;
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    struct neox_file f;

    if (open_model(&f, j, e))
        return e->code;
    p->arena_bytes = neox_bytes(&f.cfg, false);
    neox_file_close(&f);
    return ERR_OK;
}

static enum st_dtype dtype_of(const char *knob, enum st_dtype as_is)
{
    static const struct {
        const char *name;
        enum st_dtype dtype;
    } row[] = {{"f32", ST_F32}, {"f16", ST_F16}, {"bf16", ST_BF16}};

    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        if (!strcmp(row[i].name, knob))
            return row[i].dtype;
    return as_is == ST_F64 ? ST_F32 : as_is;
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct lm_import_cfg *c = j->cfg;
    struct buf text = {0};
    struct neox_file f;
    struct neox m;
    enum err_code rc;

    if (pathid_verify(c->path, e) || open_model(&f, j, e))
        return e->code;
    neox_init(&m, &f.cfg, false, j->arena);
    neox_file_load(&f, &m);
    rc = neox_output_save(&m, j, dtype_of(c->dtype, f.dtype), pathid_path(c->path), e);
    neox_describe(&text, &f.cfg);
    job_summary(j, "%s, %s, read from `%s`.", text.data, st_dtype_name(f.dtype), pathid_path(c->path));
    job_metric(j, "n_params", (double)neox_n_weights(&f.cfg));
    job_provenance(j, "source", "%s", c->path);
    buf_free(&text);
    neox_file_close(&f);
    return rc ? err_wrap(e, "lm_import") : ERR_OK;
}

const struct job_impl job_impl_lm_import = {"lm_import", plan, run};
