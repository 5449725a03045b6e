/* What the three kinds of balance have in common, and so what is shown of any of them. */
#pragma once

#include <stddef.h>

#include <balances/v1/balances.pb-c.h>

/* Borrowed from the answer. */
struct balance_row {
    const char *id;
    const char *type;
    const char *name;
    const char *amount;
    const char *balance;
    const Balances__V1__CreditType *credit_type; /* NULL where the server named none */
    const Google__Protobuf__Timestamp *starts;
    const Google__Protobuf__Timestamp *ends;
    const char *scope;
    Balances__V1__LedgerEntry *const *ledger;
    size_t ledger_count;
};

/* What people call its credit type. */
static inline const char *balance_row_credit_type(const struct balance_row *row)
{
    const Balances__V1__CreditType *type = row->credit_type;
    return !type ? "" : *type->name ? type->name : type->id;
}
