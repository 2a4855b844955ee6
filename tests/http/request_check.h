/* request_check.h - holds the request parser to a table of heads: every one at every split, at the edge of mapped memory, with several
 * contents of the padding, and in both builds of the inner loops. For one test program. */
#ifndef TESTS_HTTP_REQUEST_CHECK_H
#define TESTS_HTTP_REQUEST_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/ascii.h"

/* The parser once more, without SSE2, beside the library's own. */
#define HS_SCAN_PORTABLE 1
#define hs_request_parse portable_request_parse
#include "http/request_parser.c"
#undef hs_request_parse
enum hs_parse hs_request_parse(const char *buf, size_t len, size_t seen, const struct hs_head_limits *limits, struct hs_request *r,
                               struct hs_refusal *why);

#include "request_cases.h"

enum { PAD = 16, AREA = 256 * 1024 };

typedef enum hs_parse parse_function(const char *, size_t, size_t, const struct hs_head_limits *, struct hs_request *, struct hs_refusal *);

static parse_function *const parsers[] = { hs_request_parse, portable_request_parse };
static const struct hs_head_limits defaults = { 16384, 8192, 32, 100 };

/* Memory whose last byte is followed by a page that must not be touched. */
static char *area_end;

static int
map_area(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *area = mmap(NULL, AREA + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(area != MAP_FAILED);
    assert_int_equal(mprotect(area + AREA, page, PROT_NONE), 0);
    area_end = area + AREA;
    return 0;
}

/* What the padding holds; none of it may matter. Some would end the head, some would go on with it. */
static const char *const pads[] = {
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", "\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r", " HTTP/1.1\r\nA: \r\n",
    "xxxxxxxxxxxxxxxx",                 "????????????????",                 ": :: :: :: :: : ",                 "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
};
enum { PADS = sizeof pads / sizeof *pads };

/* A copy that ends sixteen bytes before the forbidden page. */
static char *
place(const char *bytes, size_t len, unsigned pad)
{
    assert_true(len + PAD <= AREA);
    char *p = area_end - PAD - len;
    memcpy(p, bytes, len);
    memcpy(area_end - PAD, pads[pad % PADS], PAD);
    return p;
}

struct outcome {
    enum hs_parse result;
    struct hs_request r;
    struct hs_refusal why;
    struct hs_field fields[HS_MAX_FIELDS];
};

static void
parse(parse_function *f, struct outcome *o, const char *bytes, size_t len, size_t seen, const struct hs_head_limits *limits, unsigned pad)
{
    memset(o, 0xA5, sizeof *o);
    o->r.fields = o->fields;
    o->result = f(place(bytes, len, pad), len, seen, limits, &o->r, &o->why);
}

static int
status_of(const struct outcome *o)
{
    return o->result == HS_PARSE_DONE ? 200 : o->result == HS_PARSE_MORE ? 0 : o->why.status;
}

static bool
inside(const struct outcome *o, struct hs_slice s)
{
    return s.off <= o->r.size && s.len <= o->r.size - s.off;
}

/* What holds of every accepted head. */
static void
check_accepted(const char *name, const struct outcome *o, size_t len)
{
    const struct hs_request *r = &o->r;
    if (r->size > len || !inside(o, r->method) || !inside(o, r->target) || !inside(o, r->path) || !inside(o, r->query) || !inside(o, r->host)) {
        fail_msg("%s: a slice is outside the head", name);
    }
    assert_true(r->nfields <= HS_MAX_FIELDS);
    assert_true(r->content_length >= -1 && !(r->chunked && r->content_length >= 0));
    assert_memory_equal(r->base + r->size - 2, "\r\n", 2);
    for (unsigned i = 0; i < r->nfields; i++) {
        const struct hs_field *f = &r->fields[i];
        assert_true(inside(o, (struct hs_slice){ f->name_off, f->name_len }) && inside(o, (struct hs_slice){ f->value_off, f->value_len }));
        assert_int_equal(f->id, hs_field_lookup(hs_field_name(r, f)));
        assert_true(f->name_len > 0);
        for (unsigned k = 0; k < f->value_len; k++) {
            assert_true(hs_ascii_is_field_vchar(r->base[f->value_off + k]));
        }
    }
}

static void
assert_same_head(const char *name, const struct outcome *a, const struct outcome *b)
{
    struct hs_request ra = a->r, rb = b->r;
    ra.base = rb.base = NULL;
    ra.fields = rb.fields = NULL;
    if (ra.size != rb.size || memcmp(&ra.method, &rb.method, sizeof ra.method) != 0 || memcmp(&ra.target, &rb.target, sizeof ra.target) != 0 ||
        memcmp(&ra.path, &rb.path, sizeof ra.path) != 0 || memcmp(&ra.query, &rb.query, sizeof ra.query) != 0 ||
        memcmp(&ra.host, &rb.host, sizeof ra.host) != 0 || ra.method_id != rb.method_id || ra.target_form != rb.target_form ||
        ra.version_minor != rb.version_minor || ra.has_query != rb.has_query || ra.chunked != rb.chunked ||
        ra.keep_alive != rb.keep_alive || ra.expect_continue != rb.expect_continue || ra.upgrade != rb.upgrade ||
        ra.plain_path != rb.plain_path || ra.nfields != rb.nfields || ra.content_length != rb.content_length ||
        memcmp(a->fields, b->fields, ra.nfields * sizeof *a->fields) != 0) {
        fail_msg("%s: two readings of one head", name);
    }
}

/* Every prefix, each looked at for the first time: nothing is decided that the whole does not confirm. */
static void
check_prefixes(parse_function *f, const char *name, const char *bytes, size_t len, const struct outcome *whole,
               const struct hs_head_limits *limits)
{
    static struct outcome o;
    size_t step = len > 2000 ? len / 500 : 1;
    bool refused = false;
    for (size_t k = 0; k < len; k += k < 64 || len - k < 64 ? 1 : step) {
        parse(f, &o, bytes, k, 0, limits, (unsigned)k);
        int status = status_of(&o);
        if (status == 200 && (status_of(whole) != 200 || k < whole->r.size)) {
            fail_msg("%s: done after %zu bytes", name, k);
        }
        if (status != 0 && status != status_of(whole)) {
            fail_msg("%s: %d after %zu bytes, %d in the end (%s)", name, status, k, status_of(whole), o.why.reason);
        }
        if (status == 0 && (refused || (status_of(whole) == 200 && k >= whole->r.size))) {
            fail_msg("%s: wants more than %zu bytes", name, k);
        }
        if (status == 200) {
            assert_same_head(name, &o, whole);
        }
        refused = refused || (status != 0 && status != 200);
    }
}

/* The head as it arrives in pieces: what was seen is not looked at again. */
static void
check_pieces(parse_function *f, const char *name, const char *bytes, size_t len, size_t piece, const struct outcome *whole,
             const struct hs_head_limits *limits)
{
    static struct outcome o;
    size_t seen = 0;
    do {
        size_t k = len - seen < piece ? len : seen + piece;
        parse(f, &o, bytes, k, seen, limits, (unsigned)k);
        if (o.result == HS_PARSE_DONE && whole->result == HS_PARSE_DONE && (k < whole->r.size || k - whole->r.size >= piece)) {
            fail_msg("%s: in pieces of %zu done after %zu bytes", name, piece, k);
        }
        seen = k;
    } while (o.result == HS_PARSE_MORE && seen < len);
    if (status_of(&o) != status_of(whole)) {
        fail_msg("%s: in pieces of %zu %d, whole %d", name, piece, status_of(&o), status_of(whole));
    }
    if (o.result == HS_PARSE_DONE) {
        assert_same_head(name, &o, whole);
    }
}

static void
check_limited(const char *name, const char *bytes, size_t len, int status, const struct hs_head_limits *limits)
{
    static struct outcome whole, other;
    for (size_t i = 0; i < sizeof parsers / sizeof *parsers; i++) {
        parse(parsers[i], &whole, bytes, len, 0, limits, 0);
        if (status_of(&whole) != status) {
            fail_msg("%s: %d, not %d (%s)", name, status_of(&whole), status, whole.result == HS_PARSE_REFUSED ? whole.why.reason : "-");
        }
        if (whole.result == HS_PARSE_REFUSED) {
            assert_non_null(whole.why.reason);
        } else if (whole.result == HS_PARSE_DONE) {
            check_accepted(name, &whole, len);
        }
        for (unsigned pad = 1; pad < PADS; pad++) {
            parse(parsers[i], &other, bytes, len, 0, limits, pad);
            assert_int_equal(status_of(&other), status_of(&whole));
            if (whole.result == HS_PARSE_DONE) {
                assert_same_head(name, &other, &whole);
            }
        }
        check_prefixes(parsers[i], name, bytes, len, &whole, limits);
        for (size_t piece = 1; piece < 40 && len < 2000; piece += piece < 4 ? 1 : 12) {
            check_pieces(parsers[i], name, bytes, len, piece, &whole, limits);
        }
        check_pieces(parsers[i], name, bytes, len, 997, &whole, limits);
    }
}

static void
check(const char *name, const char *bytes, size_t len, int status)
{
    check_limited(name, bytes, len, status, &defaults);
}

static void
check_table(const struct request_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check(cases[i].name, cases[i].bytes, cases[i].len, cases[i].status);
    }
}
#define CHECK_TABLE(table) check_table((table), sizeof(table) / sizeof *(table))

#endif
