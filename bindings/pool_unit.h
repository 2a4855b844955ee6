/* pool_unit.h - what the Lua states of one generation have in common: that of the loop ("home") and those of the pool threads.
 * A unit is made with the home state and holds what the others need to become its like: where the scripts are, what they registered. It
 * outlives the home state by its references; it is closed with it, and then every other state is closed in its own thread. */
#ifndef HS_BINDINGS_POOL_UNIT_H
#define HS_BINDINGS_POOL_UNIT_H

#include "base/buf.h"
#include "bindings/internal.h"
#include "io/pool.h"

/* NULL: out of memory. The calling thread's loop is the home. */
struct hs_pool_unit *hs_pool_unit_new(struct hs_lua_runtime *home, struct hs_lua_memory *memory);
struct hs_pool_unit *hs_pool_unit_addref(struct hs_pool_unit *u); /* any thread */
void hs_pool_unit_delref(struct hs_pool_unit *u);                 /* any thread */

/* --- home thread --- */
/* What the home state loads, so that the others can load it. Out of memory: they load nothing, and say so. */
void hs_pool_unit_set_scripts(struct hs_pool_unit *u, const char *path, bool is_dir);
/* The text of a file that the home state loads: pool threads load that, whatever the file holds later. Out of memory: they read the file. */
void hs_pool_unit_keep_source(struct hs_pool_unit *u, const char *path, const char *text, size_t n);
/* A registration of the home state's: its number, from 0. -1: out of memory. */
int hs_pool_unit_add_route(struct hs_pool_unit *u, const char *host, const char *method, const char *path, const char *pool);
/* The home state closes: calls from pool threads fail from now on, the states of pool threads are closed there as soon as those are free. */
void hs_pool_unit_close(struct hs_pool_unit *u);
/* Waits until that is so, at most so many nanoseconds, and logs when it is not. */
void hs_pool_unit_await(struct hs_pool_unit *u, int64_t ns);
/* The home state, NULL once it has been closed. */
struct hs_lua_runtime *hs_pool_unit_home(struct hs_pool_unit *u);

/* --- pool threads, and home --- */
struct hs_loop *hs_pool_unit_loop(const struct hs_pool_unit *u); /* home's */
/* The number of home's registration with these names, looked for from number near on. -1: there is none such, and text says so. */
int hs_pool_unit_find_route(const struct hs_pool_unit *u, size_t near, const char *host, const char *method, const char *path, const char *pool,
                            struct hs_buf *text);
/* A file's text as the home state has loaded it, which stays as long as the unit; NULL: it has not. */
const char *hs_pool_unit_source(struct hs_pool_unit *u, const char *path, size_t *n);
/* Says of number n that a pool thread lacks it. */
void hs_pool_unit_print_missing(const struct hs_pool_unit *u, size_t n, struct hs_buf *text);
/* Has os.exit(status) called at home. */
void hs_pool_unit_exit(struct hs_pool_unit *u, int status);

/* --- the states of pool threads (pool_state.c) --- */
/* The calling pool thread's state of the unit, made at first use, with the scripts loaded when asked for; its loop is the thread's until
 * leave. NULL: text says why. */
struct hs_lua_runtime *hs_pool_state_enter(struct hs_pool_unit *u, bool scripts, struct hs_buf *text);
void hs_pool_state_leave(struct hs_lua_runtime *rt);

#endif
