/* scripts.h - a directory or file of scripts becomes a generation: its registrations and its Lua state.
 * The generation owns the Lua state; whoever holds the struct holds a reference on the generation. Loop thread only. */
#ifndef HS_SERVER_SCRIPTS_H
#define HS_SERVER_SCRIPTS_H

#include <stdbool.h>

#include "bindings/runtime.h"
#include "server/settings.h"

struct hs_scripts_place {
    char *path; /* as given */
    char *dir;  /* the directory; of a file, the one that it is in */
    bool is_dir;
};

/* Looks whether path is a directory or a file. 0; an errno of stat(2), or EINVAL when it is neither; ENOMEM. */
int hs_scripts_find(const char *path, struct hs_scripts_place *place);
/* Frees the strings. */
void hs_scripts_place_fini(struct hs_scripts_place *place);
/* DIR/config.lua, malloced; NULL with errno ENOENT when the place is a file, ENOMEM. */
char *hs_scripts_config(const struct hs_scripts_place *place);

struct hs_scripts_options {
    struct hs_loop *loop;
    struct hs_session_env *env; /* NULL: nothing will be served */
    enum hs_lua_phase phase;    /* HS_LUA_LOAD or HS_LUA_CHECK */
    bool dev;
    struct hs_lua_memory *memory; /* what Lua states are counted with; NULL: nothing */
    int64_t load_timeout; /* ns, -1: none */
    int64_t unload_timeout;
    unsigned long id; /* of the generation */
    int (*on_load)(void *arg); /* registers C handlers: called first, with the generation as the one being built; NULL: none. 0 or errno */
    void *on_load_arg;
    const struct hs_setting_list *modules; /* called next, in the same way; NULL: none */
};

struct hs_scripts {
    struct hs_generation *generation;
    struct hs_lua_runtime *runtime; /* NULL: no scripts */
};

/* Makes the generation and begins to load; place NULL: no scripts. done is called from the loop, or never when hs_scripts_drop comes first,
 * or when there are no scripts.
 * problem as hs_lua_runtime_load_dir, and from within for a module. place is not used after the return. 0; what on_load or a module gave; ENOMEM;
 * then *out is empty. */
int hs_scripts_load(const struct hs_scripts_options *options, const struct hs_scripts_place *place, hs_lua_problem_func *problem,
                    hs_lua_done_func *done, void *arg, struct hs_scripts *out);
/* Drops the reference on the generation. at_once: the Lua state is closed now, also when sessions still hold the generation. */
void hs_scripts_drop(struct hs_scripts *s, bool at_once);

#endif
