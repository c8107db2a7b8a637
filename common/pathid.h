/* pathid.h - a file or folder as a knob: its digest is the identity, its path only says where.
 *
 * Text: "sha256:<64 hex> <absolute path>".  The digest of a file is that of its bytes; of a folder,
 * that of the list of its files, "<path below it> <64 hex>\n" each, sorted bytewise; links are
 * followed to files, never to folders.
 */
#pragma once
#include "common/buf.h"

/* Appends the text for `path`, which must exist. */
MUST_CHECK enum err_code pathid_make(struct buf *out, const char *path, struct err *e);
size_t pathid_len(const char *text);        /* of the part that is identity */
const char *pathid_path(const char *text);  /* the path; the text itself if it has no digest */
/* ERR_INVALID if what lies there now has another digest; a text without one is not checked. */
MUST_CHECK enum err_code pathid_verify(const char *text, struct err *e);
