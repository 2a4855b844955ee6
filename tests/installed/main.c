/* main.c - runs the groups that are named, or all, and prints TAP. */
#include "installed.h"

atomic_int failures;

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } groups[] = {
        { "values", test_values },     { "ios", test_ios },           { "jobs", test_jobs },     { "pools", test_pools },
        { "requests", test_requests }, { "responses", test_responses }, { "documents", test_documents }, { "server", test_server }, { "threads", test_threads },
    };
    int n = 0, bad = 0;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        int wanted = argc == 1;
        for (int a = 1; a < argc; a++) {
            wanted |= strcmp(argv[a], groups[i].name) == 0;
        }
        if (!wanted) {
            continue;
        }
        failures = 0;
        groups[i].run();
        n++;
        bad += failures != 0;
        printf("%sok %d - %s\n", failures != 0 ? "not " : "", n, groups[i].name);
    }
    printf("1..%d\n", n);
    return bad != 0 || n == 0;
}
