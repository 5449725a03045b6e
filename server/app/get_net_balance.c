/* GetNetBalance: what a customer can spend in one credit type, over all balances that a filter
 * selects (domain.md A3, B15).
 *
 *     read the request --> (app/read.c: look up, query) --> compute: add up --> answer
 *
 * The sum is taken segment by segment, as the rows come: balances are additive in their segments.
 * Archiving a balance is a write, so the answer changes by itself only where a segment starts or
 * ends. */
#include "app/app.h"
#include "app/fields.h"
#include "app/read.h"
#include "app/rows.h"
#include "app/tokens.h"
#include "ledger/balance.h"
#include "ledger/filter.h"
#include "ledger/schedule.h"

typedef Balances__V1__GetNetBalanceRequest net_request;

/* What is asked for. */
struct net {
    struct id credit_type;
    enum inclusion inclusion;
    struct net_filter *filters;
    size_t filter_count;
    bool wants_fields; /* custom fields, for a filter */
};

/* What the rows add up to. */
struct net_sum {
    bool credit_type_known;
    amount sum;
    instant next_change;
};

/* ---- the request ---- */

/* By the wire's numbers. */
static const enum balance_kind kinds[] = {
    [BALANCES__V1__BALANCE_TYPE__BALANCE_TYPE_PREPAID_COMMIT] = BALANCE_PREPAID_COMMIT,
    [BALANCES__V1__BALANCE_TYPE__BALANCE_TYPE_POSTPAID_COMMIT] = BALANCE_POSTPAID_COMMIT,
    [BALANCES__V1__BALANCE_TYPE__BALANCE_TYPE_CREDIT] = BALANCE_CREDIT,
    [BALANCES__V1__BALANCE_TYPE__BALANCE_TYPE_ACCOUNT_BALANCE] = BALANCE_ACCOUNT,
};

static void read_types(struct call *c, const Balances__V1__BalanceFilter *in, size_t index,
                       struct net_filter *ret)
{
    char field[80];

    for (size_t i = 0; i < in->n_balance_types; i++) {
        int type = (int)in->balance_types[i];
        if (type > 0 && type < (int)(sizeof kinds / sizeof *kinds)) {
            ret->kinds |= 1u << kinds[type];
            continue;
        }
        snprintf(field, sizeof field, "filters[%zu].balance_types[%zu]", index, i);
        field_wrong(c, field, "is not a type of balance: %d", type);
    }
}

static enum err read_ids(struct call *c, const Balances__V1__BalanceFilter *in, size_t index,
                         struct net_filter *ret)
{
    struct id *ids = arena_array(&c->arena, in->n_ids, sizeof *ids);
    char field[80];

    if (!ids)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < in->n_ids; i++) {
        snprintf(field, sizeof field, "filters[%zu].ids[%zu]", index, i);
        field_id(c, field, in->ids[i], &ids[i]);
    }
    ret->ids = ids;
    ret->id_count = in->n_ids;
    return ERR_OK;
}

/* Of a key that comes twice the last value counts, as in every map of protocol buffers. */
static enum err read_pairs(struct call *c, const Balances__V1__BalanceFilter *in,
                           struct net_filter *ret)
{
    struct pair *pairs = arena_array(&c->arena, in->n_custom_fields, sizeof *pairs);
    size_t count = 0;

    if (!pairs)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < in->n_custom_fields; i++) {
        struct pair pair = {in->custom_fields[i]->key, in->custom_fields[i]->value};
        size_t at = 0;
        while (at < count && strcmp(pairs[at].key, pair.key) != 0)
            at++;
        pairs[at] = pair;
        count += at == count;
    }
    ret->fields = pairs;
    ret->field_count = count;
    return ERR_OK;
}

static enum err read_filters(struct call *c, const net_request *in, struct net *g)
{
    size_t terms = 0;

    for (size_t i = 0; i < in->n_filters; i++)
        terms += in->filters[i]->n_ids + in->filters[i]->n_custom_fields +
                 in->filters[i]->n_balance_types;
    if (in->n_filters > FILTERS_MAX || terms > FILTER_TERMS_MAX) {
        field_wrong(c, "filters",
                    "must be at most %d, with at most %d types, ids and custom fields together",
                    FILTERS_MAX, FILTER_TERMS_MAX);
        return ERR_OK;
    }
    g->filters = arena_array(&c->arena, in->n_filters, sizeof *g->filters);
    if (!g->filters)
        return ERR_EXHAUSTED;
    g->filter_count = in->n_filters;
    for (size_t i = 0; i < in->n_filters; i++) {
        read_types(c, in->filters[i], i, &g->filters[i]);
        if (read_ids(c, in->filters[i], i, &g->filters[i]) != ERR_OK ||
            read_pairs(c, in->filters[i], &g->filters[i]) != ERR_OK)
            return ERR_EXHAUSTED;
        g->wants_fields |= g->filters[i].field_count > 0;
    }
    return ERR_OK;
}

static enum inclusion read_inclusion(struct call *c, int mode)
{
    switch (mode) {
    case BALANCES__V1__INVOICE_INCLUSION_MODE__INVOICE_INCLUSION_MODE_UNSPECIFIED:
    case BALANCES__V1__INVOICE_INCLUSION_MODE__INVOICE_INCLUSION_MODE_FINALIZED_AND_DRAFT:
        return INCLUDE_FINAL_AND_DRAFT;
    case BALANCES__V1__INVOICE_INCLUSION_MODE__INVOICE_INCLUSION_MODE_FINALIZED:
        return INCLUDE_FINAL;
    default:
        field_wrong(c, "invoice_inclusion_mode", "is not a mode: %d", mode);
        return INCLUDE_FINAL;
    }
}

/* ---- the computation ---- */

static enum err prepare(struct computation *x)
{
    const struct net *g = x->request;

    x->query.statement = SQL_NET_BALANCE;
    args_id(&x->query.args, &x->customer);
    args_instant(&x->query.args, x->now);
    args_id(&x->query.args, &g->credit_type);
    args_bool(&x->query.args, g->wants_fields);
    return ERR_OK;
}

/* The custom fields of a balance. */
static enum err read_fields(struct arena *arena, struct sql_reader *r, struct sql_array *fields,
                            struct pair **ret, size_t *ret_count)
{
    struct pair *pairs = arena_array(arena, (size_t)fields->count, sizeof *pairs);
    struct sql_reader record;
    size_t count = 0;

    while (pairs && array_next_record(r, fields, &record)) {
        pairs[count].key = arena_text(arena, read_text(&record));
        pairs[count].value = arena_text(arena, read_text(&record));
        array_record_done(r, &record);
        count++;
    }
    if (arena->full)
        return ERR_EXHAUSTED;
    *ret = pairs;
    *ret_count = count;
    return reader_ok(r) ? ERR_OK : ERR_INTERNAL;
}

static enum err add_row(struct computation *x, struct sql_reader *r, struct net_sum *sum)
{
    const struct net *g = x->request;
    struct segment segments[2] = {0}; /* this one, and the one that it is a rollover of */
    struct balance b = {.segments = segments, .segment_count = 1};
    struct sql_reader record;
    struct pair *pairs = NULL;
    size_t pair_count = 0;
    amount usable;

    read_int(r); /* the version */
    sum->credit_type_known = read_bool(r);
    if (read_null(r))
        return reader_ok(r) ? ERR_OK : ERR_INTERNAL; /* no segment at all */
    b.id = read_id(r);
    if (kind_parse(read_text(r), &b.kind) != ERR_OK)
        return ERR_INTERNAL;
    b.allow_overdraft = read_bool(r);
    b.has_rollover_cap = !read_null(r);
    if (b.has_rollover_cap)
        b.rollover_cap = read_amount(r);
    struct sql_array fields = read_array(r);
    read_segment(r, &segments[0]);
    struct sql_array access = read_array(r);
    while (array_next_record(r, &access, &record)) {
        read_segment(&record, &segments[1]);
        array_record_done(r, &record);
        b.segment_count = 2;
    }
    if (!reader_ok(r))
        return ERR_INTERNAL;
    instant change = schedule_next_change(segments, 1, x->now);
    if (change < sum->next_change)
        sum->next_change = change;
    /* An active access segment has a row of its own; beside it a rollover must not count it twice.
     */
    if (segment_state_at(&segments[0], x->now) != SEGMENT_ACTIVE)
        return ERR_OK;

    enum err err = read_fields(&x->arena, r, &fields, &pairs, &pair_count);
    if (err != ERR_OK)
        return err;
    if (!net_filters_select(g->filters, g->filter_count, &b, pairs, pair_count))
        return ERR_OK;
    err = balance_now(&b, x->now, g->inclusion, &usable);
    return err != ERR_OK ? err : amount_add(sum->sum, usable, &sum->sum);
}

static void compute(struct computation *x, const struct sql_result *result)
{
    const struct net *g = x->request;
    struct net_sum sum = {.next_change = INSTANT_NEVER};
    Balances__V1__GetNetBalanceResponse answer;
    struct id_text credit_type = id_format(&g->credit_type);
    enum err err = ERR_OK;

    for (int i = 0; i < result_rows(result) && err == ERR_OK; i++) {
        struct sql_reader r = result_row(result, i);
        err = add_row(x, &r, &sum);
    }
    if (err == ERR_RANGE) {
        computation_fail(x, err, "the net balance has more digits than an amount may have");
    } else if (err == ERR_INTERNAL) {
        computation_fail_rows(x);
    } else if (err != ERR_OK) {
        computation_fail(x, err, NULL);
    } else if (!sum.credit_type_known) {
        computation_fail_not_found(x, "credit_type", credit_type.text);
    } else {
        struct amount_text balance = amount_format(sum.sum);
        balances__v1__get_net_balance_response__init(&answer);
        answer.balance = balance.text;
        answer.credit_type_id = credit_type.text;
        answer.consistency_token =
            consistency_token(x->token_key, &x->arena, &x->customer, x->version);
        if (answer.consistency_token)
            computation_answer(x, &answer.base, sum.next_change);
        else
            computation_fail(x, ERR_EXHAUSTED, NULL);
    }
}

enum next get_net_balance(struct call *c)
{
    static const struct read_method method = {"netb", prepare, compute};
    net_request *in = (net_request *)c->request;
    struct net *g = arena_alloc(&c->arena, sizeof *g);
    struct id customer;

    if (!g)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "customer_id", in->customer_id, &customer);
    field_credit_type(c, "credit_type_id", &in->credit_type_id, &g->credit_type);
    g->inclusion = read_inclusion(c, (int)in->invoice_inclusion_mode);
    enum err err = read_filters(c, in, g);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    return read_run(c, &method, g, &customer, &in->consistency);
}
