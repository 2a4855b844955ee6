/* pid_file.h - a file with the number of the process in it, for those who want to send it signals.
 * It appears with its content, by rename(2). Its descriptor stays open, so that a process which has given up the right to remove it can empty it at least,
 * and can let its successor write in it. One thread. */
#ifndef HS_SERVER_PID_FILE_H
#define HS_SERVER_PID_FILE_H

#include <sys/types.h>

struct hs_pid_file {
    char *path; /* NULL: there is none */
    int fd;
};

/* Writes our number, in place of whatever the file says: whether a server runs already is for its sockets to tell. 0; errors of open(2), write(2),
 * rename(2); ENOMEM; out->path is NULL then. */
int hs_pid_file_write(const char *path, struct hs_pid_file *out);
/* Takes over the descriptor of a predecessor's, and path of which it is. 0; ENOMEM, and fd is still the caller's. */
int hs_pid_file_adopt(const char *path, int fd, struct hs_pid_file *out);
/* Writes our number into what was adopted. 0; errors of write(2). */
int hs_pid_file_rewrite(struct hs_pid_file *p);
/* Removes the file, or empties it where that is not allowed, unless it is not ours any more: then only closes it. */
void hs_pid_file_remove(struct hs_pid_file *p);
/* Closes the descriptor and leaves the file alone. */
void hs_pid_file_forget(struct hs_pid_file *p);

#endif
