/* err.c - see err.h. */
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum err_class class;
    int exit_code;
} codes[] = {
#define X(name, class, exit_code) {#name, ERR_CLASS_##class, exit_code},
    ERR_CODES(X)
#undef X
};

static const char *const class_names[] = {
#define X(name, text) text,
    ERR_CLASSES(X)
#undef X
};

enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    if (!e)
        return code;
    e->code = code;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    return code;
}

static enum err_code code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOMEM:
        return ERR_NOMEM;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    default:
        return ERR_IO;
    }
}

enum err_code err_errno(struct err *e, int errnum, const char *fmt, ...)
{
    va_list ap;
    size_t n;

    if (!e)
        return code_of_errno(errnum);
    e->code = code_of_errno(errnum);
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    n = strlen(e->text);
    snprintf(e->text + n, sizeof e->text - n, ": %s%s", strerror(errnum), errnum == EFBIG ? " (ulimit -f)" : "");
    return e->code;
}

enum err_code err_wrap(struct err *e, const char *fmt, ...)
{
    char old[sizeof e->text];
    va_list ap;
    size_t n, n_old;

    if (!e)
        return ERR_BUG;
    memcpy(old, e->text, sizeof old);
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    n = strlen(e->text);
    if (n > sizeof e->text / 2) /* the cause matters more than the context */
        n = sizeof e->text / 2;
    memcpy(e->text + n, ": ", 2);
    n += 2;
    n_old = strlen(old);
    if (n_old > sizeof e->text - 1 - n)
        n_old = sizeof e->text - 1 - n;
    memcpy(e->text + n, old, n_old);
    e->text[n + n_old] = '\0';
    return e->code;
}

enum err_class err_class(enum err_code code)
{
    return codes[code].class;
}

int err_exit_code(enum err_code code)
{
    return codes[code].exit_code;
}

const char *err_name(enum err_code code)
{
    return codes[code].name;
}

const char *err_class_name(enum err_class c)
{
    return class_names[c];
}

bool err_class_parse(const char *name, enum err_class *out)
{
    for (size_t i = 0; i < ARRAY_LEN(class_names); i++) {
        if (strcmp(name, class_names[i]) == 0) {
            *out = (enum err_class)i;
            return true;
        }
    }
    return false;
}
