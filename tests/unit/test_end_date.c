/* Where an end may move to, what that makes of segments and invoice items, and what forbids it
 * (design: ruling 13; domain.md A5.3, B13). */
#include "ledger_kit.h"

#include "kit.h"
#include "ledger/end_date.h"

static struct book book;
static struct segment_use uses[BOOK_SEGMENTS];
static struct balance_use use;

static int open_book(void **state)
{
    (void)state;
    memset(&book, 0, sizeof book);
    memset(uses, 0, sizeof uses);
    book.balance.kind = BALANCE_CREDIT;
    use = (struct balance_use){.segments = uses};
    return 0;
}

static enum end_date_outcome outcome(instant end)
{
    return end_date_check(&book.balance, &use, end).outcome;
}

/* B13: 1000 for 2024, 200 used; on 2024-02-10 the end moves to 2024-03-01. */
static void end_date_worked_example(void **state)
{
    (void)state;
    book.balance.kind = BALANCE_PREPAID_COMMIT;
    struct segment *s = book_segment(&book, date(2024, 1, 1), date(2025, 1, 1), "1000");
    book_entry(&book, s, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-200",
               date(2024, 2, 1));
    uses[0] = (struct segment_use){true, true, date(2024, 2, 1)};

    assert_int_equal(outcome(date(2024, 3, 1)), END_DATE_MOVES);
    assert_int_equal(segment_fate_at(s, date(2024, 3, 1)), SEGMENT_IS_CUT);
    s->ending_before = date(2024, 3, 1);
    assert_usable(&book, date(2024, 2, 10), "800", "800");
    assert_usable(&book, date(2024, 3, 1) - 1, "800", "800");
    assert_usable(&book, date(2024, 3, 1), "0", "0");
    assert_ledger_is(
        &book, date(2024, 3, 1),
        {date(2024, 1, 1), ENTRY_PREPAID_COMMIT_SEGMENT_START, "1000", "1000"},
        {date(2024, 2, 1), ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-200", "800"},
        {date(2024, 3, 1), ENTRY_PREPAID_COMMIT_EXPIRATION, "-800", "0"});
}

static void end_date_moves_earlier_only(void **state)
{
    (void)state;
    book_segment(&book, date(2024, 1, 1), date(2024, 6, 1), "1");
    book_segment(&book, date(2024, 1, 1), date(2024, 12, 1), "1");
    book_segment(&book, date(2024, 1, 1), date(2024, 9, 1), "1");

    struct end_date_verdict v = end_date_check(&book.balance, &use, date(2024, 12, 1) + 1);
    assert_int_equal(v.outcome, END_DATE_LATER);
    assert_int_equal(v.limit, date(2024, 12, 1));
    assert_int_equal(outcome(date(2024, 12, 1)), END_DATE_STAYS);
    assert_int_equal(outcome(END_DATE_NONE), END_DATE_STAYS);
    assert_int_equal(outcome(date(2024, 12, 1) - 1), END_DATE_MOVES);
    assert_int_equal(outcome(date(2024, 1, 1) + 1), END_DATE_MOVES);
}

static void end_date_respects_the_last_deduction(void **state)
{
    (void)state;
    book_segment(&book, date(2024, 1, 1), date(2024, 12, 1), "1");
    book_segment(&book, date(2024, 1, 1), date(2024, 12, 1), "1");
    uses[0] = (struct segment_use){true, true, date(2024, 3, 1)};
    uses[1] = (struct segment_use){true, true, date(2024, 2, 1)};

    struct end_date_verdict v = end_date_check(&book.balance, &use, date(2024, 3, 1) - 1);
    assert_int_equal(v.outcome, END_DATE_BEFORE_DEDUCTION);
    assert_int_equal(v.limit, date(2024, 3, 1));
    assert_int_equal(outcome(date(2024, 3, 1)), END_DATE_MOVES);
    /* Given back, it is none any more. */
    uses[0].has_deduction = false;
    assert_int_equal(outcome(date(2024, 3, 1) - 1), END_DATE_MOVES);
    assert_int_equal(outcome(date(2024, 2, 1) - 1), END_DATE_BEFORE_DEDUCTION);
    /* Where it stays, nothing is asked. */
    uses[0] = (struct segment_use){true, true, date(2025, 1, 1)};
    assert_int_equal(outcome(date(2024, 12, 1)), END_DATE_STAYS);
}

static void end_date_drops_what_begins_later(void **state)
{
    (void)state;
    struct segment *first = book_segment(&book, date(2024, 1, 1), date(2024, 2, 1), "1");
    struct segment *second = book_segment(&book, date(2024, 2, 1), date(2024, 3, 1), "1");
    struct segment *third = book_segment(&book, date(2024, 3, 1), date(2024, 4, 1), "1");
    const instant end = date(2024, 2, 15);

    assert_int_equal(outcome(end), END_DATE_MOVES);
    assert_int_equal(segment_fate_at(first, end), SEGMENT_STAYS);
    assert_int_equal(segment_fate_at(second, end), SEGMENT_IS_CUT);
    assert_int_equal(segment_fate_at(third, end), SEGMENT_VANISHES);
    assert_int_equal(segment_fate_at(first, date(2024, 2, 1)), SEGMENT_STAYS);
    assert_int_equal(segment_fate_at(second, date(2024, 2, 1)), SEGMENT_VANISHES);

    uses[1].has_entries = true; /* cut, not dropped */
    assert_int_equal(outcome(end), END_DATE_MOVES);
    uses[2].has_entries = true;
    struct end_date_verdict v = end_date_check(&book.balance, &use, end);
    assert_int_equal(v.outcome, END_DATE_DROPS_USED);
    assert_ptr_equal(v.segment, third);
}

static void end_date_leaves_a_segment(void **state)
{
    (void)state;
    book_segment(&book, date(2024, 1, 1), date(2024, 2, 1), "1");
    book_segment(&book, date(2024, 1, 5), date(2024, 2, 1), "1");

    assert_int_equal(outcome(date(2024, 1, 1)), END_DATE_DROPS_ALL);
    assert_int_equal(outcome(date(2023, 1, 1)), END_DATE_DROPS_ALL);
    assert_int_equal(outcome(date(2024, 1, 1) + 1), END_DATE_MOVES);
}

static void end_date_is_of_prepaid_and_credit(void **state)
{
    (void)state;
    static const enum end_date_outcome due[BALANCE_KINDS] = {
        [BALANCE_PREPAID_COMMIT] = END_DATE_MOVES,
        [BALANCE_CREDIT] = END_DATE_MOVES,
        [BALANCE_POSTPAID_COMMIT] = END_DATE_KIND,
        [BALANCE_ACCOUNT] = END_DATE_KIND,
    };
    book_segment(&book, date(2024, 1, 1), date(2024, 2, 1), "1");
    for (int kind = 0; kind < BALANCE_KINDS; kind++) {
        book.balance.kind = (enum balance_kind)kind;
        book.balance.archived = false;
        assert_int_equal(outcome(date(2024, 1, 15)), due[kind]);
        book.balance.archived = true;
        assert_int_equal(outcome(date(2024, 1, 15)),
                         due[kind] == END_DATE_KIND ? END_DATE_KIND : END_DATE_ARCHIVED);
        assert_int_equal(outcome(END_DATE_NONE),
                         due[kind] == END_DATE_KIND ? END_DATE_KIND : END_DATE_ARCHIVED);
        book.balance.archived = false;
        book.balance.rolled_over = true;
        assert_int_equal(outcome(date(2024, 1, 15)),
                         due[kind] == END_DATE_KIND ? END_DATE_KIND : END_DATE_ROLLED_OVER);
        book.balance.rolled_over = false;
    }
}

static void invoice_end_drops_what_is_not_invoiced(void **state)
{
    (void)state;
    struct invoice_item items[] = {{.at = date(2024, 1, 1), .invoiced = true},
                                   {.at = date(2024, 2, 1)},
                                   {.at = date(2024, 3, 1)}};
    const struct invoice_item *item = NULL;
    use.items = items;
    use.item_count = COUNT(items);

    assert_int_equal(invoice_end_check(&use, date(2024, 3, 1) + 1, &item), INVOICE_END_STAYS);
    assert_int_equal(invoice_end_check(&use, date(2024, 3, 1), &item), INVOICE_END_MOVES);
    assert_int_equal(invoice_end_check(&use, date(2024, 1, 1) + 1, &item), INVOICE_END_MOVES);
    assert_null(item);
    assert_int_equal(invoice_end_check(&use, date(2024, 1, 1), &item), INVOICE_END_DROPS_INVOICED);
    assert_ptr_equal(item, &items[0]);
    items[0].invoice_is_void = true; /* the item is fixed all the same */
    assert_int_equal(invoice_end_check(&use, date(2024, 1, 1), &item), INVOICE_END_DROPS_INVOICED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(end_date_worked_example, open_book),
        cmocka_unit_test_setup(end_date_moves_earlier_only, open_book),
        cmocka_unit_test_setup(end_date_respects_the_last_deduction, open_book),
        cmocka_unit_test_setup(end_date_drops_what_begins_later, open_book),
        cmocka_unit_test_setup(end_date_leaves_a_segment, open_book),
        cmocka_unit_test_setup(end_date_is_of_prepaid_and_credit, open_book),
        cmocka_unit_test_setup(invoice_end_drops_what_is_not_invoiced, open_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
