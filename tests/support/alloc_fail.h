/* alloc_fail.h - makes chosen allocations fail, to walk the ENOMEM paths of the code under test.
 *
 * Every C test is linked with the flags in tests/support/LDFLAGS (ld's --wrap), so that malloc, calloc, realloc, strdup and
 * strndup of the objects linked into the test go through alloc_fail.c. Nothing in the code under test knows of it,
 * and AddressSanitizer sees every allocation as before. What shared libraries allocate for themselves (cmocka, libc, LuaJIT,
 * libevent) is never counted and never fails.
 *
 * The usual test runs a scenario again and again, each time with another allocation failing:
 *
 *     static void scenario(void *arg)
 *     {
 *         struct hs_thing *t = hs_thing_new();
 *         if (t == NULL) {
 *             assert_int_equal(errno, ENOMEM);   // what a caller sees
 *             return;
 *         }
 *         ...
 *         hs_thing_free(t);                      // leaks are LeakSanitizer's to find
 *     }
 *
 *     static void thing_survives_each_failed_allocation(void **state)
 *     {
 *         assert_true(alloc_fail_each(scenario, NULL) > 1);
 *     }
 *
 * One count for the whole process: allocations of other threads count, and may be the ones that fail. */
#ifndef TESTS_SUPPORT_ALLOC_FAIL_H
#define TESTS_SUPPORT_ALLOC_FAIL_H

#include <stdbool.h>

/* From now on the nth allocation (1: the next one) fails with ENOMEM, only that one. Starts counting anew. */
void alloc_fail_at(unsigned long nth);
/* The same, and every one after it. */
void alloc_fail_from(unsigned long nth);
/* No allocation fails any more. Call it before asserting things that allocate. */
void alloc_fail_off(void);
/* Allocations since alloc_fail_at, alloc_fail_from or alloc_fail_off, failed ones included. */
unsigned long alloc_fail_count(void);
/* True once an allocation has been made to fail since alloc_fail_at or alloc_fail_from, after alloc_fail_off too. */
bool alloc_fail_hit(void);

/* Calls scenario(arg) with its 1st, 2nd, 3rd, ... allocation failing, until a run in which none did. Returns how many runs that
 * were: one more than the scenario has allocations when it gives up at the first failure. A scenario must not depend on what the run
 * before it did (lazily made, kept memory is made by a run of its own first). Stops the test as failed past 100000 runs. */
unsigned long alloc_fail_each(void (*scenario)(void *arg), void *arg);
/* The same with every allocation from the nth on failing. */
unsigned long alloc_fail_each_from(void (*scenario)(void *arg), void *arg);

#endif
