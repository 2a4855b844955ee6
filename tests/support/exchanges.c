/* exchanges.c - whole exchanges and what is to come of them; see handlers.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "handlers.h"
#include "reply.h"

#define H "Host: a\r\n"
#define END H "Connection: close\r\n\r\n"

const struct exchange exchanges[] = {
    { "get", "GET /hello HTTP/1.1\r\n" END, "200 Hello." },
    { "keep-alive", "GET /hello HTTP/1.1\r\n" H "\r\n", "200 Hello" },
    { "pipelined", "GET /hello HTTP/1.1\r\n" H "\r\nGET /memory HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" END,
      "200 Hello|200 from memory|200 Hello." },
    { "behind a late one", "GET /late HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" END, "200 late|200 Hello." },
    { "head", "HEAD /hello HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" END, "200 |200 Hello." },
    { "head of a stream", "HEAD /generator HTTP/1.1\r\n" H "\r\nHEAD /file HTTP/1.1\r\n" END, "200 |200 ." },
    { "1.0", "GET /hello HTTP/1.0\r\n\r\n", "200 Hello." },
    { "1.0 keep-alive", "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n", "200 Hello|200 Hello." },
    { "1.0 without length", "GET /parts HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200 one,two,three." },
    { "parts", "GET /parts HTTP/1.1\r\n" END, "200* one,two,three." },
    { "file", "GET /file HTTP/1.1\r\n" END, "200 abcdefghijklmnopqrstuvwxyz." },
    { "generator", "GET /generator HTTP/1.1\r\n" END, "200* alpha beta gamma." },
    { "io that fails at once", "GET /broken HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" END, "500 Internal Server Error\n|200 Hello." },
    { "io that fails late", "GET /broken?late HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" END, "200* some~" },
    { "not found", "GET /none HTTP/1.1\r\n" H "\r\nPOST /hello HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nxxGET /hello HTTP/1.1\r\n" END,
      "404 Not Found\n|405 Method Not Allowed\n|200 Hello." },
    { "options *", "OPTIONS * HTTP/1.1\r\n" END, "204 ." },
    { "collect", "POST /collect HTTP/1.1\r\nContent-Length: 11\r\n" END "hello world", "200 hello world." },
    { "collect chunked", "POST /collect HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
      "200 hello world." },
    { "collect nothing", "POST /collect HTTP/1.1\r\nContent-Length: 0\r\n" END, "200 ." },
    { "stream", "POST /stream HTTP/1.1\r\nContent-Length: 11\r\n" END "hello world", "200 HELLO WORLD." },
    { "stream chunked", "POST /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
      "200 HELLO WORLD." },
    { "echo", "POST /echo HTTP/1.1\r\nContent-Length: 11\r\n" H "\r\nhello worldGET /hello HTTP/1.1\r\n" END,
      "200* hello world|200 Hello." },
    { "spool", "POST /spool HTTP/1.1\r\nContent-Length: 11\r\n" H "\r\nhello worldGET /hello HTTP/1.1\r\n" END,
      "200 hello world|200 Hello." },
    { "trailers", "POST /trailers HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END "2\r\nab\r\n0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n",
      "200 ab;X-One=1;X-Two=2." },
    { "two bodies", "POST /collect HTTP/1.1\r\nContent-Length: 3\r\n" H "\r\nonePOST /collect HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H
      "\r\n3\r\ntwo\r\n0\r\n\r\nPOST /stream HTTP/1.1\r\nContent-Length: 5\r\n" END "three", "200 one|200 two|200 THREE." },
    { "body that nobody reads", "POST /ignore HTTP/1.1\r\nContent-Length: 5\r\n" H "\r\nhelloGET /hello HTTP/1.1\r\n" END,
      "200 ignored|200 Hello." },
    { "body of a GET", "GET /hello HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H "\r\n19\r\nGET /stuck HTTP/1.1\r\n\r\n\r\n\r\n0\r\n\r\n"
      "GET /hello HTTP/1.1\r\n" END, "200 Hello|200 Hello." },
    { "garbage", "GET /hello HTTP/1.1\r\n" H "\r\nGARBAGE\r\n\r\nGET /hello HTTP/1.1\r\n" END, "200 Hello|400 Bad Request\n." },
    { "bad chunk", "POST /collect HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n", "400 Bad Request\n." },
};
const size_t n_exchanges = sizeof exchanges / sizeof *exchanges;

/* Whether the index-th request is a HEAD. Bodies of the requests above hold no line that starts so. */
static bool
is_head(const char *requests, unsigned index)
{
    static const char *const methods[] = { "GET ", "HEAD ", "POST ", "OPTIONS " };

    for (const char *p = requests; (p = strstr(p, " HTTP/1.")) != NULL; p += 8) {
        if (index-- > 0) {
            continue;
        }
        while (p > requests && p[-1] != '\n') {
            p--;
        }
        for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) { /* right behind a body without a line end */
            const char *m = strstr(p, methods[i]);
            if (m && m < strstr(p, " HTTP/1.")) {
                return methods[i][0] == 'H';
            }
        }
    }
    return false;
}

static void
put(struct hs_buf *out, const char *p, size_t n)
{
    assert_int_equal(hs_buf_append(out, p, n), 0);
}

static void
tell(const char *requests, const struct rig_client *c, struct hs_buf *out, bool heads)
{
    size_t at = 0;

    hs_buf_clear(out);
    for (unsigned i = 0; at < c->in.len; i++) {
        struct reply r;
        bool whole = reply_parse(&r, c->in.p + at, c->in.len - at, is_head(requests, i));
        if (!whole) {
            put(out, c->in.p + at, c->in.len - at);
            put(out, "~", 1);
            break;
        }
        if (i && !heads) {
            put(out, "|", 1);
        }
        if (heads) {
            put(out, r.head, strlen(r.head));
        } else {
            assert_int_equal(hs_buf_printf(out, r.end == REPLY_CHUNKED ? "%d* " : "%d ", r.status), 0);
        }
        put(out, r.body.p, r.body.len);
        at += r.size;
        bool done = r.complete || (r.end == REPLY_CLOSE && c->eof);
        i -= r.status < 200;
        reply_free(&r);
        if (!done) {
            put(out, "~", 1);
            break;
        }
    }
    if ((c->eof || c->reset) && (out->len == 0 || out->p[out->len - 1] != '~')) {
        put(out, c->eof ? "." : "!", 1);
    }
    put(out, "", 1);
    out->len--;
}

void
exchange_result(const char *requests, const struct rig_client *c, struct hs_buf *out)
{
    tell(requests, c, out, false);
}

void
exchange_transcript(const char *requests, const struct rig_client *c, struct hs_buf *out)
{
    tell(requests, c, out, true);
}
