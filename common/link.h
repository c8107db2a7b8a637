/* link.h - transport between coordinator and agents: datagrams with a sender.
 *
 * Rank 0 is the coordinator.  Implementations: link_mpi.c (Open MPI), link_fake (tests).
 * No call blocks, ever: a rank that is not heard of any more costs nothing but its buffers.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct link {
    const struct link_ops *ops;
    int rank, size;
    void *state;
};

struct link_ops {
    /* Queues a copy of the bytes; order per pair is kept.  `to` already lost: dropped. */
    enum err_code (*send)(struct link *l, int to, const void *data, size_t n, struct err *e);
    /* Next datagram, if any: *data holds until the next poll.  Also moves pending sends. */
    bool (*poll)(struct link *l, int *from, const void **data, size_t *n);
    /* A rank that the transport itself reports lost since the last call (ULFM), or -1. */
    int (*lost)(struct link *l);
    void (*forget)(struct link *l, int rank); /* never address it again */
    /* Bytes accepted but not yet handed to the network. */
    size_t (*pending)(struct link *l);
    /* Ends the transport.  False when it could not be ended in order (a rank was lost, or data
     * is still pending): the program should then leave by _exit(). */
    bool (*close)(struct link *l);
};

MUST_CHECK enum err_code link_mpi_open(struct link *l, int *argc, char ***argv, struct err *e);
void link_mpi_version(char *out, size_t n);   /* "Open MPI v4.1.4"; needs no open link */
bool link_mpi_has_ulfm(void);                 /* the library can report lost ranks (Open MPI 5) */
bool link_under_mpirun(void);                 /* started by mpirun, srun or alike */
int link_launch_rank(void);                   /* our rank as the launcher says it; -1: unknown */
