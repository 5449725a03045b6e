/* The URL of a Redis: each form, and what is said of one that will not do. */
#include "kit.h"

#include "cache/cache.h"
#include "cache/url.h"

static char why[256];

static void url_of_each_form_is_taken_apart(void **state)
{
    static const struct {
        const char *text;
        struct url url;
    } rows[] = {
        {"redis://localhost", {.host = "localhost", .port = 6379}},
        {"redis://localhost/", {.host = "localhost", .port = 6379}},
        {"redis://10.0.0.1:1", {.host = "10.0.0.1", .port = 1}},
        {"redis://a-b.c_d:65535/0", {.host = "a-b.c_d", .port = 65535}},
        {"redis://h/15", {.host = "h", .port = 6379, .database = 15}},
        {"redis://h:7/1000000", {.host = "h", .port = 7, .database = 1000000}},
        {"redis://[::1]", {.host = "::1", .port = 6379}},
        {"redis://[fe80::1%eth0]:7/2", {.host = "fe80::1%eth0", .port = 7, .database = 2}},
        {"redis://:p@h", {.host = "h", .port = 6379, .password = "p"}},
        {"redis://u:p@h:7/3",
         {.host = "h", .port = 7, .user = "u", .password = "p", .database = 3}},
        {"redis://u:a:b@h", {.host = "h", .port = 6379, .user = "u", .password = "a:b"}},
        {"redis://%75%40:%2f%3A%C3%bc@h",
         {.host = "h", .port = 6379, .user = "u@", .password = "/:\xc3\xbc"}},
        {"rediss://:p@h:7", {.tls = true, .host = "h", .port = 7, .password = "p"}},
        {"unix:///run/redis.sock", {.path = "/run/redis.sock"}},
        {"unix:///a%20b?db=4", {.path = "/a b", .database = 4}},
        {"unix://u:p@/s?db=0", {.path = "/s", .user = "u", .password = "p"}},
        {"unix://:p@/s", {.path = "/s", .password = "p"}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct url url;
        memset(&url, 0x7f, sizeof url);
        assert_int_equal(url_parse(rows[i].text, &url, why, sizeof why), ERR_OK);
        assert_int_equal(url.tls, rows[i].url.tls);
        assert_string_equal(url.host, rows[i].url.host);
        assert_int_equal(url.port, rows[i].url.port);
        assert_string_equal(url.path, rows[i].url.path);
        assert_string_equal(url.user, rows[i].url.user);
        assert_string_equal(url.password, rows[i].url.password);
        assert_int_equal(url.database, rows[i].url.database);
    }
}

static void bad_url_is_told_what_it_must_be(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", "begins with redis://"},
        {"localhost:6379", "begins with redis://"},
        {"http://localhost", "begins with redis://"},
        {"redis:/localhost", "begins with redis://"},
        {"REDIS://localhost", "begins with redis://"},
        {"redis+unix:///s", "begins with redis://"},
        {" redis://h", "begins with redis://"},
        {"redis://", "with a host"},
        {"redis://:6379", "with a host"},
        {"redis:///1", "with a host"},
        {"redis://a b", "with a host"},
        {"redis://h\n", "with a host"},
        {"redis://[]", "with a host"},
        {"redis://[::1", "ends with ]"},
        {"redis://[::1]x", "ends with the database"},
        {"redis://h:", "port"},
        {"redis://h:0", "port"},
        {"redis://h:65536", "port"},
        {"redis://h:-1", "port"},
        {"redis://h:1x", "port"},
        {"redis://h:99999999999", "port"},
        {"redis://h/x", "database"},
        {"redis://h/-1", "database"},
        {"redis://h/1000001", "database"},
        {"redis://h/1/2", "database"},
        {"redis://h/1?x=y", "database"},
        {"redis://h?db=1", "ends with the database"},
        {"redis://u@h", "with a password"},
        {"redis://@h", "with a password"},
        {"redis://:@h", "with a password"},
        {"redis://u:@h", "with a password"},
        {"redis://:%@h", "as %XX"},
        {"redis://:%4@h", "as %XX"},
        {"redis://:%zz@h", "as %XX"},
        {"redis://:a%00b@h", "as %XX"},
        {"redis://:a%0ab@h", "as %XX"},
        {"unix://", "absolute path"},
        {"unix://s", "absolute path"},
        {"unix://localhost/s", "absolute path"},
        {"unix://:p@s", "absolute path"},
        {"unix:///a%00b", "path"},
        {"unix:///s?db=", "?db="},
        {"unix:///s?db=x", "?db="},
        {"unix:///s?db=1&a=b", "?db="},
        {"unix:///s?x=1", "?db="},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct url url = {.port = 77};
        why[0] = '\0';
        assert_int_equal(url_parse(rows[i].text, &url, why, sizeof why), ERR_INVALID);
        assert_int_equal(url.port, 77);
        if (!strstr(why, rows[i].expected))
            fail_msg("%s: %s", rows[i].text, why);
        assert_false(cache_check_url(rows[i].text, why, sizeof why));
    }
}

static void long_parts_are_refused(void **state)
{
    static const struct {
        const char *before, *after;
        size_t max;
    } rows[] = {
        {"redis://", "", URL_NAME_MAX - 1},
        {"redis://", ":p@h", URL_NAME_MAX - 1},
        {"redis://:", "@h", URL_PASSWORD_MAX - 1},
        {"unix:///", "", URL_PATH_MAX - 2},
    };
    char text[2 * URL_PASSWORD_MAX], part[URL_PASSWORD_MAX + 1];
    struct url url;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int over = 0; over < 2; over++) {
            size_t len = rows[i].max + (size_t)over;
            memset(part, 'a', len);
            part[len] = '\0';
            snprintf(text, sizeof text, "%s%s%s", rows[i].before, part, rows[i].after);
            assert_int_equal(url_parse(text, &url, why, sizeof why), over ? ERR_INVALID : ERR_OK);
        }
    }
}

static void complaint_never_repeats_the_password(void **state)
{
    static const char *const texts[] = {"redis://:secret@", "redis://:secret@h:x", "secret",
                                        "unix://:secret@s", "redis://u:secret%@h"};
    struct url url;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(url_parse(texts[i], &url, why, sizeof why), ERR_INVALID);
        assert_null(strstr(why, "secret"));
    }
}

static void url_with_tls_is_refused_where_there_is_none(void **state)
{
    (void)state;
    assert_true(cache_check_url("redis://h", why, sizeof why));
    if (!cache_check_url("rediss://h", why, sizeof why))
        assert_non_null(strstr(why, "TLS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url_of_each_form_is_taken_apart),
        cmocka_unit_test(bad_url_is_told_what_it_must_be),
        cmocka_unit_test(long_parts_are_refused),
        cmocka_unit_test(complaint_never_repeats_the_password),
        cmocka_unit_test(url_with_tls_is_refused_where_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
