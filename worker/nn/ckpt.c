/* ckpt.c - see ckpt.h.  File: header, blocks (name, size, bytes), SHA-256 of all before it. */
#include "worker/nn/ckpt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/sha256.h"

#define MAGIC "saegrid state 1"

struct head {
    char magic[16], job[72];
    int64_t version, n_blocks;
};
struct block_head {
    char name[32];
    uint64_t size;
};

static struct head head_of(const struct ckpt *c)
{
    struct head h = {.magic = MAGIC, .version = c->version, .n_blocks = (int64_t)c->n_blocks};

    snprintf(h.job, sizeof h.job, "%s", c->job);
    return h;
}

static struct block_head block_head_of(const struct ckpt_block *b)
{
    struct block_head h = {.size = b->size};

    snprintf(h.name, sizeof h.name, "%s", b->name);
    return h;
}

static bool put(FILE *f, struct sha256 *sha, const void *data, size_t n)
{
    sha256_add(sha, data, n);
    return n == 0 || fwrite(data, 1, n, f) == n;
}

static bool put_all(FILE *f, const struct ckpt *c)
{
    struct head head = head_of(c);
    struct sha256 sha;
    uint8_t digest[32];

    sha256_init(&sha);
    bool ok = put(f, &sha, &head, sizeof head);
    for (size_t i = 0; i < c->n_blocks; i++) {
        struct block_head h = block_head_of(&c->blocks[i]);

        ok = ok && put(f, &sha, &h, sizeof h) &&
             put(f, &sha, c->blocks[i].data, c->blocks[i].size);
    }
    sha256_end(&sha, digest);
    return ok && fwrite(digest, 1, sizeof digest, f) == sizeof digest && fflush(f) == 0 &&
           fsync(fileno(f)) == 0;
}

enum err_code ckpt_save(const char *path, const struct ckpt *c, struct err *e)
{
    struct buf tmp = {0};
    enum err_code rc = ERR_OK;

    buf_fmt(&tmp, "%s.tmp", path);
    FILE *f = fopen(tmp.data, "wbe");
    if (!f) {
        rc = err_errno(e, errno, "open %s", tmp.data);
        buf_free(&tmp);
        return rc;
    }
    bool ok = put_all(f, c);
    int why = errno;
    if (fclose(f) != 0 && ok) {
        ok = false;
        why = errno;
    }
    if (ok && rename(tmp.data, path) != 0) {
        ok = false;
        why = errno;
    }
    if (!ok) {
        unlink(tmp.data);
        rc = err_errno(e, why ? why : EIO, "write %s", path);
    }
    buf_free(&tmp);
    return rc;
}

static bool get(FILE *f, struct sha256 *sha, void *data, size_t n)
{
    if (n > 0 && fread(data, 1, n, f) != n)
        return false;
    sha256_add(sha, data, n);
    return true;
}

/* NULL, or what is wrong. */
static const char *get_all(FILE *f, const struct ckpt *c, struct sha256 *sha)
{
    struct head want = head_of(c), have;

    if (!get(f, sha, &have, sizeof have))
        return "cut short";
    if (memcmp(&want, &have, sizeof have) != 0)
        return "of another job or version";
    for (size_t i = 0; i < c->n_blocks; i++) {
        struct block_head block = block_head_of(&c->blocks[i]), h;

        if (!get(f, sha, &h, sizeof h))
            return "cut short";
        if (memcmp(&h, &block, sizeof h) != 0)
            return "of another layout";
        if (!get(f, sha, c->blocks[i].data, c->blocks[i].size))
            return "cut short";
    }
    return NULL;
}

enum err_code ckpt_load(const char *path, const struct ckpt *c, struct err *e)
{
    FILE *f = fopen(path, "rbe");
    struct sha256 sha;
    uint8_t digest[32], have[32];
    const char *wrong;

    if (!f)
        return err_errno(e, errno, "open %s", path);
    sha256_init(&sha);
    wrong = get_all(f, c, &sha);
    sha256_end(&sha, digest);
    if (!wrong && (fread(have, 1, sizeof have, f) != sizeof have ||
                   memcmp(have, digest, sizeof have) != 0 || fgetc(f) != EOF))
        wrong = "damaged: the digest differs";
    fclose(f);
    return wrong ? err_set(e, ERR_CORRUPT, "%s: %s", path, wrong) : ERR_OK;
}

void ckpt_remove(const char *path)
{
    unlink(path);
}
