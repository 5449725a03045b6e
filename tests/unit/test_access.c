/* The file of those who may call: what a good one grants, and what is said of a bad one. */
#include "kit.h"

#include "rpc/access.h"

#define HASH_A "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" /* of "test" */
#define HASH_B "60303AE22B998861BCE3B28F33EEC1BE758A213C86C93C076DBE9F558C11C752" /* of "test2" */
#define ID_1   "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
#define ID_2   "1714e483-4ff1-48e4-9e25-ac732e8f24f2"

static char why[256];

static struct access *parsed(const char *text)
{
    struct access *a = NULL;

    why[0] = '\0';
    if (access_parse(bytes_text(text), &a, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    return a;
}

static void table_knows_its_tokens_and_no_others(void **state)
{
    struct access *a = parsed("# who\n\n  billing\t" HASH_A "  read,write  # the jobs\r\n"
                              "Portal.2_x-y " HASH_B " catalog");
    const struct grant *billing = access_find(a, bytes_text("test"));
    const struct grant *portal = access_find(a, bytes_text("test2"));

    (void)state;
    assert_int_equal(access_count(a), 2);
    assert_string_equal(billing->name, "billing");
    assert_int_equal(billing->scopes, SCOPE_READ | SCOPE_WRITE);
    assert_false(grant_is_confined(billing));
    assert_string_equal(portal->name, "Portal.2_x-y");
    assert_int_equal(portal->scopes, SCOPE_CATALOG);
    assert_null(access_find(a, bytes_text("Test")));
    assert_null(access_find(a, bytes_text("test ")));
    assert_null(access_find(a, bytes_text("")));
    assert_null(access_find(a, bytes_text(HASH_A)));
    access_unref(a);
}

static void confined_token_is_for_its_owners_alone(void **state)
{
    struct access *a = parsed("a " HASH_A " read " ID_1 "," ID_2 "\nb " HASH_B " read\n");
    const struct grant *confined = access_find(a, bytes_text("test"));
    const struct grant *free_one = access_find(a, bytes_text("test2"));
    struct id one, two, other = id_random();

    (void)state;
    assert_int_equal(id_parse(ID_1, &one), ERR_OK);
    assert_int_equal(id_parse(ID_2, &two), ERR_OK);
    assert_true(grant_is_confined(confined));
    assert_true(grant_is_for(confined, &one));
    assert_true(grant_is_for(confined, &two));
    assert_false(grant_is_for(confined, &other));
    assert_false(grant_is_confined(free_one));
    assert_true(grant_is_for(free_one, &other));
    access_unref(a);
}

static void table_lives_until_its_last_reference(void **state)
{
    struct access *a = parsed("a " HASH_A " read\n");

    (void)state;
    access_unref(access_ref(a));
    assert_int_equal(access_count(a), 1);
    access_unref(a);
    access_unref(NULL);
}

static void bad_line_is_named_and_its_secrets_are_not(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", "no token"},
        {"# nothing\n\n", "no token"},
        {"\n\na " HASH_A "\n", "line 3: a line has"},
        {"secret\n", "line 1: a line has"},
        {"a " HASH_A " read " ID_1 " secret\n", "line 1: a line has"},
        {"a " HASH_A " read " ID_1 " x secret\n", "line 1: a line has"},
        {"secret! " HASH_A " read\n", "line 1: the name may have"},
        {"a secret read\n", "line 1: after the name"},
        {"a " HASH_A "0 read\n", "line 1: after the name"},
        {"a g" HASH_A " read\n", "line 1: after the name"},
        {"a " HASH_A " secret\n", "line 1: the scopes"},
        {"a " HASH_A " ,read\n", "line 1: the scopes"},
        {"a " HASH_A " read,,write\n", "line 1: the scopes"},
        {"a " HASH_A " Read\n", "line 1: the scopes"},
        {"a " HASH_A " read secret\n", "line 1: id 1 of"},
        {"a " HASH_A " read " ID_1 ",secret\n", "line 1: id 2 of"},
        {"a " HASH_A " read " ID_1 ID_1 "\n", "line 1: id 1 of"},
        {"a " HASH_A " read 00000000-0000-0000-0000-000000000000\n", "line 1: id 1 of"},
        {"a " HASH_A " read\na " HASH_B " read\n", "line 2: the name a stands"},
        {"a " HASH_A " read\nb " HASH_A " read\n", "line 2: the token of b is that of a"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct access *a = NULL;
        why[0] = '\0';
        assert_int_equal(access_parse(bytes_text(rows[i].text), &a, why, sizeof why), ERR_INVALID);
        assert_null(a);
        if (!strstr(why, rows[i].expected))
            fail_msg("row %zu: %s", i, why);
        assert_null(strstr(why, "secret"));
    }
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    static const char text[] = "a\0b " HASH_A " read\n";
    struct access *a = NULL;

    (void)state;
    assert_int_equal(access_parse(bytes_of(text, sizeof text - 1), &a, why, sizeof why),
                     ERR_INVALID);
}

static void tokens_beyond_the_limit_are_refused(void **state)
{
    static char text[(ACCESS_TOKENS_MAX + 1) * 80];
    struct access *a = NULL;
    size_t len = 0;

    (void)state;
    for (int i = 0; i < ACCESS_TOKENS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "n%d %064x read\n", i, i);
    a = parsed(text);
    assert_int_equal(access_count(a), ACCESS_TOKENS_MAX);
    access_unref(a);
    a = NULL;
    snprintf(text + len, sizeof text - len, "n %064x read\n", ACCESS_TOKENS_MAX);
    assert_int_equal(access_parse(bytes_text(text), &a, why, sizeof why), ERR_INVALID);
    assert_string_equal(why, "line 1001: a file may have at most 1000 tokens");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_knows_its_tokens_and_no_others),
        cmocka_unit_test(confined_token_is_for_its_owners_alone),
        cmocka_unit_test(table_lives_until_its_last_reference),
        cmocka_unit_test(bad_line_is_named_and_its_secrets_are_not),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(tokens_beyond_the_limit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
