/* worker_control.c - control commands that a master hands on to a worker: those of its scripts.
 * "help" alone is answered here: with their names. */
#include "server/worker_control.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "bindings/control.h"
#include "server/control.h"
#include "server/message.h"
#include "server/server_int.h"

struct running {
    TAILQ_ENTRY(running) link;
    struct hs_worker_control *control;
    uint32_t number;
    struct hs_lua_command *command;
};

struct hs_worker_control {
    struct httpsrv_server *server;
    struct hs_ipc *ipc;
    TAILQ_HEAD(, running) running;
};

/* Output that the master does not take is lost: it has been cut off from its client by then, or is gone. */
static void
send_output(struct hs_worker_control *c, uint32_t number, enum hs_control_stream stream, struct hs_view text)
{
    char buf[HS_IPC_TEXT_MAX];

    buf[0] = (char)stream;
    while (text.n != 0 && c->ipc != NULL) {
        size_t n = text.n < sizeof buf - 1 ? text.n : sizeof buf - 1;
        memcpy(buf + 1, text.p, n);
        (void)hs_ipc_send(c->ipc, HS_MESSAGE_OUTPUT, number, (struct hs_view){ buf, n + 1 });
        text.p += n;
        text.n -= n;
    }
}

static void
send_end(struct hs_worker_control *c, uint32_t number, int status)
{
    char byte = (char)status;

    if (c->ipc == NULL) {
        return;
    }
    (void)hs_ipc_send(c->ipc, HS_MESSAGE_ENDED, number, (struct hs_view){ &byte, 1 });
}

static void
refuse(struct hs_worker_control *c, uint32_t number, const char *name, int err)
{
    char text[256];

    int n = err == ENOENT ? snprintf(text, sizeof text, "httpsrv: there is no command '%.100s' ('httpsrv ctl help' lists them)\n", name)
                          : snprintf(text, sizeof text, "httpsrv: %.100s: %s\n", name, strerror(err));
    send_output(c, number, HS_CONTROL_ERR, (struct hs_view){ text, (size_t)n });
    send_end(c, number, err == ENOENT ? 2 : 1);
}

/* --- one command --- */

static void
on_write(void *arg, bool to_err, struct hs_view text)
{
    struct running *r = arg;

    send_output(r->control, r->number, to_err ? HS_CONTROL_ERR : HS_CONTROL_OUT, text);
}

static void
on_ended(void *arg, int status)
{
    struct running *r = arg;

    send_end(r->control, r->number, status);
    TAILQ_REMOVE(&r->control->running, r, link);
    free(r);
}

static void
start(struct hs_worker_control *c, uint32_t number, int argc, char *const *argv)
{
    static const struct hs_lua_command_ops ops = { on_write, on_ended };
    struct hs_lua_runtime *rt = hs_server_runtime(c->server);
    struct running *r = calloc(1, sizeof *r);

    int err = r == NULL ? ENOMEM : rt == NULL ? ENOENT : hs_lua_command_new(rt, argc, argv, &ops, r, &r->command);
    if (err != 0) {
        free(r);
        refuse(c, number, argv[0], err);
        return;
    }
    r->control = c;
    r->number = number;
    TAILQ_INSERT_TAIL(&c->running, r, link);
    hs_lua_command_start(r->command);
}

struct help {
    struct hs_worker_control *control;
    uint32_t number;
};

static void
help_line(void *arg, const char *name)
{
    struct help *h = arg;
    char line[160];

    int n = snprintf(line, sizeof line, "  %-10.100s (of the scripts)\n", name);
    send_output(h->control, h->number, HS_CONTROL_OUT, (struct hs_view){ line, (size_t)n });
}

static void
help(struct hs_worker_control *c, uint32_t number)
{
    struct hs_lua_runtime *rt = hs_server_runtime(c->server);
    struct help h = { c, number };

    int err = rt != NULL ? hs_lua_commands_each(rt, help_line, &h) : 0;
    send_end(c, number, err != 0);
}

void
hs_worker_control_run(struct hs_worker_control *c, uint32_t number, struct hs_view words)
{
    char *argv[HS_CONTROL_WORDS_MAX + 1];
    char copy[HS_IPC_TEXT_MAX];
    int argc = 0;

    if (words.n == 0 || words.p[words.n - 1] != '\0') {
        send_end(c, number, 1);
        return;
    }
    memcpy(copy, words.p, words.n); /* the view goes when a command turns the loop */
    for (char *p = copy; p < copy + words.n && argc < HS_CONTROL_WORDS_MAX; p += strlen(p) + 1) {
        argv[argc++] = p;
    }
    argv[argc] = NULL;
    if (strcmp(argv[0], "help") == 0) {
        help(c, number);
    } else {
        start(c, number, argc, argv);
    }
}

void
hs_worker_control_cancel(struct hs_worker_control *c, uint32_t number)
{
    struct running *r;

    TAILQ_FOREACH (r, &c->running, link) {
        if (r->number == number) {
            hs_lua_command_cancel(r->command);
            return;
        }
    }
}

/* --- life --- */

int
hs_worker_control_new(struct httpsrv_server *server, struct hs_ipc *ipc, struct hs_worker_control **out)
{
    struct hs_worker_control *c = calloc(1, sizeof *c);

    if (c == NULL) {
        return ENOMEM;
    }
    c->server = server;
    c->ipc = ipc;
    TAILQ_INIT(&c->running);
    *out = c;
    return 0;
}

void
hs_worker_control_detach(struct hs_worker_control *c)
{
    if (c != NULL) {
        c->ipc = NULL;
    }
}

void
hs_worker_control_free(struct hs_worker_control *c)
{
    if (c != NULL) {
        assert(TAILQ_EMPTY(&c->running));
    }
    free(c);
}
