/* From rows to messages and from bytes to requests: what the database's values become, and that a
 * full arena, wherever it turns full, is RESOURCE_EXHAUSTED and neither a crash nor half a message.
 */
#include "rows_kit.h"

#include "app/entries.h"
#include "app/message.h"
#include "app/rows.h"
#include "ledger/order.h"
#include "rpc/call.h"

static const char id_text[] = "2714e483-4ff1-48e4-9e25-ac732e8f24f2";

static struct arena_pool pool;
static struct arena arena;
static struct row row;

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
    row_free(&row);
    arena_reset(&arena);
    arena_pool_done(&pool);
    return 0;
}

/* The wire's name of a type of entry, without what all of them begin with. */
static const char *wire_name(int number)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&balances__v1__ledger_entry_type__descriptor, number);

    assert_non_null(value);
    return value->name + strlen("LEDGER_ENTRY_TYPE_");
}

/* ---- values ---- */

static void message_instant_counts_nanos_forward(void **state)
{
    (void)state;
    static const struct {
        instant at;
        int64_t seconds;
        int32_t nanos;
    } rows[] = {
        {0, 0, 0},
        {1, 0, 1000},
        {999999, 0, 999999000},
        {1000000, 1, 0},
        {-1, -1, 999999000},
        {-1000000, -1, 0},
        {-1000001, -2, 999999000},
        {INT64_C(-62135596800000000), INT64_C(-62135596800), 0},
        {INT64_C(253402300799999999), INT64_C(253402300799), 999999000},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        Google__Protobuf__Timestamp *t = message_instant(&arena, rows[i].at);
        assert_int_equal(t->seconds, rows[i].seconds);
        assert_int_equal(t->nanos, rows[i].nanos);
    }
}

static void message_null_is_a_field_without_value(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++)
        row_add(&row, NULL);
    struct sql_reader r = row_reader(&row);
    assert_ptr_equal(read_message_text(&r, &arena), protobuf_c_empty_string);
    assert_ptr_equal(read_message_id(&r, &arena), protobuf_c_empty_string);
    assert_ptr_equal(read_message_amount(&r, &arena), protobuf_c_empty_string);
    assert_null(read_message_instant(&r, &arena));
    assert_null(read_message_double(&r, &arena));
    assert_int_equal(read_message_enum(&r, &balances__v1__rate_type__descriptor, "RATE_TYPE_"), 0);
    size_t count = 7;
    (void)read_message_texts(&r, &arena, &count);
    assert_int_equal(count, 0);
    assert_true(reader_ok(&r));
}

static void message_values_are_the_rows(void **state)
{
    (void)state;
    size_t count = 0;

    row_add_text(&row, "na\xc3\xafve");
    row_add_hex(&row, row_id_hex);
    row_add_hex(&row, "0001fffd4000000c0001");
    row_add_hex(&row, "fffca2fec4c81fff");
    row_add_hex(&row, "3ff8000000000000");
    row_add_text(&row, "LIST_RATE");
    row_add_hex(&row, "000000010000000000000019000000020000000100000001610000000162");
    struct sql_reader r = row_reader(&row);
    assert_string_equal(read_message_text(&r, &arena), "na\xc3\xafve");
    assert_string_equal(read_message_id(&r, &arena), id_text);
    assert_string_equal(read_message_amount(&r, &arena), "-0.000000000001");
    assert_int_equal(read_message_instant(&r, &arena)->nanos, 999999000);
    assert_true(read_message_double(&r, &arena)->value == 1.5);
    assert_int_equal(read_message_enum(&r, &balances__v1__rate_type__descriptor, "RATE_TYPE_"),
                     BALANCES__V1__RATE_TYPE__RATE_TYPE_LIST_RATE);
    char **texts = read_message_texts(&r, &arena, &count);
    assert_int_equal(count, 2);
    assert_string_equal(texts[0], "a");
    assert_string_equal(texts[1], "b");
    assert_true(reader_ok(&r));
}

static void message_enum_of_unknown_label_is_bad(void **state)
{
    (void)state;
    static const char *const labels[] = {"", "RATE", "list_rate", "LIST_RATE ", "NO_RATE"};
    char long_label[200];

    memset(long_label, 'X', sizeof long_label - 1);
    long_label[sizeof long_label - 1] = '\0';
    for (size_t i = 0; i <= COUNT(labels); i++) {
        row_add_text(&row, i < COUNT(labels) ? labels[i] : long_label);
        struct sql_reader r = row_reader(&row);
        assert_int_equal(read_message_enum(&r, &balances__v1__rate_type__descriptor, "RATE_TYPE_"),
                         0);
        assert_false(reader_ok(&r));
        row_free(&row);
    }
}

static void message_list_with_null_is_bad(void **state)
{
    (void)state;
    size_t count = 0;

    row_add_hex(&row, "00000001000000010000001900000002000000010000000161ffffffff");
    struct sql_reader r = row_reader(&row);
    (void)read_message_texts(&r, &arena, &count);
    assert_false(reader_ok(&r));
    r = row_reader(&row);
    (void)read_message_ids(&r, &arena, &count);
    assert_false(reader_ok(&r));
}

static void message_entry_type_is_known_both_ways(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *wire = &balances__v1__ledger_entry_type__descriptor;
    int known = 0;

    for (int number = -1; number <= 1000; number++) {
        enum entry_type type = ENTRY_TYPE_COUNT;
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(wire, number);
        enum err err = message_entry_type(number, &type);
        assert_int_equal(err, value && number != 0 ? ERR_OK : ERR_INVALID);
        if (err != ERR_OK)
            continue;
        struct entry e = {.type = type};
        assert_int_equal(message_entry(&arena, &e)->type, number);
        assert_string_equal(wire_name(number), entry_type_name(type));
        known++;
    }
    assert_int_equal(known, ENTRY_TYPE_COUNT);
}

static void kind_is_parsed_by_its_label(void **state)
{
    (void)state;
    enum balance_kind kind = BALANCE_KINDS;

    assert_int_equal(kind_parse(bytes_text("CREDIT"), &kind), ERR_OK);
    assert_int_equal(kind, BALANCE_CREDIT);
    assert_int_equal(kind_parse(bytes_text("CREDI"), &kind), ERR_INTERNAL);
    assert_int_equal(kind_parse(bytes_text("CREDITS"), &kind), ERR_INTERNAL);
    assert_int_equal(kind_parse(bytes_text(""), &kind), ERR_INTERNAL);
    assert_int_equal(kind, BALANCE_CREDIT);
}

/* ---- ledgers ---- */

static void add_stored(int count, const char *type, const char *amount_hex)
{
    struct build record = stored_record(type, amount_hex), array = {.len = 0};

    build_array_head(&array, count);
    for (int i = 0; i < count; i++)
        build_element(&array, &record);
    row_add(&row, &array);
}

static void entries_are_the_rows(void **state)
{
    (void)state;
    struct entry_list list = {0};

    add_stored(2, "CREDIT_MANUAL", "0001ffff400000011388");
    struct sql_reader r = row_reader(&row);
    assert_true(entries_read_stored(&list, &arena, &r));
    assert_true(reader_ok(&r));
    assert_int_equal(list.count, 2);
    const Balances__V1__LedgerEntry *m = list.items[1].message;
    assert_int_equal(m->type, BALANCES__V1__LEDGER_ENTRY_TYPE__LEDGER_ENTRY_TYPE_CREDIT_MANUAL);
    assert_string_equal(m->amount, "-0.5");
    assert_string_equal(m->id, id_text);
    assert_string_equal(m->reason, "a reason");
    assert_string_equal(m->invoice_id, "");
    assert_false(m->draft);
    assert_int_equal(list.items[1].entry.at, -1);
}

static void entries_of_unknown_shape_are_bad(void **state)
{
    (void)state;
    static const struct {
        const char *type, *amount;
    } rows[] = {{"CREDIT_GIFT", "0001ffff400000011388"},
                {"", "0001ffff400000011388"},
                {"CREDIT_MANUAL", "00000000c0000000"},
                {"CREDIT_MANUAL", "0001fffc0000000d03e8"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct entry_list list = {0};
        add_stored(1, rows[i].type, rows[i].amount);
        struct sql_reader r = row_reader(&row);
        assert_true(entries_read_stored(&list, &arena, &r));
        assert_false(reader_ok(&r));
        row_free(&row);
    }
}

/* The draft's deduction is of its balance's kind, and keeps its id from read to read. */
static void entries_draft_is_a_deduction_that_keeps_its_id(void **state)
{
    (void)state;
    static const char *const types[BALANCE_KINDS] = {
        [BALANCE_PREPAID_COMMIT] = "PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION",
        [BALANCE_POSTPAID_COMMIT] = "POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION",
        [BALANCE_CREDIT] = "CREDIT_AUTOMATED_INVOICE_DEDUCTION",
        [BALANCE_ACCOUNT] = "ACCOUNT_BALANCE_DEDUCTION",
    };
    const char *ids[BALANCE_KINDS];

    for (int kind = 0; kind < BALANCE_KINDS; kind++) {
        struct build record = {.len = 0}, array = {.len = 0};
        struct entry_list list = {0};
        struct sql_reader draft;
        build_int(&record, 6, 4);
        record_add_hex(&record, row_id_hex);
        record_add_hex(&record, row_id_hex);
        /* The amount is what may change. */
        record_add_hex(&record, kind % 2 ? "00010000400000000001" : "0001ffff400000011388");
        record_add_hex(&record, "0000000000000000");
        record_add_hex(&record, row_id_hex);
        record_add(&record, NULL);
        build_array_head(&array, 1);
        build_element(&array, &record);
        row_add(&row, &array);
        struct sql_reader r = row_reader(&row);
        struct sql_array a = read_array(&r);
        assert_true(array_next_record(&r, &a, &draft));
        assert_true(entries_read_draft(&list, &arena, &draft, (enum balance_kind)kind));
        array_record_done(&r, &draft);
        assert_true(reader_ok(&r));
        const Balances__V1__LedgerEntry *m = list.items[0].message;
        assert_true(m->draft && list.items[0].entry.draft);
        assert_string_equal(wire_name(m->type), types[kind]);
        assert_string_equal(m->invoice_id, id_text);
        ids[kind] = m->id;
        assert_string_equal(ids[kind], ids[0]);
        row_free(&row);
    }
}

static void entries_sort_both_ways(void **state)
{
    (void)state;
    struct kit_random random = kit_random_seeded();

    for (size_t count = 0; count < 40; count++) {
        struct entry_list list = {0};
        for (size_t i = 0; i < count; i++) {
            struct entry e = {.id = id_random(),
                              .at = (instant)kit_random_below(&random, 3),
                              .type = (enum entry_type)kit_random_below(&random, 3)};
            assert_true(entries_add(&list, &arena, &e, message_entry(&arena, &e)));
        }
        for (int descending = 0; descending < 2; descending++) {
            entries_sort(&list, descending);
            for (size_t i = 1; i < count; i++) {
                const struct entry *a = &list.items[i - 1].entry, *b = &list.items[i].entry;
                bool ascends = a->at != b->at       ? a->at < b->at
                               : a->type != b->type ? a->type < b->type
                                                    : id_compare(&a->id, &b->id) < 0;
                assert_int_equal(ascends, !descending);
                struct id_text text = id_format(&b->id); /* messages move along */
                assert_string_equal(list.items[i].message->id, text.text);
            }
        }
    }
}

/* ---- without memory ---- */

static void entries_without_memory_are_refused(void **state)
{
    (void)state;
    size_t refused = 0, read = 0;

    add_stored(7, "CREDIT_MANUAL", "0001ffff400000011388");
    for (size_t left = 0; left < ARENA_CHUNK_BYTES; left += KIT_ARENA_STEP) {
        struct arena tight;
        struct entry_list list = {0};
        kit_arena(&tight, &pool, left);
        struct sql_reader r = row_reader(&row);
        bool room = entries_read_stored(&list, &tight, &r);
        assert_true(reader_ok(&r));          /* no memory is not a wrong row */
        assert_int_equal(room, !tight.full); /* no entry without its texts */
        if (room) {
            assert_int_equal(list.count, 7);
            read++;
        } else {
            refused++;
        }
        arena_reset(&tight);
    }
    assert_true(refused > 0 && read > 0);
}

static void lists_without_memory_are_seen_by_the_flag(void **state)
{
    (void)state;
    struct build pair = {.len = 0}, pairs = {.len = 0};
    size_t full = 0, read = 0;

    build_int(&pair, 2, 4);
    record_add(&pair, "key");
    record_add(&pair, "value");
    build_array_head(&pairs, 5);
    for (int i = 0; i < 5; i++)
        build_element(&pairs, &pair);
    row_add(&row, &pairs);
    row_add_hex(&row, "000000010000000000000019000000020000000100000001610000000162");
    row_add_hex(&row, "3ff8000000000000");
    row_add_hex(&row, "fffca2fec4c81fff");
    for (size_t left = 0; left < 4096; left += KIT_ARENA_STEP) {
        struct arena tight;
        size_t entries = 0, texts = 0;
        kit_arena(&tight, &pool, left);
        struct sql_reader r = row_reader(&row);
        ProtobufCMessage **map = read_message_map(
            &r, &tight, &balances__v1__credit__custom_fields_entry__descriptor, &entries);
        (void)read_message_texts(&r, &tight, &texts);
        Google__Protobuf__DoubleValue *number = read_message_double(&r, &tight);
        Google__Protobuf__Timestamp *at = read_message_instant(&r, &tight);
        assert_true(reader_ok(&r));
        if (tight.full) {
            full++;
        } else {
            read++;
            assert_int_equal(entries, 5);
            assert_int_equal(texts, 2);
            assert_true(map && number && at);
            const Balances__V1__Credit__CustomFieldsEntry *last =
                (const Balances__V1__Credit__CustomFieldsEntry *)map[4];
            assert_string_equal(last->key, "key");
            assert_string_equal(last->value, "value");
        }
        arena_reset(&tight);
    }
    assert_true(full > 0 && read > 0);
}

/* A request that has something of everything: text, numbers, lists, messages, a map, unknown
 * fields. */
static size_t make_request(uint8_t *ret, size_t room)
{
    char customer[] = "2714e483-4ff1-48e4-9e25-ac732e8f24f2", key[] = "key", value[] = "value";
    char *ids[] = {customer, customer};
    Balances__V1__BalanceType types[] = {1, 2, 3};
    Balances__V1__BalanceFilter__CustomFieldsEntry pair;
    Balances__V1__BalanceFilter__CustomFieldsEntry *pairs[] = {&pair};
    Balances__V1__BalanceFilter filter;
    Balances__V1__BalanceFilter *filters[] = {&filter, &filter};
    Balances__V1__Consistency consistency;
    Balances__V1__GetNetBalanceRequest request;

    balances__v1__balance_filter__custom_fields_entry__init(&pair);
    pair.key = key;
    pair.value = value;
    balances__v1__balance_filter__init(&filter);
    filter.n_balance_types = COUNT(types);
    filter.balance_types = types;
    filter.n_ids = COUNT(ids);
    filter.ids = ids;
    filter.n_custom_fields = COUNT(pairs);
    filter.custom_fields = pairs;
    balances__v1__consistency__init(&consistency);
    consistency.requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_AT_LEAST_AS_FRESH;
    consistency.at_least_as_fresh = value;
    balances__v1__get_net_balance_request__init(&request);
    request.customer_id = customer;
    request.n_filters = COUNT(filters);
    request.filters = filters;
    request.consistency = &consistency;
    size_t len = balances__v1__get_net_balance_request__get_packed_size(&request);
    assert_true(len + 3 <= room);
    balances__v1__get_net_balance_request__pack(&request, ret);
    memcpy(ret + len, "\xf8\x7f\x01", 3);
    return len + 3;
}

static void request_without_memory_sets_flag(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    size_t len = make_request(bytes, sizeof bytes), refused = 0, unpacked = 0;

    for (size_t left = 0; left < 4096; left += KIT_ARENA_STEP) {
        struct call call = {0};
        kit_arena(&call.arena, &pool, left);
        ProtobufCAllocator allocator = call_allocator(&call);
        Balances__V1__GetNetBalanceRequest *request =
            balances__v1__get_net_balance_request__unpack(&allocator, len, bytes);
        if (request) {
            assert_false(call.arena.full);
            assert_int_equal(request->n_filters, 2);
            assert_string_equal(request->filters[1]->ids[1], id_text);
            assert_string_equal(request->filters[1]->custom_fields[0]->value, "value");
            unpacked++;
        } else {
            assert_true(call.arena.full);
            refused++;
        }
        arena_reset(&call.arena);
    }
    assert_true(refused > 0 && unpacked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(message_instant_counts_nanos_forward, open_arena,
                                        close_arena),
        cmocka_unit_test_setup_teardown(message_null_is_a_field_without_value, open_arena,
                                        close_arena),
        cmocka_unit_test_setup_teardown(message_values_are_the_rows, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(message_enum_of_unknown_label_is_bad, open_arena,
                                        close_arena),
        cmocka_unit_test_setup_teardown(message_list_with_null_is_bad, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(message_entry_type_is_known_both_ways, open_arena,
                                        close_arena),
        cmocka_unit_test_setup_teardown(kind_is_parsed_by_its_label, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(entries_are_the_rows, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(entries_of_unknown_shape_are_bad, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(entries_draft_is_a_deduction_that_keeps_its_id, open_arena,
                                        close_arena),
        cmocka_unit_test_setup_teardown(entries_sort_both_ways, open_arena, close_arena),
        cmocka_unit_test_setup_teardown(entries_without_memory_are_refused, open_arena,
                                        close_arena),
        cmocka_unit_test_setup_teardown(lists_without_memory_are_seen_by_the_flag, open_arena,
                                        close_arena),
        cmocka_unit_test_setup_teardown(request_without_memory_sets_flag, open_arena, close_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
