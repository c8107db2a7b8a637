/* tables.h - the tables that commands print: views and stored queries by name.
 */
#pragma once
#include "coordinator/manifest_query.h"

struct tables_ask {
    const char *name;           /* a view or a stored query */
    const char *sweep;          /* NULL: all */
    const char *where;          /* SQL condition over its columns, or NULL */
    const char *columns;        /* "a,b,c", or NULL: all */
    const char *order;          /* SQL, or NULL */
    int64_t limit;              /* 0: none */
    bool with_beware;           /* a last column `beware` (beware.h), if a row has something in it */
};

MUST_CHECK enum err_code tables_get(struct query *q, const struct tables_ask *a, struct table *out,
                                    struct err *e);
/* "runs, summary, ...", for messages. */
void tables_names(struct buf *out);
bool tables_is_knob(const struct table *t, size_t col);
/* A knob's value for people: of a file the last part of its path, without the digest. */
void tables_knob_text(const struct cell *c, struct buf *out);
/* True if rows of the same stage differ in the column; absent values do not count. */
bool tables_varies(const struct table *t, size_t col);
/* What a person wants to see of it: no ids, no columns without a value or, beside the ones that
 * matter, with one value only. */
void tables_trim(struct table *t);
