/* work_queue_noop.c - N no-op tasks through Work Queue (coop-computing-tools-dev); for bench_queue.sh,
 * which compiles it where that library is installed.
 *
 *   work_queue_noop N LOG PORT_FILE     a line a result, flushed and synced every 64 results
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cctools/work_queue.h>

int main(int argc, char **argv)
{
    int n = argc == 4 ? atoi(argv[1]) : 0, done = 0;
    struct work_queue *q = n > 0 ? work_queue_create(0) : NULL;
    FILE *log = q ? fopen(argv[2], "w") : NULL;
    FILE *port = q ? fopen(argv[3], "w") : NULL;

    if (!log || !port)
        return 1;
    fprintf(port, "%d\n", work_queue_port(q));
    fclose(port);
    for (int i = 0; i < n; i++)
        work_queue_submit(q, work_queue_task_create("true"));
    while (!work_queue_empty(q)) {
        struct work_queue_task *t = work_queue_wait(q, 5);

        if (!t)
            continue;
        fprintf(log, "%d %d\n", t->taskid, t->return_status);
        done += t->return_status == 0;
        work_queue_task_delete(t);
        if (done % 64 == 0 || done == n) {
            fflush(log);
            fsync(fileno(log));
        }
    }
    fclose(log);
    work_queue_delete(q);
    return done == n ? 0 : 1;
}
