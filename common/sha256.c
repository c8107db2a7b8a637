/* sha256.c - the door to libcrypto. */
#include "common/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/oom.h"

/* libcrypto refuses only without memory, or when it was built without SHA-256. */
static void must(int ok)
{
    if (!ok)
        oom_exit("libcrypto cannot compute SHA-256");
}

void sha256_init(struct sha256 *s)
{
    static EVP_MD *md; /* looked up once: that costs more than the digest of a small file */

    if (!md)
        md = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->ctx = EVP_MD_CTX_new();
    must(md && s->ctx && EVP_DigestInit_ex(s->ctx, md, NULL));
}

void sha256_add(struct sha256 *s, const void *data, size_t n)
{
    must(EVP_DigestUpdate(s->ctx, data, n));
}

void sha256_end(struct sha256 *s, uint8_t out[32])
{
    must(EVP_DigestFinal_ex(s->ctx, out, NULL));
    EVP_MD_CTX_free(s->ctx);
    s->ctx = NULL;
}

void sha256_of(const void *data, size_t n, uint8_t out[32])
{
    struct sha256 s;

    sha256_init(&s);
    sha256_add(&s, data, n);
    sha256_end(&s, out);
}

enum err_code sha256_file(const char *path, uint8_t out[32], uint64_t *size, struct err *e)
{
    char block[65536];
    struct sha256 s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got;
    int errnum;

    if (fd < 0)
        return err_errno(e, errno, "open %s", path);
    sha256_init(&s);
    *size = 0;
    do {
        got = read(fd, block, sizeof block);
        errnum = errno;
        if (got > 0) {
            sha256_add(&s, block, (size_t)got);
            *size += (uint64_t)got;
        }
    } while (got > 0 || (got < 0 && errnum == EINTR));
    sha256_end(&s, out);
    close(fd);
    return got < 0 ? err_errno(e, errnum, "read %s", path) : ERR_OK;
}

char *hex_text(char *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
    return out;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_parse(uint8_t *out, size_t n, const char *text)
{
    if (strlen(text) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
