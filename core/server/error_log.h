/* error_log.h - where the messages of this process go (base/log.h): a file, a standard stream, syslog. One for a process and those that it forks,
 * which inherit it. Main thread; messages come from any. */
#ifndef HS_SERVER_ERROR_LOG_H
#define HS_SERVER_ERROR_LOG_H

/* Opens the log that a text names as hs_log_target_parse has it; "none" too. What was open before is closed. 0; EINVAL; errors of open(2), and then the
 * former goes on. For tests syslog may be elsewhere than /dev/log (NULL). */
int hs_error_log_open(const char *text, const char *syslog_path);
/* The same with what somebody else has opened for it: fd, which is taken over in any case; -1 where the target is no file. 0; EINVAL; ENOMEM. */
int hs_error_log_adopt(const char *text, int fd);
/* Whether hs_error_log_open would succeed now. */
int hs_error_log_try(const char *text);
/* Has a file opened anew by its name, without a message lost. 0; errors of open(2), and then the former goes on. Nothing for other kinds. */
int hs_error_log_reopen(void);
/* Messages go on to fd, which is taken over: somebody else has opened the file anew. Nothing but a close when the log is no file. */
void hs_error_log_switch(int fd);
/* A descriptor that the log is written through, borrowed; -1: it is no file. To be handed to processes that share it. */
int hs_error_log_fd(void);
/* Back to stderr. */
void hs_error_log_close(void);

#endif
