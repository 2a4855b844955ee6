/* memory.c - what a server does when its Lua states have used up their memory: what a script cannot give back itself only ends with its state. In a worker
 * the owner is told, who has it replaced by a new process; a server by itself loads the scripts anew, which makes new states and closes the former ones
 * when their last requests have ended. */
#include "server/memory.h"

#include "base/log.h"
#include "server/lifecycle.h"

#define RARELY (10 * HS_SEC) /* between two reloads for want of memory */

static void
on_exhausted(void *arg)
{
    struct httpsrv_server *s = arg;
    long long used = hs_lua_memory_used(s->memory) / 1024;

    if (s->worn != NULL) {
        hs_log(HS_LOG_ERROR, "the memory-limit is reached (%lld KiB are in use): this worker is to be replaced", used);
        s->worn(s->on_worn_arg);
        return;
    }
    int64_t now = hs_loop_now(s->loop);
    if (s->worn_at != 0 && now - s->worn_at < RARELY) {
        hs_lua_memory_again(s->memory);
        return;
    }
    s->worn_at = now;
    hs_log(HS_LOG_ERROR, "the memory-limit is reached (%lld KiB are in use): the scripts are loaded anew", used);
    if (httpsrv_server_reload(s) != 0) {
        hs_lua_memory_again(s->memory); /* it is starting or stopping */
    }
}

int
server_memory_new(struct httpsrv_server *s)
{
    return hs_lua_memory_new(s->loop, s->settings.memory_limit, on_exhausted, s, &s->memory);
}

void
server_memory_reloaded(struct httpsrv_server *s)
{
    if (s->memory != NULL && s->worn == NULL) {
        hs_lua_memory_again(s->memory);
    }
}

void
hs_server_on_worn(struct httpsrv_server *s, void (*worn)(void *arg), void *arg)
{
    s->worn = worn;
    s->on_worn_arg = arg;
}
