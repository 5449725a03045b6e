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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(digest_is_sha256)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
