/* upgrade.c - how a master that is to replace another finds what that has left open for it.
 * The descriptors come through fork(2) and execve(2), their meaning through the channel. */
#include "server/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/ipc.h"
#include "server/message.h"

enum { PATIENCE_MS = 5000, KEY_MAX = 8192 };

/* The channel that the variable names, when it is meant for us; -1. */
static int
find_channel(void)
{
    const char *text = getenv(HS_UPGRADE_VARIABLE);
    int fd, type = 0;
    long whose;
    socklen_t n = sizeof type;

    if (text == NULL || sscanf(text, "%d:%ld", &fd, &whose) != 2 || whose != (long)getpid() || fd < 3) {
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0 || type != SOCK_SEQPACKET || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return -1;
    }
    return fd;
}

static int
read_all(struct hs_inherited *list, int channel)
{
    uint32_t type = 0, number = 0;
    char *key = malloc(KEY_MAX);
    int err = key != NULL ? 0 : ENOMEM;

    while (err == 0) {
        err = hs_ipc_read(channel, PATIENCE_MS, &type, &number, key, KEY_MAX);
        if (err != 0 || type == HS_MESSAGE_SOCKETS_END) {
            break;
        }
        if (type != HS_MESSAGE_SOCKET || fcntl((int)number, F_SETFD, FD_CLOEXEC) != 0) {
            err = EPROTO;
            break;
        }
        err = hs_inherited_add(list, key, (int)number);
    }
    free(key);
    return err;
}

int
hs_upgrade_begin(struct hs_inherited *list, int *channel)
{
    *channel = find_channel();
    (void)unsetenv(HS_UPGRADE_VARIABLE);
    return *channel >= 0 ? read_all(list, *channel) : 0;
}

void
hs_upgrade_socket_key(const struct hs_listen_socket *sockets, size_t n, const char *address, char *key, size_t size)
{
    size_t before = 0;

    if (strncmp(address, "fd:", 3) == 0) {
        (void)snprintf(key, size, "%s", address); /* systemd's have their own, many the same */
        return;
    }
    for (size_t i = 0; i < n; i++) {
        before += strcmp(sockets[i].options.address, address) == 0;
    }
    (void)snprintf(key, size, "%s#%zu", address, before);
}

void
hs_upgrade_pid_key(const char *path, char *key, size_t size)
{
    (void)snprintf(key, size, "pid:%s", path);
}
