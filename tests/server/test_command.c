/* test_command.c - server/command.h: options, operands, help. What the commands do is for spec/cli_spec.lua. */
#include "server/command.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "httpsrv/server.h"
#include "io/loop.h"

/* What was written to a standard stream while it was caught. */
struct caught {
    int stream, saved, file;
    char text[16384];
};

static void
catch(struct caught *c, int stream)
{
    char name[] = "/tmp/test_command_XXXXXX";
    fflush(NULL);
    c->stream = stream;
    c->saved = dup(stream);
    c->file = mkstemp(name);
    assert_true(c->saved >= 0 && c->file >= 0);
    assert_int_equal(unlink(name), 0);
    assert_true(dup2(c->file, stream) >= 0);
}

static const char *
release(struct caught *c)
{
    fflush(NULL);
    assert_true(dup2(c->saved, c->stream) >= 0);
    ssize_t n = pread(c->file, c->text, sizeof c->text - 1, 0);
    assert_true(n >= 0);
    c->text[n] = '\0';
    (void)close(c->saved);
    (void)close(c->file);
    return c->text;
}

static const struct hs_command *
command(const char *name)
{
    for (size_t i = 0; hs_command_at(i) != NULL; i++) {
        if (strcmp(hs_command_at(i)->name, name) == 0) {
            return hs_command_at(i);
        }
    }
    fail();
    return NULL;
}

static struct hs_settings settings;
static struct hs_command_line line;
static struct caught err;
static char *words[32];

/* Parses the words of a text for a command; what it complained of is in err.text. */
static int
parse(const char *name, const char *text)
{
    static char copy[4096];
    int n = 0;
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        words[n++] = word;
    }
    hs_settings_fini(&settings);
    assert_int_equal(hs_settings_init(&settings), 0);
    catch(&err, STDERR_FILENO);
    int status = hs_command_parse(command(name), n, words, &settings, &line);
    (void)release(&err);
    return status;
}

static void
options_in_all_spellings(void **state)
{
    (void)state;
    assert_int_equal(parse("serve", "a --listen 81 --listen=[::1]:82 --dev --max-body=1K b --keep_alive 2 -- --dev -x -"), 0);
    assert_string_equal(err.text, "");
    assert_int_equal(settings.listen.n, 2);
    assert_string_equal(settings.listen.items[1], "[::1]:82");
    assert_int_equal(settings.dev, 1);
    assert_int_equal(settings.max_body, 1024);
    assert_int_equal(settings.keep_alive, 2 * HS_SEC);
    assert_int_equal(line.n, 5);
    assert_string_equal(line.operands[0], "a");
    assert_string_equal(line.operands[1], "b");
    assert_string_equal(line.operands[2], "--dev");
    assert_string_equal(line.operands[4], "-");
    assert_int_equal(parse("serve", "--dev --no-dev --dev=yes --dev=no"), 0);
    assert_int_equal(settings.dev, 0);
    assert_int_equal(parse("serve", ""), 0);
    assert_int_equal(line.n, 0);
    assert_false(line.help);
    assert_int_equal(parse("serve", "x --help --dev"), 0);
    assert_true(line.help);
    assert_int_equal(parse("serve", "-h"), 0);
    assert_true(line.help);
}

static void
errors_name_the_option(void **state)
{
    (void)state;
    static const struct {
        const char *command, *text, *complaint;
    } cases[] = {
        { "serve", "--drain-timout 3", "httpsrv: serve: unknown option --drain-timout (did you mean --drain-timeout?)\n" },
        { "serve", "--drain-timout=3", "httpsrv: serve: unknown option --drain-timout (did you mean --drain-timeout?)\n" },
        { "serve", "--banana", "httpsrv: serve: unknown option --banana (httpsrv help serve lists them)\n" },
        { "serve", "-p 80", "httpsrv: serve: unknown option -p (httpsrv help serve lists them)\n" },
        { "serve", "--hepl", "httpsrv: serve: unknown option --hepl (did you mean --help?)\n" },
        { "serve", "--=1", "httpsrv: serve: unknown option -- (httpsrv help serve lists them)\n" },
        { "serve", "--no-listen", "httpsrv: serve: unknown option --no-listen (did you mean --listen?)\n" },
        { "serve", "--no-dev=1", "httpsrv: serve: --no-dev takes no value\n" },
        { "serve", "--listen", "httpsrv: serve: --listen needs a value: ADDR\n" },
        { "serve", "--workers many", "httpsrv: serve: --workers: must be auto, or a whole number from 0 to 1024, not 'many'\n" },
        { "serve", "--listen=", "httpsrv: serve: --listen: must be an address: PORT, IP:PORT, [IPv6]:PORT or unix:/PATH, not ''\n" },
        { "serve", "--config=", "httpsrv: serve: --config: must be a file name, not ''\n" },
        { "serve", "--log-level loud", "httpsrv: serve: --log-level: must be debug, info, notice, warn or error, not 'loud'\n" },
        { "check", "--listen 80", "httpsrv: check: unknown option --listen (httpsrv help check lists them)\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(cases[i].command, cases[i].text), HS_EXIT_USAGE);
        assert_string_equal(err.text, cases[i].complaint);
    }
    assert_int_equal(parse("check", "--config x --log-level warn"), 0);
    assert_string_equal(settings.config, "x");
    char monster[3000];
    memset(monster, '-', sizeof monster - 1);
    monster[sizeof monster - 1] = '\0';
    assert_int_equal(parse("serve", monster), HS_EXIT_USAGE);
}

static void
one_path(void **state)
{
    (void)state;
    assert_int_equal(parse("serve", "dir"), 0);
    assert_string_equal(hs_command_path(command("serve"), &line), "dir");
    assert_int_equal(parse("serve", "a b"), 0);
    catch(&err, STDERR_FILENO);
    assert_null(hs_command_path(command("serve"), &line));
    assert_string_equal(release(&err), "httpsrv: serve: takes one directory or file, not 2; 'b' is one too many\n");
    assert_int_equal(parse("serve", ""), 0);
    catch(&err, STDERR_FILENO);
    assert_null(hs_command_path(command("serve"), &line));
    assert_non_null(strstr(release(&err), "which directory or file?"));
}

/* Runs the command with up to two words; what it wrote to stream goes to text. */
static int
run(const char *first, const char *second, char *text, size_t size, int stream)
{
    char name[] = "httpsrv", a[64], b[64];
    char *argv[] = { name, a, b, NULL };
    int n = second != NULL ? 3 : first != NULL ? 2 : 1;
    (void)snprintf(a, sizeof a, "%s", first != NULL ? first : "");
    (void)snprintf(b, sizeof b, "%s", second != NULL ? second : "");
    argv[n] = NULL;
    struct caught *c = calloc(1, sizeof *c);
    assert_non_null(c);
    catch(c, stream);
    int status = hs_command_main(n, argv);
    (void)snprintf(text, size, "%s", release(c));
    free(c);
    return status;
}

static void
help_lists_commands_and_settings(void **state)
{
    (void)state;
    char text[16384];
    assert_int_equal(run("--help", NULL, text, sizeof text, STDOUT_FILENO), 0);
    for (size_t i = 0; hs_command_at(i) != NULL; i++) {
        assert_non_null(strstr(text, hs_command_at(i)->name));
    }
    assert_int_equal(run("help", "serve", text, sizeof text, STDOUT_FILENO), 0);
    for (size_t i = 0; hs_setting_at(i) != NULL; i++) {
        char option[64];
        (void)snprintf(option, sizeof option, " %c--%s ", hs_setting_is_live(hs_setting_at(i)) ? ' ' : '*', hs_setting_at(i)->name);
        assert_non_null(strstr(text, option));
        assert_non_null(strstr(text, hs_setting_at(i)->help));
        assert_true(hs_setting_at(i)->def == NULL || hs_setting_at(i)->type == HS_SETTING_FLAG || strstr(text, hs_setting_at(i)->def) != NULL);
    }
    char other[16384];
    assert_int_equal(run("serve", "--help", other, sizeof other, STDOUT_FILENO), 0);
    assert_string_equal(text, other);
    assert_int_equal(run("lua", "-h", text, sizeof text, STDOUT_FILENO), 0);
    assert_non_null(strstr(text, "Usage: httpsrv lua FILE|- [ARG]..."));
    assert_int_equal(run(NULL, NULL, text, sizeof text, STDERR_FILENO), HS_EXIT_USAGE);
    assert_non_null(strstr(text, "Usage: httpsrv COMMAND"));
}

/* proves: httpsrv_version */
static void
versions_agree(void **state)
{
    (void)state;
    char text[256];
    static const char *const spellings[] = { "version", "--version", "-v" };
    for (size_t i = 0; i < 3; i++) {
        char word[16];
        (void)snprintf(word, sizeof word, "%s", spellings[i]);
        assert_int_equal(run(word, NULL, text, sizeof text, STDOUT_FILENO), 0);
        assert_string_equal(text, "httpsrv " HTTPSRV_VERSION "\n");
    }
    assert_string_equal(httpsrv_version(), HTTPSRV_VERSION);
    assert_int_equal(run("version", "x", text, sizeof text, STDERR_FILENO),
                     HS_EXIT_USAGE);
}

static void
unknown_commands(void **state)
{
    (void)state;
    char text[512];
    assert_int_equal(run("sevre", NULL, text, sizeof text, STDERR_FILENO), HS_EXIT_USAGE);
    assert_string_equal(text, "httpsrv: unknown command 'sevre' (did you mean serve?)\n");
    assert_int_equal(run("banana", NULL, text, sizeof text, STDERR_FILENO), HS_EXIT_USAGE);
    assert_string_equal(text, "httpsrv: unknown command 'banana' (httpsrv help lists them)\n");
    assert_int_equal(run("--dev", NULL, text, sizeof text, STDERR_FILENO), HS_EXIT_USAGE);
    assert_int_equal(run("help", "sevre", text, sizeof text, STDERR_FILENO),
                     HS_EXIT_USAGE);
    assert_int_equal(run("lua", NULL, text, sizeof text, STDERR_FILENO), HS_EXIT_USAGE);
}

static void
output_that_cannot_be_written_is_a_failure(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) {
        skip();
    }
    fflush(NULL);
    int saved = dup(STDOUT_FILENO);
    assert_true(dup2(full, STDOUT_FILENO) >= 0);
    char text[512];
    int status = run("help", NULL, text, sizeof text, STDERR_FILENO);
    clearerr(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    (void)close(full);
    assert_int_equal(status, HS_EXIT_FAILED);
    assert_string_equal(text, "httpsrv: cannot write: No space left on device\n");
}

static int
teardown(void **state)
{
    (void)state;
    hs_settings_fini(&settings);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_in_all_spellings),
        cmocka_unit_test(errors_name_the_option),
        cmocka_unit_test(one_path),
        cmocka_unit_test(help_lists_commands_and_settings),
        cmocka_unit_test(versions_agree),
        cmocka_unit_test(unknown_commands),
        cmocka_unit_test(output_that_cannot_be_written_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
