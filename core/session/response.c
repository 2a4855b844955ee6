/* response.c - what a handler says: status, header fields, content.
 * Checks what scripts may not do (control characters, hop-by-hop fields, another Content-Length than the content's);
 * framing belongs to the protocol. Copies what it is given; an io_object it references until the pump is done with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/log.h"
#include "base/short.h"
#include "session/remote.h"
#include "session/session_int.h"

enum { APPEND_UNASKED = 4096 };

/* 0 while the head can be changed. */
static inline __attribute__((always_inline)) int
check_head(const ec_httpsrv_session *s)
{
    int err = session_check(s);

    return err ? err : (s->head_sent || s->failed) ? EBADF : 0;
}

/* 0 while content can be added. */
static int
check_body(const ec_httpsrv_session *s)
{
    int err = session_check(s);

    return err ? err : (s->final || s->failed) ? EBADF : 0;
}

void
response_clear(ec_httpsrv_session *s)
{
    segments_drop(s);
    s->status = 200;
    s->reason = (struct hs_view){ 0 };
    s->start = NULL;
    s->nfields = 0;
    s->script_length = -1;
    s->script_close = s->script_date = false;
    s->body_called = s->message_is_body = false;
    s->final = s->flush_wanted = false;
}

int
hs_session_response_reset(ec_httpsrv_session *s)
{
    int err = check_head(s);

    if (!err) {
        response_clear(s);
    }
    return err;
}

/* The fields where they may be written to. A ready head's only field is never written: what follows it, or takes its place, has been
 * given room before; of one that is removed only the count goes. */
static struct hs_out_field *
own_fields(ec_httpsrv_session *s)
{
    return (struct hs_out_field *)(uintptr_t)s->fields;
}

int
hs_session_response_restart(ec_httpsrv_session *s)
{
    static const struct hs_view kept[] = { { "Allow", 5 }, { "Retry-After", 11 }, { "WWW-Authenticate", 16 } };
    unsigned n = s->nfields, k = 0;
    int err = hs_session_response_reset(s);

    if (err) {
        return err;
    }
    for (unsigned i = 0; i < n; i++) { /* what they point to is the arena's */
        bool keep = false;
        for (size_t j = 0; j < sizeof kept / sizeof *kept; j++) {
            keep = keep || hs_ascii_ieq(s->fields[i].name, kept[j]);
        }
        if (keep) {
            own_fields(s)[k++] = s->fields[i];
        }
    }
    s->nfields = k;
    return 0;
}

/* --- header fields --- */

static unsigned
find_field(ec_httpsrv_session *s, struct hs_view name, enum hs_field_id id, unsigned from)
{
    for (unsigned i = from; i < s->nfields; i++) {
        const struct hs_out_field *f = &s->fields[i];
        if (f->id == id && (id != HS_FIELD_OTHER || hs_ascii_ieq(f->name, name))) {
            return i;
        }
    }
    return s->nfields;
}

static void
remove_fields(ec_httpsrv_session *s, struct hs_view name, enum hs_field_id id)
{
    unsigned kept = find_field(s, name, id, 0);

    s->start = NULL;
    if (kept == s->nfields) {
        return;
    }
    struct hs_out_field *own = own_fields(s);
    for (unsigned i = kept + 1; i < s->nfields; i++) {
        bool same = own[i].id == id && (id != HS_FIELD_OTHER || hs_ascii_ieq(own[i].name, name));
        if (!same) {
            own[kept++] = own[i];
        }
    }
    s->nfields = kept;
}

/* Room for one field more. 0, ENOMEM. */
static int
grow_fields(ec_httpsrv_session *s)
{
    unsigned cap = s->fields_cap ? s->fields_cap * 2 : SESSION_FIELDS;
    struct hs_out_field *f = hs_arena_alloc(&s->arena, cap * sizeof *f);

    if (!f) {
        return ENOMEM;
    }
    if (s->nfields) {
        memcpy(f, s->fields, s->nfields * sizeof *f);
    }
    s->fields = f;
    s->fields_cap = cap;
    return 0;
}

static void
push_field(ec_httpsrv_session *s, struct hs_view name, struct hs_view value, enum hs_field_id id)
{
    own_fields(s)[s->nfields++] = (struct hs_out_field){ name, value, id };
}

/* Adds a field whose name stays for ever. */
static int
add_known_field(ec_httpsrv_session *s, struct hs_view name, struct hs_view value, enum hs_field_id id)
{
    if (s->nfields >= s->fields_cap && grow_fields(s) != 0) {
        return ENOMEM;
    }
    char *copy = hs_arena_alloc(&s->arena, value.n + 1);
    if (!copy) {
        return ENOMEM;
    }
    *hs_short_copy(copy, value.p, value.n) = '\0';
    push_field(s, name, (struct hs_view){ copy, value.n }, id);
    return 0;
}

int
response_add_field(ec_httpsrv_session *s, struct hs_view name, struct hs_view value, enum hs_field_id id)
{
    if (s->nfields >= s->fields_cap && grow_fields(s) != 0) {
        return ENOMEM;
    }
    char *copy = hs_arena_alloc(&s->arena, name.n + value.n + 2);
    if (!copy) {
        return ENOMEM;
    }
    *hs_short_copy(copy, name.p, name.n) = '\0';
    *hs_short_copy(copy + name.n + 1, value.p, value.n) = '\0';
    push_field(s, (struct hs_view){ copy, name.n }, (struct hs_view){ copy + name.n + 1, value.n }, id);
    return 0;
}

/* --- status --- */

static inline bool
is_standard(int code, struct hs_view message)
{
    struct hs_view reason = hs_status_reason(code);

    return reason.n == message.n && hs_short_equal(reason.p, message.p, message.n);
}

/* As hs_session_status_put, for what no ready head is there. */
static __attribute__((noinline)) int
put_status(ec_httpsrv_session *s, int code, struct hs_view message, struct hs_view mimetype)
{
    int err = check_head(s);

    if (err) {
        return err;
    }
    if (code < 200 || code > 599 || (mimetype.p && !hs_field_value_ok(mimetype))) {
        return EINVAL;
    }
    struct hs_view reason = { NULL, 0 };
    bool standard = message.n == 0 || is_standard(code, message);
    if (!standard) {
        if (!hs_field_value_ok(message)) {
            return EINVAL;
        }
        reason = (struct hs_view){ hs_arena_copy(&s->arena, message), message.n };
        if (!reason.p) {
            return ENOMEM;
        }
    }
    if (mimetype.p) {
        if (s->nfields) {
            remove_fields(s, HS_VIEW("Content-Type"), HS_FIELD_CONTENT_TYPE);
        }
        if ((err = add_known_field(s, HS_VIEW("Content-Type"), mimetype, HS_FIELD_CONTENT_TYPE)) != 0) {
            return err;
        }
        if (mimetype.n) {
            ready_head_keep(s->env, code, message, mimetype, standard);
        }
    }
    s->status = code;
    s->reason = reason;
    s->start = NULL;
    return 0;
}

int
hs_session_status_put(ec_httpsrv_session *s, int code, struct hs_view message, struct hs_view mimetype)
{
    if (mimetype.n && s->nfields == 0 && check_head(s) == 0) {
        const struct ready_head *r = s->env->ready[ready_head_slot(code, message, mimetype)];
        if (r && ready_head_matches(r, code, message, mimetype)) {
            s->status = code;
            s->reason = r->reason;
            s->start = &r->start;
            s->fields = &r->field;
            s->nfields = 1;
            s->fields_cap = 0;
            return 0;
        }
    }
    return put_status(s, code, message, mimetype);
}

int
ec_httpsrv_response_status_set(ec_httpsrv_session *s, int code, const char *message)
{
    int err = hs_session_status_put(s, code, hs_view_of(message), (struct hs_view){ 0 });

    return err == EREMOTE ? session_remote(s, REMOTE_STATUS, &(struct remote_args){ .i = code, .p = message }) : err;
}

int
ec_httpsrv_response_status_set_std(ec_httpsrv_session *s, int code, const char *message, const char *mimetype)
{
    int err = hs_session_status_put(s, code, hs_view_of(message), hs_view_of(mimetype));

    if (!err) {
        s->message_is_body = message != NULL;
    } else if (err == EREMOTE) {
        return session_remote(s, REMOTE_STATUS_STD, &(struct remote_args){ .i = code, .p = message, .q = mimetype });
    }
    return err;
}

void
hs_session_set_message_body(ec_httpsrv_session *s, bool on)
{
    s->message_is_body = on;
}

static int
standard(ec_httpsrv_session *s, int code, const char *type)
{
    return ec_httpsrv_response_status_set_std(s, code, hs_status_reason(code).p, type);
}

int
ec_httpsrv_response_status_ok(ec_httpsrv_session *s, const char *type)
{
    return standard(s, 200, type);
}

int
ec_httpsrv_response_status_denied(ec_httpsrv_session *s, const char *type)
{
    return standard(s, 403, type);
}

int
ec_httpsrv_response_status_not_found(ec_httpsrv_session *s, const char *type)
{
    return standard(s, 404, type);
}

int
ec_httpsrv_response_status_error(ec_httpsrv_session *s, const char *type)
{
    return standard(s, 500, type);
}

int
hs_session_status(ec_httpsrv_session *s)
{
    return s->status;
}

bool
hs_session_head_sent(ec_httpsrv_session *s)
{
    return s->head_sent;
}

static bool
status_has_content(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

void
response_default_body(ec_httpsrv_session *s)
{
    if (s->body_called || !s->message_is_body || s->head_sent || !status_has_content(s->status)) {
        return;
    }
    const char *type = hs_session_response_header(s, "Content-Type");
    if (type && strncasecmp(type, "text/", 5) != 0) {
        return;
    }
    struct hs_view text = s->reason.n ? s->reason : hs_status_reason(s->status);
    if ((!type && hs_session_header_put(s, HS_VIEW("Content-Type"), HS_VIEW("text/plain"), true) != 0) ||
        segments_append(s, text.p, text.n) != 0) {
        hs_log(HS_LOG_WARN, "out of memory for a default body");
    }
}

/* --- what scripts may set --- */

/* The fields that the core writes itself. 0 go on, -1 done, EINVAL. */
static int
special_field(ec_httpsrv_session *s, struct hs_view value, enum hs_field_id id)
{
    switch (id) {
    case HS_FIELD_TRANSFER_ENCODING:
    case HS_FIELD_KEEP_ALIVE:
    case HS_FIELD_PROXY_CONNECTION:
    case HS_FIELD_TE:
    case HS_FIELD_TRAILER:
    case HS_FIELD_UPGRADE: return EINVAL;
    case HS_FIELD_CONNECTION:
        if (!hs_ascii_ieq(value, HS_VIEW("close"))) {
            return EINVAL;
        }
        s->script_close = true;
        return -1;
    case HS_FIELD_CONTENT_LENGTH: {
        long long n;
        if (hs_ascii_to_int64(value, &n) != 0) {
            return EINVAL;
        }
        s->script_length = n;
        return -1;
    }
    case HS_FIELD_DATE: s->script_date = true; return 0;
    default: return 0;
    }
}

int
hs_session_header_put(ec_httpsrv_session *s, struct hs_view name, struct hs_view value, bool replace)
{
    int err = check_head(s);

    if (err) {
        return err == EREMOTE ? session_remote(s, REMOTE_FIELD, &(struct remote_args){ .a = name, .b = value, .i = replace }) : err;
    }
    if (!hs_field_name_ok(name) || !hs_field_value_ok(value)) {
        return EINVAL;
    }
    enum hs_field_id id = hs_field_lookup(name);
    err = special_field(s, value, id);
    if (err) {
        return err < 0 ? 0 : err;
    }
    if (replace) {
        remove_fields(s, name, id);
    }
    return response_add_field(s, name, value, id);
}

static int
remove_header(ec_httpsrv_session *s, struct hs_view name)
{
    int err = check_head(s);

    if (err) { /* names come from header_set, as C strings */
        return err == EREMOTE ? session_remote(s, REMOTE_FIELD_REMOVE, &(struct remote_args){ .p = name.p }) : err;
    }
    if (!hs_field_name_ok(name)) {
        return EINVAL;
    }
    enum hs_field_id id = hs_field_lookup(name);
    switch (id) {
    case HS_FIELD_CONNECTION: s->script_close = false; break;
    case HS_FIELD_CONTENT_LENGTH: s->script_length = -1; break;
    case HS_FIELD_DATE: s->script_date = false; break;
    default: break;
    }
    remove_fields(s, name, id);
    return 0;
}

int
ec_httpsrv_response_header_set(ec_httpsrv_session *s, const char *name, const char *value)
{
    if (!name) {
        return EINVAL;
    }
    return value ? hs_session_header_put(s, hs_view_of(name), hs_view_of(value), true) : remove_header(s, hs_view_of(name));
}

int
ec_httpsrv_response_header_add(ec_httpsrv_session *s, const char *name, const char *value)
{
    return name && value ? hs_session_header_put(s, hs_view_of(name), hs_view_of(value), false) : EINVAL;
}

bool
hs_session_body_called(ec_httpsrv_session *s)
{
    return s->body_called;
}

const char *
hs_session_response_header(ec_httpsrv_session *s, const char *name)
{
    struct hs_view n = hs_view_of(name);

    if (s->state == SESSION_ENDED) {
        return NULL;
    }
    unsigned i = find_field(s, n, hs_field_lookup(n), 0);

    return i < s->nfields ? s->fields[i].value.p : NULL;
}

/* --- content --- */

int
ec_httpsrv_response_append(ec_httpsrv_session *s, const void *buf, size_t len)
{
    int err = check_body(s);

    if (err || s->discard) {
        return err == EREMOTE ? session_remote(s, REMOTE_APPEND, &(struct remote_args){ .a = { buf, len } }) : err;
    }
    if (len && !buf) {
        return EINVAL;
    }
    s->body_called = true;
    err = segments_append(s, buf, len);
    if (!err && s->queued > s->env->limits.response_high) {
        if (s->state == SESSION_RUNNING) {
            pump(s);
        } else {
            pump_soon(s);
        }
    }
    return err;
}

int
hs_session_append_now(ec_httpsrv_session *s, const char *p, size_t n)
{
    size_t high = s->env->limits.response_high;

    if (check_body(s) != 0 || s->discard || n > high || s->queued > high - n) {
        return EAGAIN;
    }
    /* What the protocol holds is asked for once in a while: a small piece past the mark does no harm, many of them would. */
    if (s->queued + n > APPEND_UNASKED && s->queued + n + s->st->ops->queued(s->st) > high) {
        return EAGAIN;
    }
    if (segments_append(s, p, n) != 0) {
        return EAGAIN;
    }
    s->body_called = true;
    return 0;
}

bool
hs_session_has_room(ec_httpsrv_session *s)
{
    if (!s->st) {
        return true; /* whoever goes on learns it from the next call */
    }
    return s->queued + s->st->ops->queued(s->st) <= s->env->limits.response_high;
}

int
ec_httpsrv_response_vprintf(ec_httpsrv_session *s, const char *fmt, va_list ap)
{
    char small[512];
    va_list again;

    if (!fmt) {
        return EINVAL;
    }
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    int err = n < 0 ? EINVAL : 0;
    if (n >= 0 && (size_t)n < sizeof small) {
        err = ec_httpsrv_response_append(s, small, (size_t)n);
    } else if (n >= 0) {
        char *large = malloc((size_t)n + 1);
        err = large ? 0 : ENOMEM;
        if (large) {
            (void)vsnprintf(large, (size_t)n + 1, fmt, again);
            err = ec_httpsrv_response_append(s, large, (size_t)n);
            free(large);
        }
    }
    va_end(again);
    return err;
}

int
ec_httpsrv_response_printf(ec_httpsrv_session *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int err = ec_httpsrv_response_vprintf(s, fmt, ap);
    va_end(ap);
    return err;
}

int
hs_session_payload_put(ec_httpsrv_session *s, struct hs_view bytes, struct hs_view content_type)
{
    int err = check_head(s);

    err = err ? err : check_body(s);
    if (err || s->discard) {
        return err == EREMOTE ? session_remote(s, REMOTE_PAYLOAD, &(struct remote_args){ .a = bytes, .b = content_type }) : err;
    }
    if (find_field(s, HS_VIEW("Content-Type"), HS_FIELD_CONTENT_TYPE, 0) == s->nfields &&
        (err = hs_session_header_put(s, HS_VIEW("Content-Type"), content_type, true)) != 0) {
        return err;
    }
    segments_drop(s);
    s->body_called = true;
    return segments_append(s, bytes.p, bytes.n);
}

int
ec_httpsrv_response_string(ec_httpsrv_session *s, string *str)
{
    if (!str) {
        return EINVAL;
    }
    return hs_session_payload_put(s, (struct hs_view){ str->buffer, (size_t)str->len }, HS_VIEW("text/plain"));
}

/* --- io_objects --- */

static int
read_now(ec_httpsrv_session *s, io_object *io)
{
    char buf[16 * 1024];

    for (;;) {
        size_t max = s->env->limits.response_buffer_max;
        size_t room = s->queued < max ? max - s->queued : 0;
        size_t want = room < sizeof buf ? room : sizeof buf;
        ssize_t n = io_wrapper_read(io, buf, want ? want : 1); /* whether there is more has to be asked */
        if (n == 0) {
            return 0;
        }
        if (n < 0) {
            return errno == EAGAIN ? session_arm_io(s, io) : errno;
        }
        int err = check_body(s); /* the read may have led anywhere */
        if (!err) {
            err = room ? segments_append(s, buf, (size_t)n) : EMSGSIZE;
        }
        if (err) {
            return err;
        }
    }
}

int
ec_httpsrv_response_io(ec_httpsrv_session *s, io_object *io, int immediate)
{
    int err = check_body(s);

    if (err || s->discard) {
        return err == EREMOTE ? session_remote(s, REMOTE_IO, &(struct remote_args){ .io = io, .i = immediate }) : err;
    }
    if (!io) {
        return EINVAL;
    }
    s->body_called = true;
    if (immediate) {
        return read_now(s, io);
    }
    err = segments_append_io(s, io);
    if (!err && s->state != SESSION_RUNNING) {
        pump_soon(s);
    }
    return err;
}

int
ec_httpsrv_response_flush(ec_httpsrv_session *s, int final)
{
    int err = session_check(s);

    if (s->discard || err) {
        return err == EREMOTE ? session_remote(s, REMOTE_FLUSH, &(struct remote_args){ .i = final }) : err;
    }
    s->flush_wanted = true;
    if (final && !s->final) {
        s->final = true;
        response_default_body(s);
    }
    ec_httpsrv_session_addref(s);
    pump(s);
    bool over = !s->st;
    err = over && s->aborted ? ECONNABORTED : 0;
    ec_httpsrv_session_delref(s); /* the last one when this has ended a request whose handler has returned */
    if (over) {
        return err;
    }
    s->st->ops->flush(s->st);
    if (TAILQ_EMPTY(&s->segments) && s->st->ops->queued(s->st) == 0) {
        return 0;
    }
    s->st->ops->want_writable(s->st, true);
    s->waiting_writable = true;
    session_arm(s, HS_WAIT_FLUSHED);
    return EAGAIN;
}
