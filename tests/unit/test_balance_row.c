/* A row of list_balances.sql with something in every column: the message that it becomes, and that
 * a full arena, wherever it turns full, is RESOURCE_EXHAUSTED. */
#include "rows_kit.h"

#include "app/balance_row.h"

static const char half_hex[] = "0001ffff000000011388";
static const char start_hex[] = "0000000000000000", end_hex[] = "0002000000000000";
static const char texts_hex[] = "000000010000000000000019000000020000000100000001610000000162";
static const char customer[] = "2714e483-4ff1-48e4-9e25-ac732e8f24f2";

static struct arena_pool pool;
static struct row row;

static void add_array(const struct build *element)
{
    struct build array = {.len = 0};

    build_array_head(&array, 2);
    build_element(&array, element);
    build_element(&array, element);
    row_add(&row, &array);
}

static struct build id_value(void)
{
    return build_of_hex(row_id_hex);
}

static struct build pair_record(void)
{
    struct build record = {.len = 0};

    build_int(&record, 2, 4);
    record_add(&record, "key");
    record_add(&record, "value");
    return record;
}

static struct build specifier_record(void)
{
    struct build record = {.len = 0}, pair = pair_record(), pairs = {.len = 0};

    build_array_head(&pairs, 1);
    build_element(&pairs, &pair);
    build_int(&record, 4, 4);
    record_add(&record, customer);
    record_add_hex(&record, texts_hex);
    build_field(&record, &pairs);
    build_field(&record, &pairs);
    return record;
}

static struct build invoice_item_record(void)
{
    struct build record = {.len = 0};

    build_int(&record, 6, 4);
    record_add_hex(&record, row_id_hex);
    record_add_hex(&record, start_hex);
    for (int i = 0; i < 3; i++)
        record_add_hex(&record, half_hex);
    record_add_hex(&record, row_id_hex);
    return record;
}

static struct build segment_record(void)
{
    struct build record = {.len = 0};

    build_int(&record, 9, 4);
    record_add_hex(&record, row_id_hex);
    record_add(&record, "ACCESS");
    record_add_hex(&record, start_hex);
    record_add_hex(&record, end_hex);
    for (int i = 0; i < 5; i++)
        record_add_hex(&record, half_hex);
    return record;
}

static struct build draft_record(void)
{
    struct build record = {.len = 0};

    build_int(&record, 6, 4);
    record_add_hex(&record, row_id_hex);
    record_add_hex(&record, row_id_hex);
    record_add_hex(&record, "0001ffff400000011388");
    record_add_hex(&record, start_hex);
    record_add_hex(&record, row_id_hex);
    record_add(&record, NULL);
    return record;
}

/* As the statement's columns come, after the version. */
static void make_row(const char *kind, const char *entry_type)
{
    struct build id = id_value(), pair = pair_record(), specifier = specifier_record(),
                 item = invoice_item_record(), segment = segment_record(), draft = draft_record(),
                 stored = stored_record(entry_type, half_hex);

    row_add(&row, &id);
    row_add_hex(&row, start_hex); /* created_at */
    row_add_text(&row, kind);
    row_add(&row, &id);          /* contract */
    row_add(&row, NULL);         /* archived_at */
    row_add_hex(&row, "00");     /* allow_overdraft */
    row_add_hex(&row, "00");     /* true_up_disabled */
    row_add_hex(&row, half_hex); /* rollover_amount */
    row_add(&row, &id);          /* credit type */
    row_add_text(&row, "USD (cents)");
    row_add_text(&row, "a name");
    row_add_text(&row, "a description");
    add_array(&pair);   /* custom fields */
    row_add(&row, &id); /* product */
    row_add_text(&row, "a product");
    row_add_hex(&row, "3ff8000000000000"); /* priority */
    row_add_text(&row, "LIST_RATE");
    add_array(&id);               /* applicable contracts, */
    add_array(&id);               /* products */
    row_add_hex(&row, texts_hex); /* and tags */
    add_array(&specifier);
    row_add(&row, &id); /* rolled over from: balance and contract */
    row_add(&row, &id);
    row_add_text(&row, "CONTRACT_IDS"); /* child access */
    add_array(&id);
    row_add_text(&row, "a sales order");
    row_add_text(&row, "an opportunity");
    row_add_text(&row, "a uniqueness key");
    row_add(&row, &id); /* recurring */
    row_add(&row,
            &id); /* invoice: contract, credit type, do_not_invoice, rollover fraction, items */
    row_add(&row, &id);
    row_add_text(&row, "USD (cents)");
    row_add_hex(&row, "01");
    row_add_hex(&row, half_hex);
    add_array(&item);
    row_add_text(&row, "a code");
    row_add_hex(&row, end_hex); /* rollover_ending_before */
    row_add_text(&row, "a draw-down");
    row_add_hex(&row, half_hex); /* overage surcharge */
    row_add_text(&row, "an overage");
    add_array(&id); /* products of an account balance */
    row_add_hex(&row, "000000010000000000000019000000010000000100000005"
                      "5553414745"); /* line item types: {USAGE} */
    row_add(&row, &id);              /* accounting products */
    row_add(&row, &id);
    row_add_hex(&row, "0000000000000007"); /* version */
    row_add_hex(&row, start_hex);          /* updated_at */
    add_array(&segment);
    row_add_hex(&row, "0000000000000002"); /* entries */
    row_add_hex(&row, "01");               /* with_ledger */
    add_array(&stored);
    add_array(&draft);
}

static const ProtobufCMessage *message_of(const struct balance_row *b)
{
    if (b->message.credit)
        return &b->message.credit->base;
    return b->message.account_balance ? &b->message.account_balance->base
                                      : &b->message.commit->base;
}

/* All that a list does with a row. `ret` is set if it is OK. */
static enum err build_message(struct balance_row *b, struct arena *a)
{
    const instant now = INT64_C(946684800000001);
    struct sql_reader r = row_reader(&row);
    enum err err = balance_row_read(b, customer, a, &r);

    if (err == ERR_OK)
        err = balance_row_compute(b, a, now, true);
    if (err == ERR_OK)
        err = balance_row_fill_ledger(b, a, now);
    return err;
}

static const struct {
    const char *kind, *entry_type;
    size_t ledger; /* entries: two stored, two drafts, and the start of each segment */
} kinds[] = {
    {"PREPAID_COMMIT", "PREPAID_COMMIT_MANUAL", 6},
    {"POSTPAID_COMMIT", "POSTPAID_COMMIT_MANUAL", 6},
    {"CREDIT", "CREDIT_MANUAL", 6},
    {"ACCOUNT_BALANCE", "ACCOUNT_BALANCE_TRANSACTION", 4},
};

static void row_without_memory_is_exhausted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        size_t exhausted = 0, made = 0;
        arena_pool_init(&pool, ARENA_POOL_BYTES_MAX);
        make_row(kinds[i].kind, kinds[i].entry_type);
        for (size_t left = 0; left < ARENA_CHUNK_BYTES; left += KIT_ARENA_STEP) {
            struct balance_row b = {.with_ledger = false};
            struct arena tight;
            kit_arena(&tight, &pool, left);
            enum err err = build_message(&b, &tight);
            if (err == ERR_OK) {
                assert_false(tight.full);
                assert_int_equal(b.ledger.count, kinds[i].ledger);
                assert_true(protobuf_c_message_check(message_of(&b)));
                made++;
            } else {
                assert_int_equal(err, ERR_EXHAUSTED);
                exhausted++;
            }
            arena_reset(&tight);
        }
        assert_true(exhausted > 0 && made > 0);
        row_free(&row);
        arena_pool_done(&pool);
    }
}

static void row_without_its_last_columns_is_internal(void **state)
{
    (void)state;
    arena_pool_init(&pool, ARENA_POOL_BYTES_MAX);
    make_row("CREDIT", "CREDIT_MANUAL");
    int columns = row.count;
    for (row.count = 0; row.count < columns; row.count++) {
        struct balance_row b = {.with_ledger = false};
        struct arena arena;
        arena_init(&arena, &pool, ARENA_BYTES_MAX);
        assert_int_equal(build_message(&b, &arena), ERR_INTERNAL);
        arena_reset(&arena);
    }
    row_free(&row);
    arena_pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_without_memory_is_exhausted),
        cmocka_unit_test(row_without_its_last_columns_is_internal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
