/* gz.c - see gz.h. */
#include "worker/data/gz.h"

#include <errno.h>
#include <zlib.h>

#include "common/fs.h"

enum { CHUNK = 1 << 16 };

static enum err_code read_all(gzFile f, const char *path, size_t max, struct buf *out, struct err *e)
{
    char chunk[CHUNK];
    size_t from = out->len;
    int got, number;

    while ((got = gzread(f, chunk, sizeof chunk)) > 0) {
        if (out->len - from + (size_t)got > max)
            return err_set(e, ERR_INVALID, "%s: more than %zu bytes", path, max);
        buf_add(out, chunk, (size_t)got);
    }
    const char *why = gzerror(f, &number);
    if (number == Z_ERRNO)
        return err_errno(e, errno, "read %s", path);
    if (got < 0 || number != Z_OK)
        return err_set(e, ERR_INVALID, "%s: damaged gzip data: %s", path, why);
    return ERR_OK;
}

enum err_code gz_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    if (fs_is_dir(path))
        return err_set(e, ERR_INVALID, "%s: a folder, not a file", path);
    gzFile f = gzopen(path, "rb");
    if (!f)
        return err_errno(e, errno ? errno : ENOMEM, "open %s", path);
    enum err_code rc = read_all(f, path, max, out, e);
    gzclose(f);
    return rc;
}
