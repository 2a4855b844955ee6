/* settings_value.c - numbers of settings from text and as text: each type's own way of writing, and its range. */
#include "server/settings_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/log.h"
#include "io/loop.h"

#define KIB ((int64_t)1024)

/* --- values from text --- */

static bool
parse_flag(const char *text, int64_t *out)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = (int64_t)(i & 1);
            return true;
        }
    }
    return false;
}

/* The whole number at the start of text; *rest is what follows. */
static bool
parse_digits(const char *text, int64_t *out, const char **rest)
{
    struct hs_view v = { text, strspn(text, "0123456789") };
    long long n;

    if (hs_ascii_to_int64(v, &n) != 0) {
        return false;
    }
    *out = n;
    *rest = text + v.n;
    return true;
}

static bool
parse_count(const char *text, int64_t *out)
{
    const char *rest;

    return parse_digits(text, out, &rest) && *rest == '\0';
}

static bool
parse_size(const char *text, int64_t *out)
{
    static const char letters[] = "KMGT";
    const char *rest;
    int64_t unit = 1;

    if (!parse_digits(text, out, &rest)) {
        return false;
    }
    if (*rest != '\0') {
        const char *letter = strchr(letters, *rest >= 'a' && *rest <= 'z' ? *rest - 'a' + 'A' : *rest);
        if (letter == NULL) {
            return false;
        }
        unit = (int64_t)1 << (10 * (letter - letters + 1));
        rest += strcmp(rest + 1, "iB") == 0 ? 3 : 1;
    }
    return *rest == '\0' && !__builtin_mul_overflow(*out, unit, out);
}

/* Seconds with up to nine decimals, or another unit with none lost below a nanosecond. */
static bool
parse_time(const char *text, int64_t *out)
{
    static const struct {
        const char *suffix;
        int64_t ns;
    } units[] = { { "", HS_SEC }, { "s", HS_SEC }, { "ms", HS_MSEC }, { "m", 60 * HS_SEC }, { "h", 3600 * HS_SEC } };
    const char *rest;
    int64_t whole, fraction = 0, scale = 1;

    if (!parse_digits(text, &whole, &rest)) {
        return false;
    }
    if (*rest == '.') {
        size_t digits = strspn(++rest, "0123456789");
        if (digits == 0 || digits > 9) {
            return false;
        }
        for (; digits != 0; digits--) {
            fraction = fraction * 10 + (*rest++ - '0');
            scale *= 10;
        }
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(rest, units[i].suffix) == 0) {
            int64_t part = (int64_t)((__int128)fraction * units[i].ns / scale);
            return !__builtin_mul_overflow(whole, units[i].ns, out) && !__builtin_add_overflow(*out, part, out);
        }
    }
    return false;
}

/* The place of a word among those of "a|b|c". */
static bool
parse_choice(const char *words, const char *text, int64_t *out)
{
    size_t n = strlen(text);

    *out = 0;
    for (const char *p = words; p != NULL; p = strchr(p, '|'), p = p != NULL ? p + 1 : NULL, ++*out) {
        if (n != 0 && strncmp(p, text, n) == 0 && (p[n] == '|' || p[n] == '\0') && memchr(text, '|', n) == NULL) {
            return true;
        }
    }
    return false;
}

bool
hs_setting_is_none(const char *text)
{
    return strcmp(text, "none") == 0 || strcmp(text, "false") == 0;
}

bool
hs_setting_parse_number(const struct hs_setting *which, const char *text, int64_t *out)
{
    enum hs_log_level level;

    if ((which->flags & HS_SETTING_OR_NONE) != 0 && hs_setting_is_none(text)) {
        *out = -1;
        return true;
    }
    switch (which->type) {
    case HS_SETTING_FLAG:
        return parse_flag(text, out);
    case HS_SETTING_WORKERS:
        if (strcmp(text, "auto") == 0) {
            *out = -1;
            return true;
        }
        return parse_count(text, out) && *out >= which->min && *out <= which->max;
    case HS_SETTING_COUNT:
        return parse_count(text, out) && *out >= which->min && *out <= which->max;
    case HS_SETTING_SIZE:
        return parse_size(text, out) && *out >= which->min && *out <= which->max;
    case HS_SETTING_TIME:
        return parse_time(text, out) && *out >= which->min && *out <= which->max;
    case HS_SETTING_LOG_LEVEL:
        if (hs_log_level_parse(text, &level) != 0) {
            return false;
        }
        *out = (int64_t)level;
        return true;
    case HS_SETTING_CHOICE:
        return parse_choice(which->value, text, out);
    case HS_SETTING_ADDRESSES:
    case HS_SETTING_NETWORKS:
    case HS_SETTING_FILES:
    case HS_SETTING_FILE:
    case HS_SETTING_PATH:
    case HS_SETTING_NAME:
    case HS_SETTING_LOG:
        break;
    }
    return false;
}

/* --- values as text --- */

/* Seconds without needless decimals. */
static int
format_time(int64_t ns, char *dst, size_t size)
{
    char text[48];

    int n = snprintf(text, sizeof text, "%" PRId64 ".%09" PRId64, ns / HS_SEC, ns % HS_SEC);
    while (n > 0 && text[n - 1] == '0') {
        n--;
    }
    if (n > 0 && text[n - 1] == '.') {
        n--;
    }
    return snprintf(dst, size, "%.*s", n, text);
}

static int
format_choice(const char *words, int64_t v, char *dst, size_t size)
{
    for (; v > 0; v--) {
        words = strchr(words, '|') + 1; /* it was found there */
    }
    return snprintf(dst, size, "%.*s", (int)strcspn(words, "|"), words);
}

int
hs_setting_format_number(const struct hs_setting *which, int64_t v, char *dst, size_t size)
{
    static const char letters[] = "\0KMGT";
    size_t unit = 0;

    if (v == -1 && (which->flags & HS_SETTING_OR_NONE) != 0) {
        return snprintf(dst, size, "none");
    }
    switch (which->type) {
    case HS_SETTING_FLAG:
        return snprintf(dst, size, "%s", v != 0 ? "true" : "false");
    case HS_SETTING_LOG_LEVEL:
        return snprintf(dst, size, "%s", hs_log_level_name((enum hs_log_level)v));
    case HS_SETTING_TIME:
        return format_time(v, dst, size);
    case HS_SETTING_CHOICE:
        return format_choice(which->value, v, dst, size);
    case HS_SETTING_SIZE:
        while (unit < 4 && v != 0 && v % KIB == 0) {
            v /= KIB;
            unit++;
        }
        return snprintf(dst, size, "%" PRId64 "%.1s", v, &letters[unit]);
    case HS_SETTING_WORKERS:
        if (v == -1) {
            return snprintf(dst, size, "auto");
        }
        break;
    case HS_SETTING_COUNT:
    case HS_SETTING_ADDRESSES:
    case HS_SETTING_NETWORKS:
    case HS_SETTING_FILES:
    case HS_SETTING_FILE:
    case HS_SETTING_PATH:
    case HS_SETTING_NAME:
    case HS_SETTING_LOG:
        break;
    }
    return snprintf(dst, size, "%" PRId64, v);
}

/* What a value must be, for errors. */
void
hs_setting_describe(const struct hs_setting *which, char *why, size_t size)
{
    static const char *const kinds[] = {
        [HS_SETTING_FLAG] = "true or false",
        [HS_SETTING_COUNT] = "a whole number",
        [HS_SETTING_WORKERS] = "auto, or a whole number",
        [HS_SETTING_SIZE] = "a number of bytes (suffixes K, M, G)",
        [HS_SETTING_TIME] = "a number of seconds (suffixes ms, s, m, h)",
        [HS_SETTING_LOG_LEVEL] = "debug, info, notice, warn or error",
        [HS_SETTING_ADDRESSES] = "an address: PORT, IP:PORT, [IPv6]:PORT or unix:/PATH",
        [HS_SETTING_NETWORKS] = "a network: 192.0.2.0/24, 2001:db8::/32, or an address; no bits may be set behind the prefix",
        [HS_SETTING_FILES] = "a file name",
        [HS_SETTING_FILE] = "a file name",
        [HS_SETTING_PATH] = "a path, or none",
        [HS_SETTING_NAME] = "a name, or a number",
        [HS_SETTING_LOG] = "a file name, stdout (or -), stderr, none, syslog or syslog:FACILITY (daemon, local0 to local7 and the like)",
    };
    char min[40], max[40];

    if (which->type == HS_SETTING_CHOICE) {
        (void)snprintf(why, size, "must be one of %s", which->value);
        return;
    }
    if (which->min == which->max || which->type == HS_SETTING_FLAG) {
        (void)snprintf(why, size, "must be %s", kinds[which->type]);
        return;
    }
    (void)hs_setting_format_number(which, which->min, min, sizeof min);
    (void)hs_setting_format_number(which, which->max, max, sizeof max);
    (void)snprintf(why, size, "must be %s from %s%s%s%s", kinds[which->type], min, which->max != INT64_MAX ? " to " : " on",
                   which->max != INT64_MAX ? max : "", (which->flags & HS_SETTING_OR_NONE) != 0 ? ", or none" : "");
}
