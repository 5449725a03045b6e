/* What is left: the worked examples of domain.md B1, B3, B5, B6, B13, B14 and B17 with their
 * numbers, and the ends of the range. */
#include "ledger_kit.h"

#define DEDUCTION ENTRY_CREDIT_AUTOMATED_INVOICE_DEDUCTION
#define MANUAL    ENTRY_CREDIT_MANUAL

static instant now, past, future;

static int set_clock(void **state)
{
    (void)state;
    now = date(2024, 9, 20);
    past = date(2024, 9, 1);
    future = date(2024, 10, 1);
    return 0;
}

static struct book credit(void)
{
    return (struct book){.balance = {.id = id_random(), .kind = BALANCE_CREDIT}};
}

static void b1_expired_and_upcoming_segments_contribute_nothing(void **state)
{
    (void)state;
    struct book b = credit();

    book_segment(&b, date(2024, 8, 1), past, "1000");
    book_segment(&b, past, future, "200");
    book_segment(&b, future, date(2024, 11, 1), "30");
    assert_usable(&b, now, "200", "200");
    assert_usable(&b, past, "200", "200");
    assert_usable(&b, past - 1, "1000", "1000");
    assert_usable(&b, future - 1, "200", "200");
    assert_usable(&b, future, "30", "30");
    assert_usable(&b, date(2024, 11, 1), "0", "0");
    assert_usable(&b, date(2024, 8, 1) - 1, "0", "0");
}

static void b1_remaining_counts_every_kind_of_entry(void **state)
{
    (void)state;
    struct book b = credit();
    struct segment *s = book_segment(&b, past, future, "100");
    amount left;

    book_entry(&b, s, ENTRY_CREDIT_SEAT_BASED_ADJUSTMENT, "10", past);
    book_entry(&b, s, MANUAL, "5", future + 1);
    book_entry(&b, s, DEDUCTION, "-20", future);
    book_draft(&b, s, DEDUCTION, "-7", future);
    book_entry(&b, s, ENTRY_CREDIT_ROLLOVER, "-30", now);
    book_entry(&b, s, ENTRY_CREDIT_CANCELED, "20", now);
    book_entry(&b, s, ENTRY_CREDIT_CREDITED, "1.5", now);
    assert_int_equal(segment_remaining(&b.balance, s, INCLUDE_FINAL_AND_DRAFT, &left), ERR_OK);
    assert_amount(left, "79.5");
    assert_int_equal(segment_remaining(&b.balance, s, INCLUDE_FINAL, &left), ERR_OK);
    assert_amount(left, "86.5");
    assert_usable(&b, now, "79.5", "86.5");
}

static void b1_balance_without_segments_is_zero(void **state)
{
    (void)state;
    const struct book b = credit();

    assert_usable(&b, now, "0", "0");
}

static void b2_draft_is_in_the_balance_before_its_date(void **state)
{
    (void)state;
    struct book b = credit();
    struct segment *s = book_segment(&b, past, future, "100");

    book_draft(&b, s, DEDUCTION, "-40", future);
    assert_usable(&b, now, "60", "100");
}

static void b3_several_segments(void **state)
{
    (void)state;
    struct book b = {.balance = {.kind = BALANCE_PREPAID_COMMIT}};
    const instant jan = date(2024, 1, 1), feb = date(2024, 2, 1), mar = date(2024, 3, 1);
    struct segment *first = book_segment(&b, jan, feb, "1000");
    struct segment *second = book_segment(&b, feb, mar, "2000");

    book_entry(&b, first, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-300", feb);
    assert_usable(&b, date(2024, 1, 31), "700", "700");
    book_draft(&b, second, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-450", mar);
    assert_usable(&b, date(2024, 2, 10), "1550", "2000");
    /* January's invoice as a mere draft changes nothing: its segment is over. */
    first->draft = first->final;
    first->final = 0;
    assert_usable(&b, date(2024, 2, 10), "1550", "2000");
}

static void b5_postpaid_balance_is_the_obligation_left(void **state)
{
    (void)state;
    struct book b = {.balance = {.kind = BALANCE_POSTPAID_COMMIT}};
    struct segment *s = book_segment(&b, date(2024, 1, 1), date(2025, 1, 1), "10000");

    assert_usable(&b, now, "10000", "10000");
    for (int month = 2; month <= 13; month++)
        book_entry(&b, s, ENTRY_POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-800",
                   date(2024, month, 1));
    assert_usable(&b, now, "400", "400");
    book_entry(&b, s, ENTRY_POSTPAID_COMMIT_TRUEUP, "-400", date(2025, 1, 1));
    assert_usable(&b, now, "0", "0");
}

static void b5_prepaid_and_postpaid_together(void **state)
{
    (void)state;
    struct book prepaid = {.balance = {.kind = BALANCE_PREPAID_COMMIT}};
    struct book postpaid = {.balance = {.kind = BALANCE_POSTPAID_COMMIT}};

    book_entry(&prepaid, book_segment(&prepaid, past, future, "400"),
               ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-400", future);
    book_entry(&postpaid, book_segment(&postpaid, past, future, "400"),
               ENTRY_POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-100", future);
    assert_usable(&prepaid, now, "0", "0");
    assert_usable(&postpaid, now, "300", "300");
}

static void b6_add(void **state)
{
    (void)state;
    struct book b = credit();

    book_entry(&b, book_segment(&b, past, future, "100"), MANUAL, "25", now);
    assert_usable(&b, now, "125", "125");
}

static void b6_draw(void **state)
{
    (void)state;
    struct book b = credit();

    book_entry(&b, book_segment(&b, past, future, "100"), MANUAL, "-30", now);
    assert_usable(&b, now, "70", "70");
}

static void b6_overdraw_is_floored_at_zero_and_remembered(void **state)
{
    (void)state;
    struct book b = credit();
    struct segment *s = book_segment(&b, past, future, "100");
    amount left;

    book_entry(&b, s, MANUAL, "-130", now);
    assert_usable(&b, now, "0", "0");
    assert_int_equal(segment_remaining(&b.balance, s, INCLUDE_FINAL_AND_DRAFT, &left), ERR_OK);
    assert_amount(left, "-30");
}

static void b6_overdraw_with_second_segment_is_floored_per_segment(void **state)
{
    (void)state;
    struct book b = credit();

    book_entry(&b, book_segment(&b, past, future, "100"), MANUAL, "-130", now);
    book_segment(&b, past, future, "50");
    assert_usable(&b, now, "50", "50");
}

static void b6_overdraw_then_add_pays_the_debt_first(void **state)
{
    (void)state;
    struct book b = credit();
    struct segment *s = book_segment(&b, past, future, "100");

    book_entry(&b, s, MANUAL, "-130", now);
    book_entry(&b, s, MANUAL, "40", now);
    assert_usable(&b, now, "10", "10");
}

static void b6_future_dated_on_active_segment_counts_today(void **state)
{
    (void)state;
    struct book b = credit();

    book_entry(&b, book_segment(&b, past, future, "100"), MANUAL, "25", date(2024, 9, 27));
    assert_usable(&b, now, "125", "125");
}

static void b6_on_upcoming_segment_waits_for_its_start(void **state)
{
    (void)state;
    struct book b = credit();

    book_entry(&b, book_segment(&b, future, date(2024, 11, 1), "100"), MANUAL, "25", now);
    assert_usable(&b, now, "0", "0");
    assert_usable(&b, future, "125", "125");
}

static void b6_on_expired_segment_contributes_nothing(void **state)
{
    (void)state;
    struct book b = credit();

    book_entry(&b, book_segment(&b, date(2024, 8, 1), past, "100"), MANUAL, "25", now);
    assert_usable(&b, now, "0", "0");
}

static void b6_overdraw_followed_by_usage_elsewhere(void **state)
{
    (void)state;
    /* The 20 could not be drawn here, so it went to the next balance. */
    struct book b = credit(), next = credit();

    book_entry(&b, book_segment(&b, past, future, "100"), MANUAL, "-130", now);
    book_draft(&next, book_segment(&next, past, future, "100"), DEDUCTION, "-20", future);
    assert_usable(&b, now, "0", "0");
    assert_usable(&next, now, "80", "100");
}

static void b6_draft_beyond_what_is_left_is_a_debt_in_one_mode_only(void **state)
{
    (void)state;
    struct book b = credit();

    book_draft(&b, book_segment(&b, past, future, "100"), DEDUCTION, "-101", future);
    assert_usable(&b, now, "0", "100");
}

static void overdraft_allowed_has_no_floor(void **state)
{
    (void)state;
    struct book b = credit();

    b.balance.allow_overdraft = true;
    book_entry(&b, book_segment(&b, past, future, "100"), MANUAL, "-130", now);
    assert_usable(&b, now, "-30", "-30");
    book_segment(&b, past, future, "50");
    assert_usable(&b, now, "20", "20");
    assert_usable(&b, future, "0", "0");
}

static void b8_archived_balance_is_zero(void **state)
{
    (void)state;
    struct book b = credit();

    book_segment(&b, past, future, "100");
    b.balance.archived = true;
    assert_usable(&b, now, "0", "0");
}

static void b13_earlier_end_leaves_the_balance_until_then(void **state)
{
    (void)state;
    struct book b = {.balance = {.kind = BALANCE_PREPAID_COMMIT}};
    struct segment *s = book_segment(&b, date(2024, 1, 1), date(2025, 1, 1), "1000");

    book_entry(&b, s, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-200", date(2024, 2, 1));
    s->ending_before = date(2024, 3, 1);
    assert_usable(&b, date(2024, 2, 10), "800", "800");
    assert_usable(&b, date(2024, 3, 1) - 1, "800", "800");
    assert_usable(&b, date(2024, 3, 1), "0", "0");
}

static void b14_final_and_draft_then_void(void **state)
{
    (void)state;
    struct book b = {.balance = {.kind = BALANCE_PREPAID_COMMIT}};
    struct segment *s = book_segment(&b, past, future, "1000");

    book_entry(&b, s, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-300", now);
    book_draft(&b, s, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-120", future);
    assert_usable(&b, now, "580", "700");
    book_entry(&b, s, ENTRY_PREPAID_COMMIT_CANCELED, "300", now);
    assert_usable(&b, now, "880", "1000");
}

/* An account balance of 1000 for September, with a rollover until the end of October. */
static void account(struct book *b, const char *cap)
{
    *b = (struct book){.balance = {.id = id_random(), .kind = BALANCE_ACCOUNT}};
    struct segment *s = book_segment(b, past, future, "0");

    book_segment(b, future, date(2024, 11, 1), "0")->role = SEGMENT_ROLLOVER;
    book_entry(b, s, ENTRY_ACCOUNT_BALANCE_TRANSACTION, "1000", past);
    if (cap != NULL) {
        b->balance.has_rollover_cap = true;
        b->balance.rollover_cap = units(cap);
    }
}

static void b17_rollover_with_cap(void **state)
{
    (void)state;
    struct book b;

    account(&b, "800");
    assert_usable(&b, now, "1000", "1000");
    assert_usable(&b, future - 1, "1000", "1000");
    assert_usable(&b, future, "800", "800");
    book_entry(&b, &b.segments[1], ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-300", date(2024, 10, 15));
    assert_usable(&b, date(2024, 10, 15), "500", "500");
    assert_usable(&b, date(2024, 11, 1), "0", "0");
}

static void b17_rollover_without_cap_carries_all(void **state)
{
    (void)state;
    struct book b;

    account(&b, NULL);
    assert_usable(&b, future, "1000", "1000");
}

static void b17_rollover_of_zero_carries_nothing(void **state)
{
    (void)state;
    struct book b;

    account(&b, "0");
    assert_usable(&b, future - 1, "1000", "1000");
    assert_usable(&b, future, "0", "0");
}

static void rollover_follows_late_deductions_of_the_first_segment(void **state)
{
    (void)state;
    struct book b;
    amount carried;

    account(&b, "800");
    book_entry(&b, &b.segments[0], ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-150", future);
    assert_usable(&b, future, "800", "800");
    book_draft(&b, &b.segments[0], ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-150", future);
    assert_usable(&b, future, "700", "800");
    assert_int_equal(balance_carried(&b.balance, INCLUDE_FINAL_AND_DRAFT, &carried), ERR_OK);
    assert_amount(carried, "700");
    assert_int_equal(balance_carried(&b.balance, INCLUDE_FINAL, &carried), ERR_OK);
    assert_amount(carried, "800");
}

static void rollover_never_carries_a_debt(void **state)
{
    (void)state;
    struct book b;

    account(&b, NULL);
    b.balance.allow_overdraft = true;
    book_entry(&b, &b.segments[0], ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-1200", now);
    assert_usable(&b, now, "-200", "-200");
    assert_usable(&b, future, "0", "0");
    book_entry(&b, &b.segments[1], ENTRY_ACCOUNT_BALANCE_TRANSACTION, "5", future);
    assert_usable(&b, future, "5", "5");
}

/* What the rollover has spent was carried there, so it is gone from the first segment, too. */
static void drawing_never_takes_what_the_rollover_has_spent(void **state)
{
    (void)state;
    static const struct {
        const char *cap, *spent, *drawable, *rollover;
    } rows[] = {
        {NULL, "0", "1000", "1000"}, {NULL, "-300", "700", "700"}, {"800", "-300", "700", "500"},
        {"800", "-800", "200", "0"}, {"100", "0", "1000", "100"},  {"100", "-100", "900", "0"},
        {"100", "-150", "850", "0"}, {NULL, "-1200", "0", "0"},    {"800", "50", "1000", "850"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct book b = {0};
        amount drawable, rest;
        account(&b, rows[i].cap);
        b.segments[1].manual = units(rows[i].spent);
        assert_int_equal(segment_drawable(&b.balance, &b.segments[0], &drawable), ERR_OK);
        assert_amount(drawable, rows[i].drawable);
        assert_int_equal(segment_drawable(&b.balance, &b.segments[1], &rest), ERR_OK);
        assert_amount(rest, rows[i].rollover);
        b.segments[0].draft -= drawable;
        assert_int_equal(
            segment_remaining(&b.balance, &b.segments[0], INCLUDE_FINAL_AND_DRAFT, &rest), ERR_OK);
        assert_true(rest >= 0);
        amount before = units(rows[i].spent) + units(rows[i].cap ? rows[i].cap : "1000"), after;
        assert_int_equal(
            segment_remaining(&b.balance, &b.segments[1], INCLUDE_FINAL_AND_DRAFT, &after), ERR_OK);
        assert_true(after >= 0 || after == before);
    }
}

static void total_is_every_transaction_whatever_the_date(void **state)
{
    (void)state;
    struct book b;
    amount total;

    account(&b, "800");
    book_entry(&b, &b.segments[0], ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-100", now);
    book_draft(&b, &b.segments[0], ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-50", now);
    book_entry(&b, &b.segments[1], ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-300", future);
    assert_int_equal(balance_total(&b.balance, &total), ERR_OK);
    assert_amount(total, "600"); /* the draft may still change */
}

static void order_of_a_fortune_and_a_debt_does_not_matter(void **state)
{
    (void)state;
    static const char *const max = "99999999999999999999999999.999999999999";
    struct book b = credit();
    struct segment *s = book_segment(&b, past, future, max);

    book_entry(&b, s, MANUAL, max, now);
    s->final = -units(max);
    assert_usable(&b, now, max, max);
}

static void overflow_is_told_and_writes_nothing(void **state)
{
    (void)state;
    static const char *const max = "99999999999999999999999999.999999999999";
    struct book b = credit();
    struct segment *s = book_segment(&b, past, future, max);
    amount value = 7;

    book_segment(&b, past, future, "0.000000000001");
    assert_int_equal(balance_now(&b.balance, now, INCLUDE_FINAL, &value), ERR_RANGE);
    assert_int_equal(balance_now(&b.balance, future, INCLUDE_FINAL, &value), ERR_OK);
    value = 7;
    book_entry(&b, s, MANUAL, "0.000000000001", now);
    assert_int_equal(segment_remaining(&b.balance, s, INCLUDE_FINAL, &value), ERR_RANGE);
    assert_int_equal(balance_now(&b.balance, now, INCLUDE_FINAL, &value), ERR_RANGE);
    b.segments[1].manual = units(max);
    assert_int_equal(balance_total(&b.balance, &value), ERR_RANGE);
    assert_true(value == 7);

    struct book a;

    account(&a, NULL);
    a.segments[0].manual = a.segments[0].other = units(max);
    assert_int_equal(balance_carried(&a.balance, INCLUDE_FINAL, &value), ERR_RANGE);
    assert_int_equal(segment_remaining(&a.balance, &a.segments[1], INCLUDE_FINAL, &value),
                     ERR_RANGE);
    assert_true(value == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b1_expired_and_upcoming_segments_contribute_nothing),
        cmocka_unit_test(b1_remaining_counts_every_kind_of_entry),
        cmocka_unit_test(b1_balance_without_segments_is_zero),
        cmocka_unit_test(b2_draft_is_in_the_balance_before_its_date),
        cmocka_unit_test(b3_several_segments),
        cmocka_unit_test(b5_postpaid_balance_is_the_obligation_left),
        cmocka_unit_test(b5_prepaid_and_postpaid_together),
        cmocka_unit_test(b6_add),
        cmocka_unit_test(b6_draw),
        cmocka_unit_test(b6_overdraw_is_floored_at_zero_and_remembered),
        cmocka_unit_test(b6_overdraw_with_second_segment_is_floored_per_segment),
        cmocka_unit_test(b6_overdraw_then_add_pays_the_debt_first),
        cmocka_unit_test(b6_future_dated_on_active_segment_counts_today),
        cmocka_unit_test(b6_on_upcoming_segment_waits_for_its_start),
        cmocka_unit_test(b6_on_expired_segment_contributes_nothing),
        cmocka_unit_test(b6_overdraw_followed_by_usage_elsewhere),
        cmocka_unit_test(b6_draft_beyond_what_is_left_is_a_debt_in_one_mode_only),
        cmocka_unit_test(overdraft_allowed_has_no_floor),
        cmocka_unit_test(b8_archived_balance_is_zero),
        cmocka_unit_test(b13_earlier_end_leaves_the_balance_until_then),
        cmocka_unit_test(b14_final_and_draft_then_void),
        cmocka_unit_test(b17_rollover_with_cap),
        cmocka_unit_test(b17_rollover_without_cap_carries_all),
        cmocka_unit_test(b17_rollover_of_zero_carries_nothing),
        cmocka_unit_test(rollover_follows_late_deductions_of_the_first_segment),
        cmocka_unit_test(rollover_never_carries_a_debt),
        cmocka_unit_test(drawing_never_takes_what_the_rollover_has_spent),
        cmocka_unit_test(total_is_every_transaction_whatever_the_date),
        cmocka_unit_test(order_of_a_fortune_and_a_debt_does_not_matter),
        cmocka_unit_test(overflow_is_told_and_writes_nothing),
    };
    return cmocka_run_group_tests(tests, set_clock, NULL);
}
