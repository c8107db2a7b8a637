/* par.c - see par.h.  Workers wait on a condition variable; a short spin before it, because the
 * next loop of a training step is usually microseconds away. */
#include "worker/num/par.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "worker/num/blas.h"

enum { THREADS_MAX = 64, SPIN = 20000 };

struct pool {
    int n_threads, n_started;    /* wanted, the caller included; workers running */
    pthread_mutex_t lock;
    pthread_cond_t begun, ended;
    atomic_ulong round;          /* counts tasks; odd values never occur */
    atomic_int n_busy;
    void (*task)(void *ctx, int thread);
    void *ctx;
};

static struct pool *the_pool(void)
{
    static struct pool one = {.n_threads = 1,
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .begun = PTHREAD_COND_INITIALIZER,
                              .ended = PTHREAD_COND_INITIALIZER};

    return &one;
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Waits until the round is no longer `seen`; returns the new one. */
static unsigned long next_round(struct pool *p, unsigned long seen)
{
    unsigned long now;

    for (int i = 0; i < SPIN; i++) {
        now = atomic_load_explicit(&p->round, memory_order_acquire);
        if (now != seen)
            return now;
        pause_cpu();
    }
    pthread_mutex_lock(&p->lock);
    while ((now = atomic_load(&p->round)) == seen)
        pthread_cond_wait(&p->begun, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return now;
}

struct start {
    struct pool *pool;
    int thread;
    unsigned long seen;
};

static void *worker(void *arg)
{
    struct start *s = arg;
    struct pool *p = s->pool;
    int thread = s->thread;
    unsigned long seen = s->seen;

    for (;;) {
        seen = next_round(p, seen);
        if (thread < p->n_threads)
            p->task(p->ctx, thread);
        if (atomic_fetch_sub(&p->n_busy, 1) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->ended);
            pthread_mutex_unlock(&p->lock);
        }
    }
    return NULL;
}

/* As many workers as are wanted; fewer if the system gives no more. */
static void start_workers(struct pool *p)
{
    static struct start start[THREADS_MAX];

    while (p->n_started + 1 < p->n_threads) {
        pthread_t t;
        pthread_attr_t attr;
        int i = p->n_started + 1, failed;

        start[i] = (struct start){p, i, atomic_load(&p->round)};
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        failed = pthread_create(&t, &attr, worker, &start[i]);
        pthread_attr_destroy(&attr);
        if (failed) {
            p->n_threads = i;
            return;
        }
        p->n_started = i;
    }
}

static void run(struct pool *p, void (*task)(void *ctx, int thread), void *ctx)
{
    start_workers(p);
    p->task = task;
    p->ctx = ctx;
    atomic_store(&p->n_busy, p->n_started);
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->round, 1);
    pthread_cond_broadcast(&p->begun);
    pthread_mutex_unlock(&p->lock);
    task(ctx, 0);
    for (int i = 0; i < SPIN && atomic_load_explicit(&p->n_busy, memory_order_acquire); i++)
        pause_cpu();
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->n_busy))
        pthread_cond_wait(&p->ended, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void par_threads_set(int n)
{
    struct pool *p = the_pool();

    p->n_threads = n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : n;
    blas_threads_set(1);
}

int par_threads(void)
{
    return the_pool()->n_threads;
}

struct rows {
    size_t n, piece;
    void (*fn)(void *ctx, size_t from, size_t to);
    void *ctx;
};

static void rows_task(void *ctx, int thread)
{
    const struct rows *r = ctx;
    size_t from = (size_t)thread * r->piece, to = from + r->piece;

    if (from < r->n)
        r->fn(r->ctx, from, to < r->n ? to : r->n);
}

void par_rows(size_t n, size_t grain, void (*fn)(void *ctx, size_t from, size_t to), void *ctx)
{
    struct pool *p = the_pool();
    size_t threads = (size_t)p->n_threads, each = (n + threads - 1) / threads;
    struct rows r = {n, (each + grain - 1) / grain * grain, fn, ctx};

    if (threads == 1 || n <= grain) {
        if (n)
            fn(ctx, 0, n);
        return;
    }
    run(p, rows_task, &r);
}

struct each {
    size_t n;
    atomic_size_t next;
    void (*fn)(void *ctx, size_t i, int thread);
    void *ctx;
};

static void each_task(void *ctx, int thread)
{
    struct each *r = ctx;

    for (size_t i; (i = atomic_fetch_add(&r->next, 1)) < r->n;)
        r->fn(r->ctx, i, thread);
}

void par_each(size_t n, void (*fn)(void *ctx, size_t i, int thread), void *ctx)
{
    struct pool *p = the_pool();
    struct each r = {.n = n, .fn = fn, .ctx = ctx};

    atomic_init(&r.next, 0);
    if (p->n_threads == 1 || n <= 1)
        each_task(&r, 0);
    else
        run(p, each_task, &r);
}
