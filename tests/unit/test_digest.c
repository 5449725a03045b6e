/* SHA-256, against the examples of FIPS 180-2. */
#include "kit.h"

#include "base/digest.h"

static void assert_digest(struct bytes in, const char *hex)
{
    struct digest d = digest_of(in);
    char got[2 * DIGEST_BYTES + 1];

    for (int i = 0; i < DIGEST_BYTES; i++)
        snprintf(got + 2 * i, 3, "%02x", d.bytes[i]);
    assert_string_equal(got, hex);
}

static void digest_is_sha256(void **state)
{
    (void)state;
    assert_digest(bytes_of(NULL, 0),
                  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest(bytes_text("abc"),
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest(bytes_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void digest_is_read_from_hexadecimal_digits(void **state)
{
    static const char hex[] = "Ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015aD";
    struct digest expected = digest_of(bytes_text("abc")), got;

    (void)state;
    assert_int_equal(digest_parse(bytes_text(hex), &got), ERR_OK);
    assert_true(digest_equal(&got, &expected));
    assert_int_equal(digest_parse(bytes_of(hex, 63), &got), ERR_INVALID);
    assert_int_equal(digest_parse(bytes_of(hex, 65), &got), ERR_INVALID);
    for (int c = 0; c < 256; c++) {
        char other[65];
        memcpy(other, hex, sizeof other);
        other[63] = (char)c;
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        assert_int_equal(digest_parse(bytes_of(other, 64), &got) == ERR_OK, digit);
    }
}

static void digests_that_differ_in_one_bit_are_not_equal(void **state)
{
    (void)state;
    for (int bit = 0; bit < DIGEST_BYTES * 8; bit++) {
        struct digest a = digest_of(bytes_text("abc")), b = a;
        assert_true(digest_equal(&a, &b));
        b.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(digest_equal(&a, &b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_is_sha256),
        cmocka_unit_test(digest_is_read_from_hexadecimal_digits),
        cmocka_unit_test(digests_that_differ_in_one_bit_are_not_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
