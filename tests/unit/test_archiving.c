/* What keeps a balance from being archived (domain.md A5.5). */
#include "ledger_kit.h"

#include "kit.h"
#include "ledger/archiving.h"

static struct segment segments[2];
static struct segment_use uses[2];
static struct invoice_item items[2];
static struct balance balance;
static const struct balance_use use = {uses, items, COUNT(items)};

static int open_balance(void **state)
{
    (void)state;
    memset(segments, 0, sizeof segments);
    memset(uses, 0, sizeof uses);
    memset(items, 0, sizeof items);
    balance = (struct balance){
        .kind = BALANCE_PREPAID_COMMIT, .segments = segments, .segment_count = COUNT(segments)};
    return 0;
}

static enum archive_outcome outcome(void)
{
    return archive_check(&balance, &use).outcome;
}

static void archive_of_an_account_balance_is_refused(void **state)
{
    (void)state;
    for (int kind = 0; kind < BALANCE_KINDS; kind++) {
        balance.kind = (enum balance_kind)kind;
        assert_int_equal(outcome(), ARCHIVE_DUE);
    }
}

static void archive_is_done_once(void **state)
{
    (void)state;
    balance.archived = true;
    uses[0].has_deduction = true; /* asks nothing any more */
    assert_int_equal(outcome(), ARCHIVE_DONE);
}

static void archive_waits_for_invoices_that_draw(void **state)
{
    (void)state;
    uses[1].has_entries = true; /* manual ones do not matter */
    segments[1].manual = -AMOUNT_ONE;
    assert_int_equal(outcome(), ARCHIVE_DUE);
    segments[1].draft = -1;
    struct archive_verdict v = archive_check(&balance, &use);
    assert_int_equal(v.outcome, ARCHIVE_DRAFTED);
    assert_ptr_equal(v.segment, &segments[1]);
    uses[0].has_deduction = true;
    v = archive_check(&balance, &use);
    assert_int_equal(v.outcome, ARCHIVE_DEDUCTED);
    assert_ptr_equal(v.segment, &segments[0]);
}

static void archive_waits_for_its_own_invoices(void **state)
{
    (void)state;
    items[1].invoiced = true;
    struct archive_verdict v = archive_check(&balance, &use);
    assert_int_equal(v.outcome, ARCHIVE_INVOICED);
    assert_ptr_equal(v.item, &items[1]);
    items[1].invoice_is_void = true;
    assert_int_equal(outcome(), ARCHIVE_DUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(archive_of_an_account_balance_is_refused, open_balance),
        cmocka_unit_test_setup(archive_is_done_once, open_balance),
        cmocka_unit_test_setup(archive_waits_for_invoices_that_draw, open_balance),
        cmocka_unit_test_setup(archive_waits_for_its_own_invoices, open_balance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
