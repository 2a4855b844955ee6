/* session_list.c - the requests under way, as lines: WORKER AGE SERIAL GENERATION DOING METHOD ROUTE PLACE CALL REGISTERED, with tabs between. */
#include "server/session_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "dispatch/dispatch.h"

enum { FIELDS = 10 };

/* --- text --- */

/* The length of the character at p; 0: there is none, or it is a control character. */
static size_t
character(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;

    if (*u < 0x80) {
        return *u >= 0x20 && *u != 0x7f ? 1 : 0;
    }
    size_t length = hs_utf8_sequence(p, n);
    return length == 2 && *u == 0xc2 && u[1] < 0xa0 ? 0 : length;
}

size_t
hs_clean_text(char *dst, size_t size, struct hs_view src)
{
    size_t out = 0;

    for (size_t i = 0; i < src.n;) {
        size_t len = character(src.p + i, src.n - i);
        size_t need = len != 0 ? len : 1;
        if (out + need >= size) {
            break;
        }
        if (len != 0) {
            memcpy(dst + out, src.p + i, len);
        } else {
            dst[out] = '?';
        }
        out += need;
        i += need;
    }
    dst[out] = '\0';
    return out;
}

/* --- gathering --- */

struct gathering {
    struct hs_buf *out;
    size_t worker;
    int64_t now;
    int err;
};

static void
add_line(void *arg, ec_httpsrv_session *sess)
{
    struct gathering *g = arg;
    const struct hs_registration *r = hs_session_registration(sess);
    struct hs_generation *generation = hs_session_generation(sess);
    struct hs_session_where where;
    char method[40], route[256], place[sizeof where.place], call[sizeof where.call], registered[256];

    (void)hs_session_find_where(sess, &where);
    (void)hs_clean_text(method, sizeof method, hs_session_method_view(sess));
    (void)hs_clean_text(route, sizeof route, hs_view_of(r != NULL ? r->path : NULL));
    (void)hs_clean_text(registered, sizeof registered, hs_view_of(r != NULL ? r->where : NULL));
    (void)hs_clean_text(place, sizeof place, hs_view_of(where.place));
    (void)hs_clean_text(call, sizeof call, hs_view_of(where.call));
    int64_t age = g->now - hs_session_started(sess);
    if (g->err == 0) {
        g->err = hs_buf_printf(g->out, "%zu\t%" PRId64 "\t%" PRIu64 "\t%lu\t%s\t%s\t%s\t%s\t%s\t%s\n", g->worker, age > 0 ? age : 0,
                               hs_session_serial(sess), generation != NULL ? hs_generation_id(generation) : 0, hs_session_doing(sess), method,
                               route, place, call, registered);
    }
}

int
hs_session_list_gather(struct hs_session_env *env, size_t worker, int64_t now, struct hs_buf *out)
{
    struct gathering g = { out, worker, now, 0 };

    hs_session_env_each(env, HS_SESSION_LIST_MAX, add_line, &g);
    return g.err;
}

/* --- reading --- */

static struct hs_view
cut(struct hs_view *rest, char at)
{
    const char *end = rest->n != 0 ? memchr(rest->p, at, rest->n) : NULL;
    struct hs_view v = { rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n };
    size_t used = v.n + (end != NULL);

    rest->p = rest->p != NULL ? rest->p + used : NULL;
    rest->n -= used;
    return v;
}

static bool
parse_line(struct hs_view text, struct hs_session_line *l)
{
    struct hs_view f[FIELDS];
    long long number[4];

    for (size_t i = 0; i < FIELDS; i++) {
        f[i] = cut(&text, '\t');
    }
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        if (hs_ascii_to_int64(f[i], &number[i]) != 0 || number[i] < 0) {
            return false;
        }
    }
    *l = (struct hs_session_line){
        .worker = (size_t)number[0], .age = number[1], .serial = (uint64_t)number[2], .generation = (uint64_t)number[3],
        .doing = f[4], .method = f[5], .route = f[6], .place = f[7], .call = f[8], .registered = f[9],
    };
    return true;
}

static int
by_age(const void *a, const void *b)
{
    const struct hs_session_line *x = a, *y = b;

    return x->age != y->age ? (x->age < y->age ? 1 : -1) : x->worker != y->worker ? (x->worker < y->worker ? -1 : 1) : 0;
}

struct hs_session_line *
hs_session_list_parse(struct hs_view list, size_t *n)
{
    struct hs_session_line *lines;
    size_t max = 0;

    *n = 0;
    for (size_t i = 0; i < list.n; i++) {
        max += list.p[i] == '\n';
    }
    lines = max != 0 ? calloc(max, sizeof *lines) : NULL;
    while (lines != NULL && list.n != 0 && *n < max) {
        *n += parse_line(cut(&list, '\n'), &lines[*n]);
    }
    if (lines != NULL) {
        qsort(lines, *n, sizeof *lines, by_age);
    }
    return lines;
}

/* --- showing --- */

/* "1.5 s", "3 min". */
static int
show_age(int64_t ns, struct hs_buf *out)
{
    double s = (double)ns / (double)HS_SEC;

    return s < 100 ? hs_buf_printf(out, "%6.1f s  ", s) : s < 6000 ? hs_buf_printf(out, "%6.0f min", s / 60) : hs_buf_printf(out, "%6.0f h  ", s / 3600);
}

static int
show_line(const struct hs_session_line *l, bool with_worker, struct hs_buf *out)
{
    int err = show_age(l->age, out);

    if (err == 0 && with_worker) {
        err = hs_buf_printf(out, "  worker %zu", l->worker);
    }
    if (err == 0) {
        err = hs_buf_printf(out, "  %.*s  %.*s %.*s  ", (int)l->doing.n, l->doing.p, (int)l->method.n, l->method.p, (int)l->route.n, l->route.p);
    }
    if (err == 0 && l->place.n != 0) {
        err = hs_buf_printf(out, "at %.*s", (int)l->place.n, l->place.p);
    } else if (err == 0) {
        err = hs_buf_printf(out, "of %.*s", (int)l->registered.n, l->registered.p);
    }
    if (err == 0 && l->call.n != 0) {
        err = hs_buf_printf(out, " in %.*s", (int)l->call.n, l->call.p);
    }
    return err == 0 ? hs_buf_append_char(out, '\n') : err;
}

int
hs_session_list_show(struct hs_view list, bool with_worker, struct hs_buf *out)
{
    size_t n;
    struct hs_session_line *lines = hs_session_list_parse(list, &n);
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++) {
        err = show_line(&lines[i], with_worker, out);
    }
    free(lines);
    return err;
}
