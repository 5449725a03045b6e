/* The look at a request before it is unpacked: what it refuses, by which field and why, and that
 * protobuf-c takes all that it lets pass. */
#include "kit.h"

#include "balances/v1/balances.pb-c.h"
#include "base/utf8.h"
#include "rpc/wire.h"

#define NET      &balances__v1__get_net_balance_request__descriptor
#define BALANCES &balances__v1__list_balances_request__descriptor

/* A message in hexadecimal, blanks between its parts. */
static size_t from_hex(const char *hex, uint8_t *ret, size_t room)
{
    size_t len = 0;

    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        char digits[3] = {hex[0], hex[1], '\0'}, *end;
        assert_true(len < room);
        ret[len++] = (uint8_t)strtoul(digits, &end, 16);
        assert_true(end == digits + 2);
        hex++;
    }
    return len;
}

static enum err check(const char *hex, const ProtobufCMessageDescriptor *type,
                      struct wire_problem *ret)
{
    uint8_t message[1024];
    size_t len = from_hex(hex, message, sizeof message);
    uint8_t *exact = malloc(len); /* so that reading beyond it shows */

    assert_true(exact || len == 0);
    if (len > 0)
        memcpy(exact, message, len);
    enum err err = wire_check(bytes_of(exact, len), type, ret);
    ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, len, exact);
    /* It is stricter, never laxer. */
    if (err == ERR_OK)
        assert_non_null(m);
    if (m)
        protobuf_c_message_free_unpacked(m, NULL);
    free(exact);
    return err;
}

static void assert_passes(const char *hex, const ProtobufCMessageDescriptor *type)
{
    struct wire_problem problem;

    if (check(hex, type, &problem) != ERR_OK)
        fail_msg("%s: %s %s", hex, problem.field, problem.description);
    assert_string_equal(problem.field, "");
}

static void wire_well_formed_message_passes(void **state)
{
    (void)state;
    assert_passes("", NET);
    assert_passes("0a 03 616263", NET);                        /* customer_id: "abc" */
    assert_passes("0a 00", NET);                               /* empty */
    assert_passes("0a 03 6e c3af", NET);                       /* "nï" */
    assert_passes("1a 00", NET);                               /* an empty filter */
    assert_passes("1a 04 0a 02 01 02", NET);                   /* its types, packed, */
    assert_passes("1a 04 08 01 08 02", NET);                   /* and one by one */
    assert_passes("1a 02 0a 00", NET);                         /* packed, none */
    assert_passes("1a 08 1a 06 0a 01 6b 12 01 76", NET);       /* a custom field */
    assert_passes("20 02", NET);                               /* invoice_inclusion_mode */
    assert_passes("20 ff ff ff ff ff ff ff ff ff 01", NET);    /* -1, as an enum may be */
    assert_passes("20 80 80 00", NET);                         /* 0, longer than needed */
    assert_passes("0a 01 61 0a 01 62", NET);                   /* twice: the last one counts */
    assert_passes("1a 00 1a 00", NET);                         /* two filters */
    assert_passes("1a 0a 1a 03 0a 01 6b 1a 03 0a 01 6b", NET); /* a key of a map twice */
    assert_passes("58 05 38 01", BALANCES);                    /* limit, a flag */
    assert_passes("1a 04 08 ff ff 01", BALANCES);              /* covering, seconds */
    assert_passes("8a 80 80 80 00 00", NET);                   /* a key longer than needed */
}

static void wire_unknown_field_passes(void **state)
{
    (void)state;
    assert_passes("f8 7f 01", NET);               /* varint, field 2047 */
    assert_passes("f9 7f 0102030405060708", NET); /* 64 bits */
    assert_passes("fa 7f 02 ff00", NET);          /* bytes: not looked at */
    assert_passes("fd 7f 01020304", NET);         /* 32 bits */
    assert_passes("f8 ff ff ff 0f 01", NET);      /* the largest number, 2^29 - 1 */
    assert_passes("1a 03 f8 7f 01", NET);         /* in a filter */
}

static void wire_problem_names_field_and_reason(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        const ProtobufCMessageDescriptor *type;
        const char *field, *description;
    } rows[] = {
        {"0a 03 610062", NET, "customer_id", "must not contain a zero byte"},
        {"0a 01 00", NET, "customer_id", "must not contain a zero byte"},
        {"0a 01 ff", NET, "customer_id", "must be valid UTF-8"},
        {"0a 02 c080", NET, "customer_id", "must be valid UTF-8"},
        {"0a 03 eda080", NET, "customer_id", "must be valid UTF-8"},
        {"0a 02 e282", NET, "customer_id", "must be valid UTF-8"},
        {"0a 01 61 12 01 ff", NET, "credit_type_id", "must be valid UTF-8"},
        {"1a 03 12 01 80", NET, "filters.ids", "must be valid UTF-8"},
        {"1a 05 1a 03 0a 01 80", NET, "filters.custom_fields.key", "must be valid UTF-8"},
        {"1a 05 1a 03 12 01 00", NET, "filters.custom_fields.value",
         "must not contain a zero byte"},
        {"08 01", NET, "customer_id", "has the wire type of another kind of field"},
        {"0d 01020304", NET, "customer_id", "has the wire type of another kind of field"},
        {"22 01 02", NET, "invoice_inclusion_mode", "has the wire type of another kind of field"},
        {"18 01", NET, "filters", "has the wire type of another kind of field"},
        {"1a 02 10 01", NET, "filters.ids", "has the wire type of another kind of field"},
        {"5d 01020304", BALANCES, "limit", "has the wire type of another kind of field"},
        {"0a 05 6162", NET, "customer_id", "ends in the middle of a field"},
        {"0a", NET, "customer_id", "ends in the middle of a field"},
        {"0a 80", NET, "customer_id", "ends in the middle of a field"},
        {"0a ff ff ff ff ff ff ff ff ff 01", NET, "customer_id", "ends in the middle of a field"},
        {"20 80", NET, "invoice_inclusion_mode", "ends in the middle of a field"},
        {"20 80 80 80 80 80 80 80 80 80 80 01", NET, "invoice_inclusion_mode",
         "ends in the middle of a field"},
        {"0a 81 80 80 80 80 00 61", NET, "customer_id", "ends in the middle of a field"},
        {"1a 04 0a 02 01 80", NET, "filters.balance_types", "ends in the middle of a value"},
        {"1a 0d 0a 0b 80 80 80 80 80 80 80 80 80 80 01", NET, "filters.balance_types",
         "ends in the middle of a value"},
        {"1a 03 0a 05 01", NET, "filters.balance_types", "ends in the middle of a field"},
        {"fd 7f 010203", NET, "", "ends in the middle of a field"},
        {"f9 7f 01020304050607", NET, "", "ends in the middle of a field"},
        {"1a 04 fa 7f 05 01", NET, "filters", "ends in the middle of a field"},
        {"80", NET, "", "is not a protocol buffer message"},
        {"8a 80 80 80 80 00 00", NET, "", "is not a protocol buffer message"},
        {"ff ff ff ff ff ff ff ff ff ff ff", NET, "", "is not a protocol buffer message"},
        {"00 01", NET, "", "has an impossible field number"},
        {"02 00", NET, "", "has an impossible field number"},
        {"f8 ff ff ff 1f 01", NET, "", "has an impossible field number"},
        {"2a 00 2a 00", NET, "consistency", "must not come twice"},
        {"1a 02 08 01 1a 02 08 01", BALANCES, "covering_date", "must not come twice"},
        {"0b 0c", NET, "customer_id", "has the wire type of another kind of field"},
        {"fb 7f fc 7f", NET, "", "has a group, which this protocol does not use"},
        {"fc 7f", NET, "", "has a group, which this protocol does not use"},
        {"fe 7f 00", NET, "", "has a wire type that does not exist"},
        {"ff 7f 00", NET, "", "has a wire type that does not exist"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct wire_problem problem;
        assert_int_equal(check(rows[i].hex, rows[i].type, &problem), ERR_INVALID);
        assert_string_equal(problem.field, rows[i].field);
        assert_string_equal(problem.description, rows[i].description);
    }
}

static void wire_message_cut_anywhere_is_refused_or_ends_between_fields(void **state)
{
    (void)state;
    uint8_t message[64];
    struct wire_problem problem;
    size_t passed = 0;
    size_t len = from_hex("0a 02 6161 1a 0a 0a 02 01 02 12 04 61626364 20 01 f8 7f 01", message,
                          sizeof message);

    for (size_t cut = 0; cut <= len; cut++) {
        uint8_t *exact = malloc(cut);
        assert_true(exact || cut == 0);
        if (cut > 0)
            memcpy(exact, message, cut);
        passed += wire_check(bytes_of(exact, cut), NET, &problem) == ERR_OK;
        free(exact);
    }
    assert_int_equal(passed, 5); /* before and after each of its four fields */
}

static void wire_too_many_unknown_fields_are_refused(void **state)
{
    (void)state;
    uint8_t message[2 + 3 * (UNKNOWN_FIELDS_MAX + 1)];
    struct wire_problem problem;

    for (size_t i = 0; i <= UNKNOWN_FIELDS_MAX; i++)
        memcpy(message + 3 * i, "\xf8\x7f\x01", 3);
    assert_int_equal(wire_check(bytes_of(message, 3 * UNKNOWN_FIELDS_MAX), NET, &problem), ERR_OK);
    assert_int_equal(wire_check(bytes_of(message, 3 * (UNKNOWN_FIELDS_MAX + 1)), NET, &problem),
                     ERR_INVALID);
    /* In all messages together. */
    memcpy(message, "\x1a\x03\xf8\x7f\x01", 5);
    for (size_t i = 0; i < UNKNOWN_FIELDS_MAX; i++)
        memcpy(message + 5 + 3 * i, "\xf8\x7f\x01", 3);
    assert_int_equal(wire_check(bytes_of(message, 5 + 3 * (UNKNOWN_FIELDS_MAX - 1)), NET, &problem),
                     ERR_OK);
    assert_int_equal(wire_check(bytes_of(message, 5 + 3 * UNKNOWN_FIELDS_MAX), NET, &problem),
                     ERR_INVALID);
}

/* None of our requests nests without end; a type that contains itself shows the bound. */
static void wire_deep_nesting_is_refused(void **state)
{
    (void)state;
    ProtobufCMessageDescriptor type = {.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
                                       .name = "nest"};
    const ProtobufCFieldDescriptor field = {.name = "nest",
                                            .id = 1,
                                            .label = PROTOBUF_C_LABEL_NONE,
                                            .type = PROTOBUF_C_TYPE_MESSAGE,
                                            .descriptor = &type};
    const ProtobufCIntRange ranges[] = {{1, 0}, {0, 1}};
    uint8_t message[512];
    struct wire_problem problem;

    type.n_fields = 1;
    type.fields = &field;
    type.n_field_ranges = 1;
    type.field_ranges = ranges;
    for (size_t depth = 0; depth < 100; depth++) {
        /* Written from the inside out, all lengths in one byte. */
        size_t start = sizeof message;
        for (size_t i = 0; i < depth && sizeof message - start < 126; i++) {
            size_t len = sizeof message - start;
            message[--start] = (uint8_t)len;
            message[--start] = 0x0a;
        }
        struct bytes in = bytes_of(message + start, sizeof message - start);
        assert_int_equal(wire_check(in, &type, &problem),
                         depth < MESSAGE_DEPTH_MAX ? ERR_OK : ERR_INVALID);
        assert_true(strlen(problem.field) < sizeof problem.field);
    }
    assert_string_equal(problem.description, "is nested too deeply");
    assert_string_equal(problem.field, "nest.nest.nest.nest.nest.nest.nest.nest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wire_well_formed_message_passes),
        cmocka_unit_test(wire_unknown_field_passes),
        cmocka_unit_test(wire_problem_names_field_and_reason),
        cmocka_unit_test(wire_message_cut_anywhere_is_refused_or_ends_between_fields),
        cmocka_unit_test(wire_too_many_unknown_fields_are_refused),
        cmocka_unit_test(wire_deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
