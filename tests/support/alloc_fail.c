/* alloc_fail.c - the wrappers that ld's --wrap puts in the place of the allocators.
 * Linked without those flags (a fuzz target) the file does no harm: the wrappers are then never called. */
#include "alloc_fail.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RUNS 100000

/* What the linker calls the allocators behind the wrappers; weak, for a link without the flags. */
extern void *__real_malloc(size_t n) __attribute__((weak));
extern void *__real_calloc(size_t n, size_t size) __attribute__((weak));
extern void *__real_realloc(void *p, size_t n) __attribute__((weak));

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static atomic_ulong count;
static atomic_ulong fail_first = 0; /* 0: none */
static atomic_bool fail_rest;
static atomic_bool hit;

static void
arm(unsigned long nth, bool rest)
{
    atomic_store(&fail_first, 0);
    atomic_store(&fail_rest, rest);
    atomic_store(&hit, false);
    atomic_store(&count, 0);
    atomic_store(&fail_first, nth);
}

void
alloc_fail_at(unsigned long nth)
{
    arm(nth, false);
}

void
alloc_fail_from(unsigned long nth)
{
    arm(nth, true);
}

void
alloc_fail_off(void)
{
    atomic_store(&fail_first, 0);
    atomic_store(&count, 0);
}

unsigned long
alloc_fail_count(void)
{
    return atomic_load(&count);
}

bool
alloc_fail_hit(void)
{
    return atomic_load(&hit);
}

static unsigned long
each(void (*scenario)(void *arg), void *arg, bool rest)
{
    for (unsigned long nth = 1; nth <= MAX_RUNS; nth++) {
        arm(nth, rest);
        scenario(arg);
        alloc_fail_off();
        if (!alloc_fail_hit()) {
            return nth;
        }
    }
    fprintf(stderr, "alloc_fail: no end after %d runs\n", MAX_RUNS);
    abort();
}

unsigned long
alloc_fail_each(void (*scenario)(void *arg), void *arg)
{
    return each(scenario, arg, false);
}

unsigned long
alloc_fail_each_from(void (*scenario)(void *arg), void *arg)
{
    return each(scenario, arg, true);
}

static bool
fails(void)
{
    unsigned long n = atomic_fetch_add(&count, 1) + 1;
    unsigned long first = atomic_load(&fail_first);
    if (first == 0 || (atomic_load(&fail_rest) ? n < first : n != first)) {
        return false;
    }
    atomic_store(&hit, true);
    errno = ENOMEM;
    return true;
}

void *
__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

char *
__wrap_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = fails() ? NULL : __real_malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, s, len);
        copy[len] = '\0';
    }
    return copy;
}

char *
__wrap_strdup(const char *s)
{
    return __wrap_strndup(s, strlen(s));
}
