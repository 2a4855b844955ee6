/* settings_check.c - settings that are good each by itself and do not go together. */
#include "server/settings.h"

#include <errno.h>
#include <stdio.h>

#include "server/listen_options.h"

static int
refuse(const char *name, const char *reason, const struct hs_setting **which, char *why, size_t size)
{
    *which = hs_setting_find(name);
    (void)snprintf(why, size, "%s", reason);
    return EINVAL;
}

/* Whether a TCP listener waits for PROXY headers, which nobody may send. */
static bool
waits_for_nobody(const struct hs_settings *s)
{
    struct hs_listen_options o;
    char why[8];
    bool found = false;

    for (size_t i = 0; i < s->listen.n && s->trusted.n == 0; i++) {
        if (hs_listen_options_parse(s->listen.items[i], &o, why, sizeof why) == 0) {
            found = found || (o.proxy && !o.is_unix && !o.inherited); /* what is handed in may be anything */
            hs_listen_options_fini(&o);
        }
    }
    return found;
}

int
hs_settings_check(const struct hs_settings *s, const struct hs_setting **which, char *why, size_t size)
{
    if (waits_for_nobody(s)) {
        return refuse("listen", "has an address with proxy, but no proxy is trusted: name them with trusted", which, why, size);
    }
    if (s->response_low > s->response_high) {
        return refuse("response-low", "must not be more than response-high", which, why, size);
    }
    if (s->target_size > s->head_size) {
        return refuse("target-size", "must not be more than head-size", which, why, size);
    }
    return 0;
}
