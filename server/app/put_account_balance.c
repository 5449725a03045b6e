/* CreateAccountBalance and UpdateAccountBalance (domain.md A13, B17).
 *
 *     read the request --> state: the balance, what it refers to --> decide
 *         --> hold the names, lock, balance, segment --> reply with the balance as it will be
 *
 * The answer is made before the commit. The version's lock lets nobody change the balance between;
 * its times are the call's, and its version is one more than it was. */
#include "app/account_spec.h"
#include "app/balance_row.h"
#include "app/balance_state.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/rows.h"
#include "ledger/account_update.h"

typedef Balances__V1__CreateAccountBalanceRequest create_request;
typedef Balances__V1__UpdateAccountBalanceRequest update_request;

struct put_account {
    struct write write;
    struct account_spec spec;
    bool has_balance; /* that is updated */
    struct id balance_id;
    const char *balance_text;
    int64_t version;

    bool code_used, credit_type_exists, contract_exists, contract_is_archived;
    char *credit_type_name;
    bool found;
    struct balance_row row;
    struct segment_use *uses;
};

/* ---- the state ---- */

static void ask(struct write *w, struct sql_args *args)
{
    struct put_account *p = (struct put_account *)w;

    write_optional_id(args, p->has_balance, &p->balance_id);
    args_text(args, bytes_text(p->spec.in->code));
    args_id(args, &p->spec.credit_type_id);
    write_optional_id(args, p->spec.has_contract, &p->spec.contract_id);
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct put_account *p = (struct put_account *)w;
    struct arena *a = &w->call->arena;

    p->code_used = read_bool(r);
    p->credit_type_exists = !read_null(r);
    p->credit_type_name = p->credit_type_exists ? arena_text(a, read_text(r)) : message_no_text();
    p->contract_exists = read_bool(r);
    p->contract_is_archived = read_bool(r);
    p->row = (struct balance_row){0};
    p->uses = read_uses(r, a);
    p->found = !read_null(r);
    return p->found ? balance_row_read(&p->row, w->customer_text, a, r) : ERR_OK;
}

/* ---- the decision ---- */

/* What both methods refer to; NEXT, or DONE with a failure. */
static enum next check(struct put_account *p)
{
    const Balances__V1__AccountBalanceSpec *in = p->spec.in;
    struct call *c = p->write.call;

    if (p->code_used) {
        c->status.reason = "CODE_USED";
        return call_fail(c, ERR_EXISTS, "another account balance of the customer has the code %s",
                         in->code);
    }
    if (!p->credit_type_exists)
        return call_fail_not_found(c, "credit_type", in->credit_type_id);
    if (p->spec.has_contract && !p->contract_exists)
        return call_fail_not_found(c, "contract", in->contract_id);
    if (p->contract_is_archived)
        return call_fail_precondition(c, "CONTRACT_ARCHIVED",
                                      subject_of(c, "contract", &p->spec.contract_id),
                                      "contract %s is archived", in->contract_id);
    return NEXT;
}

static void hold_names(struct put_account *p)
{
    struct sql_args *args = write_step(&p->write, SQL_HOLD_NAMES);

    args_null(args);
    args_id(args, &p->spec.credit_type_id);
    args_null(args);
}

static enum err put_balance(struct put_account *p, enum sql_statement statement, instant at)
{
    struct write *w = &p->write;
    struct sql_args *args = write_step(w, statement);

    args_id(args, &w->customer);
    args_id(args, &p->balance_id);
    args_instant(args, at);
    return account_spec_args(&p->spec, &w->call->arena, args);
}

static enum err add_segment(struct put_account *p)
{
    static const char *const nothing = "0";
    const struct id id = id_random();
    struct write *w = &p->write;
    struct arena *a = &w->call->arena;
    struct sql_args *args = write_step(w, SQL_CREATE_SEGMENTS);

    args_id(args, &w->customer);
    args_id(args, &p->balance_id);
    enum err err = args_ids(args, a, &id, 1);
    if (err == ERR_OK)
        err = args_texts(args, a, &nothing, 1);
    if (err == ERR_OK)
        err = args_instants(args, a, &p->spec.starting_at, 1);
    if (err == ERR_OK)
        err = args_instants(args, a, &p->spec.ending_before, 1);
    return err;
}

static Balances__V1__CreditType *credit_type(struct put_account *p)
{
    Balances__V1__CreditType *m = arena_raw(&p->write.call->arena, sizeof *m);

    if (!m)
        return NULL;
    balances__v1__credit_type__init(m);
    m->id = p->spec.in->credit_type_id;
    m->name = p->credit_type_name;
    return m;
}

static enum next decide_create(struct write *w)
{
    struct put_account *p = (struct put_account *)w;
    struct arena *a = &w->call->arena;
    Balances__V1__CreateAccountBalanceResponse answer;
    Balances__V1__AccountBalance m;

    if (check(p) == DONE)
        return DONE;
    p->balance_id = id_random();
    hold_names(p);
    write_lock(w);
    enum err err = put_balance(p, SQL_CREATE_ACCOUNT_BALANCE, w->now);
    if (err == ERR_OK)
        err = add_segment(p);

    balances__v1__account_balance__init(&m);
    m.id = message_id(a, &p->balance_id);
    m.customer_id = arena_text(a, bytes_text(w->customer_text));
    m.credit_type = credit_type(p);
    account_spec_show(&p->spec, a, &m);
    m.amount = message_amount(a, 0);
    m.version = 1;
    m.created_at = m.updated_at = message_instant(a, w->now);
    if (err != ERR_OK || a->full)
        return call_fail_with(w->call, ERR_EXHAUSTED);
    balances__v1__create_account_balance_response__init(&answer);
    answer.account_balance = &m;
    return write_commit(w, &answer.base);
}

static enum next refuse(struct put_account *p, const struct account_update_verdict *v)
{
    struct call *c = p->write.call;
    const char *segment = subject_of(c, "segment", &v->segment->id);

    switch (v->outcome) {
    case ACCOUNT_UPDATE_BEFORE_DEDUCTION:
        return call_fail_precondition(
            c, "FINAL_INVOICE_DRAWS", segment,
            "%s must not be before %s, when a final invoice drew on balance %s",
            v->segment->role == SEGMENT_ACCESS ? "ending_before" : "rollover_ending_before",
            instant_text(c, v->limit), p->balance_text);
    case ACCOUNT_UPDATE_MOVES_USED:
        return call_fail_precondition(c, "ROLLOVER_IN_USE", segment,
                                      "the rollover of balance %s has entries or drafts: it can "
                                      "neither start at another time nor be removed",
                                      p->balance_text);
    default:
        return call_fail_precondition(c, "ROLLOVER_IN_USE", segment,
                                      "more than rollover_amount has been used of the rollover of "
                                      "balance %s",
                                      p->balance_text);
    }
}

static const struct segment *access_of(const struct balance *b)
{
    for (size_t i = 0; i < b->segment_count; i++)
        if (b->segments[i].role == SEGMENT_ACCESS)
            return &b->segments[i];
    return NULL;
}

static void move_access(struct put_account *p)
{
    struct sql_args *args = write_step(&p->write, SQL_MOVE_ACCESS);

    args_id(args, &p->write.customer);
    args_id(args, &p->balance_id);
    args_instant(args, p->spec.starting_at);
    args_instant(args, p->spec.ending_before);
}

/* At every step the rollover has to end after the access: what moves earlier goes first. */
static enum err update(struct put_account *p, const struct segment *access, instant at)
{
    const struct account_spec *s = &p->spec;
    const bool moves =
        s->starting_at != access->starting_at || s->ending_before != access->ending_before;
    const bool earlier = s->ending_before < access->ending_before;

    if (moves && earlier)
        move_access(p);
    enum err err = put_balance(p, SQL_UPDATE_ACCOUNT_BALANCE, at);
    if (moves && !earlier)
        move_access(p);
    return err;
}

/* The version, and what an account balance keeps for ever; NEXT, or DONE with a failure. */
static enum next check_update(struct put_account *p, const Balances__V1__AccountBalance *now)
{
    const struct account_spec *s = &p->spec;
    const struct account_terms terms = {
        .ending_before = s->ending_before,
        .has_rollover = s->has_rollover,
        .rollover_ending_before = s->rollover_ending_before,
        .has_rollover_cap = s->has_rollover_cap,
        .rollover_cap = s->rollover_cap,
        .allow_overdraft = s->in->allow_overdraft,
    };
    struct call *c = p->write.call;
    struct account_update_verdict v;

    if (now->version != p->version)
        return write_fail_version(&p->write, "balance", p->balance_text, now->version, p->version);
    if (strcmp(now->credit_type->id, s->in->credit_type_id) != 0)
        return call_fail_precondition(c, "CREDIT_TYPE_FIXED",
                                      subject_of(c, "balance", &p->balance_id),
                                      "balance %s keeps its credit type, %s: make another one",
                                      p->balance_text, now->credit_type->id);
    if (check(p) == DONE)
        return DONE;
    enum err err = account_update_check(&p->row.balance, p->uses, &terms, &v);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    return v.outcome == ACCOUNT_UPDATE_DUE ? NEXT : refuse(p, &v);
}

static enum next decide_update(struct write *w)
{
    struct put_account *p = (struct put_account *)w;
    struct call *c = w->call;
    struct arena *a = &c->arena;
    Balances__V1__UpdateAccountBalanceResponse answer;

    if (!p->found)
        return call_fail_not_found(c, "balance", p->balance_text);
    Balances__V1__AccountBalance *m = p->row.message.account_balance;
    const struct segment *access = access_of(&p->row.balance);
    if (!access) /* a writer of SQL has not come to make it */
        return call_fail_not_found(c, "segment", p->balance_text);
    if (check_update(p, m) == DONE)
        return DONE;
    /* Also where the clocks of two servers disagree, a balance changes forward. */
    const instant at = w->now > p->row.updated_at ? w->now : p->row.updated_at + 1;
    write_lock(w);
    enum err err = update(p, access, at);
    if (err == ERR_OK)
        err = balance_row_compute(&p->row, a, w->now, false);
    account_spec_show(&p->spec, a, m);
    m->version++;
    m->updated_at = message_instant(a, at);
    if (err != ERR_OK || a->full)
        return call_fail_with(c, err != ERR_OK ? err : ERR_EXHAUSTED);
    balances__v1__update_account_balance_response__init(&answer);
    answer.account_balance = m;
    return write_commit(w, &answer.base);
}

/* ---- the methods ---- */

static const struct write_method create_method = {
    .name = "CreateAccountBalance",
    .answer = &balances__v1__create_account_balance_response__descriptor,
    .state = SQL_ACCOUNT_BALANCE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide_create,
};

enum next create_account_balance(struct call *c)
{
    create_request *in = (create_request *)c->request;
    struct put_account *p = write_open(c, &create_method, sizeof *p);

    if (!p)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&p->write, "customer_id", in->customer_id);
    enum err err = account_spec_read(c, in->spec, &p->spec);
    write_read_request_id(&p->write, &in->request_id);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    return write_start(&p->write, c->request, &p->write.customer);
}

static const struct write_method update_method = {
    .name = "UpdateAccountBalance",
    .answer = &balances__v1__update_account_balance_response__descriptor,
    .state = SQL_ACCOUNT_BALANCE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide_update,
};

enum next update_account_balance(struct call *c)
{
    update_request *in = (update_request *)c->request;
    struct put_account *p = write_open(c, &update_method, sizeof *p);

    if (!p)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&p->write, "customer_id", in->customer_id);
    field_id(c, "id", in->id, &p->balance_id);
    p->has_balance = true;
    p->balance_text = in->id;
    enum err err = account_spec_read(c, in->spec, &p->spec);
    field_version(c, "version", in->version);
    p->version = in->version;
    write_read_request_id(&p->write, &in->request_id);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    return write_start(&p->write, c->request, &p->write.customer);
}
