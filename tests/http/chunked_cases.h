/* chunked_cases.h - chunked bodies, what they carry and where they end, one table for each row of the threat list.
 * A status of 200 means that the body is complete, 0 that it is still to go on; anything else that it is refused so. */
#ifndef TESTS_HTTP_CHUNKED_CASES_H
#define TESTS_HTTP_CHUNKED_CASES_H

#include <stddef.h>

struct chunked_case {
    const char *name;
    const char *bytes;
    size_t len;
    int status;
    const char *data;     /* the body decoded, as far as it goes */
    const char *trailers; /* the trailer section */
    size_t rest;          /* bytes that belong to the next message */
};

#define BODY(name, literal, data, trailers, rest) { (name), (literal), sizeof(literal) - 1, 200, (data), (trailers), (rest) }
#define OPEN(name, literal, data) { (name), (literal), sizeof(literal) - 1, 0, (data), "", 0 }
#define BAD(name, literal, data) { (name), (literal), sizeof(literal) - 1, 400, (data), "", 0 }

static const struct chunked_case chunked_good_cases[] = {
    BODY("empty", "0\r\n\r\n", "", "", 0),
    BODY("one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", "", 0),
    BODY("two chunks", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc", "", 0),
    BODY("hexadecimal", "a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", "0123456789abcdefghij", "", 0),
    BODY("two digits", "1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", "abcdefghijklmnopqrstuvwxyz", "", 0),
    BODY("leading zeros", "0000000000000005\r\nhello\r\n0000\r\n\r\n", "hello", "", 0),
    BODY("data that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n", "", 0),
    BODY("next request", "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n", "x", "", 16),
    BODY("next bytes are CRLF", "0\r\n\r\n\r\n", "", "", 2),
    BODY("trailers", "0\r\nA: b\r\nC:d\r\n\r\n", "", "A: b\r\nC:d\r\n", 0),
    BODY("trailers after data", "1\r\nx\r\n0\r\nX-Sum: 12 34\r\n\r\nrest", "x", "X-Sum: 12 34\r\n", 4),
    OPEN("nothing", "", ""),
    OPEN("half a size", "5", ""),
    OPEN("half the data", "5\r\nhel", "hel"),
    OPEN("no last chunk", "5\r\nhello\r\n", "hello"),
    OPEN("no empty line", "0\r\n", ""),
    OPEN("no end of the trailers", "0\r\nA: b\r\n", ""),
    OPEN("last size of all", "7fffffffffffffff\r\nx", "x"),
};

static const struct chunked_case threat_06_cases[] = {
    BAD("no size", "\r\nhello\r\n0\r\n\r\n", ""), /* taken for 0 by Go, hyper, Mongoose */
    BAD("no size before an extension", ";a=b\r\n\r\n", ""),
    BAD("minus", "-1\r\nx\r\n0\r\n\r\n", ""),
    BAD("plus", "+1\r\nx\r\n0\r\n\r\n", ""), /* hyper, CVE-2021-32714; libevent; Python's int() */
    BAD("0x", "0x1\r\nx\r\n0\r\n\r\n", ""),
    BAD("0X", "0X1\r\nx\r\n0\r\n\r\n", ""),
    BAD("x", "x1\r\nx\r\n0\r\n\r\n", ""),
    BAD("underscore", "1_0\r\n0123456789abcdef\r\n0\r\n\r\n", ""),
    BAD("0_2e", "0_2e\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", ""),
    BAD("blank before", " 1\r\nx\r\n0\r\n\r\n", ""),
    BAD("tab before", "\t1\r\nx\r\n0\r\n\r\n", ""),
    BAD("blank after", "1 \r\nx\r\n0\r\n\r\n", ""), /* padded so by some old servers */
    BAD("tab after", "1\t\r\nx\r\n0\r\n\r\n", ""),
    BAD("blank before an extension", "1 ;a\r\nx\r\n0\r\n\r\n", ""),
    BAD("vertical tab after", "1\v\r\nx\r\n0\r\n\r\n", ""),
    BAD("NUL after", "1\x00\r\nx\r\n0\r\n\r\n", ""),
    BAD("NUL before", "\x00" "1\r\nx\r\n0\r\n\r\n", ""),
    BAD("no digit", "g\r\nx\r\n0\r\n\r\n", ""),
    BAD("letters after", "1z\r\nx\r\n0\r\n\r\n", ""),
    BAD("bytes that nobody checks", "1these-bytes-never-get-validated\r\nZ\r\n0\r\n\r\n", ""), /* Apache Traffic Server */
    BAD("decimal point", "1.0\r\nx\r\n0\r\n\r\n", ""),
    BAD("seventeen digits", "00000000000000001\r\nx\r\n0\r\n\r\n", ""),
    BAD("2^64", "10000000000000000\r\nx\r\n0\r\n\r\n", ""),
    BAD("2^64 - 1", "ffffffffffffffff\r\nx\r\n0\r\n\r\n", ""), /* hyper, CVE-2021-32714 */
    BAD("2^64 - 2", "fffffffffffffffe\r\nx\r\n0\r\n\r\n", ""), /* nginx, CVE-2013-2028 */
    BAD("2^63", "8000000000000000\r\nx\r\n0\r\n\r\n", ""),
    BAD("sixteen digits, first not zero", "1000000000000000f\r\nx\r\n0\r\n\r\n", ""),
    BAD("bare LF", "1\nx\r\n0\r\n\r\n", ""), /* Go, CVE-2025-22871 */
    BAD("bare CR", "1\rx\r\n0\r\n\r\n", ""),
    BAD("CR CR LF", "1\r\r\nx\r\n0\r\n\r\n", ""),
    BAD("CR CR", "5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n", ""), /* llhttp, 2023 */
    BAD("last chunk with a bare LF", "0\n\r\n", ""),
    BAD("no CRLF after the data", "5\r\nhello0\r\n\r\n", "hello"),
    BAD("two other bytes after the data", "5\r\nhelloXX0\r\n\r\n", "hello"), /* Node, CVE-2020-8287's kin; Puma */
    BAD("data longer than its size", "3\r\nhello\r\n0\r\n\r\n", "hel"),
    BAD("data shorter than its size", "7\r\nhello\r\n0\r\n\r\n", "hello\r\n"),
    BAD("LF after the data", "5\r\nhello\n0\r\n\r\n", "hello"), /* HAProxy until 2024 */
    BAD("LF and a byte after the data", "5\r\nhello\nx0\r\n\r\n", "hello"),
    BAD("another byte and LF after the data", "5\r\nhelloX\n0\r\n\r\n", "hello"),
    BAD("CR and another byte after the data", "5\r\nhello\rX0\r\n\r\n", "hello"),
    BAD("CR after the data", "5\r\nhello\r0\r\n\r\n", "hello"),
    BAD("blank after the data", "5\r\nhello \r\n0\r\n\r\n", "hello"),
    BAD("CRLF twice after the data", "5\r\nhello\r\n\r\n0\r\n\r\n", "hello"), /* OpenLiteSpeed */
    BAD("not a chunk", "INVALID!!!\r\nGET / HTTP/1.1\r\n", ""), /* Cheroot went on after it */
    BAD("a request", "GET / HTTP/1.1\r\n\r\n", ""),
    BAD("quotes", "\"5\"\r\nhello\r\n0\r\n\r\n", ""),
    BAD("second size wrong", "1\r\nx\r\n0x0\r\n\r\n", "x"),
};

static const struct chunked_case threat_07_cases[] = {
    BODY("name", "1;a\r\nx\r\n0\r\n\r\n", "x", "", 0),
    BODY("name and value", "1;a=b\r\nx\r\n0;c=d\r\n\r\n", "x", "", 0),
    BODY("quoted value", "1;a=\"b;\\\" c\"\r\nx\r\n0\r\n\r\n", "x", "", 0),
    BODY("empty quoted value", "1;a=\"\"\r\nx\r\n0\r\n\r\n", "x", "", 0),
    BODY("several", "1;a;b=c;d=\"e\";f\r\nx\r\n0\r\n\r\n", "x", "", 0),
    BODY("blanks where the grammar has them", "1; a = b ; c ;d=\t\"e\" ;f\r\nx\r\n0\r\n\r\n", "x", "", 0),
    BODY("quoted UTF-8", "1;a=\"\xC3\xA4\"\r\nx\r\n0\r\n\r\n", "x", "", 0),
    BAD("nothing after the semicolon", "1;\r\nx\r\n0\r\n\r\n", ""), /* Node, CVE-2021-22960 */
    BAD("two semicolons", "1;;a\r\nx\r\n0\r\n\r\n", ""),
    BAD("semicolon at the end", "1;a;\r\nx\r\n0\r\n\r\n", ""),
    BAD("no name", "1;=b\r\nx\r\n0\r\n\r\n", ""),
    BAD("no value", "1;a=\r\nx\r\n0\r\n\r\n", ""),
    BAD("two equals", "1;a==b\r\nx\r\n0\r\n\r\n", ""),
    BAD("blank at the end", "1;a \r\nx\r\n0\r\n\r\n", ""),
    BAD("blank after a value at the end", "1;a=b \r\nx\r\n0\r\n\r\n", ""),
    BAD("two names", "1;a b\r\nx\r\n0\r\n\r\n", ""),
    BAD("two values", "1;a=b c\r\nx\r\n0\r\n\r\n", ""),
    BAD("quoted name", "1;\"a\"\r\nx\r\n0\r\n\r\n", ""),
    BAD("bytes after the quotes", "1;a=\"b\"c\r\nx\r\n0\r\n\r\n", ""),
    BAD("open quotes", "1;a=\"b\r\nx\r\n0\r\n\r\n", ""),
    BAD("LF in it", "1;a\nx\r\n0\r\n\r\n", ""), /* Kestrel, CVE-2025-55315; aiohttp, fasthttp */
    BAD("LF after the semicolon", "2;\nxx\r\n4c\r\n0\r\n\r\n", ""),
    BAD("CR in it", "1;a\rb\r\nx\r\n0\r\n\r\n", ""),
    BAD("CR CR LF", "41;a=b\r\r\nx", ""),
    BAD("CR CR", "41;a=b\r\rXXXXXXXXXXXXXXXX", ""), /* Akamai, Google, ATS: CR among the blanks */
    BAD("LF in quotes", "1;a=\"\n\"\r\nx\r\n0\r\n\r\n", ""),
    BAD("CRLF in quotes", "1;a=\"\r\n\"\r\nx\r\n0\r\n\r\n", ""),
    BAD("escaped LF", "1;a=\"\\\n\"\r\nx\r\n0\r\n\r\n", ""),
    BAD("NUL in it", "1;a\x00\r\nx\r\n0\r\n\r\n", ""),
    BAD("control byte in it", "1;a=\x01\r\nx\r\n0\r\n\r\n", ""),
    BAD("byte above ASCII in it", "1;a=\xFF\r\nx\r\n0\r\n\r\n", ""),
    BAD("separator in it", "1;a=(b)\r\nx\r\n0\r\n\r\n", ""),
    BAD("colon for a semicolon", "1:a\r\nx\r\n0\r\n\r\n", ""),
    BAD("comma for a semicolon", "1,a\r\nx\r\n0\r\n\r\n", ""),
};

static const struct chunked_case threat_14_framing_cases[] = {
    BAD("bare LF ends the body", "0\r\n\n", ""),
    BAD("bare CR ends the body", "0\r\n\rX", ""),
    BAD("two other bytes end the body", "0\r\nXXGET / HTTP/1.1\r\n\x01", ""),
    BAD("folded", "0\r\n A: b\r\n\r\n", ""),
    BAD("folded by a tab", "0\r\nA: b\r\n\tc\r\n\r\n", ""),
    BAD("bare LF after a line", "0\r\nA: b\n\r\n", ""),
    BAD("bare CR after a line", "0\r\nA: b\rC: d\r\n\r\n", ""),
    BAD("CR CR LF", "0\r\nA: b\r\r\n\r\n", ""),
    BAD("NUL in a line", "0\r\nA: \x00\r\n\r\n", ""),
    BAD("control byte in a line", "0\r\nA\x01: b\r\n\r\n", ""),
    BAD("no name", "0\r\n: b\r\n\r\n", ""),
    BAD("byte above ASCII first", "0\r\n\xFF: b\r\n\r\n", ""),
};

#endif
