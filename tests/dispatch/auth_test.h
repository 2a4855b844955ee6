/* auth_test.h - handlers and auth handlers that note who was called with what, for the tests of authentication. */
#ifndef TESTS_DISPATCH_AUTH_TEST_H
#define TESTS_DISPATCH_AUTH_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/live.h"
#include "dispatch/auth.h"
#include "dispatch/generation.h"
#include "rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static char asked[1024] __attribute__((unused));   /* the names of the auth handlers that were asked, with the paths they saw */
static char handled[1024]; /* the same of handlers */
static int verdict;        /* of the next one */
static ec_httpsrv_session *held;
static unsigned n_asked __attribute__((unused));

static void
note(char *to, ec_httpsrv_session *s)
{
    ec_blobject *b = ec_httpsrv_service_ctx_get(s);
    ec_url_details *url = ec_httpsrv_request_url_get(s);
    size_t n = strlen(to);

    if (url == NULL) { /* no memory */
        ec_blobject_delref(b);
        return;
    }
    (void)snprintf(to + n, 1024 - n, "%s:%s[%s] ", b != NULL ? (const char *)b->self : "-", url->path, ec_httpsrv_request_path_rest(s));
    ec_blobject_delref(b);
}

static int
handler(ec_httpsrv_session *s)
{
    const char *user = ec_httpsrv_request_username_get(s);

    note(handled, s);
    (void)ec_httpsrv_response_printf(s, "content for %s", user != NULL ? user : "nobody");
    return EC_HTTPSRV_HANDLER_DONE;
}

static ec_blobject_class name_class = { .objectType = "name" };

static void
guard(const char *host, const char *method, const char *path, const char *name, ec_httpsrv_auth_handler_func fn)
{
    ec_blobject *closure = ec_blobject_wrap(&name_class, (void *)(uintptr_t)name);

    assert_int_equal(ec_httpsrv_register_auth(host, method, path, closure, fn), 0);
    ec_blobject_delref(closure);
}

static void
route(const char *host, const char *method, const char *path, const char *name)
{
    ec_blobject *closure = ec_blobject_wrap(&name_class, (void *)(uintptr_t)name);

    assert_int_equal(ec_httpsrv_register(host, method, path, ECTP_CLASS_SHORT_LIVED, closure, handler), 0);
    ec_blobject_delref(closure);
}

static void
forget(void)
{
    asked[0] = handled[0] = '\0';
    n_asked = 0;
    held = NULL;
}

static void
open_rig(struct rig *r)
{
    forget();
    verdict = EC_HTTPSRV_AUTH_ALLOWED;
    rig_open(r);
}

static int
status_of(const char *response)
{
    int status = 0;

    if (sscanf(response, "HTTP/1.1 %d ", &status) != 1) {
        fail_msg("no response: %s", response);
    }
    return status;
}

#endif
