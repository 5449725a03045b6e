/* The JSON of messages: the proto3 mapping, from answers of the service and from the well-known
 * types that have a form of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <balances/v1/balances.pb-c.h>
#include <google/protobuf/any.pb-c.h>
#include <google/protobuf/duration.pb-c.h>
#include <google/protobuf/timestamp.pb-c.h>
#include <google/protobuf/wrappers.pb-c.h>

#include "client/json.h"

static void expect(const void *message, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    json_print(out, message);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

/* A wrapped text has nothing around it. */
static void expect_text(const char *text, const char *wanted)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    Google__Protobuf__StringValue value;
    google__protobuf__string_value__init(&value);
    value.value = copy;
    expect(&value, wanted);
}

static void empty_message_is_two_braces(void **state)
{
    (void)state;
    Balances__V1__ListBalancesResponse answer;
    balances__v1__list_balances_response__init(&answer);
    expect(&answer, "{}\n");
}

static void names_are_camel_case_and_defaults_left_out(void **state)
{
    (void)state;
    char balance[] = "0.000000000001";
    Balances__V1__GetNetBalanceResponse answer;
    balances__v1__get_net_balance_response__init(&answer);
    answer.balance = balance;
    expect(&answer, "{\n  \"balance\": \"0.000000000001\"\n}\n");

    char token[] = "t";
    answer.consistency_token = token;
    expect(&answer, "{\n"
                    "  \"balance\": \"0.000000000001\",\n"
                    "  \"consistencyToken\": \"t\"\n"
                    "}\n");
}

static void set_oneof_member_is_shown_even_if_default(void **state)
{
    (void)state;
    Balances__V1__Consistency consistency;
    balances__v1__consistency__init(&consistency);
    expect(&consistency, "{}\n");
    consistency.requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_FULLY_CONSISTENT;
    expect(&consistency, "{\n  \"fullyConsistent\": false\n}\n");
}

static void messages_nest_with_indents(void **state)
{
    (void)state;
    Balances__V1__Commit commit;
    balances__v1__commit__init(&commit);
    Balances__V1__AccessSchedule schedule;
    balances__v1__access_schedule__init(&schedule);
    Balances__V1__AccessSegment segment;
    balances__v1__access_segment__init(&segment);
    Google__Protobuf__Timestamp start;
    google__protobuf__timestamp__init(&start);
    Balances__V1__AccessSegment *segments[] = {&segment, &segment};
    segment.starting_at = &start;
    schedule.schedule_items = segments;
    schedule.n_schedule_items = 2;
    commit.access_schedule = &schedule;
    commit.type = BALANCES__V1__COMMIT_TYPE__COMMIT_TYPE_POSTPAID;
    expect(&commit, "{\n"
                    "  \"type\": \"COMMIT_TYPE_POSTPAID\",\n"
                    "  \"accessSchedule\": {\n"
                    "    \"scheduleItems\": [\n"
                    "      {\n"
                    "        \"startingAt\": \"1970-01-01T00:00:00Z\"\n"
                    "      },\n"
                    "      {\n"
                    "        \"startingAt\": \"1970-01-01T00:00:00Z\"\n"
                    "      }\n"
                    "    ]\n"
                    "  }\n"
                    "}\n");
}

static void enum_without_name_is_its_number(void **state)
{
    (void)state;
    Balances__V1__LineItemType types[] = {
        BALANCES__V1__LINE_ITEM_TYPE__LINE_ITEM_TYPE_USAGE,
        BALANCES__V1__LINE_ITEM_TYPE__LINE_ITEM_TYPE_UNSPECIFIED,
        (Balances__V1__LineItemType)77,
    };
    Balances__V1__AccountBalance account;
    balances__v1__account_balance__init(&account);
    account.line_item_types = types;
    account.n_line_item_types = 3;
    account.version = INT64_MAX;
    account.allow_overdraft = true;
    expect(&account, "{\n"
                     "  \"lineItemTypes\": [\n"
                     "    \"LINE_ITEM_TYPE_USAGE\",\n"
                     "    \"LINE_ITEM_TYPE_UNSPECIFIED\",\n"
                     "    77\n"
                     "  ],\n"
                     "  \"allowOverdraft\": true,\n"
                     "  \"version\": \"9223372036854775807\"\n"
                     "}\n");
}

static void map_is_an_object_sorted_with_the_last_of_a_key(void **state)
{
    (void)state;
    char b[] = "b";
    char a[] = "a";
    char one[] = "1";
    char two[] = "2";
    Balances__V1__Credit__CustomFieldsEntry entries[3];
    for (size_t i = 0; i < 3; i++)
        balances__v1__credit__custom_fields_entry__init(&entries[i]);
    entries[0].key = b, entries[0].value = one;
    entries[1].key = a;
    entries[2].key = b, entries[2].value = two;
    Balances__V1__Credit__CustomFieldsEntry *pointers[] = {&entries[0], &entries[1], &entries[2]};
    Balances__V1__Credit credit;
    balances__v1__credit__init(&credit);
    credit.custom_fields = pointers;
    credit.n_custom_fields = 3;
    expect(&credit, "{\n"
                    "  \"customFields\": {\n"
                    "    \"a\": \"\",\n"
                    "    \"b\": \"2\"\n"
                    "  }\n"
                    "}\n");
}

static void strings_are_escaped_and_mended(void **state)
{
    (void)state;
    expect_text("", "\"\"\n");
    expect_text("\"\\\n\r\t\x1b\x7f/", "\"\\\"\\\\\\n\\r\\t\\u001b\\u007f/\"\n");
    expect_text("é ✓ 𝄞", "\"é ✓ 𝄞\"\n");
    expect_text("\xc2\x9b", "\"\\u009b\"\n");
    expect_text("a\xffz", "\"a\uFFFDz\"\n");
    expect_text("\xc0\xaf", "\"\uFFFD\uFFFD\"\n");
    expect_text("\xed\xa0\x80", "\"\uFFFD\uFFFD\uFFFD\"\n");
    expect_text("\xe2\x9c", "\"\uFFFD\uFFFD\"\n");
}

static void wrapper_is_what_it_wraps_even_if_default(void **state)
{
    (void)state;
    Google__Protobuf__DoubleValue priority;
    google__protobuf__double_value__init(&priority);
    Balances__V1__Commit commit;
    balances__v1__commit__init(&commit);
    commit.priority = &priority;
    expect(&commit, "{\n  \"priority\": 0\n}\n");

    Google__Protobuf__BoolValue no;
    google__protobuf__bool_value__init(&no);
    expect(&no, "false\n");
    Google__Protobuf__Int32Value small;
    google__protobuf__int32_value__init(&small);
    small.value = INT32_MIN;
    expect(&small, "-2147483648\n");
    Google__Protobuf__UInt32Value count;
    google__protobuf__uint32_value__init(&count);
    count.value = UINT32_MAX;
    expect(&count, "4294967295\n");
    Google__Protobuf__UInt64Value large;
    google__protobuf__uint64_value__init(&large);
    large.value = UINT64_MAX;
    expect(&large, "\"18446744073709551615\"\n");
}

static void real_number_is_shortest_that_reads_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *wanted;
    } cases[] = {
        {1.5, "1.5\n"},
        {0.1, "0.1\n"},
        {-100, "-100\n"},
        {1.0 / 3, "0.3333333333333333\n"},
        {1e300, "1e+300\n"},
        {__builtin_nan(""), "\"NaN\"\n"},
        {__builtin_inf(), "\"Infinity\"\n"},
        {-__builtin_inf(), "\"-Infinity\"\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Google__Protobuf__DoubleValue value;
        google__protobuf__double_value__init(&value);
        value.value = cases[i].value;
        expect(&value, cases[i].wanted);
    }
    Google__Protobuf__FloatValue single;
    google__protobuf__float_value__init(&single);
    single.value = 0.1f;
    expect(&single, "0.1\n");
}

static void bytes_are_base64(void **state)
{
    (void)state;
    static const char *const wanted[] = {"\"\"\n", "\"Zg==\"\n", "\"Zm8=\"\n", "\"Zm9v\"\n",
                                         "\"Zm9v/w==\"\n"};
    uint8_t data[] = {'f', 'o', 'o', 0xff};
    for (size_t len = 0; len <= sizeof data; len++) {
        Google__Protobuf__BytesValue value;
        google__protobuf__bytes_value__init(&value);
        value.value = (ProtobufCBinaryData){len, data};
        expect(&value, wanted[len]);
    }
}

static void timestamp_has_0_3_6_or_9_digits(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        int32_t nanos;
        const char *wanted;
    } cases[] = {
        {0, 0, "\"1970-01-01T00:00:00Z\"\n"},
        {-1, 500000000, "\"1969-12-31T23:59:59.500Z\"\n"},
        {1735689600, 1000, "\"2025-01-01T00:00:00.000001Z\"\n"},
        {1735689600, 1, "\"2025-01-01T00:00:00.000000001Z\"\n"},
        {-62135596800, 0, "\"0001-01-01T00:00:00Z\"\n"},
        {253402300799, 999999999, "\"9999-12-31T23:59:59.999999999Z\"\n"},
        /* What is none is shown as what it holds. */
        {253402300800, 0, "{\n  \"seconds\": \"253402300800\"\n}\n"},
        {0, -1, "{\n  \"nanos\": -1\n}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Google__Protobuf__Timestamp value;
        google__protobuf__timestamp__init(&value);
        value.seconds = cases[i].seconds;
        value.nanos = cases[i].nanos;
        expect(&value, cases[i].wanted);
    }
}

static void duration_is_seconds_with_a_sign(void **state)
{
    (void)state;
    Google__Protobuf__Duration value;
    google__protobuf__duration__init(&value);
    expect(&value, "\"0s\"\n");
    value.seconds = 1;
    value.nanos = 500000000;
    expect(&value, "\"1.500s\"\n");
    value.seconds = 0;
    value.nanos = -1;
    expect(&value, "\"-0.000000001s\"\n");
    value.nanos = INT32_MIN;
    expect(&value, "{\n  \"nanos\": -2147483648\n}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_message_is_two_braces),
        cmocka_unit_test(names_are_camel_case_and_defaults_left_out),
        cmocka_unit_test(set_oneof_member_is_shown_even_if_default),
        cmocka_unit_test(messages_nest_with_indents),
        cmocka_unit_test(enum_without_name_is_its_number),
        cmocka_unit_test(map_is_an_object_sorted_with_the_last_of_a_key),
        cmocka_unit_test(strings_are_escaped_and_mended),
        cmocka_unit_test(wrapper_is_what_it_wraps_even_if_default),
        cmocka_unit_test(real_number_is_shortest_that_reads_back),
        cmocka_unit_test(bytes_are_base64),
        cmocka_unit_test(timestamp_has_0_3_6_or_9_digits),
        cmocka_unit_test(duration_is_seconds_with_a_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
