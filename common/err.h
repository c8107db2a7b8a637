/* err.h - error codes, their failure classes, and one text with wrapped context.
 *
 * The finder writes the text (`where: what: why`), callers that know more wrap it,
 * only main prints.  A `struct err` is plain memory on the caller's stack; passing
 * NULL is allowed and drops the text.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK           __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, va) __attribute__((format(printf, fmt, va)))
#define ARRAY_LEN(a)         (sizeof(a) / sizeof((a)[0]))
#define UNUSED               __attribute__((unused))

/* What the queue does about a failure; design in DESIGN.md, "Failures". */
#define ERR_CLASSES(X)                                                                             \
    X(NONE, "none")                                                                                \
    X(CONFIG, "config")     /* bad input: final */                                                 \
    X(INFRA, "infra")       /* disk, memory: tried again, counted */                               \
    X(CODE, "code")         /* our bug: final until a fix is recorded */                           \
    X(SCIENCE, "science")   /* a result with a verdict */                                          \
    X(EXTERNAL, "external") /* killed, lost, drained: tried again, free */

#define X(name, text) ERR_CLASS_##name,
enum err_class { ERR_CLASSES(X) ERR_CLASS_COUNT };
#undef X

/* name, class, exit code of a program that ends with it */
#define ERR_CODES(X)                                                                               \
    X(OK, NONE, 0)                                                                                 \
    X(USAGE, CONFIG, 64)      /* bad command line */                                               \
    X(INVALID, CONFIG, 65)    /* bad input */                                                      \
    X(NOT_FOUND, CONFIG, 65)  /* a file, job or name that does not exist */                        \
    X(CORRUPT, INFRA, 74)     /* stored data that does not match its digest or format */           \
    X(IO, INFRA, 74)          /* cannot read or write */                                           \
    X(NO_SPACE, INFRA, 74)    /* ENOSPC, EDQUOT */                                                 \
    X(NOMEM, INFRA, 71)       /* memory */                                                         \
    X(BUSY, INFRA, 69)        /* held by another process */                                        \
    X(UNAVAILABLE, INFRA, 69) /* a program that we need cannot be started */                       \
    X(DIVERGED, SCIENCE, 0)   /* non-finite loss: a result */                                      \
    X(BUG, CODE, 70)          /* an invariant of ours is broken */                                 \
    X(TIMEOUT, CONFIG, 78)    /* over the job's own time limit */                                  \
    X(STOPPED, EXTERNAL, 75)  /* asked to stop; goes on later */

#define X(name, class, exit_code) ERR_##name,
enum err_code { ERR_CODES(X) ERR_CODE_COUNT };
#undef X

struct err {
    enum err_code code;
    char text[1024]; /* always terminated; cut at the front when wrapping overflows */
};

/* Sets code and text, returns the code: `return err_set(e, ERR_IO, "open %s: %s", ...)`. */
enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set(ERR_IO or ERR_NO_SPACE or ERR_NOT_FOUND ...) by errno; appends strerror. */
enum err_code err_errno(struct err *e, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " in front of the text, keeps and returns the code. */
enum err_code err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

enum err_class err_class(enum err_code code);
int err_exit_code(enum err_code code);
const char *err_name(enum err_code code);              /* "INVALID" */
const char *err_class_name(enum err_class c);          /* "config" */
bool err_class_parse(const char *name, enum err_class *out);
