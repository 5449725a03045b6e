/* ListTransactions and GetTransactionSummary: what moved the amount of an account balance, page by
 * page, and what it comes to (domain.md A13, B17).
 *
 *     read the request --> (app/read.c: look up, query) --> compute: rows to messages --> answer
 *
 * The order is that in which entries came to count, by the number that each has within its balance:
 * what is added later comes last, so no page ever shifts. A page costs its rows and those that its
 * filters leave out; a summary adds up the balance's transactions and takes the rest from the
 * totals of the segments. Both are cached until the ledger changes. */
#include "app/app.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/read.h"
#include "app/rows.h"
#include "app/tokens.h"
#include "balances/v1/account_balances.pb-c.h"
#include "base/limits.h"
#include "ledger/schedule.h"
#include "ledger/transaction.h"

typedef Balances__V1__ListTransactionsRequest list_request;
typedef Balances__V1__GetTransactionSummaryRequest summary_request;

enum {
    ITEM_FRAME_BYTES = 8,       /* tag and length around a transaction */
    ANSWER_MARGIN_BYTES = 1024, /* of an answer, for its tokens */
};

static const char entity_prefix[] = "TRANSACTION_ENTITY_TYPE_";

/* ---- ListTransactions ---- */

struct transactions_query {
    struct id balance, type;
    const char *balance_text;
    bool has_type;
    const char *entity_type; /* the database's label; NULL: any */
    const char *entity_id;
    int limit;
    struct bytes binding;
    struct place after; /* its instant is the number within the balance */
};

static void fail(struct computation *x, enum err err)
{
    if (err == ERR_INTERNAL)
        computation_fail_rows(x);
    else if (err == ERR_RANGE)
        computation_fail(x, err, "a sum has more digits than an amount may have");
    else
        computation_fail(x, err, NULL);
}

static enum err prepare_list(struct computation *x)
{
    const struct transactions_query *q = x->request;
    struct sql_args *args = &x->query.args;

    x->query.statement = SQL_LIST_TRANSACTIONS;
    args_id(args, &x->customer);
    args_id(args, &q->balance);
    if (q->has_type)
        args_id(args, &q->type);
    else
        args_null(args);
    if (q->entity_type)
        args_text(args, bytes_text(q->entity_type));
    else
        args_null(args);
    if (*q->entity_id)
        args_text(args, bytes_text(q->entity_id));
    else
        args_null(args);
    args_int(args, q->after.at);
    args_int(args, q->limit + 1);
    return ERR_OK;
}

static Balances__V1__Transaction *read_transaction(struct sql_reader *r, struct arena *a)
{
    Balances__V1__Transaction *m = arena_raw(a, sizeof *m);

    if (!m)
        return NULL;
    balances__v1__transaction__init(m);
    m->id = read_message_id(r, a);
    m->balance_id = read_message_id(r, a);
    m->amount = read_message_amount(r, a);
    m->description = read_message_text(r, a);
    m->applied_date = read_message_instant(r, a);
    m->transaction_date = read_message_instant(r, a);
    m->transaction_type_id = read_message_id(r, a);
    m->paid = read_message_amount(r, a);
    m->currency_paid = read_message_text(r, a);
    m->entity_type = (Balances__V1__TransactionEntityType)read_message_enum(
        r, &balances__v1__transaction_entity_type__descriptor, entity_prefix);
    m->entity_id = read_message_text(r, a);
    m->created_at = read_message_instant(r, a);
    m->running_amount = read_message_amount(r, a);
    return a->full ? NULL : m;
}

/* Reads as many rows as the page may have; what is left over makes a next page. */
static enum err read_page(struct computation *x, struct sql_reader *r,
                          Balances__V1__ListTransactionsResponse *answer)
{
    const struct transactions_query *q = x->request;
    struct sql_array array = read_array(r);
    struct sql_reader record;
    struct place last = {0};
    size_t bytes = 0;

    const int rows = array.count;
    answer->data = arena_array(&x->arena, (size_t)rows, sizeof *answer->data);
    while (answer->data && (int)answer->n_data < q->limit &&
           array_next_record(r, &array, &record)) {
        int64_t seq = read_int(&record);
        Balances__V1__Transaction *m = read_transaction(&record, &x->arena);
        array_record_done(r, &record);
        if (!reader_ok(r))
            return ERR_INTERNAL;
        if (!m)
            return ERR_EXHAUSTED;
        bytes += balances__v1__transaction__get_packed_size(m) + ITEM_FRAME_BYTES;
        if (answer->n_data > 0 && bytes > ANSWER_BYTES_MAX - ANSWER_MARGIN_BYTES)
            break;
        last.at = seq;
        answer->data[answer->n_data++] = m;
    }
    if ((int)answer->n_data < rows)
        answer->next_page = page_token(x->token_key, &x->arena, q->binding, &last);
    if (!answer->data || !answer->next_page)
        return ERR_EXHAUSTED;
    return reader_ok(r) ? ERR_OK : ERR_INTERNAL;
}

static void compute_list(struct computation *x, const struct sql_result *result)
{
    const struct transactions_query *q = x->request;
    struct sql_reader r = result_row(result, 0);
    Balances__V1__ListTransactionsResponse answer;

    read_int(&r); /* the version */
    if (!read_bool(&r)) {
        if (reader_ok(&r))
            computation_fail_not_found(x, "balance", q->balance_text);
        else
            computation_fail_rows(x);
        return;
    }
    balances__v1__list_transactions_response__init(&answer);
    answer.consistency_token = consistency_token(x->token_key, &x->arena, &x->customer, x->version);
    enum err err = answer.consistency_token ? read_page(x, &r, &answer) : ERR_EXHAUSTED;
    if (err != ERR_OK)
        fail(x, err);
    else
        computation_answer(x, &answer.base, INSTANT_NEVER);
}

static void read_entity_type(struct call *c, int number, const char **ret)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
        &balances__v1__transaction_entity_type__descriptor, number);

    if (!value)
        field_wrong(c, "entity_type", "is not a type of entity: %d", number);
    else if (number != 0)
        *ret = value->name + strlen(entity_prefix);
}

enum next list_transactions(struct call *c)
{
    static const struct read_method method = {"trns", prepare_list, compute_list};
    list_request *in = (list_request *)c->request;
    struct transactions_query *q = arena_alloc(&c->arena, sizeof *q);
    struct id customer;

    if (!q)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "customer_id", in->customer_id, &customer);
    field_id(c, "balance_id", in->balance_id, &q->balance);
    q->has_type = field_optional_id(c, "transaction_type_id", in->transaction_type_id, &q->type);
    read_entity_type(c, (int)in->entity_type, &q->entity_type);
    field_text(c, "entity_id", in->entity_id, NAME_CHARACTERS_MAX);
    q->limit = field_limit(c, "limit", in->limit, TRANSACTIONS_PAGE_MAX, TRANSACTIONS_PAGE_MAX);
    q->balance_text = in->balance_id;
    q->entity_id = in->entity_id;
    q->binding = page_binding(c, &in->next_page, &in->consistency);
    if (!q->binding.data)
        return call_fail_with(c, ERR_EXHAUSTED);
    if (*in->next_page) {
        enum err err = page_read(c, q->binding, in->next_page, &q->after);
        if (err != ERR_OK)
            return call_fail_with(c, err);
    }
    return read_run(c, &method, q, &customer, &in->consistency);
}

/* ---- GetTransactionSummary ---- */

struct summary_query {
    struct id balance;
    const char *balance_text;
};

static enum err prepare_summary(struct computation *x)
{
    const struct summary_query *q = x->request;

    x->query.statement = SQL_TRANSACTION_SUMMARY;
    args_id(&x->query.args, &x->customer);
    args_id(&x->query.args, &q->balance);
    return ERR_OK;
}

static enum err summarize(struct computation *x, struct sql_reader *r, instant *ret_change,
                          Balances__V1__GetTransactionSummaryResponse *answer)
{
    struct transaction_summary sum;
    struct arena *a = &x->arena;
    struct balance b = {0};

    enum err err = read_account(r, a, &b);
    if (err != ERR_OK)
        return err;
    if (read_null(r))
        return ERR_RANGE;
    amount put_in = read_amount(r), initial = read_amount(r);
    if (!reader_ok(r))
        return ERR_INTERNAL;
    err = transaction_summarize(&b, x->now, put_in, &sum);
    if (err != ERR_OK)
        return err;
    answer->total_credit_amount = message_amount(a, sum.credited);
    answer->total_debit_amount = message_amount(a, sum.debited);
    answer->initial_credit_amount = message_amount(a, b.archived ? 0 : initial);
    answer->expired_balance_amount = message_amount(a, sum.expired);
    answer->rollover_consumed = message_amount(a, sum.rollover_consumed);
    answer->balance_consumed = message_amount(a, sum.consumed);
    answer->consistency_token = consistency_token(x->token_key, a, &x->customer, x->version);
    *ret_change = schedule_next_change(b.segments, b.segment_count, x->now);
    return a->full ? ERR_EXHAUSTED : ERR_OK;
}

static void compute_summary(struct computation *x, const struct sql_result *result)
{
    const struct summary_query *q = x->request;
    struct sql_reader r = result_row(result, 0);
    Balances__V1__GetTransactionSummaryResponse answer;
    instant change;

    read_int(&r); /* the version */
    if (read_null(&r)) {
        computation_fail_not_found(x, "balance", q->balance_text);
        return;
    }
    balances__v1__get_transaction_summary_response__init(&answer);
    enum err err = summarize(x, &r, &change, &answer);
    if (err != ERR_OK)
        fail(x, err);
    else
        computation_answer(x, &answer.base, change);
}

enum next get_transaction_summary(struct call *c)
{
    static const struct read_method method = {"trsm", prepare_summary, compute_summary};
    summary_request *in = (summary_request *)c->request;
    struct summary_query *q = arena_alloc(&c->arena, sizeof *q);
    struct id customer;

    if (!q)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "customer_id", in->customer_id, &customer);
    field_id(c, "balance_id", in->balance_id, &q->balance);
    q->balance_text = in->balance_id;
    return read_run(c, &method, q, &customer, &in->consistency);
}
