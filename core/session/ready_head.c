/* ready_head.c - the statuses that handlers set over and over, with their content types: checked and formatted once.
 * Owns its entries, one for each place of a small table. An entry is never replaced, since responses under way point into it: scripts
 * that make up a new content type for each answer fill the table and then pay what they would without it. */
#include <stdlib.h>
#include <string.h>

#include "session/session_int.h"

void
ready_head_keep(struct hs_session_env *env, int status, struct hs_view message, struct hs_view type, bool standard)
{
    struct ready_head **slot = &env->ready[ready_head_slot(status, message, type)];

    if (*slot || message.n > READY_MESSAGE_MAX || type.n > READY_TYPE_MAX) {
        return;
    }
    struct ready_head *r = calloc(1, sizeof *r);
    if (!r) {
        return; /* it is only slower without */
    }
    r->status = status;
    r->message_len = (unsigned)message.n;
    r->type_len = (unsigned)type.n;
    if (message.n) {
        memcpy(r->message, message.p, message.n);
    }
    memcpy(r->type, type.p, type.n);
    r->reason = standard ? (struct hs_view){ NULL, 0 } : (struct hs_view){ r->message, message.n };
    r->field = (struct hs_out_field){ HS_VIEW("Content-Type"), { r->type, type.n }, HS_FIELD_CONTENT_TYPE };
    const struct hs_response_head h = { .status = status, .reason = r->reason, .fields = &r->field, .nfields = 1, .content_length = -1 };
    if (!hs_head_start_write(&r->start, &h)) {
        free(r);
        return;
    }
    *slot = r;
}

void
ready_heads_fini(struct hs_session_env *env)
{
    for (unsigned i = 0; i < READY_HEADS; i++) {
        free(env->ready[i]);
    }
}
