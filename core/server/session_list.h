/* session_list.h - the requests under way that have outlived their handler's first run, oldest first, and where each one waits: gathered from a server,
 * carried as text from a worker to its master, shown. One request is one line, so lists are put together by appending them. */
#ifndef HS_SERVER_SESSION_LIST_H
#define HS_SERVER_SESSION_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "session/session.h"

enum {
    HS_SESSION_LIST_MAX = 200,            /* requests of one worker */
    HS_SESSION_LIST_BYTES = 4 * 1024 * 1024, /* of all together: what does not fit is left out */
    HS_SESSION_LINE_MAX = 1024,
};

/* One request. The views are borrowed from the list. */
struct hs_session_line {
    size_t worker;
    int64_t age; /* ns, since its head */
    uint64_t serial, generation;
    struct hs_view doing;      /* hs_session_doing */
    struct hs_view method, route; /* route: the path that was registered; "" when none was matched */
    struct hs_view place, call; /* where its script stands, and in which call; "" when that is not known */
    struct hs_view registered;  /* where its route was registered; "" likewise */
};

/* Appends up to HS_SESSION_LIST_MAX of a server's requests, as those of a worker. Control bytes and what is no UTF-8 become question marks. 0, ENOMEM,
 * EMSGSIZE; what was appended before stays. */
int hs_session_list_gather(struct hs_session_env *env, size_t worker, int64_t now, struct hs_buf *out);
/* The lines of a list as structs, oldest request first; what is no line of a list is left out. An array to be freed, *n of them; NULL: there are none, or no
 * memory for it. */
struct hs_session_line *hs_session_list_parse(struct hs_view list, size_t *n);
/* Writes a list for people, a line for each request. 0, ENOMEM, EMSGSIZE. */
int hs_session_list_show(struct hs_view list, bool with_worker, struct hs_buf *out);

/* Copies text so that it is valid UTF-8 without control characters; cuts at size. Returns its length; dst ends with a NUL. size at least 1. */
size_t hs_clean_text(char *dst, size_t size, struct hs_view src);

#endif
