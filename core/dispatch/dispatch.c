/* dispatch.c - from a request to its handler: one worker's dispatcher over the current generation.
 * Answers by itself what no handler is asked: 400 for a path that cannot be normalised, 404, 405 with Allow, OPTIONS without
 * a handler, 503 while there is no generation. What is below the path of an auth handler is asked of that one before.
 * Holds a reference on the current generation, and each session that was matched holds one on the generation of its route. What the
 * tree has found for a path is noted and not looked up again. */
#include "dispatch/dispatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/short.h"
#include "dispatch/auth.h"
#include "dispatch/generation.h"
#include "http/response_head.h"
#include "http/target.h"

/* More than any request target that the parser lets through. */
enum { PATH_MAX_SIZE = 16 * 1024 * 1024 };

enum { SEEN_PATHS = 64, SEEN_PATH_MAX = 48 };

/* A path and what the tree has found for it. */
struct seen_path {
    const struct hs_route_set *set;
    size_t len; /* 0: free */
    char path[SEEN_PATH_MAX];
};

struct hs_dispatch {
    struct hs_generation *generation; /* NULL: none */
    const struct hs_route_tree *plain; /* that of a generation without authentication */
    struct seen_path seen[SEEN_PATHS]; /* in plain, by seen_place; of a tree without hosts */
    struct hs_buf path;               /* scratch for normalising, kept from one request to the next */
    void (*on_ended)(void *arg, ec_httpsrv_session *sess);
    void *on_ended_arg;
};

static void
nobody(void *arg, ec_httpsrv_session *sess)
{
    (void)arg;
    (void)sess;
}

int
hs_dispatch_new(struct hs_dispatch **out)
{
    struct hs_dispatch *d = calloc(1, sizeof *d);

    if (d == NULL) {
        return ENOMEM;
    }
    hs_buf_init(&d->path, PATH_MAX_SIZE);
    d->on_ended = nobody;
    *out = d;
    return 0;
}

void
hs_dispatch_free(struct hs_dispatch *d)
{
    if (d == NULL) {
        return;
    }
    hs_dispatch_set_generation(d, NULL);
    hs_buf_fini(&d->path);
    free(d);
}

void
hs_dispatch_set_generation(struct hs_dispatch *d, struct hs_generation *g)
{
    struct hs_generation *former = d->generation;

    if (g != NULL) {
        hs_generation_addref(g);
        hs_generation_seal(g);
    }
    d->generation = g;
    d->plain = g != NULL && !g->guarded ? &g->tree : NULL;
    memset(d->seen, 0, sizeof d->seen);
    if (former != NULL) {
        hs_generation_delref(former);
    }
}

struct hs_generation *
hs_dispatch_generation(struct hs_dispatch *d)
{
    return d->generation;
}

void
hs_dispatch_on_ended(struct hs_dispatch *d, void (*fn)(void *arg, ec_httpsrv_session *sess), void *arg)
{
    d->on_ended = fn != NULL ? fn : nobody; /* no question at each request */
    d->on_ended_arg = arg;
}

struct hs_generation *
hs_session_generation(ec_httpsrv_session *sess)
{
    const struct hs_route *route = hs_session_route(sess);

    return route != NULL ? route->generation : NULL;
}

const char *
hs_session_where(ec_httpsrv_session *sess)
{
    const struct hs_route *route = hs_session_route(sess);

    return route != NULL ? route->reg.where : NULL;
}

const struct hs_registration *
hs_session_registration(ec_httpsrv_session *sess)
{
    const struct hs_route *route = hs_session_route(sess);

    return route != NULL ? &route->reg : NULL;
}

/* --- what a session holds --- */

static void
release_route(void *arg)
{
    const struct hs_route *route = arg;

    generation_delref(route->generation);
}

/* Calls the handler and sees to what it returned. */
static inline int
call(ec_httpsrv_session *sess, const struct hs_route *route)
{
    int result = route->reg.handler(sess);

    if (__builtin_expect(result != EC_HTTPSRV_HANDLER_DONE && result != EC_HTTPSRV_HANDLER_ASYNC, 0)) {
        hs_log(HS_LOG_ERROR, "the handler of %s (%s) returned %d, which is neither DONE nor ASYNC", route->reg.path,
               route->reg.where != NULL ? route->reg.where : "C", result);
        hs_session_fail(sess, 500);
        return EC_HTTPSRV_HANDLER_DONE;
    }
    return result;
}

/* --- answers of our own --- */

/* The status and its phrase as text. 0, ENOMEM, EBADF. */
static int
plain_answer(ec_httpsrv_session *sess, int status)
{
    struct hs_view reason = hs_status_reason(status);
    int err = hs_session_status_put(sess, status, (struct hs_view){ NULL, 0 }, HS_VIEW("text/plain"));

    if (err == 0) {
        err = ec_httpsrv_response_append(sess, reason.p, reason.n);
    }
    if (err == 0) {
        err = ec_httpsrv_response_append(sess, "\n", 1);
    }
    return err;
}

/* Hands the request to what is registered for a status. */
static int
call_error_route(ec_httpsrv_session *sess, struct hs_route *route, int status)
{
    struct hs_view path = hs_session_path(sess);
    int err = path.p == NULL ? hs_session_set_path(sess, "", 0) : 0; /* one that has no normal form */

    if (err == 0) {
        err = hs_session_status_put(sess, status, (struct hs_view){ NULL, 0 }, (struct hs_view){ NULL, 0 });
    }
    if (err != 0) {
        hs_session_fail(sess, status);
        return EC_HTTPSRV_HANDLER_DONE;
    }
    generation_addref(route->generation);
    hs_session_change_route(sess, route, &route->reg.options, route->reg.closure, path.n != 0, release_route);
    return call(sess, route);
}

/* Answers with a status; g may be NULL; allow, when not empty, becomes the Allow field. */
static int
answer(struct hs_generation *g, ec_httpsrv_session *sess, int status, struct hs_view allow)
{
    struct hs_route *route = g != NULL ? generation_error_route(g, status) : NULL;
    int err = allow.n != 0 ? hs_session_header_put(sess, HS_VIEW("Allow"), allow, true) : 0;

    if (err == 0 && route != NULL) {
        return call_error_route(sess, route, status);
    }
    if (err == 0) {
        err = plain_answer(sess, status);
    }
    if (err != 0) {
        hs_session_fail(sess, status);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

int
hs_dispatch_answer(ec_httpsrv_session *sess, int status)
{
    return answer(hs_session_generation(sess), sess, status, (struct hs_view){ NULL, 0 });
}

/* Answers OPTIONS for which there is no handler (RFC 9110 9.3.7). */
static int
answer_options(ec_httpsrv_session *sess, struct hs_view allow)
{
    int err = hs_session_status_put(sess, 204, (struct hs_view){ NULL, 0 }, (struct hs_view){ NULL, 0 });

    if (err == 0) {
        err = hs_session_header_put(sess, HS_VIEW("Allow"), allow, true);
    }
    if (err != 0) {
        hs_session_fail(sess, 500);
    }
    return EC_HTTPSRV_HANDLER_DONE;
}

/* --- the path --- */

/* Normalises the request's path into the scratch buffer. 0, EINVAL, ENOMEM. */
static int
normalise(struct hs_dispatch *d, struct hs_view path, bool encoded_slash, struct hs_view *out)
{
    hs_buf_clear(&d->path);
    int err = hs_buf_reserve(&d->path, path.n + 1);
    if (err != 0) {
        return ENOMEM;
    }
    err = hs_path_normalise(path, encoded_slash, d->path.p, &d->path.len);
    *out = hs_buf_peek(&d->path);
    return err;
}

/* Finds the set for a path that is not its own normal form, and that form; *kept says whether encoded slashes are left in it.
 * Base paths hold no '%', so what matches a path with all decoded matches the one with slashes kept at the same place: the longest
 * base path is looked for with everything decoded, where that can be done at all.
 * 0, EINVAL (400), ENOMEM. */
static int
find_odd(struct hs_dispatch *d, const struct hs_request *req, struct hs_view raw, const struct hs_route_set **set,
         struct hs_view *path, bool *kept)
{
    const struct hs_route_tree *tree = &d->generation->tree;

    int err = normalise(d, raw, false, path);
    *kept = false;
    if (err == EINVAL) {
        err = normalise(d, raw, true, path);
        *kept = true;
    }
    if (err == 0) {
        *set = hs_route_tree_find(tree, hs_request_view(req, req->host), *path);
    }
    return err;
}

/* Makes path what the options of the matched route ask for. 0, EINVAL (400), ENOMEM. */
static int
settle(struct hs_dispatch *d, const struct hs_route *route, struct hs_view raw, struct hs_view *path, bool kept)
{
    if (kept) {
        return route != NULL && route->reg.options.encoded_slash ? 0 : EINVAL;
    }
    if (route != NULL && route->reg.options.encoded_slash) {
        return normalise(d, raw, true, path);
    }
    return 0;
}

/* --- the paths seen last --- */

/* Where a path of four bytes or more may be noted: by its end, in which paths differ most. */
static inline struct seen_path *
seen_place(struct hs_dispatch *d, struct hs_view path)
{
    uint32_t last;

    memcpy(&last, path.p + path.n - sizeof last, sizeof last);
    return &d->seen[((last + (uint32_t)path.n) * 2654435761u) >> 26]; /* Knuth's multiplicative hash; 2^6 places */
}

/* Asks the tree. place, if not NULL, is where the answer may be noted. */
static __attribute__((noinline)) const struct hs_route_set *
find_in_tree(struct hs_dispatch *d, const struct hs_request *req, struct hs_view path, struct seen_path *place)
{
    const struct hs_route_tree *tree = d->plain;
    const struct hs_route_set *set = hs_route_tree_find(tree, hs_request_view(req, req->host), path);

    if (place != NULL && set != NULL && tree->nhosts == 0 && path.n <= SEEN_PATH_MAX) {
        place->set = set;
        place->len = path.n;
        memcpy(place->path, path.p, path.n);
    }
    return set;
}

static inline const struct hs_route_set *
find(struct hs_dispatch *d, const struct hs_request *req, struct hs_view path)
{
    if (path.n < sizeof(uint32_t)) {
        return find_in_tree(d, req, path, NULL);
    }
    struct seen_path *place = seen_place(d, path);
    if (place->len == path.n && hs_short_equal(place->path, path.p, path.n)) {
        return place->set;
    }
    return find_in_tree(d, req, path, place);
}

/* --- the session's upcalls --- */

/* What the request gets when there is no route for it. */
static int
answer_none(struct hs_generation *g, ec_httpsrv_session *sess, const struct hs_request *req, const struct hs_route_set *set)
{
    if (set == NULL) {
        return answer(g, sess, 404, (struct hs_view){ NULL, 0 });
    }
    struct hs_view allow = { set->allow, set->allow_len };
    return req->method_id == HS_METHOD_OPTIONS ? answer_options(sess, allow) : answer(g, sess, 405, allow);
}

/* What the request gets when its path is settled: a handler, or an answer of our own. */
static inline int
run(struct hs_generation *g, ec_httpsrv_session *sess, const struct hs_request *req, const struct hs_route_set *set,
    struct hs_route *route)
{
    if (__builtin_expect(route == NULL, 0)) {
        return answer_none(g, sess, req, set);
    }
    generation_addref(route->generation);
    int err = hs_session_set_route(sess, route, &route->reg.options, route->reg.closure, route->path_len, release_route);
    if (__builtin_expect(err != 0, 0)) { /* the body is above the route's limit */
        return answer(g, sess, 413, (struct hs_view){ NULL, 0 });
    }
    return call(sess, route);
}

/* The request has been allowed. */
static int
run_allowed(ec_httpsrv_session *sess, const struct hs_auth_case *c)
{
    struct hs_generation *g = c->auth->generation;
    struct hs_route *route = c->route;

    if (route == NULL) {
        return answer_none(g, sess, hs_session_request(sess), c->set);
    }
    generation_addref(g);
    hs_session_change_route(sess, route, &route->reg.options, route->reg.closure, route->path_len, release_route);
    return c->too_large ? answer(g, sess, 413, (struct hs_view){ NULL, 0 }) : call(sess, route);
}

/* A request whose path had to be normalised, or whose generation authenticates. */
static __attribute__((noinline)) int
begin_slowly(struct hs_dispatch *d, ec_httpsrv_session *sess, const struct hs_request *req)
{
    struct hs_view raw = req->path.len != 0 ? hs_request_view(req, req->path) : HS_VIEW("/");
    struct hs_auth_case c = { NULL, NULL, NULL, false };
    struct hs_view path = raw;
    bool kept = false;
    int err = 0, result;

    if (req->plain_path) {
        c.set = hs_route_tree_find(&d->generation->tree, hs_request_view(req, req->host), path);
    } else {
        err = find_odd(d, req, raw, &c.set, &path, &kept);
    }
    if (err == 0) {
        c.route = c.set != NULL ? hs_route_set_pick(c.set, req->method_id, hs_request_view(req, req->method)) : NULL;
        err = settle(d, c.route, raw, &path, kept);
    }
    if (err == 0) {
        err = hs_session_set_path(sess, path.p, path.n);
    }
    if (err != 0) {
        return answer(d->generation, sess, err == EINVAL ? 400 : 503, (struct hs_view){ NULL, 0 });
    }
    c.auth = d->generation->guarded ? hs_auth_find(d->generation, req, path, c.route) : NULL;
    if (c.auth == NULL) {
        return run(d->generation, sess, req, c.set, c.route);
    }
    return hs_auth_begin(sess, &c, &result) ? run_allowed(sess, &c) : result;
}

/* A request that is not just looked up. */
static int
begin_unusual(struct hs_dispatch *d, ec_httpsrv_session *sess, const struct hs_request *req)
{
    if (d->generation == NULL) {
        return answer(NULL, sess, 503, (struct hs_view){ NULL, 0 });
    }
    if (req->target_form == HS_TARGET_ASTERISK) {
        return answer_options(sess, HS_VIEW("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"));
    }
    return begin_slowly(d, sess, req);
}

static int
begin(void *arg, ec_httpsrv_session *sess)
{
    struct hs_dispatch *d = arg;
    const struct hs_request *req = hs_session_request(sess);
    struct hs_view path = hs_request_view(req, req->path);

    if (__builtin_expect(d->plain == NULL || req->target_form == HS_TARGET_ASTERISK || !req->plain_path || path.n == 0, 0)) {
        return begin_unusual(d, sess, req);
    }
    const struct hs_route_set *set = find(d, req, path);
    struct hs_route *route = NULL;
    if (__builtin_expect(set != NULL, 1)) {
        route = hs_route_set_pick(set, req->method_id, hs_request_view(req, req->method));
    }
    if (hs_session_set_path(sess, path.p, path.n) != 0) {
        return answer(d->generation, sess, 503, (struct hs_view){ NULL, 0 });
    }
    return run(d->generation, sess, req, set, route);
}

static int
again(void *arg, ec_httpsrv_session *sess)
{
    struct hs_auth_case c;
    int result;

    (void)arg;
    if (hs_auth_pending(sess)) {
        return hs_auth_again(sess, &c, &result) ? run_allowed(sess, &c) : result;
    }
    /* Only a handler suspends, so there is a route. */
    return call(sess, hs_session_route(sess));
}

static void
ended(void *arg, ec_httpsrv_session *sess)
{
    struct hs_dispatch *d = arg;

    d->on_ended(d->on_ended_arg, sess);
}

const struct hs_session_app hs_dispatch_app = {
    .begin = begin,
    .again = again,
    .ended = ended,
};
