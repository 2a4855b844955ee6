/* settings_change.c - settings that are read again while a server runs.
 * Packed they are "name=value", each with a NUL behind it: values as on the command line, so that what comes in is checked as everything is. */
#include "server/settings_change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum { PACKED_MAX = 64 * 1024 * 1024 };

static void
add_name(char *list, size_t size, const char *name)
{
    size_t at = strlen(list);

    if (at + strlen(name) + sizeof ", " <= size) {
        (void)snprintf(list + at, size - at, "%s%s", at != 0 ? ", " : "", name);
    }
}

int
hs_settings_settle(struct hs_settings *next, const struct hs_settings *now, struct hs_settings_change *change)
{
    const struct hs_setting *which;
    int err = 0;

    change->changed[0] = change->fixed[0] = '\0';
    for (size_t i = 0; (which = hs_setting_at(i)) != NULL && err == 0; i++) {
        bool differs = !hs_setting_equal(next, now, which);
        if (differs && hs_setting_is_live(which)) {
            add_name(change->changed, sizeof change->changed, which->name);
        } else if (differs) {
            add_name(change->fixed, sizeof change->fixed, which->name);
            err = hs_setting_assign(next, now, which);
        }
    }
    return err;
}

bool
hs_settings_same_access_log(const struct hs_settings *a, const struct hs_settings *b)
{
    return strcmp(a->access_log, b->access_log) == 0 && a->access_log_format == b->access_log_format;
}

void
hs_settings_change_log(const struct hs_settings_change *change)
{
    if (change->changed[0] != '\0') {
        hs_log(HS_LOG_NOTICE, "settings that have changed: %s", change->changed);
    }
    if (change->fixed[0] != '\0') {
        hs_log(HS_LOG_WARN, "settings that would change, but need a restart: %s", change->fixed);
    }
}

int
hs_settings_pack(const struct hs_settings *s, struct hs_buf *out)
{
    char scratch[HS_SETTING_NUMBER_MAX];
    const struct hs_setting *which;
    const char *value;
    int err = 0;

    for (size_t i = 0; (which = hs_setting_at(i)) != NULL && err == 0; i++) {
        for (size_t k = 0; hs_setting_source_of(s, which) == HS_SOURCE_FILE && err == 0 && (value = hs_setting_value(s, which, k, scratch)) != NULL; k++) {
            err = hs_buf_printf(out, "%s=%s%c", which->name, value, '\0');
        }
    }
    return err;
}

/* "name=value". 0; EINVAL; ENOMEM. */
static int
set_packed(struct hs_settings *s, const char *text)
{
    char name[64], why[160];
    size_t n = strcspn(text, "=");

    if (text[n] != '=' || n >= sizeof name) {
        return EINVAL;
    }
    memcpy(name, text, n);
    name[n] = '\0';
    const struct hs_setting *which = hs_setting_find(name);
    if (which == NULL || (which->flags & HS_SETTING_COMMAND_ONLY) != 0) {
        return EINVAL;
    }
    return hs_setting_set(s, which, text + n + 1, HS_SOURCE_FILE, why, sizeof why);
}

int
hs_settings_unpack(struct hs_settings *s, struct hs_view packed)
{
    int err = packed.n == 0 || packed.p[packed.n - 1] == '\0' ? hs_settings_forget_file(s) : EINVAL;

    for (size_t at = 0; at < packed.n && err == 0; at += strlen(packed.p + at) + 1) {
        err = set_packed(s, packed.p + at);
    }
    return err;
}

int
hs_settings_write(const struct hs_settings *s, int fd)
{
    struct hs_buf packed;

    hs_buf_init(&packed, PACKED_MAX);
    int err = hs_settings_pack(s, &packed);
    for (size_t at = 0; at < packed.len && err == 0;) {
        ssize_t n = pwrite(fd, packed.p + at, packed.len - at, (off_t)at);
        err = n < 0 && errno != EINTR ? errno : 0;
        at += n > 0 ? (size_t)n : 0;
    }
    hs_buf_fini(&packed);
    return err;
}

int
hs_settings_read(int fd, struct hs_buf *out)
{
    const size_t former = out->len;
    ssize_t n = 1;
    int err = 0;

    while (err == 0 && n != 0) {
        err = out->len - former <= PACKED_MAX ? hs_buf_reserve(out, 4096) : EMSGSIZE;
        n = err == 0 ? pread(fd, out->p + out->len, 4096, (off_t)(out->len - former)) : 0;
        if (n > 0) {
            out->len += (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            err = errno;
        }
    }
    return err;
}
