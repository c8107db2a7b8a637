/* proto.c - see proto.h.  Everything per message is generated from proto.def. */
#include "common/proto.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- encoding ----------------------------------------------------------------------------- */

static void put_u32(struct buf *b, uint32_t v)
{
    uint8_t raw[4];

    for (int i = 0; i < 4; i++)
        raw[i] = (uint8_t)(v >> (8 * i));
    buf_add(b, raw, sizeof raw);
}

static void put_i64(struct buf *b, int64_t v)
{
    put_u32(b, (uint32_t)(uint64_t)v);
    put_u32(b, (uint32_t)((uint64_t)v >> 32));
}

static void put_f64(struct buf *b, double v)
{
    int64_t bits;

    memcpy(&bits, &v, sizeof bits);
    put_i64(b, bits);
}

static void put_str(struct buf *b, const char *s)
{
    size_t n = s ? strnlen(s, PROTO_STR_MAX) : 0;

    put_u32(b, (uint32_t)n);
    if (n)
        buf_add(b, s, n);
    buf_char(b, '\0');
}

#define I64(f) put_i64(out, m->f);
#define F64(f) put_f64(out, m->f);
#define STR(f) put_str(out, m->f);
#define MSG(name, fields)                                                                          \
    static void put_##name(struct buf *out, const struct msg_##name *m)                            \
    {                                                                                              \
        fields                                                                                     \
    }
#include "common/proto.def"
#undef MSG
#undef I64
#undef F64
#undef STR

void proto_add(struct buf *out, const struct msg *m)
{
    uint8_t head[PROTO_HEAD] = {(uint8_t)m->type, (uint8_t)(m->type >> 8)};
    size_t start = out->len;

    buf_add(out, head, sizeof head);
    switch (m->type) {
#define MSG(name, fields)                                                                          \
    case MSG_##name:                                                                               \
        put_##name(out, &m->u.name);                                                               \
        break;
#include "common/proto.def"
#undef MSG
    default:
        abort();
    }
    uint32_t n = (uint32_t)(out->len - start - PROTO_HEAD);
    for (size_t i = 0; i < 4; i++)
        out->data[start + 2 + i] = (char)(uint8_t)(n >> (8 * i));
}

/* --- decoding ----------------------------------------------------------------------------- */

static bool get_u32(struct proto_reader *r, uint32_t *v)
{
    if (r->end - r->at < 4)
        return false;
    *v = (uint32_t)r->at[0] | (uint32_t)r->at[1] << 8 | (uint32_t)r->at[2] << 16 |
         (uint32_t)r->at[3] << 24;
    r->at += 4;
    return true;
}

static bool get_i64(struct proto_reader *r, int64_t *v)
{
    uint32_t low = 0, high = 0;

    if (!get_u32(r, &low) || !get_u32(r, &high))
        return false;
    *v = (int64_t)((uint64_t)high << 32 | low);
    return true;
}

static bool get_f64(struct proto_reader *r, double *v)
{
    int64_t bits;

    if (!get_i64(r, &bits))
        return false;
    memcpy(v, &bits, sizeof *v);
    return true;
}

static bool get_str(struct proto_reader *r, const char **s)
{
    uint32_t n;

    if (!get_u32(r, &n) || n > PROTO_STR_MAX || (size_t)(r->end - r->at) < (size_t)n + 1)
        return false;
    if (r->at[n] != 0 || memchr(r->at, 0, n))
        return false;
    *s = (const char *)r->at;
    r->at += (size_t)n + 1;
    return true;
}

#define I64(f) &&get_i64(r, &m->f)
#define F64(f) &&get_f64(r, &m->f)
#define STR(f) &&get_str(r, &m->f)
#define MSG(name, fields)                                                                          \
    static bool get_##name(struct proto_reader *r, struct msg_##name *m)                           \
    {                                                                                              \
        return true fields;                                                                        \
    }
#include "common/proto.def"
#undef MSG
#undef I64
#undef F64
#undef STR

static bool get_fields(struct proto_reader *r, struct msg *m)
{
    switch (m->type) {
#define MSG(name, fields)                                                                          \
    case MSG_##name:                                                                               \
        return get_##name(r, &m->u.name);
#include "common/proto.def"
#undef MSG
    default:
        return false;
    }
}

struct proto_reader proto_read(const void *data, size_t n)
{
    struct proto_reader r = {data, (const uint8_t *)data + n};

    return r;
}

enum err_code proto_next(struct proto_reader *r, struct msg *m, bool *has_one, struct err *e)
{
    struct proto_reader body = *r;
    uint32_t n = 0;

    *has_one = false;
    if (r->at == r->end)
        return ERR_OK;
    if (r->end - r->at < PROTO_HEAD)
        return err_set(e, ERR_INVALID, "message: cut in its head: %td bytes", r->end - r->at);
    int type = r->at[0] | r->at[1] << 8;
    body.at += 2;
    if (!get_u32(&body, &n) || (size_t)(body.end - body.at) < n)
        return err_set(e, ERR_INVALID, "message: type %d: cut: %" PRIu32 " bytes announced", type, n);
    if (type <= MSG_NONE || type >= MSG_TYPE_COUNT)
        return err_set(e, ERR_INVALID, "message: unknown type %d", type);
    body.end = body.at + n;
    memset(m, 0, sizeof *m);
    m->type = (enum msg_type)type;
    if (!get_fields(&body, m) || body.at != body.end)
        return err_set(e, ERR_INVALID, "message: %s: malformed fields", msg_name(m->type));
    r->at = body.end;
    *has_one = true;
    return ERR_OK;
}

/* --- text --------------------------------------------------------------------------------- */

const char *msg_name(enum msg_type t)
{
    static const char *const names[] = {
        "NONE",
#define MSG(name, fields) #name,
#include "common/proto.def"
#undef MSG
    };

    return t < MSG_TYPE_COUNT ? names[t] : "?";
}

static void print_str(struct buf *out, const char *s)
{
    size_t n = s ? strlen(s) : 0;

    if (n <= 200)
        buf_json(out, s ? s : "");
    else
        buf_fmt(out, "<%zu bytes>", n);
}

#define I64(f) buf_fmt(out, " " #f "=%" PRId64, m->f);
#define F64(f) buf_fmt(out, " " #f "=%.6g", m->f);
#define STR(f)                                                                                     \
    buf_str(out, " " #f "=");                                                                      \
    print_str(out, m->f);
#define MSG(name, fields)                                                                          \
    static void print_##name(struct buf *out, const struct msg_##name *m)                          \
    {                                                                                              \
        fields                                                                                     \
    }
#include "common/proto.def"
#undef MSG
#undef I64
#undef F64
#undef STR

void proto_print(struct buf *out, const struct msg *m)
{
    buf_str(out, msg_name(m->type));
    switch (m->type) {
#define MSG(name, fields)                                                                          \
    case MSG_##name:                                                                               \
        print_##name(out, &m->u.name);                                                             \
        break;
#include "common/proto.def"
#undef MSG
    default:
        break;
    }
}

void proto_held_add(struct buf *out, int64_t job, int64_t epoch)
{
    buf_fmt(out, "%s%" PRId64 ":%" PRId64, out->len ? " " : "", job, epoch);
}

bool proto_held_next(const char **text, int64_t *job, int64_t *epoch)
{
    char *end;

    if (!*text || !**text)
        return false;
    *job = strtoll(*text, &end, 10);
    if (end == *text || *end != ':')
        return false;
    const char *second = end + 1;
    *epoch = strtoll(second, &end, 10);
    if (end == second || (*end && *end != ' '))
        return false;
    while (*end == ' ')
        end++;
    *text = end;
    return true;
}
