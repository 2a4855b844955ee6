/* startup.c - what a server process does between its settings and its scripts.
 * The order is one of rights: sockets and files first, for which it may take root, then the user, and only then anything of the scripts'. */
#include "server/startup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "server/command.h"
#include "server/log_target.h"
#include "server/upgrade.h"

/* --- sockets --- */

static int
fail(const char *address, int err)
{
    char why[512];

    hs_listen_socket_explain(address, err, why, sizeof why);
    hs_command_complain("%s", why);
    return err;
}

/* Makes room for one more. */
static struct hs_listen_socket *
add_socket(struct hs_startup *su)
{
    struct hs_listen_socket *all = realloc(su->sockets, (su->nsockets + 1) * sizeof *all);

    if (all == NULL) {
        hs_command_complain("out of memory");
        return NULL;
    }
    su->sockets = all;
    memset(&all[su->nsockets], 0, sizeof *all);
    return &all[su->nsockets];
}

/* All inherited sockets of a key, as the lanes of one address. */
static int
take_inherited(struct hs_startup *su, const char *text, const char *key, size_t n)
{
    struct hs_listen_socket *s = add_socket(su);
    int *fds = s != NULL ? calloc(n, sizeof *fds) : NULL;

    if (fds == NULL) {
        return ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        fds[i] = hs_inherited_take(&su->inherited, key);
    }
    int err = hs_listen_socket_take(text, fds, n, s);
    if (err != 0) {
        return fail(text, err);
    }
    su->nsockets++;
    return 0;
}

/* One address of the settings. */
static int
open_address(struct hs_startup *su, const char *text, size_t lanes, int backlog)
{
    struct hs_listen_options o;
    char why[256], key[EC_SOCKADDR_TEXT_MAX + 24];

    int err = hs_listen_options_parse(text, &o, why, sizeof why);
    if (err != 0) {
        hs_command_complain("%s: %s", text, why); /* it was good when it was set: memory */
        return err;
    }
    hs_listen_options_fini(&o); /* the address stays */
    hs_upgrade_socket_key(su->sockets, su->nsockets, o.address, key, sizeof key);
    size_t n = hs_inherited_count(&su->inherited, key);
    if (o.inherited && n == 0) {
        hs_command_complain("cannot listen at %s: no socket of that name was handed in", o.address);
        return ENOENT;
    }
    if (o.inherited) { /* those of one name may be of several addresses: each is one */
        while (err == 0 && n-- != 0) {
            err = take_inherited(su, text, key, 1);
        }
        return err;
    }
    if (n != 0) {
        return take_inherited(su, text, key, n);
    }
    struct hs_listen_socket *s = add_socket(su);
    if (s == NULL) {
        return ENOMEM;
    }
    err = hs_listen_socket_open(text, lanes, backlog, s);
    if (err != 0) {
        return fail(text, err);
    }
    su->nsockets++;
    if (s->file.path[0] != '\0' && (err = hs_identity_give(&su->identity, s->file.path)) != 0) {
        hs_command_complain("cannot give %s to its user: %s", s->file.path, strerror(err));
    }
    return err;
}

/* systemd's that no setting names. */
static int
open_activated(struct hs_startup *su)
{
    const char *key;
    char copy[EC_SOCKADDR_TEXT_MAX];
    int err = 0;

    while (err == 0 && (key = hs_inherited_next_activated(&su->inherited)) != NULL) {
        (void)strncpy(copy, key, sizeof copy - 1);
        copy[sizeof copy - 1] = '\0';
        copy[strcspn(copy, ",")] = '\0'; /* of the key only what an option could follow */
        err = take_inherited(su, copy, key, 1);
    }
    return err;
}

/* The default address only when there is nothing else. */
static int
open_sockets(struct hs_startup *su, const struct hs_settings *settings, size_t lanes)
{
    bool chosen = hs_setting_source_of(settings, hs_setting_find("listen")) != HS_SOURCE_DEFAULT;
    bool activated = hs_inherited_next_activated(&su->inherited) != NULL;
    int err = 0;

    for (size_t i = 0; i < settings->listen.n && err == 0 && (chosen || !activated); i++) {
        err = open_address(su, settings->listen.items[i], lanes, (int)settings->backlog);
    }
    return err != 0 ? err : open_activated(su);
}

void
hs_startup_close_sockets(struct hs_startup *su, bool ours)
{
    for (size_t i = 0; i < su->nsockets; i++) {
        hs_listen_socket_close(&su->sockets[i], ours);
    }
    free(su->sockets);
    su->sockets = NULL;
    su->nsockets = 0;
}

/* --- the file of the pid --- */

static bool
is_none(const char *path)
{
    return path == NULL || hs_setting_is_none(path);
}

static int
write_pid_file(struct hs_startup *su, const char *path)
{
    int err = !is_none(path) ? hs_pid_file_write(path, &su->pid_file) : 0;

    if (err != 0) {
        hs_command_complain("cannot write %s: %s", path, strerror(err));
    }
    return err;
}

/* The files of its unix sockets; not before, for as long as it may go on they are not ours to remove. systemd's never are. */
static void
take_files(struct hs_startup *su)
{
    for (size_t i = 0; i < su->nsockets; i++) {
        struct hs_listen_socket *s = &su->sockets[i];
        if (!s->tcp && !s->options.inherited && s->file.path[0] == '\0') {
            hs_unix_adopt(s->options.address + strlen("unix:"), &s->file);
        }
    }
}

/* Sockets of the predecessor's that the settings do not name any more: nobody is to find their files. */
static void
drop_unnamed(struct hs_startup *su)
{
    struct hs_unix_file file;

    for (size_t i = 0; i < su->inherited.n; i++) {
        char *key = su->inherited.items[i].key;
        bool admin = strncmp(key, "admin:", 6) == 0;
        char *end = admin ? NULL : strrchr(key, '#');
        if (su->inherited.items[i].fd < 0 || (end == NULL && !admin)) {
            continue;
        }
        if (end != NULL) {
            *end = '\0';
        }
        key += admin ? 6 : 0;
        hs_log(admin ? HS_LOG_INFO : HS_LOG_NOTICE, "not listening at %s any more", key);
        if (strncmp(key, "unix:/", 6) == 0) {
            hs_unix_adopt(key + 5, &file);
            hs_unix_remove(&file);
        }
    }
    hs_inherited_fini(&su->inherited);
}

static void
take_pid_file(struct hs_startup *su, const struct hs_settings *settings)
{
    char key[4096];
    int err = 0;

    if (is_none(settings->pid_file)) {
        return;
    }
    hs_upgrade_pid_key(settings->pid_file, key, sizeof key);
    int fd = hs_inherited_take(&su->inherited, key);
    if (fd < 0) {
        (void)write_pid_file(su, settings->pid_file);
        return;
    }
    err = hs_pid_file_adopt(settings->pid_file, fd, &su->pid_file);
    if (err != 0) {
        (void)close(fd);
    } else {
        err = hs_pid_file_rewrite(&su->pid_file);
    }
    if (err != 0) {
        hs_log(HS_LOG_ERROR, "cannot write %s: %s", settings->pid_file, strerror(err));
    }
}

void
hs_startup_take_over(struct hs_startup *su, const struct hs_settings *settings)
{
    take_pid_file(su, settings);
    take_files(su);
    drop_unnamed(su);
}

/* --- logs --- */

/* A log that root has opened is its user's to open anew: a successor must, and so must this process when told to. Only what is a file of one name. */
static void
give_log(const struct hs_identity *id, const char *text)
{
    struct hs_log_target target;
    struct stat st;

    if (text == NULL || !id->group || hs_log_target_parse(text, &target) != 0 || target.kind != HS_LOG_TO_FILE) {
        return;
    }
    int fd = open(target.path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        return; /* it has not been opened: whoever does so tells why not */
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && fchown(fd, id->user ? id->uid : (uid_t)-1, id->gid) != 0) {
        hs_log(HS_LOG_WARN, "%s cannot be given to its user: %s", target.path, strerror(errno));
    }
    (void)close(fd);
}

/* --- all of it --- */

int
hs_startup_begin(struct hs_startup *su, const struct hs_settings *settings, size_t lanes)
{
    char why[512];

    memset(su, 0, sizeof *su);
    su->pid_file.fd = -1;
    su->predecessor = -1;
    int err = hs_identity_find(settings->user, settings->group, &su->identity, why, sizeof why);
    if (err != 0) {
        hs_command_complain("%s", why);
        return err;
    }
    err = hs_upgrade_begin(&su->inherited, &su->predecessor);
    if (err == 0 && su->predecessor < 0) {
        err = hs_inherited_from_systemd(&su->inherited);
    }
    if (err != 0) {
        hs_command_complain("cannot take the sockets that were handed in: %s", strerror(err));
        return err;
    }
    err = open_sockets(su, settings, lanes);
    if (err == 0 && su->predecessor < 0) {
        err = write_pid_file(su, settings->pid_file);
    }
    if (err == 0) {
        give_log(&su->identity, settings->access_log);
        give_log(&su->identity, settings->error_log);
        err = hs_identity_become(&su->identity, why, sizeof why);
        if (err != 0) {
            hs_command_complain("%s", why);
        }
    }
    return err;
}

void
hs_startup_end(struct hs_startup *su, bool ours)
{
    hs_startup_close_sockets(su, ours);
    if (ours) {
        hs_pid_file_remove(&su->pid_file);
    } else {
        hs_pid_file_forget(&su->pid_file);
    }
    hs_inherited_fini(&su->inherited);
    if (su->predecessor >= 0) {
        (void)close(su->predecessor);
        su->predecessor = -1;
    }
}
