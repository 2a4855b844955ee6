/* control.h - the control socket: commands for a running server, from the same user on the same machine.
 *
 * A unix socket with mode 0600 in a directory that nobody else can write to; besides, the kernel tells who has connected, and only the server's own
 * user and root are listened to. One connection carries one command:
 *
 *   client  "HSC1", length (4 bytes, big-endian, at most HS_CONTROL_REQUEST_MAX), and that many bytes: the words, each with a NUL behind it
 *   server  frames: kind (1 byte), length (4 bytes, big-endian), bytes. 'O': for the client's stdout, 'E': for its stderr, 'X': the command
 *           has ended, its one byte is the exit status; then the connection is closed
 *
 * A client that closes, or sends anything more, is gone: its command is told, and what that still writes is dropped.
 * Who carries out commands is not known here: a server, or a master that hands them on to its workers. Loop thread only. */
#ifndef HS_SERVER_CONTROL_H
#define HS_SERVER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "io/loop.h"

#define HS_CONTROL_MAGIC "HSC1"

enum {
    HS_CONTROL_REQUEST_MAX = 64 * 1024,     /* bytes of words */
    HS_CONTROL_WORDS_MAX = 1024,
    HS_CONTROL_OUTPUT_MAX = 16 * 1024 * 1024, /* that wait for a client to take them; one that lets more come is cut off */
    HS_CONTROL_CALLS_MAX = 32,              /* connections at a time; more wait in the backlog */
};
#define HS_CONTROL_REQUEST_TIME (5 * HS_SEC)  /* for the whole request */
#define HS_CONTROL_ENDING_TIME (30 * HS_SEC)  /* for the client to take what is left after the end, since it last took some */

enum hs_control_stream { HS_CONTROL_OUT = 'O', HS_CONTROL_ERR = 'E' };

struct hs_control;
struct hs_control_call; /* a command that is being carried out */

/* Carries a command out: writes, and ends it with hs_control_end, before the return or later. */
typedef void hs_control_func(void *arg, struct hs_control_call *call);

/* Listens at path and hands commands to run(arg, call). 0; EPERM: the directory belongs to another user or others can write to it; EINVAL: the
 * path is too long for a socket; EADDRINUSE, EEXIST and other errors as hs_unix_listen; errors of stat(2), socket(2); ENOMEM. */
int hs_control_new(struct hs_loop *loop, const char *path, hs_control_func *run, void *arg, struct hs_control **out);
/* Closes and removes the socket; connections are closed, commands that are being carried out are told that their client is gone and must
 * be ended all the same, later if need be. NULL is ignored. Not from within run or a callback of a call that has not been ended. */
void hs_control_free(struct hs_control *c);
/* In a child after fork(2): the socket's file is the parent's to remove. */
void hs_control_disown(struct hs_control *c);
/* Listens no more, and removes the socket where it is still ours: a successor is asked from now on. Commands that are being carried out go on. */
void hs_control_retire(struct hs_control *c);
/* Where it listens. Borrowed. */
const char *hs_control_path(const struct hs_control *c);
/* Connections that are open. */
size_t hs_control_connections(const struct hs_control *c);

/* The words: at least one. argv[argc] is NULL. Borrowed until the end. */
int hs_control_argc(const struct hs_control_call *call);
char *const *hs_control_argv(const struct hs_control_call *call);
/* Writes for the client to show. Nothing happens when it is gone. A client that does not take what is written is cut off. */
void hs_control_write(struct hs_control_call *call, enum hs_control_stream stream, const void *data, size_t n);
/* The same, formatted; out of memory nothing is written. */
void hs_control_printf(struct hs_control_call *call, enum hs_control_stream stream, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* fn(arg) is called once, from the loop or from hs_control_free, when the client has gone before the end. NULL: nobody is told. */
void hs_control_on_gone(struct hs_control_call *call, hs_callback *fn, void *arg);
/* Whether the client has gone. */
bool hs_control_is_gone(const struct hs_control_call *call);
/* Ends the command with an exit status (0 to 255); call is gone. */
void hs_control_end(struct hs_control_call *call, int status);

#endif
