/* What a true-up bills, and what stands in its way (domain.md B5). */
#include "ledger_kit.h"

#include "kit.h"
#include "ledger/true_up.h"

static struct book book;
static struct segment *segment;
static const struct segment *billed;
static amount value;

static int open_book(void **state)
{
    (void)state;
    book = (struct book){.balance = {.kind = BALANCE_POSTPAID_COMMIT}};
    segment = book_segment(&book, date(2024, 1, 1), date(2025, 1, 1), "10000");
    return 0;
}

static enum true_up_outcome outcome_at(instant now)
{
    return true_up_check(&book.balance, now, &billed, &value);
}

static enum true_up_outcome outcome(void)
{
    return outcome_at(date(2025, 1, 2));
}

static void true_up_bills_the_shortfall(void **state)
{
    (void)state;
    for (int month = 2; month <= 13; month++)
        book_entry(&book, segment, ENTRY_POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-800",
                   date(2024, month, 1));
    assert_int_equal(outcome(), TRUE_UP_DUE);
    assert_ptr_equal(billed, segment);
    assert_amount(value, "400");
    book_entry(&book, segment, ENTRY_POSTPAID_COMMIT_TRUEUP, "-400", date(2025, 1, 2));
    assert_amount(segment->granted + segment->final + segment->other, "0");
    assert_int_equal(outcome(), TRUE_UP_MET);
}

/* Usage 500 against prepaid 400 and postpaid 400: 100 of it counts here. */
static void true_up_beside_a_prepaid_commit_bills_what_is_left(void **state)
{
    (void)state;
    segment->granted = units("400");
    book_entry(&book, segment, ENTRY_POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-100",
               date(2024, 2, 1));
    assert_int_equal(outcome(), TRUE_UP_DUE);
    assert_amount(value, "300");
}

static void true_up_of_a_debt_bills_nothing(void **state)
{
    (void)state;
    book_entry(&book, segment, ENTRY_POSTPAID_COMMIT_MANUAL, "-10001", date(2024, 2, 1));
    assert_int_equal(outcome(), TRUE_UP_MET);
    book.balance.segment_count = 0;
    assert_int_equal(outcome(), TRUE_UP_MET);
}

static void true_up_may_come_from_the_start_on(void **state)
{
    (void)state;
    assert_int_equal(outcome_at(date(2024, 1, 1) - 1), TRUE_UP_UPCOMING);
    assert_int_equal(outcome_at(date(2024, 1, 1)), TRUE_UP_DUE);
}

static void true_up_waits_for_drafts(void **state)
{
    (void)state;
    segment->draft = -1;
    assert_int_equal(outcome(), TRUE_UP_DRAFTED);
}

static void true_up_that_is_not_allowed_is_refused(void **state)
{
    (void)state;
    for (int kind = 0; kind < BALANCE_KINDS; kind++) {
        book.balance.kind = (enum balance_kind)kind;
        assert_int_equal(outcome(), kind == BALANCE_POSTPAID_COMMIT ? TRUE_UP_DUE : TRUE_UP_KIND);
    }
    book.balance.kind = BALANCE_POSTPAID_COMMIT;
    book.balance.true_up_disabled = true;
    assert_int_equal(outcome(), TRUE_UP_DISABLED);
    book.balance.archived = true;
    assert_int_equal(outcome(), TRUE_UP_ARCHIVED);
}

static void true_up_beyond_the_digits_is_refused(void **state)
{
    (void)state;
    segment->granted = units("99999999999999999999999999");
    segment->manual = units("1");
    assert_int_equal(outcome(), TRUE_UP_TOO_LARGE); /* what remains */
    segment->manual = units("10");
    segment->other = -units("10");
    assert_int_equal(outcome(), TRUE_UP_TOO_LARGE); /* the running total */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(true_up_bills_the_shortfall, open_book),
        cmocka_unit_test_setup(true_up_beside_a_prepaid_commit_bills_what_is_left, open_book),
        cmocka_unit_test_setup(true_up_of_a_debt_bills_nothing, open_book),
        cmocka_unit_test_setup(true_up_may_come_from_the_start_on, open_book),
        cmocka_unit_test_setup(true_up_waits_for_drafts, open_book),
        cmocka_unit_test_setup(true_up_that_is_not_allowed_is_refused, open_book),
        cmocka_unit_test_setup(true_up_beyond_the_digits_is_refused, open_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
