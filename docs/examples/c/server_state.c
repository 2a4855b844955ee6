/* shows: httpsrv_server_set, httpsrv_server_config, httpsrv_server_address, httpsrv_server_on_state, httpsrv_server_stop, httpsrv_version
 * A server that stops as soon as it serves: settings, and what tells how it is. */
#include <errno.h>
#include <httpsrv/server.h>
#include <stdio.h>
#include <string.h>

static struct httpsrv_server *server;

static void
ready(void *arg, int err)
{
    (void)arg;
    printf("ready: %s\n", err == 0 ? "yes" : strerror(err));
    httpsrv_server_stop(server, 0);
}

static void
stopped(void *arg)
{
    (void)arg;
    printf("stopped\n");
}

int
main(void)
{
    printf("%d\n", strcmp(httpsrv_version(), HTTPSRV_VERSION)); //> 0
    if (httpsrv_server_new(&server) != 0) {
        return 1;
    }
    httpsrv_server_set(server, "max-body", "32M");
    httpsrv_server_set(server, "drain_timeout", "2.5s");
    printf("%d\n", httpsrv_server_set(server, "max-body", "much") == EINVAL); //> 1
    printf("%s\n", httpsrv_server_error(server)); //> max-body: must be a number of bytes (suffixes K, M, G) from 0 on, or none, not 'much'
    printf("%d\n", httpsrv_server_config(server, "no-such-file.lua") == ENOENT); //> 1

    httpsrv_server_on_state(server, ready, stopped, NULL);
    httpsrv_server_listen(server, "127.0.0.1:0"); /* any free port */
    printf("%.10s\n", httpsrv_server_address(server, 0)); //> 127.0.0.1:
    int err = httpsrv_server_start(server, NULL);
    err = err != 0 ? err : httpsrv_server_run(server);
    //> ready: yes
    //> stopped
    httpsrv_server_free(server);
    return err;
}
