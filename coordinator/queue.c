/* queue.c - see queue.h. */
#include "coordinator/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"

static void *grow(void *p, size_t need, size_t *cap, size_t size)
{
    if (need <= *cap)
        return p;
    size_t n = *cap ? *cap : 64;
    while (n < need)
        n *= 2;
    p = realloc(p, n * size);
    if (!p)
        oom_exit("%zu items of %zu bytes", n, size);
    *cap = n;
    return p;
}

void queue_free(struct queue *q)
{
    free(q->jobs);
    free(q->in);
    free(q->out);
    free(q->index);
    free(q->ready);
    free(q->delayed);
    free(q->leases);
    memset(q, 0, sizeof *q);
}

/* --- jobs and edges ----------------------------------------------------------------------- */

static size_t slot_of(const struct queue *q, int64_t id)
{
    uint64_t h = (uint64_t)id * UINT64_C(0x9E3779B97F4A7C15);

    return (size_t)(h >> 32) & (q->n_index - 1);
}

static void index_put(struct queue *q, uint32_t job)
{
    size_t s = slot_of(q, q->jobs[job].id);

    while (q->index[s])
        s = (s + 1) & (q->n_index - 1);
    q->index[s] = job + 1;
}

static void index_grow(struct queue *q)
{
    size_t cap = 0;

    if (2 * (q->n + 1) <= q->n_index)
        return;
    q->n_index = q->n_index ? 2 * q->n_index : 128;
    free(q->index);
    q->index = grow(NULL, q->n_index, &cap, sizeof *q->index);
    memset(q->index, 0, q->n_index * sizeof *q->index);
    for (uint32_t i = 0; i < q->n; i++)
        index_put(q, i);
}

uint32_t queue_find(const struct queue *q, int64_t id)
{
    if (!q->n)
        return QUEUE_NONE;
    for (size_t s = slot_of(q, id); q->index[s]; s = (s + 1) & (q->n_index - 1))
        if (q->jobs[q->index[s] - 1].id == id)
            return q->index[s] - 1;
    return QUEUE_NONE;
}

enum err_code queue_add(struct queue *q, const struct job *j, const int64_t *inputs,
                        size_t n_inputs, struct err *e)
{
    size_t at = q->n_in;

    if (queue_find(q, j->id) != QUEUE_NONE)
        return err_set(e, ERR_CORRUPT, "job %lld: listed twice", (long long)j->id);
    q->in = grow(q->in, q->n_in + n_inputs, &q->cap_in, sizeof *q->in);
    for (size_t i = 0; i < n_inputs; i++) {
        uint32_t input = queue_find(q, llabs(inputs[i]));
        if (input == QUEUE_NONE)
            return err_set(e, ERR_CORRUPT, "job %lld: its input %lld is not listed before it",
                           (long long)j->id, (long long)inputs[i]);
        q->in[at + i] = input | (inputs[i] < 0 ? QUEUE_SOFT : 0);
    }
    q->n_in = at + n_inputs;
    index_grow(q);
    q->jobs = grow(q->jobs, q->n + 1, &q->cap, sizeof *q->jobs);
    q->jobs[q->n] = *j;
    q->jobs[q->n].in_at = (uint32_t)at;
    q->jobs[q->n].at = QUEUE_NONE;
    index_put(q, (uint32_t)q->n);
    q->n++;
    q->n_state[j->state]++;
    return ERR_OK;
}

void queue_edges_in(const struct queue *q, uint32_t job, const uint32_t **at, size_t *n)
{
    size_t end = job + 1 < q->n ? q->jobs[job + 1].in_at : q->n_in;

    *at = q->in + q->jobs[job].in_at;
    *n = end - q->jobs[job].in_at;
}

void queue_edges_out(const struct queue *q, uint32_t job, const uint32_t **at, size_t *n)
{
    size_t end = job + 1 < q->n ? q->jobs[job + 1].out_at : q->n_in;

    *at = q->out + q->jobs[job].out_at;
    *n = end - q->jobs[job].out_at;
}

/* Counting sort of the edges by input, then paths from the last job to the first. */
void queue_link(struct queue *q)
{
    const uint32_t *in;
    size_t n, cap = 0;
    uint32_t sum = 0;

    q->out = grow(NULL, q->n_in + 1, &cap, sizeof *q->out);
    for (size_t i = 0; i < q->n; i++)
        q->jobs[i].out_at = 0;
    for (size_t i = 0; i < q->n_in; i++)
        q->jobs[QUEUE_EDGE(q->in[i])].out_at++;
    for (size_t i = 0; i < q->n; i++) {
        sum += q->jobs[i].out_at;
        q->jobs[i].out_at = sum; /* the end; filled downwards below */
    }
    for (uint32_t i = (uint32_t)q->n; i-- > 0;) {
        struct job *j = &q->jobs[i];
        j->path_s += j->cost_s;
        queue_edges_in(q, i, &in, &n);
        for (size_t k = n; k-- > 0;) {
            struct job *input = &q->jobs[QUEUE_EDGE(in[k])];
            q->out[--input->out_at] = i | (in[k] & QUEUE_SOFT);
            if (input->path_s < j->path_s)
                input->path_s = j->path_s;
        }
    }
    q->is_linked = true;
}

void queue_set_state(struct queue *q, uint32_t job, enum job_state s)
{
    q->n_state[q->jobs[job].state]--;
    q->jobs[job].state = (uint8_t)s;
    q->n_state[s]++;
}

/* --- ready set ---------------------------------------------------------------------------- */

static bool is_before(const struct queue *q, uint32_t a, uint32_t b)
{
    const struct job *x = &q->jobs[a], *y = &q->jobs[b];

    if (x->priority != y->priority)
        return x->priority > y->priority;
    if (x->path_s > y->path_s || x->path_s < y->path_s)
        return x->path_s > y->path_s;
    return x->id < y->id;
}

static void heap_set(struct queue *q, size_t i, uint32_t job)
{
    q->ready[i] = job;
    q->jobs[job].at = (uint32_t)i;
}

static void heap_up(struct queue *q, size_t i)
{
    uint32_t job = q->ready[i];

    while (i > 0 && is_before(q, job, q->ready[(i - 1) / 2])) {
        heap_set(q, i, q->ready[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_set(q, i, job);
}

static void heap_down(struct queue *q, size_t i)
{
    uint32_t job = q->ready[i];

    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= q->n_ready)
            break;
        if (c + 1 < q->n_ready && is_before(q, q->ready[c + 1], q->ready[c]))
            c++;
        if (!is_before(q, q->ready[c], job))
            break;
        heap_set(q, i, q->ready[c]);
        i = c;
    }
    heap_set(q, i, job);
}

void queue_push(struct queue *q, uint32_t job)
{
    q->ready = grow(q->ready, q->n_ready + 1, &q->cap_ready, sizeof *q->ready);
    q->ready[q->n_ready++] = job;
    heap_up(q, q->n_ready - 1);
}

uint32_t queue_top(const struct queue *q)
{
    return q->n_ready ? q->ready[0] : QUEUE_NONE;
}

void queue_remove(struct queue *q, uint32_t job)
{
    size_t i = q->jobs[job].at;

    if (i >= q->n_ready || q->ready[i] != job)
        return;
    q->jobs[job].at = QUEUE_NONE;
    uint32_t last = q->ready[--q->n_ready];
    if (last == job)
        return;
    heap_set(q, i, last);
    heap_up(q, i);
    heap_down(q, q->jobs[last].at);
}

/* --- delayed set -------------------------------------------------------------------------- */

static void delayed_swap(struct queue *q, size_t a, size_t b)
{
    struct queue_wake w = q->delayed[a];

    q->delayed[a] = q->delayed[b];
    q->delayed[b] = w;
}

void queue_delay(struct queue *q, uint32_t job, int64_t not_before_ms)
{
    size_t i = q->n_delayed++;

    q->delayed = grow(q->delayed, q->n_delayed, &q->cap_delayed, sizeof *q->delayed);
    q->delayed[i] = (struct queue_wake){not_before_ms, job};
    q->jobs[job].is_delayed = true;
    for (; i > 0 && q->delayed[i].not_before_ms < q->delayed[(i - 1) / 2].not_before_ms;
         i = (i - 1) / 2)
        delayed_swap(q, i, (i - 1) / 2);
}

static uint32_t delayed_pop(struct queue *q)
{
    uint32_t job = q->delayed[0].job;
    size_t i = 0;

    q->delayed[0] = q->delayed[--q->n_delayed];
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= q->n_delayed)
            return job;
        if (c + 1 < q->n_delayed && q->delayed[c + 1].not_before_ms < q->delayed[c].not_before_ms)
            c++;
        if (q->delayed[i].not_before_ms <= q->delayed[c].not_before_ms)
            return job;
        delayed_swap(q, i, c);
        i = c;
    }
}

void queue_wake(struct queue *q, int64_t now_ms)
{
    while (q->n_delayed && q->delayed[0].not_before_ms <= now_ms) {
        uint32_t job = delayed_pop(q);
        if (!q->jobs[job].is_delayed) /* it has left the state since */
            continue;
        q->jobs[job].is_delayed = false;
        queue_push(q, job);
    }
}

int64_t queue_next_wake(const struct queue *q)
{
    return q->n_delayed ? q->delayed[0].not_before_ms : INT64_MAX;
}

/* --- leases ------------------------------------------------------------------------------- */

uint32_t queue_lease(struct queue *q, uint32_t job, int rank, uint32_t *head)
{
    uint32_t i = q->free_lease;

    if (i < q->n_leases && q->leases[i].job == QUEUE_NONE) {
        q->free_lease = q->leases[i].next;
    } else {
        i = (uint32_t)q->n_leases++;
        q->leases = grow(q->leases, q->n_leases, &q->cap_leases, sizeof *q->leases);
        q->free_lease = QUEUE_NONE;
    }
    q->leases[i] = (struct lease){.job = job, .rank = rank, .next = *head, .prev = QUEUE_NONE,
                                  .step_start = q->jobs[job].step_best};
    if (*head != QUEUE_NONE)
        q->leases[*head].prev = i;
    *head = i;
    q->jobs[job].at = i;
    return i;
}

void queue_unlease(struct queue *q, uint32_t lease, uint32_t *head)
{
    struct lease *l = &q->leases[lease];

    if (l->prev != QUEUE_NONE)
        q->leases[l->prev].next = l->next;
    else
        *head = l->next;
    if (l->next != QUEUE_NONE)
        q->leases[l->next].prev = l->prev;
    q->jobs[l->job].at = QUEUE_NONE;
    *l = (struct lease){.job = QUEUE_NONE, .rank = -1, .next = q->free_lease, .prev = QUEUE_NONE};
    q->free_lease = lease;
}

/* --- invariants --------------------------------------------------------------------------- */

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "queue: broken invariant: %s (job %zu)\n", #cond, i);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

void queue_check(const struct queue *q)
{
    size_t n_state[JOB_STATE_COUNT] = {0}, n_leased = 0;

    for (size_t i = 0; i < q->n; i++) {
        const struct job *j = &q->jobs[i];
        bool in_heap = j->at < q->n_ready && q->ready[j->at] == i;

        n_state[j->state]++;
        MUST(j->state != JOB_READY || j->is_delayed || in_heap);
        MUST(j->state == JOB_READY || !j->is_delayed);
        MUST(j->state != JOB_WAITING || j->n_wait > 0);
        MUST(j->state != JOB_LEASED || (j->at < q->n_leases && q->leases[j->at].job == i));
    }
    for (size_t i = 0; i < JOB_STATE_COUNT; i++)
        MUST(n_state[i] == q->n_state[i]);
    for (size_t i = 0; i < q->n_leases; i++)
        n_leased += q->leases[i].job != QUEUE_NONE;
    for (size_t i = 0; i < q->n_ready; i++) {
        MUST(q->jobs[q->ready[i]].state == JOB_READY && q->jobs[q->ready[i]].at == i);
        MUST(i == 0 || !is_before(q, q->ready[i], q->ready[(i - 1) / 2]));
    }
    size_t i = 0;
    MUST(n_leased == n_state[JOB_LEASED]);
}
