/* UTF-8, compared with its definition: a sequence is well-formed if it is what encoding a character
 * gives, and characters are all numbers up to 0x10ffff but the surrogates. */
#include "kit.h"

#include "base/utf8.h"

/* As the definition says, for any number: also for those that are no characters. */
static size_t encode(uint32_t character, uint8_t ret[static 4])
{
    if (character < 0x80) {
        ret[0] = (uint8_t)character;
        return 1;
    }
    size_t more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    for (size_t i = more; i > 0; i--, character >>= 6)
        ret[i] = (uint8_t)(0x80 | (character & 0x3f));
    ret[0] = (uint8_t)(0xff00 >> (more + 1) | character);
    return more + 1;
}

static bool is_character(uint32_t number)
{
    return number < 0xd800 || (number > 0xdfff && number <= 0x10ffff);
}

/* Whether four bytes are one character or more, by trying all that the first could begin. */
static bool defined(const uint8_t *text, size_t len)
{
    uint8_t again[4];

    while (len > 0) {
        size_t size = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
        uint32_t number = text[0];
        if (size > len || text[0] > 0xf7 || (text[0] >= 0x80 && text[0] < 0xc0))
            return false;
        if (size > 1)
            number &= 0x3fu >> (size - 1);
        for (size_t i = 1; i < size; i++)
            number = number << 6 | (text[i] & 0x3f);
        if (!is_character(number) || encode(number, again) != size ||
            memcmp(again, text, size) != 0)
            return false;
        text += size;
        len -= size;
    }
    return true;
}

static void utf8_every_character_is_valid(void **state)
{
    (void)state;
    uint8_t text[4];

    for (uint32_t c = 0; c < 0x1fffff; c++) {
        size_t len = encode(c, text);
        assert_int_equal(utf8_is_valid(bytes_of(text, len)), is_character(c));
        for (size_t cut = 1; cut < len; cut++)
            assert_false(utf8_is_valid(bytes_of(text, cut)));
    }
}

static void utf8_every_short_text_is_judged_by_definition(void **state)
{
    (void)state;
    /* All that bounds touch, and their neighbours. */
    static const uint8_t last[] = {0x00, 0x41, 0x7f, 0x80, 0x81, 0xbe,
                                   0xbf, 0xc0, 0xc2, 0xe0, 0xff};
    uint8_t text[4];

    for (uint32_t two = 0; two < 0x10000; two++) {
        text[0] = (uint8_t)(two >> 8);
        text[1] = (uint8_t)two;
        assert_int_equal(utf8_is_valid(bytes_of(text, 2)), defined(text, 2));
        for (size_t i = 0; i < COUNT(last) * COUNT(last); i++) {
            text[2] = last[i / COUNT(last)];
            text[3] = last[i % COUNT(last)];
            assert_int_equal(utf8_is_valid(bytes_of(text, 3)), defined(text, 3));
            assert_int_equal(utf8_is_valid(bytes_of(text, 4)), defined(text, 4));
        }
    }
}

static void utf8_text_is_looked_at_to_its_end(void **state)
{
    (void)state;
    char text[] = "na\xc3\xafve \xe2\x82\xac \xf0\x9f\xaa\x99 and so on";

    assert_true(utf8_is_valid(bytes_of(NULL, 0)));
    assert_true(utf8_is_valid(bytes_text(text)));
    text[sizeof text - 2] = '\xff';
    assert_false(utf8_is_valid(bytes_text(text)));
}

static void utf8_cut_leaves_whole_characters(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xaf\xe2\x82\xac\xf0\x9f\xaa\x99z";
    static const size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11, 11};

    for (size_t max = 0; max < COUNT(kept); max++) {
        char copy[sizeof text];
        memcpy(copy, text, sizeof text);
        utf8_cut(copy, max);
        assert_int_equal(strlen(copy), kept[max]);
        assert_memory_equal(copy, text, kept[max]);
    }
}

static void utf8_length_counts_characters(void **state)
{
    (void)state;
    assert_int_equal(utf8_length(""), 0);
    assert_int_equal(utf8_length("abc"), 3);
    assert_int_equal(utf8_length("a\xc3\xaf\xe2\x82\xac\xf0\x9f\xaa\x99z"), 5);
}

static void control_characters_are_found(void **state)
{
    (void)state;
    assert_false(utf8_has_control(""));
    assert_false(utf8_has_control("a \u00a0\u00c2\u0100~"));
    for (const char *const *bad = (const char *const[]){"\n", "a\x1f", "\x7f", "\xc2\x80",
                                                        "a\xc2\x9f"
                                                        "b",
                                                        NULL};
         *bad; bad++)
        assert_true(utf8_has_control(*bad));
}

/* domain.md A13: ^[\p{L}_$][\p{L}_$0-9]*$ */
static void identifier_is_letters_and_then_digits(void **state)
{
    (void)state;
    const char *const right[] = {"a",
                                 "Z9",
                                 "_",
                                 "$",
                                 "_0$",
                                 "\u00e9t\u00e9",
                                 "\u0434\u0430",
                                 "\u4e2d\u6587",
                                 "\u02b0",
                                 "\U00010400",
                                 "\u00aa"};
    const char *const wrong[] = {"",           "0",
                                 "a-b",        "a b",
                                 "\u0661",                /* a digit */
                                 "a\u0661",    "a\u0301", /* a mark */
                                 "\u2160",     /* a number */ "a\u00b2",
                                 "\U0001f600", "a.",
                                 "%"};

    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_true(utf8_is_identifier(right[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(utf8_is_identifier(wrong[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_found),
        cmocka_unit_test(identifier_is_letters_and_then_digits),
        cmocka_unit_test(utf8_every_character_is_valid),
        cmocka_unit_test(utf8_every_short_text_is_judged_by_definition),
        cmocka_unit_test(utf8_text_is_looked_at_to_its_end),
        cmocka_unit_test(utf8_length_counts_characters),
        cmocka_unit_test(utf8_cut_leaves_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
