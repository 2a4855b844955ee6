/* server_int.h - the server as the command sees it, beyond the public httpsrv/server.h. Thread of the server only. */
#ifndef HS_SERVER_SERVER_INT_H
#define HS_SERVER_SERVER_INT_H

#include "httpsrv/server.h"
#include "base/buf.h"
#include "bindings/runtime.h"
#include "io/loop.h"
#include "server/listeners.h"
#include "server/request_ends.h"
#include "server/settings_change.h"
#include "server/settings.h"

struct hs_oversight;

/* The settings, to be changed before start. */
struct hs_settings *hs_server_settings(struct httpsrv_server *s);
/* The server as those see it who watch it; to be used once it serves. */
const struct hs_oversight *hs_server_oversight(const struct httpsrv_server *s);
/* The loop; NULL before start. */
struct hs_loop *hs_server_loop(struct httpsrv_server *s);
/* Before start: takes over sockets that were opened before, instead of those of the setting listen. worker, workers: as hs_listeners_adopt. 0; ENOMEM. */
int hs_server_adopt(struct httpsrv_server *s, struct hs_listen_socket *socket, size_t worker, size_t workers);
/* Before start: limits of connections hold for all workers together, which count in quota; its kinds are as hs_listeners_places says. Without it
 * the server has one of its own. */
void hs_server_share_quota(struct httpsrv_server *s, struct hs_quota *quota, size_t worker);
/* What it accepts from; NULL unless it is serving. */
struct hs_listeners *hs_server_listeners(struct httpsrv_server *s);
/* Before start: time stands still until hs_loop_advance moves it. For tests. */
void hs_server_use_test_clock(struct httpsrv_server *s);
/* Before start: without the setting "control" there is a control socket all the same, where httpsrv ctl looks for it. */
void hs_server_use_default_control(struct httpsrv_server *s);
/* Before start: the process has its error log already, and its access log, if the settings want one, is to write to access_fd, which is taken over
 * (-1: opened by the server). Lines name worker. */
void hs_server_use_logs(struct httpsrv_server *s, int access_fd, unsigned worker);
/* Whether there is a line for each request in an access log. */
bool hs_server_has_access_log(const struct httpsrv_server *s);
/* The access log goes on with fd, which is taken over. */
void hs_server_switch_access_log(struct httpsrv_server *s, int fd);
/* Opens the log files anew: the process's error log, and the server's access log. 0; errno, and why says so: what could not be opened goes on. */
int hs_server_reopen_logs(struct httpsrv_server *s, char *why, size_t size);
/* Writes a line for each request to fd, which stays the caller's, while there is no access log; -1: none (the default). */
void hs_server_show_requests(struct httpsrv_server *s, int fd);
/* Before start: at each reload the configuration is read again, as hs_config_read does, and the process's logs go by it. */
void hs_server_read_config_again(struct httpsrv_server *s);
/* The next reload, or hs_server_renew, is to go by these settings from a file (hs_settings_pack). access_fd, taken over: what the access log is to write
 * to, if it changes; -1: nothing was opened. 0; ENOMEM. */
int hs_server_hand_settings(struct httpsrv_server *s, struct hs_view packed, int access_fd);
/* What was handed holds at once, without a reload. 0; errno, and what is wrong is noted: everything stays as it was. */
int hs_server_renew(struct httpsrv_server *s);
/* What the last settings that were read again have changed. */
const struct hs_settings_change *hs_server_settings_change(const struct httpsrv_server *s);
/* From now on what a reload has loaded does not take over by itself: prepared is called, from the loop, with 0, or with what made it fail (the former
 * generation stays, as always). After 0 it waits for hs_server_decide_reload. */
void hs_server_hold_reloads(struct httpsrv_server *s, void (*prepared)(void *arg, int err), void *arg);
/* Whether the generation that waits takes over, or is dropped. Does nothing when none waits. */
void hs_server_decide_reload(struct httpsrv_server *s, bool take_over);
/* Whether a generation is being loaded, or is held. */
bool hs_server_is_reloading(const struct httpsrv_server *s);
/* Before start: the loop is watched, as the setting watchdog says. Takes signals (bindings/stall.h), so it is for processes of ours. */
void hs_server_use_watchdog(struct httpsrv_server *s);
/* worn is called, from the loop, when the Lua states have used up their memory (setting memory-limit), instead of loading the scripts anew, which is what a
 * server by itself does. Once. */
void hs_server_on_worn(struct httpsrv_server *s, void (*worn)(void *arg), void *arg);
/* The Lua state that serves now; NULL: there is none, or it is still being loaded. Borrowed until the loop turns. */
struct hs_lua_runtime *hs_server_runtime(struct httpsrv_server *s);
/* As httpsrv_server_stop, not at once, but others have the same sockets: who waits in their queues is left to them. */
void hs_server_release(struct httpsrv_server *s);
/* Registrations of the current generation. */
size_t hs_server_routes(struct httpsrv_server *s);
/* Generations that live, the current one included. */
size_t hs_server_generations(const struct httpsrv_server *s);
/* Connections and requests under way. */
void hs_server_live(struct httpsrv_server *s, size_t *connections, size_t *requests);
/* Appends the requests under way (session_list.h), as those of a worker. 0; ENOMEM, EMSGSIZE: not all of them. */
int hs_server_list_sessions(struct httpsrv_server *s, size_t worker, struct hs_buf *out);
/* Whether it has begun to stop, or has stopped. */
bool hs_server_stopping(const struct httpsrv_server *s);

#endif
