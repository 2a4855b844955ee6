/* embed.c - a program with a server inside: handlers in C, and those of Lua scripts beside them.
 *
 *     embed ADDRESS [SCRIPTS]
 *
 * GET /stream sends a file of the program's choice at the client's pace, POST /reload builds the handlers anew, POST /stop ends the program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <httpsrv/server.h>
#include <modules/listeners/httpsrv.h>

static struct httpsrv_server *server;

static int
hello(ec_httpsrv_session *sess)
{
    const ec_url_details *url = ec_httpsrv_request_url_get(sess);
    const char *name = "world";

    if (url == NULL) {
        (void)ec_httpsrv_response_status_error(sess, "text/plain");
        return EC_HTTPSRV_HANDLER_DONE;
    }
    if (url->attrs != NULL) {
        (void)dict_key_exists_and_fetch(url->attrs, "name", &name);
    }
    (void)ec_httpsrv_response_status_set_std(sess, 200, "OK", "text/plain");
    (void)ec_httpsrv_response_printf(sess, "hello, %s\n", name);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
stream(ec_httpsrv_session *sess)
{
    io_object *io = io_wrapper_open("/proc/self/status", O_RDONLY, 0);

    if (io == NULL) {
        (void)ec_httpsrv_response_status_not_found(sess, "text/plain");
        return EC_HTTPSRV_HANDLER_DONE;
    }
    (void)ec_httpsrv_response_status_ok(sess, "text/plain");
    if (ec_httpsrv_response_io(sess, io, 0) != 0) {
        (void)ec_httpsrv_response_status_error(sess, "text/plain");
    }
    io_wrapper_delref(io); /* the response has its own reference */
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
reload(ec_httpsrv_session *sess)
{
    (void)ec_httpsrv_response_status_set_std(sess, httpsrv_server_reload(server) == 0 ? 202 : 503, NULL, "text/plain");
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
stop(ec_httpsrv_session *sess)
{
    httpsrv_server_stop(server, 0); /* begins to; this request is still answered */
    (void)ec_httpsrv_response_status_set_std(sess, 200, "stopping", "text/plain");
    return EC_HTTPSRV_HANDLER_DONE;
}

/* Called at the start and for each reload. */
static int
routes(void *arg)
{
    static const struct {
        const char *method, *path;
        ec_httpsrv_handler_func handler;
    } all[] = { { "GET", "/hello", hello }, { "GET", "/stream", stream }, { "POST", "/reload", reload }, { "POST", "/stop", stop } };
    int err = 0;

    (void)arg;
    for (size_t i = 0; i < sizeof all / sizeof *all && err == 0; i++) {
        err = ec_httpsrv_register(NULL, all[i].method, all[i].path, ECTP_CLASS_SHORT_LIVED, NULL, all[i].handler);
    }
    return err;
}

static void
on_ready(void *arg, int err)
{
    (void)arg;
    if (err == 0) {
        printf("listening at %s\n", httpsrv_server_address(server, 0));
        fflush(stdout);
    }
}

static void
on_reloaded(void *arg, int err)
{
    (void)arg;
    if (err == 0) {
        printf("handlers %lu\n", httpsrv_server_generation(server));
    } else {
        printf("still handlers %lu: %s\n", httpsrv_server_generation(server), httpsrv_server_error(server));
    }
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: embed ADDRESS [SCRIPTS]\n");
        return 2;
    }
    int err = httpsrv_server_new(&server);
    if (err != 0) {
        fprintf(stderr, "embed: %s\n", strerror(err));
        return 1;
    }
    httpsrv_server_on_load(server, routes, NULL);
    httpsrv_server_on_state(server, on_ready, NULL, NULL);
    httpsrv_server_on_reload(server, on_reloaded, NULL);
    err = httpsrv_server_set(server, "log-level", "warn");
    if (err == 0) {
        err = httpsrv_server_listen(server, argv[1]);
    }
    if (err == 0) {
        err = httpsrv_server_start(server, argc > 2 ? argv[2] : NULL);
    }
    if (err == 0) {
        err = httpsrv_server_run(server);
    }
    if (err != 0) {
        fprintf(stderr, "embed: %s\n", httpsrv_server_error(server));
    }
    httpsrv_server_free(server);
    return err == 0 ? 0 : 1;
}
