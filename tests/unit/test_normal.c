/* Requests that ask for the same become the same bytes, and their maps and specifiers the JSON that
 * PostgreSQL writes (tests/system/test_writes.py compares the lengths with a real one's). */
#include "kit.h"

#include "app/json.h"
#include "app/normal.h"
#include "balances/v1/ledger.pb-c.h"

typedef Balances__V1__CreateCreditRequest request;

static struct arena_pool pool;
static struct arena arena;

static int open_arena(void **state)
{
    (void)state;
    arena_pool_init(&pool, ARENA_POOL_BYTES_MAX);
    arena_init(&arena, &pool, ARENA_BYTES_MAX);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_reset(&arena);
    arena_pool_done(&pool);
    return 0;
}

struct map {
    Balances__V1__CreateCreditRequest__CustomFieldsEntry entries[8], *pointers[8];
};

static void map_of(struct map *m, request *r, const char *const (*pairs)[2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        balances__v1__create_credit_request__custom_fields_entry__init(&m->entries[i]);
        m->entries[i].key = text_borrow(pairs[i][0]);
        m->entries[i].value = text_borrow(pairs[i][1]);
        m->pointers[i] = &m->entries[i];
    }
    balances__v1__create_credit_request__init(r);
    r->custom_fields = m->pointers;
    r->n_custom_fields = count;
}

static const char *json_of(const request *r)
{
    return (const char *)json_map(&arena, (struct text_pair *const *)r->custom_fields,
                                  r->n_custom_fields)
        .data;
}

static void normal_map_is_sorted_with_the_last_value_of_each_key(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"b", "1"}, {"a", "1"}, {"b", "2"},
                                           {"", "x"},  {"a", ""},  {"b", "3"}};
    struct map map;
    request r;

    map_of(&map, &r, pairs, COUNT(pairs));
    message_normalize(&r.base);
    assert_int_equal(r.n_custom_fields, 3);
    assert_string_equal(json_of(&r), "{\"\": \"x\", \"a\": \"\", \"b\": \"3\"}");
}

static void normal_message_has_nothing_unknown(void **state)
{
    (void)state;
    ProtobufCMessageUnknownField unknown = {1000, PROTOBUF_C_WIRE_TYPE_VARINT, 1, NULL};
    Balances__V1__NewAccessSchedule schedule;
    Balances__V1__NewAccessSegment segment, *segments[] = {&segment};
    Balances__V1__Consistency consistency;
    request r;

    balances__v1__create_credit_request__init(&r);
    balances__v1__new_access_schedule__init(&schedule);
    balances__v1__new_access_segment__init(&segment);
    r.access_schedule = &schedule;
    schedule.schedule_items = segments;
    schedule.n_schedule_items = 1;
    r.base.n_unknown_fields = schedule.base.n_unknown_fields = segment.base.n_unknown_fields = 1;
    r.base.unknown_fields = schedule.base.unknown_fields = segment.base.unknown_fields = &unknown;
    message_normalize(&r.base);
    assert_int_equal(r.base.n_unknown_fields, 0);
    assert_int_equal(schedule.base.n_unknown_fields, 0);
    assert_int_equal(segment.base.n_unknown_fields, 0);
    /* What a oneof holds that is no message is not taken for one. */
    Balances__V1__GetNetBalanceRequest read;
    balances__v1__get_net_balance_request__init(&read);
    balances__v1__consistency__init(&consistency);
    consistency.requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_FULLY_CONSISTENT;
    consistency.fully_consistent = true;
    read.consistency = &consistency;
    message_normalize(&read.base);
    assert_true(consistency.fully_consistent);
}

static void json_text_is_escaped_as_postgresql_does(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"\"\\/", "\b\f\n\r\t\x01\x1f\x7f"},
                                           {"na\xc3\xafve", ""}};
    struct map map;
    request r;

    map_of(&map, &r, pairs, COUNT(pairs));
    assert_string_equal(json_of(&r), "{\"\\\"\\\\/\": \"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\", "
                                     "\"na\xc3\xafve\": \"\"}");
    r.n_custom_fields = 0;
    assert_string_equal(json_of(&r), "{}");
}

static void json_specifier_leaves_out_what_is_not_asked(void **state)
{
    (void)state;
    char *tags[] = {text_borrow("a"), text_borrow("b")};
    Balances__V1__Specifier empty, full, *both[] = {&empty, &full};
    Balances__V1__Specifier__PricingGroupValuesEntry pricing, *pricings[] = {&pricing};
    Balances__V1__Specifier__PresentationGroupValuesEntry shown, *showns[] = {&shown};

    balances__v1__specifier__init(&empty);
    balances__v1__specifier__init(&full);
    balances__v1__specifier__pricing_group_values_entry__init(&pricing);
    balances__v1__specifier__presentation_group_values_entry__init(&shown);
    pricing.key = shown.key = text_borrow("k");
    pricing.value = shown.value = text_borrow("v");
    full.product_id = text_borrow("p");
    full.product_tags = tags;
    full.n_product_tags = COUNT(tags);
    full.pricing_group_values = pricings;
    full.presentation_group_values = showns;
    full.n_pricing_group_values = full.n_presentation_group_values = 1;
    assert_string_equal((const char *)json_specifiers(&arena, both, COUNT(both)).data,
                        "[{}, {\"product_id\": \"p\", \"product_tags\": [\"a\", \"b\"], "
                        "\"pricing_group_values\": {\"k\": \"v\"}, \"presentation_group_values\": "
                        "{\"k\": \"v\"}}]");
    assert_string_equal((const char *)json_specifiers(&arena, NULL, 0).data, "[]");
}

static void json_without_memory_has_no_data(void **state)
{
    (void)state;
    struct arena tight;

    kit_arena(&tight, &pool, 0);
    tight.bytes_max = tight.bytes;
    assert_null(json_map(&tight, NULL, 0).data);
    assert_null(json_specifiers(&tight, NULL, 0).data);
    assert_true(tight.full);
    arena_reset(&tight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(normal_map_is_sorted_with_the_last_value_of_each_key,
                                        open_arena, close_arena),
        cmocka_unit_test_setup_teardown(normal_message_has_nothing_unknown, open_arena,
                                        close_arena),
        cmocka_unit_test_setup_teardown(json_text_is_escaped_as_postgresql_does, open_arena,
                                        close_arena),
        cmocka_unit_test_setup_teardown(json_specifier_leaves_out_what_is_not_asked, open_arena,
                                        close_arena),
        cmocka_unit_test_setup_teardown(json_without_memory_has_no_data, open_arena, close_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
