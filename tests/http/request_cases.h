/* request_cases.h - request heads and what becomes of them, one table for each row of the threat list.
 * Much of it is what other servers and proxies have got wrong: see the comments. A status of 200 means that the head is accepted. */
#ifndef TESTS_HTTP_REQUEST_CASES_H
#define TESTS_HTTP_REQUEST_CASES_H

#include <stddef.h>

struct request_case {
    const char *name;
    const char *bytes;
    size_t len;
    int status;
};

#define CASE(name, literal, status) { (name), (literal), sizeof(literal) - 1, (status) }
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define END "\r\n\r\n"
#define LENGTH(name, value, status) CASE("Content-Length " name, POST "Content-Length:" value END, status)
#define CODING(name, value, status) CASE("Transfer-Encoding " name, POST "Transfer-Encoding:" value END, status)
#define HOST(value, status) CASE("Host " value, "GET / HTTP/1.1\r\nHost:" value END, status)
#define LINE(line, status) CASE(line, line "\r\nHost: a" END, status)

static const struct request_case accepted_cases[] = {
    CASE("short", GET "\r\n", 200),
    CASE("no blank after the colon", "GET / HTTP/1.1\r\nHost:a" END, 200),
    CASE("blanks around a value", "GET / HTTP/1.1\r\nHost: \t a \t \r\nX:\t\t" END, 200),
    CASE("empty value", GET "X:\r\nY: " END, 200),
    CASE("value in UTF-8", GET "X: \xC3\xA4\xE2\x82\xAC" END, 200),
    CASE("value in Latin-1", GET "X: \xE4\xFF\x80" END, 200),
    CASE("tab inside a value", GET "X: a\tb" END, 200),
    CASE("every token byte in a name", GET "!#$%&'*+-.^_`|~09azAZ: x" END, 200),
    CASE("one CRLF before", "\r\n" GET "\r\n", 200),
    CASE("two CRLF before", "\r\n\r\n" GET "\r\n", 200),
    CASE("method of an extension", "M-SEARCH / HTTP/1.1\r\nHost: a" END, 200),
    CASE("unknown method", "FROB / HTTP/1.1\r\nHost: a" END, 200),
    CASE("method in lower case is another method", "get / HTTP/1.1\r\nHost: a" END, 200),
    CASE("underscore is no hyphen", POST "Content_Length: 5\r\nTransfer_Encoding: chunked" END, 200),
    CASE("target as browsers send it", "GET /a[b]|c{d}^`?x=[1]|{2}\\&y='z' HTTP/1.1\r\nHost: a" END, 200),
    CASE("HTTP/1.0 without Host", "GET / HTTP/1.0" END, 200),
    CASE("HTTP/1.0 with empty Host", "GET / HTTP/1.0\r\nHost:" END, 200),
    CASE("pipelined", GET "\r\n" GET "\r\n", 200),
    CASE("body follows", POST "Content-Length: 5" END "hello", 200),
    CASE("garbage follows", GET "\r\n\x00\xFF\n\n", 200),
    CASE("GET with a body", GET "Content-Length: 5" END, 200),
    CASE("name of sixteen bytes", GET "X-Sixteen-Bytes_: y" END, 200),
    CASE("long odd name", GET "X-A-Very-Long-Name-With-An_Underscore.In.It: y" END, 200),
};

static const struct request_case threat_01_cases[] = {
    CASE("CL.TE", POST "Content-Length: 13\r\nTransfer-Encoding: chunked" END "0\r\n\r\nSMUGGLED", 400),
    CASE("TE.CL", POST "Transfer-Encoding: chunked\r\nContent-Length: 4" END "5c\r\nGPOST / HTTP/1.1\r\n", 400),
    CASE("CL.0 and TE", POST "Content-Length: 0\r\nTransfer-Encoding: chunked" END, 400),
    CASE("other case", POST "content-length: 4\r\nTRANSFER-ENCODING: CHUNKED" END, 400),
    CASE("bad coding and length", POST "Transfer-Encoding: ,chunked\r\nContent-Length: 5" END, 400),
    CASE("real coding and length", POST "Transfer-Encoding: gzip\r\nContent-Length: 5" END, 400),
    CASE("unknown coding and length", POST "Transfer-Encoding: blegh\r\nContent-Length: 5" END, 400),
    CASE("fields between", POST "Content-Length: 5\r\nX: y\r\nTransfer-Encoding: chunked" END, 400),
    CASE("with Connection: close", POST "Connection: close\r\nContent-Length: 6\r\nTransfer-Encoding: chunked" END, 400),
    CASE("empty length", POST "Content-Length:\r\nTransfer-Encoding: chunked" END, 400),
    CASE("empty coding", POST "Content-Length: 5\r\nTransfer-Encoding:" END, 400),
};

static const struct request_case threat_02_cases[] = {
    CASE("equal", POST "Content-Length: 5\r\nContent-Length: 5" END, 400),
    CASE("different", POST "Content-Length: 0\r\nContent-Length: 44" END, 400),
    CASE("other case", POST "content-length: 5\r\nCONTENT-LENGTH: 5" END, 400),
    CASE("first empty", POST "Content-Length:\r\nContent-Length: 43" END, 400), /* HAProxy, CVE-2023-40225 */
    CASE("second empty", POST "Content-Length: 43\r\nContent-Length:" END, 400),
    CASE("three", POST "Content-Length: 5\r\nX: y\r\nContent-Length: 5\r\nContent-Length: 5" END, 400),
    LENGTH("list of equals", " 5, 5", 400),
    LENGTH("list", " 5,6", 400),
    LENGTH("list of three", " 5,5,5", 400),
    LENGTH("comma at the end", " 5,", 400),
    LENGTH("comma at the start", " ,5", 400),
};

static const struct request_case threat_03_cases[] = {
    LENGTH("negative", " -5", 400), /* an endless loop in Mongoose, CVE-2023-34188 */
    LENGTH("negative zero", " -0", 400),
    LENGTH("with a plus", " +5", 400), /* hyper, CVE-2021-32715 */
    LENGTH("hexadecimal", " 0x5", 400),
    LENGTH("exponent", " 5e0", 400),
    LENGTH("fraction", " 5.0", 400),
    LENGTH("empty", "", 400),
    LENGTH("blank", " ", 400),
    LENGTH("blanks", " \t ", 400),
    LENGTH("NUL", " \x00", 400),
    LENGTH("NUL after", " 5\x00", 400),
    LENGTH("bytes after", " 5 x", 400),
    LENGTH("letter after", " 1Z", 400),
    LENGTH("two numbers", " 5 5", 400),
    LENGTH("underscore", " 1_0", 400), /* Python's int() */
    LENGTH("binary", " 0b1", 400),
    LENGTH("octal", " 0o7", 400),
    LENGTH("semicolon", " 5;", 400),
    LENGTH("quoted", " \"5\"", 400),
    LENGTH("vertical tab", "\v5", 400),
    LENGTH("no-break space", " 5\xA0", 400), /* stripped by Tornado and Waitress */
    LENGTH("Arabic digit", " \xD9\xA5", 400),
    LENGTH("full-width digit", " \xEF\xBC\x95", 400),
    LENGTH("not a number", " five", 400),
    LENGTH("2^63", " 9223372036854775808", 400),
    LENGTH("2^64", " 18446744073709551616", 400),
    LENGTH("2^64 + 5", " 18446744073709551621", 400),
    LENGTH("twenty digits", " 00000000000000000005", 400),
    LENGTH("a hundred digits", " 1000000000100000000010000000001000000000100000000010000000001000000000100000000010000000001000000000",
           400),
    LENGTH("bare CR after", " 5\r", 400),
    LENGTH("folded", "\r\n 5", 400),
    CASE("blank before the colon", POST "Content-Length : 5" END, 400),
    CASE("no colon", POST "Content-Length 10" END, 400),     /* Mongoose */
    CASE("byte after the name", POST "Content-Length\x85: 10" END, 400), /* stripped by Gunicorn */
    LENGTH("most that there is", " 9223372036854775807", 200),
    LENGTH("zero", " 0", 200),
    LENGTH("two zeros", " 00", 200),
    LENGTH("no blank", "5", 200),
};

static const struct request_case threat_05_cases[] = {
    CODING("plain", " chunked", 200),
    CODING("capital", " Chunked", 200),
    CODING("capitals", " CHUNKED", 200),
    CODING("no blank", "chunked", 200),
    CODING("in HTTP/1.1 after other fields", " chunked\r\nX: y", 200),
    CODING("gzip", " gzip", 501),
    CODING("gzip, chunked", " gzip, chunked", 501),
    CODING("deflate,chunked", " deflate,chunked", 501),
    CODING("compress", " compress", 501),
    CODING("x-gzip", " x-gzip", 501),
    CODING("GZIP, Chunked", " GZIP, Chunked", 501),
    CODING("identity", " identity", 400),
    CODING("identity, chunked", " identity, chunked", 400),
    CODING("chunked, identity", " chunked, identity", 400), /* HAProxy, Waitress */
    CODING("chunked, gzip", " chunked, gzip", 400),
    CODING("chunked, chunked", " chunked, chunked", 400), /* Tornado */
    CODING("gzip;q=1, chunked", " gzip;q=1, chunked", 400),
    CODING("x", " x", 400),
    CODING("xchunked", " xchunked", 400),
    CODING("chunkedx", " chunkedx", 400),
    CODING("chunk", " chunk", 400),
    CODING("cow", " cow", 400), /* the value of the first published desync attacks */
    CODING("unknown", " blegh", 400), /* fasthttp took every unknown coding for chunked */
    CODING("trailers", " trailers", 400),
    CODING("empty", "", 400),
    CODING("blank", " ", 400),
    CODING("comma before", " ,chunked", 400), /* nghttpx, Gunicorn, Mongoose */
    CODING("comma and blank before", " , chunked", 400),
    CODING("comma after", " chunked,", 400),
    CODING("comma and blank after", " chunked, ", 400),
    CODING("only a comma", " ,", 400),
    CODING("parameter", " chunked;a=b", 400),
    CODING("parameter with blanks", " chunked ; a", 400),
    CODING("quoted", " \"chunked\"", 400),
    CODING("single quotes", " 'chunked'", 400),
    CODING("NUL before", " \x00" "chunked", 400),
    CODING("NUL inside", " chun\x00ked", 400),
    CODING("NUL after", " chunked\x00", 400),
    CODING("vertical tab", "\x0B" "chunked", 400), /* Node, CVE-2019-15605 */
    CODING("form feed", " chunked\x0C", 400),
    CODING("backspace", " chunked\x08", 400),
    CODING("no-break space before", " \xA0" "chunked", 400),
    CODING("next line after", " chunked\x85", 400),
    CODING("0xFF around", "\xFF" "chunked\xFF", 400), /* Bun */
    CODING("dotless", " chun\xC4\xB8" "ed", 400), /* U+212A and friends fold to ASCII in some languages */
    CODING("Kelvin sign", " chun\xE2\x84\xAA" "ed", 400),
    CODING("blank inside", " chun ked", 400),
    CODING("tab before", "\tchunked", 400),
    CODING("blank and tab before", " \tchunked", 400),
    CODING("two blanks before", "  chunked", 400),
    CODING("blank after", " chunked ", 400),
    CODING("tab after", " chunked\t", 400),
    CODING("folded", "\r\n chunked", 400), /* Node, CVE-2022-32215 */
    CODING("folded after", " chunked\r\n , identity", 400),
    CODING("bare LF before", "\nchunked", 400),
    CODING("bare LF after", " chunked\n", 400),
    CODING("bare CR before", "\rchunked", 400),
    CODING("bare CR after", " chunked\r", 400),
    CASE("blank before the colon", POST "Transfer-Encoding : chunked" END, 400), /* Node, CVE-2021-22959; nginx, 2015 */
    CASE("tab before the colon", POST "Transfer-Encoding\t: chunked" END, 400),
    CASE("blank before the name", POST " Transfer-Encoding: chunked" END, 400),
    CASE("blank before the name of the first field", "POST / HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a" END, 400),
    CASE("name over two lines", POST "Transfer-\r\nEncoding: chunked" END, 400), /* Passenger */
    CASE("hidden behind a CR", POST "X-Abc: \rxTransfer-Encoding: chunked" END, 400), /* llhttp, CVE-2023-30589 */
    CASE("hidden behind a LF", POST "X: y\nTransfer-Encoding: chunked" END, 400),
    CASE("hidden behind LF LF", POST "X: y\n\nTransfer-Encoding: chunked" END, 400),
    CASE("NUL in the name", POST "Transfer\x00-Encoding: chunked" END, 400),
    CASE("byte after the name", POST "Transfer-Encoding\xA0: chunked" END, 400),
    CASE("two", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" END, 400), /* Tornado, GHSA-753j-mpmx-qq6g */
    CASE("two, first identity", POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked" END, 400),
    CASE("two, second cow", POST "Transfer-Encoding: chunked\r\nTransfer-encoding: cow" END, 400),
    CASE("two, first gzip", POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked" END, 400),
    CASE("HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked" END, 400),
    CASE("HTTP/1.0, keep-alive", "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked" END, 400),
    CASE("HTTP/1.0, gzip", "POST / HTTP/1.0\r\nTransfer-Encoding: gzip" END, 400),
};

static const struct request_case threat_08_cases[] = {
    CASE("bare LF after the request line", "GET / HTTP/1.1\nHost: a" END, 400), /* llhttp, lighttpd and many more */
    CASE("bare LF after the target", "GET /\nHTTP/1.1\r\nHost: a" END, 400),
    CASE("bare LF after a field", "GET / HTTP/1.1\r\nHost: a\nX: y" END, 400),
    CASE("bare LF for the empty line", GET "\n", 400),
    CASE("only bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400),
    CASE("bare LF after the last field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    CASE("bare LF first", "\nGET / HTTP/1.1\r\nHost: a" END, 400),
    CASE("bare CR first", "\rGET / HTTP/1.1\r\nHost: a" END, 400),
    CASE("bare CR after the request line", "GET / HTTP/1.1\rHost: a" END, 400),
    CASE("bare CR in a value", GET "X: a\rb" END, 400),
    CASE("bare CR for CRLF", "GET / HTTP/1.1\r\nHost: a\rX: y" END, 400), /* CPython, Mongoose */
    CASE("CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
    CASE("CR CR LF for the empty line", GET "\r\r\n", 400),
    CASE("CR and another byte for the empty line", GET "\rZGET /evil: HTTP/1.1\r\nHost: a" END, 400), /* llhttp, 2023 */
    CASE("LF CR", "GET / HTTP/1.1\n\rHost: a\n\r\n\r", 400),
    CASE("folded by a blank", GET "X: a\r\n b" END, 400),
    CASE("folded by a tab", GET "X: a\r\n\tb" END, 400),
    CASE("folded empty line", GET "X: a\r\n \r\n\r\n", 400),
    CASE("folded request line", "GET / HTTP/1.1\r\n X: y\r\nHost: a" END, 400), /* aiohttp */
    CASE("blank before the colon", GET "X : y" END, 400),
    CASE("tab before the colon", GET "X\t: y" END, 400),
    CASE("blank in a name", GET "X Y: z" END, 400),
    CASE("no colon", GET "X" END, 400),
    CASE("no colon, then a field", GET "X\r\nY: z" END, 400),
    CASE("no name", GET ": y" END, 400), /* Go, llhttp, nginx as a proxy */
    CASE("only a colon", GET ":" END, 400), /* Mongoose ended the head there */
    CASE("blank for a name", GET " : y" END, 400),
    CASE("no name in the first field", "GET / HTTP/1.1\r\n: ignored\r\nHost: a" END, 400),
    CASE("three CRLF before", "\r\n\r\n\r\n" GET "\r\n", 400),
    CASE("CR LF CR before", "\r\n\rGET / HTTP/1.1\r\nHost: a" END, 400),
    CASE("blank before", " GET / HTTP/1.1\r\nHost: a" END, 400),
    CASE("LF after the colon", "GET / HTTP/1.1\r\nHost: a\r\nUseless:\n\nGET / HTTP/1.1" END, 400), /* Gunicorn */
};

static const struct request_case threat_09_cases[] = {
    CASE("NUL in the method", "GE\x00T / HTTP/1.1\r\nHost: a" END, 400),
    CASE("NUL for a method", "\x00 / HTTP/1.1\r\nHost: a" END, 400),
    CASE("NUL in the target", "GET /\x00 HTTP/1.1\r\nHost: a" END, 400),
    CASE("NUL in a name", GET "X\x00Y: z" END, 400),
    CASE("NUL in a value", GET "X: y\x00z" END, 400), /* truncated there by libevent, OpenLiteSpeed */
    CASE("NUL at the end of a value", GET "X: y\x00" END, 400),
    CASE("NUL in Host", "GET / HTTP/1.1\r\nHost: a\x00.b" END, 400), /* forwarded by HAProxy until 2024 */
    CASE("separators in the method", "G=\":<>(e),[T];?\" / HTTP/1.1\r\nHost: a" END, 400), /* aiohttp */
    CASE("non-ASCII name", GET "\xEF" "oo: bar" END, 400),
    CASE("name in UTF-8", GET "\xC3\xA4: bar" END, 400),
    CASE("non-ASCII target", "GET /\xC3\xA4 HTTP/1.1\r\nHost: a" END, 400),
    CASE("fragment in the target", "GET /a#b HTTP/1.1\r\nHost: a" END, 400),
    CASE("fragment in the query", "GET /a?b#c HTTP/1.1\r\nHost: a" END, 400),
    CASE("quote in the target", "GET /\"a\" HTTP/1.1\r\nHost: a" END, 400),
    CASE("markup in the target", "GET /<script> HTTP/1.1\r\nHost: a" END, 400),
    CASE("DEL in the target", "GET /a\x7F HTTP/1.1\r\nHost: a" END, 400),
    CASE("DEL in a value", GET "X: y\x7F" END, 400),
    CASE("ESC in a value", GET "X: \x1B[2J" END, 400),
    CASE("TLS on a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03\r\n\r\n", 400),
    CASE("binary", "\x80\x81\x82\xFF\xFE\r\n\r\n", 400),
};

static const struct request_case threat_10_cases[] = {
    CASE("none", "GET / HTTP/1.1" END, 400),
    CASE("none, other fields", "GET / HTTP/1.1\r\nX: y" END, 400),
    CASE("two equal", "GET / HTTP/1.1\r\nHost: a\r\nHost: a" END, 400),
    CASE("two", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b" END, 400),
    CASE("two, first empty", "GET / HTTP/1.1\r\nHost:\r\nHost: b" END, 400),
    CASE("two in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a" END, 400),
    CASE("blank before the colon", "GET / HTTP/1.1\r\nHost : a" END, 400),
    CASE("folded", "GET / HTTP/1.1\r\nHost:\r\n a" END, 400),
    HOST("", 400),
    HOST(" ", 400),
    HOST(" user@a", 400),
    HOST(" user:pass@a", 400),
    HOST(" @a", 400),
    HOST(" a@b:80", 400),
    HOST(" a, b", 400),
    HOST(" a,b", 400),
    HOST(" a b", 400),
    HOST(" a\tb", 400),
    HOST(" a/", 400),
    HOST(" a/b", 400),
    HOST(" a?b", 400),
    HOST(" a#b", 400),
    HOST(" a\\b", 400),
    HOST(" a%62", 400),
    HOST(" a%00", 400),
    HOST(" \xC3\xA4.de", 400),
    HOST(" \xFF" "a\xFF", 400), /* Bun: host of troubles */
    HOST(" a\"", 400),
    HOST(" <a>", 400),
    HOST(" a;b", 400),
    HOST(" a|b", 400),
    HOST(" {a}", 400),
    HOST(" http://a", 400),
    HOST(" .", 400),
    HOST(" .a", 400),
    HOST(" a..b", 400),
    HOST(" a..", 400),
    HOST(" abcdefghijklmno..b", 400),
    HOST(" abcdefghijklmnop..b", 400),
    HOST(" :80", 400),
    HOST(" a:", 400),
    HOST(" a:b", 400),
    HOST(" a:80b", 400),
    HOST(" a:-80", 400),
    HOST(" a:+80", 400),
    HOST(" a:80:80", 400),
    HOST(" a: 80", 400),
    HOST(" a :80", 400),
    HOST(" a:65536", 400),
    HOST(" a:99999", 400),
    HOST(" a:100000", 400),
    HOST(" a:00000080", 400),
    HOST(" a:4294967376", 400),
    HOST(" [::1", 400),
    HOST(" ::1", 400),
    HOST(" []", 400),
    HOST(" [::1]x", 400),
    HOST(" [::1]:", 400),
    HOST(" [::1%25eth0]", 400),
    HOST(" [::1%eth0]", 400),
    HOST(" [v1.x]", 400),
    HOST(" [a]", 400),
    HOST(" [1.2.3.4]", 400),
    HOST(" [::g]", 400),
    HOST(" [::1]:65536", 400),
    HOST(" [1:2:3:4:5:6:7:8:9]", 400),
    HOST(" a", 200),
    HOST(" A.example", 200),
    HOST(" a.example.", 200),
    HOST(" a_b.example", 200),
    HOST(" a-b.example:8080", 200),
    HOST(" xn--nxasmq6b.example", 200),
    HOST(" 127.0.0.1", 200),
    HOST(" 127.0.0.1:0", 200),
    HOST(" 127.0.0.1:65535", 200),
    HOST(" [::1]", 200),
    HOST(" [::ffff:192.0.2.1]:8080", 200),
    HOST("\ta:1\t", 200),
    HOST(" abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz.example:12345", 200),
};

static const struct request_case threat_11_cases[] = {
    CASE("absolute", "GET http://a/ HTTP/1.1\r\nHost: a" END, 200),
    CASE("absolute, no path", "GET http://a HTTP/1.1\r\nHost: a" END, 200),
    CASE("absolute, query only", "GET http://a?b HTTP/1.1\r\nHost: a" END, 200),
    CASE("absolute, other case", "GET HTTP://A.Example/x HTTP/1.1\r\nHost: a.eXAMPLE" END, 200),
    CASE("absolute, port", "GET http://a:8080/ HTTP/1.1\r\nHost: a:8080" END, 200),
    CASE("absolute, default port said", "GET http://a:80/ HTTP/1.1\r\nHost: a" END, 200),
    CASE("absolute, default port of https", "GET https://a/ HTTP/1.1\r\nHost: a:443" END, 200),
    CASE("absolute, HTTP/1.0 without Host", "GET http://a/ HTTP/1.0" END, 200),
    CASE("absolute, IPv6", "GET http://[::1]:80/ HTTP/1.1\r\nHost: [::1]" END, 200),
    CASE("OPTIONS of a host", "OPTIONS http://a HTTP/1.1\r\nHost: a" END, 200),
    CASE("hosts differ", "GET http://a/ HTTP/1.1\r\nHost: b" END, 400),
    CASE("ports differ", "GET http://a:1/ HTTP/1.1\r\nHost: a:2" END, 400),
    CASE("port in one", "GET http://a/ HTTP/1.1\r\nHost: a:81" END, 400),
    CASE("default port of the other scheme", "GET https://a/ HTTP/1.1\r\nHost: a:80" END, 400),
    CASE("host is a prefix", "GET http://ab/ HTTP/1.1\r\nHost: a" END, 400),
    CASE("Host empty", "GET http://a/ HTTP/1.1\r\nHost:" END, 400),
    CASE("Host missing", "GET http://a/ HTTP/1.1" END, 400),
    CASE("Host bad", "GET http://a/ HTTP/1.1\r\nHost: a/" END, 400),
    CASE("userinfo", "GET http://u@a/ HTTP/1.1\r\nHost: a" END, 400),
    CASE("userinfo with a slash", "GET http://b/@a/ HTTP/1.1\r\nHost: a" END, 400),
    CASE("no host", "GET http:///x HTTP/1.1\r\nHost: a" END, 400),
    CASE("no host, empty Host", "GET http:///x HTTP/1.1\r\nHost:" END, 400),
    CASE("only the scheme", "GET http:// HTTP/1.1\r\nHost: a" END, 400),
    CASE("one slash", "GET http:/a HTTP/1.1\r\nHost: a" END, 400),
    CASE("backslash", "GET http://a\\b/ HTTP/1.1\r\nHost: a" END, 400),
    CASE("other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a" END, 400),
    CASE("file scheme", "GET file:///etc/passwd HTTP/1.1\r\nHost: a" END, 400),
    CASE("urn", "GET urn:a:b HTTP/1.1\r\nHost:" END, 400),
    CASE("no slash", "GET a HTTP/1.1\r\nHost: a" END, 400),
    CASE("exclamation mark", "GET ! HTTP/1.1\r\nHost: a" END, 400), /* aiohttp */
    CASE("dots", "GET ../x HTTP/1.1\r\nHost: a" END, 400),
    CASE("query alone", "GET ?x HTTP/1.1\r\nHost: a" END, 400),
    CASE("authority-form", "GET a:80 HTTP/1.1\r\nHost: a:80" END, 400),
    CASE("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443" END, 501),
    CASE("CONNECT of a path", "CONNECT / HTTP/1.1\r\nHost: a" END, 501),
    CASE("CONNECT in HTTP/1.0", "CONNECT a:443 HTTP/1.0" END, 501),
    CASE("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a" END, 200),
    CASE("OPTIONS * with empty Host", "OPTIONS * HTTP/1.1\r\nHost:" END, 200),
    CASE("GET *", "GET * HTTP/1.1\r\nHost: a" END, 400),
    CASE("unknown method *", "FROB * HTTP/1.1\r\nHost: a" END, 400),
    CASE("OPTIONS **", "OPTIONS ** HTTP/1.1\r\nHost: a" END, 400),
    CASE("OPTIONS *?x", "OPTIONS *?x HTTP/1.1\r\nHost: a" END, 400),
};

static const struct request_case threat_12_cases[] = {
    LINE("GET /", 400),
    LINE("GET", 400),
    LINE("GET ", 400),
    LINE("GET  HTTP/1.1", 400),
    LINE("GET HTTP/1.1", 400),
    LINE("GET  / HTTP/1.1", 400),
    LINE("GET /  HTTP/1.1", 400),
    LINE("GET / HTTP/1.1 ", 400),
    LINE("GET / HTTP/1.1\t", 400),
    LINE("GET\t/ HTTP/1.1", 400),
    LINE("GET /\tHTTP/1.1", 400),
    LINE("GET /\x0BHTTP/1.1", 400),
    LINE("GET /a b HTTP/1.1", 400),
    LINE("GET / HTTP/1.1 HTTP/1.1", 400),
    LINE("GET / HTTP/1.11", 400),
    LINE("GET / HTTP/1.32", 400), /* aiohttp: longest valid prefix */
    LINE("GET / HTTP/11.1", 400),
    LINE("GET / HTTP/01.1", 400),
    LINE("GET / HTTP/1.01", 400),
    LINE("GET / HTTP/4294967295.255", 400), /* libevent: overflow */
    LINE("GET / HTTP/1", 400),
    LINE("GET / HTTP/1.", 400),
    LINE("GET / HTTP/.1", 400),
    LINE("GET / HTTP/1,1", 400),
    LINE("GET / HTTP/2", 400),
    LINE("GET / HTTP/x.y", 400),
    LINE("GET / HTTP/-1.1", 400),
    LINE("GET / HTTP/ 1.1", 400),
    LINE("GET / HTTP 1.1", 400),
    LINE("GET / HTTP/1.1\x00", 400),
    LINE("GET / HTTP", 400),
    LINE("GET / HTTP/", 400),
    LINE("GET / http/1.1", 400),
    LINE("GET / Http/1.1", 400),
    LINE("GET / HTTPS/1.1", 400),
    LINE("GET / XTTP/1.1", 400),
    LINE("GET / ICE/1.0", 400),
    LINE("GET / RTSP/1.0", 400),
    LINE("GET / HTTP/0.9", 505),
    LINE("GET / HTTP/9.9", 505),
    LINE("GET / HTTP/2.0", 505),
    LINE("GET / HTTP/3.0", 505),
    LINE("GET / HTTP/1.2", 505),
    LINE("GET / HTTP/1.9", 505),
    CASE("the simple request of HTTP/0.9", "GET /\r\n", 400),
    CASE("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    CASE("PRI in HTTP/1.1", "PRI * HTTP/1.1\r\nHost: a" END, 400),
    CASE("only a version", "HTTP/1.1 200 OK\r\nHost: a" END, 400),
    CASE("CR CR in the version", "GET / HTTP/\r\r1.1\r\nHost: a" END, 400), /* fasthttp */
};

static const struct request_case threat_16_cases[] = {
    CASE("100-continue", POST "Content-Length: 5\r\nExpect: 100-continue" END, 200),
    CASE("100-Continue", POST "Content-Length: 5\r\nEXPECT: 100-Continue" END, 200),
    CASE("without a body", GET "Expect: 100-continue" END, 200),
    CASE("HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue" END, 200),
    CASE("other", POST "Content-Length: 5\r\nExpect: 200-ok" END, 417),
    CASE("empty", POST "Expect:" END, 417),
    CASE("with a parameter", POST "Expect: 100-continue;q=1" END, 417),
    CASE("list", POST "Expect: 100-continue, x" END, 417),
    CASE("list of equals", POST "Expect: 100-continue, 100-continue" END, 417),
    CASE("doubled", POST "Expect: 100-continue\r\nExpect: 100-continue" END, 417),
    CASE("prefix", POST "Expect: 100-continu" END, 417),
    CASE("longer", POST "Expect: 100-continuee" END, 417),
    CASE("bytes around", POST "Expect: y 100-continue" END, 417),
    CASE("HTTP/1.0, other", "POST / HTTP/1.0\r\nExpect: x" END, 417),
};

#endif
