/* runtime.h - one generation's Lua state, as the server sees it: make it, load scripts, let it run, unload, close.
 * Everything that a script does runs on tasks (bindings/task.h) of the loop's thread; whatever may wait reports through a callback,
 * which is always called from the loop, never from within the function that was given it.
 *
 * Life: new -> load_dir or load_file -> go_live -> unload -> closed. A runtime with a generation belongs to it: it is closed when the
 * generation's last reference goes, so whoever uses the runtime holds a reference on the generation. A runtime without one is closed
 * by hs_lua_runtime_close. Closing is safe at any point of the life, also after a failed load. Loop thread only. */
#ifndef HS_BINDINGS_RUNTIME_H
#define HS_BINDINGS_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#include "bindings/lua_modules.h"
#include "dispatch/dispatch.h"
#include "io/loop.h"
#include "session/session.h"

struct hs_lua_runtime;
struct hs_lua_memory;

enum hs_lua_phase {
    HS_LUA_LOAD,  /* scripts are being loaded; timers and tasks wait for go_live */
    HS_LUA_CHECK, /* the same, but nothing will ever go live: every problem is reported, loading goes on after it */
    HS_LUA_RUN,   /* live */
};

struct hs_lua_options {
    struct hs_loop *loop;             /* the calling thread's */
    struct hs_session_env *env;       /* the loop's sessions; NULL: there are none (httpsrv lua) */
    struct hs_generation *generation; /* what register adds to and what will own the runtime; NULL: register raises an error */
    const char *dir;                  /* script directory: relative names of httpsrv.io.open, DIR/?.lua and DIR/lib/?.lua of require.
                                       * Copied. NULL: "." */
    enum hs_lua_phase phase;          /* at first: HS_LUA_LOAD or HS_LUA_CHECK; HS_LUA_RUN for httpsrv lua */
    bool dev;                         /* tracebacks go to the client */
    int64_t load_timeout;             /* ns for each load_dir or load_file; 0: 10 s; -1: none */
    int64_t unload_timeout;           /* ns for all on_unload functions; 0: 5 s */
    struct hs_lua_memory *memory;     /* what the state is counted with (bindings/memory.h), and those in pools' threads; outlives it. NULL: nothing */
    struct hs_pool_unit *unit;           /* internal: the state is a pool thread's (bindings/pool_unit.h); NULL */
    const struct hs_lua_module *modules; /* what require finds first; NULL: hs_lua_modules */
    /* A script called os.exit(status). The state has been closed already. Called instead of exit(3); must not return. NULL: exit(3). */
    void (*exit)(void *arg, int status);
    void *exit_arg;
};

enum hs_lua_problem {
    HS_LUA_PROBLEM_SYNTAX,    /* does not compile */
    HS_LUA_PROBLEM_LOAD,      /* raised an error, timed out, or could not be read */
    HS_LUA_PROBLEM_DUPLICATE, /* host, method and path are registered already (check only; when loading it is an error at its place) */
    HS_LUA_PROBLEM_GLOBAL,    /* assigns to a global variable (check only; a warning) */
};
/* message: "file.lua:12: reason"; further lines, when there are any, are the traceback. Borrowed for the call. */
typedef void hs_lua_problem_func(void *arg, enum hs_lua_problem kind, const char *message);
/* err: 0, or errno of what failed first (EINVAL for a script's error, ETIMEDOUT, ENOENT, ECANCELED, …), which problem has told. */
typedef void hs_lua_done_func(void *arg, int err);

/* Makes the state with the standard libraries and ours (require "httpsrv"). 0, ENOMEM, EINVAL. With a generation, the caller keeps its own
 * reference on that; see above. Nothing is logged. */
int hs_lua_runtime_new(const struct hs_lua_options *options, struct hs_lua_runtime **out);

/* Loads DIR's *.lua in name order (config.lua left out), one after the other; a file may wait. When loading, the first problem ends it; when
 * checking all are reported. problem is called for each, then done once; neither after hs_lua_runtime_close. One load at a time: EBUSY. 0, ENOMEM. */
int hs_lua_runtime_load_dir(struct hs_lua_runtime *rt, const char *dir, hs_lua_problem_func *problem, hs_lua_done_func *done, void *arg);
int hs_lua_runtime_load_file(struct hs_lua_runtime *rt, const char *path, hs_lua_problem_func *problem, hs_lua_done_func *done, void *arg);

/* Phase becomes HS_LUA_RUN: the timers and tasks that scripts made while loading start. */
void hs_lua_runtime_go_live(struct hs_lua_runtime *rt);

/* httpsrv lua: behaves as lua(1) with the options -e STAT, -l NAME, -v, -- and -, and a script with its arguments (global table arg, also at
 * negative indices). argv[first] is the first option or the script. done (from the loop): the exit status (0, or 1 after an error, which has been
 * written to stderr). The script may wait; the caller runs the loop until done. 0, ENOMEM, EBUSY. */
int hs_lua_runtime_main(struct hs_lua_runtime *rt, int argc, char *const argv[], int first, void (*done)(void *arg, int status), void *arg);

/* Runs the on_unload functions (within unload_timeout), then stops the timers and cancels the tasks that belong to no session; done when those
 * have ended. Sessions in flight go on. Nothing happens twice: a second call only waits along. 0, ENOMEM. */
int hs_lua_runtime_unload(struct hs_lua_runtime *rt, hs_lua_done_func *done, void *arg);

/* The server ends with this generation: its worker_exit functions run after those of on_unload. Before hs_lua_runtime_unload. */
void hs_lua_runtime_set_last(struct hs_lua_runtime *rt);
/* Ends everything at once: waits are cancelled, no Lua code runs any more but __gc methods, the state is closed. For runtimes without a generation
 * (or to close before the generation goes; then it is not closed again). From within Lua it takes effect when the outermost call has returned. */
void hs_lua_runtime_close(struct hs_lua_runtime *rt);

/* Where it stands in its life. */
enum hs_lua_phase hs_lua_runtime_phase(const struct hs_lua_runtime *rt);
/* Bytes that its Lua state takes, garbage included; those of pool threads are not counted. */
size_t hs_lua_runtime_memory(const struct hs_lua_runtime *rt);
/* Tasks that have not ended, those of sessions included. */
size_t hs_lua_runtime_tasks(const struct hs_lua_runtime *rt);

#endif
