/* A page of balances: what a list asks the database for, and the rows that come back.
 *
 * A page ends where its limit, the size of an answer or the number of ledger entries says. What the
 * database preselected and the domain then refuses makes a page shorter, never a list: the next
 * page starts after the last row that was looked at. */
#pragma once

#include "app/balance_row.h"
#include "app/read.h"
#include "base/limits.h"
#include "ledger/filter.h"

/* What is asked for; the request of the computation. */
struct list_query {
    struct list_filter filter;
    bool has_contract; /* which the database alone looks at */
    struct id contract;
    bool with_ledgers, with_balance;
    int limit;
    struct bytes binding; /* of page tokens */
    struct place after;
};

struct list_page {
    struct balance_message items[ACCOUNT_BALANCES_PAGE_MAX];
    int count;
    char *token, *next_page; /* of the answer */
    instant next_change;     /* of anything of the customer's */
};

/* Fills in the query of the computation. */
MUST_CHECK enum err list_page_ask(struct computation *x);
/* Reads what came back. False: the computation has failed. */
bool list_page_read(struct computation *x, const struct sql_result *result, struct list_page *ret);
