/* core_out.c - the batch of core.h: events, replies and the texts that they borrow. */
#include "common/oom.h"
#include "coordinator/core_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 << 10 };

struct core_text {
    struct core_text *next;
    size_t used, cap;
    char data[];
};

static void *must(void *p, size_t n)
{
    if (!p)
        oom_exit("%zu bytes", n);
    return p;
}

const char *core_text(struct core_out *o, const char *s)
{
    size_t n = s ? strlen(s) + 1 : 0;

    if (n <= 1)
        return NULL;
    if (!o->texts || o->texts->cap - o->texts->used < n) {
        size_t cap = n > BLOCK ? n : BLOCK;
        struct core_text *t = must(malloc(sizeof *t + cap), cap);
        *t = (struct core_text){.next = o->texts, .cap = cap};
        o->texts = t;
    }
    char *at = o->texts->data + o->texts->used;
    memcpy(at, s, n);
    o->texts->used += n;
    return at;
}

struct event *core_event(struct core_out *o, enum event_type type, int64_t job)
{
    if (o->n_events == o->cap_events) {
        o->cap_events = o->cap_events ? 2 * o->cap_events : 256;
        o->events = must(realloc(o->events, o->cap_events * sizeof *o->events), o->cap_events);
    }
    o->events[o->n_events] = (struct event){.type = type, .job = job, .rank = -1};
    return &o->events[o->n_events++];
}

void core_reply(struct core_out *o, struct core_reply r)
{
    if (o->n_replies == o->cap_replies) {
        o->cap_replies = o->cap_replies ? 2 * o->cap_replies : 256;
        o->replies = must(realloc(o->replies, o->cap_replies * sizeof *o->replies), o->cap_replies);
    }
    o->replies[o->n_replies++] = r;
}

void core_out_reset(struct core_out *o)
{
    o->n_events = o->n_replies = 0;
    while (o->texts && o->texts->next) {
        struct core_text *t = o->texts;
        o->texts = t->next;
        free(t);
    }
    if (o->texts)
        o->texts->used = 0;
}

void core_out_free(struct core_out *o)
{
    core_out_reset(o);
    free(o->texts);
    free(o->events);
    free(o->replies);
    memset(o, 0, sizeof *o);
}
