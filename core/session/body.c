/* body.c - the request's content: streamed, collected in memory, or spooled.
 * Nothing is read ahead before a handler asks. Streaming readers share one channel with its marks as back-pressure towards
 * the client; get_string collects into one run of memory that the protocol can read straight into; a spool keeps its own
 * memory small and goes on in an unnamed file. max_body limits all of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/remote.h"
#include "session/session_int.h"

enum { COLLECT_STEP = 64 * 1024 };

void
body_init(ec_httpsrv_session *s)
{
    struct session_body *b = &s->body; /* zeroed */

    b->max = s->env->limits.max_body;
    b->expected = s->req.chunked || s->req.content_length > 0;
    b->complete = !b->expected;
}

void
body_fini(ec_httpsrv_session *s)
{
    struct session_body *b = &s->body;

    hs_buf_fini(&b->collected);
    if (b->channel) {
        hs_channel_free(b->channel);
        b->channel = NULL;
    }
    io_wrapper_delref(b->unspool);
    b->unspool = NULL;
    io_wrapper_delref(b->spool);
    b->spool = NULL;
    ec_string_free(b->str);
    b->str = NULL;
}

static void
want(ec_httpsrv_session *s, bool on, bool waiting)
{
    if (s->st && !s->body.complete) {
        s->st->ops->want_body(s->st, on, waiting);
    }
}

/* --- from the protocol --- */

size_t
body_space(void *sess, char **p)
{
    ec_httpsrv_session *s = sess;
    struct session_body *b = &s->body;

    *p = NULL;
    if (b->mode == BODY_STREAM && !b->complete) {
        return hs_channel_room(b->channel);
    }
    if (b->mode != BODY_COLLECT || b->complete || s->req.content_length < 0) {
        return SIZE_MAX;
    }
    uint64_t left = (uint64_t)s->req.content_length - b->got;
    size_t n = b->collected.len > COLLECT_STEP ? b->collected.len : COLLECT_STEP; /* doubles: claims cost nothing */
    n = left < n ? (size_t)left : n;
    if (hs_buf_reserve(&b->collected, n) != 0) {
        return SIZE_MAX;
    }
    *p = b->collected.p + b->collected.len;
    return b->collected.cap - b->collected.len < left ? b->collected.cap - b->collected.len : (size_t)left;
}

/* Most bytes that get_string puts together. */
static size_t
collect_max(const ec_httpsrv_session *s)
{
    return (size_t)(s->body.max >= 0 ? s->body.max : s->env->limits.max_body);
}

void
body_keep(ec_httpsrv_session *s)
{
    struct session_body *b = &s->body;

    if (b->lent.p) {
        hs_buf_init(&b->collected, collect_max(s));
        b->err = hs_buf_append(&b->collected, b->lent.p, b->lent.n);
        b->lent = (struct hs_view){ 0 };
    }
}

static int
spool_write(struct session_body *b, const char *p, size_t n)
{
    while (n) {
        ssize_t w = io_wrapper_write(b->spool, p, n);
        if (w <= 0) {
            return w < 0 ? errno : EIO;
        }
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

/* There is no more room on the disk, or none for us. */
static bool
is_full(int err)
{
    return err == ENOSPC || err == EDQUOT || err == EFBIG;
}

void
body_data(void *sess, const char *p, size_t n)
{
    ec_httpsrv_session *s = sess;
    struct session_body *b = &s->body;
    int err = 0;

    if (b->complete) {
        return;
    }
    b->got += n;
    if (b->max >= 0 && b->got > (uint64_t)b->max) {
        want(s, false, false);
        session_refuse(s, 413, EMSGSIZE);
        return;
    }
    switch (b->mode) {
    case BODY_COLLECT:
        if (p) {
            err = hs_buf_append(&b->collected, p, n);
        } else {
            b->collected.len += n;
        }
        break;
    case BODY_STREAM:
        b->reader_waiting = false;
        err = hs_channel_write(b->channel, p, n);
        if (!err && b->collecting && hs_channel_queued(b->channel) > collect_max(s)) {
            err = EMSGSIZE;
        }
        if (!err) {
            want(s, hs_channel_room(b->channel) != 0, b->collecting);
        }
        break;
    case BODY_SPOOL: err = spool_write(b, p, n); break;
    case BODY_UNREAD: break;
    }
    if (err) {
        want(s, false, false);
        session_refuse(s, is_full(err) ? 507 : err == EMSGSIZE ? 413 : 503, err);
    }
}

/* Trailers outlive the protocol's buffers. 0, ENOMEM. */
static int
keep_trailers(ec_httpsrv_session *s, struct hs_view raw, const struct hs_field *fields, unsigned n)
{
    char *base = hs_arena_copy(&s->arena, raw);
    struct hs_field *copy = hs_arena_alloc(&s->arena, n * sizeof *copy);

    if (!base || !copy) {
        return ENOMEM;
    }
    memcpy(copy, fields, n * sizeof *copy);
    s->body.trailers = copy;
    s->body.trailers_base = base;
    s->body.ntrailers = n;
    return 0;
}

void
body_end(void *sess, int err, struct hs_view raw, const struct hs_field *fields, unsigned n)
{
    ec_httpsrv_session *s = sess;
    struct session_body *b = &s->body;

    if (b->complete) {
        return;
    }
    if (n && !err) {
        err = keep_trailers(s, raw, fields, n);
    }
    b->complete = true;
    b->err = err;
    if (b->channel) {
        hs_channel_end(b->channel, err, err != 0);
    }
    session_wake(s, HS_WAIT_BODY, 0);
}

/* --- streaming --- */

static void
channel_started(void *arg)
{
    want(arg, true, false);
}

static void
channel_room(void *arg)
{
    ec_httpsrv_session *s = arg;

    want(s, true, s->body.reader_waiting || s->body.collecting);
}

static void
channel_waiting(void *arg, bool on)
{
    ec_httpsrv_session *s = arg;

    s->body.reader_waiting = on;
    want(s, hs_channel_room(s->body.channel) != 0, on || s->body.collecting);
}

static int
start_stream(ec_httpsrv_session *s)
{
    static const struct hs_channel_events events = { .started = channel_started, .room = channel_room, .waiting = channel_waiting };
    struct session_body *b = &s->body;
    size_t high = s->env->limits.body_ahead;
    int err = hs_channel_new(high, high / 4, &events, s, &b->channel);

    if (err) {
        return err;
    }
    if (b->collected.len) {
        err = hs_channel_write(b->channel, b->collected.p, b->collected.len);
    }
    if (b->complete) {
        hs_channel_end(b->channel, err ? err : b->err, false);
    }
    b->mode = BODY_STREAM;
    return err;
}

/* Each call's io on a spooled body has a position of its own. */
static int
spool_reader(ec_httpsrv_session *s, io_object **io)
{
    struct session_body *b = &s->body;

    if (!b->complete) {
        session_arm(s, HS_WAIT_BODY);
        return EAGAIN;
    }
    if (b->err) {
        return b->err;
    }
    *io = io_wrapper_clone(b->spool);
    if (!*io) {
        return errno;
    }
    return io_wrapper_lseek(*io, 0, SEEK_SET) < 0 ? errno : 0;
}

int
ec_httpsrv_request_data_get(ec_httpsrv_session *s, io_object **io)
{
    struct session_body *b = &s->body;

    if (!io) {
        return EINVAL;
    }
    if (s->state >= SESSION_ENDED) {
        struct remote_args a = { 0 };
        int remote_err = session_remote(s, REMOTE_BODY_IO, &a);
        if (!remote_err) {
            *io = a.result;
        }
        return remote_err;
    }
    if (b->mode == BODY_SPOOL) {
        return spool_reader(s, io);
    }
    if (b->mode == BODY_COLLECT && !b->complete) {
        return EALREADY; /* get_string is collecting it */
    }
    body_keep(s);
    int err = b->channel ? 0 : start_stream(s);
    if (err) {
        return err;
    }
    *io = hs_channel_reader(b->channel);
    return *io ? 0 : errno;
}

/* --- all of it --- */

/* Begins to collect, or finds out that streaming has begun. */
static int
start_collect(ec_httpsrv_session *s)
{
    struct session_body *b = &s->body;

    switch (b->mode) {
    case BODY_UNREAD:
        hs_buf_init(&b->collected, collect_max(s));
        b->mode = BODY_COLLECT;
        return 0;
    case BODY_STREAM:
        if (hs_channel_queued(b->channel) != b->got) {
            return EALREADY;
        }
        hs_channel_set_marks(b->channel, collect_max(s) + 1, 0);
        b->collecting = true;
        return 0;
    case BODY_COLLECT:
    case BODY_SPOOL: return 0;
    }
    return 0;
}

/* The handler runs for the first time and asks for all of it: it need not be copied when it is here. */
static bool
borrow(ec_httpsrv_session *s)
{
    struct session_body *b = &s->body;

    if (b->mode != BODY_UNREAD || b->complete || !s->in_begin || !s->st || !s->st->ops->take_body ||
        s->req.content_length > (int64_t)collect_max(s) || !s->st->ops->take_body(s->st, &b->lent)) {
        return false;
    }
    b->mode = BODY_COLLECT;
    b->complete = true;
    b->got = b->lent.n;
    return true;
}

/* 0 when the body is complete and sound. */
static int
completed(ec_httpsrv_session *s)
{
    struct session_body *b = &s->body;

    if (!b->complete) {
        want(s, true, true);
    }
    if (!b->complete) {
        session_arm(s, HS_WAIT_BODY);
        return EAGAIN;
    }
    return b->err;
}

/* A spooled body comes back to memory when it fits. EAGAIN: what is in a file has to be fetched first, and the C handler will be woken. */
static int
unspool(ec_httpsrv_session *s)
{
    struct session_body *b = &s->body;
    char chunk[4096];
    ssize_t n;
    int err = 0;

    if (b->collected.len == b->got) {
        return 0;
    }
    if (!b->unspool) {
        hs_buf_init(&b->collected, collect_max(s));
        b->unspool = io_wrapper_clone(b->spool);
        if (!b->unspool) {
            return errno;
        }
        err = io_wrapper_lseek(b->unspool, 0, SEEK_SET) < 0 ? errno : 0;
    }
    while (!err && (n = io_wrapper_read(b->unspool, chunk, sizeof chunk)) != 0) {
        err = n < 0 ? errno : hs_buf_append(&b->collected, chunk, (size_t)n);
    }
    if (err == EAGAIN) {
        return session_arm_io(s, b->unspool);
    }
    io_wrapper_delref(b->unspool);
    b->unspool = NULL;
    if (err) {
        hs_buf_fini(&b->collected);
    }
    return err;
}

int
hs_session_body_view(ec_httpsrv_session *s, struct hs_view *body)
{
    struct session_body *b = &s->body;

    if (s->state >= SESSION_ENDED) {
        return EBADF;
    }
    if (b->max < 0 && s->req.content_length > s->env->limits.max_body) {
        return EMSGSIZE; /* lifted for streaming reads only */
    }
    if (b->lent.p || borrow(s)) {
        *body = b->lent;
        return 0;
    }
    int err = start_collect(s);
    err = err ? err : completed(s);
    if (!err && b->mode == BODY_SPOOL) {
        err = unspool(s);
    }
    if (err) {
        return err;
    }
    if (b->mode == BODY_STREAM) {
        if (hs_channel_queued(b->channel) != b->got) {
            return EALREADY;
        }
        return hs_channel_peek_all(b->channel, &body->p, &body->n);
    }
    *body = (struct hs_view){ b->collected.p ? b->collected.p : "", b->collected.len };
    return 0;
}

static int
remote_string(ec_httpsrv_session *s, string **str)
{
    struct remote_args a = { 0 };
    int err = session_remote(s, REMOTE_BODY_STRING, &a);

    if (!err) {
        *str = a.result;
    }
    return err;
}

int
ec_httpsrv_request_data_get_string(ec_httpsrv_session *s, string **str)
{
    struct session_body *b = &s->body;
    struct hs_view body;

    if (!str) {
        return EINVAL;
    }
    int err = hs_session_body_view(s, &body);
    if (err) {
        return s->state == SESSION_REMOTE ? remote_string(s, str) : err;
    }
    if (!b->str) {
        b->str = ec_string_new();
        if (!b->str || (body.n && stringwrite2(b->str, body.p, body.n) < 0)) {
            ec_string_free(b->str);
            b->str = NULL;
            return ENOMEM;
        }
    }
    *str = b->str;
    return 0;
}

int
ec_httpsrv_request_data_spool(ec_httpsrv_session *s)
{
    struct session_body *b = &s->body;

    if (s->state >= SESSION_ENDED) {
        return session_remote(s, REMOTE_BODY_SPOOL, &(struct remote_args){ 0 });
    }
    if (b->mode == BODY_STREAM || (b->mode == BODY_COLLECT && !b->complete)) {
        return EALREADY;
    }
    body_keep(s);
    if (b->mode != BODY_SPOOL) {
        b->spool = hs_io_growbuf(0, s->env->limits.body_memory);
        if (!b->spool) {
            return errno;
        }
        int err = spool_write(b, b->collected.p, b->collected.len);
        if (err) {
            io_wrapper_delref(b->spool);
            b->spool = NULL;
            return err;
        }
        b->mode = BODY_SPOOL;
    }
    return completed(s);
}
