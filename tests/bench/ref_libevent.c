/* ref_libevent.c - the same reference server on libevent's loop.
 * One persistent event per connection, made again only when the wish changes between reading and writing. Against
 * ref_epoll.c it shows what the loop itself costs. Ends with the process: nothing is freed at exit.
 */
#include "ref_app.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct connection {
    struct event event;
    struct ref_conn conn;
    enum ref_want want;
};

static struct event_base *base;

static void on_ready(evutil_socket_t fd, short what, void *arg);

static void
end(struct connection *connection)
{
    event_del(&connection->event);
    ref_conn_fini(&connection->conn);
    free(connection);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct connection *connection = arg;
    enum ref_want want =
        (what & EV_WRITE) != 0 ? ref_conn_writable(&connection->conn) : ref_conn_readable(&connection->conn);

    if (want == REF_CLOSE) {
        end(connection);
        return;
    }
    if (want != connection->want) {
        short kind = want == REF_WRITE ? EV_WRITE | EV_PERSIST : EV_READ | EV_PERSIST;

        event_del(&connection->event);
        if (event_assign(&connection->event, base, fd, kind, on_ready, connection) != 0 ||
            event_add(&connection->event, NULL) != 0) {
            end(connection);
            return;
        }
        connection->want = want;
    }
}

static void
on_accept(evutil_socket_t listener, short what, void *arg)
{
    int fd;

    (void)what;
    (void)arg;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = malloc(sizeof *connection);

        if (connection == NULL) {
            perror("ref_libevent: accept");
            exit(1);
        }
        ref_conn_init(&connection->conn, fd);
        connection->want = REF_READ;
        if (event_assign(&connection->event, base, fd, EV_READ | EV_PERSIST, on_ready, connection) != 0 ||
            event_add(&connection->event, NULL) != 0) {
            fprintf(stderr, "ref_libevent: event_add failed\n");
            exit(1);
        }
    }
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    ref_app_tick();
}

int
main(int argc, char **argv)
{
    struct event_config *config = event_config_new();
    struct timeval period = {.tv_usec = 250000};
    struct ref_options options;
    struct event *accepting, *ticking;
    int error, listener;

    ref_options_read(&options, argc, argv);
    error = ref_app_init(&options);
    if (error != 0) {
        fprintf(stderr, "ref_libevent: %s: %s\n", options.files, strerror(error));
        return 1;
    }
    listener = ref_listen(options.port);
    if (listener < 0) {
        perror("ref_libevent");
        return 1;
    }
    if (config == NULL || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) != 0 ||
        (base = event_base_new_with_config(config)) == NULL ||
        (accepting = event_new(base, listener, EV_READ | EV_PERSIST, on_accept, NULL)) == NULL ||
        (ticking = event_new(base, -1, EV_PERSIST, on_tick, NULL)) == NULL || event_add(accepting, NULL) != 0 ||
        event_add(ticking, &period) != 0) {
        fprintf(stderr, "ref_libevent: cannot set up the loop\n");
        return 1;
    }
    return event_base_dispatch(base) == 0 ? 0 : 1;
}
