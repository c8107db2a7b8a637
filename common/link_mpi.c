/* link_mpi.c - the door to MPI. */
#include "common/link.h"

#include <mpi.h>

#include <stdlib.h>
#include <string.h>

void link_mpi_version(char *out, size_t n)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int len;

    MPI_Get_library_version(text, &len);
    text[strcspn(text, ",\n")] = '\0';
    strncpy(out, text, n - 1);
    out[n - 1] = '\0';
}

bool link_under_mpirun(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK");
}
