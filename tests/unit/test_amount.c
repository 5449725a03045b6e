/* Amounts: what is read, what is written, and where the range ends (design: ruling 1; domain.md A1:
 * amounts may be fractional, and 0.8 is not 0). */
#include "ledger_kit.h"

#include <stdio.h>

static const char *const largest = "99999999999999999999999999.999999999999";
static const char *const smallest = "-99999999999999999999999999.999999999999";

static void assert_reads(const char *text, const char *canonical)
{
    amount value;

    assert_int_equal(amount_parse(bytes_text(text), &value), ERR_OK);
    assert_amount(value, canonical);
}

static void assert_refuses(struct bytes text, enum err expected)
{
    amount value = 7;

    assert_int_equal(amount_parse(text, &value), expected);
    assert_true(value == 7);
}

static void parse_canonical_is_kept(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "1",
        "-1",
        "125",
        "-0.5",
        "0.8",
        "10.01",
        "1000000",
        "0.000000000001",
        "1550",
        "-1234.05",
        "-0.000000000001",
        "10000000000000000000",     /* 10^19: more than one run of 64-bit digits */
        "9999999999999999999.5",    /* just below it */
        "18446744.073709551615",    /* the last that 64 bits hold, */
        "18446744.073709551616",    /* and the first that they do not */
        "18446744073709551615.125", /* the same for whole units */
        "18446744073709551616.125",
        "20000000000000000007",
        "10000000000000000000000000",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_reads(texts[i], texts[i]);
    assert_reads(largest, largest);
    assert_reads(smallest, smallest);
}

static void parse_counts_in_smallest_units(void **state)
{
    (void)state;
    assert_true(units("1") == AMOUNT_ONE);
    assert_true(units("0.000000000001") == 1);
    assert_true(units("-2.5") == -(5 * AMOUNT_ONE / 2));
}

static void parse_silent_zeros_are_dropped(void **state)
{
    (void)state;
    assert_reads("007.50", "7.5");
    assert_reads("-0", "0");
    assert_reads("-0.000", "0");
    assert_reads("1.0000000000000000000000000000", "1");
    assert_reads("000000000000000000000000000000000000000000001", "1");
    assert_reads("1000.000000000000", "1000"); /* as the database writes it */
}

static void parse_other_spellings_are_invalid(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",         "-",     "+1", ".5",   "1.",    "-.5",   "-1.",      ".",
        "1e3",      "1E3",   " 1", "1 ",   "1,000", "0x10",  "NaN",      "--1",
        "Infinity", "1.2.3", "1-", "1.-5", "1\n",   "1_000", "\xd9\xa1", /* an Arabic one */
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_refuses(bytes_text(texts[i]), ERR_INVALID);
    assert_refuses(bytes_of("1\0002", 3), ERR_INVALID);
    assert_refuses(bytes_of(NULL, 0), ERR_INVALID);
}

static void parse_reads_no_byte_past_the_end(void **state)
{
    (void)state;
    amount value;

    assert_int_equal(amount_parse(bytes_of("123", 2), &value), ERR_OK);
    assert_amount(value, "12");
    assert_refuses(bytes_of("1.5", 2), ERR_INVALID);
}

static void parse_too_many_digits_is_out_of_range(void **state)
{
    (void)state;
    assert_refuses(bytes_text("100000000000000000000000000"), ERR_RANGE);
    assert_refuses(bytes_text("-100000000000000000000000000"), ERR_RANGE);
    assert_refuses(bytes_text("0.0000000000001"), ERR_RANGE);
    assert_refuses(bytes_text("1.0000000000001"), ERR_RANGE);
    assert_refuses(bytes_text("99999999999999999999999999.9999999999999"), ERR_RANGE);
}

static void parse_malformed_wins_over_out_of_range(void **state)
{
    (void)state;
    assert_refuses(bytes_text("100000000000000000000000000x"), ERR_INVALID);
    assert_refuses(bytes_text("0.00000000000000001."), ERR_INVALID);
}

static void format_of_every_power_of_ten_is_its_digits(void **state)
{
    (void)state;
    amount value = 1;

    for (int power = -AMOUNT_SCALE; power < AMOUNT_INTEGER_DIGITS; power++, value *= 10) {
        char expected[AMOUNT_TEXT_LEN + 1] = "1";
        amount again;

        if (power < 0)
            snprintf(expected, sizeof expected, "0.%0*d", -power, 1);
        for (int i = 0; i < power; i++)
            strcat(expected, "0");
        assert_amount(value, expected);
        const struct amount_text minus_one = amount_format(value - 1);
        assert_int_equal(amount_parse(bytes_text(minus_one.text), &again), ERR_OK);
        assert_true(again == value - 1);
    }
}

static void random_values_survive_the_round_trip(void **state)
{
    (void)state;
    const unsigned seed = (unsigned)time(NULL);

    print_message("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < 100000; i++) {
        amount value = 0, again;
        const int digits = 1 + (int)(random() % 38);

        for (int d = 0; d < digits; d++)
            value = value * 10 + random() % 10;
        if (random() % 2)
            value = -value;
        const struct amount_text text = amount_format(value);
        assert_int_equal(amount_parse(bytes_text(text.text), &again), ERR_OK);
        assert_true(again == value);
    }
}

static void add_at_the_edge_of_the_range(void **state)
{
    (void)state;
    const amount max = units(largest), min = units(smallest);
    amount sum = 7;

    assert_int_equal(amount_add(max, 1, &sum), ERR_RANGE);
    assert_int_equal(amount_add(min, -1, &sum), ERR_RANGE);
    assert_int_equal(amount_add(max, max, &sum), ERR_RANGE); /* beyond 128 bits, too */
    assert_int_equal(amount_add(min, min, &sum), ERR_RANGE);
    assert_true(sum == 7);
    assert_int_equal(amount_add(max - 1, 1, &sum), ERR_OK);
    assert_true(sum == max);
    assert_int_equal(amount_add(max, min, &sum), ERR_OK);
    assert_true(sum == 0);
    assert_true(amount_in_range(max) && amount_in_range(min));
    assert_false(amount_in_range(max + 1));
    assert_false(amount_in_range(min - 1));
}

static void sum_does_not_depend_on_the_order(void **state)
{
    (void)state;
    const amount max = units(largest), min = units(smallest);
    const amount terms[][6] = {
        {max, max, max, min, min, min},
        {min, min, min, max, max, max},
        {max, min, max, min, max, min},
    };
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        struct amount_sum sum = {0};
        amount value;

        for (size_t t = 0; t < 6; t++)
            amount_sum_add(&sum, terms[i][t]);
        assert_int_equal(amount_sum_value(&sum, &value), ERR_OK);
        assert_amount(value, "0");
        amount_sum_add(&sum, -3);
        assert_int_equal(amount_sum_value(&sum, &value), ERR_OK);
        assert_amount(value, "-0.000000000003");
    }
}

static void sum_out_of_range_is_told_until_it_is_back(void **state)
{
    (void)state;
    struct amount_sum sum = {0};
    amount value = 7;

    assert_int_equal(amount_sum_value(&sum, &value), ERR_OK);
    assert_amount(value, "0");
    amount_sum_add(&sum, units(smallest));
    amount_sum_add(&sum, -1);
    assert_int_equal(amount_sum_value(&sum, &value), ERR_RANGE);
    for (int i = 0; i < 1000; i++)
        amount_sum_add(&sum, units(smallest));
    assert_int_equal(amount_sum_value(&sum, &value), ERR_RANGE);
    assert_amount(value, "0");
    for (int i = 0; i < 1000; i++)
        amount_sum_add(&sum, units(largest));
    amount_sum_add(&sum, 1);
    assert_int_equal(amount_sum_value(&sum, &value), ERR_OK);
    assert_amount(value, smallest);
}

/* The expected values are those of Python's decimal, with ROUND_HALF_EVEN at 12 digits. */
static void product_is_rounded_half_to_even(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"0", "5", "0"},
        {"2", "3", "6"},
        {"-2", "3", "-6"},
        {"-2", "-3", "6"},
        {"0.5", "201", "100.5"},
        {"0.000000000001", "0.5", "0"},
        {"0.000000000003", "0.5", "0.000000000002"},
        {"0.000000000005", "0.5", "0.000000000002"},
        {"-0.000000000003", "0.5", "-0.000000000002"},
        {"0.000000000001", "0.500000000001", "0.000000000001"},
        {"0.000000000001", "0.499999999999", "0"},
        {"0.000001", "0.0000005", "0"},
        {"0.000001", "0.0000015", "0.000000000002"},
        {"99999999999999999999999999.999999999999", "1", "99999999999999999999999999.999999999999"},
        {"99999999999999999999999999.999999999999", "-1",
         "-99999999999999999999999999.999999999999"},
        {"99999999999999999999999999.999999999999", "0.999999999999",
         "99999999999899999999999999.999999999999"},
        {"10000000000000", "9999999999999.999999999999", "99999999999999999999999990"},
        {"33333333333333.333333333333", "2999999999999.999999999999",
         "99999999999999999999999965.666666666667"},
        {"347834.519017442788", "74677703.655276389456", "25975483132260.192091670243"},
        {"-0.001570621944", "10050800261000005.807599322229", "-15786007444687.536505542937"},
        {"0.000931247021", "852989676.167006129039", "794344.094874279156"},
        {"0.000110978213", "1105425823120657.775173139491", "122678182453.984683273271"},
        {"717037857322583.643679659723", "1116778538.613221484196",
         "800772490431070575063357.754516019524"},
        {"447456854405574.533736933423", "0.006792920977", "3039539052594.062115958609"},
        {"-102337822.286484157906", "0.00015149646", "-15503.817800511456"},
        {"-47.878132532516", "97223837232243.584259240062", "-4654895764325121.890882442424"},
        {"-142707.574929835809", "4139764.760356646176", "-590775789730.48986556925"},
        {"-0.000063386082", "29290462706268.592136657128", "-1856607670.917482895199"},
        {"0.002028687211", "12556.794192626217", "25.47380778974"},
        {"0.000098134544", "644566891671208401394.198049353163", "63254277991651434.399788589819"},
        {"-4344266638507.106067610087", "2089607307.682514475025",
         "-9077811314345801274451.3727695726"},
        {"46.712712511677", "1.018557070781", "47.579563624129"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        amount a = units(rows[i][0]), b = units(rows[i][1]), product;
        assert_int_equal(amount_mul(a, b, &product), ERR_OK);
        assert_amount(product, rows[i][2]);
        assert_int_equal(amount_mul(b, a, &product), ERR_OK);
        assert_amount(product, rows[i][2]);
    }
}

static void product_out_of_range_is_told(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"99999999999999999999999999.999999999999", "1.000000000001"},
        {"99999999999999999999999999.999999999999", "99999999999999999999999999.999999999999"},
        {"-99999999999999999999999999.999999999999", "99999999999999999999999999.999999999999"},
        {"10000000000000", "10000000000000"},
        {"10000000000000", "-10000000000000"},
        {"18446744073709551616", "18446744073709551616"}, /* 2^64 squared is 0 in 128 bits */
        {"99999999999999.999999999999", "1000000000000.000000000001"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        amount product = 7;
        assert_int_equal(amount_mul(units(rows[i][0]), units(rows[i][1]), &product), ERR_RANGE);
        assert_int_equal(amount_mul(units(rows[i][1]), units(rows[i][0]), &product), ERR_RANGE);
        assert_true(product == 7);
    }
}

static void share_is_rounded_once_half_to_even(void **state)
{
    (void)state;
    static const char *const rows[][4] = {
        {"75", "2", "1.5", "100"},
        {"1", "1", "3", "0.333333333333"},
        {"2", "1", "3", "0.666666666667"},
        {"-2", "1", "3", "-0.666666666667"},
        {"2", "-1", "3", "-0.666666666667"},
        {"0", "5", "7", "0"},
        /* Ties, to the even neighbour. */
        {"0.000000000001", "1", "2", "0"},
        {"0.000000000003", "1", "2", "0.000000000002"},
        {"-0.000000000003", "1", "2", "-0.000000000002"},
        /* The product has more than 128 bits. */
        {"99999999999999999999999999.999999999999", "99999999999999999999999999.999999999999",
         "99999999999999999999999999.999999999999", "99999999999999999999999999.999999999999"},
        {"90000000000000000000000000", "0.5", "90000000000000000000000000", "0.5"},
        {"10000000000000000000000001", "30000000000000000000000000", "90000000000000000000000000",
         "3333333333333333333333333.666666666667"},
        {"10000000000000000000000002.000000000003", "45000000000000000000000000",
         "90000000000000000000000000", "5000000000000000000000001.000000000002"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        amount share;
        assert_int_equal(
            amount_mul_div(units(rows[i][0]), units(rows[i][1]), units(rows[i][2]), &share),
            ERR_OK);
        assert_string_equal(amount_format(share).text, rows[i][3]);
    }
}

static void share_out_of_range_is_told(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"99999999999999999999999999", "1.1", "1"},
        {"99999999999999999999999999.999999999999", "1", "0.000000000001"},
        {"99999999999999999999999999.999999999999", "3", "2.999999999999"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        amount share = 7;
        assert_int_equal(
            amount_mul_div(units(rows[i][0]), units(rows[i][1]), units(rows[i][2]), &share),
            ERR_RANGE);
        assert_true(share == 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_is_rounded_once_half_to_even),
        cmocka_unit_test(share_out_of_range_is_told),
        cmocka_unit_test(product_is_rounded_half_to_even),
        cmocka_unit_test(product_out_of_range_is_told),
        cmocka_unit_test(parse_canonical_is_kept),
        cmocka_unit_test(parse_counts_in_smallest_units),
        cmocka_unit_test(parse_silent_zeros_are_dropped),
        cmocka_unit_test(parse_other_spellings_are_invalid),
        cmocka_unit_test(parse_reads_no_byte_past_the_end),
        cmocka_unit_test(parse_too_many_digits_is_out_of_range),
        cmocka_unit_test(parse_malformed_wins_over_out_of_range),
        cmocka_unit_test(format_of_every_power_of_ten_is_its_digits),
        cmocka_unit_test(random_values_survive_the_round_trip),
        cmocka_unit_test(add_at_the_edge_of_the_range),
        cmocka_unit_test(sum_does_not_depend_on_the_order),
        cmocka_unit_test(sum_out_of_range_is_told_until_it_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
