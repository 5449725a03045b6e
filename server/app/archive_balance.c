/* ArchiveBalance: hides a commit or a credit, while no invoice stands on it (domain.md A5.5).
 *
 *     read the request --> state: its deductions, drafts and invoices --> decide --> archive -->
 * reply
 *                                                                           '--done already--^
 */
#include "app/balance_state.h"
#include "app/fields.h"
#include "balances/v1/ledger.pb-c.h"
#include "ledger/archiving.h"

typedef Balances__V1__ArchiveBalanceRequest archive_request;

struct archive_balance {
    struct write write;
    struct id balance_id;
    const char *balance_text;

    struct balance_state state;
};

static void ask(struct write *w, struct sql_args *args)
{
    struct archive_balance *b = (struct archive_balance *)w;

    balance_state_ask(args, &b->balance_id, &(struct balance_question){.with_use = true});
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct archive_balance *b = (struct archive_balance *)w;

    return balance_state_learn(&b->state, &w->call->arena, r);
}

static enum next refuse(struct archive_balance *b, const struct archive_verdict *v)
{
    struct call *c = b->write.call;

    switch (v->outcome) {
    case ARCHIVE_DEDUCTED:
        return call_fail_precondition(
            c, "FINAL_INVOICE_DRAWS", subject_of(c, "segment", &v->segment->id),
            "a final invoice draws on balance %s: void it first", b->balance_text);
    case ARCHIVE_DRAFTED:
        return call_fail_precondition(c, "DRAFT_INVOICE_DRAWS",
                                      subject_of(c, "segment", &v->segment->id),
                                      "a draft invoice draws on balance %s", b->balance_text);
    default:
        return call_fail_precondition(
            c, "INVOICED", subject_of(c, "invoice_schedule_item", &v->item->id),
            "balance %s is invoiced: void its invoice first", b->balance_text);
    }
}

static enum next decide(struct write *w)
{
    struct archive_balance *b = (struct archive_balance *)w;
    Balances__V1__ArchiveBalanceResponse answer;

    if (!b->state.found)
        return call_fail_not_found(w->call, "balance", b->balance_text);
    if (b->state.balance.kind == BALANCE_ACCOUNT)
        return call_fail_precondition(w->call, "WRONG_KIND",
                                      subject_of(w->call, "balance", &b->balance_id),
                                      "balance %s is an account balance, not a commit or a "
                                      "credit: it is deleted with DeleteAccountBalance",
                                      b->balance_text);
    const struct archive_verdict v = archive_check(&b->state.balance, &b->state.use);
    if (v.outcome != ARCHIVE_DUE && v.outcome != ARCHIVE_DONE)
        return refuse(b, &v);
    if (v.outcome == ARCHIVE_DUE) {
        write_lock(w);
        struct sql_args *args = write_step(w, SQL_ARCHIVE_BALANCE);
        args_id(args, &w->customer);
        args_id(args, &b->balance_id);
    }
    balances__v1__archive_balance_response__init(&answer);
    return write_commit(w, &answer.base);
}

static const struct write_method method = {
    .name = "ArchiveBalance",
    .answer = &balances__v1__archive_balance_response__descriptor,
    .state = SQL_BALANCE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide,
};

enum next archive_balance(struct call *c)
{
    archive_request *in = (archive_request *)c->request;
    struct archive_balance *b = write_open(c, &method, sizeof *b);

    if (!b)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&b->write, "customer_id", in->customer_id);
    field_id(c, "id", in->id, &b->balance_id);
    write_read_request_id(&b->write, &in->request_id);
    b->balance_text = in->id;
    return write_start(&b->write, c->request, &b->write.customer);
}
