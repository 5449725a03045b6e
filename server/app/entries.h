/* Ledgers as answers show them: stored entries, drafts and derived entries, gathered, put in order,
 * and turned into messages. */
#pragma once

#include "balances/v1/balances.pb-c.h"
#include "base/arena.h"
#include "ledger/model.h"
#include "sql/cell.h"

/* An entry with its message. */
struct entry_item {
    struct entry entry;
    Balances__V1__LedgerEntry *message;
};

/* Grows in an arena; an array that became too small is left behind. */
struct entry_list {
    struct entry_item *items;
    size_t count, room;
};

/* False when the arena is full. */
bool entries_add(struct entry_list *list, struct arena *a, const struct entry *e,
                 Balances__V1__LedgerEntry *message);
/* Makes room for some more at once. */
bool entries_reserve(struct entry_list *list, struct arena *a, size_t more);

/* Reads an array of records: balance, segment, id, type, amount, timestamp, invoice, contract, new
 * contract, reason, transaction type. False when the arena is full. */
bool entries_read_stored(struct entry_list *list, struct arena *a, struct sql_reader *r);
/* Reads from a record, of which the kind of the balance is known: balance, segment, amount,
 * timestamp, invoice, contract. A draft's deduction keeps its id while it changes. */
bool entries_read_draft(struct entry_list *list, struct arena *a, struct sql_reader *record,
                        enum balance_kind kind);

/* In the order of the ledger, or against it. */
void entries_sort(struct entry_list *list, bool descending);
