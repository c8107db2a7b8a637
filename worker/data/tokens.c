/* tokens.c - see tokens.h: reading. */
#include "worker/data/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fs.h"
#include "worker/data/gz.h"
#include "worker/data/tokens_format.h"

static enum err_code map_file(struct tokens *t, const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    enum err_code rc = ERR_OK;

    if (fd < 0)
        return err_errno(e, errno, "open %s", path);
    if (fstat(fd, &st) != 0)
        rc = err_errno(e, errno, "%s", path);
    else if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct tokens_header))
        rc = err_set(e, ERR_INVALID, "%s: too short for a token file", path);
    if (!rc) {
        t->map_size = (size_t)st.st_size;
        t->map = mmap(NULL, t->map_size, PROT_READ, MAP_SHARED, fd, 0);
        if (t->map == MAP_FAILED) {
            t->map = NULL;
            rc = err_errno(e, errno, "map %s", path);
        }
    }
    close(fd);
    return rc;
}

static bool is_table(const uint64_t *at, size_t n_docs)
{
    if (at[0] != 0)
        return false;
    for (size_t i = 0; i < n_docs; i++)
        if (at[i + 1] < at[i])
            return false;
    return true;
}

static enum err_code read_header(struct tokens *t, struct err *e)
{
    const struct tokens_header *h = t->map;

    if (memcmp(h->magic, TOKENS_MAGIC, sizeof h->magic) != 0)
        return err_set(e, ERR_INVALID, "not a token file");
    if (h->version != TOKENS_VERSION)
        return err_set(e, ERR_INVALID, "version %u, this program reads %d", h->version, TOKENS_VERSION);
    if ((h->width != 2 && h->width != 4) || h->n_vocab == 0 || h->n_vocab > UINT32_MAX)
        return err_set(e, ERR_CORRUPT, "%u bytes an id, a vocabulary of %llu", h->width,
                       (unsigned long long)h->n_vocab);
    /* Counts are bounded by the file's size first, so that the sum cannot wrap. */
    if (h->n > t->map_size || h->n_docs > t->map_size ||
        tokens_file_size(h->n, h->width, h->n_docs) != t->map_size)
        return err_set(e, ERR_CORRUPT, "%zu bytes, its header promises another size", t->map_size);
    t->n = h->n;
    t->n_vocab = h->n_vocab;
    t->n_docs = h->n_docs;
    t->width = h->width;
    t->is_lines = h->is_lines;
    t->data = (const char *)t->map + sizeof *h;
    t->token_at = (const uint64_t *)(const void *)((const char *)t->map + tokens_tables_at(t->n, t->width));
    t->byte_at = t->token_at + t->n_docs + 1;
    t->word_at = t->byte_at + t->n_docs + 1;
    if (!is_table(t->token_at, t->n_docs) || t->token_at[t->n_docs] != t->n ||
        !is_table(t->byte_at, t->n_docs) || !is_table(t->word_at, t->n_docs))
        return err_set(e, ERR_CORRUPT, "damaged tables of documents");
    return ERR_OK;
}

enum err_code tokens_open(struct tokens *t, const char *dir, const char *split, struct err *e)
{
    struct buf path = {0};

    *t = (struct tokens){0};
    buf_fmt(&path, "%s/%s.tokens", dir, split);
    enum err_code rc = map_file(t, path.data, e);
    if (!rc && read_header(t, e))
        rc = err_wrap(e, "%s", path.data);
    if (rc)
        tokens_close(t);
    buf_free(&path);
    return rc;
}

void tokens_close(struct tokens *t)
{
    if (t->map)
        munmap(t->map, t->map_size);
    *t = (struct tokens){0};
}

void tokens_copy(const struct tokens *t, size_t at, size_t n, int32_t *out)
{
    if (t->width == 2) {
        const uint16_t *id = (const uint16_t *)t->data + at;

        for (size_t i = 0; i < n; i++)
            out[i] = id[i];
    } else {
        memcpy(out, (const uint32_t *)t->data + at, n * sizeof *out);
    }
}

/* --- the tokeniser beside it ---------------------------------------------------------------- */
enum { TOKENIZER_FILE_MAX = 1 << 28 };

enum err_code tokens_keep_tokenizer(const char *dir, const char *path, struct err *e)
{
    struct buf data = {0}, to = {0};
    enum err_code rc = ERR_OK;

    if (*path) {
        rc = fs_read(path, TOKENIZER_FILE_MAX, &data, e);
        buf_fmt(&to, "%s/" TOKENS_TOKENIZER, dir);
        if (!rc)
            rc = fs_replace(to.data, data.data, data.len, e);
    }
    buf_free(&data);
    buf_free(&to);
    return rc;
}

enum err_code tokens_tokenizer(struct tokenizer *t, const char *dir, struct err *e)
{
    static const char *const split[] = {"train", "valid", "test"};
    struct tokens any;
    struct buf path = {0};
    enum err_code rc = ERR_NOT_FOUND;

    *t = (struct tokenizer){.is_bytes = true};
    for (size_t i = 0; i < ARRAY_LEN(split) && rc == ERR_NOT_FOUND; i++)
        rc = tokens_open(&any, dir, split[i], e);
    if (rc)
        return rc;
    buf_fmt(&path, "%s/" TOKENS_TOKENIZER, dir);
    rc = tokenizer_open(t, fs_is_file(path.data) ? path.data : "", any.n_vocab, e);
    tokens_close(&any);
    buf_free(&path);
    return rc;
}
