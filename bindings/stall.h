/* stall.h - says in the log what a loop does that does not come round: ruling 24's watchdog, as far as it is the worker's own.
 * A thread of its own looks whether a timer of the loop still fires. When it has not for too long, the Lua state that serves is asked for a traceback,
 * through LuaJIT's profiler, which reaches interpreted and compiled loops alike: it has to run in the state from its creation, with a period so long that
 * it never fires by itself, and can be in one state of a process only: the current generation's. What gives no answer, since it stands in C or
 * in a former generation, is interrupted by a signal, whose handler notes the frames of the stack and which request is being
 * worked for. Signals: SIGPROF, and SIGRTMIN + 2. For processes of ours only: a program with the server inside has signals of its own. */
#ifndef HS_BINDINGS_STALL_H
#define HS_BINDINGS_STALL_H

#include <stdint.h>

#include "io/loop.h"

struct hs_lua_runtime;

/* Begins to watch the loop of the calling thread, before Lua states are made: one that stands still for longer than limit ns is reported, once, and when it goes
 * on again. 0; ENOMEM, EAGAIN: no thread; EBUSY: there is a watch already. */
int hs_stall_watch(struct hs_loop *loop, int64_t limit);
/* Ends that, after the last Lua state has been closed. Harmless when there is no watch. */
void hs_stall_unwatch(void);

/* A Lua state of the loop has been made. */
void hs_stall_add(struct hs_lua_runtime *rt);
/* It serves from now on, in place of the one before. No Lua runs. */
void hs_stall_set_current(struct hs_lua_runtime *rt);
/* It is about to be closed. */
void hs_stall_remove(struct hs_lua_runtime *rt);

#endif
