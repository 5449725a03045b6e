/* GetNetBalance: what a customer can spend in one credit type, over all balances that a filter
 * selects (domain.md A3, B15).
 *
 *     read the request --> query --> queried: add up --> reply
 *
 * The sum is taken segment by segment, as the rows come: balances are additive in their segments.
 */
#include "app/app.h"
#include "app/fields.h"
#include "app/rows.h"
#include "app/tokens.h"
#include "base/clock.h"
#include "base/log.h"
#include "ledger/balance.h"
#include "ledger/filter.h"
#include "ledger/schedule.h"

typedef Balances__V1__GetNetBalanceRequest net_request;

static const char usd_cents[] = "2714e483-4ff1-48e4-9e25-ac732e8f24f2";

struct get_net_balance {
    struct call *call;
    struct id customer;
    struct id credit_type;
    enum inclusion inclusion;
    struct net_filter *filters;
    size_t filter_count;
    bool wants_fields; /* custom fields, for a filter */
    struct freshness freshness;
    instant now;

    struct sql_req query;
    enum err err;
    bool found;
    bool credit_type_known;
    int64_t version;
    amount sum;
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

static enum err read_filters(struct get_net_balance *g, const net_request *in)
{
    struct call *c = g->call;
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

/* ---- the steps ---- */

static void cancel(struct call *c)
{
    struct get_net_balance *g = c->state;
    const struct app *app = call_app(c);

    pool_cancel(app->pool, &g->query);
}

static enum err read_row(struct get_net_balance *g, struct sql_reader *r)
{
    struct segment segments[2] = {0}; /* this one, and the one that it is a rollover of */
    struct balance b = {.segments = segments, .segment_count = 1};
    struct arena *arena = &g->call->arena;
    struct sql_reader record;
    amount usable;

    g->version = read_int(r);
    g->credit_type_known = read_bool(r);
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
    /* An active access segment has a row of its own; beside it a rollover must not count it twice.
     */
    if (segment_state_at(&segments[0], g->now) != SEGMENT_ACTIVE)
        return ERR_OK;

    size_t pair_count = 0;
    struct pair *pairs = arena_array(arena, (size_t)fields.count, sizeof *pairs);
    while (pairs && array_next_record(r, &fields, &record)) {
        pairs[pair_count].key = arena_text(arena, read_text(&record));
        pairs[pair_count].value = arena_text(arena, read_text(&record));
        array_record_done(r, &record);
        pair_count++;
    }
    if (arena->full)
        return ERR_EXHAUSTED;
    if (!reader_ok(r))
        return ERR_INTERNAL;
    if (!net_filters_select(g->filters, g->filter_count, &b, pairs, pair_count))
        return ERR_OK;
    enum err err = balance_now(&b, g->now, g->inclusion, &usable);
    return err != ERR_OK ? err : amount_add(g->sum, usable, &g->sum);
}

static void on_queried(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct get_net_balance *g = container_of(req, struct get_net_balance, query);
    int rows = err == ERR_OK ? result_rows(result) : 0;

    for (int i = 0; i < rows && err == ERR_OK; i++) {
        struct sql_reader r = result_row(result, i);
        err = read_row(g, &r);
    }
    if (err == ERR_INTERNAL && rows > 0)
        log_error("net_balance", "the database's answer is not what this program understands");
    g->found = rows > 0;
    g->err = err;
    g->call->database_us += req->took_us;
    call_resume(g->call);
}

static enum next step_queried(struct call *c)
{
    struct get_net_balance *g = c->state;
    const net_request *in = (const net_request *)c->request;
    Balances__V1__GetNetBalanceResponse answer;

    balances__v1__get_net_balance_response__init(&answer);
    if (g->err == ERR_RANGE)
        return call_fail(c, ERR_RANGE, "the net balance has more digits than an amount may have");
    if (g->err != ERR_OK)
        return call_fail_with(c, g->err);
    if (!g->found)
        return call_fail_not_found(c, "customer", in->customer_id);
    if (!g->credit_type_known)
        return call_fail_not_found(c, "credit_type", in->credit_type_id);
    if (!freshness_holds(c, &g->freshness, g->version))
        return call_fail_invalid(c);

    struct amount_text balance = amount_format(g->sum);
    struct id_text credit_type = id_format(&g->credit_type);
    answer.balance = balance.text;
    answer.credit_type_id = credit_type.text;
    answer.consistency_token = consistency_token(c, &g->customer, g->version);
    if (!answer.consistency_token)
        return call_fail_with(c, ERR_EXHAUSTED);
    return call_reply(c, &answer.base);
}

enum next get_net_balance(struct call *c)
{
    const net_request *in = (const net_request *)c->request;
    struct get_net_balance *g = arena_alloc(&c->arena, sizeof *g);
    const struct app *app = call_app(c);

    if (!g)
        return call_fail_with(c, ERR_EXHAUSTED);
    c->state = g;
    g->call = c;
    field_id(c, "customer_id", in->customer_id, &g->customer);
    field_id(c, "credit_type_id", *in->credit_type_id ? in->credit_type_id : usd_cents,
             &g->credit_type);
    g->inclusion = read_inclusion(c, (int)in->invoice_inclusion_mode);
    enum err err = read_filters(g, in);
    if (err == ERR_OK)
        err = freshness_read(c, in->consistency, &g->customer, &g->freshness);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    if (c->status.violation_count > 0)
        return call_fail_invalid(c);

    g->now = clock_now_us();
    g->query.statement = SQL_NET_BALANCE;
    args_id(&g->query.args, &g->customer);
    args_instant(&g->query.args, g->now);
    args_id(&g->query.args, &g->credit_type);
    args_bool(&g->query.args, g->wants_fields);
    c->step = step_queried;
    c->cancel = cancel;
    pool_submit(app->pool, &g->query, on_queried);
    return WAIT;
}
