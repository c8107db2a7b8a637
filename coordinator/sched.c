/* sched.c - see sched.h. */
#include "coordinator/sched.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"

static void *must(void *p)
{
    if (!p)
        oom_exit("sched");
    return p;
}

void sched_init(struct sched *s, int n_ranks)
{
    memset(s, 0, sizeof *s);
    s->n_ranks = n_ranks;
    s->ranks = must(calloc((size_t)n_ranks, sizeof *s->ranks));
    s->aside = must(calloc((size_t)n_ranks + 1, sizeof *s->aside));
    for (int r = 0; r < n_ranks; r++) {
        s->ranks[r].lent_to = -1;
        s->ranks[r].leases = QUEUE_NONE;
        s->ranks[r].n_tiny = SCHED_TINY_MIN;
    }
}

void sched_free(struct sched *s)
{
    for (int h = 0; h < s->n_hosts; h++)
        free(s->hosts[h].name);
    free(s->hosts);
    free(s->ranks);
    free(s->aside);
    memset(s, 0, sizeof *s);
}

int sched_host(struct sched *s, const char *name)
{
    for (int h = 0; h < s->n_hosts; h++)
        if (strcmp(s->hosts[h].name, name) == 0)
            return h;
    s->hosts = must(realloc(s->hosts, (size_t)(s->n_hosts + 1) * sizeof *s->hosts));
    s->hosts[s->n_hosts] = (struct sched_host){.name = must(strdup(name))};
    return s->n_hosts++;
}

static bool is_usable(const struct rank *r)
{
    return r->is_up && !r->is_refused && r->capacity > 0;
}

static bool is_held(const struct sched *s, const struct rank *r)
{
    return s->hosts[r->host].hold.is_held;
}

static bool is_idle(const struct rank *r)
{
    return is_usable(r) && r->n_held == 0 && r->lent_to < 0;
}

void sched_begin(struct sched *s)
{
    for (int h = 0; h < s->n_hosts; h++) {
        s->hosts[h].n_up = s->hosts[h].n_idle = 0;
        s->hosts[h].is_reserved = false;
    }
    for (int r = 1; r < s->n_ranks; r++) {
        struct rank *k = &s->ranks[r];
        if (!is_usable(k) || is_held(s, k))
            continue;
        s->hosts[k->host].n_up++;
        s->hosts[k->host].n_idle += is_idle(k);
    }
    s->n_aside = 0;
    s->next_idle = s->next_rank = 1;
    s->level = 0;
    s->ahead = 1;
    s->next_ahead = 1;
}

static int need_on(const struct sched_host *h, const struct job *j)
{
    return j->threads < h->n_up ? j->threads : h->n_up;
}

/* Best host for a wide job: the widest, then one that can start it now, then the idlest. */
static int pick_host(const struct sched *s, const struct job *j, bool *is_now)
{
    int best = -1, best_score = -1;

    *is_now = false;
    for (int i = 0; i < s->n_hosts; i++) {
        const struct sched_host *h = &s->hosts[i];
        if (h->is_reserved || h->n_up == 0)
            continue;
        int need = need_on(h, j);
        bool now = h->n_idle >= need;
        int score = need * 4096 + (h->n_idle < 2047 ? h->n_idle : 2047) + (now ? 2048 : 0);
        if (score > best_score) {
            best = i;
            best_score = score;
            *is_now = now;
        }
    }
    return best;
}

static int idle_rank(const struct sched *s, int host)
{
    for (int r = 1; r < s->n_ranks; r++)
        if (s->ranks[r].host == host && is_idle(&s->ranks[r]))
            return r;
    return -1;
}

static bool has_room(const struct sched *s, const struct rank *k, const struct job *j)
{
    if (!is_usable(k) || is_held(s, k) || k->lent_to >= 0 || s->hosts[k->host].is_reserved)
        return false;
    return j->in_agent ? k->n_process == 0 && k->n_held < k->capacity : k->n_held == 0;
}

static bool has_room_ahead(const struct sched *s, const struct rank *k, const struct job *j)
{
    float total = k->cost_s + j->cost_s;
    int limit = total <= SCHED_TINY_S ? k->n_tiny : SCHED_AHEAD;

    return is_usable(k) && !is_held(s, k) && k->lent_to < 0 && k->n_lent == 0 &&
           !s->hosts[k->host].is_reserved &&
           k->n_held == k->n_process && k->n_held < limit && k->n_held < k->capacity &&
           total <= SCHED_AHEAD_S;
}

static int pick_idle(struct sched *s, const struct job *j)
{
    while (s->next_idle < s->n_ranks && !has_room(s, &s->ranks[s->next_idle], j))
        s->next_idle++;
    return s->next_idle < s->n_ranks ? s->next_idle : -1;
}

typedef bool room_fn(const struct sched *s, const struct rank *k, const struct job *j);

/* Within a pass agents only fill up: a cursor goes round once for each level of load. */
static int pick_least_loaded(const struct sched *s, const struct job *j, room_fn *room, int *next,
                             int *level)
{
    for (;;) {
        int least = INT_MAX;
        for (int *r = next; *r < s->n_ranks; ++*r)
            if (s->ranks[*r].n_held <= *level && room(s, &s->ranks[*r], j))
                return *r;
        for (int r = 1; r < s->n_ranks; r++)
            if (s->ranks[r].n_held < least && room(s, &s->ranks[r], j))
                least = s->ranks[r].n_held;
        if (least == INT_MAX)
            return -1;
        *level = least;
        *next = 1;
    }
}

static int pick_for_process(struct sched *s, const struct queue *q, const struct job *j)
{
    int rank = pick_idle(s, j);

    return rank < 0 && q->n_ready >= (size_t)s->n_ranks ? pick_least_loaded(s, j, has_room_ahead, &s->next_ahead, &s->ahead)
                                                        : rank;
}

int sched_pick(struct sched *s, struct queue *q, uint32_t *job)
{
    bool is_now;

    while ((*job = queue_top(q)) != QUEUE_NONE) {
        const struct job *j = &q->jobs[*job];
        if (j->threads <= 1)
            return j->in_agent ? pick_least_loaded(s, j, has_room, &s->next_rank, &s->level)
                               : pick_for_process(s, q, j);
        int host = pick_host(s, j, &is_now);
        if (host < 0)
            return -1;
        if (is_now)
            return idle_rank(s, host);
        s->hosts[host].is_reserved = true;
        queue_remove(q, *job);
        s->aside[s->n_aside++] = *job;
    }
    return -1;
}

void sched_end(struct sched *s, struct queue *q)
{
    while (s->n_aside)
        queue_push(q, s->aside[--s->n_aside]);
}

void sched_hold(struct sched *s, int rank, const struct job *job)
{
    s->ranks[rank].n_held++;
    s->ranks[rank].n_process += !job->in_agent;
    if (!job->in_agent)
        s->ranks[rank].cost_s += job->cost_s;
}

void sched_took(struct sched *s, int rank, const struct job *job)
{
    struct rank *k = &s->ranks[rank];
    struct sched_host *h = &s->hosts[k->host];
    int n_lend = need_on(h, job) - 1;

    if (is_idle(k))
        h->n_idle--;
    sched_hold(s, rank, job);
    for (int r = 1; r < s->n_ranks && n_lend > 0; r++) {
        struct rank *o = &s->ranks[r];
        if (r == rank || o->host != k->host || !is_idle(o))
            continue;
        o->lent_to = rank;
        k->n_lent++;
        h->n_idle--;
        n_lend--;
    }
}

void sched_release(struct sched *s, int rank, const struct job *job)
{
    struct rank *k = &s->ranks[rank];

    k->n_held--;
    k->n_process -= !job->in_agent;
    k->cost_s = k->n_process > 0 && !job->in_agent ? k->cost_s - job->cost_s : k->cost_s;
    if (k->n_process == 0)
        k->cost_s = 0;
    if (k->n_held > 0)
        return;
    for (int r = 1; r < s->n_ranks && k->n_lent > 0; r++)
        if (s->ranks[r].lent_to == rank) {
            s->ranks[r].lent_to = -1;
            k->n_lent--;
        }
}

void sched_ran(struct sched *s, int rank, double wall_s)
{
    double n = wall_s > 0 ? (double)SCHED_TINY_S / wall_s : SCHED_TINY_MAX;

    s->ranks[rank].n_tiny = n < SCHED_TINY_MIN   ? SCHED_TINY_MIN
                            : n > SCHED_TINY_MAX ? SCHED_TINY_MAX
                                                 : (int)n;
}
