/* The answers as tables.
 *
 * Balances of all three kinds share one row shape, filled in by kind. Ledgers that come with
 * balances go to a second table, which waits for the last page, so that neither interrupts the
 * other. Amounts are never cut and never pass through binary floating point.
 *
 * A view that draws gives the same rows to burn_down.c instead. */
#include "client/views.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <balances/v1/balances.pb-c.h>
#include <balances/v1/ledger.pb-c.h>

#include "client/balance_row.h"
#include "client/burn_down.h"
#include "client/memory.h"
#include "client/rfc3339.h"
#include "client/table.h"
#include "client/views_priv.h"
#include "ledger/amount.h"

enum {
    COLUMN_BALANCE = 4, /* of balance_columns */
    COLUMN_SUM = 2,     /* of ledger_columns */
};

static const struct table_column balance_columns[] = {
    {.title = "ID", .fit = TABLE_CUT, .rank = 6, .least = 13},
    {.title = "TYPE"},
    {.title = "NAME", .fit = TABLE_CUT, .rank = 1, .least = 12},
    {.title = "AMOUNT", .side = TABLE_RIGHT},
    {.title = "BALANCE", .side = TABLE_RIGHT},
    {.title = "CREDIT TYPE", .fit = TABLE_CUT, .rank = 4, .least = 6},
    {.title = "STARTS", .fit = TABLE_DROP, .rank = 3},
    {.title = "ENDS", .fit = TABLE_DROP, .rank = 5},
    {.title = "SCOPE", .fit = TABLE_DROP, .rank = 2},
};

static const struct table_column net_columns[] = {
    {.title = "BALANCE", .side = TABLE_RIGHT},
    {.title = "CREDIT TYPE", .fit = TABLE_CUT, .rank = 1, .least = 13},
};

static const struct table_column ledger_columns[] = {
    {.title = "TIME"},
    {.title = "AMOUNT", .side = TABLE_RIGHT},
    {.title = "SUM", .side = TABLE_RIGHT},
    {.title = "STATE"},
    {.title = "TYPE", .fit = TABLE_CUT, .rank = 6, .least = 24},
    {.title = "BALANCE ID", .fit = TABLE_CUT, .rank = 5, .least = 9},
    {.title = "REASON", .fit = TABLE_DROP, .rank = 4},
    {.title = "SEGMENT ID", .fit = TABLE_DROP, .rank = 3},
    {.title = "INVOICE ID", .fit = TABLE_DROP, .rank = 2},
    {.title = "ID", .fit = TABLE_DROP, .rank = 1},
};

static const struct table_column draw_columns[] = {
    {.title = "CHARGE", .side = TABLE_RIGHT},
    {.title = "BALANCE ID", .fit = TABLE_CUT, .rank = 2, .least = 13},
    {.title = "SEGMENT ID", .fit = TABLE_DROP, .rank = 1},
    {.title = "AMOUNT", .side = TABLE_RIGHT},
    {.title = "REMAINING", .side = TABLE_RIGHT},
};

/* The order of written_fields. */
static const struct table_column written_columns[] = {
    {.title = "ID"},
    {.title = "AMOUNT", .side = TABLE_RIGHT},
    {.title = "CONSISTENCY TOKEN"},
};

bool view_draws(const struct view_kind *kind)
{
    return kind->column_count == 0;
}

static bool asks_for_balances(const ProtobufCMessage *request)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "include_balance");
    return field && *(const protobuf_c_boolean *)((const char *)request + field->offset);
}

/* Only the whole ledger of one balance, from its beginning, adds up to what was left at each
 * moment. Where it ends does not matter. */
static bool asks_for_sums(const ProtobufCMessage *request)
{
    const Balances__V1__ListLedgerEntriesRequest *ledger =
        (const Balances__V1__ListLedgerEntriesRequest *)request;
    return *ledger->balance_id && ledger->n_types == 0 && !ledger->starting_at &&
           !ledger->descending && !*ledger->next_page;
}

struct view *view_create(const struct view_kind *kind, const ProtobufCMessage *request,
                         const struct terminal *terminal)
{
    struct view *view = memory_get(sizeof *view);
    view->kind = kind;
    view->terminal = *terminal;
    if (view_draws(kind)) {
        view->burn_down = burn_down_create();
        return view;
    }
    view->table = table_create(kind->columns, kind->column_count, terminal->width);
    view->ledgers = table_create(ledger_columns, COUNT(ledger_columns), terminal->width);
    if (kind->columns == balance_columns && !asks_for_balances(request))
        table_hide(view->table, COLUMN_BALANCE);
    view->with_sums = kind->columns == ledger_columns && asks_for_sums(request);
    if (kind->columns == ledger_columns && !view->with_sums)
        table_hide(view->table, COLUMN_SUM);
    return view;
}

void view_free(struct view *view)
{
    if (!view)
        return;
    table_free(view->table);
    table_free(view->ledgers);
    burn_down_free(view->burn_down);
    free(view->token);
    free(view);
}

void view_page(struct view *view, const ProtobufCMessage *answer, FILE *out)
{
    view->kind->add(view, answer);
    if (view->table && table_rows(view->table) > 0)
        table_print(view->table, out);
}

void view_end(struct view *view, FILE *out)
{
    if (view->burn_down)
        burn_down_print(view->burn_down, out, &view->terminal);
    if (!view->ledgers || table_rows(view->ledgers) == 0)
        return;
    putc('\n', out);
    table_print(view->ledgers, out);
}

const char *view_missing(const struct view *view)
{
    size_t found = view->table ? table_rows(view->table) : burn_down_balances(view->burn_down);
    return found == 0 ? view->kind->rows : NULL;
}

const char *view_caveat(const struct view *view)
{
    return view->with_sums && view->sum.is_lost
               ? "The ledger changed while it was listed: ask again for sums to its end."
               : NULL;
}

void view_add_instant(struct table *table, const Google__Protobuf__Timestamp *at)
{
    if (!at || !rfc3339_in_range(at->seconds, at->nanos)) {
        table_add(table, "");
        return;
    }
    table_add(table, rfc3339_format_brief(at->seconds, at->nanos).text);
}

/* The sum with this entry, "?" where there is none. */
static struct amount_text next_sum(struct running_sum *sum, const Balances__V1__LedgerEntry *entry)
{
    amount value = 0;
    sum->is_lost = sum->is_lost || amount_parse(bytes_text(entry->amount), &value) != ERR_OK;
    amount_sum_add(&sum->total, value);
    if (sum->is_lost || amount_sum_value(&sum->total, &value) != ERR_OK)
        return (struct amount_text){"?"};
    return amount_format(value);
}

static void add_ledger_entry(struct table *table, const Balances__V1__LedgerEntry *entry,
                             const char *sum)
{
    static const char prefix[] = "LEDGER_ENTRY_TYPE_";
    const ProtobufCEnumValue *type = protobuf_c_enum_descriptor_get_value(
        &balances__v1__ledger_entry_type__descriptor, (int)entry->type);
    const char *type_name = type ? type->name : "?";
    if (strncmp(type_name, prefix, strlen(prefix)) == 0)
        type_name += strlen(prefix);

    view_add_instant(table, entry->timestamp);
    table_add(table, entry->amount);
    table_add(table, sum);
    table_add(table, entry->draft ? "draft" : "final");
    table_add(table, type_name);
    table_add(table, entry->balance_id);
    table_add(table, entry->reason);
    table_add(table, entry->segment_id);
    table_add(table, entry->invoice_id);
    table_add(table, entry->id);
}

static void add_balance(struct view *view, const struct balance_row *row)
{
    struct table *table = view->table;
    if (view->burn_down) {
        burn_down_add(view->burn_down, row);
        return;
    }
    table_add(table, row->id);
    table_add(table, row->type);
    table_add(table, row->name);
    table_add(table, row->amount);
    table_add(table, row->balance);
    table_add(table, balance_row_credit_type(row));
    view_add_instant(table, row->starts);
    view_add_instant(table, row->ends);
    table_add(table, row->scope);
    struct running_sum sum = {0};
    for (size_t i = 0; i < row->ledger_count; i++)
        add_ledger_entry(view->ledgers, row->ledger[i], next_sum(&sum, row->ledger[i]).text);
}

static bool is_before(const Google__Protobuf__Timestamp *a, const Google__Protobuf__Timestamp *b)
{
    return a->seconds != b->seconds ? a->seconds < b->seconds : a->nanos < b->nanos;
}

/* From the first start to the last end: what lies between may have gaps. */
static void take_schedule(struct balance_row *row, const Balances__V1__AccessSchedule *schedule)
{
    if (!schedule)
        return;
    row->credit_type = schedule->credit_type;
    for (size_t i = 0; i < schedule->n_schedule_items; i++) {
        const Balances__V1__AccessSegment *segment = schedule->schedule_items[i];
        if (segment->starting_at && (!row->starts || is_before(segment->starting_at, row->starts)))
            row->starts = segment->starting_at;
        if (segment->ending_before && (!row->ends || is_before(row->ends, segment->ending_before)))
            row->ends = segment->ending_before;
    }
}

static const char *scope_name(bool contract_level, bool archived)
{
    return archived ? "archived" : contract_level ? "contract" : "customer";
}

static void add_commit(struct view *view, const Balances__V1__Commit *commit)
{
    struct balance_row row = {
        .id = commit->id,
        .type = commit->type == BALANCES__V1__COMMIT_TYPE__COMMIT_TYPE_POSTPAID ? "postpaid"
                                                                                : "prepaid",
        .name = commit->name,
        .amount = commit->amount,
        .balance = commit->balance,
        .scope = scope_name(commit->contract, commit->archived_at),
        .ledger = commit->ledger,
        .ledger_count = commit->n_ledger,
    };
    take_schedule(&row, commit->access_schedule);
    add_balance(view, &row);
}

/* The total of a schedule, "?" where it is no amount. */
static struct amount_text schedule_total(const Balances__V1__AccessSchedule *schedule)
{
    amount total = 0;
    for (size_t i = 0; schedule && i < schedule->n_schedule_items; i++) {
        amount item;
        if (amount_parse(bytes_text(schedule->schedule_items[i]->amount), &item) != ERR_OK ||
            amount_add(total, item, &total) != ERR_OK)
            return (struct amount_text){"?"};
    }
    return amount_format(total);
}

static void add_credit(struct view *view, const Balances__V1__Credit *credit)
{
    struct amount_text total = schedule_total(credit->access_schedule);
    struct balance_row row = {
        .id = credit->id,
        .type = "credit",
        .name = credit->name,
        .amount = total.text,
        .balance = credit->balance,
        .scope = scope_name(credit->contract, credit->archived_at),
        .ledger = credit->ledger,
        .ledger_count = credit->n_ledger,
    };
    take_schedule(&row, credit->access_schedule);
    add_balance(view, &row);
}

static void add_account_balance(struct view *view, const Balances__V1__AccountBalance *account)
{
    const struct balance_row row = {
        .id = account->id,
        .type = "account",
        .name = account->name,
        .amount = account->amount,
        .balance = account->balance,
        .credit_type = account->credit_type,
        .starts = account->starting_at,
        .ends = account->rollover_ending_before ? account->rollover_ending_before
                                                : account->ending_before,
        .scope = scope_name(*account->contract_id, false),
        .ledger = account->ledger,
        .ledger_count = account->n_ledger,
    };
    add_balance(view, &row);
}

static void add_balances(struct view *view, const ProtobufCMessage *message)
{
    static const struct balance_row unknown = {
        .id = "", .type = "?", .name = "", .amount = "", .balance = "", .scope = ""};
    const Balances__V1__ListBalancesResponse *answer =
        (const Balances__V1__ListBalancesResponse *)message;
    for (size_t i = 0; i < answer->n_data; i++) {
        const Balances__V1__Balance *balance = answer->data[i];
        switch (balance->kind_case) {
        case BALANCES__V1__BALANCE__KIND_COMMIT:
            add_commit(view, balance->commit);
            break;
        case BALANCES__V1__BALANCE__KIND_CREDIT:
            add_credit(view, balance->credit);
            break;
        case BALANCES__V1__BALANCE__KIND_ACCOUNT_BALANCE:
            add_account_balance(view, balance->account_balance);
            break;
        default: /* a kind that a newer server knows */
            add_balance(view, &unknown);
        }
    }
}

static void add_credits(struct view *view, const ProtobufCMessage *message)
{
    const Balances__V1__ListCreditsResponse *answer =
        (const Balances__V1__ListCreditsResponse *)message;
    for (size_t i = 0; i < answer->n_data; i++)
        add_credit(view, answer->data[i]);
}

static void add_commits(struct view *view, const ProtobufCMessage *message)
{
    const Balances__V1__ListCommitsResponse *answer =
        (const Balances__V1__ListCommitsResponse *)message;
    for (size_t i = 0; i < answer->n_data; i++)
        add_commit(view, answer->data[i]);
}

static void add_net(struct view *view, const ProtobufCMessage *message)
{
    const Balances__V1__GetNetBalanceResponse *answer =
        (const Balances__V1__GetNetBalanceResponse *)message;
    table_add(view->table, answer->balance);
    table_add(view->table, answer->credit_type_id);
}

/* Each page shows the newest state, which its token names, and two states make no sum. */
static void expect_same_state(struct view *view, const char *token)
{
    if (!view->token)
        view->token = memory_text(token);
    view->sum.is_lost = view->sum.is_lost || strcmp(view->token, token) != 0;
}

static void add_ledger(struct view *view, const ProtobufCMessage *message)
{
    const Balances__V1__ListLedgerEntriesResponse *answer =
        (const Balances__V1__ListLedgerEntriesResponse *)message;
    expect_same_state(view, answer->consistency_token);
    for (size_t i = 0; i < answer->n_data; i++)
        add_ledger_entry(view->table, answer->data[i], next_sum(&view->sum, answer->data[i]).text);
}

/* `charge` counts from 1, as people do. */
static void add_draw_row(struct table *table, size_t charge, const char *balance,
                         const char *segment, const char *value, const char *remaining)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", charge);
    table_add(table, number);
    table_add(table, balance);
    table_add(table, segment);
    table_add(table, value);
    table_add(table, remaining);
}

/* What no balance covers stands where a balance would, if it is not zero. */
static void add_draw_rest(struct table *table, size_t charge, const char *what, const char *left)
{
    if (*left && strcmp(left, "0") != 0)
        add_draw_row(table, charge, what, "", left, "");
}

static void add_draw(struct view *view, const ProtobufCMessage *message)
{
    const Balances__V1__DrawDownResponse *answer = (const Balances__V1__DrawDownResponse *)message;
    for (size_t i = 0; i < answer->n_results; i++) {
        const Balances__V1__ChargeResult *result = answer->results[i];
        for (size_t j = 0; j < result->n_allocations; j++) {
            const Balances__V1__Allocation *a = result->allocations[j];
            add_draw_row(view->table, i + 1, a->balance_id, a->segment_id, a->amount, a->remaining);
        }
        add_draw_rest(view->table, i + 1, "uncovered", result->uncovered);
        add_draw_rest(view->table, i + 1, "overage", result->overage);
    }
}

/* A column is there if the answer's type has its field; some answers say nothing but that it is
 * done. */
static void add_written(struct view *view, const ProtobufCMessage *answer)
{
    if (answer->descriptor->n_fields == 0)
        return;
    static const char *const written_fields[COUNT(written_columns)][2] = {
        {"id", "entry_id"}, {"amount"}, {"consistency_token"}};
    for (size_t i = 0; i < COUNT(written_columns); i++) {
        const ProtobufCFieldDescriptor *field = NULL;
        for (size_t j = 0; !field && j < COUNT(written_fields[i]) && written_fields[i][j]; j++)
            field = protobuf_c_message_descriptor_get_field_by_name(answer->descriptor,
                                                                    written_fields[i][j]);
        if (!field)
            table_hide(view->table, i);
        table_add(view->table, field ? *(char *const *)((const char *)answer + field->offset) : "");
    }
}

const struct view_kind view_balances = {balance_columns, COUNT(balance_columns), "balances",
                                        add_balances};
const struct view_kind view_credits = {balance_columns, COUNT(balance_columns), "credits",
                                       add_credits};
const struct view_kind view_commits = {balance_columns, COUNT(balance_columns), "commits",
                                       add_commits};
const struct view_kind view_burn_down = {.rows = "balances", .add = add_balances};
const struct view_kind view_net = {net_columns, COUNT(net_columns), "net balance", add_net};
const struct view_kind view_ledger = {ledger_columns, COUNT(ledger_columns), "ledger entries",
                                      add_ledger};
const struct view_kind view_draw = {draw_columns, COUNT(draw_columns), "allocations", add_draw};
const struct view_kind view_written = {written_columns, COUNT(written_columns), NULL, add_written};
