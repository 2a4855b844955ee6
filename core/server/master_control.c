/* master_control.c - a master's control socket.
 * A command of scripts goes to every worker, or to one; what comes back is put together by lines, each with its worker's name before it when there
 * are several, and the highest exit status is the command's. */
#include "server/master_control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "httpsrv/server.h"
#include "server/command.h"
#include "server/control.h"
#include "server/master_int.h"
#include "server/own_commands.h"
#include "server/server_control.h"

enum { LINE_MAX_BYTES = 64 * 1024 }; /* a longer one is passed on in parts */

/* What one worker makes of a command. */
struct share {
    bool running;
    struct hs_buf lines[2]; /* of its stdout and stderr: what has no end of line yet */
};

struct handed_on {
    LIST_ENTRY(handed_on) link;
    struct master *m;
    struct hs_control_call *call;
    uint32_t number;
    size_t running;
    int status;
    bool named; /* lines carry their worker's name */
    struct share shares[];
};

LIST_HEAD(handed_on_list, handed_on);

struct hs_master_control {
    struct hs_control *socket;
    struct handed_on_list all;
    uint32_t last;
};

/* --- the end of a command --- */

static void
free_handed_on(struct handed_on *h)
{
    LIST_REMOVE(h, link);
    for (size_t i = 0; i < h->m->nslots; i++) {
        hs_buf_fini(&h->shares[i].lines[0]);
        hs_buf_fini(&h->shares[i].lines[1]);
    }
    free(h);
}

static void
finish(struct handed_on *h)
{
    struct hs_control_call *call = h->call;
    int status = h->status;

    free_handed_on(h);
    hs_control_end(call, status);
}

static void
cancel(void *arg)
{
    struct handed_on *h = arg;

    for (size_t i = 0; i < h->m->nslots; i++) {
        struct slot *s = &h->m->slots[i];
        if (h->shares[i].running && s->ipc != NULL) {
            (void)hs_ipc_send(s->ipc, HS_MESSAGE_CANCEL, h->number, (struct hs_view){ NULL, 0 });
        }
    }
}

/* --- what workers write --- */

static void
write_line(struct handed_on *h, size_t worker, enum hs_control_stream stream, struct hs_view line)
{
    if (h->named) {
        hs_control_printf(h->call, stream, "worker %zu: ", worker);
    }
    hs_control_write(h->call, stream, line.p, line.n);
}

static void
write_rest(struct handed_on *h, size_t worker)
{
    for (int k = 0; k < 2; k++) {
        struct hs_buf *b = &h->shares[worker].lines[k];
        if (b->len != 0) {
            write_line(h, worker, k == 0 ? HS_CONTROL_OUT : HS_CONTROL_ERR, hs_buf_peek(b));
            hs_control_write(h->call, k == 0 ? HS_CONTROL_OUT : HS_CONTROL_ERR, "\n", h->named);
            hs_buf_clear(b);
        }
    }
}

static void
put(struct handed_on *h, size_t worker, enum hs_control_stream stream, struct hs_view text)
{
    struct hs_buf *b = &h->shares[worker].lines[stream == HS_CONTROL_ERR];

    while (text.n != 0) {
        const char *nl = memchr(text.p, '\n', text.n);
        size_t n = nl != NULL ? (size_t)(nl - text.p) + 1 : text.n;
        if (hs_buf_append(b, text.p, n) != 0) { /* too long, or no memory: in parts */
            write_line(h, worker, stream, hs_buf_peek(b));
            write_line(h, worker, stream, (struct hs_view){ text.p, n });
            hs_buf_clear(b);
        } else if (nl != NULL) {
            write_line(h, worker, stream, hs_buf_peek(b));
            hs_buf_clear(b);
        }
        text.p += n;
        text.n -= n;
    }
}

/* A worker's share is over. */
static void
end_share(struct handed_on *h, size_t worker, int status)
{
    h->shares[worker].running = false;
    write_rest(h, worker);
    h->status = status > h->status ? status : h->status;
    if (--h->running == 0) {
        finish(h);
    }
}

void
master_control_message(struct slot *s, enum hs_message type, uint32_t number, struct hs_view text)
{
    struct handed_on *h;

    if (s->m->control == NULL || text.n == 0) {
        return;
    }
    LIST_FOREACH (h, &s->m->control->all, link) {
        if (h->number == number && h->shares[s->index].running) {
            break;
        }
    }
    if (h == NULL) {
        return; /* its client has gone */
    }
    if (type == HS_MESSAGE_ENDED) {
        end_share(h, s->index, (unsigned char)text.p[0]);
    } else {
        put(h, s->index, text.p[0] == HS_CONTROL_ERR ? HS_CONTROL_ERR : HS_CONTROL_OUT, (struct hs_view){ text.p + 1, text.n - 1 });
    }
}

void
master_control_gone(struct slot *s)
{
    struct handed_on *h, *next;

    for (h = s->m->control != NULL ? LIST_FIRST(&s->m->control->all) : NULL; h != NULL; h = next) {
        next = LIST_NEXT(h, link);
        if (h->shares[s->index].running) {
            hs_control_printf(h->call, HS_CONTROL_ERR, "httpsrv: worker %zu has ended meanwhile\n", s->index);
            end_share(h, s->index, HS_EXIT_FAILED);
        }
    }
}

/* --- handing on --- */

static struct handed_on *
new_handed_on(struct master *m, struct hs_control_call *call)
{
    struct handed_on *h = calloc(1, sizeof *h + m->nslots * sizeof h->shares[0]);

    if (h == NULL) {
        return NULL;
    }
    h->m = m;
    h->call = call;
    h->number = ++m->control->last;
    for (size_t i = 0; i < m->nslots; i++) {
        hs_buf_init(&h->shares[i].lines[0], LINE_MAX_BYTES);
        hs_buf_init(&h->shares[i].lines[1], LINE_MAX_BYTES);
    }
    LIST_INSERT_HEAD(&m->control->all, h, link);
    return h;
}

static void
refuse(struct hs_control_call *call, const char *why)
{
    hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: %s\n", why);
    hs_control_end(call, HS_EXIT_FAILED);
}

/* The words of a command, each with a NUL behind it. 0 or errno. */
static int
gather(int argc, char *const *argv, struct hs_buf *words)
{
    int err = 0;

    for (int i = 0; i < argc && err == 0; i++) {
        err = hs_buf_append(words, argv[i], strlen(argv[i]) + 1);
    }
    return err;
}

/* Gives a command to the workers from first up to, not including, last. */
static void
hand_on(struct master *m, struct hs_control_call *call, int argc, char *const *argv, size_t first, size_t last)
{
    struct hs_buf words;

    hs_buf_init(&words, HS_IPC_TEXT_MAX);
    int err = gather(argc, argv, &words);
    struct handed_on *h = err == 0 ? new_handed_on(m, call) : NULL;
    if (h == NULL) {
        hs_buf_fini(&words);
        refuse(call, err == EMSGSIZE ? "the command is too long" : "out of memory");
        return;
    }
    h->named = last - first > 1;
    h->running = 1; /* until all have been asked */
    hs_control_on_gone(call, cancel, h);
    for (size_t i = first; i < last; i++) {
        struct slot *s = &m->slots[i];
        if (s->ready && s->ipc != NULL && hs_ipc_send(s->ipc, HS_MESSAGE_COMMAND, h->number, hs_buf_peek(&words)) == 0) {
            h->shares[i].running = true;
            h->running++;
        } else {
            hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: worker %zu is not there\n", i);
            h->status = HS_EXIT_FAILED;
        }
    }
    hs_buf_fini(&words);
    if (--h->running == 0) {
        finish(h);
    }
}

/* The scripts' own commands are the same in all workers: the first that is there tells them, and ends the call. */
void
master_control_names(struct master *m, struct hs_control_call *call)
{
    static char word[] = "help";
    char *argv[] = { word, NULL };

    for (size_t i = 0; i < m->nslots; i++) {
        if (m->slots[i].ready) {
            hand_on(m, call, 1, argv, i, i + 1);
            return;
        }
    }
    hs_control_end(call, HS_EXIT_OK);
}

/* --worker N COMMAND ... */
static void
run_in_one(struct master *m, struct hs_control_call *call)
{
    char *const *argv = hs_control_argv(call);
    char *end;

    unsigned long i = hs_control_argc(call) > 2 ? strtoul(argv[1], &end, 10) : 0;
    if (hs_control_argc(call) < 3 || end == argv[1] || *end != '\0' || i >= m->nslots) {
        hs_control_printf(call, HS_CONTROL_ERR, "httpsrv: --worker needs a number from 0 to %zu, and a command\n", m->nslots - 1);
        hs_control_end(call, HS_EXIT_USAGE);
        return;
    }
    hand_on(m, call, hs_control_argc(call) - 2, argv + 2, i, i + 1);
}

static void
run(void *arg, struct hs_control_call *call)
{
    struct master *m = arg;
    char *const *argv = hs_control_argv(call);

    if (hs_own_command_run(master_oversight(m), call)) {
        return;
    }
    if (strcmp(argv[0], "--worker") == 0) {
        run_in_one(m, call);
    } else if (!m->announced) {
        refuse(call, "the scripts are still being loaded");
    } else {
        hand_on(m, call, hs_control_argc(call), argv, 0, m->nslots);
    }
}

/* --- the socket --- */

int
master_control_open(struct master *m)
{
    char why[512];

    m->control = calloc(1, sizeof *m->control);
    if (m->control == NULL) {
        hs_command_complain("out of memory");
        return ENOMEM;
    }
    LIST_INIT(&m->control->all);
    int err = hs_server_control_listen(m->loop, m->settings->control, true, run, m, &m->control->socket, why, sizeof why);
    if (err != 0) {
        hs_command_complain("%s", why);
    }
    return err;
}

const char *
master_control_path(const struct master *m)
{
    return m->control != NULL && m->control->socket != NULL ? hs_control_path(m->control->socket) : NULL;
}

void
master_control_retire(struct master *m)
{
    if (m->control != NULL && m->control->socket != NULL) {
        hs_control_retire(m->control->socket);
    }
    master_oversight_retire(m);
}

void
master_control_close(struct master *m)
{
    struct handed_on *h;

    if (m->control == NULL) {
        return;
    }
    hs_control_free(m->control->socket);
    while ((h = LIST_FIRST(&m->control->all)) != NULL) {
        finish(h);
    }
    free(m->control);
    m->control = NULL;
}

void
master_control_leave(struct master *m)
{
    if (m->control != NULL && m->control->socket != NULL) {
        hs_control_disown(m->control->socket);
    }
    master_control_close(m);
}
