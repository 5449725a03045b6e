/* RolloverBalance: carries what is left of a commit to a new contract (domain.md B12).
 *
 *     read the request --> state: the commit, what it carried so far, the contract --> decide
 *         --> hold the names, lock, the new balance, its segment, the entries --> reply
 *         '--nothing is left--------------------------------------------------------^
 *
 * The entries empty the old balance in the same transaction in which the new one comes to be, so at
 * no instant do both count. */
#include "app/balance_state.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/new_entries.h"
#include "balances/v1/ledger.pb-c.h"
#include "ledger/rollover.h"

typedef Balances__V1__RolloverBalanceRequest rollover_request;

struct rollover_balance {
    struct write write;
    struct id balance_id, new_contract_id;
    const char *balance_text, *new_contract_text;
    instant starting_at, ending_before;

    struct balance_state state;
};

static void ask(struct write *w, struct sql_args *args)
{
    struct rollover_balance *o = (struct rollover_balance *)w;

    balance_state_ask(args, &o->balance_id,
                      &(struct balance_question){.new_contract = &o->new_contract_id});
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct rollover_balance *o = (struct rollover_balance *)w;

    return balance_state_learn(&o->state, &w->call->arena, r);
}

/* ---- the decision ---- */

static enum next refuse(struct rollover_balance *o, enum rollover_outcome outcome)
{
    struct call *c = o->write.call;
    const char *balance = subject_of(c, "balance", &o->balance_id);
    const char *text = o->balance_text;

    switch (outcome) {
    case ROLLOVER_KIND:
        return call_fail_precondition(
            c, "WRONG_KIND", balance,
            "balance %s is an account balance, which rolls over by itself when it ends", text);
    case ROLLOVER_ARCHIVED:
        return call_fail_precondition(c, "BALANCE_ARCHIVED", balance, "balance %s is archived",
                                      text);
    case ROLLOVER_NO_FRACTION:
        return call_fail_precondition(
            c, "NO_ROLLOVER_FRACTION", balance,
            "balance %s has no rollover_fraction, so nothing of it rolls over", text);
    default:
        return call_fail(
            c, ERR_RANGE,
            "with its rollover balance %s would have more digits than an amount may have", text);
    }
}

/* What the contracts have to be, whatever is left to carry. DONE with a failure, or NEXT. */
static enum next check_contracts(struct rollover_balance *o)
{
    const struct balance_state *s = &o->state;
    struct call *c = o->write.call;

    if (!s->new_contract_found)
        return call_fail_not_found(c, "contract", o->new_contract_text);
    if (s->new_contract_archived)
        return call_fail_precondition(c, "CONTRACT_ARCHIVED",
                                      subject_of(c, "contract", &o->new_contract_id),
                                      "contract %s is archived", o->new_contract_text);
    if (!s->has_home)
        return call_fail_precondition(
            c, "NO_CONTRACT", subject_of(c, "balance", &o->balance_id),
            "balance %s is of no contract that could be renewed: it is usable under any as it is",
            o->balance_text);
    if (id_equal(&s->home_id, &o->new_contract_id))
        return call_fail_precondition(c, "SAME_CONTRACT",
                                      subject_of(c, "contract", &o->new_contract_id),
                                      "balance %s is of contract %s already: name another one",
                                      o->balance_text, o->new_contract_text);
    return NEXT;
}

static void add_balance(struct rollover_balance *o, const struct id *id)
{
    const struct balance_state *s = &o->state;
    struct write *w = &o->write;

    struct sql_args *args = write_step(w, SQL_HOLD_NAMES);
    write_optional_id(args, s->has_product, &s->product_id);
    args_id(args, &s->credit_type_id);
    args_null(args);
    write_lock(w);
    args = write_step(w, SQL_ROLL_OVER_BALANCE);
    args_id(args, &w->customer);
    args_id(args, id);
    args_id(args, &o->balance_id);
    args_id(args, &s->home_id);
    args_id(args, &o->new_contract_id);
}

static enum err add_segment(struct rollover_balance *o, const struct id *id, const char *value)
{
    struct write *w = &o->write;
    struct arena *a = &w->call->arena;
    const struct id segment = id_random();

    struct sql_args *args = write_step(w, SQL_CREATE_SEGMENTS);
    args_id(args, &w->customer);
    args_id(args, id);
    enum err err = args_ids(args, a, &segment, 1);
    if (err == ERR_OK)
        err = args_texts(args, a, &value, 1);
    if (err == ERR_OK)
        err = args_instants(args, a, &o->starting_at, 1);
    if (err == ERR_OK)
        err = args_instants(args, a, &o->ending_before, 1);
    return err;
}

static enum err add_entries(struct rollover_balance *o, const struct rollover_part *parts,
                            const struct rollover_result *result)
{
    struct write *w = &o->write;
    struct arena *a = &w->call->arena;
    struct new_entries entries;

    enum err err = new_entries_open(&entries, a, result->part_count);
    for (size_t i = 0; i < result->part_count && err == ERR_OK; i++) {
        const struct entry e = {
            .balance_id = o->balance_id,
            .segment_id = parts[i].segment->id,
            .type = result->type,
            .value = -parts[i].value,
            .at = parts[i].at,
        };
        err = new_entries_add(&entries, a, &e, NULL);
    }
    return err == ERR_OK ? new_entries_step(&entries, w, NULL, &o->new_contract_id) : err;
}

static enum next answer_with(struct write *w, char *id, char *value)
{
    Balances__V1__RolloverBalanceResponse answer;

    balances__v1__rollover_balance_response__init(&answer);
    answer.id = id;
    answer.amount = value;
    return write_commit(w, &answer.base);
}

static enum next decide(struct write *w)
{
    struct rollover_balance *o = (struct rollover_balance *)w;
    const struct balance_state *s = &o->state;
    struct call *c = w->call;
    struct rollover_result result;

    if (!s->found)
        return call_fail_not_found(c, "balance", o->balance_text);
    const struct rollover_terms terms = {
        .has_fraction = s->has_rollover_fraction,
        .fraction = s->rollover_fraction,
        .before = s->rolled_over,
        .now = w->now,
        .starting_at = o->starting_at,
    };
    struct rollover_part *parts = arena_array(&c->arena, s->balance.segment_count, sizeof *parts);
    if (!parts)
        return call_fail_with(c, ERR_EXHAUSTED);
    enum rollover_outcome outcome = rollover_check(&s->balance, &terms, parts, &result);
    if (outcome != ROLLOVER_DUE && outcome != ROLLOVER_NOTHING)
        return refuse(o, outcome);
    if (check_contracts(o) == DONE)
        return DONE;
    if (outcome == ROLLOVER_NOTHING)
        return answer_with(w, message_no_text(), (char[]){"0"});

    const struct id id = id_random();
    struct id_text id_text = id_format(&id);
    struct amount_text value_text = amount_format(result.carried);
    add_balance(o, &id);
    enum err err = add_segment(o, &id, value_text.text);
    if (err == ERR_OK)
        err = add_entries(o, parts, &result);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    return answer_with(w, id_text.text, value_text.text);
}

/* ---- the request ---- */

static const struct write_method method = {
    .name = "RolloverBalance",
    .answer = &balances__v1__rollover_balance_response__descriptor,
    .state = SQL_BALANCE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide,
};

enum next rollover_balance(struct call *c)
{
    rollover_request *in = (rollover_request *)c->request;
    struct rollover_balance *o = write_open(c, &method, sizeof *o);

    if (!o)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&o->write, "customer_id", in->customer_id);
    field_id(c, "id", in->id, &o->balance_id);
    field_id(c, "new_contract_id", in->new_contract_id, &o->new_contract_id);
    bool starts = field_required_instant(c, "starting_at", in->starting_at, &o->starting_at);
    bool ends = field_required_instant(c, "ending_before", in->ending_before, &o->ending_before);
    if (starts && ends && o->starting_at >= o->ending_before)
        field_wrong(c, "ending_before", "must be after starting_at");
    write_read_request_id(&o->write, &in->request_id);
    o->balance_text = in->id;
    o->new_contract_text = in->new_contract_id;
    return write_start(&o->write, c->request, &o->write.customer);
}
