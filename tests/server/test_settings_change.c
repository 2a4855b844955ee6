/* test_settings_change.c - server/settings_change.h: what has changed, what may, and the way to other processes and back. */
#include "server/settings_change.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/log.h"

static void
set(struct hs_settings *s, const char *name, const char *value, enum hs_setting_source source)
{
    char why[256];

    assert_int_equal(hs_setting_set(s, hs_setting_find(name), value, source, why, sizeof why), 0);
}

static const char *
value(const struct hs_settings *s, const char *name)
{
    static char text[4][256];
    static unsigned k;
    char *t = text[k++ % 4];

    (void)hs_setting_format(s, hs_setting_find(name), t, sizeof text[0]);
    return t;
}

static void
what_needs_a_restart_stays_and_is_named(void **state)
{
    struct hs_settings now = { .config = NULL }, next = { .config = NULL };
    struct hs_settings_change change;

    (void)state;
    assert_int_equal(hs_settings_init(&now), 0);
    set(&now, "listen", "8081", HS_SOURCE_FILE);
    set(&now, "pid-file", "/tmp/pid", HS_SOURCE_FILE);
    assert_int_equal(hs_settings_copy(&next, &now), 0);
    assert_int_equal(hs_settings_settle(&next, &now, &change), 0);
    assert_string_equal(change.changed, "");
    assert_string_equal(change.fixed, "");

    set(&next, "keep-alive", "7", HS_SOURCE_FILE);
    set(&next, "deny", "10.0.0.0/8", HS_SOURCE_FILE);
    set(&next, "access-log", "/tmp/log", HS_SOURCE_FILE);
    set(&next, "listen", "unix:/tmp/s", HS_SOURCE_FILE);
    set(&next, "workers", "3", HS_SOURCE_FILE);
    set(&next, "user", "nobody", HS_SOURCE_FILE);
    assert_int_equal(hs_settings_settle(&next, &now, &change), 0);
    assert_string_equal(change.changed, "access-log, deny, keep-alive");
    assert_string_equal(change.fixed, "listen, workers, user");
    assert_string_equal(value(&next, "listen"), "8081");
    hs_settings_fini(&now);
    hs_settings_fini(&next);
}

/* Each setting by itself: it either changes, or is put back. */
static void
every_setting_is_one_or_the_other(void **state)
{
    static const char *const values[] = { "7", "3", "1M", "9", "true", "debug", "json", "forwarded", "unix:/tmp/x", "192.0.2.0/24", "/tmp/x", "256", "100K", "64M" };
    const struct hs_setting *which;
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; (which = hs_setting_at(i)) != NULL; i++) {
        struct hs_settings now = { .config = NULL }, next = { .config = NULL };
        struct hs_settings_change change;
        char why[256];
        bool differs = false;
        assert_int_equal(hs_settings_init(&now), 0);
        for (size_t v = 0; v < sizeof values / sizeof *values && !differs; v++) {
            assert_int_equal(hs_settings_copy(&next, &now), 0);
            differs = hs_setting_set(&next, which, values[v], HS_SOURCE_FILE, why, sizeof why) == 0 && !hs_setting_equal(&next, &now, which);
        }
        assert_true(differs);
        assert_int_equal(hs_settings_settle(&next, &now, &change), 0);
        assert_string_equal(change.changed, hs_setting_is_live(which) ? which->name : "");
        assert_string_equal(change.fixed, hs_setting_is_live(which) ? "" : which->name);
        assert_int_equal(hs_setting_equal(&next, &now, which), !hs_setting_is_live(which));
        assert_int_equal(hs_setting_source_of(&next, which), hs_setting_is_live(which) ? HS_SOURCE_FILE : HS_SOURCE_DEFAULT);
        hs_settings_fini(&now);
        hs_settings_fini(&next);
        seen++;
    }
    assert_true(seen > 40);
}

static void
all_of_a_file_comes_back_and_nothing_else(void **state)
{
    struct hs_settings from = { .config = NULL }, to = { .config = NULL };
    struct hs_buf packed;

    (void)state;
    assert_int_equal(hs_settings_init(&from), 0);
    assert_int_equal(hs_settings_copy(&to, &from), 0);
    set(&to, "max-body", "5", HS_SOURCE_FILE); /* which the file does not say any more */
    set(&to, "trusted", "unix:", HS_SOURCE_FILE);
    set(&to, "error-log", "stdout", HS_SOURCE_FILE);
    set(&to, "backlog", "17", HS_SOURCE_COMMAND);
    set(&from, "listen", "8081", HS_SOURCE_FILE);
    set(&from, "listen", "unix:/tmp/with a blank,mode=0600", HS_SOURCE_FILE);
    set(&from, "keep-alive", "1.000000007", HS_SOURCE_FILE);
    set(&from, "memory-limit", "none", HS_SOURCE_FILE);
    set(&from, "turn-bytes", "123457", HS_SOURCE_FILE);
    set(&from, "access-log", "/tmp/a=b", HS_SOURCE_FILE);
    set(&from, "request-id", "on", HS_SOURCE_FILE);
    set(&from, "workers", "auto", HS_SOURCE_FILE);
    set(&from, "backlog", "18", HS_SOURCE_FILE);
    set(&from, "head-fields", "50", HS_SOURCE_COMMAND); /* is not of the file */

    hs_buf_init(&packed, SIZE_MAX);
    assert_int_equal(hs_settings_pack(&from, &packed), 0);
    assert_int_equal(hs_settings_unpack(&to, hs_buf_peek(&packed)), 0);
    static const char *const of_the_file[] = { "listen", "keep-alive", "memory-limit", "turn-bytes", "access-log", "request-id", "workers" };
    for (size_t i = 0; i < sizeof of_the_file / sizeof *of_the_file; i++) {
        const struct hs_setting *which = hs_setting_find(of_the_file[i]);
        assert_true(hs_setting_equal(&from, &to, which));
        assert_int_equal(hs_setting_source_of(&to, which), HS_SOURCE_FILE);
    }
    assert_int_equal(to.listen.n, 2);
    assert_int_equal(to.keep_alive, 1000000007);
    assert_int_equal(to.backlog, 17);
    assert_string_equal(value(&to, "max-body"), "16M");
    assert_int_equal(to.trusted.n, 0);
    assert_string_equal(to.error_log, "stderr");
    assert_string_equal(value(&to, "head-fields"), "100");
    hs_buf_fini(&packed);
    hs_settings_fini(&from);
    hs_settings_fini(&to);
}

static void
other_text_is_refused(void **state)
{
    static const struct hs_view bad[] = { HS_VIEW("keep-alive=7"),   HS_VIEW("keep-alive\0"), HS_VIEW("=7\0"), HS_VIEW("nothing=7\0"),
                                          HS_VIEW("keep-alive=x\0"), HS_VIEW("config=/tmp/x\0"), HS_VIEW("keep-alive=7\0\0") };
    struct hs_settings s = { .config = NULL };

    (void)state;
    assert_int_equal(hs_settings_init(&s), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(hs_settings_unpack(&s, bad[i]), EINVAL);
    }
    assert_int_equal(hs_settings_unpack(&s, (struct hs_view){ NULL, 0 }), 0);
    hs_settings_fini(&s);
}

static void
through_a_file(void **state)
{
    struct hs_settings s = { .config = NULL };
    struct hs_buf a, b;
    char network[32];
    int fd = memfd_create("test", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(hs_settings_init(&s), 0);
    for (unsigned i = 0; i < 3000; i++) { /* more than one read, and a message, could hold */
        snprintf(network, sizeof network, "10.%u.%u.0/24", i / 256, i % 256);
        set(&s, "deny", network, HS_SOURCE_FILE);
    }
    hs_buf_init(&a, SIZE_MAX);
    hs_buf_init(&b, SIZE_MAX);
    assert_int_equal(hs_settings_pack(&s, &a), 0);
    assert_int_equal(hs_settings_write(&s, fd), 0);
    assert_true(lseek(fd, 5, SEEK_SET) == 5); /* does not matter */
    assert_int_equal(hs_settings_read(fd, &b), 0);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.p, b.p, a.len);
    (void)close(fd);
    assert_int_equal(hs_settings_read(fd, &b), EBADF);
    assert_int_equal(hs_settings_write(&s, fd), EBADF);
    hs_buf_fini(&a);
    hs_buf_fini(&b);
    hs_settings_fini(&s);
}

static void
scenario(void *arg)
{
    const struct hs_settings *now = arg;
    struct hs_settings next = { .config = NULL };
    struct hs_settings_change change;
    char why[64];

    if (hs_settings_copy(&next, now) != 0) {
        return;
    }
    if (hs_setting_set(&next, hs_setting_find("admin"), "none", HS_SOURCE_FILE, why, sizeof why) == 0) {
        int err = hs_settings_settle(&next, now, &change);
        assert_true(err == 0 || err == ENOMEM);
        assert_string_equal(change.fixed, "admin");
    }
    int err = hs_settings_unpack(&next, HS_VIEW("deny=10.0.0.0/8\0access-log=/tmp/x\0"));
    assert_true(err == 0 || err == ENOMEM);
    hs_settings_fini(&next);
}

static void
threat_38_each_allocation_fails_once(void **state)
{
    struct hs_settings now = { .config = NULL };

    (void)state;
    assert_int_equal(hs_settings_init(&now), 0);
    set(&now, "admin", "unix:/tmp/admin", HS_SOURCE_FILE);
    set(&now, "deny", "10.0.0.0/8", HS_SOURCE_FILE);
    assert_true(alloc_fail_each(scenario, &now) > 5);
    hs_settings_fini(&now);
}

static char told[2][256];

static void
sink(enum hs_log_level level, const char *line, void *arg)
{
    (void)arg;
    snprintf(told[level == HS_LOG_WARN], sizeof told[0], "%s", line);
}

static void
the_log_says_both(void **state)
{
    (void)state;
    hs_log_set_sink(sink, NULL);
    hs_settings_change_log(&(struct hs_settings_change){ .changed = "" });
    assert_string_equal(told[0], "");
    assert_string_equal(told[1], "");
    hs_settings_change_log(&(struct hs_settings_change){ .changed = "deny", .fixed = "listen, user" });
    hs_log_set_sink(NULL, NULL);
    assert_string_equal(told[0], "settings that have changed: deny");
    assert_string_equal(told[1], "settings that would change, but need a restart: listen, user");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_a_restart_stays_and_is_named),
        cmocka_unit_test(every_setting_is_one_or_the_other),
        cmocka_unit_test(all_of_a_file_comes_back_and_nothing_else),
        cmocka_unit_test(other_text_is_refused),
        cmocka_unit_test(through_a_file),
        cmocka_unit_test(threat_38_each_allocation_fails_once),
        cmocka_unit_test(the_log_says_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
