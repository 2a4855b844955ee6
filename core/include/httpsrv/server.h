/* server.h - a server inside a C program: configure it, give it scripts or C handlers, run it.
 *
 *     static int routes(void *arg)
 *     {
 *         return ec_httpsrv_register(NULL, "GET", "/hello", ECTP_CLASS_SHORT_LIVED, NULL, hello);
 *     }
 *
 *     struct httpsrv_server *server;
 *     int err = httpsrv_server_new(&server);
 *     if (err == 0) {
 *         httpsrv_server_on_load(server, routes, NULL);
 *         err = httpsrv_server_listen(server, "127.0.0.1:8080");
 *         err = err != 0 ? err : httpsrv_server_start(server, NULL);
 *         err = err != 0 ? err : httpsrv_server_run(server);
 *         if (err != 0) {
 *             fprintf(stderr, "%s\n", httpsrv_server_error(server));
 *         }
 *         httpsrv_server_free(server);
 *     }
 *
 * A server belongs to the thread that makes it; all functions but httpsrv_version are for that thread. There is one server
 * in a process at a time. Functions return 0 or an errno value; httpsrv_server_error then says what was wrong.
 * docs/embedding.md says more of threads, lifetimes, signals, and of what the library does to the process.
 *
 *   NEW --start--> LOADING --loaded--> SERVING --stop--> DRAINING --quiet, or drain-timeout--> ENDING --handlers gone--> UNLOADING
 *                     `--failed--> STOPPED <--------------------------------------on_unload functions done----------------'
 * A reload happens while it is SERVING. */
#ifndef HTTPSRV_SERVER_H
#define HTTPSRV_SERVER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HTTPSRV_API
#define HTTPSRV_API __attribute__((visibility("default")))
#endif

/* The version of these headers, and the number of the binary interface: programs and modules built for one need a library with the same. */
#define HTTPSRV_VERSION "0.1.0"
#define HTTPSRV_ABI 0

struct event_base;
struct httpsrv_server;

/* The version of the library, a static string. Any thread. */
HTTPSRV_API const char *httpsrv_version(void);

/* Makes a server with all settings at their defaults. 0; ENOMEM; EBUSY: the process has one already. */
HTTPSRV_API int httpsrv_server_new(struct httpsrv_server **out);
/* Frees it, stopping it at once when it runs, and waits for the threads that still work for it; *server is gone afterwards. C handlers that have
 * suspended their sessions are told by httpsrv_session_on_abort and must resume them (for up to 5 s, then the session's memory is given up). NULL is
 * ignored. Not from within a handler or one of the callbacks below. */
HTTPSRV_API void httpsrv_server_free(struct httpsrv_server *server);
/* What the last function that failed was about, one line for people; "" when none has failed. Borrowed until the next call. */
HTTPSRV_API const char *httpsrv_server_error(const struct httpsrv_server *server);

/* Sets one of the settings that `httpsrv serve --help` lists, by its name (with dashes or underscores) and as text: "max-body", "32M". "listen" adds an
 * address to those that start opens. What is set so comes before what a configuration file says.
 * 0; ENOENT: there is no such setting; EINVAL: no such value; EBUSY: the server was started; ENOMEM. */
HTTPSRV_API int httpsrv_server_set(struct httpsrv_server *server, const char *name, const char *value);
/* Reads settings from a Lua file that returns a table of them, and again at each reload: what needs no restart changes then, or nothing does when the file
 * has errors; also error-log and log-level, so the program's own log then goes where the file says. Of several files the last is read again. 0; ENOENT: no such file; EINVAL: it has errors (the first is told); EBUSY; ENOMEM. */
HTTPSRV_API int httpsrv_server_config(struct httpsrv_server *server, const char *file);

/* Binds and listens at once: "8080" (of 127.0.0.1), "127.0.0.1:8080", "[::1]:8080", "unix:/path"; port 0: any free one; with options
 * as the setting "listen" takes them: "8080,max-connections=100" (docs/deploy.md). Connections wait
 * until the server is started. When it was called, start opens only the addresses of "listen" that were set, not its default.
 * 0; EINVAL: no address; EADDRINUSE and other errors of socket(2), bind(2), listen(2); EBUSY: the server was started; ENOMEM. */
HTTPSRV_API int httpsrv_server_listen(struct httpsrv_server *server, const char *address);
/* The i-th address that is listened at, as text with the port that it really has: "127.0.0.1:40123". NULL past the last. Borrowed until
 * the server stops. */
HTTPSRV_API const char *httpsrv_server_address(const struct httpsrv_server *server, size_t i);

/* fn is called while a set of handlers is being built, at the start and at each reload, before modules and scripts are loaded: ec_httpsrv_register works
 * in it. It returns 0, or an errno value with which the start, or the reload, fails. */
HTTPSRV_API void httpsrv_server_on_load(struct httpsrv_server *server, int (*fn)(void *arg), void *arg);
/* ready is called when the server accepts (err 0), or has failed to load (err as start would give it); stopped once it has stopped, also after a
 * failed load. Either may be NULL. Both are called from the loop, never from within a function of this header. */
HTTPSRV_API void httpsrv_server_on_state(struct httpsrv_server *server, void (*ready)(void *arg, int err), void (*stopped)(void *arg), void *arg);
/* Uses a libevent base of the caller's, who dispatches it, in this thread; the base must outlive the server. Before start. 0; EBUSY: it was started. */
HTTPSRV_API int httpsrv_server_attach(struct httpsrv_server *server, struct event_base *base);

/* Opens the addresses, calls on_load and begins to load scripts: those of a directory, one file, or none (NULL). SIGPIPE is
 * ignored from now on when nothing handles it. 0: loading goes on in the loop, ready tells how it ended; EBUSY: not for the first time; ENOENT and
 * other errors of the path; errors as of listen; what on_load gave; ENOMEM. After an error the server can only be freed. */
HTTPSRV_API int httpsrv_server_start(struct httpsrv_server *server, const char *scripts);
/* Runs the loop until the server has stopped. 0; what made the load fail (EINVAL: an error in a script); EINVAL: not started, or attached; EIO: the loop
 * failed. */
HTTPSRV_API int httpsrv_server_run(struct httpsrv_server *server);
/* Begins to build the next set of handlers beside the current one, from the same directory or file: on_load, modules, scripts. When all of it succeeds it
 * becomes current: new requests use it, those in flight finish on theirs, connections stay open; the former set's on_unload functions run, then its
 * timers and tasks end. When anything fails nothing changes: httpsrv_server_error and the log say why. Settings are not read again. Asked for again
 * while one is being built, another follows.
 * At most "generations" sets live at a time: the requests in flight of the oldest beyond that are ended (503, or cut off).
 * 0: it goes on in the loop, reloaded tells how it ended; EBUSY: not started, or stopping. */
HTTPSRV_API int httpsrv_server_reload(struct httpsrv_server *server);
/* reloaded is called when a reload has ended, from the loop: err 0: the new set is current; ECANCELED: the server stops; else what failed. NULL: nobody. */
HTTPSRV_API void httpsrv_server_on_reload(struct httpsrv_server *server, void (*reloaded)(void *arg, int err), void *arg);
/* The number of the set of handlers that new requests use: 1 for that of the start, more for each one built since; 0: there is none. */
HTTPSRV_API unsigned long httpsrv_server_generation(const struct httpsrv_server *server);
/* Begins to stop. Draining: what waits to be accepted is accepted, then nothing more; requests end, and the connections with them; connections that
 * stay idle are closed when drain-timeout is over, and so is everything else. at_once non-zero, also when it drains already: everything is
 * closed now and on_unload functions do not run. Does nothing before start. */
HTTPSRV_API void httpsrv_server_stop(struct httpsrv_server *server, int at_once);

#ifdef __cplusplus
}
#endif

#endif
