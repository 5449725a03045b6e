/* Transactions of account balances, with the numbers of domain.md B17. */
#include "ledger_kit.h"

#include "ledger/transaction.h"

static const char *const largest = "99999999999999999999999999.999999999999";

static struct book book;
static struct segment *access, *rollover;

/* A year with 1000, then a month in which at most 800 of what is left may be used. */
static int open_book(void **state)
{
    (void)state;
    memset(&book, 0, sizeof book);
    book.balance.kind = BALANCE_ACCOUNT;
    book.balance.has_rollover_cap = true;
    book.balance.rollover_cap = units("800");
    access = book_segment(&book, date(2024, 1, 1), date(2025, 1, 1), "0");
    rollover = book_segment(&book, date(2025, 1, 1), date(2025, 2, 1), "0");
    rollover->role = SEGMENT_ROLLOVER;
    book_entry(&book, access, ENTRY_ACCOUNT_BALANCE_TRANSACTION, "1000", date(2024, 1, 1));
    return 0;
}

static struct transaction_verdict check(instant now, instant applied, const char *value)
{
    return transaction_check(&book.balance, now, applied, units(value));
}

static void assert_goes_to(instant now, instant applied, const struct segment *segment)
{
    const struct transaction_verdict v = check(now, applied, "1");

    assert_int_equal(v.outcome, TRANSACTION_DUE);
    assert_ptr_equal(v.segment, segment);
}

static void transaction_goes_to_the_segment_that_covers_its_date(void **state)
{
    (void)state;
    assert_goes_to(date(2024, 6, 1), date(2024, 1, 1), access);
    assert_goes_to(date(2024, 6, 1), date(2025, 1, 1) - 1, access);
    assert_goes_to(date(2025, 1, 1), date(2025, 1, 1), rollover);
    assert_goes_to(date(2025, 1, 1), date(2025, 2, 1) - 1, rollover);
    /* Upcoming: it waits. */
    assert_goes_to(date(2023, 6, 1), date(2023, 6, 1), access);
    assert_goes_to(date(2023, 6, 1), date(2025, 1, 15), rollover);
}

static void transaction_cannot_be_in_what_is_over(void **state)
{
    (void)state;
    assert_int_equal(check(date(2025, 1, 1), date(2025, 1, 1) - 1, "1").outcome,
                     TRANSACTION_EXPIRED);
    assert_int_equal(check(date(2025, 2, 1), date(2025, 1, 15), "1").outcome, TRANSACTION_EXPIRED);
    assert_int_equal(check(date(2024, 6, 1), date(2025, 2, 1), "1").outcome, TRANSACTION_OUTSIDE);
}

static void transaction_is_for_account_balances_that_live(void **state)
{
    (void)state;
    book.balance.archived = true;
    assert_int_equal(check(date(2024, 6, 1), date(2024, 6, 1), "1").outcome, TRANSACTION_ARCHIVED);
    book.balance.kind = BALANCE_CREDIT;
    assert_int_equal(check(date(2024, 6, 1), date(2024, 6, 1), "1").outcome, TRANSACTION_KIND);
}

static void debit_ends_at_what_is_left_drafts_included(void **state)
{
    (void)state;
    const instant now = date(2024, 6, 1);

    assert_int_equal(check(now, now, "-1000").outcome, TRANSACTION_DUE);
    const struct transaction_verdict v = check(now, now, "-1000.000000000001");
    assert_int_equal(v.outcome, TRANSACTION_BEYOND_LEFT);
    assert_amount(v.left, "1000");
    book_draft(&book, access, ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-100", now);
    assert_int_equal(check(now, now, "-900").outcome, TRANSACTION_DUE);
    assert_int_equal(check(now, now, "-901").outcome, TRANSACTION_BEYOND_LEFT);
    book.balance.allow_overdraft = true;
    assert_int_equal(check(now, now, "-901").outcome, TRANSACTION_DUE);
}

static void debit_of_the_rollover_ends_at_what_is_carried(void **state)
{
    (void)state;
    const instant now = date(2024, 6, 1), later = date(2025, 1, 15);

    assert_int_equal(check(later, later, "-800").outcome, TRANSACTION_DUE);
    assert_int_equal(check(later, later, "-801").outcome, TRANSACTION_BEYOND_LEFT);
    /* What the rollover has given away already, the access segment has to leave to it. */
    book_entry(&book, rollover, ENTRY_ACCOUNT_BALANCE_TRANSACTION, "-800", later);
    assert_int_equal(check(now, now, "-200").outcome, TRANSACTION_DUE);
    assert_int_equal(check(now, now, "-201").outcome, TRANSACTION_BEYOND_LEFT);
}

static void debt_from_before_forbids_no_credit(void **state)
{
    (void)state;
    const instant now = date(2024, 6, 1);

    book_entry(&book, access, ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-1500", now);
    assert_int_equal(check(now, now, "100").outcome, TRANSACTION_DUE);
    assert_int_equal(check(now, now, "-1").outcome, TRANSACTION_BEYOND_LEFT);
}

/* More was spent of it than is carried now, by an overdraft or before the cap was lowered. */
static void debit_leaves_what_the_rollover_has_spent(void **state)
{
    (void)state;
    const instant now = date(2024, 6, 1);

    book.balance.rollover_cap = units("100");
    book_draft(&book, rollover, ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-900", now);
    assert_int_equal(check(now, now, "-100").outcome, TRANSACTION_DUE);
    const struct transaction_verdict v = check(now, now, "-101");
    assert_int_equal(v.outcome, TRANSACTION_BEYOND_LEFT);
    assert_amount(v.left, "100");
}

static void transaction_keeps_every_sum_in_range(void **state)
{
    (void)state;
    const instant now = date(2024, 6, 1);

    assert_int_equal(check(now, now, largest).outcome, TRANSACTION_TOO_LARGE);
    book_entry(&book, rollover, ENTRY_ACCOUNT_BALANCE_TRANSACTION, "99999999999999999999998000",
               now);
    assert_int_equal(check(now, now, "1000").outcome, TRANSACTION_TOO_LARGE);
    assert_int_equal(check(now, now, "999").outcome, TRANSACTION_DUE);
}

/* ---- the summary ---- */

static void assert_summary(instant now, const char *put_in, const char *credited,
                           const char *debited, const char *expired, const char *consumed,
                           const char *rollover_consumed)
{
    struct transaction_summary sum;

    assert_int_equal(transaction_summarize(&book.balance, now, units(put_in), &sum), ERR_OK);
    assert_amount(sum.credited, credited);
    assert_amount(sum.debited, debited);
    assert_amount(sum.expired, expired);
    assert_amount(sum.consumed, consumed);
    assert_amount(sum.rollover_consumed, rollover_consumed);
}

/* 1000 left, 800 roll over, 200 expire; 300 are used then; 500 more expire (B17). */
static void summary_follows_the_example(void **state)
{
    (void)state;
    assert_summary(date(2025, 1, 1) - 1, "1000", "1000", "0", "0", "0", "0");
    assert_summary(date(2025, 1, 1), "1000", "1000", "0", "200", "0", "0");
    book_entry(&book, rollover, ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-300", date(2025, 1, 15));
    assert_summary(date(2025, 1, 20), "1000", "1000", "300", "200", "0", "300");
    assert_summary(date(2025, 2, 1), "1000", "1000", "300", "700", "0", "300");
}

/* Without a cap everything is usable until the rollover's end (B17). */
static void summary_without_a_cap_expires_nothing_before_the_end(void **state)
{
    (void)state;
    book.balance.has_rollover_cap = false;
    assert_summary(date(2025, 1, 1), "1000", "1000", "0", "0", "0", "0");
    assert_summary(date(2025, 2, 1), "1000", "1000", "0", "1000", "0", "0");
    book.balance.segment_count = 1;
    assert_summary(date(2025, 1, 1), "1000", "1000", "0", "1000", "0", "0");
}

static void summary_tells_what_went_in_from_what_went_out(void **state)
{
    (void)state;
    book_entry(&book, access, ENTRY_ACCOUNT_BALANCE_TRANSACTION, "-50", date(2024, 2, 1));
    book_entry(&book, access, ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-400", date(2024, 3, 1));
    book_entry(&book, access, ENTRY_ACCOUNT_BALANCE_CANCELED, "150", date(2024, 4, 1));
    book_draft(&book, access, ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-7", date(2024, 5, 1));
    assert_summary(date(2024, 6, 1), "1000", "1150", "450", "0", "250", "0");
    book.balance.archived = true;
    assert_summary(date(2024, 6, 1), "1000", "0", "0", "0", "0", "0");
}

static void summary_expires_no_debt(void **state)
{
    (void)state;
    book_entry(&book, access, ENTRY_ACCOUNT_BALANCE_DEDUCTION, "-1500", date(2024, 3, 1));
    assert_summary(date(2025, 2, 1), "1000", "1000", "1500", "0", "1500", "0");
}

static void summary_out_of_range_is_an_error(void **state)
{
    (void)state;
    struct transaction_summary sum = {.credited = 7};

    access->other = units(largest);
    assert_int_equal(transaction_summarize(&book.balance, date(2024, 6, 1), units("1000"), &sum),
                     ERR_RANGE);
    assert_true(sum.credited == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(transaction_goes_to_the_segment_that_covers_its_date, open_book),
        cmocka_unit_test_setup(transaction_cannot_be_in_what_is_over, open_book),
        cmocka_unit_test_setup(transaction_is_for_account_balances_that_live, open_book),
        cmocka_unit_test_setup(debit_ends_at_what_is_left_drafts_included, open_book),
        cmocka_unit_test_setup(debit_of_the_rollover_ends_at_what_is_carried, open_book),
        cmocka_unit_test_setup(debt_from_before_forbids_no_credit, open_book),
        cmocka_unit_test_setup(debit_leaves_what_the_rollover_has_spent, open_book),
        cmocka_unit_test_setup(transaction_keeps_every_sum_in_range, open_book),
        cmocka_unit_test_setup(summary_follows_the_example, open_book),
        cmocka_unit_test_setup(summary_without_a_cap_expires_nothing_before_the_end, open_book),
        cmocka_unit_test_setup(summary_tells_what_went_in_from_what_went_out, open_book),
        cmocka_unit_test_setup(summary_expires_no_debt, open_book),
        cmocka_unit_test_setup(summary_out_of_range_is_an_error, open_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
