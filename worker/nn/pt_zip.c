/* pt_zip.c - see pt_zip.h; records as in PKWARE's APPNOTE, little-endian. */
#include "worker/nn/pt_zip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/buf.h"
#include "common/oom.h"

enum {
    LOCAL_SIG = 0x04034b50, CENTRAL_SIG = 0x02014b50, END_SIG = 0x06054b50,
    END64_SIG = 0x06064b50, LOCATOR_SIG = 0x07064b50,
    LOCAL_BYTES = 30, CENTRAL_BYTES = 46, END_BYTES = 22, END64_BYTES = 56, LOCATOR_BYTES = 20,
    EXTRA_ZIP64 = 0x0001, EXTRA_PAD = 0x4246,
    FLAG_ENCRYPTED = 1, FLAG_UTF8 = 1 << 11, DATE_1980 = 0x0021,
};
#define NEED64 0xffffffffu

static void put(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_char(b, (char)(v >> (8 * i)));
}

static uint64_t get(const uint8_t *p, int bytes)
{
    uint64_t v = 0;

    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static char *copy(const char *s, size_t n)
{
    struct buf b = {0};

    buf_add(&b, s, n);
    return buf_steal(&b);
}

static struct zip_entry *new_entry(struct zip_entry **list, size_t *n, size_t *cap)
{
    if (*n == *cap) {
        *cap = *cap ? 2 * *cap : 16;
        *list = realloc(*list, *cap * sizeof **list);
        if (!*list)
            oom_exit("%zu archive entries", *cap);
    }
    (*list)[*n] = (struct zip_entry){0};
    return &(*list)[(*n)++];
}

static void entries_free(struct zip_entry *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i].name);
    free(list);
}

/* --- writing ------------------------------------------------------------------------------ */

enum err_code zip_create(struct zip_out *z, const char *path, struct err *e)
{
    struct buf part = {0};

    *z = (struct zip_out){.zip64_from = NEED64};
    buf_fmt(&part, "%s.part", path);
    z->path = copy(path, strlen(path));
    z->part = buf_steal(&part);
    z->file = fopen(z->part, "wbe");
    if (!z->file) {
        err_errno(e, errno, "%s", path);
        zip_abandon(z);
        return e ? e->code : ERR_IO;
    }
    return ERR_OK;
}

void zip_abandon(struct zip_out *z)
{
    if (z->file) {
        fclose(z->file);
        unlink(z->part);
    }
    entries_free(z->entries, z->n);
    free(z->path);
    free(z->part);
    *z = (struct zip_out){0};
}

static enum err_code emit(struct zip_out *z, const void *data, uint64_t n, struct err *e)
{
    errno = 0;
    if (n && fwrite(data, 1, n, z->file) != n)
        return err_errno(e, errno ? errno : EIO, "write %s", z->path);
    z->at += n;
    return ERR_OK;
}

static uint64_t field32(const struct zip_out *z, uint64_t v)
{
    return v >= z->zip64_from ? NEED64 : v;
}

/* What local header and directory have in common, from "version needed" to the sizes. */
static void put_common(const struct zip_out *z, struct buf *b, const struct zip_entry *entry)
{
    put(b, entry->size >= z->zip64_from || entry->at >= z->zip64_from ? 45 : 20, 2);
    put(b, FLAG_UTF8, 2);
    put(b, 0, 2); /* stored */
    put(b, 0, 2); /* time and date say nothing: equal contents, equal bytes */
    put(b, DATE_1980, 2);
    put(b, entry->crc, 4);
    put(b, field32(z, entry->size), 4);
    put(b, field32(z, entry->size), 4);
    put(b, strlen(entry->name), 2);
}

static void put_local(const struct zip_out *z, struct buf *b, const struct zip_entry *entry)
{
    struct buf extra = {0};
    size_t head = LOCAL_BYTES + strlen(entry->name);

    if (entry->size >= z->zip64_from) {
        put(&extra, EXTRA_ZIP64, 2);
        put(&extra, 16, 2);
        put(&extra, entry->size, 8);
        put(&extra, entry->size, 8);
    }
    size_t pad = (ZIP_ALIGN - (entry->at + head + extra.len + 4) % ZIP_ALIGN) % ZIP_ALIGN;
    put(&extra, EXTRA_PAD, 2);
    put(&extra, pad, 2);
    for (size_t i = 0; i < pad; i++)
        buf_char(&extra, 'Z');
    put(b, LOCAL_SIG, 4);
    put_common(z, b, entry);
    put(b, extra.len, 2);
    buf_str(b, entry->name);
    buf_add(b, extra.data, extra.len);
    buf_free(&extra);
}

enum err_code zip_add(struct zip_out *z, const char *name, const void *data, uint64_t size,
                      struct err *e)
{
    struct zip_entry *entry = new_entry(&z->entries, &z->n, &z->cap);
    struct buf head = {0};
    enum err_code rc;

    *entry = (struct zip_entry){copy(name, strlen(name)), z->at, size, 0};
    entry->crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), data, size);
    put_local(z, &head, entry);
    rc = emit(z, head.data, head.len, e);
    if (!rc)
        rc = emit(z, data, size, e);
    buf_free(&head);
    return rc;
}

static void put_central(const struct zip_out *z, struct buf *b, const struct zip_entry *entry)
{
    struct buf extra = {0};
    bool is_large = entry->size >= z->zip64_from, is_far = entry->at >= z->zip64_from;

    if (is_large || is_far) {
        put(&extra, EXTRA_ZIP64, 2);
        put(&extra, (is_large ? 16 : 0) + (is_far ? 8 : 0), 2);
        if (is_large) {
            put(&extra, entry->size, 8);
            put(&extra, entry->size, 8);
        }
        if (is_far)
            put(&extra, entry->at, 8);
    }
    put(b, CENTRAL_SIG, 4);
    put(b, 45, 2); /* made by */
    put_common(z, b, entry);
    put(b, extra.len, 2);
    put(b, 0, 2);  /* comment */
    put(b, 0, 2);  /* disk */
    put(b, 0, 2);  /* attributes */
    put(b, 0, 4);
    put(b, field32(z, entry->at), 4);
    buf_str(b, entry->name);
    if (extra.len)
        buf_add(b, extra.data, extra.len);
    buf_free(&extra);
}

static void put_end(const struct zip_out *z, struct buf *b)
{
    uint64_t size = b->len, end64_at = z->at + size;
    bool is_64 = z->n >= 0xffff || size >= z->zip64_from || z->at >= z->zip64_from;

    if (is_64) {
        put(b, END64_SIG, 4);
        put(b, END64_BYTES - 12, 8);
        put(b, 45, 2);
        put(b, 45, 2);
        put(b, 0, 4);
        put(b, 0, 4);
        put(b, z->n, 8);
        put(b, z->n, 8);
        put(b, size, 8);
        put(b, z->at, 8);
        put(b, LOCATOR_SIG, 4);
        put(b, 0, 4);
        put(b, end64_at, 8);
        put(b, 1, 4);
    }
    put(b, END_SIG, 4);
    put(b, 0, 2);
    put(b, 0, 2);
    put(b, is_64 ? 0xffff : z->n, 2);
    put(b, is_64 ? 0xffff : z->n, 2);
    put(b, is_64 ? NEED64 : size, 4);
    put(b, is_64 ? NEED64 : z->at, 4);
    put(b, 0, 2);
}

enum err_code zip_finish(struct zip_out *z, struct err *e)
{
    struct buf b = {0};
    enum err_code rc;

    for (size_t i = 0; i < z->n; i++)
        put_central(z, &b, &z->entries[i]);
    put_end(z, &b);
    rc = emit(z, b.data, b.len, e);
    if (!rc && (fflush(z->file) || fsync(fileno(z->file))))
        rc = err_errno(e, errno, "write %s", z->path);
    if (!rc) {
        int failed = fclose(z->file);

        z->file = NULL;
        if (failed || rename(z->part, z->path)) {
            rc = err_errno(e, errno, "write %s", z->path);
            unlink(z->part);
        }
    }
    buf_free(&b);
    zip_abandon(z);
    return rc;
}

/* --- reading ------------------------------------------------------------------------------ */

struct directory {
    uint64_t at, size, n;
};

static bool is_inside(const struct zip_in *z, uint64_t at, uint64_t n)
{
    return at <= z->size && n <= z->size - at;
}

static enum err_code find_directory64(const struct zip_in *z, uint64_t end_at, struct directory *d,
                                      struct err *e)
{
    const uint8_t *p;
    uint64_t at;

    if (end_at < LOCATOR_BYTES || get(z->map + end_at - LOCATOR_BYTES, 4) != LOCATOR_SIG)
        return err_set(e, ERR_CORRUPT, "its ZIP64 directory is missing");
    at = get(z->map + end_at - LOCATOR_BYTES + 8, 8);
    if (!is_inside(z, at, END64_BYTES) || get(z->map + at, 4) != END64_SIG)
        return err_set(e, ERR_CORRUPT, "its ZIP64 directory is not where it should be");
    p = z->map + at;
    *d = (struct directory){.n = get(p + 32, 8), .size = get(p + 40, 8), .at = get(p + 48, 8)};
    return ERR_OK;
}

static enum err_code find_directory(const struct zip_in *z, struct directory *d, struct err *e)
{
    uint64_t lowest = z->size > END_BYTES + 0xffff ? z->size - END_BYTES - 0xffff : 0;

    if (z->size < END_BYTES)
        return err_set(e, ERR_CORRUPT, "too short for a zip archive");
    for (uint64_t at = z->size - END_BYTES + 1; at-- > lowest;) {
        const uint8_t *p = z->map + at;

        if (get(p, 4) != END_SIG || at + END_BYTES + get(p + 20, 2) != z->size)
            continue;
        *d = (struct directory){.n = get(p + 10, 2), .size = get(p + 12, 4), .at = get(p + 16, 4)};
        if (d->n == 0xffff || d->size == NEED64 || d->at == NEED64)
            return find_directory64(z, at, d, e);
        return ERR_OK;
    }
    return err_set(e, ERR_CORRUPT, "not a zip archive, or cut short");
}

/* Takes the 64-bit fields from the extra data, in the fixed order of those that need it. */
static bool read_zip64(const uint8_t *extra, size_t n, uint64_t *const fields[3])
{
    while (n >= 4) {
        size_t id = get(extra, 2), len = get(extra + 2, 2), at = 4;

        if (len > n - 4)
            return false;
        for (int i = 0; id == EXTRA_ZIP64 && i < 3; i++) {
            if (*fields[i] != NEED64)
                continue;
            if (at + 8 > len + 4)
                return false;
            *fields[i] = get(extra + at, 8);
            at += 8;
        }
        if (id == EXTRA_ZIP64)
            return true;
        extra += len + 4;
        n -= len + 4;
    }
    return false;
}

/* One directory record at p, of which `left` bytes remain; *used is its length. */
static enum err_code read_entry(struct zip_in *z, const uint8_t *p, uint64_t left, uint64_t *used,
                                struct err *e)
{
    if (left < CENTRAL_BYTES || get(p, 4) != CENTRAL_SIG)
        return err_set(e, ERR_CORRUPT, "its directory is damaged");
    uint64_t packed = get(p + 20, 4), size = get(p + 24, 4), at = get(p + 42, 4);
    size_t n_name = get(p + 28, 2), n_extra = get(p + 30, 2), n_comment = get(p + 32, 2);
    *used = CENTRAL_BYTES + n_name + n_extra + n_comment;
    if (*used > left || memchr(p + CENTRAL_BYTES, 0, n_name))
        return err_set(e, ERR_CORRUPT, "its directory is damaged");
    const char *name = (const char *)p + CENTRAL_BYTES;
    if ((packed == NEED64 || size == NEED64 || at == NEED64) &&
        !read_zip64(p + CENTRAL_BYTES + n_name, n_extra, (uint64_t *[]){&size, &packed, &at}))
        return err_set(e, ERR_CORRUPT, "%.*s: ZIP64 sizes are missing", (int)n_name, name);
    if (get(p + 8, 2) & FLAG_ENCRYPTED || get(p + 10, 2) != 0 || packed != size)
        return err_set(e, ERR_INVALID, "%.*s: compressed or encrypted", (int)n_name, name);
    if (!is_inside(z, at, LOCAL_BYTES) || get(z->map + at, 4) != LOCAL_SIG)
        return err_set(e, ERR_CORRUPT, "%.*s: no entry where it should be", (int)n_name, name);
    uint64_t data = at + LOCAL_BYTES + get(z->map + at + 26, 2) + get(z->map + at + 28, 2);
    if (!is_inside(z, data, size))
        return err_set(e, ERR_CORRUPT, "%.*s: reaches beyond the end", (int)n_name, name);
    *new_entry(&z->entries, &z->n, &z->cap) =
        (struct zip_entry){copy(name, n_name), data, size, (uint32_t)get(p + 16, 4)};
    return ERR_OK;
}

static enum err_code read_directory(struct zip_in *z, struct err *e)
{
    struct directory d = {0};
    uint64_t at = 0, used = 0;

    if (find_directory(z, &d, e))
        return e->code;
    if (!is_inside(z, d.at, d.size))
        return err_set(e, ERR_CORRUPT, "its directory reaches beyond the end");
    for (uint64_t i = 0; i < d.n; i++, at += used)
        if (read_entry(z, z->map + d.at + at, d.size - at, &used, e))
            return e->code;
    return ERR_OK;
}

enum err_code zip_open(struct zip_in *z, const char *path, struct err *e)
{
    struct err own;
    struct stat st;
    int fd;

    e = e ? e : &own;
    *z = (struct zip_in){0};
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(e, ERR_INVALID, "%s: not a file", path);
    }
    if (st.st_size > 0) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);

        if (map == MAP_FAILED) {
            err_errno(e, errno, "%s: map", path);
            close(fd);
            return e->code;
        }
        z->map = map;
        z->size = (uint64_t)st.st_size;
    }
    close(fd);
    if (read_directory(z, e)) {
        zip_close(z);
        return err_wrap(e, "%s", path);
    }
    return ERR_OK;
}

void zip_close(struct zip_in *z)
{
    if (z->map)
        munmap((void *)z->map, z->size);
    entries_free(z->entries, z->n);
    *z = (struct zip_in){0};
}

const struct zip_entry *zip_find(const struct zip_in *z, const char *name)
{
    for (size_t i = 0; i < z->n; i++)
        if (strcmp(z->entries[i].name, name) == 0)
            return &z->entries[i];
    return NULL;
}

enum err_code zip_verify(const struct zip_in *z, const struct zip_entry *entry, struct err *e)
{
    if ((uint32_t)crc32_z(crc32_z(0, NULL, 0), z->map + entry->at, entry->size) != entry->crc)
        return err_set(e, ERR_CORRUPT, "%s: its CRC-32 does not match", entry->name);
    return ERR_OK;
}
