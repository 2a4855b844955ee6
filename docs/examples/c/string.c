/* shows: string_init_type, string_destroy, stringwrite2, stringprintf, stringvprintf, ec_string_give
 * A run of bytes that grows. */
#include <misc/ec_string.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 2, 3)))
say(string *to, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    stringvprintf(to, format, ap);
    va_end(ap);
}

int
main(void)
{
    string s;

    if (!string_init_type(&s, 16, STRING_TYPE_MALLOC)) {
        return 1;
    }
    stringwrite2(&s, "ten", 3);
    stringprintf(&s, " and %d", 20);
    say(&s, " and %s", "more");
    printf("%s (%d)\n", s.buffer, s.len); //> ten and 20 and more (19)
    ec_string_give(&s, strdup("other"), 5); /* its own from now on */
    printf("%s\n", s.buffer); //> other
    string_destroy(&s);
    return 0;
}
