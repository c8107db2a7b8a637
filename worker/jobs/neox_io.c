/* neox_io.c - see neox_io.h. */
#include "worker/jobs/neox_io.h"

#include "common/fs.h"

enum { TOKENIZER_MAX = 1 << 28 };
#define SHARD_MAX (5ull << 30) /* as transformers' own default, to a factor */

bool neox_is_in(const char *dir)
{
    struct buf path = {0};
    bool is_there;

    buf_fmt(&path, "%s/" NEOX_MODEL_DIR "/config.json", dir);
    is_there = fs_is_file(path.data);
    buf_free(&path);
    return is_there;
}

enum err_code neox_input_open(struct neox_file *f, const struct job *j, const char *name,
                              struct err *e)
{
    struct buf path = {0};
    enum err_code rc;

    buf_fmt(&path, "%s/" NEOX_MODEL_DIR, job_input(j, name)->dir);
    rc = neox_file_open(f, path.data, e);
    buf_free(&path);
    return rc ? err_wrap(e, "input %s", name) : ERR_OK;
}

static enum err_code copy_tokenizer(struct job *j, const char *from, struct err *e)
{
    struct buf path = {0}, text = {0};
    enum err_code rc = ERR_OK;

    buf_fmt(&path, "%s/tokenizer.json", from);
    if (fs_is_file(path.data)) {
        rc = fs_read(path.data, TOKENIZER_MAX, &text, e);
        if (!rc)
            rc = fs_replace(job_path(j, NEOX_MODEL_DIR "/tokenizer.json"), text.data, text.len, e);
    }
    buf_free(&text);
    buf_free(&path);
    return rc;
}

enum err_code neox_output_save(const struct neox *m, struct job *j, enum st_dtype dtype,
                               const char *tokenizer_from, struct err *e)
{
    struct neox_save how = {dtype, SHARD_MAX};
    struct buf dir = {0};
    enum err_code rc;

    (void)job_path(j, NEOX_MODEL_DIR "/config.json"); /* makes the folder */
    buf_fmt(&dir, "%s/" NEOX_MODEL_DIR, j->dir);
    rc = neox_save(m, dir.data, &how, e);
    buf_free(&dir);
    if (!rc && tokenizer_from)
        rc = copy_tokenizer(j, tokenizer_from, e);
    return rc;
}

void neox_describe(struct buf *out, const struct neox_cfg *c)
{
    buf_fmt(out, "GPT-NeoX, %zu layers of %zu dims, %zu heads, vocabulary %zu, %zu weights%s%s",
            c->n_layers, c->d_model, c->n_heads, c->n_vocab, neox_n_weights(c),
            c->is_parallel ? "" : ", sequential residual", c->is_tied ? ", tied embeddings" : "");
}
