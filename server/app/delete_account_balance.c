/* DeleteAccountBalance: archives an account balance on which no invoice stands (domain.md A13). Its
 * transactions stay in the database, and its code is free again.
 *
 *     read the request --> state: the balance --> decide --> archive --> reply with it, as it was
 */
#include "app/balance_row.h"
#include "app/balance_state.h"
#include "app/fields.h"
#include "app/rows.h"
#include "balances/v1/account_balances.pb-c.h"
#include "ledger/archiving.h"

typedef Balances__V1__DeleteAccountBalanceRequest delete_request;

struct delete_account {
    struct write write;
    struct id balance_id;
    const char *balance_text;

    bool found;
    struct balance_row row;
    struct segment_use *uses;
};

static void ask(struct write *w, struct sql_args *args)
{
    struct delete_account *d = (struct delete_account *)w;

    args_id(args, &d->balance_id);
    args_null(args); /* no code, */
    args_null(args); /* no credit type and */
    args_null(args); /* no contract */
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct delete_account *d = (struct delete_account *)w;

    read_bool(r); /* whether the code is used */
    r->bad |= !read_null(r);
    read_bool(r); /* whether there is such a contract, */
    read_bool(r); /* and it is archived */
    d->row = (struct balance_row){0};
    d->uses = read_uses(r, &w->call->arena);
    d->found = !read_null(r);
    return d->found ? balance_row_read(&d->row, w->customer_text, &w->call->arena, r) : ERR_OK;
}

static enum next decide(struct write *w)
{
    struct delete_account *d = (struct delete_account *)w;
    struct call *c = w->call;
    Balances__V1__DeleteAccountBalanceResponse answer;

    if (!d->found)
        return call_fail_not_found(c, "balance", d->balance_text);
    const struct balance_use use = {.segments = d->uses};
    const struct archive_verdict v = archive_check(&d->row.balance, &use);
    if (v.outcome == ARCHIVE_DEDUCTED)
        return call_fail_precondition(
            c, "FINAL_INVOICE_DRAWS", subject_of(c, "segment", &v.segment->id),
            "a final invoice draws on balance %s: void it first", d->balance_text);
    if (v.outcome == ARCHIVE_DRAFTED)
        return call_fail_precondition(c, "DRAFT_INVOICE_DRAWS",
                                      subject_of(c, "segment", &v.segment->id),
                                      "a draft invoice draws on balance %s", d->balance_text);
    enum err err = balance_row_compute(&d->row, &c->arena, w->now, false);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    write_lock(w);
    struct sql_args *args = write_step(w, SQL_ARCHIVE_BALANCE);
    args_id(args, &w->customer);
    args_id(args, &d->balance_id);
    balances__v1__delete_account_balance_response__init(&answer);
    answer.account_balance = d->row.message.account_balance;
    return write_commit(w, &answer.base);
}

static const struct write_method method = {
    .name = "DeleteAccountBalance",
    .answer = &balances__v1__delete_account_balance_response__descriptor,
    .state = SQL_ACCOUNT_BALANCE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide,
};

enum next delete_account_balance(struct call *c)
{
    delete_request *in = (delete_request *)c->request;
    struct delete_account *d = write_open(c, &method, sizeof *d);

    if (!d)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&d->write, "customer_id", in->customer_id);
    field_id(c, "id", in->id, &d->balance_id);
    write_read_request_id(&d->write, &in->request_id);
    d->balance_text = in->id;
    return write_start(&d->write, c->request, &d->write.customer);
}
