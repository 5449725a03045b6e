/* The answers of AccountBalanceService as tables. A method that answers with one thing shows it as
 * a list of one. */
#include <stdio.h>
#include <string.h>

#include <balances/v1/account_balances.pb-c.h>

#include "client/views_priv.h"

static const struct table_column account_columns[] = {
    {.title = "ID", .fit = TABLE_CUT, .rank = 5, .least = 13},
    {.title = "CODE", .fit = TABLE_CUT, .rank = 6, .least = 8},
    {.title = "NAME", .fit = TABLE_CUT, .rank = 1, .least = 12},
    {.title = "AMOUNT", .side = TABLE_RIGHT},
    {.title = "CREDIT TYPE", .fit = TABLE_CUT, .rank = 4, .least = 6},
    {.title = "STARTS", .fit = TABLE_DROP, .rank = 3},
    {.title = "ENDS", .fit = TABLE_DROP, .rank = 7},
    {.title = "ROLLOVER ENDS", .fit = TABLE_DROP, .rank = 2},
    {.title = "VERSION", .side = TABLE_RIGHT},
};

static const struct table_column transaction_columns[] = {
    {.title = "APPLIED"},
    {.title = "AMOUNT", .side = TABLE_RIGHT},
    {.title = "RUNNING", .side = TABLE_RIGHT},
    {.title = "BY", .fit = TABLE_CUT, .rank = 6, .least = 4},
    {.title = "PAID", .side = TABLE_RIGHT},
    {.title = "DESCRIPTION", .fit = TABLE_CUT, .rank = 4, .least = 12},
    {.title = "TYPE ID", .fit = TABLE_DROP, .rank = 3},
    {.title = "ENTITY ID", .fit = TABLE_DROP, .rank = 2},
    {.title = "ID", .fit = TABLE_DROP, .rank = 1},
};

static const struct table_column summary_columns[] = {
    {.title = "WHAT"},
    {.title = "AMOUNT", .side = TABLE_RIGHT},
};

static const struct table_column type_columns[] = {
    {.title = "ID"},
    {.title = "CODE", .fit = TABLE_CUT, .rank = 2, .least = 12},
    {.title = "NAME", .fit = TABLE_CUT, .rank = 1, .least = 12},
    {.title = "STATE"},
    {.title = "VERSION", .side = TABLE_RIGHT},
};

static const struct table_column order_columns[] = {
    {.title = "ORDER"},
    {.title = "OF"},
};

static void add_version(struct table *table, int64_t version)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)version);
    table_add(table, text);
}

/* The messages of the answer's field `name`, however many it has: a list of them, or one or none.
 */
static ProtobufCMessage *const *messages_of(const ProtobufCMessage *answer, const char *list,
                                            const char *one, size_t *ret_count)
{
    const ProtobufCMessageDescriptor *type = answer->descriptor;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(type, list);
    if (field) {
        *ret_count =
            *(const size_t *)(const void *)((const char *)answer + field->quantifier_offset);
        return *(ProtobufCMessage *const *const *)(const void *)((const char *)answer +
                                                                 field->offset);
    }
    field = protobuf_c_message_descriptor_get_field_by_name(type, one);
    ProtobufCMessage *const *member =
        (ProtobufCMessage *const *)(const void *)((const char *)answer + field->offset);
    *ret_count = *member ? 1 : 0;
    return member;
}

static void add_accounts(struct view *view, const ProtobufCMessage *answer)
{
    size_t count;
    ProtobufCMessage *const *items = messages_of(answer, "data", "account_balance", &count);
    for (size_t i = 0; i < count; i++) {
        const Balances__V1__AccountBalance *account =
            (const Balances__V1__AccountBalance *)items[i];
        const Balances__V1__CreditType *type = account->credit_type;
        table_add(view->table, account->id);
        table_add(view->table, account->code);
        table_add(view->table, account->name);
        table_add(view->table, account->amount);
        table_add(view->table, !type ? "" : *type->name ? type->name : type->id);
        view_add_instant(view->table, account->starting_at);
        view_add_instant(view->table, account->ending_before);
        view_add_instant(view->table, account->rollover_ending_before);
        add_version(view->table, account->version);
    }
}

/* "90.1 EUR", or nothing. */
static void add_paid(struct table *table, const Balances__V1__Transaction *transaction)
{
    char text[128];
    snprintf(text, sizeof text, "%s%s%s", transaction->paid, *transaction->paid ? " " : "",
             transaction->currency_paid);
    table_add(table, text);
}

static const char *entity_name(Balances__V1__TransactionEntityType number)
{
    static const char prefix[] = "TRANSACTION_ENTITY_TYPE_";
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
        &balances__v1__transaction_entity_type__descriptor, (int)number);
    return !value ? "?" : number == 0 ? "" : value->name + strlen(prefix);
}

static void add_transactions(struct view *view, const ProtobufCMessage *answer)
{
    size_t count;
    ProtobufCMessage *const *items = messages_of(answer, "data", "transaction", &count);
    for (size_t i = 0; i < count; i++) {
        const Balances__V1__Transaction *transaction = (const Balances__V1__Transaction *)items[i];
        view_add_instant(view->table, transaction->applied_date);
        table_add(view->table, transaction->amount);
        table_add(view->table, transaction->running_amount);
        table_add(view->table, entity_name(transaction->entity_type));
        add_paid(view->table, transaction);
        table_add(view->table, transaction->description);
        table_add(view->table, transaction->transaction_type_id);
        table_add(view->table, transaction->entity_id);
        table_add(view->table, transaction->id);
    }
}

static void add_summary(struct view *view, const ProtobufCMessage *message)
{
    const Balances__V1__GetTransactionSummaryResponse *answer =
        (const Balances__V1__GetTransactionSummaryResponse *)message;
    const struct {
        const char *what, *value;
    } rows[] = {
        {"credited", answer->total_credit_amount},
        {"of it at first", answer->initial_credit_amount},
        {"debited", answer->total_debit_amount},
        {"of it consumed", answer->balance_consumed},
        {"of it consumed after rollover", answer->rollover_consumed},
        {"expired", answer->expired_balance_amount},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        table_add(view->table, rows[i].what);
        table_add(view->table, rows[i].value);
    }
}

static void add_types(struct view *view, const ProtobufCMessage *answer)
{
    size_t count;
    ProtobufCMessage *const *items = messages_of(answer, "data", "transaction_type", &count);
    for (size_t i = 0; i < count; i++) {
        const Balances__V1__TransactionType *type = (const Balances__V1__TransactionType *)items[i];
        table_add(view->table, type->id);
        table_add(view->table, type->code);
        table_add(view->table, type->name);
        table_add(view->table, type->archived ? "archived" : "in use");
        add_version(view->table, type->version);
    }
}

static void add_order(struct view *view, const ProtobufCMessage *message)
{
    const Balances__V1__GetCreditApplicationOrderResponse *answer =
        (const Balances__V1__GetCreditApplicationOrderResponse *)message;
    static const char *const names[] = {"?", "prepayments", "account balances"};
    char text[128] = "";
    size_t len = 0;
    for (size_t i = 0; i < answer->n_order && len < sizeof text; i++) {
        const size_t number = (size_t)answer->order[i];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i > 0 ? ", then " : "",
                                number < COUNT(names) ? names[number] : "?");
    }
    table_add(view->table, text);
    table_add(view->table, answer->inherited ? "the organization" : "its own");
}

const struct view_kind view_accounts = {account_columns, COUNT(account_columns), "account balances",
                                        add_accounts};
const struct view_kind view_transactions = {transaction_columns, COUNT(transaction_columns),
                                            "transactions", add_transactions};
const struct view_kind view_summary = {summary_columns, COUNT(summary_columns), NULL, add_summary};
const struct view_kind view_types = {type_columns, COUNT(type_columns), "transaction types",
                                     add_types};
const struct view_kind view_order = {order_columns, COUNT(order_columns), NULL, add_order};
