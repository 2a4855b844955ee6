/* log.h - leveled diagnostics to one sink. Any thread; not for signal handlers. Lines never contain raw control bytes:
 * everything below 0x20, 0x7f, '\\' and the C1 controls of UTF-8 (0xc2 0x80-0x9f) are written as \xNN, so that no peer
 * can forge a line or drive a terminal. errno is kept. */
#ifndef HS_BASE_LOG_H
#define HS_BASE_LOG_H

#include <stdarg.h>
#include <stddef.h>

#include "base/view.h"

enum hs_log_level { HS_LOG_DEBUG, HS_LOG_INFO, HS_LOG_NOTICE, HS_LOG_WARN, HS_LOG_ERROR };

/* A message longer than this many bytes is cut. */
#define HS_LOG_MAX (64 * 1024)

/* Called with one finished line (no newline at its end; inner newlines of tracebacks become separate calls
 * with a leading tab in place of the line's own indentation, blank lines are left out).
 * The default writes "2026-11-22T10:00:00.123Z level message\n" to stderr in one write(2).
 * Called in the thread that logs, several at once; it may log, but not replace the sink. */
typedef void hs_log_sink(enum hs_log_level level, const char *line, void *arg);

/* Logs one message, formatted as printf(3). A message that cannot be formatted, or not whole for lack of memory,
 * is logged as far as it goes. */
void hs_log(enum hs_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void hs_vlog(enum hs_log_level level, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Lines below this level are dropped. Default HS_LOG_INFO. */
void hs_log_set_level(enum hs_log_level level);
enum hs_log_level hs_log_get_level(void);
/* Names the process in lines of the default sink: "… warn worker 1: message". Up to 32 bytes; NULL: no name. Before other threads log. */
void hs_log_set_name(const char *who);
/* "debug", "info", "notice", "warn" (or "warning"), "error"; returns 0, or EINVAL for another name or NULL, and then leaves *out alone. */
int hs_log_level_parse(const char *name, enum hs_log_level *out);
/* The name as it was set; "": none. */
const char *hs_log_name(void);
/* The default sink writes to fd, which stays the caller's, from now on; stderr at first. */
void hs_log_set_fd(int fd);
/* The name of a level, a static string; "?" for a value that is none. */
const char *hs_log_level_name(enum hs_log_level level);
/* Replaces the sink; NULL restores the default. Returns when no call of the old one is under way any more. */
void hs_log_set_sink(hs_log_sink *sink, void *arg);
/* Lines that the default sink could not write (disk full, closed stderr). It is counted, never fatal, provided that the
 * process ignores SIGPIPE. */
unsigned long long hs_log_lost(void);
/* Copies src to dst with the escapes of a log line (newlines too), for other writers of lines. Needs size >= 1; cuts
 * before what does not fit and adds a NUL. Returns the length without the NUL. */
size_t hs_log_escape(char *dst, size_t size, struct hs_view src);

#endif
