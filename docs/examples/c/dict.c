/* shows: dict_blank, dict_drop, dict_add_key_value, dict_key_exists, dict_key_exists_and_fetch, dict_key_delete, ec_dict_count, dict_iter, dict_next,
 *   echash_addref, echash_delref
 * A dictionary of strings. */
#include <misc/ec_dict.h>
#include <stdio.h>

int
main(void)
{
    const char *key, *value;
    ECDict d = dict_blank();

    dict_add_key_value(d, "colour", "blue");
    dict_add_key_value(d, "size", "4");
    dict_add_key_value(d, "colour", "red");
    printf("%zu, %d\n", ec_dict_count(d), dict_key_exists(d, "weight")); //> 2, 0
    if (dict_key_exists_and_fetch(d, "colour", &value)) {
        printf("%s\n", value); //> red
    }
    printf("%d\n", dict_key_delete(d, "size")); //> 1
    printf("%d\n", dict_key_delete(d, "size")); //> 0

    ECDict_Iterator i = dict_iter(d);
    while (dict_next(d, &i, &key, &value)) {
        printf("%s = %s\n", key, value); //> colour = red
    }

    echash_addref(d); /* another holder */
    dict_drop(d);
    printf("%zu\n", ec_dict_count(d)); //> 1
    echash_delref(d); /* the last one frees it */
    return 0;
}
