/* Seals: what was made opens, and nothing else does. */
#include "kit.h"

#include "base/seal.h"

static const struct seal_key key = {{0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                     11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                     22, 23, 24, 25, 26, 27, 28, 29, 30, 31}};
static const uint8_t payload[SEAL_PAYLOAD_MAX] = {0, 1, 2, 3, 4, 5, 6, 0xff};
static const char bound[] = "the request";

static enum err opens(const char *text, size_t len)
{
    uint8_t got[SEAL_PAYLOAD_MAX];

    memset(got, 0xa5, sizeof got);
    enum err err = seal_open(&key, "page", bytes_text(bound), text, got, len);
    for (size_t i = 0; i < sizeof got; i++)
        assert_int_equal(got[i], err == ERR_OK && i < len ? payload[i] : 0xa5);
    return err;
}

static void make(size_t len, char text[static SEAL_TEXT_MAX])
{
    seal_make(&key, "page", bytes_text(bound), bytes_of(payload, len), text);
}

/* Another program's arithmetic: HMAC-SHA256 of the two hashes and the payload, cut to 16 bytes,
 * with the payload before it in base64url. Tokens outlive the release that made them. */
static void seal_text_never_changes(void **state)
{
    (void)state;
    char text[SEAL_TEXT_MAX];

    make(8, text);
    assert_string_equal(text, "AAECAwQFBv9pEI3K4kWfhXiySHkphF6B");
}

static void seal_of_every_length_opens(void **state)
{
    (void)state;
    char text[SEAL_TEXT_MAX];

    for (size_t len = 0; len <= SEAL_PAYLOAD_MAX; len++) {
        make(len, text);
        assert_true(strlen(text) < SEAL_TEXT_MAX);
        assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789-_"),
                         strlen(text));
        assert_int_equal(opens(text, len), ERR_OK);
        /* A token of one kind is never one of another length. */
        for (size_t other = 0; other <= SEAL_PAYLOAD_MAX; other++) {
            if (other != len)
                assert_int_equal(opens(text, other), ERR_INVALID);
        }
    }
}

static void seal_changed_in_one_character_is_refused(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 2, 8, 25, SEAL_PAYLOAD_MAX};
    char text[SEAL_TEXT_MAX];

    for (size_t i = 0; i < COUNT(lens); i++) {
        make(lens[i], text);
        for (char *at = text; *at; at++) {
            const char good = *at;
            for (int c = 1; c < 256; c++) {
                *at = (char)c;
                if (*at != good)
                    assert_int_equal(opens(text, lens[i]), ERR_INVALID);
            }
            *at = good;
        }
        assert_int_equal(opens(text, lens[i]), ERR_OK);
    }
}

static void seal_cut_or_extended_is_refused(void **state)
{
    (void)state;
    char text[SEAL_TEXT_MAX], longer[SEAL_TEXT_MAX + 1];

    make(8, text);
    snprintf(longer, sizeof longer, "%sA", text);
    assert_int_equal(opens(longer, 8), ERR_INVALID);
    for (size_t len = strlen(text); len-- > 0;) {
        text[len] = '\0';
        assert_int_equal(opens(text, 8), ERR_INVALID);
    }
}

static void seal_of_another_is_refused(void **state)
{
    (void)state;
    struct seal_key other_key = key;
    char text[SEAL_TEXT_MAX];

    other_key.bytes[31] ^= 1;
    seal_make(&other_key, "page", bytes_text(bound), bytes_of(payload, 8), text);
    assert_int_equal(opens(text, 8), ERR_INVALID);
    seal_make(&key, "consistency", bytes_text(bound), bytes_of(payload, 8), text);
    assert_int_equal(opens(text, 8), ERR_INVALID);
    seal_make(&key, "page", bytes_of(bound, strlen(bound) - 1), bytes_of(payload, 8), text);
    assert_int_equal(opens(text, 8), ERR_INVALID);
    seal_make(&key, "page", bytes_of(bound, sizeof bound), bytes_of(payload, 8), text);
    assert_int_equal(opens(text, 8), ERR_INVALID);
    /* What moves from one part to the next makes another whole. */
    seal_make(&key, "paget", bytes_text("he request"), bytes_of(payload, 8), text);
    assert_int_equal(opens(text, 8), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seal_text_never_changes),
        cmocka_unit_test(seal_of_every_length_opens),
        cmocka_unit_test(seal_changed_in_one_character_is_refused),
        cmocka_unit_test(seal_cut_or_extended_is_refused),
        cmocka_unit_test(seal_of_another_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
