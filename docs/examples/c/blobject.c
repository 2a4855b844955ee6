/* shows: ec_blobject_wrap, ec_blobject_addref, ec_blobject_delref, ec_blobject_delref_typeunsafe, ec_blobject_print
 * A pointer with a class and a count of its holders. */
#include <misc/ec_blobject.h>
#include <stdio.h>

static void
goes(void *self)
{
    printf("%s goes\n", (const char *)self);
}

static void
describe(void *self, string *output)
{
    stringprintf(output, "a thing named %s", (const char *)self);
}

static ec_blobject_class thing_class = { .objectType = "thing", .dtor = goes, .printer = describe };

int
main(void)
{
    static char name[] = "Ann";
    ec_blobject *thing = ec_blobject_wrap(&thing_class, name);
    string *text = ec_string_new();

    ec_blobject_print(thing, text);
    printf("%s\n", text->buffer); //> a thing named Ann
    ec_string_free(text);

    ec_blobject_addref(thing);
    ec_blobject_delref(thing);
    void (*drop)(void *) = ec_blobject_delref_typeunsafe; /* for those who want a void (*)(void *) */
    drop(thing); //> Ann goes
    return 0;
}
