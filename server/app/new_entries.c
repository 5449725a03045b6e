#include "app/new_entries.h"

#include <assert.h>

#include "app/message.h"
#include "ledger/order.h"

enum err new_entries_open(struct new_entries *n, struct arena *a, size_t room)
{
    *n = (struct new_entries){.room = room};
    n->balances = arena_array(a, room, sizeof *n->balances);
    n->segments = arena_array(a, room, sizeof *n->segments);
    n->types = arena_array(a, room, sizeof *n->types);
    n->amounts = arena_array(a, room, sizeof *n->amounts);
    n->timestamps = arena_array(a, room, sizeof *n->timestamps);
    n->contracts = arena_array(a, room, sizeof *n->contracts);
    return a->full ? ERR_EXHAUSTED : ERR_OK;
}

enum err new_entries_add(struct new_entries *n, struct arena *a, const struct entry *e,
                         const char *contract)
{
    const char *value = message_amount(a, e->value);

    if (!value)
        return ERR_EXHAUSTED;
    assert(n->count < n->room);
    n->balances[n->count] = e->balance_id;
    n->segments[n->count] = e->segment_id;
    n->types[n->count] = entry_type_name(e->type);
    n->amounts[n->count] = value;
    n->timestamps[n->count] = e->at;
    n->contracts[n->count++] = contract;
    return ERR_OK;
}

enum err new_entries_step(const struct new_entries *n, struct write *w, const struct id *invoice,
                          const struct id *new_contract)
{
    struct arena *a = &w->call->arena;

    if (n->count == 0)
        return ERR_OK;
    struct sql_args *args = write_step(w, SQL_ADD_ENTRIES);
    args_id(args, &w->customer);
    write_optional_id(args, invoice != NULL, invoice);
    write_optional_id(args, new_contract != NULL, new_contract);
    enum err err = args_ids(args, a, n->balances, n->count);
    if (err == ERR_OK)
        err = args_ids(args, a, n->segments, n->count);
    if (err == ERR_OK)
        err = args_texts(args, a, n->types, n->count);
    if (err == ERR_OK)
        err = args_texts(args, a, n->amounts, n->count);
    if (err == ERR_OK)
        err = args_instants(args, a, n->timestamps, n->count);
    if (err == ERR_OK)
        err = args_texts(args, a, n->contracts, n->count);
    return err;
}
