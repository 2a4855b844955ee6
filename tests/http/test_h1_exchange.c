/* test_h1_exchange.c - whole exchanges over HTTP/1, and the same bytes whatever way they come in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "handlers.h"

static void
open_rig(struct rig *r)
{
    rig_open(r);
    handlers_register(r);
    rig_start(r);
}

/* Sends a request in pieces: up to first, then step bytes at a time (0: the rest). Gives what came. */
static void
run(struct rig *r, const char *request, size_t first, size_t step, bool transcript, struct hs_buf *out)
{
    struct rig_client c;
    size_t n = strlen(request);

    rig_connect(r, &c);
    for (size_t at = 0; at < n;) {
        size_t size = at == 0 && first ? first : step ? step : n - at;
        size = size < n - at ? size : n - at;
        (void)rig_send(&c, request + at, size); /* the rest may not be wanted any more */
        at += size;
    }
    rig_settle(r);
    (transcript ? exchange_transcript : exchange_result)(request, &c, out);
    rig_disconnect(&c, false);
}

static void
each_exchange_ends_as_it_should(void **state)
{
    struct rig r;
    struct hs_buf got;

    (void)state;
    hs_buf_init(&got, SIZE_MAX / 4);
    open_rig(&r);
    for (size_t i = 0; i < n_exchanges; i++) {
        run(&r, exchanges[i].request, 0, 0, false, &got);
        if (strcmp(got.p, exchanges[i].result) != 0) {
            print_error("%s:\n", exchanges[i].name);
        }
        assert_string_equal(got.p, exchanges[i].result);
    }
    rig_close(&r);
    hs_buf_fini(&got);
}

static void
same(const char *name, const char *how, size_t at, const struct hs_buf *got, const struct hs_buf *want)
{
    if (got->len != want->len || memcmp(got->p, want->p, want->len) != 0) {
        print_error("%s, %s %zu:\n%s\ninstead of\n%s\n", name, how, at, got->p, want->p);
        fail();
    }
}

static void
a_request_split_at_any_byte_gives_the_same_bytes(void **state)
{
    struct rig r;
    struct hs_buf want, got;

    (void)state;
    hs_buf_init(&want, SIZE_MAX / 4);
    hs_buf_init(&got, SIZE_MAX / 4);
    open_rig(&r);
    for (size_t i = 0; i < n_exchanges; i++) {
        const struct exchange *x = &exchanges[i];
        run(&r, x->request, 0, 0, true, &want);
        for (size_t at = 1; at < strlen(x->request); at++) {
            run(&r, x->request, at, 0, true, &got);
            same(x->name, "split at", at, &got, &want);
        }
        run(&r, x->request, 0, 1, true, &got);
        same(x->name, "in steps of", 1, &got, &want);
        run(&r, x->request, 0, 7, true, &got);
        same(x->name, "in steps of", 7, &got, &want);
    }
    rig_close(&r);
    hs_buf_fini(&want);
    hs_buf_fini(&got);
}

static void
threat_39_transports_of_one_byte_a_call_give_the_same_bytes(void **state)
{
    static const struct hs_memory_pair_options pairs[] = {
        { .read_max = 1 }, { .write_max = 1 }, { .read_max = 1, .write_max = 1 }, { .capacity = 1 }, { .capacity = 100, .write_max = 7 },
    };
    struct rig r;
    struct hs_buf want, got;

    (void)state;
    hs_buf_init(&want, SIZE_MAX / 4);
    hs_buf_init(&got, SIZE_MAX / 4);
    open_rig(&r);
    for (size_t i = 0; i < n_exchanges; i++) {
        const struct exchange *x = &exchanges[i];
        r.pair = (struct hs_memory_pair_options){ 0 };
        run(&r, x->request, 0, 0, true, &want);
        for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
            r.pair = pairs[p];
            run(&r, x->request, 0, 0, true, &got);
            same(x->name, "transport", p, &got, &want);
        }
    }
    rig_close(&r);
    hs_buf_fini(&want);
    hs_buf_fini(&got);
}

static void
exchanges_over_sockets_end_as_they_should(void **state)
{
    struct rig r;
    struct hs_buf got;

    (void)state;
    hs_buf_init(&got, SIZE_MAX / 4);
    open_rig(&r);
    for (size_t i = 0; i < n_exchanges; i++) {
        struct rig_client c;
        rig_connect_socket(&r, &c);
        (void)rig_sends(&c, exchanges[i].request);
        exchange_result(exchanges[i].request, &c, &got);
        assert_string_equal(got.p, exchanges[i].result);
        rig_disconnect(&c, false);
    }
    rig_close(&r);
    hs_buf_fini(&got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_exchange_ends_as_it_should),
        cmocka_unit_test(a_request_split_at_any_byte_gives_the_same_bytes),
        cmocka_unit_test(threat_39_transports_of_one_byte_a_call_give_the_same_bytes),
        cmocka_unit_test(exchanges_over_sockets_end_as_they_should),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
