/* responses.c - modules/listeners/httpsrv.h: what a handler answers, and when it is told that nobody waits for it. */
#include "installed.h"

#include <modules/listeners/httpsrv.h>

static int
formatted(ec_httpsrv_session *sess, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    int err = ec_httpsrv_response_vprintf(sess, format, ap);
    va_end(ap);
    return err;
}

static int
fields(ec_httpsrv_session *sess)
{
    CHECK(ec_httpsrv_response_status_set(sess, 201, "Made") == 0 && ec_httpsrv_response_status_set(sess, 100, NULL) == EINVAL);
    CHECK(ec_httpsrv_response_header_set(sess, "X-A", "1") == 0 && ec_httpsrv_response_header_add(sess, "X-A", "2") == 0);
    CHECK(ec_httpsrv_response_header_set(sess, "X-B", "a\r\nb") == EINVAL);
    CHECK(ec_httpsrv_response_append(sess, "a", 1) == 0 && ec_httpsrv_response_printf(sess, "%d", 7) == 0 && formatted(sess, "%s", "z") == 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
statuses(ec_httpsrv_session *sess)
{
    const char *which = ec_httpsrv_request_path_rest(sess);

    if (strcmp(which, "ok") == 0) {
        CHECK(ec_httpsrv_response_status_ok(sess, "text/x") == 0);
    } else if (strcmp(which, "denied") == 0) {
        CHECK(ec_httpsrv_response_status_denied(sess, "text/x") == 0);
    } else if (strcmp(which, "absent") == 0) {
        CHECK(ec_httpsrv_response_status_not_found(sess, "text/x") == 0);
    } else if (strcmp(which, "error") == 0) {
        CHECK(ec_httpsrv_response_status_error(sess, "text/x") == 0);
    } else {
        CHECK(ec_httpsrv_response_status_set_std(sess, 202, "the message", NULL) == 0);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
payload(ec_httpsrv_session *sess)
{
    string s;

    CHECK(ec_httpsrv_response_append(sess, "replaced", 8) == 0);
    CHECK(string_init_type(&s, 16, STRING_TYPE_MALLOC) == 1 && stringwrite2(&s, "payload", 7) == 7);
    CHECK(ec_httpsrv_response_string(sess, &s) == 0);
    (void)string_destroy(&s);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
streams(ec_httpsrv_session *sess)
{
    io_object *io = io_wrapper_open_memory("streamed", 8, MEMTYPE_DONTCARE);

    CHECK(ec_httpsrv_response_append(sess, "<", 1) == 0 && ec_httpsrv_response_io(sess, io, 0) == 0);
    CHECK(ec_httpsrv_response_io(sess, io, 0) == EBUSY);
    io_wrapper_delref(io);
    io = io_wrapper_open_memory("read", 4, MEMTYPE_DONTCARE);
    CHECK(ec_httpsrv_response_io(sess, io, 1) == 0 && ec_httpsrv_response_append(sess, ">", 1) == 0);
    io_wrapper_delref(io);
    CHECK(ec_httpsrv_response_flush(sess, 1) == 0 && ec_httpsrv_response_append(sess, "late", 4) == EBADF);
    return EC_HTTPSRV_HANDLER_DONE;
}

/* Suspended until its client has gone; kept for a while past its end. */
static atomic_int aborts;

static void
gone(ec_httpsrv_session *sess, void *arg)
{
    CHECK(arg == &aborts && ec_httpsrv_response_append(sess, "x", 1) == ECONNABORTED);
    aborts++;
    CHECK(ec_httpsrv_session_resume(sess, 1) == 0);
    CHECK(ec_httpsrv_response_append(sess, "x", 1) == EBADF || ec_httpsrv_response_append(sess, "x", 1) == ECONNABORTED);
    ec_httpsrv_session_delref(sess);
}

static int
wait_for_ever(ec_httpsrv_session *sess)
{
    ec_httpsrv_session_addref(sess);
    CHECK(ec_httpsrv_session_on_abort(sess, gone, &aborts) == 0);
    CHECK(ec_httpsrv_response_append(sess, "begun", 5) == 0 && ec_httpsrv_response_flush(sess, 0) == 0);
    CHECK(ec_httpsrv_session_suspend(sess) == 0 && ec_httpsrv_session_suspend(sess) == EBADF);
    return EC_HTTPSRV_HANDLER_ASYNC;
}

static int
routes(void *arg)
{
    static const struct {
        const char *path;
        ec_httpsrv_handler_func handler;
    } all[] = { { "/fields", fields }, { "/statuses", statuses }, { "/payload", payload }, { "/streams", streams }, { "/wait", wait_for_ever } };
    int err = 0;

    (void)arg;
    for (size_t i = 0; i < sizeof all / sizeof *all && err == 0; i++) {
        err = ec_httpsrv_register(NULL, "GET", all[i].path, ECTP_CLASS_SHORT_LIVED, NULL, all[i].handler);
    }
    return err;
}

static void
client(void)
{
    static const struct {
        const char *head, *status;
    } all[] = { { "GET /statuses/ok HTTP/1.1", "200" },
                { "GET /statuses/denied HTTP/1.1", "403" },
                { "GET /statuses/absent HTTP/1.1", "404" },
                { "GET /statuses/error HTTP/1.1", "500" } };

    const char *r = exchange("GET /fields HTTP/1.1", NULL);
    CHECK(strncmp(r, "HTTP/1.1 201 Made\r\n", 19) == 0 && strstr(r, "X-A: 1\r\nX-A: 2\r\n") != NULL && has_body(r, "a7z"));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        r = exchange(all[i].head, NULL);
        CHECK(strncmp(r + 9, all[i].status, 3) == 0 && strstr(r, "Content-Type: text/x\r\n") != NULL);
    }
    r = exchange("GET /statuses/std HTTP/1.1", NULL);
    CHECK(strncmp(r + 9, "202", 3) == 0 && strstr(r, "the message") != NULL);
    CHECK(has_body(exchange("GET /payload HTTP/1.1", NULL), "payload"));
    CHECK(has_body(exchange("GET /streams HTTP/1.1", NULL), "<streamedread>"));
    abandon("GET /wait HTTP/1.1", 1);
    while (aborts == 0 && failures == 0) { /* it is told by the loop, which each of these turns */
        (void)exchange("GET /payload HTTP/1.1", NULL);
    }
}

void
test_responses(void)
{
    aborts = 0;
    serve(routes, client);
    CHECK(aborts == 1);
}
