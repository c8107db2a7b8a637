/* tokens_write.c - see tokens.h: writing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/oom.h"
#include "worker/data/tokens.h"
#include "worker/data/tokens_format.h"

enum { BLOCK = 4096 };

static enum err_code put(struct tokens_writer *w, const void *data, size_t n, struct err *e)
{
    if (n && fwrite(data, 1, n, w->file) != n)
        return err_errno(e, errno, "write %s", w->path);
    return ERR_OK;
}

static enum err_code put_header(struct tokens_writer *w, struct err *e)
{
    struct tokens_header h = {.version = TOKENS_VERSION, .width = w->width, .n = w->n,
                              .n_vocab = w->n_vocab, .n_docs = w->n_docs, .is_lines = w->is_lines};

    memcpy(h.magic, TOKENS_MAGIC, sizeof h.magic);
    return put(w, &h, sizeof h, e);
}

enum err_code tokens_create(struct tokens_writer *w, const char *dir, const char *split,
                            size_t n_vocab, bool is_lines, struct err *e)
{
    struct buf path = {0};

    *w = (struct tokens_writer){.n_vocab = n_vocab, .is_lines = is_lines};
    w->width = n_vocab <= UINT16_MAX + (size_t)1 ? 2 : 4;
    buf_fmt(&path, "%s/%s.tokens", dir, split);
    w->path = buf_steal(&path);
    w->file = fopen(w->path, "wb");
    if (w->file && !put_header(w, e))
        return ERR_OK;
    if (!w->file)
        err_errno(e, errno, "create %s", w->path);
    tokens_abandon(w);
    return e ? e->code : ERR_IO;
}

enum err_code tokens_add(struct tokens_writer *w, const uint32_t *id, size_t n, struct err *e)
{
    uint16_t narrow[BLOCK];

    w->n += n;
    if (w->width == 4)
        return put(w, id, n * sizeof *id, e);
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t take = n - at < BLOCK ? n - at : BLOCK;

        for (size_t i = 0; i < take; i++)
            narrow[i] = (uint16_t)id[at + i];
        if (put(w, narrow, take * sizeof *narrow, e))
            return e ? e->code : ERR_IO;
    }
    return ERR_OK;
}

void tokens_end_doc(struct tokens_writer *w, uint64_t n_bytes, uint64_t n_words)
{
    if (w->n_docs == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 256;
        w->at = realloc(w->at, 3 * w->cap * sizeof *w->at);
        if (!w->at)
            oom_exit("tokens_write");
    }
    w->n_bytes += n_bytes;
    w->n_words += n_words;
    uint64_t *row = w->at + 3 * w->n_docs++;
    row[0] = w->n;
    row[1] = w->n_bytes;
    row[2] = w->n_words;
}

enum err_code tokens_finish(struct tokens_writer *w, struct err *e)
{
    static const char zeros[8];
    const uint64_t zero = 0;
    enum err_code rc = ERR_OK;

    if (w->n_docs ? w->at[3 * (w->n_docs - 1)] != w->n : w->n != 0)
        rc = err_set(e, ERR_BUG, "%s: ids behind the end of the last document", w->path);
    if (!rc)
        rc = put(w, zeros, tokens_tables_at(w->n, w->width) - sizeof(struct tokens_header) -
                               w->n * w->width, e);
    for (size_t table = 0; table < 3 && !rc; table++) {
        rc = put(w, &zero, sizeof zero, e);
        for (size_t i = 0; i < w->n_docs && !rc; i++)
            rc = put(w, &w->at[3 * i + table], sizeof zero, e);
    }
    if (!rc && fseek(w->file, 0, SEEK_SET) != 0)
        rc = err_errno(e, errno, "write %s", w->path);
    if (!rc)
        rc = put_header(w, e);
    if (fclose(w->file) != 0 && !rc)
        rc = err_errno(e, errno, "write %s", w->path);
    w->file = NULL;
    tokens_abandon(w);
    return rc;
}

void tokens_abandon(struct tokens_writer *w)
{
    if (w->file)
        fclose(w->file);
    free(w->path);
    free(w->at);
    *w = (struct tokens_writer){0};
}
