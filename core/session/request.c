/* request.c - what the request said: method, target, fields, addresses.
 * Borrowed strings are NUL-terminated copies in the request's arena, made at the first call and cached (slices of the
 * protocol's buffers never leave the core). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/url.h"
#include "http/response_head.h"
#include "session/remote.h"
#include "session/session_int.h"

/* Nothing can be asked of it here: its request has ended, or it is remote, which session_remote tells apart. */
static bool
over(const ec_httpsrv_session *s)
{
    return s->state >= SESSION_ENDED;
}

const struct hs_request *
hs_session_request(ec_httpsrv_session *s)
{
    return &s->req;
}

struct hs_view
hs_session_path(ec_httpsrv_session *s)
{
    return s->path;
}

int
hs_session_set_path(ec_httpsrv_session *s, const char *path, size_t len)
{
    if (path >= s->req.base && path < s->req.base + s->req.size) {
        s->path = (struct hs_view){ path, len };
        return 0;
    }
    char *copy = hs_arena_copy(&s->arena, (struct hs_view){ path, len });
    if (!copy) {
        return ENOMEM;
    }
    s->path = (struct hs_view){ copy, len };
    return 0;
}

struct hs_view
hs_session_method_view(ec_httpsrv_session *s)
{
    return hs_request_view(&s->req, s->req.method);
}

const char *
ec_httpsrv_request_method_get(ec_httpsrv_session *s)
{
    if (over(s)) {
        return session_remote_get(s, REMOTE_METHOD);
    }
    if (!s->method_c) {
        s->method_c = hs_arena_copy(&s->arena, hs_session_method_view(s));
    }
    return s->method_c;
}

const char *
ec_httpsrv_request_protocol_get(ec_httpsrv_session *s)
{
    if (s->req.version_major == 2) {
        return "HTTP/2";
    }
    return s->req.version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

const char *
ec_httpsrv_request_path_rest(ec_httpsrv_session *s)
{
    if (over(s)) {
        return session_remote_get(s, REMOTE_PATH_REST);
    }
    struct hs_view rest = { s->path.p + s->base_len, s->path.n - s->base_len };
    if (rest.n && rest.p[0] == '/') {
        rest.p++;
        rest.n--;
    }
    return rest.n ? hs_arena_copy(&s->arena, rest) : "";
}

/* --- target --- */

ec_url_details *
ec_httpsrv_request_url_get(ec_httpsrv_session *s)
{
    if (over(s)) {
        return session_remote_get(s, REMOTE_URL);
    }
    if (s->url) {
        return s->url;
    }
    struct hs_view target = hs_request_view(&s->req, s->req.target);
    ec_url_details *u = NULL;
    /* The path is the normalised one, which authentication and files see as well. */
    int err = hs_url_parse_request(target, (struct hs_view){ NULL, 0 }, hs_request_view(&s->req, s->req.host), s->path, &u);
    if (err) {
        errno = err;
        return NULL;
    }
    s->url = u;
    return u;
}

/* --- fields --- */

int
hs_session_header_view(ec_httpsrv_session *s, struct hs_view name, struct hs_view *value)
{
    unsigned i = 0;

    if (over(s)) {
        return EBADF;
    }
    const struct hs_field *f = hs_request_find(&s->req, name, &i);
    if (!f) {
        return ENOENT;
    }
    *value = hs_field_value(&s->req, f);
    return hs_request_find(&s->req, name, &i) ? E2BIG : 0;
}

static struct cached_string *
cached(ec_httpsrv_session *s, const char *name)
{
    for (struct cached_string *c = s->strings; c; c = c->next) {
        if (strcasecmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

/* All values of a field in one string. */
static char *
join(ec_httpsrv_session *s, struct hs_view name)
{
    bool cookie = hs_ascii_ieq(name, HS_VIEW("cookie"));
    size_t size = 1;
    const struct hs_field *f;

    for (unsigned i = 0; (f = hs_request_find(&s->req, name, &i));) {
        size += f->value_len + 2;
    }
    char *all = hs_arena_alloc(&s->arena, size);
    if (!all) {
        return NULL;
    }
    char *p = all;
    for (unsigned i = 0; (f = hs_request_find(&s->req, name, &i));) {
        if (p != all) {
            *p++ = cookie ? ';' : ',';
            *p++ = ' ';
        }
        struct hs_view v = hs_field_value(&s->req, f);
        memcpy(p, v.p, v.n);
        p += v.n;
    }
    *p = '\0';
    return all;
}

int
ec_httpsrv_request_header_get(ec_httpsrv_session *s, const char *name, const char **value)
{
    struct hs_view first;

    if (!name || !value) {
        return EINVAL;
    }
    struct cached_string *c = over(s) ? NULL : cached(s, name);
    if (c) {
        *value = c->value;
        return 0;
    }
    int err = hs_session_header_view(s, hs_view_of(name), &first);
    if (err && err != E2BIG) {
        return over(s) ? session_remote(s, REMOTE_HEADER, &(struct remote_args){ .p = name, .out = value }) : err;
    }
    c = hs_arena_alloc(&s->arena, sizeof *c);
    if (!c) {
        return ENOMEM;
    }
    c->name = hs_arena_copy(&s->arena, hs_view_of(name));
    c->value = err == E2BIG ? join(s, hs_view_of(name)) : hs_arena_copy(&s->arena, first);
    if (!c->name || !c->value) {
        return ENOMEM;
    }
    c->next = s->strings;
    s->strings = c;
    *value = c->value;
    return 0;
}

/* Copies one field into the arena. */
static int
copy_field(ec_httpsrv_session *s, struct hs_view n, struct hs_view v, const char **name, const char **value)
{
    *name = hs_arena_copy(&s->arena, n);
    *value = hs_arena_copy(&s->arena, v);
    return *name && *value ? 0 : ENOMEM;
}

int
ec_httpsrv_request_header_next(ec_httpsrv_session *s, size_t *iter, const char **name, const char **value)
{
    if (over(s)) {
        return session_remote(s, REMOTE_HEADER_NEXT, &(struct remote_args){ .iter = iter, .out = name, .out2 = value });
    }
    if (!iter || !name || !value) {
        return EINVAL;
    }
    if (*iter >= s->req.nfields) {
        return ENOENT;
    }
    const struct hs_field *f = &s->req.fields[(*iter)++];
    return copy_field(s, hs_field_name(&s->req, f), hs_field_value(&s->req, f), name, value);
}

int
ec_httpsrv_request_trailer_next(ec_httpsrv_session *s, size_t *iter, const char **name, const char **value)
{
    const struct session_body *b = &s->body;

    if (over(s)) {
        return session_remote(s, REMOTE_TRAILER_NEXT, &(struct remote_args){ .iter = iter, .out = name, .out2 = value });
    }
    if (!iter || !name || !value) {
        return EINVAL;
    }
    if (!b->complete) {
        session_arm(s, HS_WAIT_BODY);
        return EAGAIN;
    }
    if (*iter >= b->ntrailers) {
        return ENOENT;
    }
    const struct hs_field *f = &b->trailers[(*iter)++];
    return copy_field(s, (struct hs_view){ b->trailers_base + f->name_off, f->name_len },
                      (struct hs_view){ b->trailers_base + f->value_off, f->value_len }, name, value);
}

/* --- Content-Type (RFC 9110 8.3.1) --- */

/* The value of a parameter in ";name=value;name="value"" text; p.n 0 when there is none. */
static struct hs_view
parameter(struct hs_view v, struct hs_view name)
{
    const char *p = v.p, *end = v.p + v.n;

    while (p < end) {
        while (p < end && (*p == ';' || *p == ' ' || *p == '\t')) {
            p++;
        }
        const char *n = p;
        while (p < end && hs_ascii_is_tchar(*p)) {
            p++;
        }
        struct hs_view found = { n, (size_t)(p - n) };
        if (p == end || *p != '=') {
            while (p < end && *p != ';') {
                p++;
            }
            continue;
        }
        struct hs_view val = { ++p, 0 };
        if (p < end && *p == '"') {
            val.p = ++p;
            while (p < end && *p != '"') {
                p += (*p == '\\' && p + 1 < end) ? 2 : 1;
            }
            val.n = (size_t)(p - val.p);
            p += p < end;
        } else {
            while (p < end && hs_ascii_is_tchar(*p)) {
                p++;
            }
            val.n = (size_t)(p - val.p);
        }
        if (hs_ascii_ieq(found, name)) {
            return val;
        }
    }
    return (struct hs_view){ NULL, 0 };
}

int
ec_httpsrv_request_content_type_get(ec_httpsrv_session *s, const char **type, const char **charset)
{
    struct hs_view v;
    int err = hs_session_header_view(s, HS_VIEW("content-type"), &v);

    if (err && err != E2BIG) {
        return over(s) ? session_remote(s, REMOTE_CONTENT_TYPE, &(struct remote_args){ .out = type, .out2 = charset }) : err;
    }
    size_t n = 0;
    while (n < v.n && v.p[n] != ';' && v.p[n] != ' ' && v.p[n] != '\t' && v.p[n] != ',') {
        n++;
    }
    if (type) {
        char *t = hs_arena_copy(&s->arena, (struct hs_view){ v.p, n });
        if (!t) {
            return ENOMEM;
        }
        for (char *p = t; *p; p++) {
            *p = hs_ascii_lower(*p);
        }
        *type = t;
    }
    if (charset) {
        struct hs_view c = parameter((struct hs_view){ v.p + n, v.n - n }, HS_VIEW("charset"));
        *charset = NULL;
        if (c.p && !(*charset = hs_arena_copy(&s->arena, c))) {
            return ENOMEM;
        }
    }
    return 0;
}

/* --- who is asking --- */

static ec_sockaddr *
address(ec_httpsrv_session *s, bool peer, ec_sockaddr **cache)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;

    if (over(s)) {
        return session_remote_get(s, peer ? REMOTE_PEER : REMOTE_LOCAL);
    }
    if (*cache || !s->st || s->st->ops->addr(s->st, peer, &ss, &len) != 0) {
        return *cache;
    }
    ec_sockaddr *a = hs_arena_zalloc(&s->arena, sizeof *a);
    if (a && ec_sockaddr_set(a, (const struct sockaddr *)&ss, len) == 0) {
        *cache = a;
    }
    return *cache;
}

ec_sockaddr *
ec_httpsrv_request_peer_address(ec_httpsrv_session *s)
{
    return address(s, true, &s->peer);
}

ec_sockaddr *
ec_httpsrv_request_local_address(ec_httpsrv_session *s)
{
    return address(s, false, &s->local);
}

accept_construct *
ec_httpsrv_request_accept_construct_get(ec_httpsrv_session *s)
{
    if (over(s)) {
        return session_remote_get(s, REMOTE_ACCEPT);
    }
    ec_sockaddr *local = ec_httpsrv_request_local_address(s);
    if (!local) {
        errno = ENOMEM;
        return NULL;
    }
    accept_construct *a = hs_arena_zalloc(&s->arena, sizeof *a);
    if (!a || ec_sockaddr_format(local, a->name, sizeof a->name) != 0) {
        errno = ENOMEM;
        return NULL;
    }
    a->address = local;
    return a;
}

Event *
ec_httpsrv_request_event_get(ec_httpsrv_session *s)
{
    if (over(s)) {
        return session_remote_get(s, REMOTE_EVENT);
    }
    if (!s->st) {
        errno = EBADF;
        return NULL;
    }
    Event *e = hs_arena_zalloc(&s->arena, sizeof *e);
    if (!e) {
        errno = ENOMEM;
        return NULL;
    }
    e->fd = s->st->ops->fd ? s->st->ops->fd(s->st) : -1;
    e->inst = hs_loop_base(s->env->loop);
    return e;
}

ec_scheduler_inst *
ec_httpsrv_request_event_get_scheduler_inst(ec_httpsrv_session *s)
{
    if (over(s)) {
        return session_remote_get(s, REMOTE_SCHEDULER);
    }
    return hs_loop_base(s->env->loop);
}

const char *
ec_httpsrv_request_username_get(ec_httpsrv_session *s)
{
    return over(s) ? session_remote_get(s, REMOTE_USERNAME) : s->username;
}

const char *
ec_httpsrv_request_subject_cn_get(ec_httpsrv_session *s)
{
    (void)s;
    return NULL; /* no listener asks for client certificates: no transport speaks TLS */
}

int
ec_httpsrv_request_username_set(ec_httpsrv_session *s, const char *user)
{
    if (over(s)) {
        return session_remote(s, REMOTE_USERNAME_SET, &(struct remote_args){ .p = user });
    }
    if (user && !hs_field_value_ok(hs_view_of(user))) {
        return EINVAL;
    }
    const char *copy = user ? hs_arena_copy(&s->arena, hs_view_of(user)) : NULL;
    if (user && !copy) {
        return ENOMEM;
    }
    s->username = copy;
    return 0;
}

/* --- what dispatch found --- */

static void
take_route(ec_httpsrv_session *s, void *route, const struct hs_route_options *options, ec_blobject *closure, size_t base_len,
           void (*on_route_release)(void *route))
{
    s->route = route;
    s->options = options;
    s->route_release = on_route_release;
    s->base_len = base_len;
    s->closure = closure;
    if (options && options->max_body != INT64_MIN) {
        s->body.max = options->max_body;
    }
}

int
hs_session_set_route(ec_httpsrv_session *s, void *route, const struct hs_route_options *options, ec_blobject *closure, size_t base_len,
                     void (*on_route_release)(void *route))
{
    take_route(s, route, options, closure, base_len, on_route_release);
    return s->body.max >= 0 && s->req.content_length > s->body.max ? EMSGSIZE : 0;
}

void
hs_session_change_route(ec_httpsrv_session *s, void *route, const struct hs_route_options *options, ec_blobject *closure,
                        size_t base_len, void (*on_route_release)(void *route))
{
    void (*release)(void *) = s->route_release;
    void *former = s->route;

    take_route(s, route, options, closure, base_len, on_route_release);
    if (release) {
        release(former);
    }
}

void
hs_session_set_guard(ec_httpsrv_session *s, void *guard)
{
    s->guard = guard;
}

void *
hs_session_guard(ec_httpsrv_session *s)
{
    return s->guard;
}

void *
hs_session_alloc(ec_httpsrv_session *s, size_t n)
{
    return hs_arena_zalloc(&s->arena, n);
}

void *
hs_session_route(ec_httpsrv_session *s)
{
    return s->route;
}

ec_blobject *
hs_session_closure(ec_httpsrv_session *s)
{
    return s->closure;
}

ec_blobject *
ec_httpsrv_service_ctx_get(ec_httpsrv_session *s)
{
    if (s->closure) {
        ec_blobject_addref(s->closure);
    }
    return s->closure;
}

ec_blobject *
ec_httpsrv_ctx_get(ec_httpsrv_session *s)
{
    if (over(s)) {
        return session_remote_get(s, REMOTE_CTX);
    }
    if (s->ctx) {
        ec_blobject_addref(s->ctx);
    }
    return s->ctx;
}

void
ec_httpsrv_ctx_set(ec_httpsrv_session *s, ec_blobject *ctx)
{
    ec_blobject *old = s->ctx;

    if (over(s)) {
        (void)session_remote(s, REMOTE_CTX_SET, &(struct remote_args){ .object = ctx });
        return;
    }
    if (ctx) {
        ec_blobject_addref(ctx);
    }
    s->ctx = ctx;
    ec_blobject_delref(old);
}

int64_t
hs_session_started(ec_httpsrv_session *s)
{
    return s->started;
}

bool
hs_session_is_kept(ec_httpsrv_session *s)
{
    return s->retained;
}

bool
hs_session_is_cut(ec_httpsrv_session *s)
{
    return s->cut;
}
