/* test_hash.c - base/hash.h. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* What CPython 3.11, whose hash of bytes is SipHash-1-3, says with PYTHONHASHSEED=0 (a key of zeros) for 00, 00 01, 00 01 02, ... */
static const uint64_t vectors[] = {
    0x68a914128e01e473, 0x010bac45c41e3669, 0x4d4c9a4a8ef6e0ad, 0x7cc43f98813e4dbd, 0x5abe2169dff36275, 0xe3c25f87624f1cdb,
    0x2f098ab0c751325a, 0xead411e67ebe2eea, 0x75927f9d95124362, 0xaf9f77a65ab51a1d, 0xfe64ce8b6617fcff, 0xa6baf4fb0f9fe1c2,
    0xa0cf3211850f8e0d, 0x7f86049379fbfe67, 0xf30eb725bb91c9ea, 0x8972188433a5c5b7, 0x4883c49a2c009c1d,
};

static void
agrees_with_another_implementation(void **state)
{
    (void)state;
    static const uint64_t zero[2];
    char bytes[sizeof vectors / sizeof vectors[0]];
    char high[64];
    for (size_t n = 0; n < sizeof bytes; n++) {
        bytes[n] = (char)n;
        assert_true(hs_siphash13(zero, (struct hs_view){ bytes, n + 1 }) == vectors[n]);
    }
    memset(high, 0xff, sizeof high);
    assert_true(hs_siphash13(zero, (struct hs_view){ high, sizeof high }) == 0xb48c6189ea9d952d);
    assert_true(hs_siphash13(zero, HS_VIEW("/favicon.ico")) == 0x417998af6a7b3dee);
}

static void
depends_on_both_words_of_the_key(void **state)
{
    (void)state;
    static const uint64_t keys[][2] = { { 0, 0 }, { 1, 0 }, { 0, 1 }, { 1, 1 } };
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_true(hs_siphash13(keys[i], HS_VIEW("a")) != hs_siphash13(keys[k], HS_VIEW("a")));
        }
    }
}

static void
the_process_has_a_secret_key(void **state)
{
    (void)state;
    static const uint64_t zero[2];
    struct hs_view v = HS_VIEW("some key");
    assert_true(hs_hash(v) == hs_hash(v));
    assert_true(hs_hash(v) != hs_hash(HS_VIEW("some kez")));
    assert_true(hs_hash(v) != hs_siphash13(zero, v));
    assert_true(hs_hash((struct hs_view){ NULL, 0 }) == hs_hash(HS_VIEW("")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_another_implementation),
        cmocka_unit_test(depends_on_both_words_of_the_key),
        cmocka_unit_test(the_process_has_a_secret_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
