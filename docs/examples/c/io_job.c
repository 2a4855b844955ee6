/* shows: io_wrapper_create_read_job
 * Reads a whole file in a thread. */
#include <io_wrapper.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

int
main(void)
{
    string text;
    sem_t done;

    io_object *io = io_wrapper_open("note.txt", O_WRONLY | O_CREAT, 0644);
    io_wrapper_write(io, "a note", 6);
    io_wrapper_delref(io);

    string_init_type(&text, 64, STRING_TYPE_MALLOC);
    sem_init(&done, 0, 0);
    io_job *job = io_wrapper_create_read_job("note.txt");
    job->buffer = &text;
    job->job.completion = ECTP_COMPLETE_SEMAPHORE;
    job->job.r.sema = &done;
    if (!ec_queue_async_job(job)) {
        return 1;
    }
    sem_wait(&done);
    printf("%d %s\n", job->status == IOJ_COMPLETED, text.buffer); //> 1 a note
    free(job);
    string_destroy(&text);
    return 0;
}
