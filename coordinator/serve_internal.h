/* serve_internal.h - what serve.c, serve_send.c and serve_store.c share. */
#pragma once
#include "coordinator/serve.h"

static inline int64_t serve_now_ms(const struct serve *s)
{
    return clock_ms(s->clock);
}

/* Reads the state from the manifest.  Leases found there may be claimed for `grace_ms`. */
enum err_code serve_load(struct serve *s, int64_t grace_ms, struct err *e);

/* --- serve_send.c --- */
void serve_reply(struct serve *s, const struct core_reply *r); /* into the rank's datagram */
void serve_flush(struct serve *s, int rank);
void serve_tell_all(struct serve *s, bool is_known);           /* BEAT, at once */

/* --- serve_store.c --- Stores and answers what the core has decided. */
enum err_code serve_commit(struct serve *s, struct err *e);
