/* The order in which balances burn: the guide's example, and its table row by row (domain.md B11,
 * B17; design: ruling 10). */
#include "ledger_kit.h"

#include "ledger/burn_order.h"

/* A prepaid commit, paid, for everything, of the year of the guide's example. */
static struct burn_key key(uint8_t id)
{
    return (struct burn_key){
        .kind = BALANCE_PREPAID_COMMIT,
        .has_priority = true,
        .priority = 100,
        .paid = true,
        .products = BURN_ALL,
        .contracts = BURN_ALL,
        .starting_at = date(2024, 10, 1),
        .ending_before = date(2025, 10, 1),
        .balance_id = {{id}},
    };
}

/* `a` burns before `b`, and this decides, whichever is asked about first. */
static void assert_before(const struct burn_key *a, const struct burn_key *b, bool balances_first,
                          enum burn_step step)
{
    enum burn_step there, back;

    assert_true(burn_compare(a, b, balances_first, &there) < 0);
    assert_true(burn_compare(b, a, balances_first, &back) > 0);
    assert_true(burn_compare(a, b, balances_first, NULL) < 0);
    assert_int_equal(there, step);
    assert_int_equal(back, step);
}

static void guide_example_a_to_f(void **state)
{
    (void)state;
    struct burn_key k[6];
    static const enum burn_step decided[] = {BURN_STEP_PRIORITY, BURN_STEP_COST_BASIS,
                                             BURN_STEP_GROUP_SPECIFIERS, BURN_STEP_END,
                                             BURN_STEP_PRODUCTS};

    /* Ids in the other order, so that they decide nothing. */
    for (int i = 0; i < 6; i++)
        k[i] = key((uint8_t)(6 - i));
    k[0].priority = 50;
    k[1].paid = false;
    k[2].products = k[3].products = k[4].products = 1;
    k[3].group_specifiers = k[4].group_specifiers = 1;
    k[4].ending_before = date(2026, 10, 1);
    for (int i = 0; i < 5; i++) {
        assert_before(&k[i], &k[i + 1], false, decided[i]);
        for (int j = i + 1; j < 6; j++)
            assert_true(burn_compare(&k[i], &k[j], false, NULL) < 0);
    }
}

/* Priority never crosses the kind: rollover, prepaid and credit, postpaid. */
static void kind_comes_before_priority(void **state)
{
    (void)state;
    struct burn_key rollover = key(9), prepaid = key(8), credit = key(7), postpaid = key(6);

    rollover.rolled_over = true;
    credit.kind = BALANCE_CREDIT;
    postpaid.kind = BALANCE_POSTPAID_COMMIT;
    rollover.priority = 9;
    credit.priority = 1;
    prepaid.priority = 2;
    postpaid.priority = 0;
    assert_before(&rollover, &credit, false, BURN_STEP_KIND);
    assert_before(&credit, &prepaid, false, BURN_STEP_PRIORITY);
    assert_before(&prepaid, &postpaid, false, BURN_STEP_KIND);
    assert_before(&rollover, &postpaid, false, BURN_STEP_KIND);
}

/* What makes the later one later, step by step. */
static void worsen(struct burn_key *k, enum burn_step step)
{
    switch (step) {
    case BURN_STEP_ROLLOVER_TYPE:
        k->kind = BALANCE_CREDIT;
        break;
    case BURN_STEP_PRIORITY:
        k->priority += 0.5;
        break;
    case BURN_STEP_COST_BASIS:
        k->paid = true;
        break;
    case BURN_STEP_PRODUCTS:
        k->products++;
        break;
    case BURN_STEP_GROUP_SPECIFIERS:
        k->group_specifiers++;
        break;
    case BURN_STEP_END:
        k->ending_before++;
        break;
    case BURN_STEP_START:
        k->starting_at++;
        break;
    case BURN_STEP_CONTRACTS:
        k->contracts++;
        break;
    case BURN_STEP_LEVEL:
        k->contract_level = false;
        break;
    default:
        k->segment_id.bytes[15]++;
        break;
    }
}

/* Each row decides before all that follow, and what a kind's column leaves out decides nothing. */
static void table_row_by_row(void **state)
{
    (void)state;
    static const struct {
        enum balance_kind kind;
        bool rolled_over;
        enum burn_step steps[10];
    } columns[] = {
        {BALANCE_POSTPAID_COMMIT,
         true,
         {BURN_STEP_ROLLOVER_TYPE, BURN_STEP_PRIORITY, BURN_STEP_PRODUCTS,
          BURN_STEP_GROUP_SPECIFIERS, BURN_STEP_END, BURN_STEP_LEVEL, BURN_STEP_ID}},
        {BALANCE_PREPAID_COMMIT,
         false,
         {BURN_STEP_PRIORITY, BURN_STEP_COST_BASIS, BURN_STEP_PRODUCTS, BURN_STEP_GROUP_SPECIFIERS,
          BURN_STEP_END, BURN_STEP_START, BURN_STEP_CONTRACTS, BURN_STEP_LEVEL, BURN_STEP_ID}},
        {BALANCE_POSTPAID_COMMIT,
         false,
         {BURN_STEP_PRIORITY, BURN_STEP_COST_BASIS, BURN_STEP_PRODUCTS, BURN_STEP_END,
          BURN_STEP_START, BURN_STEP_CONTRACTS, BURN_STEP_LEVEL, BURN_STEP_ID}},
        {BALANCE_ACCOUNT, false, {BURN_STEP_END, BURN_STEP_START, BURN_STEP_ID}},
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        struct burn_key best = key(1);
        best.kind = columns[i].kind;
        best.rolled_over = columns[i].rolled_over;
        best.products = best.contracts = 1;
        best.paid = false;
        best.contract_level = true;
        for (const enum burn_step *step = columns[i].steps; *step != BURN_STEP_INSTRUMENT; step++) {
            /* The one is better in this row, and worse in all that follow or are left out. */
            struct burn_key a = best, b = best;
            for (int other = BURN_STEP_PRIORITY; other <= BURN_STEP_ID; other++) {
                bool earlier = false;
                for (const enum burn_step *s = columns[i].steps; s < step; s++)
                    earlier |= *s == (enum burn_step)other;
                if (!earlier && other != (int)*step)
                    worsen(&a, (enum burn_step)other);
            }
            worsen(&b, *step);
            assert_before(&a, &b, false, *step);
        }
        enum burn_step step;
        assert_int_equal(burn_compare(&best, &best, false, &step), 0);
        assert_int_equal(step, BURN_STEP_NONE);
    }
}

static void missing_priority_is_the_lowest(void **state)
{
    (void)state;
    struct burn_key with = key(2), without = key(1);

    with.priority = 1e300;
    without.has_priority = false;
    without.priority = 0;
    assert_before(&with, &without, false, BURN_STEP_PRIORITY);
    with.has_priority = false;
    assert_before(&without, &with, false, BURN_STEP_ID);
}

/* The literal rule: a balance for group values alone burns after one for everything. */
static void group_specifiers_burn_after_none(void **state)
{
    (void)state;
    struct burn_key all = key(2), group = key(1);

    group.group_specifiers = 1;
    assert_before(&all, &group, false, BURN_STEP_GROUP_SPECIFIERS);
}

static void account_balances_come_as_the_application_order_says(void **state)
{
    (void)state;
    struct burn_key account = key(1), rollover = key(2), postpaid = key(3);

    account.kind = BALANCE_ACCOUNT;
    rollover.rolled_over = true;
    postpaid.kind = BALANCE_POSTPAID_COMMIT;
    assert_before(&rollover, &account, false, BURN_STEP_INSTRUMENT);
    assert_before(&postpaid, &account, false, BURN_STEP_INSTRUMENT);
    assert_before(&account, &rollover, true, BURN_STEP_INSTRUMENT);
    assert_before(&account, &postpaid, true, BURN_STEP_INSTRUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guide_example_a_to_f),
        cmocka_unit_test(kind_comes_before_priority),
        cmocka_unit_test(table_row_by_row),
        cmocka_unit_test(missing_priority_is_the_lowest),
        cmocka_unit_test(group_specifiers_burn_after_none),
        cmocka_unit_test(account_balances_come_as_the_application_order_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
