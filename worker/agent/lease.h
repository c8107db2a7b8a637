/* lease.h - the agent's side of its leases: when to beat, and when the coordinator is gone.
 *
 * One heartbeat names all jobs held, every third of a term; any message heard restarts the
 * silence.  Time is passed in, in milliseconds of the monotonic clock; the module reads no clock
 * and sends nothing.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { LEASE_SILENT_TERMS = 3 };

struct lease {
    int64_t term_ms;
    int64_t heard_ms;
    int64_t next_beat_ms;
};

void lease_start(struct lease *l, int64_t now_ms, int64_t term_ms); /* term_ms > 0 */
void lease_heard(struct lease *l, int64_t now_ms);
/* True when a heartbeat should be sent now; advances the next one. */
bool lease_beat_due(struct lease *l, int64_t now_ms);
/* True when the coordinator said nothing for three terms: its jobs belong to others by now. */
bool lease_is_lost(const struct lease *l, int64_t now_ms);
