/* What is drawn of balances: which sums, whose, and what is said where nothing can be drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "client/burn_down.h"
#include "client/table.h"

enum { MAX_ENTRIES = 4 };

static const int64_t DAY = INT64_C(86400000000);

struct event {
    int64_t micros;
    const char *amount;
};

/* Adds a balance with the entries that have an amount. */
static void add(struct burn_down *burn_down, const char *name, const char *credit_type,
                const char *usable, const struct event events[static MAX_ENTRIES])
{
    Balances__V1__CreditType unit;
    Google__Protobuf__Timestamp times[MAX_ENTRIES];
    Balances__V1__LedgerEntry entries[MAX_ENTRIES];
    Balances__V1__LedgerEntry *ledger[MAX_ENTRIES];
    size_t count = 0;
    for (; count < MAX_ENTRIES && events[count].amount; count++) {
        google__protobuf__timestamp__init(&times[count]);
        balances__v1__ledger_entry__init(&entries[count]);
        int64_t fraction = (events[count].micros % 1000000 + 1000000) % 1000000;
        times[count].seconds = (events[count].micros - fraction) / 1000000;
        times[count].nanos = (int32_t)fraction * 1000;
        entries[count].timestamp = &times[count];
        entries[count].amount = text_borrow(events[count].amount);
        ledger[count] = &entries[count];
    }
    balances__v1__credit_type__init(&unit);
    unit.id = text_borrow(credit_type);
    const struct balance_row row = {
        .id = "b",
        .name = name,
        .balance = usable,
        .credit_type = &unit,
        .ledger = ledger,
        .ledger_count = count,
    };
    burn_down_add(burn_down, &row);
}

static void expect_print(struct burn_down *burn_down, size_t width, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    const struct terminal terminal = {.width = width};
    burn_down_print(burn_down, out, &terminal);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static void entries_of_one_instant_are_one_step(void **state)
{
    (void)state;
    const struct event events[MAX_ENTRIES] = {
        {4 * DAY, "-2"}, {0, "3"}, {0, "-2"}, {-DAY + 1, "-0.000000000001"}};
    struct burn_down *burn_down = burn_down_create();
    add(burn_down, "Annual commit", "USD", "5", events);
    expect_print(
        burn_down, 20,
        "Annual commit, USD\n"
        "1969-12-31T00:00:00.000001Z to 1970-01-05\n"
        "   1 |     ::::::::::::::::\n"
        " 0.8 |     ################\n"
        " 0.6 |     ################\n"
        " 0.4 |     ################\n"
        " 0.2 |     ################\n"
        "   0 +----------------------\n"
        "-0.2 |'''''                #\n"
        "-0.4 |                     #\n"
        "-0.6 |                     #\n"
        "-0.8 |                     #\n"
        "  -1 |                     #\n"
        "-1.2 |                     '\n"
        "      1969-12-31  1970-01-05\n"
        "highest 0.999999999999, lowest -1.000000000001, last -1.000000000001; usable now 5\n");
    burn_down_free(burn_down);
}

static void balances_add_up_in_their_credit_type(void **state)
{
    (void)state;
    const struct event first[MAX_ENTRIES] = {{0, "2"}, {DAY / 2, "-2"}};
    const struct event second[MAX_ENTRIES] = {{DAY / 4, "1"}};
    const struct event other[MAX_ENTRIES] = {{0, "1"}};
    struct burn_down *burn_down = burn_down_create();
    add(burn_down, "First", "USD", "0", first);
    add(burn_down, "Other", "Gems", "1", other);
    add(burn_down, "", "USD", "0.5", second);
    assert_int_equal(burn_down_balances(burn_down), 3);
    expect_print(
        burn_down, TABLE_ANY_WIDTH,
        "2 balances, USD\n"
        "1970-01-01 to 1970-01-01T12:00:00Z\n"
        "  3 |                                     #####################################\n"
        "2.5 |                                     #####################################\n"
        "  2 |##########################################################################\n"
        "1.5 |##########################################################################\n"
        "  1 |###########################################################################\n"
        "0.5 |###########################################################################\n"
        "  0 +---------------------------------------------------------------------------\n"
        "     1970-01-01                                             1970-01-01T12:00:00Z\n"
        "highest 3, lowest 1, last 1; usable now 0.5\n"
        "\n"
        "Other, Gems\n"
        "1970-01-01\n"
        "  1 |#\n"
        "0.9 |#\n"
        "0.8 |#\n"
        "0.7 |#\n"
        "0.6 |#\n"
        "0.5 |#\n"
        "0.4 |#\n"
        "0.3 |#\n"
        "0.2 |#\n"
        "0.1 |#\n"
        "  0 +-\n"
        "     1970-01-01\n"
        "highest 1, lowest 1, last 1; usable now 1\n");
    burn_down_free(burn_down);
}

static void what_cannot_be_drawn_is_said(void **state)
{
    (void)state;
    const struct event none[MAX_ENTRIES] = {0};
    const struct event most[MAX_ENTRIES] = {{0, "99999999999999999999999999"}, {1, "1"}, {2, "-1"}};
    const struct event odd[MAX_ENTRIES] = {{0, "1"}, {1, "much"}};
    const struct event never[MAX_ENTRIES] = {{INT64_MAX, "1"}};
    struct burn_down *burn_down = burn_down_create();
    add(burn_down, "", "A", "0", none);
    add(burn_down, "Most", "B", "0", most);
    add(burn_down, "Odd", "C", "0", odd);
    add(burn_down, "Never", "D", "0", never);
    add(burn_down, "Unusable", "E", "", none);
    add(burn_down, "A very long name\x1b for a balance", "F", "0", none);
    expect_print(burn_down, 24,
                 "b, A\n"
                 "no ledger entries yet\n"
                 "\n"
                 "Most, B\n"
                 "not drawn: a sum has more than 26 digits; --id draws one balance\n"
                 "\n"
                 "Odd, C\n"
                 "not drawn: the server sent something that is no amount or no instant\n"
                 "\n"
                 "Never, D\n"
                 "not drawn: the server sent something that is no amount or no instant\n"
                 "\n"
                 "Unusable, E\n"
                 "not drawn: the server sent something that is no amount or no instant\n"
                 "\n"
                 "A very long name� fo…, F\n"
                 "no ledger entries yet\n");
    burn_down_free(burn_down);
}

static void nothing_prints_nothing(void **state)
{
    (void)state;
    struct burn_down *burn_down = burn_down_create();
    assert_int_equal(burn_down_balances(burn_down), 0);
    expect_print(burn_down, 80, "");
    burn_down_free(burn_down);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_of_one_instant_are_one_step),
        cmocka_unit_test(balances_add_up_in_their_credit_type),
        cmocka_unit_test(what_cannot_be_drawn_is_said),
        cmocka_unit_test(nothing_prints_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
