/* Which balances an answer is about: the tables of domain.md B7, B8 and B15, line by line. */
#include "ledger_kit.h"

#include "ledger/filter.h"

static const struct list_filter everything = {.include_contract_level = true,
                                              .include_archived = true};

static bool selects_at(const struct list_filter *f, const struct balance *b, instant now)
{
    bool ret;

    assert_int_equal(list_filter_selects(f, b, now, &ret), ERR_OK);
    return ret;
}

static bool selects(struct list_filter f, const struct balance *b)
{
    return selects_at(&f, b, date(2024, 9, 20));
}

/* B7: a commit with January and March. */
static const struct balance *january_and_march(struct book *b)
{
    *b = (struct book){.balance = {.id = id_random(), .kind = BALANCE_PREPAID_COMMIT}};
    book_segment(b, date(2024, 1, 1), date(2024, 2, 1), "10");
    book_segment(b, date(2024, 3, 1), date(2024, 4, 1), "10");
    return &b->balance;
}

static bool covers(instant at)
{
    struct book b;

    return selects((struct list_filter){.has_covering = true, .covering = at},
                   january_and_march(&b));
}

static bool starts(instant at)
{
    struct book b;

    return selects((struct list_filter){.has_starting_at = true, .starting_at = at},
                   january_and_march(&b));
}

static bool effective(instant before)
{
    struct book b;

    return selects((struct list_filter){.has_effective_before = true, .effective_before = before},
                   january_and_march(&b));
}

static void b7_covering_date(void **state)
{
    (void)state;
    assert_true(covers(date(2024, 1, 1)));      /* the start is included */
    assert_false(covers(date(2024, 1, 1) - 1)); /* to the microsecond */
    assert_true(covers(date(2024, 2, 1) - 1));
    assert_false(covers(date(2024, 2, 1))); /* the end is not */
    assert_false(covers(date(2024, 2, 15)));
    assert_true(covers(date(2024, 3, 1)));
}

static void b7_starting_at(void **state)
{
    (void)state;
    assert_true(starts(date(2024, 2, 1)));
    assert_true(starts(date(2024, 4, 1) - 1));
    assert_false(starts(date(2024, 4, 1)));
}

static void b7_effective_before(void **state)
{
    (void)state;
    assert_false(effective(date(2024, 1, 1)));
    assert_true(effective(date(2024, 1, 1) + 1));
    assert_true(effective(date(2024, 1, 1) + INT64_C(3600000000)));
}

static void b7_two_dates_may_be_met_by_two_segments(void **state)
{
    (void)state;
    struct book b;
    const struct list_filter f = {
        .has_starting_at = true,
        .starting_at = date(2024, 2, 5),
        .has_effective_before = true,
        .effective_before = date(2024, 2, 20),
    };

    assert_true(selects(f, january_and_march(&b)));
}

static void b7_all_conditions_must_hold(void **state)
{
    (void)state;
    struct book b;
    const struct balance *balance = january_and_march(&b);
    struct list_filter f = {
        .has_covering = true,
        .covering = date(2024, 1, 10),
        .has_starting_at = true,
        .starting_at = date(2024, 4, 1),
    };

    assert_false(selects(f, balance));
    f.starting_at = date(2024, 3, 31);
    assert_true(selects(f, balance));
    f.has_effective_before = true;
    f.effective_before = date(2024, 1, 1);
    assert_false(selects(f, balance));
}

static void b7_id_is_one_condition_among_others(void **state)
{
    (void)state;
    struct book b;
    const struct balance *balance = january_and_march(&b);
    struct list_filter f = {.ids = &balance->id, .id_count = 1};

    assert_true(selects(f, balance));
    f.has_covering = true;
    f.covering = date(2024, 2, 15);
    assert_false(selects(f, balance));
    const struct id other = id_random();
    f = (struct list_filter){.ids = &other, .id_count = 1};
    assert_false(selects(f, balance));
}

/* Of account balances: domain.md A13. The end is the rollover's where there is one. */
static void end_of_the_last_segment_lies_in_a_range(void **state)
{
    (void)state;
    struct book b = {.balance = {.kind = BALANCE_ACCOUNT}};
    struct list_filter f = {.has_ends_from = true, .ends_from = 300};

    book_segment(&b, 100, 200, "0");
    book_segment(&b, 200, 300, "0");
    assert_true(selects(f, &b.balance));
    f.ends_from = 301;
    assert_false(selects(f, &b.balance));
    f = (struct list_filter){.has_ends_before = true, .ends_before = 301};
    assert_true(selects(f, &b.balance));
    f.ends_before = 300;
    assert_false(selects(f, &b.balance));
}

static void b7_balance_without_segments_meets_no_date(void **state)
{
    (void)state;
    const struct balance b = {.kind = BALANCE_CREDIT};

    assert_true(selects((struct list_filter){0}, &b));
    assert_false(selects((struct list_filter){.has_covering = true}, &b));
    assert_false(selects((struct list_filter){.has_starting_at = true}, &b));
    assert_false(selects((struct list_filter){.has_effective_before = true}, &b));
    assert_false(selects((struct list_filter){.has_ends_from = true, .ends_from = INT64_MIN}, &b));
    assert_false(
        selects((struct list_filter){.has_ends_before = true, .ends_before = INT64_MAX}, &b));
}

static void b8_contract_level_needs_its_flag(void **state)
{
    (void)state;
    const struct balance customer_level = {.kind = BALANCE_CREDIT};
    const struct balance contract_level = {.kind = BALANCE_CREDIT, .contract_level = true};

    assert_true(selects((struct list_filter){0}, &customer_level));
    assert_false(selects((struct list_filter){0}, &contract_level));
    assert_true(selects((struct list_filter){.include_contract_level = true}, &customer_level));
    assert_true(selects((struct list_filter){.include_contract_level = true}, &contract_level));
}

static void b8_archived_needs_its_flag(void **state)
{
    (void)state;
    const struct balance archived = {.kind = BALANCE_CREDIT, .archived = true};
    const struct balance both = {.kind = BALANCE_CREDIT, .archived = true, .contract_level = true};

    assert_false(selects((struct list_filter){0}, &archived));
    assert_true(selects((struct list_filter){.include_archived = true}, &archived));
    assert_false(selects((struct list_filter){.include_archived = true}, &both));
    assert_true(selects(everything, &both));
}

static void b8_exclude_zero_asks_the_balance_now(void **state)
{
    (void)state;
    struct book b = {.balance = {.kind = BALANCE_CREDIT}};
    struct list_filter f = {.exclude_zero = true, .include_archived = true};
    struct segment *s = book_segment(&b, 100, 200, "10");

    assert_false(selects_at(&f, &b.balance, 99));
    assert_true(selects_at(&f, &b.balance, 100));
    assert_true(selects_at(&f, &b.balance, 199));
    assert_false(selects_at(&f, &b.balance, 200));

    s->draft = -10 * AMOUNT_ONE; /* drafts count */
    assert_false(selects_at(&f, &b.balance, 100));
    s->draft += 1;
    assert_true(selects_at(&f, &b.balance, 100));
    s->draft = -11 * AMOUNT_ONE; /* a debt is floored at zero, */
    assert_false(selects_at(&f, &b.balance, 100));
    b.balance.allow_overdraft = true; /* or shown */
    assert_true(selects_at(&f, &b.balance, 100));
    b.balance.archived = true;
    assert_false(selects_at(&f, &b.balance, 100));
}

static void b8_without_active_segment_is_listed(void **state)
{
    (void)state;
    struct book b = {.balance = {.kind = BALANCE_CREDIT}};

    book_segment(&b, date(2023, 1, 1), date(2023, 2, 1), "10");
    assert_true(selects((struct list_filter){0}, &b.balance));
}

static void kinds_choose_and_none_means_all(void **state)
{
    (void)state;
    for (enum balance_kind kind = 0; kind < BALANCE_KINDS; kind++) {
        const struct balance b = {.kind = kind};
        const struct list_filter commits = {.kinds = 1u << BALANCE_PREPAID_COMMIT |
                                                     1u << BALANCE_POSTPAID_COMMIT};

        assert_true(selects((struct list_filter){0}, &b));
        assert_true(selects((struct list_filter){.kinds = 1u << kind}, &b));
        assert_false(selects((struct list_filter){.kinds = 0xfu ^ 1u << kind}, &b));
        assert_int_equal(selects(commits, &b),
                         kind == BALANCE_PREPAID_COMMIT || kind == BALANCE_POSTPAID_COMMIT);
    }
}

static void overflow_is_told_only_where_the_balance_is_asked(void **state)
{
    (void)state;
    struct book b = {.balance = {.kind = BALANCE_CREDIT}};
    struct list_filter f = {.exclude_zero = true};
    struct segment *s = book_segment(&b, 100, 200, "99999999999999999999999999");
    bool ret = true;

    s->manual = s->granted;
    assert_int_equal(list_filter_selects(&f, &b.balance, 100, &ret), ERR_RANGE);
    assert_true(ret);
    f.has_covering = true; /* which it does not, so nobody computes */
    assert_int_equal(list_filter_selects(&f, &b.balance, 100, &ret), ERR_OK);
    assert_false(ret);
}

/* B15: five balances that the table's filters are asked about. The EUR credit belongs to another
 * credit type, which the statement has chosen before any filter runs. */
enum { K1, P1, P2, Q, K2, B15_COUNT };

struct b15 {
    struct book books[B15_COUNT];
    struct pair fields[B15_COUNT];
    size_t field_counts[B15_COUNT];
};

static int b15_setup(void **state)
{
    static struct b15 b15;
    static const struct {
        enum balance_kind kind;
        const char *granted, *manual, *campaign;
    } table[B15_COUNT] = {
        [K1] = {BALANCE_CREDIT, "100", NULL, "free-trial"},
        [P1] = {BALANCE_PREPAID_COMMIT, "500", NULL, "signup"},
        [P2] = {BALANCE_PREPAID_COMMIT, "700", NULL, NULL},
        [Q] = {BALANCE_POSTPAID_COMMIT, "1000", NULL, NULL},
        [K2] = {BALANCE_CREDIT, "10", "-30", NULL},
    };
    memset(&b15, 0, sizeof b15);
    for (int i = 0; i < B15_COUNT; i++) {
        struct book *b = &b15.books[i];
        b->balance.id = id_random();
        b->balance.kind = table[i].kind;
        struct segment *s = book_segment(b, 100, 200, table[i].granted);
        if (table[i].manual != NULL)
            book_entry(b, s, ENTRY_CREDIT_MANUAL, table[i].manual, 100);
        b15.fields[i] = (struct pair){"campaign", table[i].campaign};
        b15.field_counts[i] = table[i].campaign != NULL;
    }
    *state = &b15;
    return 0;
}

static void assert_net(const struct b15 *b15, const struct net_filter *filters, size_t count,
                       const char *expected)
{
    amount net = 0;

    for (int i = 0; i < B15_COUNT; i++) {
        const struct balance *b = &b15->books[i].balance;
        amount value;

        if (!net_filters_select(filters, count, b, &b15->fields[i], b15->field_counts[i]))
            continue;
        assert_int_equal(balance_now(b, 150, INCLUDE_FINAL_AND_DRAFT, &value), ERR_OK);
        assert_int_equal(amount_add(net, value, &net), ERR_OK);
    }
    assert_amount(net, expected);
}

static void b15_no_filters(void **state)
{
    assert_net(*state, NULL, 0, "2300");
}

static void b15_types(void **state)
{
    const struct net_filter f = {.kinds = 1u << BALANCE_PREPAID_COMMIT | 1u << BALANCE_CREDIT};

    assert_net(*state, &f, 1, "1300");
}

static void b15_types_and_custom_fields_in_two_filters(void **state)
{
    const struct pair trial = {"campaign", "free-trial"}, signup = {"campaign", "signup"};
    const struct net_filter filters[] = {
        {.kinds = 1u << BALANCE_CREDIT, .fields = &trial, .field_count = 1},
        {.kinds = 1u << BALANCE_PREPAID_COMMIT, .fields = &signup, .field_count = 1},
    };

    assert_net(*state, filters, 2, "600");
}

static void b15_balance_that_two_filters_select_counts_once(void **state)
{
    const struct b15 *b15 = *state;
    const struct pair signup = {"campaign", "signup"};
    const struct net_filter filters[] = {
        {.ids = &b15->books[P1].balance.id, .id_count = 1},
        {.fields = &signup, .field_count = 1},
    };

    assert_net(b15, filters, 2, "500");
}

static void b15_filter_without_conditions_selects_everything(void **state)
{
    const struct net_filter f = {0};

    assert_net(*state, &f, 1, "2300");
}

static void net_ids_are_any_of(void **state)
{
    const struct b15 *b15 = *state;
    const struct id ids[] = {b15->books[K1].balance.id, b15->books[Q].balance.id, id_random()};
    struct net_filter f = {.ids = ids, .id_count = 3};

    assert_net(b15, &f, 1, "1100");
    f.kinds = 1u << BALANCE_CREDIT;
    assert_net(b15, &f, 1, "100");
    f = (struct net_filter){.ids = &ids[2], .id_count = 1};
    assert_net(b15, &f, 1, "0");
}

static void net_fields_are_all_of_and_exact(void **state)
{
    (void)state;
    const struct balance b = {.kind = BALANCE_CREDIT};
    const struct pair fields[] = {{"a", "1"}, {"b", "2"}, {"empty", ""}};
    static const struct {
        struct pair wanted[2];
        size_t count;
        bool selects;
    } table[] = {
        {{{"a", "1"}}, 1, true},
        {{{"a", "1"}, {"b", "2"}}, 2, true},
        {{{"b", "2"}, {"a", "1"}}, 2, true},
        {{{"a", "1"}, {"b", "1"}}, 2, false},
        {{{"a", "1"}, {"c", "1"}}, 2, false},
        {{{"a", "2"}}, 1, false},
        {{{"A", "1"}}, 1, false},
        {{{"a", "1 "}}, 1, false},
        {{{"a", ""}}, 1, false},
        {{{"empty", ""}}, 1, true},
        {{{"", ""}}, 1, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct net_filter f = {.fields = table[i].wanted, .field_count = table[i].count};
        assert_int_equal(net_filters_select(&f, 1, &b, fields, 3), table[i].selects);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b7_covering_date),
        cmocka_unit_test(b7_starting_at),
        cmocka_unit_test(b7_effective_before),
        cmocka_unit_test(b7_two_dates_may_be_met_by_two_segments),
        cmocka_unit_test(b7_all_conditions_must_hold),
        cmocka_unit_test(b7_id_is_one_condition_among_others),
        cmocka_unit_test(end_of_the_last_segment_lies_in_a_range),
        cmocka_unit_test(b7_balance_without_segments_meets_no_date),
        cmocka_unit_test(b8_contract_level_needs_its_flag),
        cmocka_unit_test(b8_archived_needs_its_flag),
        cmocka_unit_test(b8_exclude_zero_asks_the_balance_now),
        cmocka_unit_test(b8_without_active_segment_is_listed),
        cmocka_unit_test(kinds_choose_and_none_means_all),
        cmocka_unit_test(overflow_is_told_only_where_the_balance_is_asked),
        cmocka_unit_test(b15_no_filters),
        cmocka_unit_test(b15_types),
        cmocka_unit_test(b15_types_and_custom_fields_in_two_filters),
        cmocka_unit_test(b15_balance_that_two_filters_select_counts_once),
        cmocka_unit_test(b15_filter_without_conditions_selects_everything),
        cmocka_unit_test(net_ids_are_any_of),
        cmocka_unit_test(net_fields_are_all_of_and_exact),
    };
    return cmocka_run_group_tests(tests, b15_setup, NULL);
}
