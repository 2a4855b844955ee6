/* req.c - what the Lua side keeps for one request.
 * Bound to the session while the request lives. Freed when the request has ended and its last task too, from the loop, since its end can come
 * while Lua runs. */
#include "bindings/req.h"

#include <stdlib.h>

#include "bindings/arg.h"
#include "bindings/child.h"
#include "bindings/io_box.h"
#include "bindings/where.h"

static void
reap(struct hs_resource *r)
{
    struct hs_req *req = (struct hs_req *)((char *)r - offsetof(struct hs_req, res));
    hs_deferred_cancel(req->rt->loop, &req->finish);
    hs_lua_unref(req->rt, &req->ctx_ref);
    free(req);
}

static void
bury_if_over(struct hs_req *req)
{
    if (req->sess == NULL && LIST_EMPTY(&req->tasks) && !req->buried) {
        req->buried = true;
        TAILQ_REMOVE(&req->rt->reqs, req, link);
        hs_lua_bury(req->rt, &req->res);
    }
}

static void
cancel_tasks(struct hs_req *req)
{
    struct hs_task *t;
    LIST_FOREACH (t, &req->tasks, req_link) {
        hs_task_cancel(t);
    }
}

static void
finish_now(void *arg)
{
    struct hs_req *req = arg;
    if (req->sess != NULL && req->suspended) {
        req->suspended = false;
        (void)ec_httpsrv_session_resume(req->sess, 1);
    }
}

void
hs_req_finish_later(struct hs_req *req)
{
    hs_defer(req->rt->loop, &req->finish);
}

static void
aborted(ec_httpsrv_session *sess, void *data, int err)
{
    (void)sess;
    (void)err;
    struct hs_req *req = data;
    req->aborted = true;
    cancel_tasks(req);
    if (req->handler == NULL) {
        hs_req_finish_later(req);
    }
}

static void
release_boxes(struct hs_req *req)
{
    struct hs_io_box *box, *next;
    for (box = LIST_FIRST(&req->boxes); box != NULL; box = next) {
        next = LIST_NEXT(box, link);
        if (box->with_session || req->aborted) {
            hs_io_box_close(box);
        } else {
            LIST_REMOVE(box, link);
            box->req = NULL;
        }
    }
}

static void
ended(ec_httpsrv_session *sess, void *data)
{
    struct hs_req *req = data;
    struct hs_lua_child *c;
    hs_session_bind(sess, NULL, NULL);
    if (req->handler != NULL) {
        req->handler->sess = NULL;
    }
    hs_deferred_cancel(req->rt->loop, &req->finish);
    req->sess = NULL;
    req->suspended = false;
    release_boxes(req);
    while ((c = LIST_FIRST(&req->children)) != NULL) {
        hs_lua_child_session_ended(c);
    }
    cancel_tasks(req);
    bury_if_over(req);
}

static bool
where(ec_httpsrv_session *sess, void *data, struct hs_session_where *w)
{
    (void)sess;
    return hs_req_where(data, w);
}

static const struct hs_session_binding binding = { .aborted = aborted, .ended = ended, .where = where };

struct hs_req *
hs_req_get(struct hs_lua_runtime *rt, ec_httpsrv_session *sess)
{
    struct hs_req *req = hs_session_binding_data(sess);
    if (req != NULL) {
        return req;
    }
    req = calloc(1, sizeof(*req));
    if (req == NULL) {
        return NULL;
    }
    req->res.reap = reap;
    req->rt = rt;
    req->sess = sess;
    req->ctx_ref = LUA_NOREF;
    LIST_INIT(&req->tasks);
    LIST_INIT(&req->boxes);
    LIST_INIT(&req->children);
    hs_deferred_init(&req->finish, finish_now, req);
    TAILQ_INSERT_TAIL(&rt->reqs, req, link);
    hs_session_bind(sess, &binding, req);
    return req;
}

struct hs_req *
hs_req_of_handler(struct hs_task *t)
{
    if (t->req == NULL && t->sess != NULL) {
        struct hs_req *req = hs_req_get(t->rt, t->sess);
        if (req != NULL) {
            hs_req_add_task(req, t);
            req->handler = t;
            req->continues = t->continues;
        }
    }
    return t->req;
}

struct hs_req *
hs_req_current(struct hs_lua_runtime *rt, lua_State *L)
{
    struct hs_task *t = rt->current;
    if (t == NULL || (t->req == NULL && t->sess == NULL)) {
        return NULL;
    }
    struct hs_req *req = hs_req_of_handler(t);
    if (req == NULL) {
        hs_lua_throw(L, "not enough memory");
    }
    return req;
}

bool
hs_req_is_own(struct hs_lua_runtime *rt, ec_httpsrv_session *sess)
{
    const struct hs_task *t = rt->current;
    if (t == NULL) {
        return false;
    }
    return t->req != NULL ? t->req->sess == sess && !t->req->continues : t->sess == sess;
}

void
hs_req_add_task(struct hs_req *req, struct hs_task *t)
{
    t->req = req;
    LIST_INSERT_HEAD(&req->tasks, t, req_link);
    if (req->aborted || req->sess == NULL) {
        t->cancelled = true; /* made by clean-up code: its first wait raises */
    }
}

void
hs_req_remove_task(struct hs_task *t)
{
    struct hs_req *req = t->req;
    LIST_REMOVE(t, req_link);
    t->req = NULL;
    if (req->handler == t) {
        req->handler = NULL;
    }
    bury_if_over(req);
}

void
hs_req_close_all(struct hs_lua_runtime *rt)
{
    struct hs_req *req;
    while ((req = TAILQ_FIRST(&rt->reqs)) != NULL) {
        ec_httpsrv_session *sess = req->sess;
        if (sess == NULL) {
            bury_if_over(req);
            continue;
        }
        const bool owed = req->suspended;
        hs_session_bind(sess, NULL, NULL);
        req->aborted = true;
        ended(sess, req);
        if (owed) {
            hs_session_fail(sess, 503);
            hs_session_set_guard(sess, NULL); /* nothing is asked any more: the request ends with this */
            (void)ec_httpsrv_session_resume(sess, 1);
        }
    }
}
