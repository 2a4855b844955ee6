/* shows: httpsrv_server_attach
 * In a program that has an event loop of its own. */
#include <event2/event.h>
#include <httpsrv/server.h>
#include <stdio.h>

static struct event_base *base;

static void
ready(void *arg, int err)
{
    printf("the server in our loop: %d\n", err); //> the server in our loop: 0
    httpsrv_server_stop(arg, 1);
}

static void
stopped(void *arg)
{
    (void)arg;
    event_base_loopbreak(base);
}

int
main(void)
{
    struct httpsrv_server *server;

    base = event_base_new();
    if (base == NULL || httpsrv_server_new(&server) != 0) {
        return 1;
    }
    httpsrv_server_on_state(server, ready, stopped, server);
    int err = httpsrv_server_attach(server, base);
    err = err != 0 ? err : httpsrv_server_listen(server, "127.0.0.1:0");
    err = err != 0 ? err : httpsrv_server_start(server, NULL);
    if (err == 0) {
        event_base_dispatch(base);
    }
    httpsrv_server_free(server);
    event_base_free(base);
    return err;
}
