/* access_check.h - readers of access log lines that take nothing but what the formats allow, for tests and the fuzzer. */
#ifndef TESTS_SERVER_ACCESS_CHECK_H
#define TESTS_SERVER_ACCESS_CHECK_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The fields of a combined line, unescaped. */
struct combined {
    char client[1024], user[1024], time[64], request[16384], referer[4096], agent[2048];
    size_t request_len;
    int status;
    unsigned long long bytes;
};

static inline int
hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads up to stop, which must follow, unescaping \xHH; everything else must be printable ASCII and neither quote nor backslash.
 * NULL: it is not so. */
static inline const char *
read_field(const char *p, const char *end, const char *stop, char *dst, size_t size, size_t *len)
{
    size_t n = 0, stop_len = strlen(stop);

    while ((size_t)(end - p) < stop_len || memcmp(p, stop, stop_len) != 0) {
        int c;
        if (p == end || n + 1 >= size) {
            return NULL;
        }
        if (*p == '\\') {
            if (end - p < 4 || p[1] != 'x' || hex_of(p[2]) < 0 || hex_of(p[3]) < 0) {
                return NULL;
            }
            c = hex_of(p[2]) * 16 + hex_of(p[3]);
            p += 4;
        } else if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e || *p == '"') {
            return NULL;
        } else {
            c = *p++;
        }
        dst[n++] = (char)c;
    }
    dst[n] = '\0';
    if (len != NULL) {
        *len = n;
    }
    return p + stop_len;
}

static inline const char *
read_number(const char *p, const char *end, const char *stop, unsigned long long *out)
{
    *out = 0;
    if (p == NULL || p == end || *p < '0' || *p > '9') {
        return NULL;
    }
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        *out = *out * 10 + (unsigned)(*p - '0');
    }
    return (size_t)(end - p) >= strlen(stop) && memcmp(p, stop, strlen(stop)) == 0 ? p + strlen(stop) : NULL;
}

/* Whether it is one line of that format and no more. */
static inline bool
read_combined(const char *line, size_t n, struct combined *out)
{
    const char *end = line + n, *p;
    unsigned long long status = 0;

    p = read_field(line, end, " - ", out->client, sizeof out->client, NULL);
    p = p != NULL ? read_field(p, end, " [", out->user, sizeof out->user, NULL) : NULL;
    p = p != NULL ? read_field(p, end, "] \"", out->time, sizeof out->time, NULL) : NULL;
    p = p != NULL ? read_field(p, end, "\" ", out->request, sizeof out->request, &out->request_len) : NULL;
    p = p != NULL ? read_number(p, end, " ", &status) : NULL;
    p = p != NULL ? read_number(p, end, " \"", &out->bytes) : NULL;
    p = p != NULL ? read_field(p, end, "\" \"", out->referer, sizeof out->referer, NULL) : NULL;
    p = p != NULL ? read_field(p, end, "\"\n", out->agent, sizeof out->agent, NULL) : NULL;
    out->status = (int)status;
    return p == end && strlen(out->time) == 26 && strchr(out->client, ' ') == NULL;
}

/* The object of a JSON line; NULL: it is not one line with one valid object. */
static inline struct json_object *
read_json(const char *line, size_t n)
{
    struct json_tokener *t = json_tokener_new();
    struct json_object *o = NULL;

    if (n != 0 && line[n - 1] == '\n' && memchr(line, '\n', n) == line + n - 1) {
        json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        o = json_tokener_parse_ex(t, line, (int)n - 1);
        if (o != NULL && (json_tokener_get_parse_end(t) != n - 1 || !json_object_is_type(o, json_type_object))) {
            json_object_put(o);
            o = NULL;
        }
    }
    json_tokener_free(t);
    return o;
}

#endif
