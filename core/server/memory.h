/* memory.h - what a server does about the memory of its Lua states. Thread of the server only. */
#ifndef HS_SERVER_MEMORY_H
#define HS_SERVER_MEMORY_H

#include "bindings/memory.h"

struct httpsrv_server;

/* Begins to count, with the limit of the settings; the server has a loop. 0; ENOMEM. */
int server_memory_new(struct httpsrv_server *s);
/* A reload has ended, well or not. */
void server_memory_reloaded(struct httpsrv_server *s);

#endif
