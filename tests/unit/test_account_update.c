/* Which changes of an account balance's dates and rollover are refused (design: ruling 13;
 * domain.md A13, B17). */
#include "ledger_kit.h"

#include "kit.h"
#include "ledger/account_update.h"

static struct book book;
static struct segment_use uses[BOOK_SEGMENTS];
static struct account_terms terms;

/* 1000 that are left at the end, of which 800 roll over (B17). */
static int open_book(void **state)
{
    (void)state;
    memset(&book, 0, sizeof book);
    memset(uses, 0, sizeof uses);
    book.balance.kind = BALANCE_ACCOUNT;
    book.balance.has_rollover_cap = true;
    book.balance.rollover_cap = units("800");
    struct segment *access = book_segment(&book, date(2024, 1, 1), date(2024, 3, 1), "0");
    struct segment *rollover = book_segment(&book, date(2024, 3, 1), date(2024, 6, 1), "0");
    rollover->role = SEGMENT_ROLLOVER;
    book_entry(&book, access, ENTRY_ACCOUNT_BALANCE_TRANSACTION, "1000", date(2024, 1, 1));
    uses[0].has_entries = true;
    terms = (struct account_terms){.ending_before = date(2024, 3, 1),
                                   .has_rollover = true,
                                   .rollover_ending_before = date(2024, 6, 1),
                                   .has_rollover_cap = true,
                                   .rollover_cap = units("800")};
    return 0;
}

static struct account_update_verdict check(void)
{
    struct account_update_verdict v;

    assert_int_equal(account_update_check(&book.balance, uses, &terms, &v), ERR_OK);
    return v;
}

static void use_rollover(const char *value, instant at)
{
    book_entry(&book, &book.segments[1], ENTRY_ACCOUNT_BALANCE_DEDUCTION, value, at);
    uses[1] = (struct segment_use){true, true, at};
}

static void what_is_not_used_may_change(void **state)
{
    (void)state;
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE);
    terms.ending_before = date(2024, 2, 1);
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE);
    terms.has_rollover = terms.has_rollover_cap = false;
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE);
    book.balance.segment_count = 1; /* without a rollover, one may begin */
    terms.has_rollover = true;
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE);
}

static void end_is_not_before_a_final_deduction(void **state)
{
    (void)state;
    uses[0] = (struct segment_use){true, true, date(2024, 2, 1)};
    terms.ending_before = date(2024, 2, 1);
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE);
    terms.ending_before--;
    const struct account_update_verdict v = check();
    assert_int_equal(v.outcome, ACCOUNT_UPDATE_BEFORE_DEDUCTION);
    assert_int_equal(v.limit, date(2024, 2, 1));
    assert_ptr_equal(v.segment, &book.segments[0]);
}

static void rollover_that_is_used_stays_where_it_is(void **state)
{
    (void)state;
    use_rollover("-300", date(2024, 4, 1));
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE);
    terms.ending_before++;
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_MOVES_USED);
    terms.ending_before -= 2;
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_MOVES_USED);
    terms.ending_before++;
    terms.has_rollover = false;
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_MOVES_USED);
    assert_ptr_equal(check().segment, &book.segments[1]);
}

static void rollover_does_not_end_before_a_final_deduction(void **state)
{
    (void)state;
    use_rollover("-300", date(2024, 4, 1));
    terms.rollover_ending_before = date(2024, 4, 1);
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE);
    terms.rollover_ending_before--;
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_BEFORE_DEDUCTION);
    assert_int_equal(check().limit, date(2024, 4, 1));
}

static void cap_is_not_less_than_what_has_been_used(void **state)
{
    (void)state;
    use_rollover("-300", date(2024, 4, 1));
    terms.rollover_cap = units("300");
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE);
    terms.rollover_cap--;
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_BELOW_USED);
    terms.allow_overdraft = true;
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE);
    terms.allow_overdraft = false;
    terms.has_rollover_cap = false; /* everything rolls over */
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE);
}

static void debt_that_is_there_forbids_nothing_that_does_not_add_to_it(void **state)
{
    (void)state;
    book.balance.allow_overdraft = true;
    use_rollover("-1500", date(2024, 4, 1));
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_DUE); /* overdraft ends, the debt stays */
    terms.rollover_cap = units("700");
    assert_int_equal(check().outcome, ACCOUNT_UPDATE_BELOW_USED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_not_used_may_change, open_book),
        cmocka_unit_test_setup(end_is_not_before_a_final_deduction, open_book),
        cmocka_unit_test_setup(rollover_that_is_used_stays_where_it_is, open_book),
        cmocka_unit_test_setup(rollover_does_not_end_before_a_final_deduction, open_book),
        cmocka_unit_test_setup(cap_is_not_less_than_what_has_been_used, open_book),
        cmocka_unit_test_setup(debt_that_is_there_forbids_nothing_that_does_not_add_to_it,
                               open_book),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
