/* manifest_explog.c - results/EXPERIMENT_LOG.md: every final failure and every negative, once.
 *
 * An entry is first a row of log_entry, written in the transaction of what it tells about; after
 * the commit it is appended to the file and marked.  A crash between leaves it unmarked: the next
 * opening looks for the entry's number in the file before it appends.
 */
#include "coordinator/manifest_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fs.h"

enum { TAIL_BYTES = 3000, LOG_BYTES_MAX = 256 << 20 };

enum err_code explog_note(struct manifest *m, int64_t job, int64_t epoch, const char *tag, int64_t wall_ms,
                          struct err *e)
{
    m->has_log_entries = true;
    return db_run(m, ST_LOG_NOTE, e, "iiti", job, epoch, tag, wall_ms);
}

/* The end of a text file, from the beginning of a line. */
static void add_tail(const char *path, struct buf *out)
{
    char text[TAIL_BYTES + 1], *from = text;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    ssize_t n;

    if (fd < 0)
        return;
    n = pread(fd, text, TAIL_BYTES, size > TAIL_BYTES ? size - TAIL_BYTES : 0);
    close(fd);
    if (n <= 0)
        return;
    text[n] = '\0';
    if (size > TAIL_BYTES && strchr(text, '\n'))
        from = strchr(text, '\n') + 1;
    buf_str(out, "- Log, its end:\n\n```\n");
    for (; *from; from++)
        if (*from == '\n' || *from == '\t' || (unsigned char)*from >= 0x20)
            buf_char(out, *from == '`' ? '\'' : *from);
    buf_str(out, "\n```\n");
}

/* Columns of ST_LOG_PENDING: id, tag, wall_ms, sweep, stage, run_name, hex, kind, knobs, context,
 * epoch, host, class, message, folder's suffix, reason, in_agent. */
static void add_entry(struct manifest *m, sqlite3_stmt *row, struct buf *out)
{
    char when[21];
    struct buf dir = {0}, log = {0};
    const char *class = db_text(row, 12), *message = db_text(row, 13), *reason = db_text(row, 15);

    buf_fmt(&dir, "experiments/%s/%s%s", db_text(row, 3), db_text(row, 5), db_text(row, 14));
    clock_iso(when, sqlite3_column_int64(row, 2));
    buf_fmt(out, "\n## %.10s - %s: %s `%s`\n\n", when, db_text(row, 3), db_text(row, 1), db_text(row, 5));
    buf_fmt(out, "- Outcome: %s%s%s, attempt %lld on %s, %s\n", db_text(row, 1), *class ? ", class " : "", class,
            (long long)sqlite3_column_int64(row, 10), db_text(row, 11), when);
    if (sqlite3_column_int(row, 16))
        buf_str(out, "- Command: none, it ran inside the agent\n");
    else
        buf_fmt(out, "- Command: `saegrid-runner run experiments/%s/%s.tmp` (in the results folder)\n",
                db_text(row, 3), db_text(row, 5));
    buf_fmt(out, "- Job: %s `%s`, stage %s\n- Config: `%s` from `%s`\n", db_text(row, 7), db_text(row, 6),
            db_text(row, 4), db_text(row, 8), db_text(row, 9));
    if (*message)
        buf_fmt(out, "- Message: %s\n", message);
    if (*reason)
        buf_fmt(out, "- Gate: %s\n", reason);
    if (strcmp(db_text(row, 1), "negative") != 0) {
        buf_fmt(&log, "%s/%s/log.txt", m->results, dir.data);
        add_tail(log.data, out);
    }
    buf_fmt(out, "<!-- entry %lld -->\n", (long long)sqlite3_column_int64(row, 0));
    buf_free(&dir);
    buf_free(&log);
}

static bool is_in_file(const char *path, int64_t id)
{
    struct buf text = {0};
    char mark[64];
    bool found = false;

    snprintf(mark, sizeof mark, "<!-- entry %lld -->", (long long)id);
    if (fs_is_file(path) && fs_read(path, LOG_BYTES_MAX, &text, NULL) == ERR_OK && text.data)
        found = strstr(text.data, mark) != NULL;
    buf_free(&text);
    return found;
}

enum err_code explog_write(struct manifest *m, bool after_crash, struct err *e)
{
    struct buf path = {0}, entry = {0};
    sqlite3_stmt *row;
    enum err_code rc = ERR_OK;

    if (!m->has_log_entries && !after_crash)
        return ERR_OK;
    buf_fmt(&path, "%s/EXPERIMENT_LOG.md", m->results);
    while (!rc) {
        rc = db_row(m, ST_LOG_PENDING, &row, e, "");
        if (rc || !row)
            break;
        int64_t id = sqlite3_column_int64(row, 0);

        buf_reset(&entry);
        if (!fs_is_file(path.data))
            buf_str(&entry, "# Experiment log\n\nFailures and negative results, in the order in which they came.\n");
        add_entry(m, row, &entry);
        db_done(row);
        if (!after_crash || !is_in_file(path.data, id))
            rc = fs_append(path.data, entry.data, entry.len, e);
        if (!rc)
            rc = db_run(m, ST_LOG_WRITTEN, e, "i", id);
    }
    m->has_log_entries = rc != ERR_OK;
    buf_free(&path);
    buf_free(&entry);
    return rc;
}
