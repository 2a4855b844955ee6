/* shows: httpsrv_server_new, httpsrv_server_on_load, httpsrv_server_listen, httpsrv_server_start, httpsrv_server_run, httpsrv_server_error,
 *   httpsrv_server_free
 * A whole server in C. The other examples that answer requests have their routes() called by this one. */
#include <httpsrv/server.h>
#include <stdio.h>

extern int routes(void *arg);

int
main(int argc, char **argv)
{
    struct httpsrv_server *server;

    if (argc != 2 || httpsrv_server_new(&server) != 0) {
        return 1;
    }
    httpsrv_server_on_load(server, routes, NULL); /* registers the handlers */
    int err = httpsrv_server_listen(server, argv[1]); /* "127.0.0.1:8080", "unix:/path" */
    err = err != 0 ? err : httpsrv_server_start(server, NULL); /* or a directory of scripts as well */
    err = err != 0 ? err : httpsrv_server_run(server);
    if (err != 0) {
        fprintf(stderr, "%s\n", httpsrv_server_error(server));
    }
    httpsrv_server_free(server);
    return err != 0;
}
