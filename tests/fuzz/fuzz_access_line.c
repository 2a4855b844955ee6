/* fuzz_access_line.c - any bytes as the parts of a request that is logged.
 * What must hold: a line is never longer than it may be; a strict reader takes it for one line with all its fields, each of which is what came
 * or the beginning of it (combined), or one valid object (JSON). */
#include "server/access_line.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/server/access_check.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTS = 8 };

/* Cuts the next part off: its length is its first byte, in steps of one for small ones and of 97 for large ones. */
static struct hs_view
next_part(const uint8_t **data, size_t *size)
{
    if (*size == 0) {
        return (struct hs_view){ NULL, 0 };
    }
    size_t n = **data < 128 ? **data : (size_t)(**data - 127) * 97;
    (*data)++;
    (*size)--;
    n = n < *size ? n : *size;
    struct hs_view v = { (const char *)*data, n };
    *data += n;
    *size -= n;
    return v;
}

static void
check(const struct hs_request_end *e, const struct hs_access_more *more, struct hs_view agent)
{
    static struct combined got;
    struct hs_access_clock clocks[2] = { { 0 } };
    char *line = malloc(HS_ACCESS_LINE_MAX);

    REQUIRE(line != NULL);
    size_t n = hs_access_line(HS_ACCESS_COMBINED, line, &clocks[0], e, more);
    REQUIRE(n <= HS_ACCESS_LINE_MAX);
    if (more->client.n == 0 || memchr(more->client.p, ' ', more->client.n) == NULL) { /* no address has a blank */
        REQUIRE(read_combined(line, n, &got));
        if (e->req != NULL && agent.n != 0) {
            REQUIRE(strlen(got.agent) <= agent.n && memcmp(got.agent, agent.p, strlen(got.agent)) == 0);
        }
    }
    n = hs_access_line(HS_ACCESS_JSON, line, &clocks[1], e, more);
    REQUIRE(n <= HS_ACCESS_LINE_MAX);
    struct json_object *o = read_json(line, n);
    REQUIRE(o != NULL);
    json_object_put(o);
    free(line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hs_view parts[PARTS];
    struct hs_field fields[2] = { { .id = HS_FIELD_USER_AGENT }, { .id = HS_FIELD_REFERER } };
    struct hs_slice slices[PARTS];
    const char *base = (const char *)data;

    if (size > UINT32_MAX) {
        return 0;
    }
    for (int i = 0; i < PARTS; i++) {
        parts[i] = next_part(&data, &size);
        slices[i] = (struct hs_slice){ parts[i].p != NULL ? (uint32_t)(parts[i].p - base) : 0, (uint32_t)parts[i].n };
    }
    for (int i = 0; i < 2; i++) {
        fields[i].value_off = slices[i].off;
        fields[i].value_len = slices[i].len;
    }
    char *user = malloc(parts[5].n + 1);
    REQUIRE(user != NULL);
    memcpy(user, parts[5].p != NULL ? parts[5].p : "", parts[5].n);
    user[parts[5].n] = '\0';
    struct hs_request req = { .base = base != NULL ? base : "", .method = slices[2], .target = slices[3], .host = slices[4], .version_major = 1,
                              .nfields = 2, .fields = fields };
    struct hs_peer peer = { .address = parts[7], .local = parts[6] };
    struct hs_request_end e = { .req = &req, .peer = &peer, .username = user, .status = (int)size, .bytes = size };
    struct hs_access_more more = { .client = parts[6], .request_id = parts[7], .wallclock = (int64_t)size };
    check(&e, &more, parts[0]);
    /* the same as a driver reads it: one run of bytes */
    size_t n = parts[2].n + parts[3].n + 10;
    char *head = malloc(n + 1);
    REQUIRE(head != NULL);
    snprintf(head, n + 1, "%*s %*s HTTP/1.1", (int)parts[2].n, "", (int)parts[3].n, "");
    memcpy(head, parts[2].p != NULL ? parts[2].p : "", parts[2].n);
    memcpy(head + parts[2].n + 1, parts[3].p != NULL ? parts[3].p : "", parts[3].n);
    struct hs_request whole = { .base = head, .size = (uint32_t)n, .method = { 0, (uint32_t)parts[2].n }, .version_major = 1, .version_minor = 1,
                                .target = { (uint32_t)parts[2].n + 1, (uint32_t)parts[3].n } };
    e.req = &whole;
    check(&e, &more, (struct hs_view){ NULL, 0 });
    free(head);
    e.req = NULL;
    e.line = parts[3];
    e.peer = NULL;
    check(&e, &more, parts[0]);
    free(user);
    return 0;
}
