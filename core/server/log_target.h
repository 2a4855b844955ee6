/* log_target.h - where a log goes: a file, stdout or stderr, syslog, nowhere; and whole lines on their way there without waiting.
 *
 * An output owns a descriptor and never blocks for longer than a disk does: pipes, terminals and sockets are written to without waiting (as far as the
 * kernel lets us open them so), and say EAGAIN. Several processes may share a file, a pipe or a socket; what is written of one call is whole lines:
 *   file    O_APPEND, one write(2). A line that a full disk has cut is closed with a newline and written anew
 *   pipe    pieces of at most PIPE_BUF bytes; a longer line may be mixed with those of others
 *   syslog  a datagram for each line to /dev/log, in the format of RFC 3164 without a host, as syslog(3) sends it and every local daemon reads it
 * One thread at a time. */
#ifndef HS_SERVER_LOG_TARGET_H
#define HS_SERVER_LOG_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

enum hs_log_kind { HS_LOG_TO_NONE, HS_LOG_TO_FILE, HS_LOG_TO_STDOUT, HS_LOG_TO_STDERR, HS_LOG_TO_SYSLOG };

struct hs_log_target {
    enum hs_log_kind kind;
    const char *path; /* of a file: borrowed from the text */
    int facility;     /* of syslog: LOG_DAEMON and the like */
};

/* Parses "none", "stdout" or "-", "stderr", "syslog", "syslog:FACILITY", else the name of a file ("./none" is one). 0; EINVAL: empty, or an
 * unknown facility. */
int hs_log_target_parse(const char *text, struct hs_log_target *out);
/* Opens what a file or a standard stream is written through, close-on-exec. 0; errors of open(2): ENXIO for a FIFO without a reader; EINVAL for other
 * kinds. */
int hs_log_target_open(const struct hs_log_target *target, int *fd);

struct hs_log_output {
    int fd; /* -1: not connected (syslog) */
    enum hs_log_kind kind;
    bool is_pipe; /* or a terminal, or a socket: written to in small pieces */
    bool is_socket;
    bool torn; /* the file ends within a line */
    int facility;
    const char *syslog_path;
};

/* Makes an output of what hs_log_target_open gave, which it owns from then on; for syslog fd is -1. syslog_path NULL: /dev/log. */
void hs_log_output_init(struct hs_log_output *o, const struct hs_log_target *target, int fd, const char *syslog_path);
/* Closes it. */
void hs_log_output_fini(struct hs_log_output *o);
/* The same kind of output goes on with another descriptor, which is taken over; the former is closed. */
void hs_log_output_replace(struct hs_log_output *o, int fd);
/* Writes lines, each with its newline, from text.p + *at on, and moves *at; severity is syslog's. Those for nowhere are gone. 0: all of it; EAGAIN: later; else what write(2) or
 * connect(2) said, *at then stands where a next try may go on. */
int hs_log_output_write(struct hs_log_output *o, struct hs_view text, size_t *at, int severity);

#endif
