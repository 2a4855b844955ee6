/* server.c - httpsrv/server.h: a server from its settings to its end, on a loop of its own and on one of the program's. */
#include "installed.h"

#include <event2/event.h>
#include <httpsrv/server.h>
#include <modules/listeners/httpsrv.h>
#include <sys/socket.h>
#include <unistd.h>

static struct httpsrv_server *server;
static int loads, readies, reloads, stops, fail_load;

static int
hello(ec_httpsrv_session *sess)
{
    (void)ec_httpsrv_response_append(sess, "x", 1);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
on_load(void *arg)
{
    CHECK(arg == &loads);
    loads++;
    return fail_load ? EPERM : ec_httpsrv_register(NULL, NULL, "/", ECTP_CLASS_SHORT_LIVED, NULL, hello);
}

static void
on_ready(void *arg, int err)
{
    CHECK(arg == &readies && err == 0);
    readies++;
    CHECK(httpsrv_server_generation(server) == 1);
    fail_load = 1;
    CHECK(httpsrv_server_reload(server) == 0);
}

/* The first one fails, the second one does not, then the server stops. */
static void
on_reloaded(void *arg, int err)
{
    CHECK(arg == &reloads);
    reloads++;
    if (reloads == 1) {
        CHECK(err == EPERM && httpsrv_server_generation(server) == 1);
        fail_load = 0;
        CHECK(httpsrv_server_reload(server) == 0);
        return;
    }
    CHECK(err == 0 && httpsrv_server_generation(server) > 1);
    httpsrv_server_stop(server, 1);
}

static void
on_stopped(void *arg)
{
    (void)arg;
    stops++;
}

static char config[32]; /* read again at each reload */

static void
configure(void)
{
    char path[32];
    static const char text[] = "return { max_body = '1K' }\n";

    CHECK(strcmp(httpsrv_version(), HTTPSRV_VERSION) == 0);
    loads = readies = reloads = stops = fail_load = 0;
    CHECK(httpsrv_server_new(&server) == 0);
    struct httpsrv_server *second;
    CHECK(httpsrv_server_new(&second) == EBUSY);
    CHECK(httpsrv_server_generation(server) == 0 && httpsrv_server_reload(server) == EBUSY);
    CHECK(httpsrv_server_set(server, "no-such", "1") == ENOENT && strstr(httpsrv_server_error(server), "no-such") != NULL);
    CHECK(httpsrv_server_set(server, "log-level", "error") == 0);
    CHECK(httpsrv_server_config(server, "/tmp/httpsrv-installed-none") == ENOENT);
    (void)snprintf(config, sizeof config, "/tmp/httpsrv-installed-XXXXXX");
    int fd = mkstemp(config);
    CHECK(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1 && close(fd) == 0);
    CHECK(httpsrv_server_config(server, config) == 0);
    (void)snprintf(path, sizeof path, "unix:@hi-%d", (int)getpid());
    CHECK(httpsrv_server_listen(server, path) == 0 && strcmp(httpsrv_server_address(server, 0), path) == 0);
    CHECK(httpsrv_server_address(server, 1) == NULL);
    httpsrv_server_on_load(server, on_load, &loads);
    httpsrv_server_on_state(server, on_ready, on_stopped, &readies);
    httpsrv_server_on_reload(server, on_reloaded, &reloads);
}

void
test_server(void)
{
    configure();
    CHECK(httpsrv_server_start(server, NULL) == 0 && readies == 0);
    CHECK(httpsrv_server_run(server) == 0);
    CHECK(loads == 3 && readies == 1 && reloads == 2 && stops == 1);
    CHECK(httpsrv_server_reload(server) == EBUSY);
    httpsrv_server_free(server);
    CHECK(unlink(config) == 0);

    struct event_base *base = event_base_new();
    configure();
    CHECK(base != NULL && httpsrv_server_attach(server, base) == 0);
    CHECK(httpsrv_server_start(server, NULL) == 0 && httpsrv_server_run(server) == EINVAL);
    while (stops == 0 && event_base_loop(base, EVLOOP_ONCE) == 0) {
    }
    CHECK(loads == 3 && stops == 1);
    httpsrv_server_free(server);
    CHECK(unlink(config) == 0);
    event_base_free(base);
    httpsrv_server_free(NULL);
}
