/* shows: httpsrv_server_reload, httpsrv_server_on_reload, httpsrv_server_generation
 * New handlers while it serves. */
#include <httpsrv/server.h>
#include <stdio.h>

static int
routes(void *arg) /* at the start, and at each reload */
{
    int *times = arg;

    printf("load %d\n", ++*times);
    return 0;
}

static void
ready(void *arg, int err)
{
    if (err == 0) {
        printf("set %lu\n", httpsrv_server_generation(arg));
        httpsrv_server_reload(arg);
    }
}

static void
reloaded(void *arg, int err)
{
    printf("set %lu: %d\n", httpsrv_server_generation(arg), err);
    httpsrv_server_stop(arg, 0);
}

int
main(void)
{
    struct httpsrv_server *server;
    int times = 0;

    if (httpsrv_server_new(&server) != 0) {
        return 1;
    }
    httpsrv_server_set(server, "log-level", "warn");
    httpsrv_server_on_load(server, routes, &times);
    httpsrv_server_on_state(server, ready, NULL, server);
    httpsrv_server_on_reload(server, reloaded, server);
    int err = httpsrv_server_listen(server, "127.0.0.1:0");
    err = err != 0 ? err : httpsrv_server_start(server, NULL);
    err = err != 0 ? err : httpsrv_server_run(server);
    //> load 1
    //> set 1
    //> load 2
    //> set 2: 0
    httpsrv_server_free(server);
    return err;
}
