/* cmd_serve.c - httpsrv serve: settings from everywhere, then one server until a signal. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "server/command.h"
#include "server/config_file.h"
#include "server/dev_watch.h"
#include "server/error_log.h"
#include "server/master.h"
#include "server/notify.h"
#include "server/process.h"
#include "server/scripts.h"
#include "server/server_int.h"
#include "server/startup.h"
#include "server/status.h"

struct serving {
    struct httpsrv_server *server;
    const char *path;
    struct hs_startup startup;
};

static void
complain_of_config(void *arg, const char *message)
{
    (void)arg;
    hs_command_complain("%s", message);
}

/* Reads the configuration of what is at path. An exit status. */
static int
read_config(struct hs_settings *settings, const char *path)
{
    struct hs_scripts_place place;

    int err = hs_scripts_find(path, &place);
    if (err != 0) {
        hs_command_complain("cannot serve %s: %s", path, err == EINVAL ? "not a directory or a file" : strerror(err));
        return HS_EXIT_FAILED;
    }
    err = hs_config_read(settings, &place, complain_of_config, NULL);
    hs_scripts_place_fini(&place);
    return err == 0 ? HS_EXIT_OK : err == EDOM ? HS_EXIT_USAGE : HS_EXIT_FAILED;
}

static void
on_ready(void *arg, int err)
{
    if (err == 0) {
        const struct serving *sv = arg;
        hs_status_announce(hs_server_oversight(sv->server), sv->path);
        hs_notify("READY=1\nSTATUS=serves");
    }
}

static void
on_reloaded(void *arg, int err)
{
    (void)arg;
    hs_notify("READY=1\nSTATUS=%s", err == 0 ? "serves" : "serves; the last reload has failed");
}

/* Sockets, files and the user before the scripts. 0 or errno; what went wrong has been complained about. */
static int
start_up(struct serving *sv)
{
    struct hs_startup *su = &sv->startup;

    int err = hs_startup_begin(su, hs_server_settings(sv->server), 1);
    if (err == 0 && su->predecessor >= 0) {
        hs_command_complain("a server without workers cannot replace another while that runs");
        err = ENOTSUP;
    }
    for (size_t i = 0; i < su->nsockets && err == 0; i++) {
        err = hs_server_adopt(sv->server, &su->sockets[i], 0, 1);
        if (err != 0) {
            hs_command_complain("%s", strerror(err));
        }
    }
    return err;
}

static int
start_and_run(struct httpsrv_server *server, const char *path)
{
    struct serving sv = { .server = server, .path = path };
    struct hs_process *process = NULL;
    struct hs_dev_watch *watch = NULL;

    if (start_up(&sv) != 0) {
        hs_startup_end(&sv.startup, true);
        return HS_EXIT_FAILED;
    }

    httpsrv_server_on_state(server, on_ready, NULL, &sv);
    httpsrv_server_on_reload(server, on_reloaded, NULL);
    hs_server_use_default_control(server);
    hs_server_use_watchdog(server);
    hs_server_use_logs(server, -1, 0);
    hs_server_read_config_again(server);
    if (isatty(STDERR_FILENO)) {
        hs_server_show_requests(server, STDERR_FILENO);
    }
    int err = httpsrv_server_start(server, path);
    if (err == 0 && (hs_process_watch(hs_server_loop(server), &hs_process_server, server, &process) != 0 ||
                     hs_notify_watch(hs_server_loop(server)) != 0)) {
        hs_command_complain("out of memory");
        hs_startup_end(&sv.startup, true);
        return HS_EXIT_FAILED;
    }
    if (err == 0 && hs_server_settings(server)->dev) {
        hs_dev_watch_try(hs_server_loop(server), path, hs_process_server.reload, server, &watch);
    }
    if (err == 0) {
        err = httpsrv_server_run(server);
    }
    hs_dev_watch_free(watch);
    if (err != 0) {
        hs_command_complain("%s", httpsrv_server_error(server));
    }
    hs_process_unwatch(process);
    hs_notify_unwatch();
    hs_startup_end(&sv.startup, true);
    return err == 0 ? HS_EXIT_OK : HS_EXIT_FAILED;
}

/* Each worker makes a server of its own: the one that has gathered the settings is not needed any more. */
static int
run_workers(struct httpsrv_server **server, const char *path)
{
    struct hs_settings settings = { .config = NULL };

    int err = hs_settings_copy(&settings, hs_server_settings(*server));
    httpsrv_server_free(*server);
    *server = NULL;
    if (err != 0) {
        hs_command_complain("out of memory");
        return HS_EXIT_FAILED;
    }
    int status = hs_master_run(&settings, path);
    hs_settings_fini(&settings);
    return status;
}

int
hs_command_serve(const struct hs_command *self, int argc, char **argv)
{
    struct httpsrv_server *server;
    struct hs_command_line line;

    if (httpsrv_server_new(&server) != 0) {
        hs_command_complain("out of memory");
        return HS_EXIT_FAILED;
    }
    struct hs_settings *settings = hs_server_settings(server);
    int status = hs_command_parse(self, argc, argv, settings, &line);
    if (status == 0 && line.help) {
        hs_command_help(self, stdout);
        httpsrv_server_free(server);
        return HS_EXIT_OK;
    }
    const char *path = status == 0 ? hs_command_path(self, &line) : NULL;
    if (status == 0 && path == NULL) {
        status = HS_EXIT_USAGE;
    }
    if (status == 0) {
        status = read_config(settings, path);
    }
    int err = status == 0 ? hs_error_log_open(settings->error_log, NULL) : 0;
    if (err != 0) {
        hs_command_complain("error-log: cannot open %s: %s", settings->error_log, strerror(err));
        status = HS_EXIT_FAILED;
    }
    if (status == 0) {
        hs_log_set_level((enum hs_log_level)settings->log_level);
        hs_process_raise_limits();
        hs_notify_begin();
        hs_process_survive_writes();
        status = hs_settings_workers(settings) == 0 ? start_and_run(server, path) : run_workers(&server, path);
    }
    httpsrv_server_free(server);
    return status;
}
