/* installed.h - a program that uses every function of the installed library, through the installed headers alone: what its files share.
 * One file for each group of headers; main.c runs them. acceptance/installed.sh builds it and looks that no function is left out. */
#ifndef TESTS_INSTALLED_INSTALLED_H
#define TESTS_INSTALLED_INSTALLED_H

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern atomic_int failures;

#define CHECK(condition)                                                                                                                             \
    do {                                                                                                                                             \
        if (!(condition)) {                                                                                                                          \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition);                                                                                 \
            failures++;                                                                                                                              \
        }                                                                                                                                            \
    } while (0)

/* Runs a server of the handlers that routes registers, in this thread, and client in another one; ends when client has returned. */
void serve(int (*routes)(void *arg), void (*client)(void));
/* In client: sends the request line and what follows ("GET / HTTP/1.1", with further fields after a line break; body may be NULL) and returns all that
 * comes back, until the next call in this thread. */
const char *exchange(const char *head, const char *body);
/* The same for what is to be cut off: connects, sends, and closes after the first bytes of an answer have come (wait not 0) or at once. */
void abandon(const char *head, int wait);
/* Whether text ends in what an HTTP response has as its body, behind the head. */
int has_body(const char *response, const char *body);

void test_values(void);
void test_ios(void);
void test_jobs(void);
void test_pools(void);
void test_requests(void);
void test_responses(void);
void test_documents(void);
void test_server(void);
void test_threads(void);

#endif
