/* pt_zip.h - zip archives whose entries are stored, their data at multiples of 64 bytes.
 *
 * What torch.save writes and torch.load maps.  ZIP64 where a size or offset needs it.  Compressed
 * or encrypted entries are refused when read.
 */
#pragma once
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"

enum { ZIP_ALIGN = 64 };

struct zip_entry {
    char *name;
    uint64_t at, size; /* writing: at is the local header; reading: the data */
    uint32_t crc;
};

struct zip_out {
    FILE *file;
    char *path, *part;   /* written as <path>.part, then renamed */
    uint64_t at;
    uint64_t zip64_from; /* sizes and offsets from here on use ZIP64; 0xffffffff but in tests */
    struct zip_entry *entries;
    size_t n, cap;
};

MUST_CHECK enum err_code zip_create(struct zip_out *z, const char *path, struct err *e);
MUST_CHECK enum err_code zip_add(struct zip_out *z, const char *name, const void *data,
                                 uint64_t size, struct err *e);
/* Directory, fsync, rename.  Closes the archive in every case; a failed one leaves no file. */
MUST_CHECK enum err_code zip_finish(struct zip_out *z, struct err *e);
void zip_abandon(struct zip_out *z);

struct zip_in {
    const uint8_t *map;
    uint64_t size;
    struct zip_entry *entries;
    size_t n, cap;
};

/* Maps the file read-only and checks every offset. */
MUST_CHECK enum err_code zip_open(struct zip_in *z, const char *path, struct err *e);
void zip_close(struct zip_in *z);
const struct zip_entry *zip_find(const struct zip_in *z, const char *name);
/* ERR_CORRUPT if the data do not have the entry's CRC-32. */
MUST_CHECK enum err_code zip_verify(const struct zip_in *z, const struct zip_entry *entry,
                                    struct err *e);
