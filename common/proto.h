/* proto.h - the messages of proto.def: structs, encode, decode, print.
 *
 * A datagram is one or more records {u16 type, u32 length of the fields, fields}, all
 * little-endian.  I64 and F64 take 8 bytes; STR is u32 length, the bytes and a zero.  Magic and
 * version stand in HELLO only: a peer that said no good HELLO is not listened to.
 * Decoding borrows: strings point into the datagram.  Anything malformed (cut, oversized,
 * unknown type, missing zero, left-over bytes) is ERR_INVALID and moves nothing.
 */
#pragma once
#include <stdint.h>

#include "common/buf.h"

#define PROTO_MAGIC   INT64_C(0x0064697267656173) /* "saegrid" */
#define PROTO_VERSION 1

enum { PROTO_STR_MAX = 1 << 20, PROTO_DATAGRAM_MAX = 64 << 20, PROTO_HEAD = 6 };

enum proto_reason { PROTO_REASON_END, PROTO_REASON_VERSION, PROTO_REASON_BUILD };

enum msg_type {
    MSG_NONE,
#define MSG(name, fields) MSG_##name,
#include "common/proto.def"
#undef MSG
    MSG_TYPE_COUNT
};

#define I64(f) int64_t f;
#define F64(f) double f;
#define STR(f) const char *f; /* NULL is sent as "" */
#define MSG(name, fields)                                                                          \
    struct msg_##name {                                                                            \
        fields                                                                                     \
    };
#include "common/proto.def"
#undef MSG
#undef I64
#undef F64
#undef STR

struct msg {
    enum msg_type type;
    union {
#define MSG(name, fields) struct msg_##name name;
#include "common/proto.def"
#undef MSG
    } u;
};

/* Appends one record.  A string over PROTO_STR_MAX is cut there. */
void proto_add(struct buf *out, const struct msg *m);

struct proto_reader {
    const uint8_t *at, *end;
};

struct proto_reader proto_read(const void *data, size_t n);
/* Next record into *m; *has_one is false at the end. */
MUST_CHECK enum err_code proto_next(struct proto_reader *r, struct msg *m, bool *has_one,
                                    struct err *e);

const char *msg_name(enum msg_type t);                    /* "GRANT" */
void proto_print(struct buf *out, const struct msg *m);   /* GRANT job=1 epoch=2 dir="..." */

/* "job:epoch ..." lists.  proto_held_next reads one pair and moves *text past it; false at the
 * end or at anything else than a pair. */
void proto_held_add(struct buf *out, int64_t job, int64_t epoch);
bool proto_held_next(const char **text, int64_t *job, int64_t *epoch);
