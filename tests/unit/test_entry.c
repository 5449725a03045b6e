/* Filed answers: what is encoded is decoded, and whatever is not exactly that is refused. */
#include "kit.h"

#include <xxhash.h>

#include "cache/entry.h"

static const struct id customer = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const uint8_t request[16] = {0xa0, 0xa1};
static uint8_t room[ENTRY_HEADER_BYTES + 4096];

static struct entry_name name_of(const char method[static 5])
{
    return entry_name(&customer, method, request);
}

static struct bytes encode(const struct entry_name *name, int64_t version, struct bytes answer)
{
    const struct entry_value entry = {version, 1700000000000000, answer};

    entry_encode(name, &entry, room);
    return bytes_of(room, ENTRY_HEADER_BYTES + answer.len);
}

static bool decodes(const struct entry_name *name, struct bytes in)
{
    /* In a block of its own, so that a look beyond its end shows. */
    uint8_t *copy = malloc(in.len ? in.len : 1);
    struct entry_value entry = {.version = 77};

    assert_non_null(copy);
    memcpy(copy, in.data, in.len);
    bool ok = entry_decode(name, bytes_of(copy, in.len), &entry) == ERR_OK;
    assert_true(ok || entry.version == 77);
    free(copy);
    return ok;
}

static void entry_round_trip_is_the_same(void **state)
{
    static const int64_t versions[] = {0, 1, 255, 256, INT64_C(9007199254740993), INT64_MAX};
    static uint8_t answer[4096];
    const struct entry_name name = name_of("net\0");

    (void)state;
    for (size_t i = 0; i < sizeof answer; i++)
        answer[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < COUNT(versions); i++) {
        for (size_t len = 0; len <= sizeof answer; len = len * 2 + 1) {
            struct entry_value entry;
            struct bytes in = encode(&name, versions[i], bytes_of(answer, len));
            assert_int_equal(entry_decode(&name, in, &entry), ERR_OK);
            assert_int_equal(entry.version, versions[i]);
            assert_int_equal(entry.valid_until, 1700000000000000);
            assert_int_equal(entry.answer.len, len);
            assert_memory_equal(entry.answer.data, answer, len);
        }
    }
}

/* What is in the Redis of a running installation must be read by the next release, or be of another
 * format. */
static void entry_layout_is_what_it_was(void **state)
{
    static const char expected[] = "0a44b8fd60a7cdc40100000003000000"
                                   "0102030405060708090a0b0c0d0e0f10"
                                   "c900a5fbe4da9bd76528b5e4ae5ba8d1"
                                   "020100000000000000401e18240a0600";
    const struct entry_name name = name_of("net\0");
    struct bytes in = encode(&name, 258, bytes_text("abc"));
    char hex[2 * ENTRY_HEADER_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < ENTRY_HEADER_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", in.data[i]);
    assert_string_equal(hex, expected);
}

static void entry_with_a_flipped_bit_is_refused(void **state)
{
    const struct entry_name name = name_of("net\0");
    struct bytes in = encode(&name, 5, bytes_text("the answer"));

    (void)state;
    assert_true(decodes(&name, in));
    for (size_t bit = 0; bit < 8 * in.len; bit++) {
        room[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(decodes(&name, in));
        room[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(decodes(&name, in));
}

static void entry_of_another_length_is_refused(void **state)
{
    const struct entry_name name = name_of("net\0");
    struct bytes in = encode(&name, 5, bytes_text("the answer"));

    (void)state;
    for (size_t len = 0; len < in.len; len++)
        assert_false(decodes(&name, bytes_of(in.data, len)));
    room[in.len] = 0;
    assert_false(decodes(&name, bytes_of(in.data, in.len + 1)));
}

static void entry_under_another_name_is_refused(void **state)
{
    const struct entry_name name = name_of("net\0"), other_method = name_of("neu\0");
    struct id other_customer = customer;
    uint8_t other_request[16];
    struct bytes in = encode(&name, 5, bytes_text("the answer"));

    (void)state;
    assert_false(decodes(&other_method, in));
    for (int bit = 0; bit < 128; bit++) {
        other_customer.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const struct entry_name theirs = entry_name(&other_customer, "net\0", request);
        assert_false(decodes(&theirs, in));
        other_customer.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);

        memcpy(other_request, request, sizeof request);
        other_request[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const struct entry_name other = entry_name(&customer, "net\0", other_request);
        assert_false(decodes(&other, in));
    }
    assert_true(decodes(&name, in));
}

/* Makes the checksum right again, as another program's would be. */
static void put_checksum(struct bytes in)
{
    uint64_t sum = XXH3_64bits(in.data + 8, in.len - 8);

    for (int i = 0; i < 8; i++)
        room[i] = (uint8_t)(sum >> 8 * i);
}

static void entry_of_another_format_is_refused(void **state)
{
    const struct entry_name name = name_of("net\0");
    struct bytes in = encode(&name, 5, bytes_text("the answer"));

    (void)state;
    put_checksum(in);
    assert_true(decodes(&name, in));
    room[8]++;
    put_checksum(in);
    assert_false(decodes(&name, in));
}

static void entry_that_lies_about_its_length_is_refused(void **state)
{
    const struct entry_name name = name_of("net\0");
    struct bytes in = encode(&name, 5, bytes_text("the answer"));

    (void)state;
    for (int by = -1; by <= 1; by += 2) {
        room[12] = (uint8_t)(10 + by);
        put_checksum(in);
        assert_false(decodes(&name, in));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_round_trip_is_the_same),
        cmocka_unit_test(entry_layout_is_what_it_was),
        cmocka_unit_test(entry_with_a_flipped_bit_is_refused),
        cmocka_unit_test(entry_of_another_length_is_refused),
        cmocka_unit_test(entry_under_another_name_is_refused),
        cmocka_unit_test(entry_of_another_format_is_refused),
        cmocka_unit_test(entry_that_lies_about_its_length_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
