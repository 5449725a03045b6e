/* Views: when the entries of a ledger have a running sum, and when a sum would be a lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <balances/v1/balances.pb-c.h>

#include "client/table.h"
#include "client/views.h"
#include "ledger/amount.h"

static char balance[] = "b";
static const struct terminal pipe_end = {.width = TABLE_ANY_WIDTH};

static Balances__V1__ListLedgerEntriesRequest of_one_balance(void)
{
    Balances__V1__ListLedgerEntriesRequest request;
    balances__v1__list_ledger_entries_request__init(&request);
    request.balance_id = balance;
    return request;
}

static struct view *ledger_view(void)
{
    const Balances__V1__ListLedgerEntriesRequest request = of_one_balance();
    return view_create(&view_ledger, &request.base, &pipe_end);
}

/* A page of one entry, and what names the state of the ledger that it shows. */
struct page {
    char amount[AMOUNT_TEXT_LEN + 1];
    char token[2];
};

static void print_page(struct view *view, FILE *out, struct page *one)
{
    Balances__V1__LedgerEntry entry;
    Balances__V1__LedgerEntry *entries[] = {&entry};
    Balances__V1__ListLedgerEntriesResponse page;
    balances__v1__ledger_entry__init(&entry);
    balances__v1__list_ledger_entries_response__init(&page);
    entry.amount = one->amount;
    entry.balance_id = balance;
    page.consistency_token = one->token;
    page.n_data = 1;
    page.data = entries;
    view_page(view, &page.base, out);
}

/* The sums of pages of one entry each, as words. */
static void expect_sums(struct view *view, struct page *pages, size_t count, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    char sums[256] = "";
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++)
        print_page(view, out, &pages[i]);
    fclose(out);
    char *rest = text;
    strsep(&rest, "\n"); /* the titles */
    for (char *line = strsep(&rest, "\n"); line && *line; line = strsep(&rest, "\n")) {
        char sum[64];
        assert_int_equal(sscanf(line, "%*s %63s", sum), 1);
        snprintf(sums + strlen(sums), sizeof sums - strlen(sums), " %s", sum);
    }
    assert_string_equal(sums, wanted);
    free(text);
}

static void pages_of_one_state_add_up(void **state)
{
    (void)state;
    struct page pages[] = {
        {"100", "t"}, {"-9999999999999999999999999.999999999999", "t"}, {"0.5", "t"}};
    struct view *view = ledger_view();
    expect_sums(view, pages, 3,
                " 100 -9999999999999999999999899.999999999999"
                " -9999999999999999999999899.499999999999");
    assert_null(view_caveat(view));
    view_free(view);
}

static void page_of_another_state_ends_the_sums(void **state)
{
    (void)state;
    struct page pages[] = {{"100", "t"}, {"-1", "u"}, {"-1", "t"}};
    struct view *view = ledger_view();
    expect_sums(view, pages, 3, " 100 ? ?");
    assert_non_null(view_caveat(view));
    view_free(view);
}

static void sum_that_is_no_amount_is_not_shown(void **state)
{
    (void)state;
    struct page pages[] = {
        {"99999999999999999999999999", "t"}, {"1", "t"}, {"-2", "t"}, {"much", "t"}, {"1", "t"}};
    struct view *view = ledger_view();
    expect_sums(view, pages, 5, " 99999999999999999999999999 ? 99999999999999999999999998 ? ?");
    view_free(view);
}

/* Whether the table of a request has sums. */
static bool has_sums(const Balances__V1__ListLedgerEntriesRequest *request)
{
    struct view *view = view_create(&view_ledger, &request->base, &pipe_end);
    struct page one = {"1", "t"};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    print_page(view, out, &one);
    fclose(out);
    bool found = strstr(text, "SUM");
    free(text);
    view_free(view);
    return found;
}

static void part_of_a_ledger_has_no_sums(void **state)
{
    (void)state;
    char token[] = "token";
    char nothing[] = "";
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Balances__V1__ListLedgerEntriesRequest request = of_one_balance();
    request.ending_before = &at;
    request.limit = 1;
    assert_true(has_sums(&request));

    request.balance_id = nothing;
    assert_false(has_sums(&request));
    request = of_one_balance();
    request.n_types = 1;
    assert_false(has_sums(&request));
    request = of_one_balance();
    request.starting_at = &at;
    assert_false(has_sums(&request));
    request = of_one_balance();
    request.descending = true;
    assert_false(has_sums(&request));
    request = of_one_balance();
    request.next_page = token;
    assert_false(has_sums(&request));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_one_state_add_up),
        cmocka_unit_test(page_of_another_state_ends_the_sums),
        cmocka_unit_test(sum_that_is_no_amount_is_not_shown),
        cmocka_unit_test(part_of_a_ledger_has_no_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
