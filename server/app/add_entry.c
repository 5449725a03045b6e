/* AddManualLedgerEntry and AdjustSeats: an entry that somebody adds to one segment by hand
 * (domain.md A4, B6).
 *
 *     read the request --> state: the balance, its segments --> decide --> add the entry --> reply
 *
 * Both are one write, of which the second has no reason, no contract and another type of entry. */
#include "app/balance_state.h"
#include "app/fields.h"
#include "app/message.h"
#include "balances/v1/ledger.pb-c.h"
#include "base/limits.h"
#include "ledger/adjustment.h"
#include "ledger/order.h"

typedef Balances__V1__AddManualLedgerEntryRequest manual_request;
typedef Balances__V1__AdjustSeatsRequest seats_request;

struct add_entry {
    struct write write;
    enum adjustment adjustment;
    struct id balance_id, segment_id, contract_id;
    bool has_contract, has_at;
    amount value;
    instant at;
    const char *balance_text, *segment_text, *amount_text, *reason, *key;

    struct balance_state state;
};

/* ---- the state ---- */

static void ask(struct write *w, struct sql_args *args)
{
    struct add_entry *e = (struct add_entry *)w;

    balance_state_ask(args, &e->balance_id, &(struct balance_question){.key = e->key});
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct add_entry *e = (struct add_entry *)w;

    return balance_state_learn(&e->state, &w->call->arena, r);
}

/* ---- the decision ---- */

/* Seats have no contract to be named: a subscription has one balance. */
static bool is_of_contract(const struct add_entry *e)
{
    if (e->adjustment == ADJUSTMENT_SEATS)
        return true;
    if (e->has_contract != e->state.balance.contract_level)
        return false;
    return !e->has_contract || id_equal(&e->contract_id, &e->state.contract_id);
}

static enum next refuse(struct add_entry *e, enum adjustment_outcome outcome)
{
    struct call *c = e->write.call;

    switch (outcome) {
    case ADJUSTMENT_KIND:
        return call_fail_precondition(
            c, "WRONG_KIND", subject_of(c, "balance", &e->balance_id),
            e->adjustment == ADJUSTMENT_SEATS
                ? "balance %s takes no seats: only prepaid commits and credits do"
                : "balance %s takes no manual entries: it is an account balance",
            e->balance_text);
    case ADJUSTMENT_ARCHIVED:
        return call_fail_precondition(c, "BALANCE_ARCHIVED",
                                      subject_of(c, "balance", &e->balance_id),
                                      "balance %s is archived", e->balance_text);
    case ADJUSTMENT_ROLLED_OVER:
        return call_fail_precondition(
            c, "ROLLED_OVER", subject_of(c, "balance", &e->balance_id),
            "balance %s came of a rollover, and such a balance takes no seats", e->balance_text);
    case ADJUSTMENT_EXPIRED:
        return call_fail_precondition(c, "SEGMENT_EXPIRED",
                                      subject_of(c, "segment", &e->segment_id),
                                      "segment %s has expired", e->segment_text);
    default:
        return call_fail(
            c, ERR_RANGE,
            "with this entry segment %s would have more digits than an amount may have",
            e->segment_text);
    }
}

static enum next decide(struct write *w)
{
    struct add_entry *e = (struct add_entry *)w;
    struct call *c = w->call;
    const struct segment *segment = balance_state_segment(&e->state, &e->segment_id);
    Balances__V1__AddManualLedgerEntryResponse answer;
    enum entry_type type;

    if (e->state.key_used)
        return write_fail_used_key(w, e->key);
    if (!e->state.found || !is_of_contract(e))
        return call_fail_not_found(c, "balance", e->balance_text);
    if (!segment)
        return call_fail_not_found(c, "segment", e->segment_text);
    enum adjustment_outcome outcome =
        adjustment_check(&e->state.balance, segment, w->now, e->adjustment, e->value, &type);
    if (outcome != ADJUSTMENT_DUE)
        return refuse(e, outcome);

    const struct id entry_id = id_random();
    struct id_text entry_text = id_format(&entry_id);
    write_lock(w);
    struct sql_args *args = write_step(w, SQL_ADD_ENTRY);
    args_id(args, &w->customer);
    args_id(args, &e->balance_id);
    args_id(args, &e->segment_id);
    args_id(args, &entry_id);
    args_text(args, bytes_text(entry_type_name(type)));
    args_text(args, bytes_text(e->amount_text));
    args_instant(args, e->has_at ? e->at : segment->starting_at);
    write_optional_text(args, e->reason);
    write_optional_text(args, e->key);
    /* Both answers are the same on the wire. */
    balances__v1__add_manual_ledger_entry_response__init(&answer);
    answer.entry_id = entry_text.text;
    return write_commit(w, &answer.base);
}

/* ---- the requests ---- */

static const struct write_method manual_method = {
    .name = "AddManualLedgerEntry",
    .answer = &balances__v1__add_manual_ledger_entry_response__descriptor,
    .state = SQL_BALANCE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide,
};

enum next add_manual_ledger_entry(struct call *c)
{
    manual_request *in = (manual_request *)c->request;
    struct add_entry *e = write_open(c, &manual_method, sizeof *e);

    if (!e)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&e->write, "customer_id", in->customer_id);
    field_id(c, "id", in->id, &e->balance_id);
    field_id(c, "segment_id", in->segment_id, &e->segment_id);
    if (field_amount(c, "amount", &in->amount, &e->value) && e->value == 0)
        field_wrong(c, "amount", "must not be zero");
    field_required_text(c, "reason", in->reason, PROSE_CHARACTERS_MAX);
    e->has_contract = field_optional_id(c, "contract_id", in->contract_id, &e->contract_id);
    e->has_at = field_instant(c, "timestamp", in->timestamp, &e->at);
    field_text(c, "uniqueness_key", in->uniqueness_key, UNIQUENESS_KEY_CHARACTERS_MAX);
    write_read_request_id(&e->write, &in->request_id);
    e->adjustment = ADJUSTMENT_MANUAL;
    e->balance_text = in->id;
    e->segment_text = in->segment_id;
    e->amount_text = in->amount;
    e->reason = in->reason;
    e->key = in->uniqueness_key;
    return write_start(&e->write, c->request, &e->write.customer);
}

static const struct write_method seats_method = {
    .name = "AdjustSeats",
    .answer = &balances__v1__adjust_seats_response__descriptor,
    .state = SQL_BALANCE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide,
};

enum next adjust_seats(struct call *c)
{
    seats_request *in = (seats_request *)c->request;
    struct add_entry *e = write_open(c, &seats_method, sizeof *e);

    if (!e)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&e->write, "customer_id", in->customer_id);
    field_id(c, "id", in->id, &e->balance_id);
    field_id(c, "segment_id", in->segment_id, &e->segment_id);
    if (field_amount(c, "amount", &in->amount, &e->value) && e->value <= 0)
        field_wrong(c, "amount", "must be positive");
    e->has_at = field_instant(c, "timestamp", in->timestamp, &e->at);
    write_read_request_id(&e->write, &in->request_id);
    e->adjustment = ADJUSTMENT_SEATS;
    e->balance_text = in->id;
    e->segment_text = in->segment_id;
    e->amount_text = in->amount;
    e->reason = e->key = "";
    return write_start(&e->write, c->request, &e->write.customer);
}
