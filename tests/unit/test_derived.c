/* The ledger as it is read, stored and derived entries together: the worked examples of domain.md
 * B2 to B5, B13 and B17 line by line, and the order within an instant. */
#include "ledger_kit.h"

static void b2_ledger_life_of_one_credit(void **state)
{
    (void)state;
    const instant sep = date(2024, 9, 1), oct = date(2024, 10, 1);
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_CREDIT}};
    struct segment *s = book_segment(&b, sep, oct, "100");

    book_entry(&b, s, ENTRY_CREDIT_AUTOMATED_INVOICE_DEDUCTION, "-63", oct);
    assert_ledger_is(&b, oct, {sep, ENTRY_CREDIT_SEGMENT_START, "100", "100"},
                     {oct, ENTRY_CREDIT_AUTOMATED_INVOICE_DEDUCTION, "-63", "37"},
                     {oct, ENTRY_CREDIT_EXPIRATION, "-37", "0"});
}

static void b2_draft_deduction_has_a_future_timestamp(void **state)
{
    (void)state;
    const instant sep = date(2024, 9, 1), oct = date(2024, 10, 1);
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_CREDIT}};
    struct segment *s = book_segment(&b, sep, oct, "100");

    book_draft(&b, s, ENTRY_CREDIT_AUTOMATED_INVOICE_DEDUCTION, "-40", oct);
    assert_ledger_is(&b, date(2024, 9, 20), {sep, ENTRY_CREDIT_SEGMENT_START, "100", "100"},
                     {oct, ENTRY_CREDIT_AUTOMATED_INVOICE_DEDUCTION, "-40", "60"});
    assert_usable(&b, date(2024, 9, 20), "60", "100");
}

static void b2_order_within_one_instant(void **state)
{
    (void)state;
    /* The end of one segment is the start of the next, and everything falls on it. */
    const instant jan = date(2024, 1, 1), feb = date(2024, 2, 1);
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_PREPAID_COMMIT}};
    struct segment *first = book_segment(&b, jan, feb, "100");
    struct segment *second = book_segment(&b, feb, date(2024, 3, 1), "200");

    book_entry(&b, first, ENTRY_PREPAID_COMMIT_ROLLOVER, "-10", feb);
    book_entry(&b, first, ENTRY_PREPAID_COMMIT_CANCELED, "5", feb);
    book_entry(&b, first, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-60", feb);
    book_entry(&b, second, ENTRY_PREPAID_COMMIT_MANUAL, "7", feb);
    assert_ledger_is(&b, feb, {jan, ENTRY_PREPAID_COMMIT_SEGMENT_START, "100", "100"},
                     {feb, ENTRY_PREPAID_COMMIT_SEGMENT_START, "200", "300"},
                     {feb, ENTRY_PREPAID_COMMIT_MANUAL, "7", "307"},
                     {feb, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-60", "247"},
                     {feb, ENTRY_PREPAID_COMMIT_CANCELED, "5", "252"},
                     {feb, ENTRY_PREPAID_COMMIT_ROLLOVER, "-10", "242"},
                     {feb, ENTRY_PREPAID_COMMIT_EXPIRATION, "-35", "207"});
}

static void b3_several_segments(void **state)
{
    (void)state;
    const instant jan = date(2024, 1, 1), feb = date(2024, 2, 1), mar = date(2024, 3, 1);
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_PREPAID_COMMIT}};
    struct segment *first = book_segment(&b, jan, feb, "1000");
    struct segment *second = book_segment(&b, feb, mar, "2000");

    book_entry(&b, first, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-300", feb);
    assert_ledger_is(&b, date(2024, 1, 31),
                     {jan, ENTRY_PREPAID_COMMIT_SEGMENT_START, "1000", "1000"},
                     {feb, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-300", "700"});

    book_draft(&b, second, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-450", mar);
    assert_ledger_is(&b, date(2024, 2, 10),
                     {jan, ENTRY_PREPAID_COMMIT_SEGMENT_START, "1000", "1000"},
                     {feb, ENTRY_PREPAID_COMMIT_SEGMENT_START, "2000", "3000"},
                     {feb, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-300", "2700"},
                     {feb, ENTRY_PREPAID_COMMIT_EXPIRATION, "-700", "2000"},
                     {mar, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-450", "1550"});
}

static void b4_prepaid_over_a_year(void **state)
{
    (void)state;
    const instant start = date(2024, 1, 1), end = date(2025, 1, 1);
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_PREPAID_COMMIT}};
    struct segment *s = book_segment(&b, start, end, "10000");
    const enum entry_type deduction = ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION;

    book_entry(&b, s, deduction, "-900", date(2024, 2, 1));
    for (int month = 3; month <= 13; month++)
        book_entry(&b, s, deduction, "-700", date(2024, month, 1));
    assert_ledger_is(&b, end, {start, ENTRY_PREPAID_COMMIT_SEGMENT_START, "10000", "10000"},
                     {date(2024, 2, 1), deduction, "-900", "9100"},
                     {date(2024, 3, 1), deduction, "-700", "8400"},
                     {date(2024, 4, 1), deduction, "-700", "7700"},
                     {date(2024, 5, 1), deduction, "-700", "7000"},
                     {date(2024, 6, 1), deduction, "-700", "6300"},
                     {date(2024, 7, 1), deduction, "-700", "5600"},
                     {date(2024, 8, 1), deduction, "-700", "4900"},
                     {date(2024, 9, 1), deduction, "-700", "4200"},
                     {date(2024, 10, 1), deduction, "-700", "3500"},
                     {date(2024, 11, 1), deduction, "-700", "2800"},
                     {date(2024, 12, 1), deduction, "-700", "2100"},
                     {end, deduction, "-700", "1400"},
                     {end, ENTRY_PREPAID_COMMIT_EXPIRATION, "-1400", "0"});
}

static struct book *postpaid(struct book *b)
{
    *b = (struct book){.balance = {.id = id_random(), .kind = BALANCE_POSTPAID_COMMIT}};
    struct segment *s = book_segment(b, date(2024, 1, 1), date(2025, 1, 1), "10000");

    for (int i = 0; i < 12; i++)
        book_entry(b, s, ENTRY_POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-800",
                   date(2024, 2 + i, 1));
    return b;
}

static void b5_postpaid_is_billed_and_never_expires(void **state)
{
    (void)state;
    struct book b;
    struct ledger ledger;

    ledger_at(postpaid(&b), date(2025, 2, 1), &ledger);
    assert_int_equal(ledger.count, 13);
    assert_int_equal(ledger.entries[0].type, ENTRY_POSTPAID_COMMIT_INITIAL_BALANCE);
    assert_amount(ledger.entries[0].value, "10000");

    book_entry(&b, &b.segments[0], ENTRY_POSTPAID_COMMIT_TRUEUP, "-400", date(2025, 1, 5));
    ledger_at(&b, date(2025, 2, 1), &ledger);
    assert_int_equal(ledger.count, 14);
    assert_int_equal(ledger.entries[13].type, ENTRY_POSTPAID_COMMIT_TRUEUP);
    amount sum = 0;
    for (size_t i = 0; i < ledger.count; i++)
        sum += ledger.entries[i].value;
    assert_amount(sum, "0");
}

static void b5_postpaid_lapses_when_true_up_is_disabled(void **state)
{
    (void)state;
    struct book b;
    struct ledger ledger;

    postpaid(&b)->balance.true_up_disabled = true;
    ledger_at(&b, date(2025, 1, 1) - 1, &ledger);
    assert_int_equal(ledger.count, 13);
    ledger_at(&b, date(2025, 1, 1), &ledger);
    assert_int_equal(ledger.count, 14);
    assert_int_equal(ledger.entries[13].type, ENTRY_POSTPAID_COMMIT_EXPIRATION);
    assert_amount(ledger.entries[13].value, "-400");
    assert_int_equal(ledger.entries[13].at, date(2025, 1, 1));
}

static void b6_entry_on_an_expired_segment_moves_its_expiration(void **state)
{
    (void)state;
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_CREDIT}};
    struct segment *s = book_segment(&b, 100, 200, "10");

    book_entry(&b, s, ENTRY_CREDIT_MANUAL, "5", 150);
    assert_ledger_is(&b, 200, {100, ENTRY_CREDIT_SEGMENT_START, "10", "10"},
                     {150, ENTRY_CREDIT_MANUAL, "5", "15"},
                     {200, ENTRY_CREDIT_EXPIRATION, "-15", "0"});
}

static void b6_debt_expires_with_a_positive_entry(void **state)
{
    (void)state;
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_CREDIT}};
    struct segment *s = book_segment(&b, 100, 200, "100");

    book_entry(&b, s, ENTRY_CREDIT_MANUAL, "-130", 150);
    assert_ledger_is(&b, 200, {100, ENTRY_CREDIT_SEGMENT_START, "100", "100"},
                     {150, ENTRY_CREDIT_MANUAL, "-130", "-30"},
                     {200, ENTRY_CREDIT_EXPIRATION, "30", "0"});
}

static void spent_segment_has_no_expiration(void **state)
{
    (void)state;
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_CREDIT}};

    book_entry(&b, book_segment(&b, 100, 200, "100"), ENTRY_CREDIT_MANUAL, "-100", 150);
    assert_ledger_is(&b, 999, {100, ENTRY_CREDIT_SEGMENT_START, "100", "100"},
                     {150, ENTRY_CREDIT_MANUAL, "-100", "0"});
}

static void segment_of_zero_has_no_start(void **state)
{
    (void)state;
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_CREDIT}};

    book_entry(&b, book_segment(&b, 100, 200, "0"), ENTRY_CREDIT_MANUAL, "3", 100);
    assert_ledger_is(&b, 200, {100, ENTRY_CREDIT_MANUAL, "3", "3"},
                     {200, ENTRY_CREDIT_EXPIRATION, "-3", "0"});
}

static void b13_draft_that_grows_after_the_end_shrinks_the_expiration(void **state)
{
    (void)state;
    const instant start = date(2024, 1, 1), end = date(2024, 3, 1);
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_PREPAID_COMMIT}};
    struct segment *s = book_segment(&b, start, end, "1000");
    const enum entry_type deduction = ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION;

    book_draft(&b, s, deduction, "-200", end);
    assert_ledger_is(&b, end, {start, ENTRY_PREPAID_COMMIT_SEGMENT_START, "1000", "1000"},
                     {end, deduction, "-200", "800"},
                     {end, ENTRY_PREPAID_COMMIT_EXPIRATION, "-800", "0"});
    book_draft(&b, s, deduction, "-50", end + 1);
    assert_ledger_is(&b, end, {start, ENTRY_PREPAID_COMMIT_SEGMENT_START, "1000", "1000"},
                     {end, deduction, "-200", "800"},
                     {end, ENTRY_PREPAID_COMMIT_EXPIRATION, "-750", "50"},
                     {end + 1, deduction, "-50", "0"});
}

static void derived_entries_come_at_their_instant(void **state)
{
    (void)state;
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_CREDIT}};
    static const struct {
        instant now;
        size_t count;
    } table[] = {{INT64_MIN, 0}, {99, 0},  {100, 1}, {101, 1},
                 {199, 1},       {200, 2}, {201, 2}, {INT64_MAX, 2}};

    book_segment(&b, 100, 200, "1");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ledger ledger;
        ledger_at(&b, table[i].now, &ledger);
        assert_int_equal(ledger.count, table[i].count);
    }
}

static void ids_stay_the_same_while_values_change(void **state)
{
    (void)state;
    struct book b = {.balance = {.id = id_random(), .kind = BALANCE_CREDIT}};
    struct segment *s = book_segment(&b, 100, 200, "10");
    struct ledger before, after;

    ledger_at(&b, 200, &before);
    s->final = -3 * AMOUNT_ONE;
    s->ending_before = 190;
    ledger_at(&b, 300, &after);
    assert_int_equal(before.count, 2);
    assert_int_equal(after.count, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(id_equal(&before.entries[i].id, &after.entries[i].id));
        assert_true(id_equal(&before.entries[i].segment_id, &s->id));
        assert_true(id_equal(&before.entries[i].balance_id, &b.balance.id));
    }
    assert_false(id_equal(&before.entries[0].id, &before.entries[1].id));
    assert_amount(after.entries[1].value, "-7");
}

static void archived_balance_has_no_derived_entries(void **state)
{
    (void)state;
    struct book b = {.balance = {.kind = BALANCE_CREDIT, .archived = true}};
    struct ledger ledger;

    book_segment(&b, 100, 200, "10");
    ledger_at(&b, 300, &ledger);
    assert_int_equal(ledger.count, 0);
}

/* domain.md B17: 1000 left at the end, of which at most 800 roll over. */
static struct book *account(struct book *b)
{
    *b = (struct book){.balance = {.id = id_random(),
                                   .kind = BALANCE_ACCOUNT,
                                   .has_rollover_cap = true,
                                   .rollover_cap = units("800")}};
    struct segment *s = book_segment(b, 100, 200, "0");

    book_segment(b, 200, 300, "0")->role = SEGMENT_ROLLOVER;
    book_entry(b, s, ENTRY_ACCOUNT_BALANCE_TRANSACTION, "1000", 100);
    return b;
}

static const struct entry *find(const struct ledger *ledger, const struct segment *s,
                                enum entry_type type)
{
    const struct entry *found = NULL;

    for (size_t i = 0; i < ledger->count; i++) {
        const struct entry *e = &ledger->entries[i];
        if (e->type == type && id_equal(&e->segment_id, &s->id)) {
            assert_null(found);
            found = e;
        }
    }
    return found;
}

static void b17_rollover_moves_up_to_the_cap_and_the_rest_expires(void **state)
{
    (void)state;
    struct book b;
    struct ledger ledger;
    const enum entry_type rollover = ENTRY_ACCOUNT_BALANCE_ROLLOVER;
    const enum entry_type expiration = ENTRY_ACCOUNT_BALANCE_EXPIRATION;

    ledger_at(account(&b), 199, &ledger);
    assert_int_equal(ledger.count, 1);

    ledger_at(&b, 200, &ledger);
    assert_int_equal(ledger.count, 4);
    assert_amount(find(&ledger, &b.segments[0], rollover)->value, "-800");
    assert_amount(find(&ledger, &b.segments[0], expiration)->value, "-200");
    assert_amount(find(&ledger, &b.segments[1], rollover)->value, "800");
    for (size_t i = 1; i < ledger.count; i++)
        assert_int_equal(ledger.entries[i].at, 200);

    book_entry(&b, &b.segments[1], ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-300", 250);
    ledger_at(&b, 300, &ledger);
    assert_int_equal(ledger.count, 6);
    assert_amount(find(&ledger, &b.segments[1], expiration)->value, "-500");
    assert_int_equal(ledger.entries[5].at, 300);
    amount sum = 0;
    for (size_t i = 0; i < ledger.count; i++)
        sum += ledger.entries[i].value;
    assert_amount(sum, "0");
}

static void b17_rollover_without_cap_leaves_nothing_to_expire(void **state)
{
    (void)state;
    struct book b;
    struct ledger ledger;

    account(&b)->balance.has_rollover_cap = false;
    ledger_at(&b, 200, &ledger);
    assert_int_equal(ledger.count, 3);
    assert_null(find(&ledger, &b.segments[0], ENTRY_ACCOUNT_BALANCE_EXPIRATION));
    assert_amount(find(&ledger, &b.segments[1], ENTRY_ACCOUNT_BALANCE_ROLLOVER)->value, "1000");
}

static void rollover_leaves_behind_what_drafts_may_still_take(void **state)
{
    (void)state;
    struct book b;
    struct ledger ledger;

    book_draft(account(&b), &b.segments[0], ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-250", 200);
    ledger_at(&b, 200, &ledger);
    assert_amount(find(&ledger, &b.segments[0], ENTRY_ACCOUNT_BALANCE_ROLLOVER)->value, "-750");
    assert_amount(find(&ledger, &b.segments[1], ENTRY_ACCOUNT_BALANCE_ROLLOVER)->value, "750");
    assert_null(find(&ledger, &b.segments[0], ENTRY_ACCOUNT_BALANCE_EXPIRATION));
}

static void rollover_of_a_debt_is_none(void **state)
{
    (void)state;
    struct book b;
    struct ledger ledger;

    book_entry(account(&b), &b.segments[0], ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-1250", 150);
    ledger_at(&b, 300, &ledger);
    assert_int_equal(ledger.count, 3);
    assert_amount(find(&ledger, &b.segments[0], ENTRY_ACCOUNT_BALANCE_EXPIRATION)->value, "250");
}

static void account_balance_without_rollover_expires_whole(void **state)
{
    (void)state;
    struct book b;

    account(&b)->balance.segment_count = 1;
    assert_ledger_is(&b, 200, {100, ENTRY_ACCOUNT_BALANCE_TRANSACTION, "1000", "1000"},
                     {200, ENTRY_ACCOUNT_BALANCE_EXPIRATION, "-1000", "0"});
}

static void overflow_is_told_and_writes_nothing(void **state)
{
    (void)state;
    struct book b = {.balance = {.kind = BALANCE_CREDIT}};
    struct segment *s = book_segment(&b, 100, 200, "99999999999999999999999999");
    struct entry entries[DERIVED_PER_SEGMENT_MAX] = {{.at = 7}};
    size_t count = 7;

    s->manual = s->granted;
    assert_int_equal(derive_entries(&b.balance, s, 200, entries, &count), ERR_RANGE);
    assert_int_equal(entries[0].at, 7);
    assert_int_equal(count, 7);
    assert_int_equal(derive_entries(&b.balance, s, 199, entries, &count), ERR_OK);
    assert_int_equal(count, 1);
}

static void order_is_instant_then_type_then_id(void **state)
{
    (void)state;
    /* Ascending; the last byte of the id decides what is otherwise equal. */
    const struct entry sorted[] = {
        {.at = INT64_MIN, .type = ENTRY_CREDIT_EXPIRATION},
        {.at = -1, .type = ENTRY_CREDIT_EXPIRATION, .id = {{[15] = 0xff}}},
        {.at = 0, .type = ENTRY_CREDIT_SEGMENT_START, .id = {{[15] = 0xff}}},
        {.at = 0, .type = ENTRY_CREDIT_MANUAL, .id = {{[15] = 0x7f}}},
        {.at = 0, .type = ENTRY_CREDIT_MANUAL, .id = {{[15] = 0x80}}},
        {.at = 0, .type = ENTRY_CREDIT_MANUAL, .id = {{[0] = 1}}},
        {.at = 0, .type = ENTRY_CREDIT_EXPIRATION},
        {.at = INT64_MAX, .type = ENTRY_CREDIT_SEGMENT_START},
    };
    const int count = sizeof sorted / sizeof *sorted;

    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            const int order = entry_compare(&sorted[i], &sorted[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void type_names_are_read_back(void **state)
{
    (void)state;
    enum entry_type again = 0;

    for (enum entry_type t = 0; t < ENTRY_TYPE_COUNT; t++) {
        assert_int_equal(entry_type_parse(entry_type_name(t), &again), ERR_OK);
        assert_int_equal(again, t);
    }
    assert_string_equal(entry_type_name(ENTRY_CREDIT_MANUAL), "CREDIT_MANUAL");
    assert_int_equal(entry_type_parse("", &again), ERR_INVALID);
    assert_int_equal(entry_type_parse("credit_manual", &again), ERR_INVALID);
    assert_int_equal(entry_type_parse("CREDIT_MANUA", &again), ERR_INVALID);
    assert_int_equal(entry_type_parse("CREDIT_MANUALS", &again), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b2_ledger_life_of_one_credit),
        cmocka_unit_test(b2_draft_deduction_has_a_future_timestamp),
        cmocka_unit_test(b2_order_within_one_instant),
        cmocka_unit_test(b3_several_segments),
        cmocka_unit_test(b4_prepaid_over_a_year),
        cmocka_unit_test(b5_postpaid_is_billed_and_never_expires),
        cmocka_unit_test(b5_postpaid_lapses_when_true_up_is_disabled),
        cmocka_unit_test(b6_entry_on_an_expired_segment_moves_its_expiration),
        cmocka_unit_test(b6_debt_expires_with_a_positive_entry),
        cmocka_unit_test(spent_segment_has_no_expiration),
        cmocka_unit_test(segment_of_zero_has_no_start),
        cmocka_unit_test(b13_draft_that_grows_after_the_end_shrinks_the_expiration),
        cmocka_unit_test(derived_entries_come_at_their_instant),
        cmocka_unit_test(ids_stay_the_same_while_values_change),
        cmocka_unit_test(archived_balance_has_no_derived_entries),
        cmocka_unit_test(b17_rollover_moves_up_to_the_cap_and_the_rest_expires),
        cmocka_unit_test(b17_rollover_without_cap_leaves_nothing_to_expire),
        cmocka_unit_test(rollover_leaves_behind_what_drafts_may_still_take),
        cmocka_unit_test(rollover_of_a_debt_is_none),
        cmocka_unit_test(account_balance_without_rollover_expires_whole),
        cmocka_unit_test(overflow_is_told_and_writes_nothing),
        cmocka_unit_test(order_is_instant_then_type_then_id),
        cmocka_unit_test(type_names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
