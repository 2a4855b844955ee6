/* requests.c - modules/listeners/httpsrv.h: what a handler learns of a request. The checks are in the handlers, in the loop's thread. */
#include "installed.h"

#include <modules/listeners/httpsrv.h>

static int
finish(ec_httpsrv_session *sess)
{
    CHECK(ec_httpsrv_response_append(sess, "checked", 7) == 0);
    return EC_HTTPSRV_HANDLER_DONE;
}

static ec_blobject_class cls = { .objectType = "installed" };

static int
head(ec_httpsrv_session *sess)
{
    const char *name, *value, *type, *charset;
    char all[256] = "";
    size_t at = 0;

    CHECK(strcmp(ec_httpsrv_request_method_get(sess), "PUT") == 0);
    CHECK(strcmp(ec_httpsrv_request_protocol_get(sess), "HTTP/1.1") == 0);
    const ec_url_details *url = ec_httpsrv_request_url_get(sess);
    CHECK(url != NULL && strcmp(url->path, "/head/a b") == 0 && dict_key_exists(url->attrs, "q"));
    CHECK(strcmp(ec_httpsrv_request_path_rest(sess), "a b") == 0);
    CHECK(ec_httpsrv_request_header_get(sess, "x-one", &value) == 0 && strcmp(value, "1, 2") == 0);
    CHECK(ec_httpsrv_request_header_get(sess, "x-two", &value) == ENOENT);
    while (ec_httpsrv_request_header_next(sess, &at, &name, &value) == 0) {
        (void)snprintf(all + strlen(all), sizeof all - strlen(all), "%s=%s;", name, value);
    }
    CHECK(strstr(all, "X-One=1;X-One=2;") != NULL);
    CHECK(ec_httpsrv_request_content_type_get(sess, &type, &charset) == 0 && strcmp(type, "text/plain") == 0 && strcmp(charset, "utf-8") == 0);
    CHECK(ec_httpsrv_request_subject_cn_get(sess) == NULL && ec_httpsrv_request_username_get(sess) == NULL);
    CHECK(ec_httpsrv_request_peer_address(sess)->sa.sa_family == AF_UNIX);
    CHECK(ec_httpsrv_request_local_address(sess)->sa.sa_family == AF_UNIX);
    CHECK(ec_httpsrv_request_client_address(sess) == ec_httpsrv_request_peer_address(sess)); /* nobody is trusted to speak for others */
    const char *id = ec_httpsrv_session_request_id(sess);
    CHECK(id != NULL && strlen(id) == 32 && ec_httpsrv_session_request_id(sess) == id);
    return finish(sess);
}

static int
contexts(ec_httpsrv_session *sess)
{
    ec_blobject *service = ec_httpsrv_service_ctx_get(sess);
    ec_blobject *own = ec_blobject_wrap(&cls, NULL);

    CHECK(service != NULL && strcmp(service->self, "closure") == 0);
    ec_blobject_delref(service);
    CHECK(ec_httpsrv_ctx_get(sess) == NULL);
    ec_httpsrv_ctx_set(sess, own);
    ec_blobject_delref(own);
    ec_blobject *again = ec_httpsrv_ctx_get(sess);
    CHECK(again == own);
    ec_blobject_delref(again);
    return finish(sess);
}

/* Called again each time that EAGAIN was armed. */
static int
body_string(ec_httpsrv_session *sess)
{
    string *body;

    int err = ec_httpsrv_request_data_get_string(sess, &body);
    if (err == EAGAIN) {
        CHECK(ec_httpsrv_session_suspend(sess) == 0);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    CHECK(err == 0 && strcmp(body->buffer, "the body") == 0);
    return finish(sess);
}

static int
body_spooled(ec_httpsrv_session *sess)
{
    char text[16];
    io_object *io = NULL;

    int err = ec_httpsrv_request_data_spool(sess);
    if (err == EAGAIN) {
        CHECK(ec_httpsrv_session_suspend(sess) == 0);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    CHECK(err == 0 && ec_httpsrv_request_data_get(sess, &io) == 0);
    CHECK(io_wrapper_lseek(io, 4, SEEK_SET) == 4 && io_wrapper_read(io, text, sizeof text) == 4 && memcmp(text, "body", 4) == 0);
    io_wrapper_delref(io);
    return finish(sess);
}

static void
go_on(io_object *io, void *sess)
{
    (void)io;
    CHECK(ec_httpsrv_session_resume(sess, 0) == 0);
}

/* Reads the body to its end, then its trailer fields. */
static int
body_and_trailers(ec_httpsrv_session *sess)
{
    char text[16];
    const char *name, *value;
    size_t at = 0;
    io_object *io = NULL;
    ssize_t n;

    CHECK(ec_httpsrv_request_data_get(sess, &io) == 0);
    while ((n = io_wrapper_read(io, text, sizeof text)) > 0) {
    }
    if (n < 0 && errno == EAGAIN) {
        CHECK(ec_httpsrv_session_suspend(sess) == 0 && io_wrapper_wait(io, IO_WAIT_READ, go_on, sess) == 0);
        io_wrapper_delref(io);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    CHECK(n == 0);
    io_wrapper_delref(io);
    CHECK(ec_httpsrv_request_trailer_next(sess, &at, &name, &value) == 0 && strcmp(name, "X-Sum") == 0 && strcmp(value, "42") == 0);
    CHECK(ec_httpsrv_request_trailer_next(sess, &at, &name, &value) == ENOENT);
    return finish(sess);
}

/* --- authentication --- */

static int
authenticate(ec_httpsrv_session *sess)
{
    const char *user;

    if (ec_httpsrv_request_header_get(sess, "X-User", &user) != 0) {
        CHECK(ec_httpsrv_response_header_add(sess, "WWW-Authenticate", "X-User") == 0);
        return EC_HTTPSRV_AUTH_NOT_AUTHENTICATED;
    }
    if (strcmp(user, "eve") == 0) {
        return EC_HTTPSRV_AUTH_DENIED;
    }
    CHECK(ec_httpsrv_request_username_set(sess, "a\nb") == EINVAL && ec_httpsrv_request_username_set(sess, user) == 0);
    return EC_HTTPSRV_AUTH_ALLOWED;
}

static int
guarded(ec_httpsrv_session *sess)
{
    const char *user = ec_httpsrv_request_username_get(sess);

    CHECK(user != NULL && strcmp(user, "ann") == 0);
    return finish(sess);
}

static int
routes(void *arg)
{
    static char text[] = "closure";
    ec_blobject *closure = ec_blobject_wrap(&cls, text);
    static const struct {
        const char *path;
        ec_httpsrv_handler_func handler;
    } all[] = { { "/head", head }, { "/string", body_string }, { "/spooled", body_spooled }, { "/trailers", body_and_trailers }, { "/guarded", guarded } };

    (void)arg;
    int err = ec_httpsrv_register(NULL, NULL, "/contexts", ECTP_CLASS_SHORT_LIVED, closure, contexts);
    ec_blobject_delref(closure);
    for (size_t i = 0; i < sizeof all / sizeof *all && err == 0; i++) {
        err = ec_httpsrv_register(NULL, NULL, all[i].path, ECTP_CLASS_SHORT_LIVED, NULL, all[i].handler);
    }
    err = err != 0 ? err : ec_httpsrv_register_auth(NULL, NULL, "/guarded", NULL, authenticate);
    CHECK(ec_httpsrv_register_auth(NULL, NULL, "/guarded", NULL, authenticate) == EEXIST);
    CHECK(ec_httpsrv_register(NULL, NULL, "/head/", ECTP_CLASS_SHORT_LIVED, NULL, head) == EEXIST);
    CHECK(ec_httpsrv_register(NULL, NULL, "no/slash", ECTP_CLASS_SHORT_LIVED, NULL, head) == EINVAL);
    return err;
}

static void
client(void)
{
    static const char *const posts[] = { "POST /string HTTP/1.1", "POST /spooled HTTP/1.1" };

    CHECK(has_body(exchange("PUT /head/a%20b?q=1 HTTP/1.1\r\nX-One: 1\r\nX-One: 2\r\nContent-Type: Text/plain; charset=utf-8", "x"), "checked"));
    CHECK(has_body(exchange("GET /contexts HTTP/1.1", NULL), "checked"));
    for (size_t i = 0; i < sizeof posts / sizeof *posts; i++) {
        CHECK(has_body(exchange(posts[i], "the body"), "checked"));
    }
    CHECK(has_body(exchange("GET /guarded HTTP/1.1\r\nX-User: ann", NULL), "checked"));
    CHECK(strncmp(exchange("GET /guarded HTTP/1.1\r\nX-User: eve", NULL), "HTTP/1.1 403 ", 13) == 0);
    const char *r = exchange("GET /guarded/below HTTP/1.1", NULL);
    CHECK(strncmp(r, "HTTP/1.1 401 ", 13) == 0 && strstr(r, "WWW-Authenticate: X-User\r\n") != NULL);
    CHECK(has_body(exchange("POST /trailers HTTP/1.1\r\nTransfer-Encoding: chunked", "3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n"), "checked"));
}

void
test_requests(void)
{
    CHECK(ec_httpsrv_register(NULL, NULL, "/", ECTP_CLASS_SHORT_LIVED, NULL, head) == EINVAL); /* nothing is being built */
    serve(routes, client);
}
