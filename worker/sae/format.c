/* format.c - the table of formats. */
#include "worker/sae/format.h"

#include <string.h>

#include "common/buf.h"
#include "common/fs.h"

/* `auto` takes the first that matches: the telling ones come first. */
static const struct sae_format *const formats[] = {
    &sae_format_saelens, &sae_format_dl, &sae_format_saegrid, &sae_format_safetensors,
    &sae_format_husai};

const struct sae_format *sae_format_at(size_t i)
{
    return i < ARRAY_LEN(formats) ? formats[i] : NULL;
}

const struct sae_format *sae_format_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (!strcmp(formats[i]->name, name))
            return formats[i];
    return NULL;
}

static enum err_code unknown(const char *name, struct err *e)
{
    struct buf names = {0};
    enum err_code rc;

    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        buf_fmt(&names, "%s%s", i ? ", " : "", formats[i]->name);
    rc = err_set(e, ERR_INVALID, "format: %s is not one of %s", name, names.data);
    buf_free(&names);
    return rc;
}

static enum err_code choose(const struct sae_format **out, const char *path, const char *name,
                            struct err *e)
{
    if (strcmp(name, "auto")) {
        *out = sae_format_find(name);
        return *out ? ERR_OK : unknown(name, e);
    }
    if (!fs_is_dir(path) && !fs_is_file(path))
        return err_set(e, ERR_NOT_FOUND, "%s: no such file or folder", path);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (formats[i]->matches(path)) {
            *out = formats[i];
            return ERR_OK;
        }
    return err_set(e, ERR_INVALID, "%s: looks like none of the formats that are read; say which one "
                                   "it is", path);
}

enum err_code sae_format_read(struct sae_model *m, const char *path, const char *name,
                              const struct sae_format_opts *o, struct err *e)
{
    const struct sae_format *f;

    *m = (struct sae_model){0};
    if (choose(&f, path, name, e))
        return e->code;
    if (f->read(m, path, o, e) || sae_model_check(m, e)) {
        sae_model_free(m);
        return err_wrap(e, "%s: read as %s", path, f->name);
    }
    return ERR_OK;
}

enum err_code sae_format_write(struct sae_model *m, const char *path, const char *name,
                               const struct sae_format_opts *o, struct err *e)
{
    const struct sae_format *f = sae_format_find(name);

    if (!f)
        return unknown(name, e);
    if (f->write(m, path, o, e))
        return err_wrap(e, "%s: write as %s", path, f->name);
    return ERR_OK;
}
