/* wandb.c - see wandb.h.  Field numbers: wandb/proto/wandb_internal.proto, which promises that records
 * stay readable. */
#include "worker/runner/wandb.h"

#include <string.h>
#include <zlib.h>

#include "worker/runner/pbuf.h"

enum { BLOCK = 32768, CHUNK_HEAD = 7 };
enum { CHUNK_FULL = 1, CHUNK_FIRST, CHUNK_MIDDLE, CHUNK_LAST };
enum { RECORD_NUM = 1, RECORD_HISTORY = 2, RECORD_SUMMARY = 3, RECORD_RUN = 17, RECORD_EXIT = 18,
       RECORD_FINAL = 20, RECORD_HEADER = 21, RECORD_FOOTER = 22 };
enum { HEADER_VERSION = 1, VERSION_PRODUCER = 1, VERSION_MIN_CONSUMER = 2 };
enum { RUN_ID = 1, RUN_PROJECT = 3, RUN_CONFIG = 4, RUN_GROUP = 6, RUN_JOB_TYPE = 7, RUN_NAME = 8,
       RUN_NOTES = 9, RUN_TAGS = 10, RUN_HOST = 13, RUN_START = 17 };
enum { ITEMS = 1, ITEM_KEY = 1, ITEM_JSON = 16, HISTORY_STEP = 2, STEP_NUM = 1 };
enum { EXIT_CODE = 1, EXIT_RUNTIME = 2, TIME_SECONDS = 1 };

/* The oldest client whose reader knows all of these records. */
#define MIN_CONSUMER "0.10.0"

static void put_chunk(struct buf *out, int type, const char *data, size_t n)
{
    unsigned char kind = (unsigned char)type;
    uLong crc = crc32(crc32(0, &kind, 1), (const unsigned char *)data, (uInt)n);

    pb_le(out, crc, 4);
    pb_le(out, n, 2);
    buf_char(out, (char)kind);
    if (n)
        buf_add(out, data, n);
}

/* A record, cut at the ends of blocks; what is too short for a chunk's head is zero. */
static void put_record(struct buf *out, const char *data, size_t n)
{
    bool is_first = true;

    do {
        size_t left = BLOCK - out->len % BLOCK, take;

        if (left < CHUNK_HEAD) {
            pb_le(out, 0, (int)left);
            continue;
        }
        take = n < left - CHUNK_HEAD ? n : left - CHUNK_HEAD;
        put_chunk(out, is_first ? (take == n ? CHUNK_FULL : CHUNK_FIRST)
                                : (take == n ? CHUNK_LAST : CHUNK_MIDDLE), data, take);
        data += take;
        n -= take;
        is_first = false;
    } while (n > 0 || is_first);
}

/* Takes the message. */
static void add(struct wandb_log *log, int field, struct buf *message)
{
    struct buf record = {0};

    if (log->num > 0) /* the header has none */
        pb_varint(&record, RECORD_NUM, (uint64_t)log->num);
    log->num++;
    pb_message(&record, field, message);
    put_record(log->out, record.data, record.len);
    buf_free(&record);
}

void wandb_item(struct wandb_items *items, const char *key, const char *json)
{
    struct buf item = {0};

    pb_bytes(&item, ITEM_KEY, key, strlen(key));
    pb_bytes(&item, ITEM_JSON, json, strlen(json));
    pb_message(&items->bytes, ITEMS, &item);
}

void wandb_begin(struct wandb_log *log, struct buf *out, const char *producer)
{
    struct buf version = {0}, header = {0};

    *log = (struct wandb_log){.out = out};
    buf_str(out, ":W&B");
    pb_le(out, 0xBEE1, 2);
    pb_le(out, 0, 1);
    pb_str(&version, VERSION_PRODUCER, producer);
    pb_str(&version, VERSION_MIN_CONSUMER, MIN_CONSUMER);
    pb_message(&header, HEADER_VERSION, &version);
    add(log, RECORD_HEADER, &header);
}

void wandb_run(struct wandb_log *log, const struct wandb_run *run, struct wandb_items *config)
{
    struct buf r = {0}, start = {0};

    pb_str(&r, RUN_ID, run->id);
    pb_str(&r, RUN_PROJECT, run->project);
    pb_message(&r, RUN_CONFIG, &config->bytes);
    pb_str(&r, RUN_GROUP, run->group);
    pb_str(&r, RUN_JOB_TYPE, run->job_type);
    pb_str(&r, RUN_NAME, run->name);
    pb_str(&r, RUN_NOTES, run->notes);
    for (size_t i = 0; run->tags && run->tags[i]; i++)
        pb_str(&r, RUN_TAGS, run->tags[i]);
    pb_str(&r, RUN_HOST, run->host);
    pb_varint(&start, TIME_SECONDS, (uint64_t)run->start_s);
    pb_message(&r, RUN_START, &start);
    add(log, RECORD_RUN, &r);
}

void wandb_history(struct wandb_log *log, int64_t step, struct wandb_items *row)
{
    struct buf at = {0};

    if (step)
        pb_varint(&at, STEP_NUM, (uint64_t)step);
    pb_message(&row->bytes, HISTORY_STEP, &at);
    add(log, RECORD_HISTORY, &row->bytes);
}

void wandb_summary(struct wandb_log *log, struct wandb_items *row)
{
    add(log, RECORD_SUMMARY, &row->bytes);
}

void wandb_end(struct wandb_log *log, int exit_code, int64_t runtime_s)
{
    struct buf end = {0}, final = {0}, footer = {0};

    if (exit_code)
        pb_varint(&end, EXIT_CODE, (uint64_t)exit_code);
    pb_varint(&end, EXIT_RUNTIME, (uint64_t)runtime_s);
    add(log, RECORD_EXIT, &end);
    add(log, RECORD_FINAL, &final);
    add(log, RECORD_FOOTER, &footer);
}
