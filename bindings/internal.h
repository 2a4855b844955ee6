/* internal.h - the runtime struct and the registry keys that the files of bindings/ share.
 * Rules that hold in all of them:
 * - Lua is entered from C in enter.c only, and only when it is not running already (rt->entered is 0): what happens while Lua
 *   runs (a callback of the core, a wake-up by another script) is put on the run list or buried, and done from the loop.
 * - A C function called by Lua may throw wherever it allocates in Lua, so it holds nothing at that moment that the state does not own.
 * - The struct outlives the state: closures of registrations keep references; L is NULL once the state has been closed. */
#ifndef HS_BINDINGS_INTERNAL_H
#define HS_BINDINGS_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <sys/queue.h>

#include "bindings/memory.h"
#include "bindings/runtime.h"

struct hs_task;
struct hs_req;
struct hs_pool_unit;
struct hs_lua_job;
TAILQ_HEAD(hs_task_list, hs_task);

/* Something that a script made and that must be ended before the state is closed: a timer, a generator, a child.
 * In rt->resources while it lives; close is called with it taken out of the list. */
struct hs_resource {
    TAILQ_ENTRY(hs_resource) link;
    void (*close)(struct hs_resource *r); /* the runtime closes: release all but what the state itself collects */
    void (*reap)(struct hs_resource *r);  /* buried: called from the loop with Lua not running; may drop references and frees */
};
TAILQ_HEAD(hs_resource_list, hs_resource);

struct hs_lua_runtime {
    lua_State *L; /* main coroutine: never runs scripts */
    unsigned refs;
    struct hs_loop *loop;
    struct hs_session_env *env;
    struct hs_generation *generation; /* owns us; no reference */
    char *dir;                        /* without a final slash; "" is the root */
    enum hs_lua_phase phase;
    bool dev;
    bool last;      /* the server ends, not only this generation */
    bool to_stdout; /* print writes to stdout, not to the log */
    struct hs_pool_unit *unit; /* a reference */
    bool pooled;               /* the state of a pool thread */
    size_t nroutes;            /* pooled: the number of the registration that is likely to be next while loading */
    int ref_pool_handlers;     /* pooled: number of a registration -> its handler */
    struct hs_lua_job *job;    /* pooled: what the thread runs */
    unsigned pending;          /* pooled: jobs for other pools that are not done */
    struct hs_lua_share share; /* of the memory that all states may have */
    struct hs_lua_runtime *stall_next; /* stall.c */
    int64_t load_timeout;
    int64_t unload_timeout;
    const struct hs_lua_module *modules;
    void (*exit)(void *arg, int status);
    void *exit_arg;

    unsigned entered; /* Lua is running */
    unsigned busy;    /* a task is being run or finished: others only get ready */
    bool close_wanted;
    bool closing;
    struct hs_task *current; /* whose Lua is running */

    struct hs_task_list tasks; /* live: waiting, ready, held or running (but for a handler's on its first run) */
    struct hs_task *spare;     /* ended ones with their coroutines, by their links' next */
    size_t nspare;
    size_t ntasks;
    uint64_t last_id;
    struct hs_task_list ready; /* run list; links through run_link */
    struct hs_task_list turn;  /* that of the turn in progress */
    struct hs_deferred run;

    struct hs_resource_list resources;
    struct hs_resource_list dead;
    struct hs_deferred bury;
    struct hs_deferred close_later;
    TAILQ_HEAD(, hs_req) reqs;

    struct hs_loader *loader; /* the load in progress, or the script of httpsrv lua */
    struct hs_unloader *unloader;

    int ref_core;      /* the table of C functions that our Lua files are given */
    int ref_cancelled; /* httpsrv.cancelled */
    int ref_tostring;  /* the original tostring */
    int ref_parents;   /* weak: coroutine -> the coroutine that resumed it */
    int ref_blocked;   /* weak: coroutines that scripts may not resume: tasks, and such as wait */
    int ref_parked;    /* ticket -> the task that is parked with it */
    int ref_tasks;     /* id -> task made by spawn */
    int ref_safe;      /* C functions that can be yielded across */
    int ref_box;       /* metatable of ios */
    int ref_timer;     /* metatable of timers */
    int ref_child;     /* metatable of children */
};

/* Light userdata that travel between C and our Lua files; never seen by scripts. */
extern const char hs_lua_wait;  /* yielded: the task waits */
extern const char hs_lua_again; /* resumed with: woken, an errno follows */
extern const char hs_lua_raise; /* resumed with: raise the value that follows */

/* The runtime of a C function registered by hs_lua_functions. */
static inline struct hs_lua_runtime *
hs_lua_rt(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}
/* Adds functions to the table at the top of the stack. May throw. */
void hs_lua_functions(lua_State *L, struct hs_lua_runtime *rt, const luaL_Reg *list);

/* The struct is freed with the last reference, which goes after the state has been closed. */
void hs_runtime_addref(struct hs_lua_runtime *rt);
/* Drops one. */
void hs_runtime_delref(struct hs_lua_runtime *rt);
/* Called when the outermost task has been left: a close may have been put off. */
void hs_runtime_left(struct hs_lua_runtime *rt);
/* Called when a task has ended: an unload may be waiting for it. */
void hs_unload_task_ended(struct hs_lua_runtime *rt);
/* The runtime closes: the load, the unload are given up; done is not called. */
void hs_load_close(struct hs_lua_runtime *rt);
void hs_unload_close(struct hs_lua_runtime *rt);
/* A pool thread's state has loaded its scripts: its phase becomes HS_LUA_RUN, and what they began while loading stays where it is. */
void hs_runtime_settle(struct hs_lua_runtime *rt);
void hs_timers_go_live(struct hs_lua_runtime *rt);
void hs_timers_stop(struct hs_lua_runtime *rt);
/* Closes the state in the midst of a script and ends the process. */
void hs_runtime_exit(struct hs_lua_runtime *rt, int status) __attribute__((noreturn));
/* r is in no list: reap will be called from the loop, or when the runtime closes. */
void hs_lua_bury(struct hs_lua_runtime *rt, struct hs_resource *r);
/* Drops a registry reference, once: *ref becomes LUA_NOREF. Nothing when the state is closed. */
void hs_lua_unref(struct hs_lua_runtime *rt, int *ref);
/* Whether rt accepts new tasks and resources. */
static inline bool
hs_lua_open(const struct hs_lua_runtime *rt)
{
    return rt->L != NULL && !rt->closing;
}

/* Each file of bindings adds its C functions to the core table at the top of the stack. May throw. */
void hs_lua_open_wait(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_task(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_load(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_base(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_timer(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_handler(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_auth(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_crypto(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_xml(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_request(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_response(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_io(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_io_make(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_io_define(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_generator(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_child(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_control(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_lock(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_shared(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_msys(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_pool(lua_State *L, struct hs_lua_runtime *rt);
void hs_lua_open_pool_call(lua_State *L, struct hs_lua_runtime *rt);

#endif
