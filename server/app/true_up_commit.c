/* TrueUpCommit: an invoice bills what is left of a postpaid commit (domain.md B5).
 *
 *     read the request --> state: the commit, the invoice --> decide
 *         --> the invoice, if it is new; the entry; the commit's items are invoiced --> reply
 *
 * A true-up is final, so the invoice that bills it is: one that is made here is final from the
 * start, and a draft has to be finalized first. Voiding it gives the true-up back. */
#include "app/balance_state.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/new_entries.h"
#include "balances/v1/ledger.pb-c.h"
#include "ledger/true_up.h"

typedef Balances__V1__TrueUpCommitRequest true_up_request;

struct true_up_commit {
    struct write write;
    struct id balance_id, invoice_id;
    const char *balance_text, *invoice_text;

    struct balance_state state;
};

static void ask(struct write *w, struct sql_args *args)
{
    struct true_up_commit *t = (struct true_up_commit *)w;

    balance_state_ask(args, &t->balance_id, &(struct balance_question){.invoice = &t->invoice_id});
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct true_up_commit *t = (struct true_up_commit *)w;

    return balance_state_learn(&t->state, &w->call->arena, r);
}

/* ---- the decision ---- */

static enum next refuse(struct true_up_commit *t, enum true_up_outcome outcome)
{
    struct call *c = t->write.call;
    const char *balance = subject_of(c, "balance", &t->balance_id);
    const char *text = t->balance_text;

    switch (outcome) {
    case TRUE_UP_KIND:
        return call_fail_precondition(
            c, "WRONG_KIND", balance,
            "balance %s is no postpaid commit, and only those are trued up", text);
    case TRUE_UP_ARCHIVED:
        return call_fail_precondition(c, "BALANCE_ARCHIVED", balance, "balance %s is archived",
                                      text);
    case TRUE_UP_DISABLED:
        return call_fail_precondition(
            c, "TRUE_UP_DISABLED", balance,
            "the true-up of commit %s is disabled: what is left of it lapses", text);
    case TRUE_UP_UPCOMING:
        return call_fail_precondition(c, "COMMIT_UPCOMING", balance, "commit %s has not started",
                                      text);
    case TRUE_UP_DRAFTED:
        return call_fail_precondition(
            c, "DRAFT_INVOICE_DRAWS", balance,
            "a draft invoice draws on commit %s: finalize or void it first", text);
    case TRUE_UP_MET:
        return call_fail_precondition(c, "NOTHING_LEFT", balance,
                                      "nothing is left of commit %s to be billed", text);
    default:
        return call_fail(
            c, ERR_RANGE,
            "with its true-up commit %s would have more digits than an amount may have", text);
    }
}

static enum next refuse_invoice(struct true_up_commit *t)
{
    struct call *c = t->write.call;
    const char *invoice = subject_of(c, "invoice", &t->invoice_id);

    if (t->state.invoice.voided)
        return call_fail_precondition(c, "INVOICE_VOID", invoice,
                                      "invoice %s is void: name another one", t->invoice_text);
    return call_fail_precondition(
        c, "INVOICE_DRAFT", invoice,
        "invoice %s is a draft: finalize it first, or name one that is new", t->invoice_text);
}

static enum err add_entry(struct true_up_commit *t, const struct segment *s, amount value)
{
    struct write *w = &t->write;
    struct arena *a = &w->call->arena;
    struct new_entries entries;
    const struct entry e = {
        .balance_id = t->balance_id,
        .segment_id = s->id,
        .type = ENTRY_POSTPAID_COMMIT_TRUEUP,
        .value = -value,
        .at = w->now,
    };
    const char *contract =
        t->state.balance.contract_level ? message_id(a, &t->state.contract_id) : NULL;

    enum err err = new_entries_open(&entries, a, 1);
    if (err == ERR_OK)
        err = new_entries_add(&entries, a, &e, contract);
    return err == ERR_OK ? new_entries_step(&entries, w, &t->invoice_id, NULL) : err;
}

static enum next decide(struct write *w)
{
    struct true_up_commit *t = (struct true_up_commit *)w;
    const struct invoice_status *invoice = &t->state.invoice;
    struct call *c = w->call;
    const struct segment *segment;
    amount value;
    Balances__V1__TrueUpCommitResponse answer;

    if (!t->state.found)
        return call_fail_not_found(c, "balance", t->balance_text);
    enum true_up_outcome outcome = true_up_check(&t->state.balance, w->now, &segment, &value);
    if (outcome != TRUE_UP_DUE)
        return refuse(t, outcome);
    if (invoice->found && !invoice->finalized)
        return refuse_invoice(t);

    struct amount_text value_text = amount_format(value);
    write_lock(w);
    if (!invoice->found) {
        struct sql_args *args = write_step(w, SQL_CREATE_TRUE_UP_INVOICE);
        args_id(args, &w->customer);
        args_id(args, &t->invoice_id);
        args_id(args, &t->balance_id);
        args_instant(args, w->now);
    }
    enum err err = add_entry(t, segment, value);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    struct sql_args *args = write_step(w, SQL_BILL_INVOICE_ITEMS);
    args_id(args, &w->customer);
    args_id(args, &t->balance_id);
    args_id(args, &t->invoice_id);
    balances__v1__true_up_commit_response__init(&answer);
    answer.amount = value_text.text;
    return write_commit(w, &answer.base);
}

/* ---- the request ---- */

static const struct write_method method = {
    .name = "TrueUpCommit",
    .answer = &balances__v1__true_up_commit_response__descriptor,
    .state = SQL_BALANCE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide,
};

enum next true_up_commit(struct call *c)
{
    true_up_request *in = (true_up_request *)c->request;
    struct true_up_commit *t = write_open(c, &method, sizeof *t);

    if (!t)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&t->write, "customer_id", in->customer_id);
    field_id(c, "id", in->id, &t->balance_id);
    field_id(c, "invoice_id", in->invoice_id, &t->invoice_id);
    write_read_request_id(&t->write, &in->request_id);
    t->balance_text = in->id;
    t->invoice_text = in->invoice_id;
    return write_start(&t->write, c->request, &t->write.customer);
}
