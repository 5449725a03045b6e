/* What the command line says in text, as fields of requests: instants, numbers, names, filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <balances/v1/account_balances.pb-c.h>
#include <balances/v1/balances.pb-c.h>
#include <balances/v1/ledger.pb-c.h>

#include "client/fields.h"
#include "client/rfc3339.h"

static enum err set(void *request, const char *name, field_set_fn *setter, const char *text)
{
    const ProtobufCMessageDescriptor *type = ((ProtobufCMessage *)request)->descriptor;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(type, name);
    assert_non_null(field);
    char *allowed = NULL;
    enum err err = setter(request, field, text, &allowed);
    assert_int_equal(err == ERR_OK, allowed == NULL);
    free(allowed);
    return err;
}

static Balances__V1__GetNetBalanceRequest *net_request(void)
{
    Balances__V1__GetNetBalanceRequest *request = malloc(sizeof *request);
    assert_non_null(request);
    balances__v1__get_net_balance_request__init(request);
    return request;
}

static void instant_is_read_in_every_form_of_rfc3339(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
        int32_t nanos;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, 0},
        {"1970-01-01t00:00:00z", 0, 0},
        {"1969-12-31T23:59:59.999999999Z", -1, 999999999},
        {"2024-02-29T12:00:00.5+05:30", 1709188200, 500000000},
        {"2024-02-28T23:00:00-01:00", 1709164800, 0},
        {"0001-01-01T00:00:00Z", -62135596800, 0},
        {"9999-12-31T23:59:59.000000001Z", 253402300799, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t seconds = 42;
        int32_t nanos = 42;
        assert_int_equal(rfc3339_parse(cases[i].text, &seconds, &nanos), ERR_OK);
        assert_int_equal(seconds, cases[i].seconds);
        assert_int_equal(nanos, cases[i].nanos);
    }
}

static void instant_that_is_none_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
    } cases[] = {
        {"", ERR_INVALID},
        {"2025-01-01", ERR_INVALID},
        {"2025-01-01T00:00:00", ERR_INVALID},
        {"2025-01-01 00:00:00Z", ERR_INVALID},
        {"2025-01-01T00:00Z", ERR_INVALID},
        {"2025-1-01T00:00:00Z", ERR_INVALID},
        {"2025-00-01T00:00:00Z", ERR_INVALID},
        {"2025-13-01T00:00:00Z", ERR_INVALID},
        {"2025-02-29T00:00:00Z", ERR_INVALID},
        {"2025-01-00T00:00:00Z", ERR_INVALID},
        {"2025-01-32T00:00:00Z", ERR_INVALID},
        {"2025-01-01T24:00:00Z", ERR_INVALID},
        {"2025-01-01T00:60:00Z", ERR_INVALID},
        {"2016-12-31T23:59:60Z", ERR_INVALID},
        {"2025-01-01T00:00:00.Z", ERR_INVALID},
        {"2025-01-01T00:00:00.1234567890Z", ERR_INVALID},
        {"2025-01-01T00:00:00+24:00", ERR_INVALID},
        {"2025-01-01T00:00:00+0100", ERR_INVALID},
        {"2025-01-01T00:00:00Zx", ERR_INVALID},
        {"+025-01-01T00:00:00Z", ERR_INVALID},
        {"0000-12-31T00:00:00Z", ERR_RANGE},
        {"0001-01-01T00:00:00+00:01", ERR_RANGE},
        {"9999-12-31T23:59:59-00:01", ERR_RANGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t seconds = 42;
        int32_t nanos = 42;
        assert_int_equal(rfc3339_parse(cases[i].text, &seconds, &nanos), cases[i].err);
        assert_int_equal(seconds, 42);
        assert_int_equal(nanos, 42);
    }
}

static void versions_have_64_bits(void **state)
{
    (void)state;
    Balances__V1__UpdateTransactionTypeRequest *request = malloc(sizeof *request);
    assert_non_null(request);
    balances__v1__update_transaction_type_request__init(request);

    assert_int_equal(set(request, "version", field_set_int64, "9223372036854775807"), ERR_OK);
    assert_int_equal(request->version, INT64_MAX);
    assert_int_equal(set(request, "version", field_set_int64, "-3"), ERR_OK);
    static const char *const none[] = {"",    "x", "1x", " 1", "+1", "9223372036854775808",
                                       "1.5", "-"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(set(request, "version", field_set_int64, none[i]), ERR_INVALID);
    assert_int_equal(request->version, -3);
    protobuf_c_message_free_unpacked(&request->base, NULL);
}

static void scalar_fields_take_the_last_value(void **state)
{
    (void)state;
    Balances__V1__ListBalancesRequest *request = malloc(sizeof *request);
    assert_non_null(request);
    balances__v1__list_balances_request__init(request);

    assert_int_equal(set(request, "customer_id", field_set_text, "a"), ERR_OK);
    assert_int_equal(set(request, "customer_id", field_set_text, "b"), ERR_OK);
    assert_int_equal(set(request, "customer_id", field_set_text, ""), ERR_INVALID);
    assert_string_equal(request->customer_id, "b");

    assert_int_equal(set(request, "limit", field_set_int32, "-2147483648"), ERR_OK);
    assert_int_equal(set(request, "limit", field_set_int32, "25"), ERR_OK);
    static const char *const no_numbers[] = {"", "x", "1x", " 1", "+1", "2147483648", "1.5", "-"};
    for (size_t i = 0; i < sizeof no_numbers / sizeof *no_numbers; i++)
        assert_int_equal(set(request, "limit", field_set_int32, no_numbers[i]), ERR_INVALID);
    assert_int_equal(request->limit, 25);

    assert_int_equal(set(request, "include_balance", field_set_true, NULL), ERR_OK);
    assert_true(request->include_balance);
    assert_int_equal(set(request, "include_balance", field_set_false, NULL), ERR_OK);
    assert_false(request->include_balance);

    assert_int_equal(set(request, "covering_date", field_set_instant, "x"), ERR_INVALID);
    assert_null(request->covering_date);
    for (int i = 0; i < 2; i++)
        assert_int_equal(set(request, "covering_date", field_set_instant, "1970-01-01T00:00:01Z"),
                         ERR_OK);
    assert_int_equal(request->covering_date->seconds, 1);
    protobuf_c_message_free_unpacked(&request->base, NULL);
}

static void enums_are_found_by_either_name(void **state)
{
    (void)state;
    Balances__V1__ListLedgerEntriesRequest *request = malloc(sizeof *request);
    assert_non_null(request);
    balances__v1__list_ledger_entries_request__init(request);

    assert_int_equal(set(request, "types", field_add_enums, "credit_manual"), ERR_OK);
    assert_int_equal(set(request, "types", field_add_enums,
                         "LEDGER_ENTRY_TYPE_CREDIT_EXPIRATION,PREPAID_COMMIT_MANUAL"),
                     ERR_OK);
    static const char *const wrong[] = {"", "CREDIT_MANUAL,", "CREDIT_MANUAL,x", "UNSPECIFIED",
                                        "LEDGER_ENTRY_TYPE_UNSPECIFIED"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(set(request, "types", field_add_enums, wrong[i]), ERR_INVALID);
    assert_int_equal(request->n_types, 3);
    assert_int_equal(request->types[0],
                     BALANCES__V1__LEDGER_ENTRY_TYPE__LEDGER_ENTRY_TYPE_CREDIT_MANUAL);
    assert_int_equal(request->types[1],
                     BALANCES__V1__LEDGER_ENTRY_TYPE__LEDGER_ENTRY_TYPE_CREDIT_EXPIRATION);
    assert_int_equal(request->types[2],
                     BALANCES__V1__LEDGER_ENTRY_TYPE__LEDGER_ENTRY_TYPE_PREPAID_COMMIT_MANUAL);
    protobuf_c_message_free_unpacked(&request->base, NULL);
}

static void consistency_is_one_of_three(void **state)
{
    (void)state;
    Balances__V1__GetNetBalanceRequest *request = net_request();
    assert_int_equal(set(request, "consistency", field_set_consistency, "fresh"), ERR_OK);
    assert_true(request->consistency->minimize_latency);
    assert_int_equal(set(request, "consistency", field_set_consistency, "token:a:b"), ERR_OK);
    assert_int_equal(request->consistency->requirement_case,
                     BALANCES__V1__CONSISTENCY__REQUIREMENT_AT_LEAST_AS_FRESH);
    assert_string_equal(request->consistency->at_least_as_fresh, "a:b");
    assert_int_equal(set(request, "consistency", field_set_consistency, "full"), ERR_OK);
    assert_int_equal(set(request, "consistency", field_set_consistency, "token:"), ERR_INVALID);
    assert_int_equal(set(request, "consistency", field_set_consistency, ""), ERR_INVALID);
    assert_int_equal(request->consistency->requirement_case,
                     BALANCES__V1__CONSISTENCY__REQUIREMENT_FULLY_CONSISTENT);
    protobuf_c_message_free_unpacked(&request->base, NULL);
}

static void mode_is_finalized_or_all(void **state)
{
    (void)state;
    Balances__V1__GetNetBalanceRequest *request = net_request();
    assert_int_equal(set(request, "invoice_inclusion_mode", field_set_mode, "finalized"), ERR_OK);
    assert_int_equal(set(request, "invoice_inclusion_mode", field_set_mode, "x"), ERR_INVALID);
    assert_int_equal(request->invoice_inclusion_mode,
                     BALANCES__V1__INVOICE_INCLUSION_MODE__INVOICE_INCLUSION_MODE_FINALIZED);
    protobuf_c_message_free_unpacked(&request->base, NULL);
}

static void filter_conditions_add_up(void **state)
{
    (void)state;
    Balances__V1__GetNetBalanceRequest *request = net_request();
    assert_int_equal(set(request, "filters", field_add_filter,
                         "type=CREDIT,prepaid_commit;id=a,b;id=c;field=campaign:sign:up;"
                         "field=a\\:\\;\\\\b:x\\;y=z,\\"),
                     ERR_OK);
    assert_int_equal(set(request, "filters", field_add_filter, "field=:"), ERR_OK);

    assert_int_equal(request->n_filters, 2);
    const Balances__V1__BalanceFilter *filter = request->filters[0];
    assert_int_equal(filter->n_balance_types, 2);
    assert_int_equal(filter->balance_types[1],
                     BALANCES__V1__BALANCE_TYPE__BALANCE_TYPE_PREPAID_COMMIT);
    assert_int_equal(filter->n_ids, 3);
    assert_string_equal(filter->ids[1], "b");
    assert_string_equal(filter->ids[2], "c");
    assert_int_equal(filter->n_custom_fields, 2);
    assert_string_equal(filter->custom_fields[0]->key, "campaign");
    assert_string_equal(filter->custom_fields[0]->value, "sign:up");
    assert_string_equal(filter->custom_fields[1]->key, "a:;\\b");
    assert_string_equal(filter->custom_fields[1]->value, "x;y=z,\\");
    assert_string_equal(request->filters[1]->custom_fields[0]->key, "");
    protobuf_c_message_free_unpacked(&request->base, NULL);
}

static void filter_that_makes_no_sense_is_refused_whole(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        ";",
        "type",
        "type=",
        "type=CREDIT;",
        "type=nope",
        "id",
        "field=campaign",
        "other=1",
        "type=CREDIT,",
        "Type=CREDIT",
        "=x",
        "field=a:1;field=a:2",
        "id=a;type=CREDIT;field",
    };
    Balances__V1__GetNetBalanceRequest *request = net_request();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(set(request, "filters", field_add_filter, wrong[i]), ERR_INVALID);
    assert_int_equal(request->n_filters, 0);
    protobuf_c_message_free_unpacked(&request->base, NULL);
}

static Balances__V1__CreateCommitRequest *commit_request(void)
{
    Balances__V1__CreateCommitRequest *request = malloc(sizeof *request);
    assert_non_null(request);
    balances__v1__create_commit_request__init(request);
    return request;
}

static void specifier_is_read_key_by_key(void **state)
{
    (void)state;
    Balances__V1__CreateCommitRequest *request = commit_request();
    assert_int_equal(set(request, "specifiers", field_add_specifier,
                         "product=p,tag=a\\,b,tag=c,pricing.region=eu=1,presentation.x.y=z"),
                     ERR_OK);
    assert_int_equal(set(request, "specifiers", field_add_specifier, "tag=d"), ERR_OK);
    static const char *const wrong[] = {
        "",       "tag",      "tag=",        "color=red",
        "tag=a,", "product=", "pricing.=eu", "pricing.a=1,pricing.a=2"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(set(request, "specifiers", field_add_specifier, wrong[i]), ERR_INVALID);
    assert_int_equal(request->n_specifiers, 2);
    const Balances__V1__Specifier *first = request->specifiers[0];
    assert_string_equal(first->product_id, "p");
    assert_int_equal(first->n_product_tags, 2);
    assert_string_equal(first->product_tags[0], "a,b");
    assert_string_equal(first->product_tags[1], "c");
    assert_string_equal(first->pricing_group_values[0]->key, "region");
    assert_string_equal(first->pricing_group_values[0]->value, "eu=1");
    assert_string_equal(first->presentation_group_values[0]->key, "x.y");
    balances__v1__create_commit_request__free_unpacked(request, NULL);
}

static void custom_field_is_a_key_and_a_value(void **state)
{
    (void)state;
    Balances__V1__CreateCommitRequest *request = commit_request();
    assert_int_equal(set(request, "custom_fields", field_add_pair, "a\\=b=c=d"), ERR_OK);
    assert_int_equal(set(request, "custom_fields", field_add_pair, "empty="), ERR_OK);
    assert_int_equal(set(request, "custom_fields", field_add_pair, "empty=again"), ERR_INVALID);
    assert_int_equal(set(request, "custom_fields", field_add_pair, "=value"), ERR_INVALID);
    assert_int_equal(set(request, "custom_fields", field_add_pair, "key"), ERR_INVALID);
    assert_int_equal(request->n_custom_fields, 2);
    assert_string_equal(request->custom_fields[0]->key, "a=b");
    assert_string_equal(request->custom_fields[0]->value, "c=d");
    assert_string_equal(request->custom_fields[1]->value, "");
    balances__v1__create_commit_request__free_unpacked(request, NULL);
}

static void child_access_is_the_last_one_said(void **state)
{
    (void)state;
    Balances__V1__CreateCommitRequest *request = commit_request();
    const char *field = "hierarchy_configuration";
    assert_int_equal(set(request, field, field_set_child_access, "a,,b"), ERR_INVALID);
    assert_null(request->hierarchy_configuration);
    assert_int_equal(set(request, field, field_set_child_access, "none"), ERR_OK);
    assert_int_equal(set(request, field, field_set_child_access, "all"), ERR_OK);
    assert_int_equal(request->hierarchy_configuration->child_access->type,
                     BALANCES__V1__CHILD_ACCESS__TYPE__TYPE_ALL);
    assert_int_equal(set(request, field, field_set_child_access, "a,b"), ERR_OK);
    assert_int_equal(set(request, field, field_set_child_access, ""), ERR_INVALID);
    const Balances__V1__ChildAccess *access = request->hierarchy_configuration->child_access;
    assert_int_equal(access->type, BALANCES__V1__CHILD_ACCESS__TYPE__TYPE_CONTRACT_IDS);
    assert_int_equal(access->n_contract_ids, 2);
    assert_string_equal(access->contract_ids[1], "b");
    balances__v1__create_commit_request__free_unpacked(request, NULL);
}

static void invoice_item_is_an_amount_or_a_price_and_a_quantity(void **state)
{
    (void)state;
    Balances__V1__CreateCommitRequest *request = commit_request();
    static const char *const wrong[] = {"x2,2025-01-01T00:00:00Z", "2x,2025-01-01T00:00:00Z", "2x3",
                                        ",2025-01-01T00:00:00Z", "1,2025-01-01T00:00:00Z,2"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(set(request, "invoice_schedule", field_add_invoice, wrong[i]),
                         ERR_INVALID);
    assert_null(request->invoice_schedule);
    assert_int_equal(
        set(request, "invoice_schedule", field_add_invoice, "9.99x12,2025-01-01T00:00:00Z"),
        ERR_OK);
    assert_int_equal(set(request, "invoice_schedule", field_add_invoice, "5,2025-01-01T00:00:00Z"),
                     ERR_OK);
    const Balances__V1__NewInvoiceSchedule *schedule = request->invoice_schedule;
    assert_int_equal(schedule->n_schedule_items, 2);
    assert_string_equal(schedule->schedule_items[0]->unit_price, "9.99");
    assert_string_equal(schedule->schedule_items[0]->quantity, "12");
    assert_string_equal(schedule->schedule_items[0]->amount, "");
    assert_string_equal(schedule->schedule_items[1]->amount, "5");
    assert_string_equal(schedule->schedule_items[1]->unit_price, "");
    balances__v1__create_commit_request__free_unpacked(request, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instant_is_read_in_every_form_of_rfc3339),
        cmocka_unit_test(instant_that_is_none_is_refused),
        cmocka_unit_test(versions_have_64_bits),
        cmocka_unit_test(scalar_fields_take_the_last_value),
        cmocka_unit_test(enums_are_found_by_either_name),
        cmocka_unit_test(consistency_is_one_of_three),
        cmocka_unit_test(mode_is_finalized_or_all),
        cmocka_unit_test(filter_conditions_add_up),
        cmocka_unit_test(filter_that_makes_no_sense_is_refused_whole),
        cmocka_unit_test(specifier_is_read_key_by_key),
        cmocka_unit_test(custom_field_is_a_key_and_a_value),
        cmocka_unit_test(child_access_is_the_last_one_said),
        cmocka_unit_test(invoice_item_is_an_amount_or_a_price_and_a_quantity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
