/* DrawDown: covers charges of a draft invoice from the customer's balances (domain.md A8, B10, B11,
 * B14, B17; design: rulings 1, 2, 4 and 10).
 *
 *     read the request --> (app/batch.c: state) --> decide: split each charge, in the book
 *         --> (commit: the invoice, its deductions) --> reply with what covers each charge
 *
 * Which balance covers what is the ledger's to decide, and what is then to be written the book's.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/balance_state.h"
#include "app/batch.h"
#include "app/draw_book.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/normal.h"
#include "balances/v1/ledger.pb-c.h"
#include "base/limits.h"

typedef Balances__V1__DrawDownRequest draw_request;

enum { FIELD_NAME_MAX = 96 };

struct draw_down {
    struct batch_member member;
    const draw_request *in;
    struct id invoice_id, contract_id;
    bool has_contract;
    instant service_period_end;
    struct charge *charges; /* as many as the request has */
};

/* ---- the request ---- */

static const char *charge_field(char name[static FIELD_NAME_MAX], size_t index, const char *field)
{
    snprintf(name, FIELD_NAME_MAX, "charges[%zu].%s", index, field);
    return name;
}

static void read_kind(struct call *c, size_t index, int kind, struct charge *charge)
{
    char name[FIELD_NAME_MAX];

    switch (kind) {
    case BALANCES__V1__CHARGE_KIND__CHARGE_KIND_UNSPECIFIED:
    case BALANCES__V1__CHARGE_KIND__CHARGE_KIND_USAGE:
        charge->kind = CHARGE_USAGE;
        break;
    case BALANCES__V1__CHARGE_KIND__CHARGE_KIND_SUBSCRIPTION:
        charge->kind = CHARGE_SUBSCRIPTION;
        break;
    case BALANCES__V1__CHARGE_KIND__CHARGE_KIND_COMPOSITE:
        charge->kind = CHARGE_COMPOSITE;
        break;
    default:
        field_wrong(c, charge_field(name, index, "kind"), "is not a kind of charge: %d", kind);
    }
}

static void read_line_item_type(struct call *c, size_t index, int type, struct charge *charge)
{
    /* By the wire's numbers. */
    static const enum line_item_type types[] = {
        [BALANCES__V1__LINE_ITEM_TYPE__LINE_ITEM_TYPE_STANDING_CHARGE] = LINE_STANDING_CHARGE,
        [BALANCES__V1__LINE_ITEM_TYPE__LINE_ITEM_TYPE_USAGE] = LINE_USAGE,
        [BALANCES__V1__LINE_ITEM_TYPE__LINE_ITEM_TYPE_MINIMUM_SPEND] = LINE_MINIMUM_SPEND,
        [BALANCES__V1__LINE_ITEM_TYPE__LINE_ITEM_TYPE_COUNTER_RUNNING_TOTAL_CHARGE] =
            LINE_COUNTER_RUNNING_TOTAL_CHARGE,
        [BALANCES__V1__LINE_ITEM_TYPE__LINE_ITEM_TYPE_COUNTER_ADJUSTMENT_DEBIT] =
            LINE_COUNTER_ADJUSTMENT_DEBIT,
        [BALANCES__V1__LINE_ITEM_TYPE__LINE_ITEM_TYPE_AD_HOC] = LINE_AD_HOC,
    };
    char name[FIELD_NAME_MAX];

    if (type == BALANCES__V1__LINE_ITEM_TYPE__LINE_ITEM_TYPE_UNSPECIFIED)
        return;
    if (type < 0 || type >= (int)(sizeof types / sizeof *types)) {
        field_wrong(c, charge_field(name, index, "line_item_type"),
                    "is not a type of line item: %d", type);
        return;
    }
    charge->has_line_item_type = true;
    charge->line_item_type = types[type];
}

static bool read_positive(struct call *c, size_t index, const char *field, char **text, amount *ret)
{
    char name[FIELD_NAME_MAX];

    if (!field_amount(c, charge_field(name, index, field), text, ret))
        return false;
    if (*ret > 0)
        return true;
    field_wrong(c, name, "must be positive");
    return false;
}

static const struct pair *pairs_of(struct arena *a, struct text_pair *const *in, size_t count)
{
    struct pair *pairs = arena_array(a, count, sizeof *pairs);

    for (size_t i = 0; pairs && i < count; i++)
        pairs[i] = (struct pair){in[i]->key, in[i]->value};
    return pairs;
}

static void read_charge(struct draw_down *d, Balances__V1__Charge *in, size_t i)
{
    struct call *c = d->member.write.call;
    struct charge *charge = &d->charges[i];
    char name[FIELD_NAME_MAX];

    read_positive(c, i, "amount", &in->amount, &charge->at_list);
    if (!*in->commit_rate_amount) /* spelt out, so that the default is the same request */
        in->commit_rate_amount = in->amount;
    if (in->commit_rate_amount == in->amount)
        charge->at_commit = charge->at_list;
    else
        read_positive(c, i, "commit_rate_amount", &in->commit_rate_amount, &charge->at_commit);
    field_credit_type(c, charge_field(name, i, "credit_type_id"), &in->credit_type_id,
                      &charge->credit_type);
    charge->has_product =
        field_optional_id(c, charge_field(name, i, "product_id"), in->product_id, &charge->product);
    charge->pricing = pairs_of(&c->arena, (struct text_pair *const *)in->pricing_group_values,
                               in->n_pricing_group_values);
    charge->pricing_count = in->n_pricing_group_values;
    charge->presentation =
        pairs_of(&c->arena, (struct text_pair *const *)in->presentation_group_values,
                 in->n_presentation_group_values);
    charge->presentation_count = in->n_presentation_group_values;
    read_kind(c, i, (int)in->kind, charge);
    read_line_item_type(c, i, (int)in->line_item_type, charge);
    if (!field_instant(c, charge_field(name, i, "starting_at"), in->starting_at,
                       &charge->starting_at))
        charge->starting_at = d->member.write.now;
    if (*in->unit_price)
        field_amount_from_zero(c, charge_field(name, i, "unit_price"), &in->unit_price,
                               &charge->unit_price);
    field_text(c, charge_field(name, i, "name"), in->name, NAME_CHARACTERS_MAX);
    charge->name = in->name;
    charge->has_contract = d->has_contract;
    charge->contract = d->contract_id;
}

/* ---- the state ---- */

/* What the statement is to look for, over all charges. */
struct wanted {
    struct id *invoices, *contracts, *products, *credit_types;
    size_t invoice_count, contract_count, product_count, credit_type_count;
    instant earliest, latest;
};

static bool wanted_init(struct wanted *n, struct arena *a, size_t requests, size_t charges)
{
    *n = (struct wanted){
        .invoices = arena_array(a, requests, sizeof *n->invoices),
        .contracts = arena_array(a, requests, sizeof *n->contracts),
        .products = arena_array(a, charges, sizeof *n->products),
        .credit_types = arena_array(a, charges, sizeof *n->credit_types),
        .earliest = INSTANT_NEVER,
        .latest = -INSTANT_NEVER,
    };
    return !a->full;
}

/* Each once: charges are many, and what they are for is little. */
static void add_id(struct id *ids, size_t *count, const struct id *id)
{
    for (size_t i = 0; i < *count; i++)
        if (id_equal(&ids[i], id))
            return;
    ids[(*count)++] = *id;
}

static void add_wanted(struct wanted *n, const struct draw_down *d)
{
    add_id(n->invoices, &n->invoice_count, &d->invoice_id);
    if (d->has_contract)
        add_id(n->contracts, &n->contract_count, &d->contract_id);
    for (size_t i = 0; i < d->in->n_charges; i++) {
        const struct charge *charge = &d->charges[i];
        if (charge->has_product)
            add_id(n->products, &n->product_count, &charge->product);
        add_id(n->credit_types, &n->credit_type_count, &charge->credit_type);
        if (charge->starting_at < n->earliest)
            n->earliest = charge->starting_at;
        if (charge->starting_at > n->latest)
            n->latest = charge->starting_at;
    }
}

static enum err ask_for(struct sql_args *args, struct arena *a, const struct wanted *n)
{
    /* Without charges no segment is looked for. */
    const bool none = n->earliest > n->latest;
    enum err err = args_ids(args, a, n->invoices, n->invoice_count);

    if (err == ERR_OK)
        err = args_ids(args, a, n->contracts, n->contract_count);
    if (err == ERR_OK)
        err = args_ids(args, a, n->products, n->product_count);
    if (err == ERR_OK)
        err = args_ids(args, a, n->credit_types, n->credit_type_count);
    args_instant(args, none ? 0 : n->earliest);
    args_instant(args, none ? 0 : n->latest);
    return err;
}

static enum err ask(struct batch *b, struct sql_args *args)
{
    struct wanted wanted;
    size_t requests = 0, charges = 0;

    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m)) {
        requests++;
        charges += ((struct draw_down *)m)->in->n_charges;
    }
    if (!wanted_init(&wanted, batch_arena(b), requests, charges))
        return ERR_EXHAUSTED;
    for (struct batch_member *m = batch_next(b, NULL); m; m = batch_next(b, m))
        add_wanted(&wanted, (struct draw_down *)m);
    return ask_for(args, batch_arena(b), &wanted);
}

static enum err learn(struct batch *b, struct sql_reader *r)
{
    draw_book_read(batch_state(b), batch_arena(b), r);
    return ERR_OK;
}

/* ---- the decision ---- */

/* DONE where something that the request refers to does not exist. */
static enum next look_for_all(struct draw_down *d, const struct draw_book *book)
{
    struct call *c = d->member.write.call;

    if (d->has_contract && !draw_book_has_contract(book, &d->contract_id))
        return call_fail_not_found(c, "contract", d->in->contract_id);
    for (size_t i = 0; i < d->in->n_charges; i++)
        if (!draw_book_has_credit_type(book, &d->charges[i].credit_type))
            return call_fail_not_found(c, "credit_type", d->in->charges[i]->credit_type_id);
    return NEXT;
}

/* DONE where the invoice is not this draft. */
static enum next check_invoice(struct draw_down *d, const struct draw_invoice *invoice)
{
    struct call *c = d->member.write.call;
    const char *subject = subject_of(c, "invoice", &d->invoice_id);

    if (!invoice->is_draft)
        return call_fail_precondition(c, "INVOICE_NOT_DRAFT", subject,
                                      "invoice %s is not a draft any more", d->in->invoice_id);
    if (invoice->has_contract != d->has_contract ||
        (d->has_contract && !id_equal(&invoice->contract, &d->contract_id)))
        return call_fail_precondition(c, "INVOICE_DIFFERS", subject,
                                      "invoice %s was made with another contract_id: draw down "
                                      "with the same",
                                      d->in->invoice_id);
    if (invoice->service_period_end != d->service_period_end)
        return call_fail_precondition(c, "INVOICE_DIFFERS", subject,
                                      "invoice %s was made with the service_period_end %s: draw "
                                      "down with the same",
                                      d->in->invoice_id,
                                      instant_text(c, invoice->service_period_end));
    return NEXT;
}

static struct draw_invoice *make_invoice(struct draw_down *d, struct draw_book *book)
{
    struct draw_invoice *invoice = draw_book_make_invoice(book, &d->invoice_id);

    if (!invoice)
        return NULL;
    invoice->has_contract = d->has_contract;
    invoice->contract = d->contract_id;
    invoice->service_period_end = d->service_period_end;
    return invoice;
}

/* By the rules of the ledger; of those that are alike by their order in the request. */
static int compare_charges(const void *a, const void *b)
{
    const struct charge *x = *(const struct charge *const *)a,
                        *y = *(const struct charge *const *)b;
    const int order = charge_compare(x, y);

    return order != 0 ? order : (x > y) - (x < y);
}

static Balances__V1__Allocation *message_allocation(struct arena *a, const struct allocation *from)
{
    Balances__V1__Allocation *m = arena_raw(a, sizeof *m);

    if (!m)
        return NULL;
    balances__v1__allocation__init(m);
    m->balance_id = message_id(a, &from->burner->source->balance.id);
    m->segment_id = message_id(a, &from->burner->segment->id);
    m->amount = message_amount(a, from->taken);
    m->remaining = message_amount(a, from->remaining);
    return m;
}

static Balances__V1__ChargeResult *message_result(struct arena *a, const struct split *split,
                                                  const struct allocation *allocations)
{
    Balances__V1__ChargeResult *m = arena_raw(a, sizeof *m);
    Balances__V1__Allocation **items = arena_array(a, split->allocation_count, sizeof *items);

    if (!m || !items)
        return NULL;
    balances__v1__charge_result__init(m);
    for (size_t i = 0; i < split->allocation_count; i++)
        items[i] = message_allocation(a, &allocations[i]);
    m->allocations = items;
    m->n_allocations = split->allocation_count;
    m->uncovered = message_amount(a, split->uncovered);
    m->overage = message_amount(a, split->overage);
    return m;
}

/* Draws all charges, in their order; results are in that of the request. */
static enum err draw_all(struct draw_down *d, struct draw_book *book, struct draw_invoice *invoice,
                         Balances__V1__ChargeResult **results)
{
    struct arena *a = &d->member.write.call->arena;
    const size_t count = d->in->n_charges;
    struct charge **order = arena_array(a, count, sizeof *order);
    struct split split;

    if (!order)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < count; i++)
        order[i] = &d->charges[i];
    if (count > 0)
        qsort(order, count, sizeof *order, compare_charges);
    for (size_t i = 0; i < count; i++) {
        struct charge *charge = order[i];
        if (charge->has_product)
            charge->tags = draw_book_tags(book, &charge->product, &charge->tag_count);
        const enum err err = draw_book_draw(book, invoice, charge, &split);
        if (err != ERR_OK)
            return err;
        results[charge - d->charges] = message_result(a, &split, book->allocations);
    }
    return a->full ? ERR_EXHAUSTED : ERR_OK;
}

static enum err draw(struct draw_down *d, struct draw_book *book, struct draw_invoice *invoice,
                     Balances__V1__ChargeResult ***ret)
{
    Balances__V1__ChargeResult **results =
        arena_array(&d->member.write.call->arena, d->in->n_charges, sizeof *results);
    enum err err = ERR_EXHAUSTED;

    draw_book_save(book);
    if (!invoice)
        invoice = make_invoice(d, book);
    if (invoice && results)
        err = d->in->replace ? draw_book_forget(invoice) : ERR_OK;
    if (err == ERR_OK)
        err = draw_all(d, book, invoice, results);
    if (err != ERR_OK || d->in->dry_run)
        draw_book_restore(book);
    *ret = results;
    return err;
}

static enum next decide(struct batch *b, struct batch_member *m)
{
    struct draw_down *d = (struct draw_down *)m;
    struct call *c = m->write.call;
    struct draw_book *book = batch_state(b);
    struct draw_invoice *invoice = draw_book_invoice(book, &d->invoice_id);
    Balances__V1__DrawDownResponse answer;

    balances__v1__draw_down_response__init(&answer);
    if (look_for_all(d, book) == DONE || (invoice && check_invoice(d, invoice) == DONE))
        return DONE;
    const enum err err = draw(d, book, invoice, &answer.results);
    if (err == ERR_RANGE)
        return call_fail(c, ERR_RANGE,
                         "a sum of these charges would have more digits than an amount may have");
    if (err != ERR_OK)
        return call_fail_with(c, err);
    answer.n_results = d->in->n_charges;
    m->repeatable = d->in->dry_run;
    const enum next next = batch_answer(m, &answer.base);
    if (next == DONE)
        draw_book_restore(book);
    return next;
}

static enum err finish(struct batch *b, struct sql_step *steps, int *ret_count)
{
    return draw_book_write(batch_state(b), batch_customer(b), steps, ret_count);
}

/* ---- the method ---- */

static_assert((int)DRAW_STEPS_MAX <= (int)BATCH_FINISH_STEPS_MAX,
              "too many steps for one transaction");

static const struct batch_method method = {
    .write =
        {
            .name = "DrawDown",
            .answer = &balances__v1__draw_down_response__descriptor,
            .state = SQL_DRAW_STATE,
        },
    .state_size = sizeof(struct draw_book),
    .ask = ask,
    .learn = learn,
    .decide = decide,
    .finish = finish,
};

enum next draw_down(struct call *c)
{
    draw_request *in = (draw_request *)c->request;
    struct draw_down *d = batch_open(c, &method, sizeof *d);

    if (!d)
        return call_fail_with(c, ERR_EXHAUSTED);
    d->in = in;
    write_read_customer(&d->member.write, "customer_id", in->customer_id);
    field_id(c, "invoice_id", in->invoice_id, &d->invoice_id);
    d->has_contract = field_optional_id(c, "contract_id", in->contract_id, &d->contract_id);
    field_required_instant(c, "service_period_end", in->service_period_end, &d->service_period_end);
    if (field_count(c, "charges", in->n_charges, DRAW_CHARGES_MAX)) {
        d->charges = arena_array(&c->arena, in->n_charges, sizeof *d->charges);
        for (size_t i = 0; d->charges && i < in->n_charges; i++)
            read_charge(d, in->charges[i], i);
    }
    write_read_request_id(&d->member.write, &in->request_id);
    return batch_start(&d->member, &method, c->request, (int)in->n_charges);
}
