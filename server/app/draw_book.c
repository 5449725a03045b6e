#include "app/draw_book.h"

#include "app/message.h"
#include "app/rows.h"

/* ---- reading ---- */

static void read_products(struct draw_book *b, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct sql_reader record;

    b->products = arena_array(b->arena, (size_t)array.count, sizeof *b->products);
    while (b->products && array_next_record(r, &array, &record)) {
        struct draw_product *p = &b->products[b->product_count++];
        p->id = read_id(&record);
        p->tags = read_text_list(&record, b->arena, &p->tag_count);
        if (b->arena->full)
            return;
        array_record_done(r, &record);
    }
}

static struct draw_invoice *find_invoice(const struct draw_book *b, const struct id *id)
{
    struct draw_invoice *n = b->invoices;

    while (n && !id_equal(&n->id, id))
        n = n->next;
    return n;
}

static struct draw_invoice *add_invoice(struct draw_book *b, const struct id *id)
{
    struct draw_invoice *n = arena_alloc(b->arena, sizeof *n);

    if (!n)
        return NULL;
    n->id = *id;
    n->next = b->invoices;
    b->invoices = n;
    return n;
}

static void read_invoices(struct draw_book *b, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct sql_reader record;

    while (array_next_record(r, &array, &record)) {
        const struct id id = read_id(&record);
        struct draw_invoice *n = add_invoice(b, &id);
        if (!n)
            return;
        n->is_stored = true;
        n->is_draft = read_bool(&record);
        n->has_contract = !read_null(&record);
        if (n->has_contract)
            n->contract = read_id(&record);
        n->service_period_end = read_instant(&record);
        array_record_done(r, &record);
    }
}

static struct draw_deduction *add_deduction(struct draw_book *b, struct draw_invoice *n,
                                            const struct id *balance, const struct id *segment)
{
    struct draw_deduction *d = arena_alloc(b->arena, sizeof *d);

    if (!d)
        return NULL;
    d->balance_id = *balance;
    d->segment_id = *segment;
    d->segment = draw_sources_segment(&b->sources, balance, segment);
    d->next = n->deductions;
    n->deductions = d;
    return d;
}

/* Of an invoice that another system keeps the deductions may be there without it. */
static void read_deductions(struct draw_book *b, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct sql_reader record;

    while (array_next_record(r, &array, &record)) {
        const struct id id = read_id(&record), balance = read_id(&record),
                        segment = read_id(&record);
        struct draw_invoice *n = find_invoice(b, &id);
        if (!n)
            n = add_invoice(b, &id);
        struct draw_deduction *d = n ? add_deduction(b, n, &balance, &segment) : NULL;
        if (!d)
            return;
        d->stored = d->now = read_amount(&record);
        array_record_done(r, &record);
    }
}

void draw_book_read(struct draw_book *b, struct arena *a, struct sql_reader *r)
{
    struct draw_order order;

    *b = (struct draw_book){.arena = a};
    draw_order_read(&order, a, r);
    b->contracts = read_id_list(r, a, &b->contract_count);
    b->credit_types = read_id_list(r, a, &b->credit_type_count);
    read_products(b, r);
    read_invoices(b, r);
    draw_sources_read(&b->sources, &order, a, r);
    read_deductions(b, r);
    b->allocations = arena_array(a, b->sources.burner_count, sizeof *b->allocations);
}

/* ---- looking ---- */

static bool ids_have(const struct id *ids, size_t count, const struct id *id)
{
    for (size_t i = 0; i < count; i++)
        if (id_equal(&ids[i], id))
            return true;
    return false;
}

bool draw_book_has_contract(const struct draw_book *b, const struct id *id)
{
    return ids_have(b->contracts, b->contract_count, id);
}

bool draw_book_has_credit_type(const struct draw_book *b, const struct id *id)
{
    return ids_have(b->credit_types, b->credit_type_count, id);
}

const char *const *draw_book_tags(const struct draw_book *b, const struct id *product,
                                  size_t *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < b->product_count; i++) {
        if (!id_equal(&b->products[i].id, product))
            continue;
        *ret_count = b->products[i].tag_count;
        return b->products[i].tags;
    }
    return NULL;
}

struct draw_invoice *draw_book_invoice(const struct draw_book *b, const struct id *id)
{
    struct draw_invoice *n = find_invoice(b, id);

    return n && (n->is_stored || n->is_made) ? n : NULL;
}

/* ---- drawing ---- */

struct draw_invoice *draw_book_make_invoice(struct draw_book *b, const struct id *id)
{
    struct draw_invoice *n = find_invoice(b, id);

    if (!n)
        n = add_invoice(b, id);
    if (n)
        n->is_made = n->is_draft = true;
    return n;
}

void draw_book_save(struct draw_book *b)
{
    for (struct draw_invoice *n = b->invoices; n; n = n->next) {
        n->was_made = n->is_made;
        for (struct draw_deduction *d = n->deductions; d; d = d->next)
            d->saved = d->now;
    }
    for (size_t i = 0; i < b->sources.segment_count; i++)
        b->sources.saved_drafts[i] = b->sources.segments[i].draft;
}

/* What was added since has nothing saved, and so is nothing. */
void draw_book_restore(struct draw_book *b)
{
    for (struct draw_invoice *n = b->invoices; n; n = n->next) {
        n->is_made = n->was_made;
        for (struct draw_deduction *d = n->deductions; d; d = d->next)
            d->now = d->saved;
    }
    for (size_t i = 0; i < b->sources.segment_count; i++)
        b->sources.segments[i].draft = b->sources.saved_drafts[i];
}

enum err draw_book_forget(struct draw_invoice *n)
{
    for (struct draw_deduction *d = n->deductions; d; d = d->next) {
        if (d->segment) {
            const enum err err = amount_add(d->segment->draft, -d->now, &d->segment->draft);
            if (err != ERR_OK)
                return err;
        }
        d->now = 0;
    }
    return ERR_OK;
}

static enum err deduct(struct draw_book *b, struct draw_invoice *n, const struct allocation *a)
{
    const struct id *balance = &a->burner->source->balance.id, *segment = &a->burner->segment->id;
    struct draw_deduction *d = n->deductions;

    while (d && !(id_equal(&d->segment_id, segment) && id_equal(&d->balance_id, balance)))
        d = d->next;
    if (!d)
        d = add_deduction(b, n, balance, segment);
    return d ? amount_add(d->now, -a->taken, &d->now) : ERR_EXHAUSTED;
}

enum err draw_book_draw(struct draw_book *b, struct draw_invoice *n, const struct charge *charge,
                        struct split *ret)
{
    struct split split;
    enum err err =
        draw_charge(b->sources.burners, b->sources.burner_count, charge, b->allocations, &split);

    for (size_t i = 0; err == ERR_OK && i < split.allocation_count; i++)
        err = deduct(b, n, &b->allocations[i]);
    if (err == ERR_OK)
        *ret = split;
    return err;
}

/* ---- writing ---- */

/* Rows of invoices or deductions, column by column, as statements take them. */
struct columns {
    size_t count;
    struct id *invoices, *balances, *segments;
    const char **amounts, **contracts;
    instant *ends;
};

static bool columns_init(struct columns *c, struct arena *a, size_t room)
{
    *c = (struct columns){
        .invoices = arena_array(a, room, sizeof *c->invoices),
        .balances = arena_array(a, room, sizeof *c->balances),
        .segments = arena_array(a, room, sizeof *c->segments),
        .amounts = arena_array(a, room, sizeof *c->amounts),
        .contracts = arena_array(a, room, sizeof *c->contracts),
        .ends = arena_array(a, room, sizeof *c->ends),
    };
    return !a->full;
}

static void add_row(struct columns *c, struct arena *a, const struct draw_invoice *n,
                    const struct draw_deduction *d)
{
    const size_t i = c->count++;

    c->invoices[i] = n->id;
    c->ends[i] = n->service_period_end;
    c->contracts[i] = n->has_contract ? message_id(a, &n->contract) : NULL;
    if (d) {
        c->balances[i] = d->balance_id;
        c->segments[i] = d->segment_id;
        c->amounts[i] = message_amount(a, d->now);
    }
}

/* NULL where there are no rows. */
static struct sql_args *begin(struct sql_step *steps, int *count, enum sql_statement statement,
                              const struct id *customer, const struct columns *c)
{
    if (c->count == 0)
        return NULL;
    struct sql_step *step = &steps[(*count)++];
    step->statement = statement;
    step->args.count = 0;
    args_id(&step->args, customer);
    return &step->args;
}

static enum err write_invoices(struct sql_args *args, struct arena *a, const struct columns *c)
{
    enum err err = args_ids(args, a, c->invoices, c->count);

    if (err == ERR_OK)
        err = args_texts(args, a, c->contracts, c->count);
    return err == ERR_OK ? args_instants(args, a, c->ends, c->count) : err;
}

static enum err write_places(struct sql_args *args, struct arena *a, const struct columns *c)
{
    enum err err = args_ids(args, a, c->invoices, c->count);

    if (err == ERR_OK)
        err = args_ids(args, a, c->balances, c->count);
    return err == ERR_OK ? args_ids(args, a, c->segments, c->count) : err;
}

static enum err write_deductions(struct sql_args *args, struct arena *a, const struct columns *c)
{
    enum err err = write_places(args, a, c);

    if (err == ERR_OK)
        err = args_texts(args, a, c->amounts, c->count);
    if (err == ERR_OK)
        err = args_instants(args, a, c->ends, c->count);
    return err == ERR_OK ? args_texts(args, a, c->contracts, c->count) : err;
}

static size_t count_rows(const struct draw_book *b)
{
    size_t rows = 0;

    for (const struct draw_invoice *n = b->invoices; n; n = n->next) {
        rows++;
        for (const struct draw_deduction *d = n->deductions; d; d = d->next)
            rows++;
    }
    return rows;
}

enum err draw_book_write(const struct draw_book *b, const struct id *customer,
                         struct sql_step steps[static DRAW_STEPS_MAX], int *ret_count)
{
    const size_t room = count_rows(b);
    struct columns made, dropped, put;
    struct sql_args *args;
    enum err err = ERR_OK;
    int count = 0;

    if (!columns_init(&made, b->arena, room) || !columns_init(&dropped, b->arena, room) ||
        !columns_init(&put, b->arena, room))
        return ERR_EXHAUSTED;
    for (const struct draw_invoice *n = b->invoices; n; n = n->next) {
        if (n->is_made)
            add_row(&made, b->arena, n, NULL);
        for (const struct draw_deduction *d = n->deductions; d; d = d->next)
            if (d->now != d->stored)
                add_row(d->now == 0 ? &dropped : &put, b->arena, n, d);
    }
    if (b->arena->full)
        return ERR_EXHAUSTED;
    if ((args = begin(steps, &count, SQL_CREATE_INVOICES, customer, &made)))
        err = write_invoices(args, b->arena, &made);
    if (err == ERR_OK && (args = begin(steps, &count, SQL_DROP_DRAFTS, customer, &dropped)))
        err = write_places(args, b->arena, &dropped);
    if (err == ERR_OK && (args = begin(steps, &count, SQL_PUT_DRAFTS, customer, &put)))
        err = write_deductions(args, b->arena, &put);
    if (err == ERR_OK)
        *ret_count = count;
    return err;
}
