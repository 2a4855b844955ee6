/* admin.c - the admin listener: the HTTP core with C handlers of our own.
 * Owns a listener, a driver, sessions and a dispatcher beside those that serve. All answers are made at once; only the stream of events stays, as an io that
 * the pump drains, so no handler of ours is ever suspended. */
#include "server/admin.h"

#include <errno.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/log.h"
#include "dispatch/dispatch.h"
#include "http/h1.h"
#include "server/admin_events.h"
#include "server/admin_page.h"
#include "server/control_client.h"
#include "server/listeners.h"
#include "server/prometheus.h"
#include "server/settings.h"
#include "server/status.h"

enum { BACKLOG = 64, ANSWER_MAX = 16 * 1024 * 1024, HOSTNAME_MAX = 256, CSP_MAX = 512 };

struct hs_admin {
    struct hs_loop *loop;
    const struct hs_oversight *o;
    struct hs_session_env *env;
    struct hs_dispatch *dispatch;
    struct hs_h1 *h1;
    struct hs_listeners *listeners;
    int socket;               /* the listeners'; -1: closed */
    struct hs_unix_file file; /* of a unix socket; ours to remove, not the listeners' */
    struct hs_admin_events *events;
    bool tcp;
    char hostname[HOSTNAME_MAX];
    char csp[CSP_MAX];
    char address[EC_SOCKADDR_TEXT_MAX], asked[EC_SOCKADDR_TEXT_MAX]; /* the port may differ */
};

/* --- who may ask --- */

/* The host without its port; "" for what is no host. */
static struct hs_view
without_port(struct hs_view host)
{
    const char *end = host.n != 0 && host.p[0] == '[' ? memchr(host.p, ']', host.n) : host.n != 0 ? memchr(host.p, ':', host.n) : NULL;

    if (end == NULL) {
        return host.n != 0 && host.p[0] == '[' ? (struct hs_view){ NULL, 0 } : host;
    }
    return (struct hs_view){ host.p, (size_t)(end - host.p) + (*end == ']') };
}

/* An IPv4 address, or an IPv6 one in brackets: parsed as the addresses of listeners are, with a port of our own. */
static bool
is_ip(struct hs_view host)
{
    char text[64];
    ec_sockaddr a;

    if (host.n == 0 || host.n > sizeof text - 3 || (host.p[0] != '[' && memchr(host.p, '.', host.n) == NULL)) {
        return false;
    }
    memcpy(text, host.p, host.n);
    memcpy(text + host.n, ":1", 3);
    return ec_sockaddr_parse(&a, text) == 0 && a.sa.sa_family != AF_UNIX;
}

bool
hs_admin_host_allowed(struct hs_view host, struct hs_view hostname)
{
    host = without_port(host);
    return is_ip(host) || hs_ascii_ieq(host, HS_VIEW("localhost")) || (hostname.n != 0 && hs_ascii_ieq(host, hostname));
}

/* What a browser says of where a request comes from (Fetch Metadata): from another site only a person who follows a link is let in. */
static bool
is_cross_site(ec_httpsrv_session *sess)
{
    struct hs_view site, mode;

    int err = hs_session_header_view(sess, HS_VIEW("sec-fetch-site"), &site);
    if (err == ENOENT || (err == 0 && (hs_view_eq(site, HS_VIEW("same-origin")) || hs_view_eq(site, HS_VIEW("none"))))) {
        return false;
    }
    return err != 0 || hs_session_header_view(sess, HS_VIEW("sec-fetch-mode"), &mode) != 0 || !hs_view_eq(mode, HS_VIEW("navigate"));
}

/* Judges every request, whatever its path. */
static int
guard(ec_httpsrv_session *sess)
{
    const struct hs_admin *a = hs_session_closure(sess)->self;
    const struct hs_request *req = hs_session_request(sess);

    if (a->tcp && !hs_admin_host_allowed(hs_request_view(req, req->host), hs_view_of(a->hostname))) {
        return EC_HTTPSRV_AUTH_DENIED;
    }
    return is_cross_site(sess) ? EC_HTTPSRV_AUTH_DENIED : EC_HTTPSRV_AUTH_ALLOWED;
}

/* --- answers --- */

static int
set_headers(ec_httpsrv_session *sess)
{
    static const struct {
        struct hs_view name, value;
    } all[] = {
        { HS_VIEW_INIT("Cache-Control"), HS_VIEW_INIT("no-store") },
        { HS_VIEW_INIT("X-Content-Type-Options"), HS_VIEW_INIT("nosniff") },
        { HS_VIEW_INIT("Cross-Origin-Resource-Policy"), HS_VIEW_INIT("same-origin") },
    };
    int err = 0;

    for (size_t i = 0; i < sizeof all / sizeof *all && err == 0; i++) {
        err = hs_session_header_put(sess, all[i].name, all[i].value, true);
    }
    return err;
}

static int
answer(ec_httpsrv_session *sess, int status, struct hs_view type, struct hs_view body)
{
    int err = hs_session_status_put(sess, status, (struct hs_view){ NULL, 0 }, type);

    err = err != 0 ? err : set_headers(sess);
    err = err != 0 ? err : hs_session_payload_put(sess, body, type);
    if (err != 0) {
        hs_session_fail(sess, 503);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
answer_written(ec_httpsrv_session *sess, struct hs_view type, int (*write)(const struct hs_oversight *o, struct hs_buf *out))
{
    const struct hs_admin *a = hs_session_closure(sess)->self;
    struct hs_buf b;

    hs_buf_init(&b, ANSWER_MAX);
    a->o->ops->refresh(a->o->arg);
    int err = write(a->o, &b);
    if (err == 0) {
        (void)answer(sess, 200, type, hs_buf_peek(&b));
    } else {
        hs_log(HS_LOG_WARN, "admin: %s", strerror(err));
        hs_session_fail(sess, 503);
    }
    hs_buf_fini(&b);
    return EC_HTTPSRV_HANDLER_DONE;
}

static int
handle_metrics(ec_httpsrv_session *sess)
{
    return answer_written(sess, HS_VIEW(HS_PROMETHEUS_TYPE), hs_prometheus_write);
}

static int
handle_status(ec_httpsrv_session *sess)
{
    return answer_written(sess, HS_VIEW("application/json"), hs_status_json);
}

static int
handle_health(ec_httpsrv_session *sess)
{
    return answer(sess, 200, HS_VIEW("text/plain"), HS_VIEW("alive\n"));
}

static int
handle_ready(ec_httpsrv_session *sess)
{
    const struct hs_admin *a = hs_session_closure(sess)->self;

    return a->o->ops->ready(a->o->arg) ? answer(sess, 200, HS_VIEW("text/plain"), HS_VIEW("ready\n"))
                                       : answer(sess, 503, HS_VIEW("text/plain"), HS_VIEW("not ready\n"));
}

static int
handle_page(ec_httpsrv_session *sess)
{
    const struct hs_admin *a = hs_session_closure(sess)->self;

    if (hs_session_header_put(sess, HS_VIEW("Content-Security-Policy"), hs_view_of(a->csp), true) != 0 ||
        hs_session_header_put(sess, HS_VIEW("Referrer-Policy"), HS_VIEW("no-referrer"), true) != 0) {
        hs_session_fail(sess, 503);
        return EC_HTTPSRV_HANDLER_DONE;
    }
    return answer(sess, 200, HS_VIEW("text/html; charset=utf-8"), (struct hs_view){ hs_admin_page, hs_admin_page_len });
}

static int
handle_events(ec_httpsrv_session *sess)
{
    const struct hs_admin *a = hs_session_closure(sess)->self;

    int err = hs_session_status_put(sess, 200, (struct hs_view){ NULL, 0 }, HS_VIEW("text/event-stream"));
    err = err != 0 ? err : set_headers(sess);
    err = err != 0 ? err : hs_admin_events_add(a->events, sess);
    if (err == EBUSY && hs_session_response_reset(sess) == 0 && hs_session_header_put(sess, HS_VIEW("Retry-After"), HS_VIEW("10"), true) == 0 &&
        hs_session_header_put(sess, HS_VIEW("Connection"), HS_VIEW("close"), true) == 0) {
        return answer(sess, 503, HS_VIEW("text/plain"), HS_VIEW("too many look on\n"));
    }
    if (err != 0) {
        hs_session_fail(sess, 503);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

/* --- routes --- */

static ec_blobject_class admin_class = { .objectType = "httpsrv.admin" };

static int
add_routes(struct hs_generation *g, ec_blobject *closure)
{
    static const struct {
        const char *path;
        ec_httpsrv_handler_func handler;
    } routes[] = {
        { "/", handle_page },           { "/events", handle_events }, { "/metrics", handle_metrics },
        { "/status", handle_status },   { "/health", handle_health }, { "/ready", handle_ready },
    };
    const char *other;
    int err = 0;

    for (size_t i = 0; i < sizeof routes / sizeof *routes && err == 0; i++) {
        struct hs_registration r = {
            .method = "GET", .path = routes[i].path, .exact = true, .job_class = ECTP_CLASS_SHORT_LIVED, .closure = closure,
            .handler = routes[i].handler,
        };
        hs_route_options_default(&r.options);
        err = hs_generation_register(g, &r, &other);
    }
    struct hs_registration all = { .path = "/", .closure = closure, .handler = guard };
    hs_route_options_default(&all.options);
    return err != 0 ? err : hs_generation_register_auth(g, &all, &other);
}

static int
make_dispatch(struct hs_admin *a)
{
    struct hs_generation *g;

    int err = hs_dispatch_new(&a->dispatch);
    if (err != 0) {
        return err;
    }
    ec_blobject *closure = ec_blobject_wrap(&admin_class, a);
    if (closure == NULL) {
        return ENOMEM;
    }
    err = hs_generation_new(0, &g);
    if (err == 0) {
        err = add_routes(g, closure);
        if (err == 0) {
            hs_dispatch_set_generation(a->dispatch, g);
        }
        hs_generation_delref(g);
    }
    ec_blobject_delref(closure);
    return err;
}

/* --- the page's policy --- */

/* Appends "'sha256-…'" of what stands between two marks of the page. 0, ENOMEM, EINVAL. */
static int
add_hash(struct hs_buf *b, const char *open, const char *close)
{
    const char *from = strstr(hs_admin_page, open), *to = from != NULL ? strstr(from, close) : NULL;
    unsigned char hash[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    unsigned n;

    if (to == NULL) {
        return EINVAL;
    }
    from += strlen(open);
    if (EVP_Digest(from, (size_t)(to - from), hash, &n, EVP_sha256(), NULL) != 1) {
        return ENOMEM;
    }
    int len = EVP_EncodeBlock(text, hash, (int)n);
    return hs_buf_printf(b, "'sha256-%.*s'", len, (const char *)text);
}

/* The page may run its own script and style and ask where it came from; nothing else. */
static int
make_policy(struct hs_admin *a)
{
    struct hs_buf b;

    hs_buf_init(&b, sizeof a->csp - 1);
    int err = hs_buf_printf(&b, "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src ");
    err = err != 0 ? err : add_hash(&b, "<script>", "</script>");
    err = err != 0 ? err : hs_buf_printf(&b, "; style-src ");
    err = err != 0 ? err : add_hash(&b, "<style>", "</style>");
    if (err == 0) {
        memcpy(a->csp, b.p, b.len);
        a->csp[b.len] = '\0';
    }
    hs_buf_fini(&b);
    return err;
}

/* --- listening --- */

/* Whether nobody else can put something else in the place of a socket. 0, EPERM, errors of stat(2). */
static int
check_directory(const char *path)
{
    char copy[sizeof((struct sockaddr_un){ 0 }).sun_path + 1];
    struct stat st;

    (void)snprintf(copy, sizeof copy, "%s", path);
    if (stat(dirname(copy), &st) != 0) {
        return errno;
    }
    return st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 ? 0 : EPERM;
}

static void
make_key(const char *asked, char *key, size_t size)
{
    (void)snprintf(key, size, "admin:%s", asked);
}

/* The socket that another process has opened there. 0 or errno; ENOENT: there is none. */
static int
take_socket(struct hs_inherited *inherited, const char *text, const struct hs_listen_options *o, struct hs_listen_socket *s)
{
    char key[sizeof o->address + 16];

    make_key(o->address, key, sizeof key);
    int fd = inherited != NULL ? hs_inherited_take(inherited, key) : -1;
    if (fd < 0) {
        return ENOENT;
    }
    int *fds = malloc(sizeof *fds);
    if (fds == NULL) {
        (void)close(fd);
        return ENOMEM;
    }
    *fds = fd;
    int err = hs_listen_socket_take(text, fds, 1, s);
    if (err == 0 && o->is_unix && !o->is_abstract) {
        hs_unix_adopt(o->address + strlen("unix:"), &s->file);
    }
    return err;
}

/* Opens the socket. The file of a unix socket is its owner's alone, unless its options say otherwise; those that let some in and others not are for what is
 * served, and nothing here would heed them. */
static int
open_socket(const char *address, struct hs_inherited *inherited, struct hs_listen_socket *s)
{
    char text[EC_SOCKADDR_TEXT_MAX + 64], why[256];
    struct hs_listen_options o;
    ec_sockaddr parsed;

    int err = hs_listen_options_parse(address, &o, why, sizeof why);
    if (err != 0) {
        return err;
    }
    bool odd = o.inherited || o.proxy || o.max_connections != 0 || o.allow.n != 0 || o.deny.n != 0;
    err = odd || ec_sockaddr_parse(&parsed, o.address) != 0 ? EINVAL : 0;
    bool has_file = err == 0 && o.is_unix && parsed.unixaddr.sun_path[0] != '\0';
    if (has_file) {
        err = check_directory(parsed.unixaddr.sun_path);
    }
    if (err == 0 && snprintf(text, sizeof text, "%s%s", address, has_file && o.mode == -1 ? ",mode=0600" : "") >= (int)sizeof text) {
        err = EINVAL;
    }
    if (err == 0) {
        err = take_socket(inherited, text, &o, s);
        err = err != ENOENT ? err : hs_listen_socket_open(text, 1, BACKLOG, s);
    }
    hs_listen_options_fini(&o);
    return err;
}

static void
on_accepted(void *arg, int fd, struct hs_gate *gate)
{
    struct hs_admin *a = arg;
    struct hs_transport *t;

    (void)gate; /* there is none */
    if (hs_h1_stats(a->h1)->live >= HS_ADMIN_CONNECTIONS_MAX) {
        (void)close(fd);
    } else if (hs_socket_transport_new(a->loop, fd, &t) == 0) {
        (void)hs_h1_accept(a->h1, t);
    }
}

static int
start_listening(struct hs_admin *a, const char *address, struct hs_inherited *inherited)
{
    struct hs_listen_socket s;

    int err = open_socket(address, inherited, &s);
    if (err != 0) {
        return err;
    }
    a->tcp = s.tcp;
    a->file = s.file;
    s.file.path[0] = '\0';
    a->socket = s.fds[0];
    memcpy(a->address, s.address, sizeof a->address);
    memcpy(a->asked, s.options.address, sizeof a->asked);
    err = hs_listeners_new(&a->listeners);
    err = err != 0 ? err : hs_listeners_adopt(a->listeners, &s, 0, 1);
    err = err != 0 ? err : hs_listeners_start(a->listeners, a->loop, NULL, on_accepted, a);
    hs_listen_socket_close(&s, false); /* empty when it was taken over */
    return err;
}

/* --- life --- */

static int
make_floors(struct hs_admin *a)
{
    struct hs_h1_limits h1;
    struct hs_limits limits;

    hs_limits_default(&limits);
    limits.max_body = 0;
    hs_h1_limits_default(&h1);
    h1.idle_timeout = 30 * HS_SEC;
    h1.linger_count = 16;
    int err = make_policy(a);
    err = err != 0 ? err : hs_admin_events_new(a->loop, a->o, &a->events);
    err = err != 0 ? err : make_dispatch(a);
    err = err != 0 ? err : hs_session_env_new(a->loop, &limits, &hs_dispatch_app, a->dispatch, &a->env);
    return err != 0 ? err : hs_h1_new(a->loop, &h1, &hs_session_stream_user, a->env, &a->h1);
}

static int
admin_new(struct hs_loop *loop, const char *address, struct hs_inherited *inherited, const struct hs_oversight *o, struct hs_admin **out)
{
    struct hs_admin *a = calloc(1, sizeof *a);

    if (a == NULL) {
        return ENOMEM;
    }
    a->loop = loop;
    a->o = o;
    a->socket = -1;
    if (gethostname(a->hostname, sizeof a->hostname - 1) != 0) {
        a->hostname[0] = '\0';
    }
    int err = make_floors(a);
    err = err != 0 ? err : start_listening(a, address, inherited);
    if (err != 0) {
        hs_admin_free(a, true);
        return err;
    }
    *out = a;
    return 0;
}

int
hs_admin_new(struct hs_loop *loop, const char *address, const struct hs_oversight *o, struct hs_admin **out)
{
    return admin_new(loop, address, NULL, o, out);
}

void
hs_admin_retire(struct hs_admin *a)
{
    a->file.path[0] = '\0';
    a->socket = -1;
    hs_listeners_release(a->listeners);
    hs_admin_events_end(a->events);
    hs_h1_drain(a->h1);
}

int
hs_admin_socket(const struct hs_admin *a, char *key, size_t size)
{
    make_key(a->asked, key, size);
    return a->socket;
}

void
hs_admin_free(struct hs_admin *a, bool ours)
{
    if (a == NULL) {
        return;
    }
    if (ours) {
        hs_unix_remove(&a->file);
    }
    hs_listeners_free(a->listeners);
    if (a->h1 != NULL) {
        hs_h1_close_all(a->h1);
        hs_h1_free(a->h1);
    }
    hs_admin_events_free(a->events);
    if (a->env != NULL) {
        hs_session_env_free(a->env);
    }
    hs_dispatch_free(a->dispatch);
    free(a);
}

const char *
hs_admin_address(const struct hs_admin *a)
{
    return a->address;
}

/* --- of a server --- */

/* The path beside a control socket: its ending, if it has that of ours, is replaced. 0, EINVAL. */
static int
path_beside(const char *control, char *path, size_t size)
{
    size_t n = strlen(control);

    n -= n > 5 && strcmp(control + n - 5, ".sock") == 0 ? 5 : 0;
    return snprintf(path, size, "unix:%.*s" HS_ADMIN_SUFFIX, (int)n, control) < (int)size ? 0 : EINVAL;
}

static int
open_default(struct hs_loop *loop, const char *control, struct hs_inherited *inherited, const struct hs_oversight *o, struct hs_admin **out)
{
    char beside[HS_CONTROL_PATH_MAX], address[HS_CONTROL_PATH_MAX + 16];
    int err = 0;

    if (control == NULL || hs_setting_is_none(control)) {
        err = hs_control_default_path(beside);
        control = beside;
    }
    err = err != 0 ? err : path_beside(control, address, sizeof address);
    err = err != 0 ? err : admin_new(loop, address, inherited, o, out);
    if (err != 0) {
        hs_log(HS_LOG_INFO, "no admin listener beside the control socket: %s", err == EPERM ? "the directory is not ours alone" : strerror(err));
    }
    return err == ENOMEM ? err : 0;
}

/* address: as hs_admin_address gives it. */
static bool
is_loopback(const char *address)
{
    ec_sockaddr a;

    if (ec_sockaddr_parse(&a, address) != 0) {
        return false;
    }
    return a.sa.sa_family == AF_UNIX || (a.sa.sa_family == AF_INET && (ntohl(a.sin.sin_addr.s_addr) >> 24) == 127) ||
           (a.sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a.sin6.sin6_addr));
}

static void
explain(const char *address, int err, char *why, size_t size)
{
    char text[256];

    if (err == EPERM) {
        (void)snprintf(why, size, "admin: the directory of %s must be one's own, and not writable by others", address);
        return;
    }
    hs_listen_socket_explain(address, err, text, sizeof text);
    (void)snprintf(why, size, "admin: %s%s", text, err == EINVAL ? "; of the options only mode and backlog" : "");
}

int
hs_admin_open(struct hs_loop *loop, const char *setting, const char *control, bool use_default, struct hs_inherited *inherited,
              const struct hs_oversight *o, struct hs_admin **out, char *why, size_t size)
{
    int err = 0;

    *out = NULL;
    if (setting == NULL) {
        err = use_default ? open_default(loop, control, inherited, o, out) : 0;
        setting = "a path of its own";
    } else if (!hs_setting_is_none(setting)) {
        err = admin_new(loop, setting, inherited, o, out);
        if (err == 0) {
            hs_log(HS_LOG_INFO, "admin listener at %s", hs_admin_address(*out));
        }
        if (err == 0 && !is_loopback(hs_admin_address(*out))) {
            hs_log(HS_LOG_WARN, "the admin listener at %s can be reached from other machines, by everybody there", hs_admin_address(*out));
        }
    }
    if (err != 0) {
        explain(setting, err, why, size);
    }
    return err;
}
