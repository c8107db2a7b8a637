/* hf_export.c - see hf_export.h. */
#include "worker/runner/hf_export.h"

#include <stdio.h>
#include <string.h>

#include "common/fs.h"
#include "worker/jobs/neox_io.h"

enum { TOKENIZER_MAX = 1 << 28 };
#define SHARD_MAX (5ull << 30)

static enum err_code dtype_of(enum st_dtype *out, const char *name, struct err *e)
{
    static const struct {
        const char *name;
        enum st_dtype dtype;
    } row[] = {{"f32", ST_F32}, {"f16", ST_F16}, {"bf16", ST_BF16}};

    for (size_t i = 0; name && i < ARRAY_LEN(row); i++)
        if (!strcmp(row[i].name, name)) {
            *out = row[i].dtype;
            return ERR_OK;
        }
    return name ? err_set(e, ERR_USAGE, "--dtype: %s is not one of f32, f16, bf16", name) : ERR_OK;
}

static enum err_code copy_tokenizer(const char *from, const char *to, struct err *e)
{
    struct buf source = {0}, dest = {0}, text = {0};
    enum err_code rc = ERR_OK;

    buf_fmt(&source, "%s/tokenizer.json", from);
    buf_fmt(&dest, "%s/tokenizer.json", to);
    if (fs_is_file(source.data))
        rc = fs_read(source.data, TOKENIZER_MAX, &text, e);
    if (!rc && text.data)
        rc = fs_replace(dest.data, text.data, text.len, e);
    buf_free(&source);
    buf_free(&dest);
    buf_free(&text);
    return rc;
}

static enum err_code write_model(const struct neox_file *f, const char *to, enum st_dtype dtype,
                                 struct err *e)
{
    struct neox_save how = {dtype, SHARD_MAX};
    struct buf text = {0};
    struct arena a;
    struct neox m;
    enum err_code rc = arena_open(&a, "export", neox_bytes(&f->cfg, false), e);

    if (rc)
        return rc;
    neox_init(&m, &f->cfg, false, &a);
    neox_file_load(f, &m);
    rc = fs_mkdirs(to, e);
    if (!rc)
        rc = neox_save(&m, to, &how, e);
    neox_describe(&text, &f->cfg);
    if (!rc)
        printf("%s: hf, %s, %s\n", to, text.data, st_dtype_name(dtype));
    buf_free(&text);
    arena_close(&a);
    return rc;
}

enum err_code hf_export(const char *from, const char *to, const char *dtype, struct err *e)
{
    struct buf dir = {0};
    enum st_dtype type;
    struct neox_file f;
    enum err_code rc;

    buf_fmt(&dir, "%s%s", from, neox_is_in(from) ? "/" NEOX_MODEL_DIR : "");
    rc = neox_file_open(&f, dir.data, e);
    if (!rc) {
        type = f.dtype == ST_F64 ? ST_F32 : f.dtype;
        rc = dtype_of(&type, dtype, e);
        if (!rc)
            rc = write_model(&f, to, type, e);
        neox_file_close(&f);
    }
    if (!rc)
        rc = copy_tokenizer(dir.data, to, e);
    buf_free(&dir);
    return rc;
}
