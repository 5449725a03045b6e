#include "app/entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/message.h"
#include "ledger/order.h"

enum { ROOM_FIRST = 16, TYPE_NAME_MAX = 64 };

bool entries_reserve(struct entry_list *list, struct arena *a, size_t more)
{
    size_t room = list->room ? list->room : ROOM_FIRST;

    if (list->count + more <= list->room)
        return true;
    while (room < list->count + more)
        room *= 2;
    struct entry_item *items = arena_array(a, room, sizeof *items);
    if (!items)
        return false;
    if (list->count > 0)
        memcpy(items, list->items, list->count * sizeof *items);
    list->items = items;
    list->room = room;
    return true;
}

bool entries_add(struct entry_list *list, struct arena *a, const struct entry *e,
                 Balances__V1__LedgerEntry *message)
{
    /* A message without one of its texts is none. */
    if (!message || a->full || !entries_reserve(list, a, 1))
        return false;
    list->items[list->count++] = (struct entry_item){*e, message};
    return true;
}

static enum entry_type read_type(struct sql_reader *r)
{
    struct bytes label = read_text(r);
    enum entry_type type = 0;
    char name[TYPE_NAME_MAX];

    snprintf(name, sizeof name, "%.*s", (int)label.len, (const char *)label.data);
    if (entry_type_parse(name, &type) != ERR_OK)
        r->bad = true;
    return type;
}

bool entries_read_stored(struct entry_list *list, struct arena *a, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct sql_reader record;

    if (!entries_reserve(list, a, (size_t)array.count))
        return false;
    while (array_next_record(r, &array, &record)) {
        struct entry e = {0};
        e.balance_id = read_id(&record);
        e.segment_id = read_id(&record);
        e.id = read_id(&record);
        e.type = read_type(&record);
        e.value = read_amount(&record);
        e.at = read_instant(&record);
        Balances__V1__LedgerEntry *m = message_entry(a, &e);
        if (!m)
            return false;
        m->invoice_id = read_message_id(&record, a);
        m->contract_id = read_message_id(&record, a);
        m->new_contract_id = read_message_id(&record, a);
        m->reason = read_message_text(&record, a);
        m->transaction_type_id = read_message_id(&record, a);
        array_record_done(r, &record);
        if (!entries_add(list, a, &e, m))
            return false;
    }
    return true;
}

bool entries_read_draft(struct entry_list *list, struct arena *a, struct sql_reader *record,
                        enum balance_kind kind)
{
    static const enum entry_type types[BALANCE_KINDS] = {
        [BALANCE_PREPAID_COMMIT] = ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION,
        [BALANCE_POSTPAID_COMMIT] = ENTRY_POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION,
        [BALANCE_CREDIT] = ENTRY_CREDIT_AUTOMATED_INVOICE_DEDUCTION,
        [BALANCE_ACCOUNT] = ENTRY_ACCOUNT_BALANCE_DEDUCTION,
    };
    struct entry e = {.type = types[kind], .draft = true};

    e.balance_id = read_id(record);
    e.segment_id = read_id(record);
    e.value = read_amount(record);
    e.at = read_instant(record);
    struct id invoice = read_id(record);
    struct id_text invoice_text = id_format(&invoice);
    e.id = id_derived(&e.segment_id, invoice_text.text);
    Balances__V1__LedgerEntry *m = message_entry(a, &e);
    if (!m)
        return false;
    m->invoice_id = message_id(a, &invoice);
    m->contract_id = read_message_id(record, a);
    return entries_add(list, a, &e, m);
}

static int compare_items(const void *a, const void *b)
{
    return entry_compare(&((const struct entry_item *)a)->entry,
                         &((const struct entry_item *)b)->entry);
}

void entries_sort(struct entry_list *list, bool descending)
{
    if (list->count < 2)
        return;
    qsort(list->items, list->count, sizeof *list->items, compare_items);
    for (size_t i = 0; descending && i < list->count / 2; i++) {
        struct entry_item item = list->items[i];
        list->items[i] = list->items[list->count - 1 - i];
        list->items[list->count - 1 - i] = item;
    }
}
