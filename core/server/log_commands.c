/* log_commands.c - httpsrv ctl's commands about logs. */
#include "server/log_commands.h"

#include "server/command.h"

void
hs_log_command_level(struct hs_control_call *call, void (*set)(void *arg, enum hs_log_level level), void *arg)
{
    enum hs_log_level level;

    if (hs_control_argc(call) == 1) {
        hs_control_printf(call, HS_CONTROL_OUT, "%s\n", hs_log_level_name(hs_log_get_level()));
        hs_control_end(call, HS_EXIT_OK);
        return;
    }
    if (hs_control_argc(call) > 2 || hs_log_level_parse(hs_control_argv(call)[1], &level) != 0) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: log-level takes one of debug, info, notice, warning, error\n");
        hs_control_end(call, HS_EXIT_USAGE);
        return;
    }
    set(arg, level);
    hs_control_end(call, HS_EXIT_OK);
}

void
hs_log_command_reopen(struct hs_control_call *call, int (*reopen)(void *arg, char *why, size_t size), void *arg)
{
    char why[512];

    int err = reopen(arg, why, sizeof why);
    if (err != 0) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: %s\n", why);
    }
    hs_control_end(call, err == 0 ? HS_EXIT_OK : HS_EXIT_FAILED);
}
