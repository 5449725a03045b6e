/* Charts: their exact look, on both kinds of terminal, from no point to thousands, below zero, and
 * of the smallest and the largest amounts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/chart.h"

static const amount most = AMOUNT_ONE * 10000000000000 * 10000000000000 - 1; /* of 26 digits */

static struct chart chart_of(const struct chart_point *points, size_t count)
{
    return (struct chart){.points = points,
                          .count = count,
                          .from = "2025-01-01",
                          .to = "2025-12-31",
                          .width = 32,
                          .has_blocks = true};
}

/* Not inlined: gcc 12 then takes what the stream wrote for the place where it was told of it. */
__attribute__((noinline)) static char *print(const struct chart *chart)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    chart_print(out, chart);
    fclose(out);
    return text;
}

static void expect_chart(const struct chart *chart, const char *wanted)
{
    char *text = print(chart);
    assert_string_equal(text, wanted);
    free(text);
}

static const struct chart_point used[] = {
    {0, 1000 * AMOUNT_ONE},
    {250, 875 * AMOUNT_ONE},
    {500, 310 * AMOUNT_ONE},
    {750, AMOUNT_ONE},
    {1000, 0},
};

static void bars_go_down(void **state)
{
    (void)state;
    const struct chart chart = chart_of(used, 5);
    expect_chart(&chart, "1000 ┤███████\n"
                         " 900 ┤███████▆▆▆▆▆▆\n"
                         " 800 ┤█████████████\n"
                         " 700 ┤█████████████\n"
                         " 600 ┤█████████████\n"
                         " 500 ┤█████████████\n"
                         " 400 ┤█████████████▁▁▁▁▁▁\n"
                         " 300 ┤███████████████████\n"
                         " 200 ┤███████████████████\n"
                         " 100 ┤███████████████████▁▁▁▁▁▁\n"
                         "   0 ┼──────────────────────────\n"
                         "      2025-01-01      2025-12-31\n");
}

static void locale_without_blocks_gets_ascii(void **state)
{
    (void)state;
    struct chart chart = chart_of(used, 5);
    chart.has_blocks = false;
    expect_chart(&chart, "1000 |#######\n"
                         " 900 |#######::::::\n"
                         " 800 |#############\n"
                         " 700 |#############\n"
                         " 600 |#############\n"
                         " 500 |#############\n"
                         " 400 |#############......\n"
                         " 300 |###################\n"
                         " 200 |###################\n"
                         " 100 |###################......\n"
                         "   0 +--------------------------\n"
                         "      2025-01-01      2025-12-31\n");
}

static void debt_hangs_below_zero(void **state)
{
    (void)state;
    static const struct chart_point points[] = {{-40, 2 * AMOUNT_ONE},
                                                {-10, -AMOUNT_ONE / 2},
                                                {0, -3 * AMOUNT_ONE / 2},
                                                {20, -1},
                                                {40, -1}};
    struct chart chart = chart_of(points, 5);
    expect_chart(&chart, "   2 ┤██████████\n"
                         " 1.5 ┤██████████\n"
                         "   1 ┤██████████\n"
                         " 0.5 ┤██████████\n"
                         "   0 ┼──────────────────────────\n"
                         "-0.5 ┤          █████████▔▔▔▔▔▔▔\n"
                         "  -1 ┤             ██████\n"
                         "-1.5 ┤             ██████\n"
                         "      2025-01-01      2025-12-31\n");
    chart.has_blocks = false;
    expect_chart(&chart, "   2 |##########\n"
                         " 1.5 |##########\n"
                         "   1 |##########\n"
                         " 0.5 |##########\n"
                         "   0 +--------------------------\n"
                         "-0.5 |          #########'''''''\n"
                         "  -1 |             ######\n"
                         "-1.5 |             ######\n"
                         "      2025-01-01      2025-12-31\n");
}

static void one_instant_is_one_column(void **state)
{
    (void)state;
    static const struct chart_point points[] = {{7, 3 * AMOUNT_ONE}};
    const struct chart chart = chart_of(points, 1);
    expect_chart(&chart, "  3 ┤█\n"
                         "2.5 ┤█\n"
                         "  2 ┤█\n"
                         "1.5 ┤█\n"
                         "  1 ┤█\n"
                         "0.5 ┤█\n"
                         "  0 ┼─\n"
                         "     2025-01-01\n");
}

static void no_point_is_no_chart(void **state)
{
    (void)state;
    const struct chart chart = chart_of(NULL, 0);
    expect_chart(&chart, "");
}

static void nothing_but_zero_is_a_line(void **state)
{
    (void)state;
    static const struct chart_point points[] = {{0, 0}, {1, 0}};
    const struct chart chart = chart_of(points, 2);
    expect_chart(&chart, "0 ┼─────────────────────────────\n"
                         "   2025-01-01         2025-12-31\n");
}

static void smallest_amount_is_seen(void **state)
{
    (void)state;
    static const struct chart_point points[] = {{0, 1}, {1, 1}};
    const struct chart chart = chart_of(points, 2);
    expect_chart(&chart, "0.000000000001 ┤██████████████████████\n"
                         "             0 ┼──────────────────────\n"
                         "                2025-01-01  2025-12-31\n");
}

static void largest_amounts_fit(void **state)
{
    (void)state;
    const struct chart_point points[] = {{INT64_MIN / 4, most}, {INT64_MAX / 4, -most}};
    struct chart chart = chart_of(points, 2);
    chart.width = 60;
    expect_chart(&chart, "                            ┤▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇\n"
                         " 80000000000000000000000000 ┤██████████████████████████████\n"
                         " 60000000000000000000000000 ┤██████████████████████████████\n"
                         " 40000000000000000000000000 ┤██████████████████████████████\n"
                         " 20000000000000000000000000 ┤██████████████████████████████\n"
                         "                          0 ┼───────────────────────────────\n"
                         "-20000000000000000000000000 ┤                              █\n"
                         "-40000000000000000000000000 ┤                              █\n"
                         "-60000000000000000000000000 ┤                              █\n"
                         "-80000000000000000000000000 ┤                              █\n"
                         "                            ┤                              ▀\n"
                         "                             2025-01-01           2025-12-31\n");
}

static void narrow_terminal_gets_what_is_needed(void **state)
{
    (void)state;
    struct chart chart = chart_of(used, 5);
    chart.width = 1;
    expect_chart(&chart, "1000 ┤██████\n"
                         " 900 ┤██████▆▆▆▆▆\n"
                         " 800 ┤███████████\n"
                         " 700 ┤███████████\n"
                         " 600 ┤███████████\n"
                         " 500 ┤███████████\n"
                         " 400 ┤███████████▁▁▁▁▁\n"
                         " 300 ┤████████████████\n"
                         " 200 ┤████████████████\n"
                         " 100 ┤████████████████▁▁▁▁▁\n"
                         "   0 ┼──────────────────────\n"
                         "      2025-01-01  2025-12-31\n");
}

static void thousands_of_points_fit(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static struct chart_point points[COUNT];
    for (int i = 0; i < COUNT; i++)
        points[i] = (struct chart_point){i * INT64_C(1000000), (COUNT - i) * AMOUNT_ONE};
    const struct chart chart = chart_of(points, COUNT);
    expect_chart(&chart, "5000 ┤█▅▂\n"
                         "4500 ┤███▆▃▁\n"
                         "4000 ┤██████▅▂\n"
                         "3500 ┤████████▆▃▁\n"
                         "3000 ┤███████████▅▂\n"
                         "2500 ┤█████████████▆▃▁\n"
                         "2000 ┤████████████████▅▂\n"
                         "1500 ┤██████████████████▆▃▁\n"
                         "1000 ┤█████████████████████▅▂\n"
                         " 500 ┤███████████████████████▆▃▁\n"
                         "   0 ┼──────────────────────────\n"
                         "      2025-01-01      2025-12-31\n");
}

static void no_chart_is_wider_than_an_eye_follows(void **state)
{
    (void)state;
    struct chart chart = chart_of(used, 5);
    chart.width = SIZE_MAX;
    chart.has_blocks = false;
    char *text = print(&chart);
    assert_int_equal(strlen(strrchr(text, ' ')), sizeof " 2025-12-31");
    assert_int_equal(strcspn(strstr(text, "   0 +"), "\n"), 1000);
    free(text);
}

/* Whatever the amounts: as many lines as asked for at most, none wider than the terminal, none that
 * ends in a blank. */
static void every_magnitude_fits(void **state)
{
    (void)state;
    for (amount value = 1; value < most / 3; value += value / 2 + 1) {
        const struct chart_point points[] = {{0, value}, {1, value / 7}, {2, -value / 3}, {3, 0}};
        struct chart chart = chart_of(points, 4);
        chart.width = 70;
        chart.has_blocks = false;
        char *text = print(&chart);
        char *rest = text;
        size_t lines = 0;
        for (char *line = strsep(&rest, "\n"); *line; line = strsep(&rest, "\n"), lines++) {
            assert_in_range(strlen(line), 3, 70);
            assert_int_not_equal(line[strlen(line) - 1], ' ');
        }
        assert_in_range(lines, 3, 14);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bars_go_down),
        cmocka_unit_test(locale_without_blocks_gets_ascii),
        cmocka_unit_test(debt_hangs_below_zero),
        cmocka_unit_test(one_instant_is_one_column),
        cmocka_unit_test(no_point_is_no_chart),
        cmocka_unit_test(nothing_but_zero_is_a_line),
        cmocka_unit_test(smallest_amount_is_seen),
        cmocka_unit_test(largest_amounts_fit),
        cmocka_unit_test(narrow_terminal_gets_what_is_needed),
        cmocka_unit_test(thousands_of_points_fit),
        cmocka_unit_test(no_chart_is_wider_than_an_eye_follows),
        cmocka_unit_test(every_magnitude_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
