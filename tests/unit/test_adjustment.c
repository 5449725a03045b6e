/* What may be added by hand, and as which entry (design: ruling 11; domain.md A4, B6). */
#include "ledger_kit.h"

#include "ledger/adjustment.h"

#define NONE ENTRY_TYPE_COUNT

static const char *const largest = "99999999999999999999999999.999999999999";

static struct book book;
static struct segment *segment;

static int open_book(void **state)
{
    (void)state;
    memset(&book, 0, sizeof book);
    book.balance.kind = BALANCE_CREDIT;
    segment = book_segment(&book, date(2024, 1, 1), date(2024, 2, 1), "100");
    return 0;
}

static enum adjustment_outcome check(enum adjustment adjustment, instant now, const char *value)
{
    enum entry_type type = NONE;
    enum adjustment_outcome outcome =
        adjustment_check(&book.balance, segment, now, adjustment, units(value), &type);

    assert_int_equal(type != NONE, outcome == ADJUSTMENT_DUE);
    return outcome;
}

static void adjustment_has_the_type_of_its_kind(void **state)
{
    (void)state;
    static const int due[][BALANCE_KINDS] = {
        [ADJUSTMENT_MANUAL] = {ENTRY_PREPAID_COMMIT_MANUAL, ENTRY_POSTPAID_COMMIT_MANUAL,
                               ENTRY_CREDIT_MANUAL, NONE},
        [ADJUSTMENT_SEATS] = {ENTRY_PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT, NONE,
                              ENTRY_CREDIT_SEAT_BASED_ADJUSTMENT, NONE},
    };
    for (int adjustment = ADJUSTMENT_MANUAL; adjustment <= ADJUSTMENT_SEATS; adjustment++) {
        for (int kind = 0; kind < BALANCE_KINDS; kind++) {
            enum entry_type type = NONE;
            book.balance.kind = (enum balance_kind)kind;
            assert_int_equal(adjustment_check(&book.balance, segment, date(2024, 1, 15),
                                              (enum adjustment)adjustment, AMOUNT_ONE, &type),
                             due[adjustment][kind] == NONE ? ADJUSTMENT_KIND : ADJUSTMENT_DUE);
            assert_int_equal(type, due[adjustment][kind]);
        }
    }
}

static void adjustment_waits_for_the_start_but_not_beyond_the_end(void **state)
{
    (void)state;
    for (int i = ADJUSTMENT_MANUAL; i <= ADJUSTMENT_SEATS; i++) {
        enum adjustment adjustment = (enum adjustment)i;
        assert_int_equal(check(adjustment, date(2023, 1, 1), "5"), ADJUSTMENT_DUE);
        assert_int_equal(check(adjustment, date(2024, 1, 1), "5"), ADJUSTMENT_DUE);
        assert_int_equal(check(adjustment, date(2024, 2, 1) - 1, "5"), ADJUSTMENT_DUE);
        assert_int_equal(check(adjustment, date(2024, 2, 1), "5"), ADJUSTMENT_EXPIRED);
    }
    book.balance.archived = true;
    assert_int_equal(check(ADJUSTMENT_MANUAL, date(2024, 2, 1), "5"), ADJUSTMENT_ARCHIVED);
    book.balance.archived = false;
    book.balance.rolled_over = true;
    assert_int_equal(check(ADJUSTMENT_MANUAL, date(2024, 1, 1), "5"), ADJUSTMENT_DUE);
    assert_int_equal(check(ADJUSTMENT_SEATS, date(2024, 1, 1), "5"), ADJUSTMENT_ROLLED_OVER);
}

/* Overdrawing is allowed: the debt is remembered (B6). */
static void adjustment_may_overdraw(void **state)
{
    (void)state;
    assert_int_equal(check(ADJUSTMENT_MANUAL, date(2024, 1, 15), "-130"), ADJUSTMENT_DUE);
}

static void adjustment_keeps_every_sum_in_range(void **state)
{
    (void)state;
    const instant now = date(2024, 1, 15);

    /* What remains would not fit, though the total of the entries would. */
    assert_int_equal(check(ADJUSTMENT_MANUAL, now, largest), ADJUSTMENT_TOO_LARGE);
    assert_int_equal(check(ADJUSTMENT_MANUAL, now, "99999999999999999999999899.999999999999"),
                     ADJUSTMENT_DUE);
    /* The total of the entries would not fit, though what remains would. */
    segment->manual = units("-99999999999999999999999999");
    segment->other = units("99999999999999999999999000");
    assert_int_equal(check(ADJUSTMENT_MANUAL, now, "-1"), ADJUSTMENT_TOO_LARGE);
    assert_int_equal(check(ADJUSTMENT_MANUAL, now, "-0.999999999999"), ADJUSTMENT_DUE);
    assert_int_equal(check(ADJUSTMENT_SEATS, now, "1000"), ADJUSTMENT_TOO_LARGE);
    assert_int_equal(check(ADJUSTMENT_SEATS, now, "999"), ADJUSTMENT_DUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(adjustment_has_the_type_of_its_kind, open_book),
        cmocka_unit_test_setup(adjustment_waits_for_the_start_but_not_beyond_the_end, open_book),
        cmocka_unit_test_setup(adjustment_may_overdraw, open_book),
        cmocka_unit_test_setup(adjustment_keeps_every_sum_in_range, open_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
