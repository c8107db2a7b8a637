/* job.h - the coordinator's record of one job: 64 bytes, a million of them fit in memory. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "coordinator/event.h"

struct job {
    /* what it is; never changes */
    int64_t id;            /* row in the manifest */
    float cost_s;          /* estimate */
    float path_s;          /* longest way from its start to the end of the sweep */
    float timeout_s;
    uint32_t memory_kib;   /* limit, 0 = none */
    uint32_t in_at, out_at; /* its edges begin here in queue.in, queue.out; the next job's end them */
    int16_t priority;
    uint16_t threads;
    uint8_t retries;
    bool in_agent;
    /* how it stands */
    uint8_t state;         /* enum job_state */
    bool is_delayed;       /* ready, but not before some time */
    uint32_t n_wait;       /* WAITING: inputs that are not done */
    uint32_t at;           /* READY: place in the heap; LEASED: its lease; else QUEUE_NONE */
    uint32_t epoch;        /* of its last grant */
    uint32_t step_best;    /* furthest progress of any attempt */
    /* how often it failed */
    uint8_t n_infra, n_lost, n_oom, n_free;
};
