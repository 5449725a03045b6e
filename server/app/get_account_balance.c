/* GetAccountBalance: one account balance, with its amount (domain.md A13).
 *
 *     read the request --> (app/read.c: look up, query) --> compute: read the row --> answer
 *
 * It is the list of balances with one id, of account balances alone. What is archived has been
 * deleted: it is not found. */
#include "app/app.h"
#include "app/balance_row.h"
#include "app/fields.h"
#include "app/read.h"
#include "app/tokens.h"
#include "balances/v1/account_balances.pb-c.h"
#include "base/limits.h"

typedef Balances__V1__GetAccountBalanceRequest get_request;

static enum err prepare(struct computation *x)
{
    const struct id *balance = x->request;
    struct sql_args *args = &x->query.args;

    x->query.statement = SQL_LIST_BALANCES;
    args_id(args, &x->customer);
    args_instant(args, x->now);
    args_instant(args, place_first.at);
    args_id(args, &place_first.id);
    args_int(args, 1);
    args_id(args, balance);
    args_bool(args, false); /* commits */
    args_bool(args, false); /* credits */
    args_bool(args, true);  /* account balances */
    args_bool(args, true);  /* a contract's, too */
    args_bool(args, false); /* archived ones */
    args_null(args);        /* no dates */
    args_null(args);
    args_null(args);
    args_bool(args, false); /* without zero balances */
    args_bool(args, false); /* with ledgers */
    args_int(args, LEDGER_INLINE_MAX);
    return ERR_OK;
}

/* Leaves the row without a message where there is no such balance. */
static enum err read_row(struct computation *x, const char *customer, struct sql_reader *r,
                         struct balance_row *row, instant *ret_next_change)
{
    read_int(r); /* the version */
    *ret_next_change = read_null(r) ? INSTANT_NEVER : read_instant(r);
    if (read_null(r))
        return reader_ok(r) ? ERR_OK : ERR_INTERNAL;
    enum err err = balance_row_read(row, customer, &x->arena, r);
    if (err == ERR_OK && !row->message.account_balance)
        return ERR_INTERNAL; /* of another kind than was asked for */
    return err == ERR_OK ? balance_row_compute(row, &x->arena, x->now, false) : err;
}

static void compute(struct computation *x, const struct sql_result *result)
{
    struct id_text customer = id_format(&x->customer);
    struct id_text balance = id_format(x->request);
    struct sql_reader r = result_row(result, 0);
    struct balance_row row = {0};
    Balances__V1__GetAccountBalanceResponse answer;
    instant next_change;

    enum err err = read_row(x, customer.text, &r, &row, &next_change);
    if (err == ERR_RANGE) {
        computation_fail(x, err, "the balance has more digits than an amount may have");
    } else if (err == ERR_INTERNAL) {
        computation_fail_rows(x);
    } else if (err != ERR_OK) {
        computation_fail(x, err, NULL);
    } else if (!row.message.account_balance) {
        computation_fail_not_found(x, "balance", balance.text);
    } else {
        balances__v1__get_account_balance_response__init(&answer);
        answer.account_balance = row.message.account_balance;
        answer.consistency_token =
            consistency_token(x->token_key, &x->arena, &x->customer, x->version);
        if (answer.consistency_token)
            computation_answer(x, &answer.base, next_change);
        else
            computation_fail(x, ERR_EXHAUSTED, NULL);
    }
}

enum next get_account_balance(struct call *c)
{
    static const struct read_method method = {"acct", prepare, compute};
    get_request *in = (get_request *)c->request;
    struct id *balance = arena_alloc(&c->arena, sizeof *balance);
    struct id customer;

    if (!balance)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "customer_id", in->customer_id, &customer);
    field_id(c, "id", in->id, balance);
    return read_run(c, &method, balance, &customer, &in->consistency);
}
