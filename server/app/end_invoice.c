/* FinalizeInvoice and VoidInvoice: what an invoice deducts becomes final, or is given back
 * (domain.md B14; design: rulings 4 and 5).
 *
 *     read the request --> state: the invoice, what it has done --> decide
 *         --> finalize: enter the drafts' deductions, drop the drafts, status --> reply
 *         '-> void: add cancellations, drop the drafts, status -----------------^
 *
 *     DRAFT --finalize--> FINALIZED --void--> VOID
 *       '------------------void-----------------^
 *
 * Both move the customer's version, so of many that end one invoice at once each finds it as those
 * before have left it. */
#include "app/balance_state.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/new_entries.h"
#include "app/rows.h"
#include "balances/v1/ledger.pb-c.h"
#include "ledger/voiding.h"

typedef Balances__V1__FinalizeInvoiceRequest finalize_request;
typedef Balances__V1__VoidInvoiceRequest void_request;

/* What the invoice has done to one segment. */
struct draw {
    struct id balance_id, segment_id;
    instant at;
    const char *contract; /* NULL: none */
    struct invoice_draw sums;
};

struct end_invoice {
    struct write write;
    bool voids;
    struct id invoice_id;
    const char *invoice_text;

    struct invoice_status status;
    bool has_drafts;
    bool has_archived; /* balance among those that the drafts draw on */
    struct id archived_id;
    bool has_overfull; /* segment among those */
    struct id overfull_id;
    struct draw *draws;
    size_t draw_count;
};

/* ---- the state ---- */

static void ask(struct write *w, struct sql_args *args)
{
    struct end_invoice *i = (struct end_invoice *)w;

    args_id(args, &i->invoice_id);
    args_bool(args, i->voids);
}

static enum err read_draw(struct draw *d, struct arena *a, struct sql_reader *record)
{
    d->balance_id = read_id(record);
    d->segment_id = read_id(record);
    if (kind_parse(read_text(record), &d->sums.kind) != ERR_OK)
        return ERR_INTERNAL;
    d->sums.taken = read_amount(record);
    d->sums.credited = read_amount(record);
    d->sums.canceled = read_bool(record);
    d->at = read_instant(record);
    if (!read_null(record))
        d->contract = arena_text(a, read_text(record));
    d->sums.other = read_amount(record);
    return ERR_OK;
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct end_invoice *i = (struct end_invoice *)w;
    struct arena *a = &w->call->arena;
    struct sql_reader record;

    i->status = read_invoice_status(r);
    i->has_drafts = read_bool(r);
    i->has_archived = !read_null(r);
    if (i->has_archived)
        i->archived_id = read_id(r);
    i->has_overfull = !read_null(r);
    if (i->has_overfull)
        i->overfull_id = read_id(r);
    struct sql_array array = read_array(r);
    i->draws = arena_array(a, (size_t)array.count, sizeof *i->draws);
    i->draw_count = 0;
    while (i->draws && array_next_record(r, &array, &record)) {
        enum err err = read_draw(&i->draws[i->draw_count++], a, &record);
        if (err != ERR_OK)
            return err;
        array_record_done(r, &record);
    }
    return ERR_OK;
}

/* ---- the decision ---- */

static enum next refuse_void(struct end_invoice *i)
{
    struct call *c = i->write.call;

    return call_fail_precondition(c, "INVOICE_VOID", subject_of(c, "invoice", &i->invoice_id),
                                  "invoice %s is void, and stays so", i->invoice_text);
}

static enum next refuse_range(struct end_invoice *i, const struct id *segment)
{
    struct id_text text = id_format(segment);

    return call_fail(i->write.call, ERR_RANGE,
                     "with invoice %s segment %s would have more digits than an amount may have",
                     i->invoice_text, text.text);
}

static void add_step(struct end_invoice *i, enum sql_statement statement)
{
    struct sql_args *args = write_step(&i->write, statement);

    args_id(args, &i->write.customer);
    args_id(args, &i->invoice_id);
}

static enum next decide_finalize(struct write *w)
{
    struct end_invoice *i = (struct end_invoice *)w;
    struct call *c = w->call;
    Balances__V1__FinalizeInvoiceResponse answer;
    struct id_text balance = id_format(&i->archived_id);

    if (!i->status.found)
        return call_fail_not_found(c, "invoice", i->invoice_text);
    if (i->status.voided)
        return refuse_void(i);
    if (i->status.finalized)
        return call_fail_precondition(
            c, "INVOICE_FINALIZED", subject_of(c, "invoice", &i->invoice_id),
            "invoice %s is final already: void it to take it back", i->invoice_text);
    if (i->has_archived)
        return call_fail_precondition(
            c, "BALANCE_ARCHIVED", subject_of(c, "balance", &i->archived_id),
            "balance %s is archived, and invoice %s draws on it: void the invoice, or draw down "
            "its charges anew",
            balance.text, i->invoice_text);
    if (i->has_overfull)
        return refuse_range(i, &i->overfull_id);

    write_lock(w);
    if (i->has_drafts) {
        add_step(i, SQL_FINALIZE_DEDUCTIONS);
        add_step(i, SQL_DROP_INVOICE_DRAFTS);
    }
    add_step(i, SQL_FINALIZE_INVOICE);
    balances__v1__finalize_invoice_response__init(&answer);
    return write_commit(w, &answer.base);
}

/* A cancellation is dated as what it cancels, so that the ledger runs on as if it had not been. */
static enum err cancel(struct new_entries *entries, struct arena *a, const struct draw *d,
                       enum entry_type type, amount value)
{
    const struct entry e = {
        .balance_id = d->balance_id,
        .segment_id = d->segment_id,
        .type = type,
        .value = value,
        .at = d->at,
    };

    return new_entries_add(entries, a, &e, d->contract);
}

static enum next decide_void(struct write *w)
{
    struct end_invoice *i = (struct end_invoice *)w;
    struct call *c = w->call;
    struct new_entries entries;
    Balances__V1__VoidInvoiceResponse answer;

    if (!i->status.found)
        return call_fail_not_found(c, "invoice", i->invoice_text);
    if (i->status.voided)
        return refuse_void(i);
    enum err err = new_entries_open(&entries, &c->arena, i->draw_count);
    for (size_t n = 0; n < i->draw_count && err == ERR_OK; n++) {
        enum entry_type type;
        amount value;
        enum void_outcome outcome = void_check(&i->draws[n].sums, &type, &value);
        if (outcome == VOID_TOO_LARGE)
            return refuse_range(i, &i->draws[n].segment_id);
        if (outcome == VOID_GIVES_BACK)
            err = cancel(&entries, &c->arena, &i->draws[n], type, value);
    }

    write_lock(w);
    if (err == ERR_OK)
        err = new_entries_step(&entries, w, &i->invoice_id, NULL);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    if (i->has_drafts)
        add_step(i, SQL_DROP_INVOICE_DRAFTS);
    add_step(i, SQL_VOID_INVOICE);
    balances__v1__void_invoice_response__init(&answer);
    return write_commit(w, &answer.base);
}

/* ---- the requests ---- */

static const struct write_method finalize_method = {
    .name = "FinalizeInvoice",
    .answer = &balances__v1__finalize_invoice_response__descriptor,
    .state = SQL_INVOICE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide_finalize,
};

enum next finalize_invoice(struct call *c)
{
    finalize_request *in = (finalize_request *)c->request;
    struct end_invoice *i = write_open(c, &finalize_method, sizeof *i);

    if (!i)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&i->write, "customer_id", in->customer_id);
    field_id(c, "invoice_id", in->invoice_id, &i->invoice_id);
    write_read_request_id(&i->write, &in->request_id);
    i->invoice_text = in->invoice_id;
    return write_start(&i->write, c->request, &i->write.customer);
}

static const struct write_method void_method = {
    .name = "VoidInvoice",
    .answer = &balances__v1__void_invoice_response__descriptor,
    .state = SQL_INVOICE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide_void,
};

enum next void_invoice(struct call *c)
{
    void_request *in = (void_request *)c->request;
    struct end_invoice *i = write_open(c, &void_method, sizeof *i);

    if (!i)
        return call_fail_with(c, ERR_EXHAUSTED);
    i->voids = true;
    write_read_customer(&i->write, "customer_id", in->customer_id);
    field_id(c, "invoice_id", in->invoice_id, &i->invoice_id);
    write_read_request_id(&i->write, &in->request_id);
    i->invoice_text = in->invoice_id;
    return write_start(&i->write, c->request, &i->write.customer);
}
