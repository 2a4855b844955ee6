/* ref_epoll.c - the limit: a reference server on epoll(7) alone.
 * Level-triggered; a connection is registered for reading once and for writing only while an answer waits, so that a
 * request costs one read, one write and its share of one epoll_wait. Ends with the process: nothing is freed at exit.
 */
#include "ref_app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { EVENTS_PER_TURN = 512 };

struct connection {
    struct ref_conn conn;
    enum ref_want want;
};

static int loop;
static struct connection listener;

static void
watch(struct connection *connection, enum ref_want want)
{
    struct epoll_event event = {.events = want == REF_WRITE ? EPOLLOUT : EPOLLIN, .data.ptr = connection};

    if (want == REF_CLOSE ||
        (want != connection->want && epoll_ctl(loop, EPOLL_CTL_MOD, connection->conn.fd, &event) != 0)) {
        ref_conn_fini(&connection->conn);
        free(connection);
        return;
    }
    connection->want = want;
}

static void
accept_all(void)
{
    int fd;

    while ((fd = accept4(listener.conn.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = malloc(sizeof *connection);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

        if (connection == NULL) {
            perror("ref_epoll: accept");
            exit(1);
        }
        ref_conn_init(&connection->conn, fd);
        connection->want = REF_READ;
        if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) != 0) {
            perror("ref_epoll: epoll_ctl");
            exit(1);
        }
    }
}

int
main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS_PER_TURN];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
    struct ref_options options;
    int error;

    ref_options_read(&options, argc, argv);
    error = ref_app_init(&options);
    if (error != 0) {
        fprintf(stderr, "ref_epoll: %s: %s\n", options.files, strerror(error));
        return 1;
    }
    listener.conn.fd = ref_listen(options.port);
    loop = epoll_create1(EPOLL_CLOEXEC);
    if (listener.conn.fd < 0 || loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, listener.conn.fd, &event) != 0) {
        perror("ref_epoll");
        return 1;
    }
    for (;;) {
        int ready = epoll_wait(loop, events, EVENTS_PER_TURN, -1);

        if (ready < 0 && errno != EINTR) {
            perror("ref_epoll: epoll_wait");
            return 1;
        }
        ref_app_tick();
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;

            if (connection == &listener) {
                accept_all();
            } else if (connection->want == REF_WRITE) {
                watch(connection, ref_conn_writable(&connection->conn));
            } else {
                watch(connection, ref_conn_readable(&connection->conn));
            }
        }
    }
}
