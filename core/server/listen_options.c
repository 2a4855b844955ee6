/* listen_options.c - what the setting "listen" says of one address: the address, and options with commas between them.
 * Options are rows of a table. What does not go together is refused here, so that a typing error does not open a door. */
#include "server/listen_options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"

enum { DEFER = 1, PROBE = 60, SECONDS_MAX = 32767, NAME_MAX_BYTES = 24 };

static int complain(char *why, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int
complain(char *why, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return EINVAL;
}

/* --- values --- */

static bool
parse_number(struct hs_view v, int64_t min, int64_t max, int64_t *out)
{
    long long n;

    if (hs_ascii_to_int64(v, &n) != 0 || n < min || n > max) {
        return false;
    }
    *out = n;
    return true;
}

static bool
parse_int(struct hs_view v, int min, int max, int *out)
{
    int64_t n;

    if (!parse_number(v, min, max, &n)) {
        return false;
    }
    *out = (int)n;
    return true;
}

/* Octal digits, with or without a zero before them: up to 0777. */
static bool
parse_mode(struct hs_view v, int *out)
{
    int mode = 0;

    if (v.n == 0 || v.n > 4) {
        return false;
    }
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '7') {
            return false;
        }
        mode = mode * 8 + (v.p[i] - '0');
    }
    *out = mode;
    return mode <= 0777;
}

static bool
is(struct hs_view v, const char *word)
{
    return hs_view_eq(v, hs_view_of(word));
}

static bool
parse_flag(struct hs_view v, bool *out)
{
    *out = v.n == 0 || is(v, "true") || is(v, "yes") || is(v, "on") || is(v, "1");
    return *out || is(v, "false") || is(v, "no") || is(v, "off") || is(v, "0");
}

/* 0; ENOMEM; EINVAL, also of "unix:": who comes through a unix socket has no address that could be looked at. */
static int
add_network(struct hs_cidr_list *list, struct hs_view v)
{
    struct hs_cidr network;
    char text[80];

    if (v.n >= sizeof text) {
        return EINVAL;
    }
    memcpy(text, v.p, v.n);
    text[v.n] = '\0';
    if (hs_cidr_parse(text, &network) != 0 || network.family == AF_UNIX) {
        return EINVAL;
    }
    return hs_cidr_list_add(list, text);
}

/* --- options --- */

enum option { OPTION_MODE, OPTION_BACKLOG, OPTION_DEFER, OPTION_PROBE, OPTION_MAX, OPTION_PROXY, OPTION_ALLOW, OPTION_DENY, N_OPTIONS };

static const struct {
    const char *name, *kind;
} options[N_OPTIONS] = {
    [OPTION_MODE] = { "mode", "three octal digits, as 0660" },
    [OPTION_BACKLOG] = { "backlog", "a whole number from 1 to 65535" },
    [OPTION_DEFER] = { "defer", "a number of seconds, or none" },
    [OPTION_PROBE] = { "probe", "a number of seconds, or none" },
    [OPTION_MAX] = { "max-connections", "a whole number from 1 on, or none" },
    [OPTION_PROXY] = { "proxy", "true or false" },
    [OPTION_ALLOW] = { "allow", "a network, as 192.0.2.0/24, without bits behind its prefix" },
    [OPTION_DENY] = { "deny", "a network, as 192.0.2.0/24, without bits behind its prefix" },
};

static int
find_option(struct hs_view name)
{
    for (int i = 0; i < N_OPTIONS; i++) {
        const char *p = options[i].name;
        size_t k = 0;
        while (k < name.n && p[k] != '\0' && (name.p[k] == '_' ? '-' : name.p[k]) == p[k]) {
            k++;
        }
        if (k == name.n && p[k] == '\0') {
            return i;
        }
    }
    return -1;
}

/* 0; EINVAL; ENOMEM. */
static int
set_option(struct hs_listen_options *o, enum option which, struct hs_view v)
{
    bool none = is(v, "none") || is(v, "false"); /* as settings have it */

    switch (which) {
    case OPTION_MODE:
        return parse_mode(v, &o->mode) ? 0 : EINVAL;
    case OPTION_BACKLOG:
        return parse_int(v, 1, 65535, &o->backlog) ? 0 : EINVAL;
    case OPTION_DEFER:
        o->defer = 0;
        return none || parse_int(v, 0, SECONDS_MAX, &o->defer) ? 0 : EINVAL;
    case OPTION_PROBE:
        o->probe = 0;
        return none || parse_int(v, 0, SECONDS_MAX, &o->probe) ? 0 : EINVAL;
    case OPTION_MAX:
        o->max_connections = 0;
        return none || parse_number(v, 1, UINT32_MAX / 2, &o->max_connections) ? 0 : EINVAL;
    case OPTION_PROXY:
        return parse_flag(v, &o->proxy) ? 0 : EINVAL;
    case OPTION_ALLOW:
        return add_network(&o->allow, v);
    case OPTION_DENY:
        return add_network(&o->deny, v);
    case N_OPTIONS:
        break;
    }
    return EINVAL;
}

/* Of networks there may be many. */
static bool
may_be_repeated(int which)
{
    return which == OPTION_ALLOW || which == OPTION_DENY;
}

/* One word between commas. given: a bit for each option that there was. */
static int
take_option(struct hs_listen_options *o, struct hs_view word, unsigned *given, char *why, size_t size)
{
    const char *sign = word.n != 0 ? memchr(word.p, '=', word.n) : NULL;
    struct hs_view name = { word.p, sign != NULL ? (size_t)(sign - word.p) : word.n };
    struct hs_view value = sign != NULL ? (struct hs_view){ sign + 1, word.n - name.n - 1 } : (struct hs_view){ word.p, 0 };

    int which = find_option(name);
    if (which < 0) {
        return complain(why, size, "must have no option '%.*s' (there are mode, backlog, defer, probe, max-connections, proxy, allow, deny)",
                        name.n < NAME_MAX_BYTES ? (int)name.n : NAME_MAX_BYTES, name.p);
    }
    if (*given & 1U << which && !may_be_repeated(which)) {
        return complain(why, size, "must have its option %s only once", options[which].name);
    }
    *given |= 1U << which;
    if (sign == NULL && which != OPTION_PROXY) {
        return complain(why, size, "must have a value for its option %s: %s", options[which].name, options[which].kind);
    }
    int err = set_option(o, (enum option)which, value);
    if (err == EINVAL) {
        return complain(why, size, "must have an option %s that is %s", options[which].name, options[which].kind);
    }
    if (err != 0) {
        (void)snprintf(why, size, "out of memory");
    }
    return err;
}

/* --- the address --- */

static int
take_address(struct hs_listen_options *o, struct hs_view text, char *why, size_t size)
{
    ec_sockaddr a;

    if (text.n == 0 || text.n >= sizeof o->address) {
        return complain(why, size, "must be an address: PORT, IP:PORT, [IPv6]:PORT or unix:/PATH");
    }
    memcpy(o->address, text.p, text.n);
    o->address[text.n] = '\0';
    o->inherited = strncmp(o->address, "fd:", 3) == 0 && o->address[3] != '\0';
    if (!o->inherited && ec_sockaddr_parse(&a, o->address) != 0) {
        return complain(why, size, "must be an address: PORT, IP:PORT, [IPv6]:PORT or unix:/PATH");
    }
    o->is_unix = !o->inherited && a.sa.sa_family == AF_UNIX;
    o->is_abstract = o->is_unix && o->address[5] == '@';
    return 0;
}

/* What does not go together. */
static int
check(const struct hs_listen_options *o, char *why, size_t size)
{
    if (o->mode >= 0 && (!o->is_unix || o->is_abstract)) {
        return complain(why, size, "must have the option mode only for the file of a unix socket");
    }
    if (o->is_unix && !o->proxy && (o->allow.n != 0 || o->deny.n != 0)) {
        return complain(why, size, "must have allow and deny only where clients have addresses; of a unix socket its mode says who may connect");
    }
    return 0;
}

int
hs_listen_options_parse(const char *text, struct hs_listen_options *out, char *why, size_t size)
{
    const char *comma = strchrnul(text, ',');
    unsigned given = 0;

    memset(out, 0, sizeof *out);
    out->mode = out->backlog = -1;
    out->defer = DEFER;
    out->probe = PROBE;
    int err = take_address(out, (struct hs_view){ text, (size_t)(comma - text) }, why, size);
    while (err == 0 && *comma != '\0') {
        const char *word = comma + 1;
        comma = strchrnul(word, ',');
        err = take_option(out, (struct hs_view){ word, (size_t)(comma - word) }, &given, why, size);
    }
    if (err == 0) {
        err = check(out, why, size);
    }
    if (err != 0) {
        hs_listen_options_fini(out);
    }
    return err;
}

void
hs_listen_options_fini(struct hs_listen_options *o)
{
    hs_cidr_list_fini(&o->allow);
    hs_cidr_list_fini(&o->deny);
}
