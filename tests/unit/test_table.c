/* Tables: the layout on terminals of several widths, pages, and text that would do harm to a
 * terminal. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/table.h"
#include "client/text.h"

static const struct table_column columns[] = {
    {.title = "ID", .fit = TABLE_CUT, .rank = 3, .least = 4},
    {.title = "NAME", .fit = TABLE_CUT, .rank = 1, .least = 3},
    {.title = "AMOUNT", .side = TABLE_RIGHT},
    {.title = "NOTE", .fit = TABLE_DROP, .rank = 2},
};

static struct table *two_rows(size_t width)
{
    static const char *const cells[] = {
        "aaaaaaaaaa", "short", "5", "n1", "bbbbbbbbbb", "a longer one", "-1234.5", "",
    };
    struct table *table = table_create(columns, 4, width);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        table_add(table, cells[i]);
    return table;
}

static void expect_print(struct table *table, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    table_print(table, out);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static void expect_two_rows(size_t width, const char *wanted)
{
    struct table *table = two_rows(width);
    expect_print(table, wanted);
    table_free(table);
}

static void without_limit_nothing_is_cut(void **state)
{
    (void)state;
    expect_two_rows(TABLE_ANY_WIDTH, "ID          NAME           AMOUNT  NOTE\n"
                                     "aaaaaaaaaa  short               5  n1\n"
                                     "bbbbbbbbbb  a longer one  -1234.5\n");
}

static void columns_give_way_in_order_of_rank(void **state)
{
    (void)state;
    expect_two_rows(35, "ID          NAME       AMOUNT  NOTE\n"
                        "aaaaaaaaaa  short           5  n1\n"
                        "bbbbbbbbbb  a longe…  -1234.5\n");
    expect_two_rows(25, "ID          NA…   AMOUNT\n"
                        "aaaaaaaaaa  sh…        5\n"
                        "bbbbbbbbbb  a …  -1234.5\n");
    expect_two_rows(20, "ID      NA…   AMOUNT\n"
                        "aaaaa…  sh…        5\n"
                        "bbbbb…  a …  -1234.5\n");
}

static void amounts_stay_whole_on_the_narrowest(void **state)
{
    (void)state;
    expect_two_rows(1, "ID    NA…   AMOUNT\n"
                       "aaa…  sh…        5\n"
                       "bbb…  a …  -1234.5\n");
}

static void hidden_column_is_not_there(void **state)
{
    (void)state;
    struct table *table = two_rows(TABLE_ANY_WIDTH);
    table_hide(table, 0);
    expect_print(table, "NAME           AMOUNT  NOTE\n"
                        "short               5  n1\n"
                        "a longer one  -1234.5\n");
    table_free(table);
}

static void later_page_has_the_first_ones_layout(void **state)
{
    (void)state;
    static const char *const cells[] = {"c", "x", "123456789.5", "n"};
    struct table *table = two_rows(25);
    assert_int_equal(table_rows(table), 2);
    expect_print(table, "ID          NA…   AMOUNT\n"
                        "aaaaaaaaaa  sh…        5\n"
                        "bbbbbbbbbb  a …  -1234.5\n");
    for (size_t i = 0; i < 4; i++)
        table_add(table, cells[i]);
    expect_print(table, "c           x    123456789.5\n");
    expect_print(table, "");
    assert_int_equal(table_rows(table), 3);
    table_free(table);
}

static void expect_text(const char *text, size_t limit, const char *wanted, size_t columns_wanted)
{
    char *printed = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&printed, &len);
    assert_non_null(out);
    size_t width = text_print(out, text, limit);
    fclose(out);
    assert_string_equal(printed, wanted);
    assert_int_equal(width, columns_wanted);
    free(printed);
}

static void text_counts_columns_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(text_width("é✓"), 2);
    assert_int_equal(text_width("日本"), 4);
    assert_int_equal(text_width("e\u0301"), 1);
    expect_text("日本語", 6, "日本語", 6);
    expect_text("日本語", 5, "日本…", 5);
    /* Half a wide character is none. */
    expect_text("日本語", 4, "日…", 3);
    expect_text("abc", 0, "", 0);
}

static void text_cannot_steer_the_terminal(void **state)
{
    (void)state;
    expect_text("\x1b[2Jx", SIZE_MAX, "\uFFFD[2Jx", 5);
    expect_text("a\nb\tc\rd", SIZE_MAX, "a b c d", 7);
    expect_text("\xc2\x9b", SIZE_MAX, "\uFFFD", 1);
    expect_text("\u202Etxt", SIZE_MAX, "\uFFFDtxt", 4);
    expect_text("\xff\xe2\x9c", SIZE_MAX, "\uFFFD\uFFFD\uFFFD", 3);
}

int main(void)
{
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limit_nothing_is_cut),
        cmocka_unit_test(columns_give_way_in_order_of_rank),
        cmocka_unit_test(amounts_stay_whole_on_the_narrowest),
        cmocka_unit_test(hidden_column_is_not_there),
        cmocka_unit_test(later_page_has_the_first_ones_layout),
        cmocka_unit_test(text_counts_columns_not_bytes),
        cmocka_unit_test(text_cannot_steer_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
