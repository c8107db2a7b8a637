/* faults.h - the n-th system call of a kind fails; for a test program that includes it once.
 *
 * The functions below replace those of libc in the whole program, SQLite's calls too.  Nothing
 * fails until fault_arm(); calls are counted while armed.  Syncs do not reach the disk: what is
 * tested is the order of things, not the power supply.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum fault_kind {
    FAULT_WRITE = 1,  /* write, pwrite, ftruncate, fwrite, fflush */
    FAULT_SYNC = 2,   /* fsync, fdatasync */
    FAULT_NAME = 4,   /* rename, mkdir, unlink */
    FAULT_OPEN = 8,   /* open, pipe */
    FAULT_CLOSE = 16, /* the descriptor is closed all the same */
    FAULT_ALL = 31
};

static struct {
    unsigned kinds;
    long left;       /* calls until one fails; 0: never, -1: never, but they are noted */
    int errnum;
    bool has_failed;
} fault;

static UNUSED void fault_arm(unsigned kinds, long n, int errnum)
{
    fault.kinds = kinds;
    fault.left = n;
    fault.errnum = errnum;
    fault.has_failed = false;
}

/* True if one call has failed since. */
static UNUSED bool fault_disarm(void)
{
    fault.kinds = 0;
    fault.left = 0;
    return fault.has_failed;
}

static void (*fault_note)(bool fails); /* sites.h */

static bool fails_now(enum fault_kind kind)
{
    if (!(fault.kinds & kind) || fault.left == 0)
        return false;
    bool fails = fault.left > 0 && --fault.left == 0;
    if (fault_note)
        fault_note(fails);
    if (!fails)
        return false;
    errno = fault.errnum;
    fault.has_failed = true;
    return true;
}

ssize_t write(int fd, const void *data, size_t n)
{
    return fails_now(FAULT_WRITE) ? -1 : syscall(SYS_write, fd, data, n);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return fails_now(FAULT_WRITE) ? -1 : syscall(SYS_pwrite64, fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t at) { return pwrite(fd, data, n, at); }

int ftruncate(int fd, off_t size)
{
    return fails_now(FAULT_WRITE) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

size_t fwrite(const void *data, size_t size, size_t n, FILE *f)
{
    return fails_now(FAULT_WRITE) ? 0 : fwrite_unlocked(data, size, n, f);
}

int fflush(FILE *f)
{
    return f && fails_now(FAULT_WRITE) ? EOF : fflush_unlocked(f);
}

int fsync(int fd)
{
    (void)fd;
    return fails_now(FAULT_SYNC) ? -1 : 0;
}

int fdatasync(int fd) { return fsync(fd); }

int rename(const char *from, const char *to)
{
    return fails_now(FAULT_NAME) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdir(const char *path, mode_t mode)
{
    return fails_now(FAULT_NAME) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int unlink(const char *path)
{
    return fails_now(FAULT_NAME) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int open(const char *path, int flags, ...)
{
    va_list ap;

    va_start(ap, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return fails_now(FAULT_OPEN) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list ap;

    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return open(path, flags, mode);
}

int pipe2(int fd[2], int flags)
{
    return fails_now(FAULT_OPEN) ? -1 : (int)syscall(SYS_pipe2, fd, flags);
}

int close(int fd)
{
    int rc = (int)syscall(SYS_close, fd);

    return fails_now(FAULT_CLOSE) ? -1 : rc;
}
