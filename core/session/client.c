/* client.c - who asks, as far as that can be trusted, and what the request is called.
 * Both are found when somebody wants to know, and kept in the request's arena. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/ascii.h"
#include "base/log.h"
#include "session/remote.h"
#include "session/session_int.h"

enum { ID_DIGITS = 32, ID_MAX = 128 };

static const struct hs_view id_name = HS_VIEW_INIT("X-Request-Id");

void
hs_session_env_set_trust(struct hs_session_env *env, const struct hs_cidr_list *trusted, enum hs_forwarded_field field)
{
    env->trusted = trusted != NULL && trusted->n != 0 ? trusted : NULL;
    env->forwarded = field;
}

void
hs_session_env_set_request_ids(struct hs_session_env *env, bool named, bool sent)
{
    env->ids_named = named;
    env->ids_sent = sent;
}

/* Whether what the peer says of others is believed. */
static bool
is_trusted(ec_httpsrv_session *s)
{
    if (!s->env->trusted) {
        return false;
    }
    if (s->who) {
        return s->who->trusted;
    }
    const ec_sockaddr *peer = ec_httpsrv_request_peer_address(s);
    return peer && hs_cidr_list_contains(s->env->trusted, &peer->sa);
}

/* --- the client --- */

/* What a trusted peer says, kept; NULL: nothing that can be believed, or there is no memory. */
static ec_sockaddr *
forwarded_client(ec_httpsrv_session *s)
{
    ec_sockaddr a;

    if (!is_trusted(s) || !hs_forwarded_client(&s->req, s->env->forwarded, s->env->trusted, &a)) {
        return NULL;
    }
    ec_sockaddr *kept = hs_arena_alloc(&s->arena, sizeof *kept);
    if (kept) {
        *kept = a;
    }
    return kept;
}

ec_sockaddr *
ec_httpsrv_request_client_address(ec_httpsrv_session *s)
{
    if (s->state >= SESSION_ENDED) {
        return session_remote_get(s, REMOTE_CLIENT);
    }
    if (!s->client) {
        s->client = forwarded_client(s);
    }
    if (!s->client) {
        s->client = ec_httpsrv_request_peer_address(s);
    }
    return s->client;
}

/* As hs_session_client_text, of a peer that is trusted, or was not noted. */
static __attribute__((noinline)) struct hs_view
client_text(ec_httpsrv_session *s)
{
    char text[EC_SOCKADDR_TEXT_MAX];

    const ec_sockaddr *a = s->client ? s->client : forwarded_client(s);
    if (!a && s->who) {
        return s->who->address;
    }
    if (!a || ec_sockaddr_format_ip(a, text, sizeof text) != 0) {
        return (struct hs_view){ NULL, 0 };
    }
    if (text[0] == '\0') {
        return HS_VIEW("unix:");
    }
    return hs_view_of(hs_arena_copy(&s->arena, hs_view_of(text)));
}

struct hs_view
hs_session_client_text(ec_httpsrv_session *s)
{
    return __builtin_expect(s->who && !s->who->trusted, 1) ? s->who->address : client_text(s);
}

/* --- the id --- */

/* Sixteen random bytes that are given once; NULL: there are none to be had. */
static const unsigned char *
random_bytes(struct hs_session_env *env)
{
    if (env->random_left < 16) {
        if (getrandom(env->random, sizeof env->random, GRND_NONBLOCK) != (ssize_t)sizeof env->random) {
            return NULL;
        }
        env->random_left = sizeof env->random;
    }
    env->random_left -= 16;
    return env->random + env->random_left;
}

/* Eight hexadecimal digits of four random bytes, in an order that does not matter: a nibble in each byte, made a digit all at once. */
static void
put_digits(char *dst, const unsigned char *bytes)
{
    uint32_t four;
    uint64_t x;

    memcpy(&four, bytes, sizeof four);
    x = four;
    x = (x | x << 16) & 0x0000ffff0000ffff;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
    uint64_t letters = ((x + 0x0606060606060606) >> 4) & 0x0101010101010101;
    x += 0x3030303030303030 + letters * ('a' - '0' - 10);
    memcpy(dst, &x, sizeof x);
}

static const char *
new_id(ec_httpsrv_session *s)
{
    const unsigned char *bytes = random_bytes(s->env);
    char *id = bytes ? hs_arena_alloc(&s->arena, ID_DIGITS + 1) : NULL;

    if (!id) {
        errno = bytes ? ENOMEM : EAGAIN;
        return NULL;
    }
    for (int i = 0; i < ID_DIGITS / 8; i++) {
        put_digits(id + (size_t)i * 8, bytes + (size_t)i * 4);
    }
    id[ID_DIGITS] = '\0';
    return id;
}

/* What a trusted peer has sent; NULL: nothing that can be taken for an id. */
static const char *
sent_id(ec_httpsrv_session *s)
{
    unsigned i = 0, more;

    if (!is_trusted(s)) {
        return NULL;
    }
    const struct hs_field *f = hs_request_find(&s->req, id_name, &i);
    more = i;
    if (!f || hs_request_find(&s->req, id_name, &more)) { /* of two none can be told to be it */
        return NULL;
    }
    struct hs_view v = hs_field_value(&s->req, f);
    bool ok = v.n != 0 && v.n <= ID_MAX;
    for (size_t k = 0; ok && k < v.n; k++) {
        ok = hs_ascii_is_tchar(v.p[k]);
    }
    return ok ? hs_arena_copy(&s->arena, v) : NULL;
}

const char *
ec_httpsrv_session_request_id(ec_httpsrv_session *s)
{
    if (s->state >= SESSION_ENDED) {
        return session_remote_get(s, REMOTE_REQUEST_ID);
    }
    if (!s->request_id) {
        s->request_id = sent_id(s);
    }
    if (!s->request_id) {
        s->request_id = new_id(s);
    }
    return s->request_id;
}

const char *
hs_session_named_id(ec_httpsrv_session *s)
{
    return s->request_id || !(s->env->ids_named || s->env->ids_sent) ? s->request_id : ec_httpsrv_session_request_id(s);
}

void
session_complain(ec_httpsrv_session *s, const char *fmt, ...)
{
    const struct hs_view method = hs_session_method_view(s), path = hs_session_path(s);
    const char *id = hs_session_named_id(s);
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hs_log(HS_LOG_ERROR, "%.*s %.*s%s%s: %s", (int)method.n, method.p, (int)path.n, path.p, id != NULL ? ": request " : "", id != NULL ? id : "", text);
}

void
session_add_request_id(ec_httpsrv_session *s)
{
    if (hs_session_response_header(s, id_name.p)) {
        return; /* the handler's own */
    }
    const char *id = ec_httpsrv_session_request_id(s);
    if (id) {
        (void)response_add_field(s, id_name, hs_view_of(id), HS_FIELD_OTHER); /* without memory the response goes as it is */
    }
}
