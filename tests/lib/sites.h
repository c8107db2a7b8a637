/* sites.h - which calls of a run are worth a failure: one for each distinct way to come there.
 *
 * A run makes tens of thousands of calls (malloc above all) from a few thousand places.  A site is the
 * chain of return addresses that leads to a call; SITES_OWN leaves out those in libraries, so that calls
 * which only differ inside SQLite or libc, and meet the same answer of ours, are one.  A run is repeated
 * with the n-th call failing, so it has to make the same calls each time; whether the failure hit its
 * site is counted.  Include after faults.h.
 */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

enum site_depth { SITES_ALL, SITES_OWN };
enum { SITES_MAX = 1 << 16, CALLS_MAX = 1 << 20, FRAMES_MAX = 128 };

static struct {
    bool is_recording, is_inside;
    enum site_depth depth;
    long n_calls;
    uint32_t n;                     /* sites */
    uint64_t hash[SITES_MAX];
    long first[SITES_MAX];          /* the call that came there first, from 1 */
    uint32_t of_call[CALLS_MAX];    /* by number of the call - 1 */
    uint32_t slot[2 * SITES_MAX];   /* hash table: 1 + site */
    uint64_t last_hash;             /* of the latest call */
    uintptr_t top;                  /* of the stack: chains end here; 0: nowhere */
} sites;

static _Unwind_Reason_Code site_frame(struct _Unwind_Context *frame, void *ctx)
{
    extern const char __executable_start, etext;
    uintptr_t at = _Unwind_GetIP(frame);
    uint64_t *state = ctx; /* hash, frames */

    if (state[1]++ < 2) /* ourselves */
        return _URC_NO_REASON;
    if (sites.top && _Unwind_GetCFA(frame) >= sites.top)
        return _URC_END_OF_STACK;
    if (sites.depth == SITES_ALL || (at >= (uintptr_t)&__executable_start && at < (uintptr_t)&etext))
        state[0] = (state[0] ^ at) * 0x100000001b3u;
    return state[1] < FRAMES_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static uint64_t site_here(void)
{
    uint64_t state[2] = {0xcbf29ce484222325u, 0};

    _Unwind_Backtrace(site_frame, state);
    return state[0];
}

static uint32_t site_find(uint64_t hash)
{
    size_t at = hash % ARRAY_LEN(sites.slot);

    while (sites.slot[at] && sites.hash[sites.slot[at] - 1] != hash)
        at = (at + 1) % ARRAY_LEN(sites.slot);
    if (!sites.slot[at] && sites.n < SITES_MAX) {
        sites.hash[sites.n] = hash;
        sites.first[sites.n] = sites.n_calls + 1;
        sites.slot[at] = ++sites.n;
    }
    return sites.slot[at] ? sites.slot[at] - 1 : 0;
}

/* faults.h calls it for each call of the kinds that are armed, and once more for the one that fails. */
static void site_note(bool fails)
{
    if (sites.is_inside || (!sites.is_recording && !fails))
        return;
    sites.is_inside = true;
    sites.last_hash = site_here();
    if (sites.is_recording && sites.n_calls < CALLS_MAX) {
        sites.of_call[sites.n_calls] = site_find(sites.last_hash);
        sites.n_calls++;
    }
    sites.is_inside = false;
}

/* Everything up to sites_end() is recorded, nothing fails. */
static UNUSED void sites_begin(unsigned kinds, enum site_depth depth)
{
    (void)site_here(); /* whatever unwinding has to load or allocate, it has now */
    sites.n = 0;
    sites.n_calls = 0;
    memset(sites.slot, 0, sizeof sites.slot);
    sites.depth = depth;
    fault_note = site_note;
    sites.is_recording = true;
    fault_arm(kinds, -1, 0);
}

static UNUSED void sites_end(void)
{
    fault_disarm();
    sites.is_recording = false;
}

static UNUSED bool site_is(uint32_t site)
{
    return sites.hash[site] == sites.last_hash;
}

/* Calls to fail, ascending is not promised: of each site the first, then `n_more` others by chance. Caller frees. */
static UNUSED long *sites_choose(long n_more, uint32_t seed, long *n)
{
    long *call = malloc(((size_t)sites.n + (size_t)n_more + 1) * sizeof *call);

    *n = 0;
    for (uint32_t i = 0; i < sites.n; i++)
        call[(*n)++] = sites.first[i];
    for (long i = 0; i < n_more && sites.n_calls > 0; i++) {
        seed = seed * 1664525u + 1013904223u;
        call[(*n)++] = 1 + (long)(seed >> 4) % sites.n_calls;
    }
    return call;
}
