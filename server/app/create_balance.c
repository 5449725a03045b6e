/* CreateCommit and CreateCredit: a new balance with its schedules (domain.md A5.1, A5.2).
 *
 *     read the request --> state: what it refers to --> decide
 *         --> hold the names, lock, balance, segments, invoice items --> reply with the new id
 *
 * A credit is a commit without a type and without invoices, so both are read as a request for a
 * commit. The checks are those of the schema's domains: what passes them, the database takes. */
#include <math.h>
#include <stdio.h>

#include "app/balance_state.h"
#include "app/fields.h"
#include "app/json.h"
#include "app/message.h"
#include "app/write.h"
#include "balances/v1/ledger.pb-c.h"
#include "base/limits.h"

typedef Balances__V1__CreateCommitRequest commit_request;
typedef Balances__V1__CreateCreditRequest credit_request;

enum { FIELD_NAME_MAX = 96 };

/* A schedule as the database takes it: column by column. */
struct access {
    size_t count;
    struct id *ids;
    const char **amounts;
    amount *values;
    instant *starts, *ends;
};

struct invoices {
    bool given;
    size_t count;
    struct id *ids;
    instant *timestamps;
    const char **amounts, **unit_prices, **quantities; /* NULL is none */
    amount *totals;
};

struct create {
    struct write write;
    enum balance_kind kind;
    const commit_request *in;
    struct id product_id, credit_type_id, invoice_credit_type_id, contract_id, invoice_contract_id;
    bool has_contract, has_invoice_contract;
    const char *rate_type, *child_access; /* the database's labels, empty for none */
    struct access access;
    struct invoices invoices;
    struct id *applicable_contract_ids, *applicable_product_ids, *child_contract_ids;
    size_t child_contract_count;
    struct bytes custom_fields, specifiers;

    bool key_used;
    bool product_exists, credit_type_exists, invoice_credit_type_exists;
    bool contract_exists, contract_is_archived;
    bool invoice_contract_exists, invoice_contract_is_archived;
};

/* ---- the request ---- */

static const char *item_field(char name[static FIELD_NAME_MAX], const char *schedule, size_t index,
                              const char *field)
{
    snprintf(name, FIELD_NAME_MAX, "%s.schedule_items[%zu]%s%s", schedule, index, *field ? "." : "",
             field);
    return name;
}

static void read_segment_item(struct create *n, Balances__V1__NewAccessSegment *in, size_t i)
{
    struct call *c = n->write.call;
    struct access *access = &n->access;
    char name[FIELD_NAME_MAX];

    access->ids[i] = id_random();
    field_amount_from_zero(c, item_field(name, "access_schedule", i, "amount"), &in->amount,
                           &access->values[i]);
    access->amounts[i] = in->amount;
    bool starts = field_required_instant(c, item_field(name, "access_schedule", i, "starting_at"),
                                         in->starting_at, &access->starts[i]);
    bool ends = field_required_instant(c, item_field(name, "access_schedule", i, "ending_before"),
                                       in->ending_before, &access->ends[i]);
    if (starts && ends && access->starts[i] >= access->ends[i])
        field_wrong(c, name, "must be after starting_at");
}

static void check_total(struct create *n)
{
    struct amount_sum sum = {0};
    amount total;

    for (size_t i = 0; i < n->access.count; i++)
        amount_sum_add(&sum, n->access.values[i]);
    if (amount_sum_value(&sum, &total) != ERR_OK)
        field_wrong(n->write.call, "access_schedule.schedule_items",
                    "must not have more than %d integer digits together", AMOUNT_INTEGER_DIGITS);
}

static enum err read_access(struct create *n, Balances__V1__NewAccessSchedule *in)
{
    struct call *c = n->write.call;
    struct arena *a = &c->arena;
    struct access *access = &n->access;

    if (!in || in->n_schedule_items == 0) {
        field_wrong(c, "access_schedule.schedule_items", "must have at least one item");
        if (!in)
            return ERR_OK;
    }
    field_credit_type(c, "access_schedule.credit_type_id", &in->credit_type_id, &n->credit_type_id);
    if (!field_count(c, "access_schedule.schedule_items", in->n_schedule_items, SCHEDULE_ITEMS_MAX))
        return ERR_OK;
    access->count = in->n_schedule_items;
    access->ids = arena_array(a, access->count, sizeof *access->ids);
    access->amounts = arena_array(a, access->count, sizeof *access->amounts);
    access->values = arena_array(a, access->count, sizeof *access->values);
    access->starts = arena_array(a, access->count, sizeof *access->starts);
    access->ends = arena_array(a, access->count, sizeof *access->ends);
    if (a->full)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < access->count; i++)
        read_segment_item(n, in->schedule_items[i], i);
    check_total(n);
    return ERR_OK;
}

static const char *none_if_empty(const char *text)
{
    return *text ? text : NULL;
}

/* Either an amount, or a unit price and a quantity, whose product is the amount. */
static void read_invoice_item(struct create *n, Balances__V1__NewInvoiceScheduleItem *in, size_t i)
{
    struct call *c = n->write.call;
    struct invoices *invoices = &n->invoices;
    char name[FIELD_NAME_MAX], second[FIELD_NAME_MAX];
    amount unit_price = 0, quantity = 0;

    invoices->ids[i] = id_random();
    field_required_instant(c, item_field(name, "invoice_schedule", i, "timestamp"), in->timestamp,
                           &invoices->timestamps[i]);
    bool by_quantity = *in->unit_price || *in->quantity;
    if ((*in->amount != '\0') == by_quantity) {
        field_wrong(c, item_field(name, "invoice_schedule", i, ""),
                    "must have either an amount, or a unit_price and a quantity");
    } else if (by_quantity) {
        item_field(name, "invoice_schedule", i, "unit_price");
        item_field(second, "invoice_schedule", i, "quantity");
        bool has_price = field_amount_from_zero(c, name, &in->unit_price, &unit_price);
        bool has_quantity = field_amount_from_zero(c, second, &in->quantity, &quantity);
        if (has_price && has_quantity &&
            amount_mul(unit_price, quantity, &invoices->totals[i]) != ERR_OK)
            field_wrong(c, name, "times quantity has more than %d integer digits",
                        AMOUNT_INTEGER_DIGITS);
    } else {
        field_amount_from_zero(c, item_field(name, "invoice_schedule", i, "amount"), &in->amount,
                               &invoices->totals[i]);
    }
    invoices->amounts[i] = none_if_empty(in->amount);
    invoices->unit_prices[i] = none_if_empty(in->unit_price);
    invoices->quantities[i] = none_if_empty(in->quantity);
}

static enum err read_invoices(struct create *n, Balances__V1__NewInvoiceSchedule *in)
{
    struct call *c = n->write.call;
    struct arena *a = &c->arena;
    struct invoices *invoices = &n->invoices;

    invoices->given = in != NULL;
    if (!in)
        return ERR_OK;
    field_credit_type(c, "invoice_schedule.credit_type_id", &in->credit_type_id,
                      &n->invoice_credit_type_id);
    if (in->n_schedule_items == 0 && !in->do_not_invoice)
        field_wrong(c, "invoice_schedule.schedule_items",
                    "must have at least one item, unless do_not_invoice is set");
    if (!field_count(c, "invoice_schedule.schedule_items", in->n_schedule_items,
                     SCHEDULE_ITEMS_MAX))
        return ERR_OK;
    invoices->count = in->n_schedule_items;
    invoices->ids = arena_array(a, invoices->count, sizeof *invoices->ids);
    invoices->timestamps = arena_array(a, invoices->count, sizeof *invoices->timestamps);
    invoices->amounts = arena_array(a, invoices->count, sizeof *invoices->amounts);
    invoices->unit_prices = arena_array(a, invoices->count, sizeof *invoices->unit_prices);
    invoices->quantities = arena_array(a, invoices->count, sizeof *invoices->quantities);
    invoices->totals = arena_array(a, invoices->count, sizeof *invoices->totals);
    if (a->full)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < invoices->count; i++)
        read_invoice_item(n, in->schedule_items[i], i);
    return ERR_OK;
}

/* What the type of a commit asks of its schedules (domain.md A5.1). */
static void check_type(struct create *n, const commit_request *in)
{
    struct call *c = n->write.call;
    const struct invoices *invoices = &n->invoices;
    const bool postpaid = n->kind == BALANCE_POSTPAID_COMMIT;
    const bool invoiced = invoices->given && !in->invoice_schedule->do_not_invoice;

    if ((postpaid || invoiced) && !*in->invoice_contract_id)
        field_wrong(c, "invoice_contract_id", "is required for a commit that is invoiced");
    if (!postpaid)
        return;
    if (!invoices->given)
        field_wrong(c, "invoice_schedule", "is required for a postpaid commit");
    if (n->access.count > 1)
        field_wrong(c, "access_schedule.schedule_items",
                    "must have exactly one item in a postpaid commit");
    if (invoices->given && invoices->count != 1)
        field_wrong(c, "invoice_schedule.schedule_items",
                    "must have exactly one item in a postpaid commit");
    else if (invoices->given && n->access.count == 1 && c->status.violation_count == 0 &&
             invoices->totals[0] != n->access.values[0])
        field_wrong(c, "invoice_schedule.schedule_items[0]",
                    "must be as much as the access in a postpaid commit");
}

static void read_type(struct create *n, int type)
{
    switch (type) {
    case BALANCES__V1__COMMIT_TYPE__COMMIT_TYPE_PREPAID:
        n->kind = BALANCE_PREPAID_COMMIT;
        break;
    case BALANCES__V1__COMMIT_TYPE__COMMIT_TYPE_POSTPAID:
        n->kind = BALANCE_POSTPAID_COMMIT;
        break;
    case BALANCES__V1__COMMIT_TYPE__COMMIT_TYPE_UNSPECIFIED:
        field_wrong(n->write.call, "type", "is required");
        break;
    default:
        field_wrong(n->write.call, "type", "is not a type of commit: %d", type);
    }
}

static void read_rate_type(struct create *n, int type)
{
    n->rate_type = "";
    switch (type) {
    case BALANCES__V1__RATE_TYPE__RATE_TYPE_UNSPECIFIED:
        break;
    case BALANCES__V1__RATE_TYPE__RATE_TYPE_COMMIT_RATE:
        n->rate_type = "COMMIT_RATE";
        break;
    case BALANCES__V1__RATE_TYPE__RATE_TYPE_LIST_RATE:
        n->rate_type = "LIST_RATE";
        break;
    default:
        field_wrong(n->write.call, "rate_type", "is not a type of rate: %d", type);
    }
}

static void read_priority(struct create *n, const commit_request *in)
{
    if (!in->priority)
        field_wrong(n->write.call, "priority", "is required");
    else if (!isfinite(in->priority->value))
        field_wrong(n->write.call, "priority", "must be a finite number");
}

static enum err read_hierarchy(struct create *n, const Balances__V1__HierarchyConfiguration *in)
{
    static const char type_field[] = "hierarchy_configuration.child_access.type";
    static const char ids_field[] = "hierarchy_configuration.child_access.contract_ids";
    struct call *c = n->write.call;
    const Balances__V1__ChildAccess *access = in ? in->child_access : NULL;

    n->child_access = "";
    if (!in)
        return ERR_OK;
    if (!access) {
        field_wrong(c, "hierarchy_configuration.child_access", "is required");
        return ERR_OK;
    }
    switch ((int)access->type) {
    case BALANCES__V1__CHILD_ACCESS__TYPE__TYPE_ALL:
        n->child_access = "ALL";
        break;
    case BALANCES__V1__CHILD_ACCESS__TYPE__TYPE_NONE:
        n->child_access = "NONE";
        break;
    case BALANCES__V1__CHILD_ACCESS__TYPE__TYPE_CONTRACT_IDS:
        n->child_access = "CONTRACT_IDS";
        if (access->n_contract_ids == 0)
            field_wrong(c, ids_field, "must have at least one item");
        n->child_contract_count = access->n_contract_ids;
        return field_ids(c, ids_field, access->contract_ids, access->n_contract_ids,
                         &n->child_contract_ids);
    case BALANCES__V1__CHILD_ACCESS__TYPE__TYPE_UNSPECIFIED:
        field_wrong(c, type_field, "is required");
        break;
    default:
        field_wrong(c, type_field, "is not a type of access: %d", (int)access->type);
    }
    if (access->n_contract_ids > 0)
        field_wrong(c, ids_field, "is for TYPE_CONTRACT_IDS alone");
    return ERR_OK;
}

static void read_specifiers(struct create *n, const commit_request *in)
{
    struct call *c = n->write.call;
    char name[FIELD_NAME_MAX];
    struct id product;

    if (!field_count(c, "specifiers", in->n_specifiers, LIST_ITEMS_MAX))
        return;
    if (in->n_specifiers > 0 &&
        (in->n_applicable_product_ids > 0 || in->n_applicable_product_tags > 0))
        field_wrong(c, "specifiers",
                    "may not come with applicable_product_ids or applicable_product_tags");
    for (size_t i = 0; i < in->n_specifiers; i++) {
        const Balances__V1__Specifier *s = in->specifiers[i];
        snprintf(name, sizeof name, "specifiers[%zu].product_id", i);
        field_optional_id(c, name, s->product_id, &product);
        snprintf(name, sizeof name, "specifiers[%zu].product_tags", i);
        field_tags(c, name, s->product_tags, s->n_product_tags);
    }
    n->specifiers = json_specifiers(&c->arena, in->specifiers, in->n_specifiers);
    field_json(c, "specifiers", n->specifiers);
}

static void read_rollover_fraction(struct create *n, commit_request *in)
{
    amount fraction;

    if (!*in->rollover_fraction)
        return;
    if (field_amount(n->write.call, "rollover_fraction", &in->rollover_fraction, &fraction) &&
        (fraction < 0 || fraction > AMOUNT_ONE))
        field_wrong(n->write.call, "rollover_fraction", "must be from 0 to 1");
}

/* All but the type and the invoices, in the order of the fields. */
static enum err read_common(struct create *n, commit_request *in)
{
    struct call *c = n->write.call;

    write_read_customer(&n->write, "customer_id", in->customer_id);
    field_id(c, "product_id", in->product_id, &n->product_id);
    enum err err = read_access(n, in->access_schedule);
    read_priority(n, in);
    read_rate_type(n, (int)in->rate_type);
    field_text(c, "name", in->name, NAME_CHARACTERS_MAX);
    field_text(c, "description", in->description, PROSE_CHARACTERS_MAX);
    if (err == ERR_OK)
        err = field_ids(c, "applicable_contract_ids", in->applicable_contract_ids,
                        in->n_applicable_contract_ids, &n->applicable_contract_ids);
    if (err == ERR_OK)
        err = field_ids(c, "applicable_product_ids", in->applicable_product_ids,
                        in->n_applicable_product_ids, &n->applicable_product_ids);
    field_tags(c, "applicable_product_tags", in->applicable_product_tags,
               in->n_applicable_product_tags);
    read_specifiers(n, in);
    n->has_contract = field_optional_id(c, "contract_id", in->contract_id, &n->contract_id);
    if (err == ERR_OK)
        err = read_hierarchy(n, in->hierarchy_configuration);
    n->custom_fields = field_map(c, "custom_fields", (struct text_pair *const *)in->custom_fields,
                                 in->n_custom_fields);
    field_text(c, "netsuite_sales_order_id", in->netsuite_sales_order_id, NAME_CHARACTERS_MAX);
    field_text(c, "salesforce_opportunity_id", in->salesforce_opportunity_id, NAME_CHARACTERS_MAX);
    field_text(c, "uniqueness_key", in->uniqueness_key, UNIQUENESS_KEY_CHARACTERS_MAX);
    write_read_request_id(&n->write, &in->request_id);
    n->in = in;
    return err;
}

/* ---- the state ---- */

static void ask(struct write *w, struct sql_args *args)
{
    struct create *n = (struct create *)w;

    args_id(args, &n->product_id);
    args_id(args, &n->credit_type_id);
    write_optional_id(args, n->invoices.given, &n->invoice_credit_type_id);
    write_optional_id(args, n->has_contract, &n->contract_id);
    write_optional_id(args, n->has_invoice_contract, &n->invoice_contract_id);
    write_optional_text(args, n->in->uniqueness_key);
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct create *n = (struct create *)w;

    n->key_used = read_bool(r);
    n->product_exists = read_bool(r);
    n->credit_type_exists = read_bool(r);
    n->invoice_credit_type_exists = read_bool(r);
    n->contract_exists = read_bool(r);
    n->contract_is_archived = read_bool(r);
    n->invoice_contract_exists = read_bool(r);
    n->invoice_contract_is_archived = read_bool(r);
    return ERR_OK;
}

/* ---- the decision ---- */

static enum next fail_archived(struct create *n, const struct id *contract)
{
    struct id_text text = id_format(contract);

    return call_fail_precondition(n->write.call, "CONTRACT_ARCHIVED",
                                  subject_of(n->write.call, "contract", contract),
                                  "contract %s is archived", text.text);
}

static void hold_names(struct create *n)
{
    struct sql_args *args = write_step(&n->write, SQL_HOLD_NAMES);

    args_id(args, &n->product_id);
    args_id(args, &n->credit_type_id);
    write_optional_id(args, n->invoices.given, &n->invoice_credit_type_id);
}

/* In the order of create_balance.sql's parameters. */
static enum err add_balance(struct create *n, const struct id *id)
{
    static const char *const labels[BALANCE_KINDS] = {
        [BALANCE_PREPAID_COMMIT] = "PREPAID_COMMIT",
        [BALANCE_POSTPAID_COMMIT] = "POSTPAID_COMMIT",
        [BALANCE_CREDIT] = "CREDIT",
    };
    const commit_request *in = n->in;
    struct arena *a = &n->write.call->arena;
    struct sql_args *args = write_step(&n->write, SQL_CREATE_BALANCE);
    enum err err;

    args_id(args, &n->write.customer);
    args_id(args, id);
    args_text(args, bytes_text(labels[n->kind]));
    args_id(args, &n->credit_type_id);
    write_optional_id(args, n->has_contract, &n->contract_id);
    write_optional_text(args, in->name);
    write_optional_text(args, in->description);
    args_text(args, n->custom_fields);
    args_id(args, &n->product_id);
    args_double(args, in->priority->value);
    write_optional_text(args, n->rate_type);
    err = args_ids(args, a, n->applicable_contract_ids, in->n_applicable_contract_ids);
    if (err == ERR_OK)
        err = args_ids(args, a, n->applicable_product_ids, in->n_applicable_product_ids);
    if (err == ERR_OK)
        err = args_texts(args, a, (const char *const *)in->applicable_product_tags,
                         in->n_applicable_product_tags);
    args_text(args, in->n_specifiers > 0 ? n->specifiers : bytes_of(NULL, 0));
    write_optional_text(args, n->child_access);
    if (err == ERR_OK)
        err = args_ids(args, a, n->child_contract_ids, n->child_contract_count);
    write_optional_text(args, in->netsuite_sales_order_id);
    write_optional_text(args, in->salesforce_opportunity_id);
    write_optional_text(args, in->uniqueness_key);
    write_optional_id(args, n->has_invoice_contract, &n->invoice_contract_id);
    write_optional_id(args, n->invoices.given, &n->invoice_credit_type_id);
    args_bool(args, n->invoices.given && in->invoice_schedule->do_not_invoice);
    write_optional_text(args, in->rollover_fraction);
    return err;
}

static enum err add_segments(struct create *n, const struct id *id)
{
    const struct access *access = &n->access;
    struct arena *a = &n->write.call->arena;
    struct sql_args *args = write_step(&n->write, SQL_CREATE_SEGMENTS);

    args_id(args, &n->write.customer);
    args_id(args, id);
    enum err err = args_ids(args, a, access->ids, access->count);
    if (err == ERR_OK)
        err = args_texts(args, a, access->amounts, access->count);
    if (err == ERR_OK)
        err = args_instants(args, a, access->starts, access->count);
    if (err == ERR_OK)
        err = args_instants(args, a, access->ends, access->count);
    return err;
}

static enum err add_invoices(struct create *n, const struct id *id)
{
    const struct invoices *invoices = &n->invoices;
    struct arena *a = &n->write.call->arena;

    if (invoices->count == 0)
        return ERR_OK;
    struct sql_args *args = write_step(&n->write, SQL_CREATE_INVOICE_ITEMS);
    args_id(args, &n->write.customer);
    args_id(args, id);
    enum err err = args_ids(args, a, invoices->ids, invoices->count);
    if (err == ERR_OK)
        err = args_instants(args, a, invoices->timestamps, invoices->count);
    if (err == ERR_OK)
        err = args_texts(args, a, invoices->amounts, invoices->count);
    if (err == ERR_OK)
        err = args_texts(args, a, invoices->unit_prices, invoices->count);
    if (err == ERR_OK)
        err = args_texts(args, a, invoices->quantities, invoices->count);
    return err;
}

static enum next decide(struct write *w)
{
    struct create *n = (struct create *)w;
    const commit_request *in = n->in;
    struct call *c = w->call;
    Balances__V1__CreateCommitResponse answer;

    if (n->key_used)
        return write_fail_used_key(w, in->uniqueness_key);
    if (!n->product_exists)
        return call_fail_not_found(c, "product", in->product_id);
    if (!n->credit_type_exists)
        return call_fail_not_found(c, "credit_type", in->access_schedule->credit_type_id);
    if (n->invoices.given && !n->invoice_credit_type_exists)
        return call_fail_not_found(c, "credit_type", in->invoice_schedule->credit_type_id);
    if (n->has_contract && !n->contract_exists)
        return call_fail_not_found(c, "contract", in->contract_id);
    if (n->has_invoice_contract && !n->invoice_contract_exists)
        return call_fail_not_found(c, "contract", in->invoice_contract_id);
    if (n->contract_is_archived)
        return fail_archived(n, &n->contract_id);
    if (n->invoice_contract_is_archived)
        return fail_archived(n, &n->invoice_contract_id);

    const struct id id = id_random();
    struct id_text id_text = id_format(&id);
    hold_names(n);
    write_lock(w);
    enum err err = add_balance(n, &id);
    if (err == ERR_OK)
        err = add_segments(n, &id);
    if (err == ERR_OK)
        err = add_invoices(n, &id);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    /* Both answers are the same on the wire. */
    balances__v1__create_commit_response__init(&answer);
    answer.id = id_text.text;
    return write_commit(w, &answer.base);
}

/* ---- the methods ---- */

static const struct write_method commit_method = {
    .name = "CreateCommit",
    .answer = &balances__v1__create_commit_response__descriptor,
    .state = SQL_CREATE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide,
};

enum next create_commit(struct call *c)
{
    commit_request *in = (commit_request *)c->request;
    struct create *n = write_open(c, &commit_method, sizeof *n);

    if (!n)
        return call_fail_with(c, ERR_EXHAUSTED);
    enum err err = read_common(n, in);
    read_type(n, (int)in->type);
    read_rollover_fraction(n, in);
    if (err == ERR_OK)
        err = read_invoices(n, in->invoice_schedule);
    n->has_invoice_contract = field_optional_id(c, "invoice_contract_id", in->invoice_contract_id,
                                                &n->invoice_contract_id);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    check_type(n, in);
    return write_start(&n->write, &in->base, &n->write.customer);
}

static const struct write_method credit_method = {
    .name = "CreateCredit",
    .answer = &balances__v1__create_credit_response__descriptor,
    .state = SQL_CREATE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide,
};

/* Field by field; the call's arena keeps it. */
static commit_request *as_commit(struct call *c, const credit_request *in)
{
    commit_request *same = arena_raw(&c->arena, sizeof *same);

    if (!same)
        return NULL;
    balances__v1__create_commit_request__init(same);
    same->customer_id = in->customer_id;
    same->product_id = in->product_id;
    same->access_schedule = in->access_schedule;
    same->priority = in->priority;
    same->rate_type = in->rate_type;
    same->name = in->name;
    same->description = in->description;
    same->applicable_contract_ids = in->applicable_contract_ids;
    same->n_applicable_contract_ids = in->n_applicable_contract_ids;
    same->applicable_product_ids = in->applicable_product_ids;
    same->n_applicable_product_ids = in->n_applicable_product_ids;
    same->applicable_product_tags = in->applicable_product_tags;
    same->n_applicable_product_tags = in->n_applicable_product_tags;
    same->specifiers = in->specifiers;
    same->n_specifiers = in->n_specifiers;
    same->contract_id = in->contract_id;
    same->hierarchy_configuration = in->hierarchy_configuration;
    /* Entries of another type by name alone (normal.c checks it); packed, they are the same. */
    same->custom_fields =
        (Balances__V1__CreateCommitRequest__CustomFieldsEntry **)in->custom_fields;
    same->n_custom_fields = in->n_custom_fields;
    same->netsuite_sales_order_id = in->netsuite_sales_order_id;
    same->salesforce_opportunity_id = in->salesforce_opportunity_id;
    same->uniqueness_key = in->uniqueness_key;
    same->request_id = in->request_id;
    return same;
}

enum next create_credit(struct call *c)
{
    struct create *n = write_open(c, &credit_method, sizeof *n);
    commit_request *in = n ? as_commit(c, (const credit_request *)c->request) : NULL;

    if (!in)
        return call_fail_with(c, ERR_EXHAUSTED);
    n->kind = BALANCE_CREDIT;
    enum err err = read_common(n, in);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    return write_start(&n->write, &in->base, &n->write.customer);
}
