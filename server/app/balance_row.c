#include "app/balance_row.h"

#include "app/message.h"
#include "app/rows.h"
#include "ledger/balance.h"
#include "ledger/derived.h"

/* Columns that only some kinds of balance have, until it is known where they go. */
struct columns {
    char *contract_id;
    Google__Protobuf__Timestamp *archived_at, *created_at, *updated_at, *rollover_ending_before;
    char *rollover_amount, *name, *description, *product_id, *product_name;
    Balances__V1__CreditType *credit_type;
    ProtobufCMessage **custom_fields;
    size_t n_custom_fields;
    Google__Protobuf__DoubleValue *priority;
    int rate_type;
    char **applicable_contract_ids, **applicable_product_ids, **applicable_product_tags;
    size_t n_applicable_contract_ids, n_applicable_product_ids, n_applicable_product_tags;
    Balances__V1__Specifier **specifiers;
    size_t n_specifiers;
    Balances__V1__RolledOverFrom *rolled_over_from;
    Balances__V1__HierarchyConfiguration *hierarchy;
    char *netsuite_sales_order_id, *salesforce_opportunity_id, *uniqueness_key, *recurring_id;
    char *invoice_contract_id, *rollover_fraction;
    Balances__V1__InvoiceSchedule *invoice_schedule;
    char *code, *draw_down_description, *overage_surcharge_percent, *overage_description;
    char **product_ids;
    size_t n_product_ids;
    Balances__V1__LineItemType *line_item_types;
    size_t n_line_item_types;
    char *consumptions_accounting_product_id, *fees_accounting_product_id;
    int64_t version;
};

static Balances__V1__CreditType *credit_type(struct arena *a, struct sql_reader *r)
{
    Balances__V1__CreditType *m = arena_raw(a, sizeof *m);

    if (!m)
        return NULL;
    balances__v1__credit_type__init(m);
    m->id = read_message_id(r, a);
    m->name = read_message_text(r, a);
    return m;
}

static Balances__V1__Product *product(struct arena *a, char *id, char *name)
{
    Balances__V1__Product *m = arena_raw(a, sizeof *m);

    if (!m)
        return NULL;
    balances__v1__product__init(m);
    m->id = id;
    m->name = name;
    return m;
}

/* NULL where there is no contract. */
static Balances__V1__Contract *contract(struct arena *a, char *id)
{
    Balances__V1__Contract *m = id && *id ? arena_raw(a, sizeof *m) : NULL;

    if (!m)
        return NULL;
    balances__v1__contract__init(m);
    m->id = id;
    return m;
}

static Balances__V1__Specifier *specifier(struct arena *a, struct sql_reader *r)
{
    Balances__V1__Specifier *m = arena_raw(a, sizeof *m);

    if (!m)
        return NULL;
    balances__v1__specifier__init(m);
    m->product_id = read_message_text(r, a);
    m->product_tags = read_message_texts(r, a, &m->n_product_tags);
    m->pricing_group_values = (Balances__V1__Specifier__PricingGroupValuesEntry **)read_message_map(
        r, a, &balances__v1__specifier__pricing_group_values_entry__descriptor,
        &m->n_pricing_group_values);
    m->presentation_group_values =
        (Balances__V1__Specifier__PresentationGroupValuesEntry **)read_message_map(
            r, a, &balances__v1__specifier__presentation_group_values_entry__descriptor,
            &m->n_presentation_group_values);
    return m;
}

static Balances__V1__Specifier **specifiers(struct arena *a, struct sql_reader *r,
                                            size_t *ret_count)
{
    struct sql_array array = read_array(r);
    Balances__V1__Specifier **all = arena_array(a, (size_t)array.count, sizeof(void *));
    struct sql_reader record;

    while (all && array_next_record(r, &array, &record)) {
        all[(*ret_count)++] = specifier(a, &record);
        array_record_done(r, &record);
    }
    return all;
}

static Balances__V1__RolledOverFrom *rolled_over_from(struct arena *a, struct sql_reader *r)
{
    char *balance_id = read_message_id(r, a);
    char *contract_id = read_message_id(r, a);
    Balances__V1__RolledOverFrom *m = balance_id && *balance_id ? arena_raw(a, sizeof *m) : NULL;

    if (!m)
        return NULL;
    balances__v1__rolled_over_from__init(m);
    m->balance_id = balance_id;
    m->contract_id = contract_id;
    return m;
}

static Balances__V1__HierarchyConfiguration *hierarchy(struct arena *a, struct sql_reader *r)
{
    int type = read_message_enum(r, &balances__v1__child_access__type__descriptor, "TYPE_");
    size_t count;
    char **contract_ids = read_message_ids(r, a, &count);
    Balances__V1__HierarchyConfiguration *m = type ? arena_raw(a, sizeof *m) : NULL;
    Balances__V1__ChildAccess *access = m ? arena_raw(a, sizeof *access) : NULL;

    if (!access)
        return NULL;
    balances__v1__hierarchy_configuration__init(m);
    balances__v1__child_access__init(access);
    access->type = (Balances__V1__ChildAccess__Type)type;
    access->contract_ids = contract_ids;
    access->n_contract_ids = count;
    m->child_access = access;
    return m;
}

static Balances__V1__InvoiceScheduleItem *invoice_item(struct arena *a, struct sql_reader *r)
{
    Balances__V1__InvoiceScheduleItem *m = arena_raw(a, sizeof *m);

    if (!m)
        return NULL;
    balances__v1__invoice_schedule_item__init(m);
    m->id = read_message_id(r, a);
    m->timestamp = read_message_instant(r, a);
    m->amount = read_message_amount(r, a);
    m->unit_price = read_message_amount(r, a);
    m->quantity = read_message_amount(r, a);
    m->invoice_id = read_message_id(r, a);
    return m;
}

/* Credit type, do_not_invoice, rollover fraction, items. NULL for a commit that is never invoiced
 * and does not say so: the complimentary one. */
static void read_invoice_schedule(struct columns *c, struct arena *a, struct sql_reader *r)
{
    Balances__V1__CreditType *type = credit_type(a, r);
    bool do_not_invoice = read_bool(r);
    c->rollover_fraction = read_message_amount(r, a);
    struct sql_array array = read_array(r);
    struct sql_reader record;

    if (array.count == 0 && !do_not_invoice)
        return;
    Balances__V1__InvoiceSchedule *m = arena_raw(a, sizeof *m);
    Balances__V1__InvoiceScheduleItem **items = arena_array(a, (size_t)array.count, sizeof(void *));
    if (!m || !items)
        return;
    balances__v1__invoice_schedule__init(m);
    m->credit_type = type;
    m->do_not_invoice = do_not_invoice;
    m->schedule_items = items;
    while (array_next_record(r, &array, &record)) {
        items[m->n_schedule_items++] = invoice_item(a, &record);
        array_record_done(r, &record);
    }
    c->invoice_schedule = m;
}

static void read_line_item_types(struct columns *c, struct arena *a, struct sql_reader *r)
{
    char **labels = read_message_texts(r, a, &c->n_line_item_types);
    c->line_item_types = arena_array(a, c->n_line_item_types, sizeof *c->line_item_types);

    for (size_t i = 0; labels && c->line_item_types && i < c->n_line_item_types; i++) {
        const char *name = arena_printf(a, "LINE_ITEM_TYPE_%s", labels[i] ? labels[i] : "");
        const ProtobufCEnumValue *value = name
                                              ? protobuf_c_enum_descriptor_get_value_by_name(
                                                    &balances__v1__line_item_type__descriptor, name)
                                              : NULL;
        r->bad |= !value;
        c->line_item_types[i] = value ? (Balances__V1__LineItemType)value->value : 0;
    }
}

static void read_segments(struct balance_row *row, struct arena *a, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct segment *segments = arena_array(a, (size_t)array.count, sizeof *segments);
    struct sql_reader record;

    row->balance.segments = segments;
    while (segments && array_next_record(r, &array, &record)) {
        struct segment *s = &segments[row->balance.segment_count++];
        s->id = read_id(&record);
        read_segment(&record, s);
        array_record_done(r, &record);
    }
}

static bool read_drafts(struct balance_row *row, struct arena *a, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct sql_reader record;

    while (array_next_record(r, &array, &record)) {
        if (!entries_read_draft(&row->ledger, a, &record, row->balance.kind))
            return false;
        array_record_done(r, &record);
    }
    return true;
}

static Balances__V1__AccessSchedule *access_schedule(struct arena *a, const struct balance *b,
                                                     Balances__V1__CreditType *type)
{
    Balances__V1__AccessSchedule *m = arena_raw(a, sizeof *m);
    Balances__V1__AccessSegment **items = arena_array(a, b->segment_count, sizeof(void *));

    if (!m || !items)
        return NULL;
    balances__v1__access_schedule__init(m);
    m->credit_type = type;
    m->schedule_items = items;
    for (size_t i = 0; i < b->segment_count; i++) {
        Balances__V1__AccessSegment *item = arena_raw(a, sizeof *item);
        if (!item)
            return NULL;
        balances__v1__access_segment__init(item);
        item->id = message_id(a, &b->segments[i].id);
        item->amount = message_amount(a, b->segments[i].granted);
        item->starting_at = message_instant(a, b->segments[i].starting_at);
        item->ending_before = message_instant(a, b->segments[i].ending_before);
        items[m->n_schedule_items++] = item;
    }
    return m;
}

/* Commits and credits have most of their fields in common, by the same names. */
#define FILL_COMMON(m, row, c, a, message_type)                                       \
    do {                                                                              \
        (m)->id = message_id(a, &(row)->balance.id);                                  \
        (m)->product = product(a, (c)->product_id, (c)->product_name);                \
        (m)->access_schedule = access_schedule(a, &(row)->balance, (c)->credit_type); \
        (m)->name = (c)->name;                                                        \
        (m)->description = (c)->description;                                          \
        (m)->priority = (c)->priority;                                                \
        (m)->rate_type = (Balances__V1__RateType)(c)->rate_type;                      \
        (m)->applicable_contract_ids = (c)->applicable_contract_ids;                  \
        (m)->n_applicable_contract_ids = (c)->n_applicable_contract_ids;              \
        (m)->applicable_product_ids = (c)->applicable_product_ids;                    \
        (m)->n_applicable_product_ids = (c)->n_applicable_product_ids;                \
        (m)->applicable_product_tags = (c)->applicable_product_tags;                  \
        (m)->n_applicable_product_tags = (c)->n_applicable_product_tags;              \
        (m)->specifiers = (c)->specifiers;                                            \
        (m)->n_specifiers = (c)->n_specifiers;                                        \
        (m)->contract = contract(a, (c)->contract_id);                                \
        (m)->rolled_over_from = (c)->rolled_over_from;                                \
        (m)->hierarchy_configuration = (c)->hierarchy;                                \
        (m)->custom_fields =                                                          \
            (Balances__V1__##message_type##__CustomFieldsEntry **)(c)->custom_fields; \
        (m)->n_custom_fields = (c)->n_custom_fields;                                  \
        (m)->netsuite_sales_order_id = (c)->netsuite_sales_order_id;                  \
        (m)->salesforce_opportunity_id = (c)->salesforce_opportunity_id;              \
        (m)->uniqueness_key = (c)->uniqueness_key;                                    \
        (m)->created_at = (c)->created_at;                                            \
        (m)->archived_at = (c)->archived_at;                                          \
    } while (0)

static void make_commit(struct balance_row *row, const struct columns *c, struct arena *a)
{
    Balances__V1__Commit *m = arena_raw(a, sizeof *m);

    if (!m)
        return;
    balances__v1__commit__init(m);
    FILL_COMMON(m, row, c, a, Commit);
    m->type = row->balance.kind == BALANCE_PREPAID_COMMIT
                  ? BALANCES__V1__COMMIT_TYPE__COMMIT_TYPE_PREPAID
                  : BALANCES__V1__COMMIT_TYPE__COMMIT_TYPE_POSTPAID;
    m->invoice_schedule = c->invoice_schedule;
    m->invoice_contract = contract(a, c->invoice_contract_id);
    m->rollover_fraction = c->rollover_fraction;
    m->recurring_commit_id = c->recurring_id;
    row->message.commit = m;
}

static void make_credit(struct balance_row *row, const struct columns *c, struct arena *a)
{
    Balances__V1__Credit *m = arena_raw(a, sizeof *m);

    if (!m)
        return;
    balances__v1__credit__init(m);
    FILL_COMMON(m, row, c, a, Credit);
    m->recurring_credit_id = c->recurring_id;
    row->message.credit = m;
}

static void make_account_balance(struct balance_row *row, const struct columns *c,
                                 const char *customer, struct arena *a)
{
    Balances__V1__AccountBalance *m = arena_raw(a, sizeof *m);

    if (!m)
        return;
    balances__v1__account_balance__init(m);
    m->id = message_id(a, &row->balance.id);
    m->customer_id = arena_text(a, bytes_text(customer));
    m->code = c->code;
    m->name = c->name;
    m->description = c->description;
    m->credit_type = c->credit_type;
    for (size_t i = 0; i < row->balance.segment_count; i++) {
        const struct segment *s = &row->balance.segments[i];
        if (s->role != SEGMENT_ACCESS)
            continue;
        m->starting_at = message_instant(a, s->starting_at);
        m->ending_before = message_instant(a, s->ending_before);
    }
    m->rollover_amount = c->rollover_amount;
    m->rollover_ending_before = c->rollover_ending_before;
    m->balance_draw_down_description = c->draw_down_description;
    m->overage_surcharge_percent = c->overage_surcharge_percent;
    m->overage_description = c->overage_description;
    m->product_ids = c->product_ids;
    m->n_product_ids = c->n_product_ids;
    m->line_item_types = c->line_item_types;
    m->n_line_item_types = c->n_line_item_types;
    m->contract_id = c->contract_id;
    m->allow_overdraft = row->balance.allow_overdraft;
    m->custom_fields = (Balances__V1__AccountBalance__CustomFieldsEntry **)c->custom_fields;
    m->n_custom_fields = c->n_custom_fields;
    m->consumptions_accounting_product_id = c->consumptions_accounting_product_id;
    m->fees_accounting_product_id = c->fees_accounting_product_id;
    m->version = c->version;
    m->created_at = c->created_at;
    m->updated_at = c->updated_at;
    row->message.account_balance = m;
}

static const ProtobufCMessageDescriptor *custom_field_entry(enum balance_kind kind)
{
    switch (kind) {
    case BALANCE_CREDIT:
        return &balances__v1__credit__custom_fields_entry__descriptor;
    case BALANCE_ACCOUNT:
        return &balances__v1__account_balance__custom_fields_entry__descriptor;
    default:
        return &balances__v1__commit__custom_fields_entry__descriptor;
    }
}

/* In the order of the statement's columns. */
static void read_columns(struct balance_row *row, struct columns *c, struct arena *a,
                         struct sql_reader *r)
{
    struct balance *b = &row->balance;

    b->id = row->place.id = read_id(r);
    row->place.at = read_instant(r);
    c->created_at = message_instant(a, row->place.at);
    r->bad |= kind_parse(read_text(r), &b->kind) != ERR_OK;
    c->contract_id = read_message_id(r, a);
    b->contract_level = c->contract_id && *c->contract_id;
    c->archived_at = read_message_instant(r, a);
    b->archived = c->archived_at != NULL;
    b->allow_overdraft = read_bool(r);
    b->true_up_disabled = read_bool(r);
    c->rollover_amount = message_no_text();
    b->has_rollover_cap = !read_null(r);
    if (b->has_rollover_cap) {
        b->rollover_cap = read_amount(r);
        c->rollover_amount = message_amount(a, b->rollover_cap);
    }
    c->credit_type = credit_type(a, r);
    c->name = read_message_text(r, a);
    c->description = read_message_text(r, a);
    c->custom_fields = read_message_map(r, a, custom_field_entry(b->kind), &c->n_custom_fields);
    c->product_id = read_message_id(r, a);
    c->product_name = read_message_text(r, a);
    c->priority = read_message_double(r, a);
    c->rate_type = read_message_enum(r, &balances__v1__rate_type__descriptor, "RATE_TYPE_");
    c->applicable_contract_ids = read_message_ids(r, a, &c->n_applicable_contract_ids);
    c->applicable_product_ids = read_message_ids(r, a, &c->n_applicable_product_ids);
    c->applicable_product_tags = read_message_texts(r, a, &c->n_applicable_product_tags);
    c->specifiers = specifiers(a, r, &c->n_specifiers);
    c->rolled_over_from = rolled_over_from(a, r);
    c->hierarchy = hierarchy(a, r);
    c->netsuite_sales_order_id = read_message_text(r, a);
    c->salesforce_opportunity_id = read_message_text(r, a);
    c->uniqueness_key = read_message_text(r, a);
    c->recurring_id = read_message_id(r, a);
    c->invoice_contract_id = read_message_id(r, a);
    read_invoice_schedule(c, a, r);
    c->code = read_message_text(r, a);
    c->rollover_ending_before = read_message_instant(r, a);
    c->draw_down_description = read_message_text(r, a);
    c->overage_surcharge_percent = read_message_amount(r, a);
    c->overage_description = read_message_text(r, a);
    c->product_ids = read_message_ids(r, a, &c->n_product_ids);
    read_line_item_types(c, a, r);
    c->consumptions_accounting_product_id = read_message_id(r, a);
    c->fees_accounting_product_id = read_message_id(r, a);
    c->version = read_int(r);
    row->updated_at = read_instant(r);
    c->updated_at = message_instant(a, row->updated_at);
    read_segments(row, a, r);
    (void)read_int(r); /* the number of its entries, which decided the next */
    row->with_ledger = read_bool(r);
}

enum err balance_row_read(struct balance_row *row, const char *customer, struct arena *a,
                          struct sql_reader *r)
{
    struct columns c = {0};

    read_columns(row, &c, a, r);
    bool room = entries_read_stored(&row->ledger, a, r) && read_drafts(row, a, r);
    /* Before all else: what there was no memory for was not read, and columns are out of step. */
    if (!room || a->full)
        return ERR_EXHAUSTED;
    if (!reader_ok(r))
        return ERR_INTERNAL;
    switch (row->balance.kind) {
    case BALANCE_CREDIT:
        make_credit(row, &c, a);
        break;
    case BALANCE_ACCOUNT:
        make_account_balance(row, &c, customer, a);
        break;
    default:
        make_commit(row, &c, a);
        break;
    }
    return a->full ? ERR_EXHAUSTED : ERR_OK;
}

enum err balance_row_compute(struct balance_row *row, struct arena *a, instant now,
                             bool with_balance)
{
    const struct balance *b = &row->balance;
    char *balance = message_no_text();
    amount value = 0;
    enum err err = ERR_OK;

    if (with_balance) {
        err = balance_now(b, now, INCLUDE_FINAL_AND_DRAFT, &value);
        if (err != ERR_OK)
            return err;
        balance = message_amount(a, value);
    }
    if (row->message.credit) {
        row->message.credit->balance = balance;
    } else if (row->message.account_balance) {
        err = balance_total(b, &value);
        row->message.account_balance->balance = balance;
        row->message.account_balance->amount = message_amount(a, value);
    } else {
        err = balance_granted(b, &value);
        row->message.commit->balance = balance;
        row->message.commit->amount = message_amount(a, value);
    }
    if (err != ERR_OK)
        return err;
    return a->full ? ERR_EXHAUSTED : ERR_OK;
}

static enum err add_derived(struct balance_row *row, struct arena *a, instant now)
{
    struct entry derived[DERIVED_PER_SEGMENT_MAX];
    size_t count;

    for (size_t i = 0; i < row->balance.segment_count; i++) {
        enum err err =
            derive_entries(&row->balance, &row->balance.segments[i], now, derived, &count);
        if (err != ERR_OK)
            return err;
        for (size_t j = 0; j < count; j++) {
            if (!entries_add(&row->ledger, a, &derived[j], message_entry(a, &derived[j])))
                return ERR_EXHAUSTED;
        }
    }
    return ERR_OK;
}

enum err balance_row_fill_ledger(struct balance_row *row, struct arena *a, instant now)
{
    enum err err = add_derived(row, a, now);

    if (err != ERR_OK)
        return err;
    entries_sort(&row->ledger, false);
    size_t count = row->ledger.count;
    Balances__V1__LedgerEntry **messages = arena_array(a, count, sizeof(void *));
    if (!messages || a->full)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < count; i++)
        messages[i] = row->ledger.items[i].message;
    if (row->message.credit) {
        row->message.credit->ledger = messages;
        row->message.credit->n_ledger = count;
    } else if (row->message.account_balance) {
        row->message.account_balance->ledger = messages;
        row->message.account_balance->n_ledger = count;
    } else {
        row->message.commit->ledger = messages;
        row->message.commit->n_ledger = count;
    }
    return ERR_OK;
}
