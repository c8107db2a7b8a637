/* pairs.h - minimal pairs: sentences that differ in one point, one of them acceptable (BLiMP).
 *
 * Files of JSON lines, plain or gzip'd: sentence_good, sentence_bad, field, linguistics_term, UID,
 * pairID (text or number).  Pairs of one UID are a paradigm; their order is that of the files.
 * Known oddities are kept or mended: identical sentences stay pairs (is_same), "syntax/semantics" is the
 * field "syntax_semantics", one term may occur under two fields.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct pair {
    char *good, *bad;
    long id;
    size_t paradigm;
    bool is_same;
};

struct paradigm {
    char *uid, *term, *field;
    size_t first, n;    /* its pairs */
};

struct pairs {
    struct pair *pair;
    size_t n, cap;
    struct paradigm *paradigm;
    size_t n_paradigms, cap_paradigms;
};

/* A file, or all files below a folder.  max_each: the first so many pairs of each paradigm, 0: all. */
MUST_CHECK enum err_code pairs_read(struct pairs *p, const char *path, size_t max_each, struct err *e);
void pairs_free(struct pairs *p);
