/* progress.c - see progress.h. */
#include "coordinator/progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Estimates are relative: below this share of the work that this start has to do, the time left
 * would be a guess. */
#define LEFT_MIN 0.05

enum { BAR_MS = 200, PLAIN_MS = 30000, PLAIN_PCT = 5, BAR_CELLS = 24, WIDTH = 80 };

bool progress_mode_parse(const char *text, FILE *f, enum progress_mode *out)
{
    if (!text || strcmp(text, "auto") == 0)
        *out = isatty(fileno(f)) ? PROGRESS_BAR : PROGRESS_PLAIN;
    else if (strcmp(text, "bar") == 0)
        *out = PROGRESS_BAR;
    else if (strcmp(text, "plain") == 0)
        *out = PROGRESS_PLAIN;
    else if (strcmp(text, "none") == 0)
        *out = PROGRESS_NONE;
    else
        return false;
    return true;
}

static int64_t n_ended(const struct progress_now *now)
{
    return now->n_done + now->n_failed + now->n_skipped;
}

static int percent(const struct progress_now *now)
{
    return now->n_total ? (int)(100 * n_ended(now) / now->n_total) : 100;
}

void progress_init(struct progress *p, FILE *f, enum progress_mode mode, int64_t now_ms,
                   const struct progress_now *now)
{
    const char *columns = getenv("COLUMNS");

    *p = (struct progress){.f = f, .mode = mode, .start_ms = now_ms};
    p->width = columns ? atoi(columns) : WIDTH;
    if (p->width < 40 || p->width > 400)
        p->width = WIDTH;
    p->n_first = n_ended(now);
    p->cost_first = now->cost_done;
    p->next_pct = percent(now) / PLAIN_PCT * PLAIN_PCT + PLAIN_PCT;
    p->next_ms = mode == PROGRESS_PLAIN ? now_ms + PLAIN_MS : now_ms;
}

void progress_duration(struct buf *out, double seconds)
{
    int64_t s = (int64_t)(seconds + 0.5);

    if (s < 60)
        buf_fmt(out, "%" PRId64 " s", s);
    else if (s < 3600)
        buf_fmt(out, "%" PRId64 ":%02" PRId64, s / 60, s % 60);
    else if (s < 86400)
        buf_fmt(out, "%" PRId64 ":%02" PRId64 ":%02" PRId64, s / 3600, s / 60 % 60, s % 60);
    else
        buf_fmt(out, "%" PRId64 " d %02" PRId64 ":%02" PRId64, s / 86400, s / 3600 % 24,
                s / 60 % 60);
}

static void add_rate(struct buf *out, const struct progress *p, const struct progress_now *now,
                     int64_t now_ms)
{
    double elapsed = (double)(now_ms - p->start_ms) * 1e-3;
    double n = (double)(n_ended(now) - p->n_first);
    double cost = now->cost_done - p->cost_first;

    if (elapsed < 0.5 || n < 1)
        return;
    double rate = n / elapsed;
    if (rate >= 1)
        buf_fmt(out, ", %.*f jobs/s", rate < 10 ? 1 : 0, rate);
    else
        buf_fmt(out, ", %.1f jobs/min", rate * 60);
    double cost_left = now->cost_total - now->cost_done;
    double done = cost > 0 ? cost / (cost + cost_left)
                           : n / (n + (double)(now->n_total - n_ended(now)));
    double left = elapsed * (1 - done) / done;
    if (n_ended(now) < now->n_total && done >= LEFT_MIN && left >= 0.5 && left < 1e8) {
        buf_str(out, ", left ");
        progress_duration(out, left);
    }
}

static void add_counts(struct buf *out, const struct progress_now *now)
{
    buf_fmt(out, "%" PRId64 "/%" PRId64 " jobs", n_ended(now), now->n_total);
    if (now->n_failed)
        buf_fmt(out, ", %" PRId64 " failed", now->n_failed);
    if (now->n_skipped)
        buf_fmt(out, ", %" PRId64 " skipped", now->n_skipped);
    if (now->n_running)
        buf_fmt(out, ", %" PRId64 " running", now->n_running);
}

void progress_line(struct buf *out, const struct progress *p, const struct progress_now *now,
                   int64_t now_ms)
{
    buf_fmt(out, "%3d %%  ", percent(now));
    add_counts(out, now);
    add_rate(out, p, now, now_ms);
    if (now->what)
        buf_fmt(out, "; %s", now->what);
}

void progress_bar(struct buf *out, const struct progress *p, const struct progress_now *now,
                  int64_t now_ms)
{
    int full = now->n_total ? (int)(BAR_CELLS * n_ended(now) / now->n_total) : BAR_CELLS;

    buf_char(out, '[');
    for (int i = 0; i < BAR_CELLS; i++)
        buf_char(out, i < full ? '#' : '.');
    buf_str(out, "] ");
    add_counts(out, now);
    add_rate(out, p, now, now_ms);
    if (now->what)
        buf_fmt(out, "  %s", now->what);
    if (out->len > (size_t)p->width - 1) { /* a wrapped bar cannot be redrawn */
        out->len = (size_t)p->width - 1;
        while (out->len && ((unsigned char)out->data[out->len] & 0xC0) == 0x80)
            out->len--; /* not inside a character */
        out->data[out->len] = '\0';
    }
}

static void draw(struct progress *p, const struct progress_now *now, int64_t now_ms)
{
    struct buf text = {0};

    if (p->mode == PROGRESS_BAR) {
        progress_bar(&text, p, now, now_ms);
        fprintf(p->f, "\r%s\x1b[K", text.data);
        p->is_drawn = true;
    } else {
        progress_line(&text, p, now, now_ms);
        fprintf(p->f, "%s\n", text.data);
    }
    fflush(p->f);
    buf_free(&text);
}

void progress_show(struct progress *p, const struct progress_now *now, int64_t now_ms)
{
    bool is_step = p->mode == PROGRESS_PLAIN && percent(now) >= p->next_pct &&
                   now_ms - p->start_ms >= 1000 && now_ms + PLAIN_MS - p->next_ms >= 1000;

    if (p->mode == PROGRESS_NONE || (now_ms < p->next_ms && !is_step))
        return;
    p->next_ms = now_ms + (p->mode == PROGRESS_BAR ? BAR_MS : PLAIN_MS);
    p->next_pct = percent(now) / PLAIN_PCT * PLAIN_PCT + PLAIN_PCT;
    draw(p, now, now_ms);
}

void progress_say(struct progress *p, const char *text)
{
    fprintf(p->f, "%s%s\n", p->is_drawn ? "\r\x1b[K" : "", text);
    fflush(p->f);
    p->is_drawn = false;
    p->next_ms = p->mode == PROGRESS_BAR ? 0 : p->next_ms;
}

void progress_end(struct progress *p, const struct progress_now *now, int64_t now_ms)
{
    if (p->mode != PROGRESS_NONE)
        draw(p, now, now_ms);
    if (p->is_drawn)
        fprintf(p->f, "\n");
    fflush(p->f);
    p->is_drawn = false;
}
