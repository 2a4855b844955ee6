/* ec_dict.h - ECDict: a dictionary of strings, walked in the order in which its keys were first added.
 * Owns copies of its keys and values. Reference-counted. The count may be changed from any thread; everything else is
 * for one thread at a time. Hashing is keyed with a secret of the process, so that no peer can choose keys that
 * collide. A NULL dictionary is taken as an empty one by everything that only looks. */
#ifndef MISC_EC_DICT_H
#define MISC_EC_DICT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef HTTPSRV_API
#define HTTPSRV_API __attribute__((visibility("default")))
#endif

typedef struct _ec_hash_table ec_hash_table;
typedef ec_hash_table *ECDict;

typedef struct _ec_hash_iter {
    void *p2; /* unused */
    int p1;   /* the next place to look at */
} ec_hash_iter;
typedef ec_hash_iter ECDict_Iterator;

/* A new, empty dictionary with one reference, the caller's; NULL with errno ENOMEM. */
HTTPSRV_API ECDict dict_blank(void);
/* Drops a reference; the last one frees. NULL is ignored. Any thread. */
HTTPSRV_API void dict_drop(ECDict a);
/* Adds a reference. NULL is ignored. Any thread. */
HTTPSRV_API void echash_addref(ec_hash_table *ht);
/* The same as dict_drop. */
HTTPSRV_API void echash_delref(ec_hash_table *ht);

/* Adds a pair, or replaces the value of a key that is there (it keeps its place). Both strings are copied.
 * 0, EINVAL (a NULL), ENOMEM; on error nothing is changed. Ends the life of the value pointer that was there. */
HTTPSRV_API int dict_add_key_value(ECDict a, const char *key, const char *val);
/* 1 when the key is there, 0 when it is not. */
HTTPSRV_API int dict_key_exists(ECDict a, const char *key);
/* The same, and sets *value to what belongs to the key: the dictionary's memory, valid until the key is changed or removed. */
HTTPSRV_API int dict_key_exists_and_fetch(ECDict a, const char *key, const char **value);
/* Removes a key. 1; 0 when it was not there. */
HTTPSRV_API int dict_key_delete(ECDict a, const char *key);
/* Ours: how many keys there are. */
HTTPSRV_API size_t ec_dict_count(ECDict a);

/* An iterator at the beginning, in the caller's memory; nothing to free. */
HTTPSRV_API ECDict_Iterator dict_iter(ECDict a);
/* The same on the heap, for dict_iter2_free; *i is NULL when memory ran out. */
HTTPSRV_API void dict_iter2(ECDict a, ECDict_Iterator **i);
/* Frees what dict_iter2 made. NULL is ignored. The iterator may outlive the dictionary. */
HTTPSRV_API void dict_iter2_free(ECDict a, ECDict_Iterator *i);
/* 1 and the next pair (the dictionary's memory, as for dict_key_exists_and_fetch; either pointer may be NULL), 0 at the end or
 * for a NULL iterator. Changing values and removing keys on the way is safe; a key added on the way may be met, and
 * when adding follows removing some pairs may be left out. */
HTTPSRV_API int dict_next(ECDict a, ECDict_Iterator *i, const char **key, const char **val);

#ifdef __cplusplus
}
#endif

#endif
