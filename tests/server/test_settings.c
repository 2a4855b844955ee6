/* test_settings.c - server/settings.h: names, values from text, sources, hints. */
#include "server/settings.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/log.h"
#include "io/loop.h"

static char why[256];
static const struct hs_setting *which;

static struct hs_settings *
fresh(void)
{
    static struct hs_settings s;
    assert_int_equal(hs_settings_init(&s), 0);
    return &s;
}


static int
set(struct hs_settings *s, const char *name, const char *text)
{
    const struct hs_setting *setting = hs_setting_find(name);
    assert_non_null(setting);
    why[0] = '\0';
    return hs_setting_set(s, setting, text, HS_SOURCE_COMMAND, why, sizeof why);
}

static void
defaults_are_those_of_the_design(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    assert_int_equal(s->listen.n, 1);
    assert_string_equal(s->listen.items[0], "127.0.0.1:8080");
    assert_int_equal(s->head_size, 16 * 1024);
    assert_int_equal(s->head_fields, 100);
    assert_int_equal(s->max_body, 16 * 1024 * 1024);
    assert_int_equal(s->body_memory, 1024 * 1024);
    assert_int_equal(s->head_timeout, 10 * HS_SEC);
    assert_int_equal(s->keep_alive, 60 * HS_SEC);
    assert_int_equal(s->max_requests, 10000);
    assert_int_equal(s->drain_timeout, 30 * HS_SEC);
    assert_int_equal(s->body_rate, 1024);
    assert_int_equal(s->body_window, 30 * HS_SEC);
    assert_int_equal(s->load_timeout, 10 * HS_SEC);
    assert_int_equal(s->response_buffer_max, 16 * 1024 * 1024);
    assert_int_equal(s->linger_timeout, 2 * HS_SEC);
    assert_int_equal(s->unload_timeout, 5 * HS_SEC);
    assert_int_equal(s->generations, 8);
    assert_int_equal(s->module.n, 0);
    assert_int_equal(s->dev, 0);
    assert_int_equal(s->log_level, HS_LOG_INFO);
    assert_int_equal(s->workers, -1); /* auto */
    assert_int_equal(s->watchdog, 10 * HS_SEC);
    assert_null(s->config);
    assert_int_equal(hs_settings_check(s, &which, why, sizeof why), 0);
    hs_settings_fini(s);
}

static void
every_setting_is_described_and_formats_as_it_is_set(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    for (size_t i = 0; hs_setting_at(i) != NULL; i++) {
        char text[64];
        which = hs_setting_at(i);
        assert_non_null(which->help);
        assert_true(which->type == HS_SETTING_FLAG ? which->value == NULL : which->value != NULL);
        assert_ptr_equal(hs_setting_find(which->name), which);
        assert_int_equal(hs_setting_format(s, which, text, sizeof text), strlen(which->def != NULL ? which->def : ""));
        assert_string_equal(text, which->def != NULL ? which->def : "");
        if (which->min != which->max && which->type != HS_SETTING_FLAG) {
            assert_true(which->min < which->max);
        }
    }
    hs_settings_fini(s);
}

static void
names_take_dashes_and_underscores(void **state)
{
    (void)state;
    assert_ptr_equal(hs_setting_find("drain_timeout"), hs_setting_find("drain-timeout"));
    assert_non_null(hs_setting_find("response-buffer_max"));
    assert_null(hs_setting_find("drain"));
    assert_null(hs_setting_find("drain-timeouts"));
    assert_null(hs_setting_find(""));
    assert_null(hs_setting_find("Listen"));
}

static void
sizes(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    static const struct {
        const char *text;
        int64_t value;
    } good[] = { { "0", 0 },          { "1000", 1000 },   { "1K", 1024 },       { "1k", 1024 },    { "3M", 3 << 20 },
                 { "2G", 2LL << 30 }, { "1T", 1LL << 40 }, { "4KiB", 4096 },    { "007", 7 },      { "none", -1 },
                 { "false", -1 },     { "9223372036854775807", INT64_MAX } };
    static const char *const bad[] = { "",    "-1", "+1", "1.5K", "K",  "1KB", "1X", "1 K", " 1", "1 ", "0x10", "1e3", "9223372036854775808",
                                       "8388608T", "true", "1K1" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(set(s, "max-body", good[i].text), 0);
        assert_int_equal(s->max_body, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(set(s, "max-body", bad[i]), EINVAL);
        assert_int_equal(s->max_body, INT64_MAX);
    }
    assert_string_equal(why, "must be a number of bytes (suffixes K, M, G) from 0 on, or none");
    assert_int_equal(set(s, "body-memory", "none"), EINVAL);
    hs_settings_fini(s);
}

static void
times(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    static const struct {
        const char *text;
        int64_t value;
    } good[] = { { "1", HS_SEC },           { "0.5", HS_SEC / 2 },    { "1.000000001", HS_SEC + 1 }, { "2s", 2 * HS_SEC },
                 { "250ms", 250 * HS_MSEC }, { "1.5ms", 1500000 },     { "2m", 120 * HS_SEC },        { "1h", 3600 * HS_SEC },
                 { "0.1h", 360 * HS_SEC } };
    static const char *const bad[] = { "", "-1", "1.", ".5", "1.0000000001", "1d", "1 s", "99999999999", "9223372036854775807h", "none", "0", "1e2" };
    char text[64];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(set(s, "keep-alive", good[i].text), 0);
        assert_int_equal(s->keep_alive, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(set(s, "keep-alive", bad[i]), EINVAL);
    }
    assert_string_equal(why, "must be a number of seconds (suffixes ms, s, m, h) from 0.001 to 31536000");
    assert_int_equal(set(s, "load-timeout", "none"), 0);
    assert_int_equal(s->load_timeout, -1);
    assert_int_equal(set(s, "keep-alive", "90.25"), 0);
    assert_int_equal(hs_setting_format(s, hs_setting_find("keep-alive"), text, sizeof text), 5);
    assert_string_equal(text, "90.25");
    hs_settings_fini(s);
}

static void
paths(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    char text[64];
    assert_null(s->control);
    assert_int_equal(set(s, "control", ""), EINVAL);
    assert_string_equal(why, "must be a path, or none");
    assert_int_equal(set(s, "control", "/run/x"), 0);
    assert_int_equal(set(s, "control", "/run/y"), 0);
    assert_string_equal(s->control, "/run/y");
    assert_int_equal(hs_setting_format(s, hs_setting_find("control"), text, sizeof text), 6);
    assert_string_equal(text, "/run/y");
    hs_settings_fini(s);
    assert_null(s->control);
}

static void
counts_flags_and_levels(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    assert_int_equal(set(s, "head-fields", "1"), 0);
    assert_int_equal(s->head_fields, 1);
    assert_int_equal(set(s, "head-fields", "0"), EINVAL);
    assert_string_equal(why, "must be a whole number from 1 to 100");
    assert_int_equal(set(s, "head-fields", "101"), EINVAL);
    assert_int_equal(set(s, "head-fields", "10K"), EINVAL);
    assert_int_equal(set(s, "dev", "yes"), 0);
    assert_int_equal(s->dev, 1);
    assert_int_equal(set(s, "dev", "off"), 0);
    assert_int_equal(s->dev, 0);
    assert_int_equal(set(s, "dev", "2"), EINVAL);
    assert_string_equal(why, "must be true or false");
    assert_int_equal(set(s, "log-level", "warn"), 0);
    assert_int_equal(s->log_level, HS_LOG_WARN);
    assert_int_equal(set(s, "log-level", "loud"), EINVAL);
    assert_string_equal(why, "must be debug, info, notice, warn or error");
    hs_settings_fini(s);
}

static void
addresses(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    char text[16];
    assert_int_equal(set(s, "listen", "80"), 0);
    assert_int_equal(set(s, "listen", "[::1]:8080"), 0);
    assert_int_equal(set(s, "listen", "unix:/tmp/x"), 0);
    assert_int_equal(s->listen.n, 3);
    assert_string_equal(s->listen.items[0], "80");
    assert_string_equal(s->listen.items[2], "unix:/tmp/x");
    assert_int_equal(hs_setting_format(s, hs_setting_find("listen"), text, sizeof text), 25);
    assert_string_equal(text, "80 [::1]:8080 u");
    static const char *const bad[] = { "", "localhost:80", "70000", "1.2.3.4", "::1:80", "[::1]", "unix:", "-1", "1.2.3.4:" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(set(s, "listen", bad[i]), EINVAL);
    }
    assert_int_equal(s->listen.n, 3);
    assert_non_null(strstr(why, "unix:/PATH"));
    assert_int_equal(set(s, "module", "a.so"), 0);
    assert_int_equal(set(s, "module", "b.so"), 0);
    assert_int_equal(s->module.n, 2);
    assert_int_equal(hs_setting_format(s, hs_setting_find("module"), text, sizeof text), 9);
    assert_string_equal(text, "a.so b.so");
    assert_int_equal(set(s, "module", ""), EINVAL);
    assert_int_equal(set(s, "listen", "unix:/run/x,mode=0660"), 0);
    assert_int_equal(set(s, "listen", "80,mode=0660"), EINVAL);
    assert_int_equal(set(s, "deny", "10.0.0.0/8"), 0);
    assert_int_equal(set(s, "deny", "10.0.0.1/8"), EINVAL);
    assert_int_equal(s->deny.n, 1);
    assert_true(hs_setting_is_list(hs_setting_find("module")) && hs_setting_is_list(hs_setting_find("trusted")) && hs_setting_is_list(hs_setting_find("listen")));
    assert_false(hs_setting_is_list(hs_setting_find("config")) || hs_setting_is_list(hs_setting_find("generations")));
    hs_settings_fini(s);
}

static void
stronger_sources_win(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    const struct hs_setting *max_body = hs_setting_find("max-body"), *listen = hs_setting_find("listen");
    assert_int_equal(hs_setting_set(s, max_body, "1", HS_SOURCE_FILE, why, sizeof why), 0);
    assert_int_equal(s->max_body, 1);
    assert_int_equal(hs_setting_set(s, max_body, "2", HS_SOURCE_COMMAND, why, sizeof why), 0);
    assert_int_equal(hs_setting_set(s, max_body, "3", HS_SOURCE_FILE, why, sizeof why), 0);
    assert_int_equal(s->max_body, 2);
    assert_int_equal(hs_setting_set(s, max_body, "x", HS_SOURCE_FILE, why, sizeof why), EINVAL);
    assert_int_equal(hs_setting_set(s, listen, "81", HS_SOURCE_COMMAND, why, sizeof why), 0);
    assert_int_equal(hs_setting_set(s, listen, "82", HS_SOURCE_COMMAND, why, sizeof why), 0);
    assert_int_equal(hs_setting_set(s, listen, "83", HS_SOURCE_FILE, why, sizeof why), 0);
    assert_int_equal(s->listen.n, 2);
    assert_string_equal(s->listen.items[1], "82");
    hs_settings_fini(s);
}

static void
hints(void **state)
{
    (void)state;
    assert_string_equal(hs_setting_like("drain-timout")->name, "drain-timeout");
    assert_string_equal(hs_setting_like("max_bodi")->name, "max-body");
    assert_string_equal(hs_setting_like("lisen")->name, "listen");
    assert_string_equal(hs_setting_like("keepalive")->name, "keep-alive");
    assert_null(hs_setting_like("colour-of-the-sky"));
    assert_null(hs_setting_like("q"));
    static const char *const words[] = { "serve", NULL, "check" };
    assert_string_equal(hs_nearest("sevre", words, 3), "serve");
    assert_string_equal(hs_nearest("chekc", words, 3), "check");
    assert_null(hs_nearest("banana", words, 3));
    char monster[3000];
    memset(monster, 'a', sizeof monster - 1);
    monster[sizeof monster - 1] = '\0';
    assert_null(hs_setting_like(monster));
    assert_null(hs_setting_find(monster));
}

static void
workers_are_a_number_or_auto(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    cpu_set_t cores;
    char text[16];
    assert_int_equal(sched_getaffinity(0, sizeof cores, &cores), 0);
    assert_int_equal(set(s, "workers", "3"), 0);
    assert_int_equal(hs_settings_workers(s), 3);
    assert_int_equal(set(s, "workers", "auto"), 0);
    assert_int_equal(hs_settings_workers(s), CPU_COUNT(&cores));
    assert_int_equal(set(s, "workers", "0"), 0);
    assert_int_equal(hs_settings_workers(s), 0);
    assert_int_equal(hs_setting_format(s, hs_setting_find("workers"), text, sizeof text), 1);
    assert_string_equal(text, "0");
    assert_int_equal(set(s, "workers", "-1"), EINVAL);
    assert_string_equal(why, "must be auto, or a whole number from 0 to 1024");
    assert_int_equal(set(s, "workers", "Auto"), EINVAL);
    hs_settings_fini(s);
}

static void
copy_scenario(void *arg)
{
    struct hs_settings copy = { .config = NULL };
    if (hs_settings_copy(&copy, arg) == 0) {
        assert_int_equal(copy.listen.n, 2);
        assert_string_equal(copy.listen.items[1], "unix:/b");
        assert_string_equal(copy.config, "/c");
        assert_int_equal(copy.max_body, 1024);
        assert_int_equal(hs_setting_source_of(&copy, hs_setting_find("max-body")), HS_SOURCE_COMMAND);
        (void)hs_settings_copy(&copy, &copy); /* over itself: whole, or as it was */
        assert_string_equal(copy.config, "/c");
    }
    hs_settings_fini(&copy);
}

static void
a_copy_shares_nothing(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    assert_int_equal(set(s, "listen", "80"), 0);
    assert_int_equal(set(s, "listen", "unix:/b"), 0);
    assert_int_equal(set(s, "config", "/c"), 0);
    assert_int_equal(set(s, "max-body", "1K"), 0);
    assert_true(alloc_fail_each(copy_scenario, s) > 3);
    hs_settings_fini(s);
}

static void
networks(void **state)
{
    (void)state;
    struct hs_settings *s = fresh();
    assert_int_equal(set(s, "allow", "10.0.0.0/8"), 0);
    assert_int_equal(set(s, "deny", "2001:db8::/32"), 0);
    assert_int_equal(set(s, "deny", "10.0.0.1/8"), EINVAL);
    assert_int_equal(set(s, "trusted", "unix:"), 0);
    assert_int_equal(set(s, "allow", "unix:"), EINVAL);
    assert_int_equal(set(s, "deny", "unix:"), EINVAL); /* it would keep nobody out */
    assert_int_equal(s->allow.n + s->deny.n + s->trusted.n, 3);
    hs_settings_fini(s);
}

static void
scenario(void *arg)
{
    (void)arg;
    struct hs_settings s;
    if (hs_settings_init(&s) != 0) {
        return;
    }
    int err = set(&s, "listen", "81");
    assert_true(err == 0 || err == ENOMEM);
    assert_int_equal(s.listen.n, 1);
    assert_string_equal(s.listen.items[0], err == 0 ? "81" : "127.0.0.1:8080");
    err = set(&s, "config", "a.lua");
    assert_true(err == 0 || (err == ENOMEM && s.config == NULL && strcmp(why, "out of memory") == 0));
    hs_settings_fini(&s);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    (void)state;
    assert_in_range(alloc_fail_each(scenario, NULL), 4, 20);
}

static void
logs_and_choices(void **state)
{
    static const struct {
        const char *name, *value, *back; /* back NULL: refused */
    } cases[] = {
        { "access-log", "/var/log/x", "/var/log/x" },
        { "access_log", "-", "-" },
        { "access-log", "syslog:local3", "syslog:local3" },
        { "access-log", "syslog:nowhere", NULL },
        { "error-log", "", NULL },
        { "access-log-format", "json", "json" },
        { "access-log-format", "combined", "combined" },
        { "access-log-format", "comb", NULL },
        { "access-log-format", "combined|json", NULL },
        { "access-log-format", "|", NULL },
        { "access-log-format", "", NULL },
        { "access-log-format", "JSON", NULL },
        { "client-address-from", "forwarded", "forwarded" },
        { "client-address-from", "x-forwarded-for", "x-forwarded-for" },
        { "client-address-from", "for", NULL },
        { "log-level", "warning", "warn" },
    };
    struct hs_settings s;
    char reason[256], text[256];
    (void)state;
    assert_int_equal(hs_settings_init(&s), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct hs_setting *setting = hs_setting_find(cases[i].name);
        assert_non_null(setting);
        int err = hs_setting_set(&s, setting, cases[i].value, HS_SOURCE_COMMAND, reason, sizeof reason);
        assert_int_equal(err, cases[i].back != NULL ? 0 : EINVAL);
        if (cases[i].back != NULL) {
            (void)hs_setting_format(&s, setting, text, sizeof text);
            assert_string_equal(text, cases[i].back);
        } else {
            assert_int_equal(strncmp(reason, "must be ", 8), 0);
        }
    }
    hs_settings_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_and_choices),
        cmocka_unit_test(defaults_are_those_of_the_design),
        cmocka_unit_test(every_setting_is_described_and_formats_as_it_is_set),
        cmocka_unit_test(names_take_dashes_and_underscores),
        cmocka_unit_test(sizes),
        cmocka_unit_test(times),
        cmocka_unit_test(paths),
        cmocka_unit_test(counts_flags_and_levels),
        cmocka_unit_test(addresses),
        cmocka_unit_test(stronger_sources_win),
        cmocka_unit_test(hints),
        cmocka_unit_test(workers_are_a_number_or_auto),
        cmocka_unit_test(a_copy_shares_nothing),
        cmocka_unit_test(networks),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
