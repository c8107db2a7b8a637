/* link_mpi.c - the door to MPI.
 *
 * One communicator of our own, MPI_THREAD_FUNNELED, errors returned.  Sends are MPI_Isend from
 * buffers that we own until MPI_Test says done; receives are MPI_Iprobe, a length check, then
 * MPI_Recv of a message that is already here.  Nothing else is called between open and close,
 * so no call waits for a peer.  Buffers of sends to a forgotten rank are given up for good:
 * MPI may still read them.  MPI_Finalize waits for all ranks, so it is only called when none
 * was lost, and an alarm bounds it.
 */
#include "common/link.h"

#include <mpi.h>
#if defined(OPEN_MPI)
#include <mpi-ext.h>
#endif

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/proto.h"

#if defined(OMPI_HAVE_MPI_EXT_FTMPI) && OMPI_HAVE_MPI_EXT_FTMPI
#define HAS_ULFM 1
#else
#define HAS_ULFM 0
#endif

enum { TAG = 7, FINALIZE_S = 5, TEST_PER_POLL = 32 };

struct pending {
    struct pending *next;
    MPI_Request request;
    int to;
    size_t size;
    char data[];
};

struct state {
    MPI_Comm comm;
    struct pending *first, *last;
    size_t n_pending;          /* bytes */
    char *in;
    size_t cap_in;
    bool *is_forgotten;
    bool has_loss;
};

void link_mpi_version(char *out, size_t n)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int len;

    MPI_Get_library_version(text, &len);
    text[strcspn(text, ",\n")] = '\0';
    strncpy(out, text, n - 1);
    out[n - 1] = '\0';
}

bool link_mpi_has_ulfm(void)
{
#if HAS_ULFM
    return true;
#else
    return false;
#endif
}

bool link_under_mpirun(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK");
}

int link_launch_rank(void)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");

    if (!rank)
        rank = getenv("PMIX_RANK");
    return rank && *rank >= '0' && *rank <= '9' ? atoi(rank) : -1;
}

/* --- sending ------------------------------------------------------------------------------ */

/* Frees what was sent; stops after a few that are not done, order does not matter. */
static void test_pending(struct state *s)
{
    struct pending **at = &s->first, *last = NULL;
    int n_open = 0;

    while (*at && n_open < TEST_PER_POLL) {
        struct pending *p = *at;
        int is_done = 0;
        bool is_bad = MPI_Test(&p->request, &is_done, MPI_STATUS_IGNORE) != MPI_SUCCESS;

        if (is_done || is_bad) {
            *at = p->next;
            s->n_pending -= p->size;
            if (!is_bad)
                free(p);
        } else {
            n_open++;
            last = p;
            at = &p->next;
        }
    }
    if (!*at)
        s->last = last;
}

static enum err_code mpi_send(struct link *l, int to, const void *data, size_t n, struct err *e)
{
    struct state *s = l->state;

    if (to < 0 || to >= l->size || n == 0 || n > PROTO_DATAGRAM_MAX)
        return err_set(e, ERR_BUG, "send %zu bytes to rank %d of %d", n, to, l->size);
    if (s->is_forgotten[to])
        return ERR_OK;
    struct pending *p = malloc(sizeof *p + n);
    if (!p)
        return err_set(e, ERR_NOMEM, "send %zu bytes to rank %d", n, to);
    *p = (struct pending){.to = to, .size = n};
    memcpy(p->data, data, n);
    if (MPI_Isend(p->data, (int)n, MPI_BYTE, to, TAG, s->comm, &p->request) != MPI_SUCCESS) {
        free(p);
        s->has_loss = true;
        return ERR_OK; /* as good as lost on the way: leases and resending answer for it */
    }
    if (s->last)
        s->last->next = p;
    else
        s->first = p;
    s->last = p;
    s->n_pending += n;
    return ERR_OK;
}

/* --- receiving ---------------------------------------------------------------------------- */

static bool make_room(struct state *s, size_t n)
{
    if (n <= s->cap_in)
        return true;
    char *in = realloc(s->in, n);
    if (!in)
        return false;
    s->in = in;
    s->cap_in = n;
    return true;
}

static bool mpi_poll(struct link *l, int *from, const void **data, size_t *n)
{
    struct state *s = l->state;
    MPI_Status status;
    int is_here = 0, count = 0;

    test_pending(s);
    if (MPI_Iprobe(MPI_ANY_SOURCE, TAG, s->comm, &is_here, &status) != MPI_SUCCESS || !is_here)
        return false;
    MPI_Get_count(&status, MPI_BYTE, &count);
    if (count < 0 || !make_room(s, (size_t)count + 1))
        return false;
    if (MPI_Recv(s->in, count, MPI_BYTE, status.MPI_SOURCE, TAG, s->comm, &status) != MPI_SUCCESS)
        return false;
    *from = status.MPI_SOURCE;
    *data = s->in;
    *n = (size_t)count;
    return true;
}

/* --- loss --------------------------------------------------------------------------------- */

static void mpi_forget(struct link *l, int rank)
{
    struct state *s = l->state;

    if (rank < 0 || rank >= l->size || s->is_forgotten[rank])
        return;
    s->is_forgotten[rank] = true;
    s->has_loss = true;
    for (struct pending **at = &s->first; *at;) {
        struct pending *p = *at;
        if (p->to != rank) {
            at = &p->next;
            continue;
        }
        *at = p->next; /* the buffer stays MPI's */
        s->n_pending -= p->size;
    }
    s->last = s->first;
    while (s->last && s->last->next)
        s->last = s->last->next;
}

static int mpi_lost(struct link *l)
{
#if HAS_ULFM
    struct state *s = l->state;
    MPI_Group failed, world;
    int n = 0, found = -1;

    if (MPIX_Comm_get_failed(s->comm, &failed) != MPI_SUCCESS)
        return -1;
    MPI_Group_size(failed, &n);
    MPI_Comm_group(s->comm, &world);
    for (int i = 0; i < n && found < 0; i++) {
        int rank = MPI_UNDEFINED;
        MPI_Group_translate_ranks(failed, 1, &i, world, &rank);
        if (rank != MPI_UNDEFINED && !s->is_forgotten[rank])
            found = rank;
    }
    MPI_Group_free(&failed);
    MPI_Group_free(&world);
    if (found >= 0)
        mpi_forget(l, found);
    return found;
#else
    (void)l;
    return -1;
#endif
}

static size_t mpi_pending(struct link *l)
{
    struct state *s = l->state;

    test_pending(s);
    return s->n_pending;
}

/* --- open and close ----------------------------------------------------------------------- */

static void on_alarm(int sig)
{
    (void)sig;
    _exit(0); /* all is durable by now; only the farewell hangs */
}

static bool mpi_close(struct link *l)
{
    struct state *s = l->state;
    bool is_orderly = !s->has_loss && s->n_pending == 0;

    if (is_orderly) {
        struct sigaction sa = {.sa_handler = on_alarm};
        sigaction(SIGALRM, &sa, NULL);
        alarm(FINALIZE_S);
        MPI_Comm_free(&s->comm);
        MPI_Finalize();
        alarm(0);
    }
    free(s->in);
    free(s->is_forgotten);
    free(s);
    l->state = NULL;
    return is_orderly;
}

static const struct link_ops mpi_ops = {
    .send = mpi_send,
    .poll = mpi_poll,
    .lost = mpi_lost,
    .forget = mpi_forget,
    .pending = mpi_pending,
    .close = mpi_close,
};

enum err_code link_mpi_open(struct link *l, int *argc, char ***argv, struct err *e)
{
    int provided = 0;
    struct state *s = calloc(1, sizeof *s);

    if (!s)
        return err_set(e, ERR_NOMEM, "MPI link");
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
        free(s);
        return err_set(e, ERR_UNAVAILABLE, "MPI_Init_thread failed");
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (MPI_Comm_dup(MPI_COMM_WORLD, &s->comm) != MPI_SUCCESS) {
        free(s);
        return err_set(e, ERR_UNAVAILABLE, "MPI_Comm_dup failed");
    }
    MPI_Comm_set_errhandler(s->comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(s->comm, &l->rank);
    MPI_Comm_size(s->comm, &l->size);
    s->is_forgotten = calloc((size_t)l->size, sizeof *s->is_forgotten);
    if (!s->is_forgotten) {
        free(s);
        return err_set(e, ERR_NOMEM, "MPI link");
    }
    l->ops = &mpi_ops;
    l->state = s;
    return ERR_OK;
}
