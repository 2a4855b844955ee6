/* values.c - misc/ec_string.h, misc/ec_blobject.h, misc/ec_dict.h, misc/ec_sockaddr.h, misc/ec_url_parse.h. */
#include "installed.h"

#include <ec_blobject.h>
#include <ecdict.h>
#include <misc/ec_sockaddr.h>
#include <misc/ec_string.h>
#include <misc/ec_url_parse.h>

static string *
formatted(string *to, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    string *s = stringvprintf(to, format, ap);
    va_end(ap);
    return s;
}

static void
strings(void)
{
    char fixed[8];
    string s, in_place = { .buffer = fixed, .allocd = sizeof fixed, .type = STRING_TYPE_STATIC };

    CHECK(string_init_type(&s, 1, STRING_TYPE_MALLOC) == 1);
    CHECK(stringwrite2(&s, "abc", 3) == 3);
    CHECK(stringprintf(&s, "-%d", 7) == &s && formatted(&s, "-%s", "x") == &s);
    CHECK(s.len == 7 && strcmp(s.buffer, "abc-7-x") == 0);
    CHECK(string_init_type(NULL, 1, STRING_TYPE_STATIC) == 0 && errno == EINVAL);
    CHECK(string_destroy(&s) == 0 && s.buffer == NULL);
    CHECK(stringwrite2(&in_place, "1234567", 7) == 7);
    CHECK(stringwrite2(&in_place, "8", 1) == -1 && errno == ENOSPC);

    string *heap = ec_string_new();
    char *given = malloc(4);
    memcpy(given, "xyz", 4);
    CHECK(heap != NULL && ec_string_give(heap, given, 3) == 0);
    CHECK(stringwrite2(heap, "!", 1) == 1 && strcmp(heap->buffer, "xyz!") == 0);
    ec_string_free(heap);
}

static int dropped;

static void
drop(void *self)
{
    dropped += *(int *)self;
}

static void
describe(void *self, string *output)
{
    (void)stringprintf(output, "number %d", *(int *)self);
}

static void
blobjects(void)
{
    static ec_blobject_class cls = { .objectType = "number", .dtor = drop, .printer = describe };
    int n = 5;
    string s;

    ec_blobject *o = ec_blobject_wrap(&cls, &n);
    CHECK(o != NULL && ec_blobject_wrap(NULL, &n) == NULL && errno == EINVAL);
    ec_blobject_addref(o);
    ec_blobject_addref(o);
    CHECK(string_init_type(&s, 16, STRING_TYPE_MALLOC) == 1 && ec_blobject_print(o, &s) == 0 && strcmp(s.buffer, "number 5") == 0);
    (void)string_destroy(&s);
    ec_blobject_delref(o);
    ec_blobject_delref_typeunsafe(o);
    CHECK(dropped == 0);
    ec_blobject_delref(o);
    CHECK(dropped == 5);
}

static void
dicts(void)
{
    const char *key, *value;
    ECDict_Iterator *heap;
    char all[64] = "";

    ECDict d = dict_blank();
    CHECK(d != NULL && dict_add_key_value(d, "a", "1") == 0 && dict_add_key_value(d, "b", "2") == 0 && dict_add_key_value(d, "a", "3") == 0);
    CHECK(dict_key_exists(d, "b") && !dict_key_exists(d, "c") && ec_dict_count(d) == 2);
    CHECK(dict_key_exists_and_fetch(d, "a", &value) && strcmp(value, "3") == 0);
    ECDict_Iterator i = dict_iter(d);
    while (dict_next(d, &i, &key, &value)) {
        (void)snprintf(all + strlen(all), sizeof all - strlen(all), "%s=%s;", key, value);
    }
    CHECK(strcmp(all, "a=3;b=2;") == 0);
    CHECK(dict_key_delete(d, "a") == 1 && dict_key_delete(d, "a") == 0);
    dict_iter2(d, &heap);
    CHECK(heap != NULL && dict_next(d, heap, &key, NULL) == 1 && strcmp(key, "b") == 0 && dict_next(d, heap, NULL, NULL) == 0);
    dict_iter2_free(d, heap);
    echash_addref(d);
    dict_drop(d);
    CHECK(ec_dict_count(d) == 1);
    echash_delref(d);
}

static void
addresses(void)
{
    ec_sockaddr a, b;
    char text[EC_SOCKADDR_TEXT_MAX];

    CHECK(ec_sockaddr_parse(&a, "[::1]:8080") == 0 && ec_sockaddr_parse(&a, "nonsense") == EINVAL);
    CHECK(ec_sockaddr_set(&b, &a.sa, a.len) == 0 && b.sa.sa_family == AF_INET6);
    CHECK(ec_sockaddr_port(&b) == 8080);
    CHECK(ec_sockaddr_format(&b, text, sizeof text) == 0 && strcmp(text, "[::1]:8080") == 0);
    CHECK(ec_sockaddr_format_ip(&b, text, sizeof text) == 0 && strcmp(text, "::1") == 0);
    CHECK(ec_sockaddr_format(&b, text, 4) == ENOSPC);
}

static void
urls(void)
{
    static const char text[] = "http://u:p@example.org:81/a%20b?x=1&y=%32#f";
    const char *y = NULL;

    ec_url_details *u = ec_parse_url(text, sizeof text - 1);
    CHECK(u != NULL && strcmp(u->host, "example.org") == 0 && u->port == 81 && strcmp(u->path, "/a b") == 0);
    CHECK(u != NULL && dict_key_exists_and_fetch(u->attrs, "y", &y) && strcmp(y, "2") == 0);
    ec_url_details_free(u);
    CHECK(ec_parse_url("http://a b/", 11) == NULL && errno == EINVAL);
}

void
test_values(void)
{
    strings();
    blobjects();
    dicts();
    addresses();
    urls();
}
