/* where.h - where in a script a task stands, for people who look on. Loop thread, with no Lua running; costs nothing unless it is asked. */
#ifndef HS_BINDINGS_WHERE_H
#define HS_BINDINGS_WHERE_H

#include "bindings/task.h"

/* The innermost line of a script's own on a task that waits, or is about to go on, and what it has called there. False: there is none (a handler that
 * runs in a pool), or the task has not begun; w is empty then. */
bool hs_task_where(struct hs_task *t, struct hs_session_where *w);
/* The same of what works for a request: its handler, or when that has returned whatever else it has begun (a generator, a spawned task). */
bool hs_req_where(const struct hs_req *req, struct hs_session_where *w);

#endif
