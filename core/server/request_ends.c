/* request_ends.c - the one place that hears of every request that ends, and tells those who log and count. */
#include "server/request_ends.h"

#include <errno.h>

static void
tell(const struct hs_request_ends *ends, const struct hs_request_end *e)
{
    size_t i = 0;

    do { /* nobody calls us while there is no user */
        ends->users[i].fn(ends->users[i].arg, e);
    } while (++i < ends->n);
}

static void
session_ended(void *arg, ec_httpsrv_session *sess)
{
    const struct hs_request_ends *ends = arg;
    struct hs_request_end e;

    if (ends->count != NULL) {
        ends->count(ends->count_arg, sess);
    }
    hs_session_get_end(sess, &e);
    tell(ends, &e);
}

void
hs_request_ends_refused(const struct hs_request_ends *ends, const struct hs_h1_refused *r)
{
    if (ends->n == 0) {
        return;
    }
    int64_t now = hs_loop_clock(ends->loop);
    const struct hs_request_end e = {
        .req = r->req,
        .line = r->line,
        .peer = r->peer,
        .status = r->why->status,
        .bytes = r->bytes,
        .started = r->started,
        .first_byte = now,
        .ended = now,
    };
    tell(ends, &e);
}

/* Sessions tell us only while somebody wants a record; who only counts is told without a way round. */
static void
update(struct hs_request_ends *ends)
{
    if (ends->dispatch == NULL) {
        return;
    }
    if (ends->n != 0) {
        hs_dispatch_on_ended(ends->dispatch, session_ended, ends);
    } else {
        hs_dispatch_on_ended(ends->dispatch, ends->count, ends->count_arg);
    }
}

void
hs_request_ends_count(struct hs_request_ends *ends, void (*fn)(void *arg, ec_httpsrv_session *sess), void *arg)
{
    ends->count = fn;
    ends->count_arg = arg;
    update(ends);
}

int
hs_request_ends_add(struct hs_request_ends *ends, hs_request_end_func *fn, void *arg)
{
    if (ends->n == HS_REQUEST_END_USERS) {
        return ENOSPC;
    }
    ends->users[ends->n].fn = fn;
    ends->users[ends->n].arg = arg;
    ends->n++;
    update(ends);
    return 0;
}

void
hs_request_ends_remove(struct hs_request_ends *ends, hs_request_end_func *fn, void *arg)
{
    for (size_t i = 0; i < ends->n; i++) {
        if (ends->users[i].fn == fn && ends->users[i].arg == arg) {
            for (ends->n--; i < ends->n; i++) {
                ends->users[i] = ends->users[i + 1];
            }
            update(ends);
            return;
        }
    }
}

void
hs_request_ends_attach(struct hs_request_ends *ends, struct hs_dispatch *d, struct hs_loop *loop)
{
    ends->dispatch = d;
    ends->loop = loop;
    update(ends);
}
