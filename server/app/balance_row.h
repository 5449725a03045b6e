/* One row of list_balances.sql, or of account_balance_state.sql: the balance as the domain sees it,
 * and as an answer shows it. */
#pragma once

#include "app/entries.h"
#include "app/tokens.h"
#include "balances/v1/balances.pb-c.h"
#include "ledger/model.h"
#include "sql/cell.h"

struct balance_row {
    struct balance balance;
    struct place place; /* in the order of the list */
    instant updated_at;
    struct balance_message {
        Balances__V1__Commit *commit; /* one of the three */
        Balances__V1__Credit *credit;
        Balances__V1__AccountBalance *account_balance;
    } message;
    bool with_ledger;         /* its ledger was read */
    struct entry_list ledger; /* stored entries and drafts, in no order */
};

/* Reads the row of a customer, of which the version is read already. ERR_EXHAUSTED when the arena
 * is full, ERR_INTERNAL when the row is not what list_balances.sql makes. */
MUST_CHECK enum err balance_row_read(struct balance_row *row, const char *customer, struct arena *a,
                                     struct sql_reader *r);
/* Fills in what is computed: the balance usable now, the sum of an account balance. ERR_RANGE where
 * a sum has more digits than an amount may have. */
MUST_CHECK enum err balance_row_compute(struct balance_row *row, struct arena *a, instant now,
                                        bool with_balance);
/* Adds the derived entries and fills in the ledger. Errors as above. */
MUST_CHECK enum err balance_row_fill_ledger(struct balance_row *row, struct arena *a, instant now);
