/* What is carried to a new contract, from which segments, and what that leaves (domain.md B12). */
#include "ledger_kit.h"

#include "kit.h"
#include "ledger/rollover.h"

static struct book book;
static struct rollover_terms terms;
static struct rollover_part parts[BOOK_SEGMENTS];
static struct rollover_result result;

/* A prepaid commit of which half may be carried, in the midst of its year. */
static int open_book(void **state)
{
    (void)state;
    book = (struct book){.balance = {.kind = BALANCE_PREPAID_COMMIT}};
    terms = (struct rollover_terms){
        .has_fraction = true,
        .fraction = AMOUNT_ONE / 2,
        .now = date(2024, 6, 1),
        .starting_at = date(2025, 1, 1),
    };
    return 0;
}

static enum rollover_outcome outcome(void)
{
    return rollover_check(&book.balance, &terms, parts, &result);
}

/* Enters what was found to be due, as the service does. */
static void carry(const char *expected)
{
    assert_int_equal(outcome(), ROLLOVER_DUE);
    assert_amount(result.carried, expected);
    for (size_t i = 0; i < result.part_count; i++) {
        struct segment *s = &book.segments[parts[i].segment - book.segments];
        book_entry(&book, s, result.type, amount_format(-parts[i].value).text, parts[i].at);
    }
    terms.before += result.carried;
}

static void use(struct segment *s, const char *value, instant at)
{
    book_entry(&book, s, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, value, at);
}

static void rollover_of_less_than_the_cap_carries_all(void **state)
{
    (void)state;
    struct segment *s = book_segment(&book, date(2024, 1, 1), date(2025, 1, 1), "100000");
    use(s, "-90000", date(2024, 6, 1));
    carry("10000");
    assert_usable(&book, terms.now, "0", "0");
}

static void rollover_of_more_than_the_cap_leaves_the_rest_to_expire(void **state)
{
    (void)state;
    const instant start = date(2024, 1, 1), end = date(2025, 1, 1);
    struct segment *s = book_segment(&book, start, end, "100000");
    use(s, "-20000", date(2024, 6, 1));
    carry("50000");
    assert_usable(&book, terms.now, "30000", "30000");
    assert_ledger_is(
        &book, end, {start, ENTRY_PREPAID_COMMIT_SEGMENT_START, "100000", "100000"},
        {date(2024, 6, 1), ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-20000", "80000"},
        {end, ENTRY_PREPAID_COMMIT_ROLLOVER, "-50000", "30000"},
        {end, ENTRY_PREPAID_COMMIT_EXPIRATION, "-30000", "0"});
}

static void rollover_twice_carries_no_more_than_the_cap(void **state)
{
    (void)state;
    struct segment *s = book_segment(&book, date(2024, 1, 1), date(2025, 1, 1), "100");
    use(s, "-70", date(2024, 6, 1));
    carry("30");
    assert_int_equal(outcome(), ROLLOVER_NOTHING);
    book_entry(&book, s, ENTRY_PREPAID_COMMIT_CANCELED, "70", date(2024, 6, 1));
    carry("20"); /* of the 50 */
    assert_int_equal(outcome(), ROLLOVER_NOTHING);
    assert_usable(&book, terms.now, "50", "50");
}

static void rollover_counts_drafts_as_used(void **state)
{
    (void)state;
    struct segment *s = book_segment(&book, date(2024, 1, 1), date(2025, 1, 1), "100");
    book_draft(&book, s, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-90", date(2024, 7, 1));
    carry("10");
    assert_usable(&book, terms.now, "0", "90");
}

static void rollover_is_rounded_half_to_even(void **state)
{
    (void)state;
    struct segment *s = book_segment(&book, date(2024, 1, 1), date(2025, 1, 1), "0");
    const struct {
        amount granted, carried;
    } cases[] = {{1, 0}, {3, 2}, {5, 2}, {7, 4}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        s->granted = cases[i].granted;
        if (cases[i].carried == 0) {
            assert_int_equal(outcome(), ROLLOVER_NOTHING);
            continue;
        }
        assert_int_equal(outcome(), ROLLOVER_DUE);
        assert_true(result.carried == cases[i].carried);
    }
}

static void rollover_takes_from_what_ends_first(void **state)
{
    (void)state;
    terms.fraction = AMOUNT_ONE;
    terms.before = units("25"); /* leaves 75 of 100 */
    struct segment *late = book_segment(&book, date(2024, 1, 1), date(2025, 6, 1), "40");
    struct segment *soon = book_segment(&book, date(2024, 1, 1), date(2024, 9, 1), "50");
    struct segment *debt = book_segment(&book, date(2024, 1, 1), date(2024, 8, 1), "10");
    book_entry(&book, debt, ENTRY_PREPAID_COMMIT_MANUAL, "-1000", date(2024, 2, 1));
    assert_int_equal(outcome(), ROLLOVER_DUE);
    assert_int_equal(result.part_count, 2);
    assert_ptr_equal(parts[0].segment, soon);
    assert_amount(parts[0].value, "50");
    assert_int_equal(parts[0].at, soon->ending_before);
    assert_ptr_equal(parts[1].segment, late);
    assert_amount(parts[1].value, "25");
    assert_int_equal(parts[1].at, terms.starting_at);
    assert_amount(result.carried, "75");
}

static void rollover_leaves_what_has_expired_and_what_starts_later(void **state)
{
    (void)state;
    struct segment *s = book_segment(&book, date(2024, 1, 1), date(2024, 6, 1), "100");
    const struct {
        instant starting_at, ending_before, now, new_start;
        bool carried;
    } cases[] = {
        /* before, at and after the end, where the new balance goes on from there */
        {date(2024, 1, 1), date(2024, 6, 1), date(2024, 5, 1), date(2024, 6, 1), true},
        {date(2024, 1, 1), date(2024, 6, 1), date(2024, 6, 1), date(2024, 6, 1), true},
        {date(2024, 1, 1), date(2024, 6, 1), date(2024, 8, 1), date(2024, 6, 1), true},
        /* usable now, with a gap to the new one, which may also have started long ago */
        {date(2024, 1, 1), date(2024, 6, 1), date(2024, 5, 1), date(2024, 8, 1), true},
        {date(2024, 1, 1), date(2024, 6, 1), date(2024, 5, 1), date(2023, 8, 1), true},
        /* expired */
        {date(2024, 1, 1), date(2024, 6, 1), date(2024, 6, 1), date(2024, 6, 2), false},
        {date(2024, 1, 1), date(2024, 6, 1), date(2024, 9, 1), date(2024, 8, 1), false},
        /* begins before the new one does, right with it, and after it */
        {date(2024, 7, 1), date(2024, 9, 1), date(2024, 5, 1), date(2024, 8, 1), true},
        {date(2024, 8, 1), date(2024, 9, 1), date(2024, 5, 1), date(2024, 8, 1), true},
        {date(2024, 8, 2), date(2024, 9, 1), date(2024, 5, 1), date(2024, 8, 1), false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        s->starting_at = cases[i].starting_at;
        s->ending_before = cases[i].ending_before;
        terms.now = cases[i].now;
        terms.starting_at = cases[i].new_start;
        assert_int_equal(outcome(), cases[i].carried ? ROLLOVER_DUE : ROLLOVER_NOTHING);
        if (cases[i].carried)
            assert_in_range((uintmax_t)parts[0].at, (uintmax_t)s->starting_at,
                            (uintmax_t)s->ending_before);
    }
}

static void rollover_that_is_not_allowed_is_refused(void **state)
{
    (void)state;
    book_segment(&book, date(2024, 1, 1), date(2025, 1, 1), "100");
    const enum entry_type types[] = {ENTRY_PREPAID_COMMIT_ROLLOVER, ENTRY_POSTPAID_COMMIT_ROLLOVER,
                                     ENTRY_CREDIT_ROLLOVER};
    for (int kind = 0; kind < BALANCE_KINDS; kind++) {
        book.balance.kind = (enum balance_kind)kind;
        assert_int_equal(outcome(), kind == BALANCE_ACCOUNT ? ROLLOVER_KIND : ROLLOVER_DUE);
        if (kind != BALANCE_ACCOUNT)
            assert_int_equal(result.type, types[kind]);
    }
    book.balance.kind = BALANCE_PREPAID_COMMIT;
    terms.fraction = 0;
    assert_int_equal(outcome(), ROLLOVER_NOTHING);
    terms.has_fraction = false;
    assert_int_equal(outcome(), ROLLOVER_NO_FRACTION);
    book.balance.archived = true;
    assert_int_equal(outcome(), ROLLOVER_ARCHIVED);
}

static void rollover_beyond_the_digits_is_refused(void **state)
{
    (void)state;
    const char *largest = "99999999999999999999999999.999999999999";
    terms.fraction = AMOUNT_ONE;
    struct segment *s = book_segment(&book, date(2024, 1, 1), date(2025, 1, 1), largest);
    carry(largest);
    terms.before = 0;
    book_entry(&book, s, ENTRY_PREPAID_COMMIT_MANUAL, "1", date(2024, 2, 1));
    assert_int_equal(outcome(), ROLLOVER_TOO_LARGE); /* the running total */
    s->other = 0;
    assert_int_equal(outcome(), ROLLOVER_TOO_LARGE); /* what remains */
    s->manual = 0;
    book_segment(&book, date(2024, 1, 1), date(2025, 1, 1), "1");
    assert_int_equal(outcome(), ROLLOVER_TOO_LARGE); /* the original amount */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rollover_of_less_than_the_cap_carries_all, open_book),
        cmocka_unit_test_setup(rollover_of_more_than_the_cap_leaves_the_rest_to_expire, open_book),
        cmocka_unit_test_setup(rollover_twice_carries_no_more_than_the_cap, open_book),
        cmocka_unit_test_setup(rollover_counts_drafts_as_used, open_book),
        cmocka_unit_test_setup(rollover_is_rounded_half_to_even, open_book),
        cmocka_unit_test_setup(rollover_takes_from_what_ends_first, open_book),
        cmocka_unit_test_setup(rollover_leaves_what_has_expired_and_what_starts_later, open_book),
        cmocka_unit_test_setup(rollover_that_is_not_allowed_is_refused, open_book),
        cmocka_unit_test_setup(rollover_beyond_the_digits_is_refused, open_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
