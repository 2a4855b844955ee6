/* shows: dict_iter2, dict_iter2_free
 * An iterator that is kept on the heap, as for a walk that goes on later. */
#include <misc/ec_dict.h>
#include <stdio.h>

int
main(void)
{
    const char *key, *value;
    ECDict_Iterator *i;
    ECDict d = dict_blank();

    dict_add_key_value(d, "a", "1");
    dict_add_key_value(d, "b", "2");
    dict_iter2(d, &i);
    while (dict_next(d, i, &key, &value)) {
        printf("%s=%s\n", key, value);
    }
    //> a=1
    //> b=2
    dict_iter2_free(d, i);
    dict_drop(d);
    return 0;
}
