/* What voiding an invoice gives back (domain.md B14; design: ruling 5). */
#include "ledger_kit.h"

#include "kit.h"
#include "ledger/voiding.h"

static const enum entry_type canceled[BALANCE_KINDS] = {
    [BALANCE_PREPAID_COMMIT] = ENTRY_PREPAID_COMMIT_CANCELED,
    [BALANCE_POSTPAID_COMMIT] = ENTRY_POSTPAID_COMMIT_CANCELED,
    [BALANCE_CREDIT] = ENTRY_CREDIT_CANCELED,
    [BALANCE_ACCOUNT] = ENTRY_ACCOUNT_BALANCE_CANCELED,
};

static void assert_gives(const struct invoice_draw *draw, const char *expected)
{
    enum entry_type type;
    amount value;

    assert_int_equal(void_check(draw, &type, &value), VOID_GIVES_BACK);
    assert_int_equal(type, canceled[draw->kind]);
    assert_amount(value, expected);
}

static void assert_outcome(const struct invoice_draw *draw, enum void_outcome expected)
{
    enum entry_type type;
    amount value;

    assert_int_equal(void_check(draw, &type, &value), expected);
}

/* Prepaid 1000, final deduction 300, draft 120. */
static void void_gives_back_what_was_deducted(void **state)
{
    (void)state;
    const instant start = date(2024, 1, 1), end = date(2025, 1, 1), now = date(2024, 3, 15);
    struct book book = {.balance = {.kind = BALANCE_PREPAID_COMMIT}};
    struct segment *s = book_segment(&book, start, end, "1000");

    book_entry(&book, s, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-300",
               date(2024, 3, 1));
    book_draft(&book, s, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION, "-120",
               date(2024, 4, 1));
    assert_usable(&book, now, "580", "700");
    const struct invoice_draw draw = {.kind = book.balance.kind, .taken = -units("300")};
    assert_gives(&draw, "300");
    book_entry(&book, s, ENTRY_PREPAID_COMMIT_CANCELED, "300", date(2024, 3, 1));
    assert_usable(&book, now, "880", "1000");
}

static void void_gives_back_to_every_kind(void **state)
{
    (void)state;
    for (int kind = 0; kind < BALANCE_KINDS; kind++) {
        const struct invoice_draw draw = {.kind = (enum balance_kind)kind, .taken = -1};
        assert_gives(&draw, "0.000000000001");
    }
}

static void void_gives_back_once_and_no_more_than_stands(void **state)
{
    (void)state;
    struct invoice_draw draw = {.kind = BALANCE_CREDIT, .taken = -units("10")};

    draw.credited = units("4");
    assert_gives(&draw, "6");
    draw.credited = units("10");
    assert_outcome(&draw, VOID_GIVES_NOTHING);
    draw.credited = units("11");
    assert_outcome(&draw, VOID_GIVES_NOTHING);
    draw.credited = 0;
    draw.canceled = true;
    assert_outcome(&draw, VOID_GIVES_NOTHING);
}

static void void_beyond_the_digits_is_refused(void **state)
{
    (void)state;
    struct invoice_draw draw = {.kind = BALANCE_CREDIT, .taken = -units("1")};

    draw.other = units("99999999999999999999999999");
    assert_outcome(&draw, VOID_TOO_LARGE);
    draw.other = 0;
    draw.taken = draw.credited = units("99999999999999999999999999");
    assert_outcome(&draw, VOID_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(void_gives_back_what_was_deducted),
        cmocka_unit_test(void_gives_back_to_every_kind),
        cmocka_unit_test(void_gives_back_once_and_no_more_than_stands),
        cmocka_unit_test(void_beyond_the_digits_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
