/* fs.h - files that survive crashes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* Write a temporary file beside it, fsync, rename, fsync the folder: a crash or an error leaves the
 * old file or the new one. */
MUST_CHECK enum err_code fs_replace(const char *path, const void *data, size_t n, struct err *e);
/* Appends and syncs; what a failing write added is cut off again.  One writer at a time. */
MUST_CHECK enum err_code fs_append(const char *path, const void *data, size_t n, struct err *e);
/* whole file, at most `max` bytes; a folder, a FIFO or a larger file is an error */
MUST_CHECK enum err_code fs_read(const char *path, size_t max, struct buf *out, struct err *e);
MUST_CHECK enum err_code fs_mkdirs(const char *path, struct err *e);
/* A file on NFS that was removed while a process had it open: it goes with that process.  Such names are
 * left out when a tree is walked. */
bool fs_is_ghost(const char *name);
/* Waits up to 10 s for ghosts. */
MUST_CHECK enum err_code fs_remove_tree(const char *path,
                                        struct err *e); /* absent is fine; never follows links */
MUST_CHECK enum err_code fs_sync_tree(const char *path,
                                      struct err *e); /* fsync files and folders below */
/* The same for many: those of one local file system with a single syncfs, which costs less than the
 * fsync of each of their files (it reports errors since Linux 5.8; FUSE and network file systems
 * may ignore it). */
enum { FS_SYNC_WHOLE_MIN = 4 };
MUST_CHECK enum err_code fs_sync_trees(const char *const *paths, size_t n, struct err *e);
MUST_CHECK enum err_code fs_rename_dir(const char *from, const char *to,
                                       struct err *e); /* and fsync the parent */
/* Renames all, then fsyncs each parent once; what was renamed before counts as done. */
MUST_CHECK enum err_code fs_rename_dirs(const char *const *from, const char *const *to, size_t n,
                                        struct err *e);
bool fs_is_dir(const char *path);
bool fs_is_file(const char *path);
MUST_CHECK enum err_code fs_free_bytes(const char *path, uint64_t *out, struct err *e);
/* "nfs", "lustre", ... for network file systems, else NULL */
const char *fs_network_type(const char *path);
/* A relative path that leads from folder `from` to `to` (both relative to the same root, or absolute). */
void fs_relative(struct buf *out, const char *from, const char *to);
/* Folder of the running executable. */
MUST_CHECK enum err_code fs_exe_dir(struct buf *out, struct err *e);
/* A name that stays one folder: [A-Za-z0-9._-]+, not starting with '.' or '-', at most 200 bytes. */
bool fs_name_is_safe(const char *name);
