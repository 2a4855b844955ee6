/* log.h - leveled diagnostics to one sink. Any thread. Lines never contain raw control bytes:
 * everything below 0x20, 0x7f and '\\' is written as \xNN, so that no peer can forge a line. */
#ifndef HS_BASE_LOG_H
#define HS_BASE_LOG_H

#include <stdarg.h>

enum hs_log_level { HS_LOG_DEBUG, HS_LOG_INFO, HS_LOG_NOTICE, HS_LOG_WARN, HS_LOG_ERROR };

/* Called with one finished line (no newline at its end; inner newlines of tracebacks become separate calls
 * with a leading tab). The default writes "2026-11-22T10:00:00.123Z level message\n" to stderr in one write(2). */
typedef void hs_log_sink(enum hs_log_level level, const char *line, void *arg);

void hs_log(enum hs_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void hs_vlog(enum hs_log_level level, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Lines below this level are dropped. Default HS_LOG_INFO. */
void hs_log_set_level(enum hs_log_level level);
enum hs_log_level hs_log_get_level(void);
/* "debug", "info", ...; returns EINVAL for another name. */
int hs_log_level_parse(const char *name, enum hs_log_level *out);
const char *hs_log_level_name(enum hs_log_level level);
/* Replaces the sink; NULL restores the default. */
void hs_log_set_sink(hs_log_sink *sink, void *arg);
/* Lines that could not be written (disk full, closed stderr). */
unsigned long long hs_log_lost(void);

#endif
