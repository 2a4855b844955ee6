/* worker_id.h - which worker this process is, for scripts that ask. */
#ifndef HS_BINDINGS_WORKER_ID_H
#define HS_BINDINGS_WORKER_ID_H

/* Its number among the workers, from 0, which is also what a process without others is. Before Lua states are made. */
void hs_lua_set_worker_id(int id);

#endif
