/* How charges are split over balances (domain.md B5, B10, B11, B17; design: rulings 1 and 10). */
#include "ledger_kit.h"

#include "ledger/draw_down.h"

enum { SOURCES = 6 };

static const struct id compute = {{1}};
static struct source sources[SOURCES];
static struct segment segments[SOURCES][2];
static struct burner burners[2 * SOURCES];
static size_t source_count, burner_count;
static struct allocation allocations[2 * SOURCES];
static struct split split;

static int start_over(void **state)
{
    (void)state;
    source_count = burner_count = 0;
    return 0;
}

/* A balance with one segment, for 2024. Those made first burn first, within their kind. */
static struct source *source(enum balance_kind kind, const char *left)
{
    struct source *s = &sources[source_count];
    struct segment *segment = segments[source_count++];

    *s = (struct source){.segments = segment};
    *segment = (struct segment){
        .id = {{(uint8_t)source_count}},
        .starting_at = date(2024, 1, 1),
        .ending_before = date(2025, 1, 1),
        .granted = units(left),
    };
    s->balance = (struct balance){
        .id = {{(uint8_t)source_count}}, .kind = kind, .segments = segment, .segment_count = 1};
    burners[burner_count++] = (struct burner){
        .key = {.kind = kind,
                .has_priority = true,
                .priority = (double)source_count,
                .ending_before = (instant)source_count},
        .source = s,
        .segment = segment,
    };
    return s;
}

static struct charge charge(const char *at_list, const char *at_commit)
{
    return (struct charge){
        .at_list = units(at_list),
        .at_commit = units(at_commit),
        .starting_at = date(2024, 6, 1),
        .name = "",
    };
}

static void draw(const char *at_list, const char *at_commit)
{
    const struct charge c = charge(at_list, at_commit);

    burners_sort(burners, burner_count, false);
    assert_int_equal(draw_charge(burners, burner_count, &c, allocations, &split), ERR_OK);
}

static void assert_allocation(size_t i, const struct source *s, const char *taken,
                              const char *remaining)
{
    assert_true(i < split.allocation_count);
    assert_ptr_equal(allocations[i].burner->source, s);
    assert_amount(allocations[i].taken, taken);
    assert_amount(allocations[i].remaining, remaining);
}

static void assert_split(size_t count, const char *uncovered, const char *overage)
{
    assert_int_equal(split.allocation_count, count);
    assert_amount(split.uncovered, uncovered);
    assert_amount(split.overage, overage);
}

/* Rollover R 20 (priority 9), credit K 50 (1), prepaid P 100 (2), postpaid Q 1000 (0). */
static void b11_worked_split(void **state)
{
    (void)state;
    struct source *q = source(BALANCE_POSTPAID_COMMIT, "1000");
    burners[0].key.priority = 0;
    struct source *p = source(BALANCE_PREPAID_COMMIT, "100");
    burners[1].key.priority = 2;
    struct source *k = source(BALANCE_CREDIT, "50");
    burners[2].key.priority = 1;
    struct source *r = source(BALANCE_PREPAID_COMMIT, "20");
    burners[3].key.priority = 9;
    burners[3].key.rolled_over = true;

    draw("130", "130");
    assert_split(3, "0", "0");
    assert_allocation(0, r, "20", "0");
    assert_allocation(1, k, "50", "0");
    assert_allocation(2, p, "60", "40");
    draw("70", "70");
    assert_split(2, "0", "0");
    assert_allocation(0, p, "40", "0");
    assert_allocation(1, q, "30", "970");
}

static void b5_prepaid_and_postpaid_together(void **state)
{
    (void)state;
    struct source *postpaid = source(BALANCE_POSTPAID_COMMIT, "400");
    struct source *prepaid = source(BALANCE_PREPAID_COMMIT, "400");

    draw("500", "500");
    assert_split(2, "0", "0");
    assert_allocation(0, prepaid, "400", "0");
    assert_allocation(1, postpaid, "100", "300");
}

/* List 2.00, commit rate 1.50, balance 75, usage 100 units. */
static void b10_rate_types(void **state)
{
    (void)state;
    struct source *s = source(BALANCE_PREPAID_COMMIT, "75");
    s->at_commit_rate = true;
    draw("200", "150");
    assert_split(1, "100", "100");
    assert_allocation(0, s, "75", "0");

    start_over(NULL);
    s = source(BALANCE_PREPAID_COMMIT, "75");
    draw("200", "150");
    assert_split(1, "125", "125");
    assert_allocation(0, s, "75", "0");
}

static void b10_rates_change_from_balance_to_balance(void **state)
{
    (void)state;
    struct source *list = source(BALANCE_CREDIT, "40");
    struct source *commit = source(BALANCE_CREDIT, "30");
    commit->at_commit_rate = true;
    struct source *last = source(BALANCE_CREDIT, "500");

    draw("200", "150"); /* 20 units, 20 units, 60 units */
    assert_split(3, "0", "0");
    assert_allocation(0, list, "40", "0");
    assert_allocation(1, commit, "30", "0");
    assert_allocation(2, last, "120", "380");
}

/* Whatever the rates and the pieces: nothing at the list rate is created or lost, and no more than
 * the charge leaves at the commit rate. */
static void split_keeps_every_last_digit(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 3000; seed++) {
        amount list = 0, equivalent, at_commit = 0, previous;
        srand(seed);
        start_over(NULL);
        struct charge c = charge("1", "1");
        c.at_list =
            1 + rand() % (seed % 2 ? 1000 : 100000000) * (amount)(seed % 3 ? 1 : 98765432123);
        c.at_commit =
            1 + rand() % (seed % 5 ? 700 : 100000000) * (amount)(seed % 7 ? 1 : 12345678901);
        for (int i = 0; i < SOURCES; i++) {
            struct source *s = source(BALANCE_CREDIT, "0");
            s->at_commit_rate = rand() % 2;
            s->segments[0].granted =
                (s->at_commit_rate ? c.at_commit : c.at_list) * (rand() % 8) / 16;
        }
        assert_int_equal(draw_charge(burners, burner_count, &c, allocations, &split), ERR_OK);
        for (size_t i = 0; i < split.allocation_count; i++) {
            const struct allocation *a = &allocations[i];
            assert_true(a->taken > 0 && a->remaining >= 0);
            assert_true(a->remaining == a->burner->segment->granted + a->burner->segment->draft);
            if (a->burner->source->at_commit_rate)
                at_commit += a->taken;
            else
                list += a->taken;
        }
        assert_true(at_commit <= c.at_commit && split.uncovered >= 0);
        /* What the commit rate covered is at most half a digit for each change of rates away. */
        previous = c.at_list - list - split.uncovered;
        assert_int_equal(amount_mul_div(at_commit, c.at_list, c.at_commit, &equivalent), ERR_OK);
        amount slack = SOURCES * (1 + c.at_list / c.at_commit);
        assert_true(previous >= equivalent - slack && previous <= equivalent + slack);
        assert_true(previous >= 0 && (at_commit > 0 || previous == 0));
    }
}

/* A third of the usage has no end of digits: what is left is the whole less what was taken. */
static void thirds_add_up(void **state)
{
    (void)state;
    struct source *s = source(BALANCE_CREDIT, "1");
    s->at_commit_rate = true;
    struct source *list = source(BALANCE_CREDIT, "0.5");

    draw("10", "3");
    assert_split(2, "6.166666666667", "6.166666666667");
    assert_allocation(0, s, "1", "0");
    assert_allocation(1, list, "0.5", "0");
}

static void segments_cover_from_their_start_up_to_their_end(void **state)
{
    (void)state;
    source(BALANCE_CREDIT, "10");
    struct charge c = charge("1", "1");
    static const struct {
        int year, month, before;
        size_t count;
    } rows[] = {{2024, 1, 1, 0}, {2024, 1, 0, 1}, {2025, 1, 1, 1}, {2025, 1, 0, 0}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        c.starting_at = date(rows[i].year, rows[i].month, 1) - rows[i].before;
        assert_int_equal(draw_charge(burners, burner_count, &c, allocations, &split), ERR_OK);
        assert_int_equal(split.allocation_count, rows[i].count);
    }
}

static void archived_debt_and_other_credit_types_are_passed_over(void **state)
{
    (void)state;
    source(BALANCE_CREDIT, "10")->balance.archived = true;
    source(BALANCE_CREDIT, "10")->segments[0].manual = units("-15");
    source(BALANCE_CREDIT, "10")->coverage.credit_type = compute;
    struct source *last = source(BALANCE_CREDIT, "10");

    draw("12", "12");
    assert_split(1, "2", "2");
    assert_allocation(0, last, "10", "0");
}

static void overdraft_covers_the_rest(void **state)
{
    (void)state;
    struct source *first = source(BALANCE_ACCOUNT, "5");
    struct source *open = source(BALANCE_ACCOUNT, "10");
    source(BALANCE_ACCOUNT, "10");
    open->balance.allow_overdraft = true;

    draw("100", "100");
    assert_split(2, "0", "0");
    assert_allocation(0, first, "5", "0");
    assert_allocation(1, open, "95", "-85");
    draw("1", "1");
    assert_allocation(0, open, "1", "-86");
}

/* Balance 300, usage 500, surcharge 10 %. */
static void b17_overage_surcharge(void **state)
{
    (void)state;
    struct source *s = source(BALANCE_ACCOUNT, "300");
    s->has_surcharge = true;
    s->surcharge_percent = units("10");

    draw("500", "500");
    assert_split(1, "200", "220");
    assert_allocation(0, s, "300", "0");
    draw("10", "10"); /* nothing is left, but it still says what overage costs */
    assert_split(0, "10", "11");
}

static void surcharge_is_the_first_that_qualifies(void **state)
{
    (void)state;
    struct source *other = source(BALANCE_ACCOUNT, "0");
    source(BALANCE_ACCOUNT, "0");
    struct source *first = source(BALANCE_ACCOUNT, "0");
    struct source *second = source(BALANCE_ACCOUNT, "0");

    other->has_surcharge = first->has_surcharge = second->has_surcharge = true;
    other->surcharge_percent = units("90");
    other->coverage.line_item_types = 1u << LINE_AD_HOC;
    first->surcharge_percent = units("2.5");
    second->surcharge_percent = units("50");
    draw("40", "40");
    assert_split(0, "40", "41");
    segments[0][0].ending_before = segments[2][0].ending_before = date(2024, 6, 1);
    draw("40", "40");
    assert_split(0, "40", "60");
}

/* 1000 of an account balance roll over, 800 at most. */
static void b17_rollover_holds_what_the_access_left(void **state)
{
    (void)state;
    struct source *s = source(BALANCE_ACCOUNT, "1000");
    struct charge c = charge("500", "500");
    s->balance.has_rollover_cap = true;
    s->balance.rollover_cap = units("800");
    s->segments[1] = (struct segment){.role = SEGMENT_ROLLOVER,
                                      .starting_at = date(2025, 1, 1),
                                      .ending_before = date(2025, 3, 1)};
    s->balance.segment_count = 2;
    burners[burner_count] = burners[0];
    burners[burner_count++].segment = &s->segments[1];

    c.starting_at = date(2025, 2, 1);
    assert_int_equal(draw_charge(burners, burner_count, &c, allocations, &split), ERR_OK);
    assert_split(1, "0", "0");
    assert_allocation(0, s, "500", "300");
    draw("900", "900"); /* late usage of 2024: what was spent after it stays covered */
    assert_split(1, "400", "400");
    assert_allocation(0, s, "500", "500");
    assert_int_equal(draw_charge(burners, burner_count, &c, allocations, &split), ERR_OK);
    assert_split(0, "500", "500");
}

static void overflow_is_told(void **state)
{
    (void)state;
    struct source *s = source(BALANCE_ACCOUNT, "0");
    const struct charge c = charge("99999999999999999999999999", "1");

    s->balance.allow_overdraft = true;
    assert_int_equal(draw_charge(burners, burner_count, &c, allocations, &split), ERR_OK);
    assert_int_equal(draw_charge(burners, burner_count, &c, allocations, &split), ERR_RANGE);
    s->balance.allow_overdraft = false;
    s->has_surcharge = true;
    s->surcharge_percent = units("10");
    assert_int_equal(draw_charge(burners, burner_count, &c, allocations, &split), ERR_RANGE);
}

/* Usage, subscription, composite; then start, unit price, name. */
static void b11_lines_in_order(void **state)
{
    (void)state;
    struct charge lines[6];

    for (int i = 0; i < 6; i++)
        lines[i] = charge("1", "1");
    lines[0].starting_at--;
    lines[1].unit_price = units("2.6");
    lines[1].name = "Reads";
    lines[2].unit_price = units("1");
    lines[2].name = "Storage";
    lines[3].unit_price = units("1");
    lines[3].name = "Writes";
    lines[4].kind = CHARGE_SUBSCRIPTION;
    lines[4].starting_at -= 2;
    lines[5].kind = CHARGE_COMPOSITE;
    lines[5].starting_at -= 3;
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            int order = charge_compare(&lines[i], &lines[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(b11_worked_split, start_over),
        cmocka_unit_test_setup(b5_prepaid_and_postpaid_together, start_over),
        cmocka_unit_test_setup(b10_rate_types, start_over),
        cmocka_unit_test_setup(b10_rates_change_from_balance_to_balance, start_over),
        cmocka_unit_test_setup(split_keeps_every_last_digit, start_over),
        cmocka_unit_test_setup(thirds_add_up, start_over),
        cmocka_unit_test_setup(segments_cover_from_their_start_up_to_their_end, start_over),
        cmocka_unit_test_setup(archived_debt_and_other_credit_types_are_passed_over, start_over),
        cmocka_unit_test_setup(overdraft_covers_the_rest, start_over),
        cmocka_unit_test_setup(b17_overage_surcharge, start_over),
        cmocka_unit_test_setup(surcharge_is_the_first_that_qualifies, start_over),
        cmocka_unit_test_setup(b17_rollover_holds_what_the_access_left, start_over),
        cmocka_unit_test_setup(overflow_is_told, start_over),
        cmocka_unit_test(b11_lines_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
