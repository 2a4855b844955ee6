/* serve.c - a server in this thread, its client in another. */
#include "installed.h"

#include <httpsrv/server.h>
#include <modules/listeners/httpsrv.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static struct httpsrv_server *server;
static char address[64];
static int (*more_routes)(void *arg);
static void (*run_client)(void);

static int
stop(ec_httpsrv_session *sess)
{
    httpsrv_server_stop(server, 0);
    (void)ec_httpsrv_response_status_set(sess, 204, NULL);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
routes(void *arg)
{
    int err = ec_httpsrv_register(NULL, "GET", "/stop", ECTP_CLASS_SHORT_LIVED, NULL, stop);

    return err != 0 ? err : more_routes(arg);
}

static void *
client_main(void *arg)
{
    (void)arg;
    run_client();
    CHECK(strncmp(exchange("GET /stop HTTP/1.1", NULL), "HTTP/1.1 204 ", 13) == 0);
    return NULL;
}

static void
on_ready(void *arg, int err)
{
    CHECK(err == 0);
    if (pthread_create(arg, NULL, client_main, NULL) != 0) {
        CHECK(!"a thread for the client");
        httpsrv_server_stop(server, 1);
    }
}

void
serve(int (*fn)(void *arg), void (*client)(void))
{
    static unsigned number;
    pthread_t thread;

    more_routes = fn;
    run_client = client;
    (void)snprintf(address, sizeof address, "unix:@httpsrv-installed-%d-%u", (int)getpid(), number++);
    CHECK(httpsrv_server_new(&server) == 0);
    httpsrv_server_on_load(server, routes, NULL);
    httpsrv_server_on_state(server, on_ready, NULL, &thread);
    CHECK(httpsrv_server_set(server, "log-level", "warn") == 0);
    CHECK(httpsrv_server_listen(server, address) == 0);
    CHECK(httpsrv_server_start(server, NULL) == 0);
    CHECK(httpsrv_server_run(server) == 0);
    (void)pthread_join(thread, NULL);
    httpsrv_server_free(server);
}

/* --- the client --- */

static int
connect_and_send(const char *head, const char *body)
{
    ec_sockaddr a;
    char text[4096];

    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(ec_sockaddr_parse(&a, address) == 0);
    if (fd < 0 || connect(fd, &a.sa, a.len) != 0) {
        CHECK(!"a connection");
        return fd;
    }
    int n = snprintf(text, sizeof text, "%s\r\nHost: localhost\r\nConnection: close\r\n", head);
    if (body != NULL && strstr(head, "Transfer-Encoding") == NULL) {
        n += snprintf(text + n, sizeof text - (size_t)n, "Content-Length: %zu\r\n", strlen(body));
    }
    n += snprintf(text + n, sizeof text - (size_t)n, "\r\n%s", body != NULL ? body : "");
    CHECK((size_t)n < sizeof text && send(fd, text, (size_t)n, MSG_NOSIGNAL) == n);
    return fd;
}

const char *
exchange(const char *head, const char *body)
{
    static _Thread_local char text[64 * 1024];
    size_t n = 0;
    ssize_t got;

    int fd = connect_and_send(head, body);
    while (n < sizeof text - 1 && (got = read(fd, text + n, sizeof text - 1 - n)) > 0) {
        n += (size_t)got;
    }
    text[n] = '\0';
    (void)close(fd);
    return text;
}

void
abandon(const char *head, int wait)
{
    char c;

    int fd = connect_and_send(head, NULL);
    if (wait) {
        CHECK(read(fd, &c, 1) == 1);
    }
    (void)close(fd);
}

int
has_body(const char *response, const char *body)
{
    const char *p = strstr(response, "\r\n\r\n");

    return p != NULL && strcmp(p + 4, body) == 0;
}
