/* stub.c - stands in the place of one function in a test program: prove compiles it with
 *   STUB    the function's name; without it there is no stub, only the choice of a test
 *   RESULT  its type, or one that is returned the same way
 *   VALUE   what it returns, after setting errno to EINVAL
 * and runs the one test that CMOCKA_TEST names. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#include <cmocka.h>

__attribute__((constructor)) static void
choose_test(void)
{
    cmocka_set_test_filter(getenv("CMOCKA_TEST"));
}

#ifdef STUB
RESULT STUB(void);
/* The arguments stay where the caller has put them: they are the caller's to take away. */
RESULT
STUB(void)
{
    errno = EINVAL;
    return VALUE;
}
#endif
