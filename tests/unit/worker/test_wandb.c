/* test_wandb.c - the transaction log of W&B: bytes of a recorded file, and records across blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "worker/runner/wandb.h"

static void hex(struct buf *out, const struct buf *b, size_t from, size_t n)
{
    for (size_t i = from; i < from + n && i < b->len; i++)
        buf_fmt(out, "%02x", (unsigned char)b->data[i]);
}

static void known_records_have_their_bytes(void **state)
{
    struct wandb_items config = {{0}}, row = {{0}}, sum = {{0}};
    struct buf out = {0}, text = {0};
    struct wandb_log log;

    (void)state;
    wandb_begin(&log, &out, "0.22.0");
    wandb_item(&config, "lr", "1e-05");
    wandb_item(&config, "model", "\"pythia-70m\"");
    const char *const tags[] = {"cpt", NULL};
    const struct wandb_run run = {.id = "abc12345", .project = "project", .group = "seed-sweep",
                                  .job_type = "cpt", .name = "cpt-s42", .tags = tags, .host = "node0",
                                  .start_s = 1700000000};
    wandb_run(&log, &run, &config);
    wandb_item(&row, "train/lm_loss", "3.25");
    wandb_item(&row, "_step", "0");
    wandb_history(&log, 0, &row);
    wandb_item(&sum, "train/lm_loss", "3.25");
    wandb_summary(&log, &sum);
    wandb_end(&log, 0, 2);
    hex(&text, &out, 0, out.len);
    /* what protoc made of the published messages: length, type 1 (whole), record */
    assert_memory_equal(text.data, "3a572642e1be00", 14);
    assert_non_null(strstr(text.data, "150001aa01120a100a06302e32322e301206302e31302e30"));
    assert_non_null(strstr(text.data, "0a0c0a026c7282010531652d30350a160a056d6f64656c82010c22"));
    assert_non_null(strstr(text.data, "320a736565642d73776565703a0363707442076370742d73343252036370746a056e6f6465308a01060880e2cfaa06"));
    assert_non_null(strstr(text.data, "0a0b0a055f7374657082010130" "1200"));
    assert_non_null(strstr(text.data, "08031a180a160a0d747261696e2f6c6d5f6c6f7373820104332e3235"));
    assert_non_null(strstr(text.data, "070001" "08049201021002"));
    assert_non_null(strstr(text.data, "050001" "0805a20100"));
    assert_non_null(strstr(text.data, "050001" "0806b20100"));
    buf_free(&out);
    buf_free(&text);
}

/* Reads chunks back: checks each sum, joins records; returns how many, and their bytes. */
static size_t read_back(const struct buf *b, struct buf *joined, size_t *n_cut)
{
    const unsigned char *p = (const unsigned char *)b->data;
    size_t at = 7, n = 0;

    *n_cut = 0;
    while (at < b->len) {
        size_t left = 32768 - at % 32768, len;
        uint32_t crc;

        if (left < 7) {
            for (size_t i = 0; i < left; i++)
                assert_int_equal(p[at + i], 0);
            at += left;
            continue;
        }
        assert_true(at + 7 <= b->len);
        crc = p[at] | p[at + 1] << 8 | p[at + 2] << 16 | (uint32_t)p[at + 3] << 24;
        len = p[at + 4] | (size_t)p[at + 5] << 8;
        assert_true(len <= left - 7 && at + 7 + len <= b->len);
        assert_true(crc == crc32(0, p + at + 6, (uInt)len + 1));
        assert_true(p[at + 6] >= 1 && p[at + 6] <= 4);
        *n_cut += p[at + 6] == 2;
        n += p[at + 6] == 1 || p[at + 6] == 4;
        buf_add(joined, p + at + 7, len);
        at += 7 + len;
    }
    return n;
}

static void records_are_cut_at_the_ends_of_blocks(void **state)
{
    (void)state;
    /* lengths around every remainder that a block can leave */
    for (size_t len = 32700; len < 32800; len++) {
        struct buf out = {0}, joined = {0}, value = {0};
        struct wandb_log log;
        size_t n_cut, n;

        for (size_t i = 0; i < len; i++)
            buf_char(&value, (char)('0' + i % 10));
        wandb_begin(&log, &out, "x");
        for (int i = 0; i < 5; i++) {
            struct wandb_items row = {{0}};

            wandb_item(&row, "k", value.data);
            wandb_history(&log, i, &row);
        }
        wandb_end(&log, 0, 0);
        n = read_back(&out, &joined, &n_cut);
        assert_int_equal(n, 1 + 5 + 3);
        assert_true(n_cut > 0);
        size_t found = 0;
        for (char *at = joined.data; at + len <= joined.data + joined.len; at++)
            if (at[0] == '0' && !memcmp(at, value.data, len)) {
                found++;
                at += len - 1;
            }
        assert_int_equal(found, 5);
        buf_free(&out);
        buf_free(&joined);
        buf_free(&value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_records_have_their_bytes),
        cmocka_unit_test(records_are_cut_at_the_ends_of_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
