/* fuzz_proto.c - whatever a peer sends: decoded without harm, and what is decoded says the same again. */
#include <stdlib.h>
#include <string.h>

#include "common/proto.h"
#include "tests/fuzz/fuzz.h"

static void check_held(const char *text)
{
    int64_t job, epoch;

    while (text && proto_held_next(&text, &job, &epoch)) {
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1); /* of its very size, so that a read beyond it is seen */
    struct buf again = {0}, printed = {0};
    struct proto_reader r;
    struct msg m;
    struct err e;
    bool has_one;

    if (!copy)
        abort();
    memcpy(copy, data, n);
    r = proto_read(copy, n);
    while (proto_next(&r, &m, &has_one, &e) == ERR_OK && has_one) {
        struct msg twin;

        buf_reset(&again);
        proto_add(&again, &m);
        struct proto_reader back = proto_read(again.data, again.len);
        if (proto_next(&back, &twin, &has_one, &e) || !has_one || twin.type != m.type)
            abort();
        buf_reset(&printed);
        proto_print(&printed, &m);
        if (m.type == MSG_HELLO)
            check_held(m.u.HELLO.held);
        if (m.type == MSG_HEARTBEAT)
            check_held(m.u.HEARTBEAT.held);
    }
    buf_free(&again);
    buf_free(&printed);
    free(copy);
    return 0;
}
