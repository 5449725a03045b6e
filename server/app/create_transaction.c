/* CreateTransaction: an amount that somebody puts into an account balance or takes out of it
 * (domain.md A13, B17).
 *
 *     read the request --> state: the balance, the type --> decide --> hold the type, add --> reply
 *
 * The type is locked as it was seen, so that nobody archives or deletes it meanwhile. The answer is
 * made before the commit: the version's lock lets no other entry come between what the balance's
 * amount was and what it is then. */
#include "app/balance_state.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/rows.h"
#include "balances/v1/account_balances.pb-c.h"
#include "base/limits.h"
#include "ledger/transaction.h"

typedef Balances__V1__CreateTransactionRequest transaction_request;

struct create_transaction {
    struct write write;
    const transaction_request *in;
    struct id balance_id, type_id;
    amount value, paid;
    instant applied, dated;

    bool found, type_found, type_archived;
    int64_t type_version;
    struct balance balance;
    amount running;
};

/* ---- the state ---- */

static void ask(struct write *w, struct sql_args *args)
{
    struct create_transaction *t = (struct create_transaction *)w;

    args_id(args, &t->balance_id);
    args_id(args, &t->type_id);
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct create_transaction *t = (struct create_transaction *)w;

    t->type_found = !read_null(r);
    if (t->type_found) {
        t->type_version = read_int(r);
        t->type_archived = read_bool(r);
    } else {
        r->bad |= !read_null(r);
    }
    t->balance = (struct balance){0};
    t->found = !read_null(r);
    if (!t->found)
        return ERR_OK;
    enum err err = read_account(r, &w->call->arena, &t->balance);
    t->running = read_amount(r);
    return err;
}

/* ---- the decision ---- */

static enum next refuse(struct create_transaction *t, const struct transaction_verdict *v)
{
    struct call *c = t->write.call;
    const char *balance = t->in->balance_id;
    const char *subject = subject_of(c, "balance", &t->balance_id);
    struct amount_text left;

    switch (v->outcome) {
    case TRANSACTION_KIND:
        return call_fail_precondition(c, "WRONG_KIND", subject,
                                      "balance %s takes no transactions: it is not an account "
                                      "balance",
                                      balance);
    case TRANSACTION_ARCHIVED:
        return call_fail_precondition(c, "BALANCE_ARCHIVED", subject, "balance %s is archived",
                                      balance);
    case TRANSACTION_EXPIRED:
        return call_fail_precondition(c, "SEGMENT_EXPIRED",
                                      subject_of(c, "segment", &v->segment->id),
                                      "the part of balance %s in which applied_date lies has "
                                      "expired",
                                      balance);
    case TRANSACTION_OUTSIDE:
        return call_fail_precondition(c, "AFTER_END", subject,
                                      "applied_date has to be before the end of balance %s",
                                      balance);
    case TRANSACTION_BEYOND_LEFT:
        left = amount_format(v->left);
        return call_fail_precondition(c, "INSUFFICIENT_BALANCE", subject,
                                      "balance %s has %s left and allows no overdraft", balance,
                                      left.text);
    default:
        return call_fail(
            c, ERR_RANGE,
            "with this transaction balance %s would have more digits than an amount may have",
            balance);
    }
}

static enum next add(struct create_transaction *t, const struct segment *segment)
{
    struct write *w = &t->write;
    struct arena *a = &w->call->arena;
    const struct id id = id_random();
    Balances__V1__CreateTransactionResponse answer;
    Balances__V1__Transaction m;
    amount running;

    if (amount_add(t->running, t->value, &running) != ERR_OK)
        return refuse(t, &(struct transaction_verdict){.outcome = TRANSACTION_TOO_LARGE});
    struct sql_args *args = write_step(w, SQL_EXPECT_TRANSACTION_TYPE);
    args_id(args, &t->type_id);
    args_int(args, t->type_version);
    write_lock(w);
    args = write_step(w, SQL_ADD_TRANSACTION);
    args_id(args, &w->customer);
    args_id(args, &t->balance_id);
    args_id(args, &segment->id);
    args_id(args, &id);
    args_text(args, bytes_text(t->in->amount));
    args_instant(args, t->applied);
    write_optional_text(args, t->in->description);
    args_id(args, &t->type_id);
    args_instant(args, t->dated);
    write_optional_text(args, t->in->paid);
    write_optional_text(args, t->in->currency_paid);
    args_instant(args, w->now);

    balances__v1__transaction__init(&m);
    m.id = message_id(a, &id);
    m.balance_id = t->in->balance_id;
    m.amount = t->in->amount;
    m.description = t->in->description;
    m.applied_date = message_instant(a, t->applied);
    m.transaction_date = message_instant(a, t->dated);
    m.transaction_type_id = t->in->transaction_type_id;
    m.paid = t->in->paid;
    m.currency_paid = t->in->currency_paid;
    m.entity_type = BALANCES__V1__TRANSACTION_ENTITY_TYPE__TRANSACTION_ENTITY_TYPE_USER;
    m.created_at = message_instant(a, w->now);
    m.running_amount = message_amount(a, running);
    if (a->full)
        return call_fail_with(w->call, ERR_EXHAUSTED);
    balances__v1__create_transaction_response__init(&answer);
    answer.transaction = &m;
    return write_commit(w, &answer.base);
}

static enum next decide(struct write *w)
{
    struct create_transaction *t = (struct create_transaction *)w;
    struct call *c = w->call;

    if (!t->found)
        return call_fail_not_found(c, "balance", t->in->balance_id);
    if (!t->type_found)
        return call_fail_not_found(c, "transaction_type", t->in->transaction_type_id);
    const struct transaction_verdict v =
        transaction_check(&t->balance, w->now, t->applied, t->value);
    if (v.outcome != TRANSACTION_DUE)
        return refuse(t, &v);
    if (t->type_archived)
        return call_fail_precondition(
            c, "TRANSACTION_TYPE_ARCHIVED", subject_of(c, "transaction_type", &t->type_id),
            "transaction type %s is archived: use another one", t->in->transaction_type_id);
    return add(t, v.segment);
}

/* ---- the request ---- */

static const struct write_method method = {
    .name = "CreateTransaction",
    .answer = &balances__v1__create_transaction_response__descriptor,
    .state = SQL_TRANSACTION_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide,
};

/* What was paid has a currency, and a currency something that was paid. */
static void read_paid(struct call *c, struct create_transaction *t, transaction_request *in)
{
    if (*in->paid)
        field_amount(c, "paid", &in->paid, &t->paid);
    field_text(c, "currency_paid", in->currency_paid, NAME_CHARACTERS_MAX);
    if (*in->paid && !*in->currency_paid)
        field_wrong(c, "currency_paid", "is required with paid");
    if (!*in->paid && *in->currency_paid)
        field_wrong(c, "paid", "is required with currency_paid");
}

enum next create_transaction(struct call *c)
{
    transaction_request *in = (transaction_request *)c->request;
    struct create_transaction *t = write_open(c, &method, sizeof *t);

    if (!t)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&t->write, "customer_id", in->customer_id);
    field_id(c, "balance_id", in->balance_id, &t->balance_id);
    if (field_amount(c, "amount", &in->amount, &t->value) && t->value == 0)
        field_wrong(c, "amount", "must not be zero");
    field_text(c, "description", in->description, PROSE_CHARACTERS_MAX);
    bool has_applied = field_instant(c, "applied_date", in->applied_date, &t->applied);
    bool has_dated = field_instant(c, "transaction_date", in->transaction_date, &t->dated);
    field_id(c, "transaction_type_id", in->transaction_type_id, &t->type_id);
    read_paid(c, t, in);
    write_read_request_id(&t->write, &in->request_id);
    t->in = in;
    enum next next = write_start(&t->write, c->request, &t->write.customer);
    /* The call's own instant, which is the same for every attempt. */
    if (!has_applied)
        t->applied = t->write.now;
    if (!has_dated)
        t->dated = t->write.now;
    return next;
}
