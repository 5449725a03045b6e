/* Ids: one id has one text, and the ids that are derived never change. */
#include "kit.h"

#include "base/id.h"

static const char usd_cents[] = "2714e483-4ff1-48e4-9e25-ac732e8f24f2";

static struct id id_of(const char *text)
{
    struct id ret;

    assert_int_equal(id_parse(text, &ret), ERR_OK);
    return ret;
}

static void id_text_is_kept(void **state)
{
    (void)state;
    static const char *const texts[] = {
        usd_cents,
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "01234567-89ab-cdef-0123-456789abcdef",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct id id = id_of(texts[i]);
        assert_string_equal(id_format(&id).text, texts[i]);
    }
    struct id id = id_of(texts[3]);
    assert_memory_equal(id.bytes,
                        "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef", 16);
}

static void id_other_spelling_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "2",
        "2714E483-4ff1-48e4-9e25-ac732e8f24f2",
        "2714e483-4ff1-48e4-9e25-ac732e8f24fF",
        "{2714e483-4ff1-48e4-9e25-ac732e8f24f2}",
        "urn:uuid:2714e483-4ff1-48e4-9e25-ac732e8f24f2",
        "2714e4834ff148e49e25ac732e8f24f2",
        "2714e4834ff148e49e25ac732e8f24f2----",
        "2714e483-4ff1-48e4-9e25-ac732e8f24f",
        "2714e483-4ff1-48e4-9e25-ac732e8f24f22",
        " 2714e483-4ff1-48e4-9e25-ac732e8f24f",
        "2714e483-4ff1-48e4-9e25-ac732e8f24f ",
        "2714e483-4ff1-48e4-9e25-ac732e8f24f\n",
        "2714e483_4ff1_48e4_9e25_ac732e8f24f2",
        "2714e48-34ff1-48e4-9e25-ac732e8f24f2",
        "g714e483-4ff1-48e4-9e25-ac732e8f24f2",
        "0x14e483-4ff1-48e4-9e25-ac732e8f24f2",
        "+714e483-4ff1-48e4-9e25-ac732e8f24f2",
        "2714e483-4ff1-48e4-9e25-ac732e8f24\xc3\xa9",
    };
    struct id untouched = id_of(usd_cents), id = untouched;

    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(id_parse(texts[i], &id), ERR_INVALID);
        assert_true(id_equal(&id, &untouched));
    }
}

static void id_order_is_that_of_texts(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct id a = id_random(), b = id_random();
        int order = strcmp(id_format(&a).text, id_format(&b).text);
        assert_int_equal(id_compare(&a, &b) < 0, order < 0);
        assert_int_equal(id_equal(&a, &b), order == 0);
        assert_true(id_equal(&a, &a));
    }
}

static void id_random_is_version_4(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct id id = id_random();
        assert_int_equal(id.bytes[6] >> 4, 4);
        assert_int_equal(id.bytes[8] >> 6, 2);
    }
}

/* RFC 4122's algorithm, so that any language can derive the same ids; for ever, so that an upgrade
 * does not change a ledger. */
static void id_derived_never_changes(void **state)
{
    (void)state;
    struct id dns = id_of("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), usd = id_of(usd_cents);
    struct id derived = id_derived(&dns, "python.org");

    assert_string_equal(id_format(&derived).text, "886313e1-3b8a-5372-9b90-0c9aee199e5d");
    struct id other_name = id_derived(&dns, "python.or"),
              other_namespace = id_derived(&usd, "python.org");
    assert_false(id_equal(&derived, &other_name));
    assert_false(id_equal(&derived, &other_namespace));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_text_is_kept),           cmocka_unit_test(id_other_spelling_is_refused),
        cmocka_unit_test(id_order_is_that_of_texts), cmocka_unit_test(id_random_is_version_4),
        cmocka_unit_test(id_derived_never_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
