/* reply.c - takes responses apart for tests; see reply.h. */
#include "reply.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

/* The line of a field from p on, NULL when there is none. */
static const char *
find(const char *p, const char *name)
{
    size_t n = strlen(name);

    while ((p = strstr(p, "\r\n")) != NULL) {
        p += 2;
        if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
            return p;
        }
    }
    return NULL;
}

unsigned
reply_count(const struct reply *r, const char *name)
{
    unsigned count = 0;

    for (const char *p = r->head; (p = find(p, name)) != NULL; count++) {
    }
    return count;
}

const char *
reply_field(const struct reply *r, const char *name)
{
    static char value[8192];
    const char *p = find(r->head, name);

    if (!p) {
        return "";
    }
    assert_int_equal(reply_count(r, name), 1);
    p += strlen(name) + 1;
    assert_int_equal(*p, ' ');
    p++;
    size_t n = strcspn(p, "\r");
    memcpy(value, p, n);
    value[n] = '\0';
    return value;
}

static void
add(struct reply *r, const char *p, size_t n)
{
    assert_int_equal(hs_buf_append(&r->body, p, n), 0);
}

/* p[0..n): size lines and data, as they came. Returns how many bytes belong to the body. */
static size_t
take_chunks(struct reply *r, const char *p, size_t n)
{
    size_t at = 0;

    for (;;) {
        const char *eol = memchr(p + at, '\n', n - at);
        char *end;
        if (!eol) {
            return n;
        }
        assert_true(isxdigit((unsigned char)p[at]));
        unsigned long long size = strtoull(p + at, &end, 16);
        assert_int_equal(*end, '\r');
        assert_ptr_equal(end + 1, eol);
        at = (size_t)(eol + 1 - p);
        if (size == 0) {
            if (n - at < 2) {
                return n;
            }
            assert_memory_equal(p + at, "\r\n", 2);
            r->complete = true;
            return at + 2;
        }
        size_t have = n - at < size ? n - at : (size_t)size;
        add(r, p + at, have);
        at += have;
        if (n - at < 2) {
            return n;
        }
        assert_memory_equal(p + at, "\r\n", 2);
        at += 2;
    }
}

static void
take_body(struct reply *r, const char *p, size_t n)
{
    switch (r->end) {
    case REPLY_NONE:
        r->complete = true;
        n = 0;
        break;
    case REPLY_CLOSE: add(r, p, n); break;
    case REPLY_CHUNKED: n = take_chunks(r, p, n); break;
    case REPLY_LENGTH:
        r->complete = (unsigned long long)n >= (unsigned long long)r->length;
        n = r->complete ? (size_t)r->length : n;
        add(r, p, n);
        break;
    }
    r->size += n;
    add(r, "", 1);
    r->body.len--;
}

bool
reply_parse(struct reply *r, const char *p, size_t n, bool head)
{
    const char *end = n ? memmem(p, n, "\r\n\r\n", 4) : NULL;
    size_t size;

    memset(r, 0, sizeof *r);
    hs_buf_init(&r->body, SIZE_MAX / 4);
    r->length = -1;
    if (!end) {
        return false;
    }
    size = (size_t)(end - p) + 4;
    assert_true(size < sizeof r->head);
    memcpy(r->head, p, size);
    assert_int_equal(memcmp(p, "HTTP/1.1 ", 9), 0);
    r->status = atoi(p + 9);
    assert_true(r->status >= 100 && r->status <= 599 && p[12] == ' ');
    r->size = size;
    r->close = strcasecmp(reply_field(r, "Connection"), "close") == 0;
    bool chunked = reply_count(r, "Transfer-Encoding") != 0;
    if (reply_count(r, "Content-Length")) {
        r->length = atoll(reply_field(r, "Content-Length"));
        assert_false(chunked);
    }
    if (chunked) {
        assert_string_equal(reply_field(r, "Transfer-Encoding"), "chunked");
    }
    if (head || r->status < 200 || r->status == 204 || r->status == 304) {
        r->end = REPLY_NONE;
    } else {
        r->end = chunked ? REPLY_CHUNKED : r->length >= 0 ? REPLY_LENGTH : REPLY_CLOSE;
    }
    take_body(r, p + size, n - size);
    return true;
}

void
reply_free(struct reply *r)
{
    hs_buf_fini(&r->body);
}
