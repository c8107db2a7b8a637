/* text.h - texts as files: which there are, and reading them in pieces. */
#pragma once
#include <stdbool.h>

#include "common/buf.h"

/* Files below a folder, sorted bytewise by their path: every regular file but hidden ones and
 * README*, LICENSE*.  A file stands for itself. */
struct text_files {
    char **path;
    size_t n, cap;
};
MUST_CHECK enum err_code text_list(struct text_files *f, const char *path, struct err *e);
void text_files_free(struct text_files *f);

/* What is put into a split, or left out, as one. */
enum text_unit {
    TEXT_DOCUMENT, /* a file */
    TEXT_BLOCK,    /* whole paragraphs, as many as are needed for block_bytes */
    TEXT_LINE      /* without its line end; blank lines are left out */
};

/* A file, plain or gzip'd, unit by unit.  Documents come in pieces, the last with is_end. */
struct text_reader {
    const char *path;
    void *file;
    enum text_unit unit;
    size_t block_bytes;
    struct buf buf;      /* read and not yet handed out */
    size_t at;           /* of it, handed out by earlier calls */
    size_t seen;         /* behind `at`, looked through for an end in vain */
    bool is_over;        /* nothing more to read */
};
struct text_piece {
    const char *text;    /* borrowed until the next call */
    size_t n;
    bool is_end;         /* of the unit */
};
MUST_CHECK enum err_code text_open(struct text_reader *r, const char *path, enum text_unit unit,
                                   size_t block_bytes, struct err *e);
/* False: no more (ERR_OK in *rc) or an error. */
bool text_next(struct text_reader *r, struct text_piece *p, enum err_code *rc, struct err *e);
void text_close(struct text_reader *r);

/* Runs of bytes between white space (ASCII), counted as a stream. */
struct word_count {
    uint64_t n;
    bool is_inside;
};
void word_count_add(struct word_count *w, const char *text, size_t n);
