/* handlers.c - handlers for whole exchanges; see handlers.h. */
#include "handlers.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/io.h"
#include "modules/listeners/httpsrv.h"
#include "session/session.h"

enum { LARGE = 200000 };

/* --- state of one request --- */

struct state {
    ec_httpsrv_session *sess; /* borrowed; referenced while suspended */
    io_object *in, *out;
    struct hs_deferred later;
    struct hs_loop *loop;
    int turns;
};

static void
state_free(void *self)
{
    struct state *st = self;

    hs_deferred_cancel(st->loop, &st->later);
    io_wrapper_delref(st->in);
    io_wrapper_delref(st->out);
    free(st);
}

static ec_blobject_class state_class = { .objectType = "state", .dtor = state_free };

/* The request's state, made at the first call; borrowed. NULL: no memory. */
static struct state *
state_of(ec_httpsrv_session *sess, bool *fresh)
{
    ec_blobject *b = ec_httpsrv_ctx_get(sess);

    *fresh = b == NULL;
    if (!b) {
        struct state *st = calloc(1, sizeof *st);
        if (!st) {
            return NULL;
        }
        st->sess = sess;
        st->loop = hs_loop_current();
        b = ec_blobject_wrap(&state_class, st);
        if (!b) {
            free(st);
            return NULL;
        }
        ec_httpsrv_ctx_set(sess, b);
    }
    struct state *st = b->self;
    ec_blobject_delref(b);
    return st;
}

/* Ends the request with an error, as far as that can still be said. */
static int
failed(ec_httpsrv_session *sess, int err)
{
    hs_session_fail(sess, err == ENOMEM ? 503 : 500);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
ok(ec_httpsrv_session *sess)
{
    return ec_httpsrv_response_status_set_std(sess, 200, "OK", "text/plain");
}

/* A function gave err: waits where that is EAGAIN, else gives up. */
static int
wait_or_fail(ec_httpsrv_session *sess, int err)
{
    if (err == EAGAIN && ec_httpsrv_session_suspend(sess) == 0) {
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    return failed(sess, err);
}

static void
resume(void *arg)
{
    (void)ec_httpsrv_session_resume(arg, 0);
}

static void
io_ready(io_object *io, void *arg)
{
    (void)io;
    resume(arg);
}

/* --- responses --- */

static int
hello(ec_httpsrv_session *sess)
{
    int err = ok(sess);

    err = err ? err : ec_httpsrv_response_append(sess, "Hello", 5);
    return err ? failed(sess, err) : EC_HTTPSRV_HANDLER_DONE;
}

static int
parts(ec_httpsrv_session *sess)
{
    static const char *const part[] = { "one,", "two,", "three" };
    int err = ok(sess);

    for (int i = 0; !err && i < 3; i++) {
        err = ec_httpsrv_response_append(sess, part[i], strlen(part[i]));
        err = err ? err : ec_httpsrv_response_flush(sess, 0);
        err = err == EAGAIN ? 0 : err;
    }
    return err ? failed(sess, err) : EC_HTTPSRV_HANDLER_DONE;
}

/* Answers with an io, whose reference it takes over. */
static int
answer_io(ec_httpsrv_session *sess, io_object *io)
{
    int err = io ? ok(sess) : errno;

    err = err ? err : ec_httpsrv_response_io(sess, io, 0);
    io_wrapper_delref(io);
    return err ? failed(sess, err) : EC_HTTPSRV_HANDLER_DONE;
}

static int
memory(ec_httpsrv_session *sess)
{
    return answer_io(sess, io_wrapper_open_memory("from memory", 11, MEMTYPE_DONTCARE));
}

/* A file that is in memory, so that no read of it waits. */
static io_object *
file_of(size_t n)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    char *p = NULL;

    if (fd < 0 || ftruncate(fd, (off_t)n) != 0 ||
        (p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        close(fd);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        p[i] = (char)('a' + i % 26);
    }
    munmap(p, n);
    io_object *io = io_wrapper_fdopen(fd);
    if (!io) {
        int err = errno;
        close(fd);
        errno = err;
    }
    return io;
}

static int
file(ec_httpsrv_session *sess)
{
    return answer_io(sess, file_of(26));
}

static int
large(ec_httpsrv_session *sess)
{
    return answer_io(sess, file_of(LARGE));
}

/* Fills a channel, a piece a turn. Freed with its last reader. */
struct generator {
    struct hs_channel *channel;
    struct hs_deferred next;
    int step;
};

static void
generate(void *arg)
{
    struct generator *g = arg;
    static const char *const piece[] = { "alpha ", "beta ", "gamma" };

    if (g->step == 3) {
        hs_channel_end(g->channel, 0, false);
        return;
    }
    int err = hs_channel_write(g->channel, piece[g->step], strlen(piece[g->step]));
    if (err) {
        hs_channel_end(g->channel, err, false);
        return;
    }
    g->step++;
    hs_defer(hs_loop_current(), &g->next);
}

static void
generator_started(void *arg)
{
    struct generator *g = arg;

    hs_defer(hs_loop_current(), &g->next);
}

static void
generator_closed(void *arg)
{
    struct generator *g = arg;

    hs_deferred_cancel(hs_loop_current(), &g->next);
    hs_channel_free(g->channel);
    free(g);
}

static int
generator(ec_httpsrv_session *sess)
{
    static const struct hs_channel_events events = { .started = generator_started, .closed = generator_closed };
    struct generator *g = calloc(1, sizeof *g);

    if (!g) {
        return failed(sess, ENOMEM);
    }
    hs_deferred_init(&g->next, generate, g);
    int err = hs_channel_new(65536, 16384, &events, g, &g->channel);
    if (err) {
        free(g);
        return failed(sess, err);
    }
    io_object *io = hs_channel_reader(g->channel);
    if (!io) {
        hs_channel_free(g->channel);
        free(g);
        return failed(sess, ENOMEM);
    }
    return answer_io(sess, io);
}

static void
after_a_turn(void *arg)
{
    struct state *st = arg;

    if (st->turns++ == 0) {
        hs_defer(st->loop, &st->later);
    } else {
        resume(st->sess);
    }
}

static int
late(ec_httpsrv_session *sess)
{
    bool fresh;
    struct state *st = state_of(sess, &fresh);

    if (!st) {
        return failed(sess, ENOMEM);
    }
    if (fresh) {
        int err = ec_httpsrv_session_suspend(sess);
        if (err) {
            return failed(sess, err);
        }
        hs_deferred_init(&st->later, after_a_turn, st);
        hs_defer(st->loop, &st->later);
        return EC_HTTPSRV_HANDLER_ASYNC;
    }
    int err = ok(sess);
    err = err ? err : ec_httpsrv_response_append(sess, "late", 4);
    return err ? failed(sess, err) : EC_HTTPSRV_HANDLER_DONE;
}

static void
gone(ec_httpsrv_session *sess, void *arg)
{
    (void)arg;
    (void)ec_httpsrv_session_resume(sess, 1);
}

static int
stuck(ec_httpsrv_session *sess)
{
    int err = ec_httpsrv_session_on_abort(sess, gone, NULL);

    err = err ? err : ec_httpsrv_session_suspend(sess);
    return err ? failed(sess, err) : EC_HTTPSRV_HANDLER_ASYNC;
}

static ssize_t
broken_read(io_object *io, void *buf, size_t n)
{
    bool first = io_wrapper_get_handle(io) != NULL;

    io_wrapper_set_handle(io, NULL);
    if (first && n >= 4) {
        memcpy(buf, "some", 4);
        return 4;
    }
    errno = EIO;
    return -1;
}

static int
broken_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)io;
    (void)what;
    (void)arg;
    (void)fn;
    return 0;
}

static int
broken(ec_httpsrv_session *sess)
{
    static const io_wrapper methods = { .sizeof_self = sizeof methods, .read = broken_read, .wait = broken_wait, .scheme = "broken" };
    ec_url_details *url = ec_httpsrv_request_url_get(sess);

    return answer_io(sess, url ? io_wrapper_create_object(&methods, url->raw_query ? (void *)1 : NULL) : NULL);
}

static int
ignore(ec_httpsrv_session *sess)
{
    int err = ok(sess);

    err = err ? err : ec_httpsrv_response_printf(sess, "%s", "ignored");
    return err ? failed(sess, err) : EC_HTTPSRV_HANDLER_DONE;
}

/* --- bodies --- */

static int
collect(ec_httpsrv_session *sess)
{
    string *body;
    int err = ec_httpsrv_request_data_get_string(sess, &body);

    err = err ? err : ok(sess);
    err = err ? err : ec_httpsrv_response_string(sess, body);
    return err ? wait_or_fail(sess, err) : EC_HTTPSRV_HANDLER_DONE;
}

/* Reads and answers until the io says EAGAIN (then it waits) or has no more. 0, EAGAIN when it is suspended, or an error. */
static int
stream_some(ec_httpsrv_session *sess, struct state *st)
{
    char buf[1000];
    ssize_t n;

    while ((n = io_wrapper_read(st->in, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            buf[i] = (char)toupper((unsigned char)buf[i]);
        }
        int err = ec_httpsrv_response_append(sess, buf, (size_t)n);
        if (err) {
            return err;
        }
    }
    if (n == 0 || errno != EAGAIN) {
        return n == 0 ? 0 : errno;
    }
    if (io_wrapper_wait(st->in, IO_WAIT_READ, io_ready, sess) != 0) {
        return errno;
    }
    int err = ec_httpsrv_session_suspend(sess);
    if (err) {
        (void)io_wrapper_wait(st->in, IO_WAIT_READ, NULL, NULL);
    }
    return err ? err : EAGAIN;
}

static int
stream(ec_httpsrv_session *sess)
{
    bool fresh;
    struct state *st = state_of(sess, &fresh);

    if (!st) {
        return failed(sess, ENOMEM);
    }
    int err = fresh ? ok(sess) : 0;
    err = err || st->in ? err : ec_httpsrv_request_data_get(sess, &st->in);
    err = err ? err : stream_some(sess, st);
    return err == EAGAIN ? EC_HTTPSRV_HANDLER_ASYNC : err ? failed(sess, err) : EC_HTTPSRV_HANDLER_DONE;
}

static int
echo(ec_httpsrv_session *sess)
{
    io_object *io = NULL;
    int err = ec_httpsrv_request_data_get(sess, &io);

    return err ? failed(sess, err) : answer_io(sess, io);
}

static int
spool(ec_httpsrv_session *sess)
{
    io_object *io = NULL;
    int err = ec_httpsrv_request_data_spool(sess);

    err = err ? err : ec_httpsrv_request_data_get(sess, &io);
    return err ? wait_or_fail(sess, err) : answer_io(sess, io);
}

static int
trailers(ec_httpsrv_session *sess)
{
    const char *name, *value;
    size_t iter = 0;
    string *body;
    int err = ec_httpsrv_request_data_get_string(sess, &body);

    err = err ? err : ok(sess);
    err = err ? err : ec_httpsrv_response_append(sess, body->buffer, (size_t)body->len);
    while (!err && (err = ec_httpsrv_request_trailer_next(sess, &iter, &name, &value)) == 0) {
        err = ec_httpsrv_response_printf(sess, ";%s=%s", name, value);
    }
    return err == ENOENT ? EC_HTTPSRV_HANDLER_DONE : wait_or_fail(sess, err);
}

void
handlers_register(struct rig *r)
{
    static const struct {
        const char *method, *path;
        ec_httpsrv_handler_func fn;
    } routes[] = {
        { "GET", "/hello", hello },       { "GET", "/parts", parts },         { "GET", "/memory", memory },     { "GET", "/file", file },
        { "GET", "/large", large },       { "GET", "/generator", generator }, { "GET", "/late", late },         { "GET", "/stuck", stuck },
        { "GET", "/broken", broken },     { NULL, "/ignore", ignore },        { "POST", "/collect", collect },  { "POST", "/stream", stream },
        { "POST", "/echo", echo },        { "POST", "/spool", spool },        { "POST", "/trailers", trailers },
    };

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        rig_route(r, routes[i].method, routes[i].path, routes[i].fn, NULL);
    }
}
