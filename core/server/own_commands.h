/* own_commands.h - the commands of httpsrv ctl that every server knows, whatever its scripts register: one table for the one process and for a master. */
#ifndef HS_SERVER_OWN_COMMANDS_H
#define HS_SERVER_OWN_COMMANDS_H

#include "server/oversight.h"
#include "server/settings_change.h"

/* Carries out the call's command when it is one of ours, which scripts cannot take over, and ends it, now or later. False: it is none of ours. o stays as
 * long as the control socket. */
bool hs_own_command_run(const struct hs_oversight *o, struct hs_control_call *call);
/* For who carries out a reload: tells what the settings that were read again have changed, and what not. */
void hs_own_command_tell_change(struct hs_control_call *call, const struct hs_settings_change *change);
/* Whether a command of that name is one of ours. Any thread. */
bool hs_own_command_is(const char *name);

#endif
