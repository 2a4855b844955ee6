/* log_commands.h - httpsrv ctl's commands about logs: the same for a server alone in its process and for a master with its workers. Loop thread. */
#ifndef HS_SERVER_LOG_COMMANDS_H
#define HS_SERVER_LOG_COMMANDS_H

#include "base/log.h"
#include "server/control.h"

/* "log-level [LEVEL]": says the level, or has set(arg, level) change it. Ends the call. */
void hs_log_command_level(struct hs_control_call *call, void (*set)(void *arg, enum hs_log_level level), void *arg);
/* "reopen": has reopen(arg, why, size) open the log files anew; 0, or errno and why says what was wrong. Ends the call. */
void hs_log_command_reopen(struct hs_control_call *call, int (*reopen)(void *arg, char *why, size_t size), void *arg);

#endif
