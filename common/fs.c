/* fs.c - see fs.h.
 *
 * A file is replaced by: temporary name in the same folder, full write, fsync, close (NFS
 * reports late), rename, fsync of the folder.  Trees are walked by folder descriptors and
 * never through symbolic links.
 */
#include "common/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/clock.h"

enum { GHOST_US = 50000, GHOST_TRIES = 200 };

static enum err_code write_all(int fd, const char *path, const void *data, size_t n, struct err *e)
{
    const char *p = data;

    while (n) {
        ssize_t put = write(fd, p, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return err_errno(e, put ? errno : ENOSPC, "write %s", path);
        p += put;
        n -= (size_t)put;
    }
    return ERR_OK;
}

/* "a/b" -> "a", "b" -> ".", "/b" -> "/" */
static void parent_of(struct buf *out, const char *path)
{
    const char *end = path + strlen(path);

    while (end > path + 1 && end[-1] == '/')
        end--;
    while (end > path && end[-1] != '/')
        end--;
    while (end > path + 1 && end[-1] == '/')
        end--;
    if (end == path)
        buf_str(out, ".");
    else
        buf_add(out, path, (size_t)(end - path));
}

static enum err_code sync_parent(const char *path, struct err *e)
{
    enum err_code rc = ERR_OK;
    struct buf dir = {0};
    int fd;

    parent_of(&dir, path);
    fd = open(dir.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems cannot fsync a folder: EINVAL. */
    if (fd < 0 || (fsync(fd) && errno != EINVAL))
        rc = err_errno(e, errno, "sync folder %s", dir.data);
    if (fd >= 0)
        close(fd);
    buf_free(&dir);
    return rc;
}

/* Writes, syncs and closes; the first error counts. */
static enum err_code write_sync_close(int fd, const char *path, const void *data, size_t n,
                                      struct err *e)
{
    enum err_code rc = write_all(fd, path, data, n, e);

    if (!rc && fsync(fd))
        rc = err_errno(e, errno, "sync %s", path);
    if (close(fd) && !rc)
        rc = err_errno(e, errno, "close %s", path);
    return rc;
}

enum err_code fs_replace(const char *path, const void *data, size_t n, struct err *e)
{
    enum err_code rc;
    struct buf tmp = {0};
    int fd;

    buf_fmt(&tmp, "%s.tmp.%ld", path, (long)getpid());
    fd = open(tmp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        rc = err_errno(e, errno, "create %s", tmp.data);
        buf_free(&tmp);
        return rc;
    }
    rc = write_sync_close(fd, tmp.data, data, n, e);
    if (!rc && rename(tmp.data, path))
        rc = err_errno(e, errno, "rename %s to %s", tmp.data, path);
    if (rc)
        unlink(tmp.data);
    else
        rc = sync_parent(path, e);
    buf_free(&tmp);
    return rc;
}

enum err_code fs_append(const char *path, const void *data, size_t n, struct err *e)
{
    enum err_code rc;
    struct stat st;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);

    if (fd < 0)
        return err_errno(e, errno, "open %s", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(e, ERR_INVALID, "%s: is not a regular file", path);
    }
    rc = write_sync_close(fd, path, data, n, e);
    if (rc && truncate(path, st.st_size)) /* no half line stays behind */
        err_wrap(e, "%s: the last line may be cut", path);
    return rc;
}

static enum err_code check_regular(int fd, const char *path, size_t max, struct err *e)
{
    struct stat st;

    if (fstat(fd, &st))
        return err_errno(e, errno, "stat %s", path);
    if (S_ISDIR(st.st_mode))
        return err_set(e, ERR_INVALID, "%s: is a folder, not a file", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "%s: is not a regular file", path);
    if (st.st_size > 0 && (uint64_t)st.st_size > max)
        return err_set(e, ERR_INVALID, "%s: %lld bytes is over the limit of %zu", path,
                       (long long)st.st_size, max);
    return ERR_OK;
}

enum err_code fs_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    /* O_NONBLOCK: a FIFO without a writer must not hang us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    size_t before = out->len;
    enum err_code rc;
    char block[16384];

    if (fd < 0)
        return err_errno(e, errno, "open %s", path);
    rc = check_regular(fd, path, max, e);
    while (!rc) {
        ssize_t got = read(fd, block, sizeof block);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = err_errno(e, errno, "read %s", path);
        else if ((size_t)got > max - (out->len - before))
            rc = err_set(e, ERR_INVALID, "%s: grew over the limit of %zu bytes", path, max);
        else
            buf_add(out, block, (size_t)got);
        if (got <= 0)
            break;
    }
    close(fd);
    return rc;
}

enum err_code fs_mkdirs(const char *path, struct err *e)
{
    enum err_code rc = ERR_OK;
    struct buf b = {0};
    size_t i = 0;

    if (!*path)
        return err_set(e, ERR_INVALID, "make folder: the path is empty");
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && fs_is_dir(path)))
        return ERR_OK;
    buf_str(&b, path);
    while (!rc && i < b.len) {
        char cut;

        i++;
        while (i < b.len && b.data[i] != '/')
            i++;
        cut = b.data[i];
        b.data[i] = '\0';
        if (mkdir(b.data, 0777) && !fs_is_dir(b.data)) {
            if (errno == EEXIST || errno == ENOTDIR)
                rc = err_set(e, ERR_INVALID, "make folder %s: a file is in the way", b.data);
            else
                rc = err_errno(e, errno, "make folder %s", b.data);
        }
        b.data[i] = cut;
    }
    buf_free(&b);
    return rc;
}

bool fs_is_ghost(const char *name)
{
    return strncmp(name, ".nfs", 4) == 0;
}

/* One entry of a folder while its tree is walked; the folder itself comes after its contents. */
typedef int tree_fn(int dir_fd, const char *name, bool is_dir);

static int tree_walk(int dir_fd, const char *name, tree_fn *fn)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct dirent *t;
    int errnum = 0;
    DIR *dir;

    if (fd < 0)
        return errno == ENOTDIR || errno == ELOOP ? fn(dir_fd, name, false) : errno;
    dir = fdopendir(fd);
    if (!dir) {
        errnum = errno;
        close(fd);
        return errnum;
    }
    while (!errnum) {
        errno = 0;
        t = readdir(dir);
        if (!t) {
            errnum = errno;
            break;
        }
        if (strcmp(t->d_name, ".") && strcmp(t->d_name, "..") && !fs_is_ghost(t->d_name))
            errnum = tree_walk(fd, t->d_name, fn);
    }
    closedir(dir);
    return errnum ? errnum : fn(dir_fd, name, true);
}

static int remove_entry(int dir_fd, const char *name, bool is_dir)
{
    return unlinkat(dir_fd, name, is_dir ? AT_REMOVEDIR : 0) ? errno : 0;
}

static int sync_entry(int dir_fd, const char *name, bool is_dir)
{
    int fd = openat(dir_fd, name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (is_dir ? O_DIRECTORY : 0));
    int errnum = 0;

    if (fd < 0) /* a link or a socket has no content of its own */
        return errno == ELOOP || errno == ENXIO ? 0 : errno;
    if (fsync(fd) && errno != EINVAL)
        errnum = errno;
    close(fd);
    return errnum;
}

enum err_code fs_remove_tree(const char *path, struct err *e)
{
    int errnum = tree_walk(AT_FDCWD, path, remove_entry);

    for (int i = 0; i < GHOST_TRIES && errnum == ENOTEMPTY; i++) { /* whoever holds a file is about to end */
        clock_system.sleep_us(&clock_system, GHOST_US);
        errnum = tree_walk(AT_FDCWD, path, remove_entry);
    }
    return errnum && errnum != ENOENT ? err_errno(e, errnum, "remove %s", path) : ERR_OK;
}

enum err_code fs_sync_tree(const char *path, struct err *e)
{
    int errnum = tree_walk(AT_FDCWD, path, sync_entry);

    return errnum ? err_errno(e, errnum, "sync %s", path) : ERR_OK;
}

/* Starts writing a file's data, and asks for no more. */
static int start_entry(int dir_fd, const char *name, bool is_dir)
{
    int fd = is_dir ? -1 : openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0) {
        sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint: fsync follows */
        close(fd);
    }
    return 0;
}

static enum err_code sync_whole(const char *path, dev_t *done, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err_code rc = ERR_OK;
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        rc = err_errno(e, errno, "sync %s", path);
    else if (st.st_dev != *done && syncfs(fd))
        rc = err_errno(e, errno, "sync the file system of %s", path);
    else
        *done = st.st_dev;
    if (fd >= 0)
        close(fd);
    return rc;
}

enum err_code fs_sync_trees(const char *const *paths, size_t n, struct err *e)
{
    bool by_file = n < FS_SYNC_WHOLE_MIN || fs_network_type(paths[0]);
    enum err_code rc = ERR_OK;
    dev_t done = 0;

    for (size_t i = 0; i < n && by_file; i++)
        tree_walk(AT_FDCWD, paths[i], start_entry);
    for (size_t i = 0; i < n && !rc; i++)
        rc = by_file ? fs_sync_tree(paths[i], e) : sync_whole(paths[i], &done, e);
    return rc;
}

static enum err_code rename_dir(const char *from, const char *to, struct err *e)
{
    struct stat before, after;

    if (stat(from, &before))
        return err_errno(e, errno, "rename %s", from);
    if (rename(from, to)) {
        int errnum = errno;

        /* NFS may report an error for a rename that happened. */
        if (stat(to, &after) || after.st_ino != before.st_ino || after.st_dev != before.st_dev ||
            access(from, F_OK) == 0)
            return err_errno(e, errnum, "rename %s to %s", from, to);
    }
    return ERR_OK;
}

enum err_code fs_rename_dir(const char *from, const char *to, struct err *e)
{
    enum err_code rc = rename_dir(from, to, e);

    return rc ? rc : sync_parent(to, e);
}

static bool has_same_parent(const char *a, const char *b)
{
    const char *end_a = strrchr(a, '/'), *end_b = strrchr(b, '/');

    return end_a && end_b && end_a - a == end_b - b && memcmp(a, b, (size_t)(end_a - a)) == 0;
}

enum err_code fs_rename_dirs(const char *const *from, const char *const *to, size_t n, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < n && !rc; i++)
        if (!fs_is_dir(to[i]) || fs_is_dir(from[i])) /* else it was renamed before */
            rc = rename_dir(from[i], to[i], e);
    for (size_t i = 0; i < n && !rc; i++)
        if (i == 0 || !has_same_parent(to[i], to[i - 1]))
            rc = sync_parent(to[i], e);
    return rc;
}

bool fs_is_dir(const char *path)
{
    int errnum = errno;
    struct stat st;
    bool yes = stat(path, &st) == 0 && S_ISDIR(st.st_mode);

    errno = errnum; /* callers report the error that made them ask */
    return yes;
}

bool fs_is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

enum err_code fs_free_bytes(const char *path, uint64_t *out, struct err *e)
{
    struct statvfs st;

    if (statvfs(path, &st))
        return err_errno(e, errno, "free space of %s", path);
    *out = (uint64_t)st.f_bavail * st.f_frsize;
    return ERR_OK;
}

const char *fs_network_type(const char *path)
{
    static const struct {
        uint32_t magic;
        const char *name;
    } row[] = {
        {0x6969, "nfs"},      {0x0BD00BD0, "lustre"}, {0x47504653, "gpfs"},   {0xFF534D42, "cifs"},
        {0xFE534D42, "smb2"}, {0x00C36400, "ceph"},   {0x19830326, "beegfs"}, {0x5346414F, "afs"},
        {0x65735546, "fuse"}, {0x01021997, "9p"},     {0xAAD7AAEA, "panfs"},
    };
    struct statfs st;

    if (statfs(path, &st))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        if (row[i].magic == (uint32_t)st.f_type)
            return row[i].name;
    }
    return NULL;
}

/* Next component of *p into [*at, *at + *n), "." skipped; false at the end. */
static bool component(const char **p, const char **at, size_t *n)
{
    do {
        while (**p == '/')
            (*p)++;
        *at = *p;
        *n = strcspn(*p, "/");
        *p += *n;
    } while (*n == 1 && **at == '.');
    return *n > 0;
}

void fs_relative(struct buf *out, const char *from, const char *to)
{
    const char *a = from, *b = to, *at, *at2, *rest = to;
    size_t n, n2, before = out->len;
    bool more = component(&a, &at, &n);

    while (more && component(&b, &at2, &n2) && n == n2 && memcmp(at, at2, n) == 0) {
        rest = b;
        more = component(&a, &at, &n);
    }
    for (; more; more = component(&a, &at, &n))
        buf_str(out, out->len > before ? "/.." : "..");
    while (component(&rest, &at, &n)) {
        if (out->len > before)
            buf_char(out, '/');
        buf_add(out, at, n);
    }
    if (out->len == before)
        buf_char(out, '.');
}

enum err_code fs_exe_dir(struct buf *out, struct err *e)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n < 0)
        return err_errno(e, errno, "read link /proc/self/exe");
    path[n] = '\0';
    parent_of(out, path);
    return ERR_OK;
}

bool fs_name_is_safe(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(name);

    return n > 0 && n <= 200 && name[0] != '.' && name[0] != '-' && strspn(name, allowed) == n;
}
