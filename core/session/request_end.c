/* request_end.c - what a session leaves behind when its request is over. On the path of every request where somebody counts: loads and stores only,
 * and one look at the clock. */
#include "session/request_end.h"

#include "session/session_int.h"

void
hs_session_get_end(ec_httpsrv_session *s, struct hs_request_end *e)
{
    int64_t now = hs_loop_clock(s->env->loop);

    *e = (struct hs_request_end){
        .sess = s,
        .req = &s->req,
        .peer = s->who,
        .username = s->username,
        .status = s->head_sent ? s->status : 0,
        .aborted = s->cut,
        .bytes = s->body_sent,
        .started = s->started,
        .first_byte = s->head_at != 0 || !s->head_sent ? s->head_at : now,
        .ended = now,
    };
}
