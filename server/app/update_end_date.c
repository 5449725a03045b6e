/* UpdateEndDate: moves the end of a prepaid commit's or a credit's access earlier, and that of a
 * commit's invoices (domain.md A5.3, B13; design: ruling 13).
 *
 *     read the request --> state: segments, deductions, invoice items --> decide
 *         --> drop segments, cut segments, drop invoice items --> reply
 *
 * One of the two dates is enough; where one cannot be moved, neither is. */
#include "app/balance_state.h"
#include "app/fields.h"
#include "balances/v1/ledger.pb-c.h"
#include "ledger/end_date.h"

typedef Balances__V1__UpdateEndDateRequest end_date_request;

struct update_end_date {
    struct write write;
    struct id balance_id;
    const char *balance_text;
    bool has_access_end, has_invoices_end;
    instant access_end, invoices_end;

    struct balance_state state;
};

static void ask(struct write *w, struct sql_args *args)
{
    struct update_end_date *u = (struct update_end_date *)w;

    balance_state_ask(args, &u->balance_id, &(struct balance_question){.with_use = true});
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct update_end_date *u = (struct update_end_date *)w;

    return balance_state_learn(&u->state, &w->call->arena, r);
}

/* ---- the decision ---- */

static enum next refuse_access(struct update_end_date *u, const struct end_date_verdict *v)
{
    struct call *c = u->write.call;
    const char *balance = subject_of(c, "balance", &u->balance_id);
    struct id_text segment;

    switch (v->outcome) {
    case END_DATE_KIND:
        return call_fail_precondition(
            c, "WRONG_KIND", balance,
            "balance %s has no end to move: only prepaid commits and credits have",
            u->balance_text);
    case END_DATE_ARCHIVED:
        return call_fail_precondition(c, "BALANCE_ARCHIVED", balance, "balance %s is archived",
                                      u->balance_text);
    case END_DATE_ROLLED_OVER:
        return call_fail_precondition(
            c, "ROLLED_OVER", balance,
            "balance %s came of a rollover, and such a balance keeps its end", u->balance_text);
    case END_DATE_LATER:
        field_wrong(c, "access_ending_before", "must not be later than the end, which is %s",
                    instant_text(c, v->limit));
        return call_fail_invalid(c);
    case END_DATE_BEFORE_DEDUCTION:
        return call_fail_precondition(
            c, "FINAL_INVOICE_DRAWS", balance,
            "a final invoice draws on balance %s at %s: it cannot end before that", u->balance_text,
            instant_text(c, v->limit));
    case END_DATE_DROPS_USED:
        segment = id_format(&v->segment->id);
        return call_fail_precondition(
            c, "SEGMENT_HAS_ENTRIES", subject_of(c, "segment", &v->segment->id),
            "segment %s begins at or after the new end and has ledger entries", segment.text);
    default:
        return call_fail_precondition(
            c, "NO_SEGMENT_LEFT", balance,
            "no segment of balance %s begins before the new end: archive the balance instead",
            u->balance_text);
    }
}

static enum next refuse_invoices(struct update_end_date *u, const struct invoice_item *item)
{
    struct call *c = u->write.call;

    return call_fail_precondition(c, "INVOICED", subject_of(c, "invoice_schedule_item", &item->id),
                                  "an invoice item of balance %s at %s is invoiced already",
                                  u->balance_text, instant_text(c, item->at));
}

static void add_step(struct update_end_date *u, enum sql_statement statement, instant end)
{
    struct sql_args *args = write_step(&u->write, statement);

    args_id(args, &u->write.customer);
    args_id(args, &u->balance_id);
    args_instant(args, end);
}

static enum next decide(struct write *w)
{
    struct update_end_date *u = (struct update_end_date *)w;
    const struct balance *b = &u->state.balance;
    const struct invoice_item *item = NULL;
    enum invoice_end_outcome invoices = INVOICE_END_STAYS;
    Balances__V1__UpdateEndDateResponse answer;

    if (!u->state.found)
        return call_fail_not_found(w->call, "balance", u->balance_text);
    /* What the balance must be holds for both dates. */
    struct end_date_verdict access =
        end_date_check(b, &u->state.use, u->has_access_end ? u->access_end : END_DATE_NONE);
    if (access.outcome != END_DATE_MOVES && access.outcome != END_DATE_STAYS)
        return refuse_access(u, &access);
    if (u->has_invoices_end) {
        if (b->kind == BALANCE_CREDIT) {
            field_wrong(w->call, "invoices_ending_before", "is for commits: credits have none");
            return call_fail_invalid(w->call);
        }
        invoices = invoice_end_check(&u->state.use, u->invoices_end, &item);
        if (invoices == INVOICE_END_DROPS_INVOICED)
            return refuse_invoices(u, item);
    }

    if (access.outcome == END_DATE_MOVES || invoices == INVOICE_END_MOVES)
        write_lock(w);
    if (access.outcome == END_DATE_MOVES) {
        add_step(u, SQL_DROP_SEGMENTS, u->access_end);
        add_step(u, SQL_CUT_SEGMENTS, u->access_end);
    }
    if (invoices == INVOICE_END_MOVES)
        add_step(u, SQL_DROP_INVOICE_ITEMS, u->invoices_end);
    balances__v1__update_end_date_response__init(&answer);
    return write_commit(w, &answer.base);
}

/* ---- the request ---- */

static const struct write_method method = {
    .name = "UpdateEndDate",
    .answer = &balances__v1__update_end_date_response__descriptor,
    .state = SQL_BALANCE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide,
};

enum next update_end_date(struct call *c)
{
    end_date_request *in = (end_date_request *)c->request;
    struct update_end_date *u = write_open(c, &method, sizeof *u);

    if (!u)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&u->write, "customer_id", in->customer_id);
    field_id(c, "id", in->id, &u->balance_id);
    u->has_access_end =
        field_instant(c, "access_ending_before", in->access_ending_before, &u->access_end);
    u->has_invoices_end =
        field_instant(c, "invoices_ending_before", in->invoices_ending_before, &u->invoices_end);
    if (!in->access_ending_before && !in->invoices_ending_before)
        field_wrong(c, "access_ending_before", "is required, or invoices_ending_before is");
    write_read_request_id(&u->write, &in->request_id);
    u->balance_text = in->id;
    return write_start(&u->write, c->request, &u->write.customer);
}
