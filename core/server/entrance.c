/* entrance.c - how connections come into a server. Where nothing limits or looks at them, the way is as short as it can be. */
#include "server/entrance.h"

#include <errno.h>
#include <string.h>

#include "server/lifecycle.h"

static void
on_admitted(void *arg, int fd, const struct hs_socket_known *known, int64_t begun)
{
    struct httpsrv_server *s = arg;
    struct hs_transport *t;

    if (hs_socket_transport_new_known(s->loop, fd, known, &t) == 0) {
        (void)hs_h1_accept_since(s->h1, t, begun); /* closes it when memory is out */
    }
}

static void
on_accepted(void *arg, int fd, struct hs_gate *gate)
{
    struct httpsrv_server *s = arg;
    struct hs_transport *t;

    if (gate != NULL) {
        hs_admit_begin(s->entrance.admit, fd, gate);
    } else if (hs_socket_transport_new(s->loop, fd, &t) == 0) {
        (void)hs_h1_accept(s->h1, t);
    }
}

static int
add_all(struct hs_cidr_list *to, const struct hs_setting_list *from)
{
    int err = 0;

    for (size_t i = 0; i < from->n && err == 0; i++) {
        err = hs_cidr_list_add(to, from->items[i]);
    }
    return err;
}

static void
clear_rules(struct hs_gates *g)
{
    hs_cidr_list_fini(&g->allow);
    hs_cidr_list_fini(&g->deny);
    hs_cidr_list_fini(&g->trusted);
}

/* The rules of the settings, in place of those before. 0 or ENOMEM: some may be there. */
static int
set_rules(struct hs_gates *g, const struct hs_settings *settings)
{
    clear_rules(g);
    g->max = settings->max_connections > 0 ? settings->max_connections : 0;
    int err = add_all(&g->allow, &settings->allow);
    if (err == 0) {
        err = add_all(&g->deny, &settings->deny);
    }
    return err != 0 ? err : add_all(&g->trusted, &settings->trusted);
}

static int
make_gates(struct httpsrv_server *s)
{
    struct hs_gates *g = &s->entrance.gates;
    int err = 0;

    if (g->quota == NULL) {
        err = hs_quota_new(1, hs_listeners_places(s->listeners) + 1, &s->entrance.own);
        g->quota = s->entrance.own;
    }
    return err != 0 ? err : set_rules(g, &s->settings);
}

int
server_entrance_open(struct httpsrv_server *s)
{
    struct server_entrance *e = &s->entrance;

    if (s->listeners == NULL) {
        return 0;
    }
    int err = make_gates(s);
    if (err == 0) {
        err = hs_admit_new(s->loop, s->settings.head_timeout, on_admitted, s, &e->admit);
    }
    return err != 0 ? err : hs_listeners_start(s->listeners, s->loop, &e->gates, on_accepted, s);
}

size_t
server_entrance_waiting(const struct httpsrv_server *s)
{
    return s->entrance.admit != NULL ? hs_admit_waiting(s->entrance.admit) : 0;
}

void
server_entrance_close(struct httpsrv_server *s)
{
    hs_admit_free(s->entrance.admit);
    s->entrance.admit = NULL;
}

void
server_entrance_fini(struct httpsrv_server *s)
{
    clear_rules(&s->entrance.gates);
    hs_quota_free(s->entrance.own);
    memset(&s->entrance, 0, sizeof s->entrance);
}

/* --- other rules --- */

int
server_entrance_prepare(struct httpsrv_server *s, const struct hs_settings *next, struct server_entrance_change *c)
{
    *c = (struct server_entrance_change){ .rules = { .max = 0 } };
    int err = set_rules(&c->rules, next);
    if (err == 0 && s->entrance.admit != NULL && s->listeners != NULL) {
        err = hs_listeners_need_gates(s->listeners, &c->rules);
    }
    if (err != 0) {
        server_entrance_drop(c);
    }
    return err;
}

void
server_entrance_commit(struct httpsrv_server *s, struct server_entrance_change *c)
{
    struct hs_gates *g = &s->entrance.gates;

    clear_rules(g);
    g->allow = c->rules.allow;
    g->deny = c->rules.deny;
    g->trusted = c->rules.trusted;
    g->max = c->rules.max;
    *c = (struct server_entrance_change){ .rules = { .max = 0 } };
    if (s->entrance.admit != NULL) {
        hs_admit_set_timeout(s->entrance.admit, s->settings.head_timeout);
    }
    if (g->room != NULL) {
        g->room(g->room_arg); /* there may be more of it */
    }
}

void
server_entrance_drop(struct server_entrance_change *c)
{
    clear_rules(&c->rules);
}
