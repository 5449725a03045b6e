/* ListLedgerEntries: the ledger of a customer or of one balance, page by page, in either direction.
 * A page ends where its limit or the size of an answer says.
 *
 *     read the request --> query --> queried: gather, derive, order, cut --> reply
 *
 * Three sources make one order. Stored entries come in it, cut at the size of a page. Drafts and
 * the turns of segments, from which entries are derived, come by instant alone, since the ids that
 * order them within an instant are made here; they are cut between instants. Where one was cut,
 * nothing beyond its last instant can be shown yet: that is the page's horizon. */
#include "app/app.h"
#include "app/entries.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/rows.h"
#include "app/tokens.h"
#include "base/clock.h"
#include "base/log.h"
#include "ledger/derived.h"
#include "ledger/order.h"

typedef Balances__V1__ListLedgerEntriesRequest ledger_request;

enum {
    ITEM_FRAME_BYTES = 8,       /* tag and length around an entry */
    ANSWER_MARGIN_BYTES = 1024, /* of an answer, for its tokens */
};

struct list_ledger {
    struct call *call;
    struct id customer;
    bool has_balance;
    struct id balance;
    bool has_types;
    bool types[ENTRY_TYPE_COUNT];
    const char **type_names;
    size_t type_count;
    instant from, until;
    bool descending;
    int limit;
    struct bytes binding;
    struct place after;
    struct freshness freshness;
    instant now;

    struct sql_req query;
    enum err err;
    bool found;
    int64_t version;
    struct entry_list entries;
    bool cut; /* there is something beyond the horizon */
    instant horizon;
};

/* ---- the request ---- */

/* Beyond every stored instant and id, at both ends. */
static const instant first_instant = INT64_C(-62167219200000000);
static const instant last_instant = INT64_C(253402387200000000);

static enum err read_types(struct list_ledger *l, const ledger_request *in)
{
    struct call *c = l->call;
    char field[64];
    enum entry_type type;

    if (in->n_types > ENTRY_TYPE_COUNT) {
        field_wrong(c, "types", "must be at most %d", ENTRY_TYPE_COUNT);
        return ERR_OK;
    }
    l->has_types = in->n_types > 0;
    l->type_names = arena_array(&c->arena, in->n_types, sizeof *l->type_names);
    if (!l->type_names)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < in->n_types; i++) {
        if (message_entry_type((int)in->types[i], &type) != ERR_OK) {
            snprintf(field, sizeof field, "types[%zu]", i);
            field_wrong(c, field, "is not a type of ledger entry: %d", (int)in->types[i]);
            continue;
        }
        l->types[type] = true;
        l->type_names[l->type_count++] = entry_type_name(type);
    }
    return ERR_OK;
}

static enum err read_request(struct list_ledger *l, ledger_request *in)
{
    struct call *c = l->call;

    field_id(c, "customer_id", in->customer_id, &l->customer);
    l->has_balance = field_optional_id(c, "balance_id", in->balance_id, &l->balance);
    l->from = first_instant;
    l->until = last_instant;
    field_instant_up(c, "starting_at", in->starting_at, &l->from);
    field_instant_up(c, "ending_before", in->ending_before, &l->until);
    l->descending = in->descending;
    l->limit = field_limit(c, "limit", in->limit, LEDGER_PAGE_DEFAULT, LEDGER_PAGE_MAX);
    enum err err = read_types(l, in);
    if (err != ERR_OK)
        return err;

    l->binding = page_binding(c, &in->next_page);
    if (!l->binding.data)
        return ERR_EXHAUSTED;
    l->after = (struct place){.at = first_instant};
    if (l->descending) {
        l->after.at = last_instant;
        l->after.rank = ENTRY_TYPE_COUNT - 1;
        memset(l->after.id.bytes, 0xff, sizeof l->after.id.bytes);
    }
    if (*in->next_page) {
        err = page_read(c, l->binding, in->next_page, &l->after);
        if (err != ERR_OK)
            return err;
    }
    return freshness_read(c, in->consistency, &l->customer, &l->freshness);
}

/* ---- the rows ---- */

static int compare_with_place(const struct entry *e, const struct place *place)
{
    const struct entry at = {
        .at = place->at, .type = (enum entry_type)place->rank, .id = place->id};

    return entry_compare(e, &at);
}

/* Whether an entry is one that this page or a later one shows. */
static bool is_wanted(const struct list_ledger *l, const struct entry *e)
{
    int compared = compare_with_place(e, &l->after);

    return (l->descending ? compared < 0 : compared > 0) && e->at >= l->from && e->at < l->until &&
           (!l->has_types || l->types[e->type]);
}

/* A source that gave all it was asked for may have more, beyond its last instant. */
static void draw_horizon(struct list_ledger *l, int beyond_place, instant last)
{
    if (beyond_place <= l->limit)
        return;
    if (!l->cut || (l->descending ? last > l->horizon : last < l->horizon))
        l->horizon = last;
    l->cut = true;
}

static enum err read_drafts(struct list_ledger *l, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct arena *a = &l->call->arena;
    struct sql_reader record;
    enum balance_kind kind = 0;
    instant last = 0;
    int beyond = 0;

    while (array_next_record(r, &array, &record)) {
        record.bad |= kind_parse(read_text(&record), &kind) != ERR_OK;
        bool at_place = read_bool(&record);
        if (!record.bad && !entries_read_draft(&l->entries, a, &record, kind))
            return ERR_EXHAUSTED;
        array_record_done(r, &record);
        if (!reader_ok(r))
            return ERR_INTERNAL;
        const struct entry *e = &l->entries.items[l->entries.count - 1].entry;
        if (!at_place) {
            beyond++;
            last = e->at;
        }
        if (!is_wanted(l, e))
            l->entries.count--;
    }
    draw_horizon(l, beyond, last);
    return ERR_OK;
}

/* One turn: the instant at which a segment starts or ends, with its balance, itself first. */
static enum err read_turn(struct list_ledger *l, struct sql_reader *r, instant *ret_at,
                          bool *ret_at_place)
{
    struct segment segments[2] = {0};
    struct balance b = {.segments = segments};
    struct entry derived[DERIVED_PER_SEGMENT_MAX];
    struct arena *a = &l->call->arena;
    struct sql_reader record;
    size_t count = 0;

    *ret_at = read_instant(r);
    *ret_at_place = read_bool(r);
    if (kind_parse(read_text(r), &b.kind) != ERR_OK)
        return ERR_INTERNAL;
    b.id = read_id(r);
    b.true_up_disabled = read_bool(r);
    b.has_rollover_cap = !read_null(r);
    if (b.has_rollover_cap)
        b.rollover_cap = read_amount(r);
    struct sql_array array = read_array(r);
    while (b.segment_count < 2 && array_next_record(r, &array, &record)) {
        struct segment *s = &segments[b.segment_count++];
        s->id = read_id(&record);
        read_segment(&record, s);
        array_record_done(r, &record);
    }
    if (!reader_ok(r) || b.segment_count == 0)
        return ERR_INTERNAL;
    enum err err = derive_entries(&b, &segments[0], l->now, derived, &count);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        /* The segment's other turn comes by itself. */
        if (derived[i].at != *ret_at || !is_wanted(l, &derived[i]))
            continue;
        if (!entries_add(&l->entries, a, &derived[i], message_entry(a, &derived[i])))
            err = ERR_EXHAUSTED;
    }
    return err;
}

static enum err read_turns(struct list_ledger *l, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct sql_reader record;
    bool at_place = false;
    instant at = 0, last = 0;
    int beyond = 0;

    while (array_next_record(r, &array, &record)) {
        enum err err = read_turn(l, &record, &at, &at_place);
        if (err != ERR_OK)
            return err;
        array_record_done(r, &record);
        if (!at_place) {
            beyond++;
            /* The join has not kept them in order. */
            last = beyond == 1 || (l->descending ? at < last : at > last) ? at : last;
        }
    }
    draw_horizon(l, beyond, last);
    return reader_ok(r) ? ERR_OK : ERR_INTERNAL;
}

static enum err read_answer(struct list_ledger *l, const struct sql_result *result)
{
    struct sql_reader r = result_row(result, 0);

    l->version = read_int(&r);
    if (!entries_read_stored(&l->entries, &l->call->arena, &r))
        return reader_ok(&r) ? ERR_EXHAUSTED : ERR_INTERNAL;
    enum err err = read_drafts(l, &r);
    if (err == ERR_OK)
        err = read_turns(l, &r);
    if (err == ERR_OK && !reader_ok(&r))
        err = ERR_INTERNAL;
    return err;
}

static void on_queried(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct list_ledger *l = container_of(req, struct list_ledger, query);

    l->found = err == ERR_OK && result_rows(result) == 1;
    if (l->found)
        err = read_answer(l, result);
    if (l->found && err == ERR_INTERNAL)
        log_error("list_ledger", "the database's answer is not what this program understands");
    l->err = err;
    l->call->database_us += req->took_us;
    call_resume(l->call);
}

/* ---- the answer ---- */

static bool is_beyond_horizon(const struct list_ledger *l, const struct entry *e)
{
    return l->cut && (l->descending ? e->at < l->horizon : e->at > l->horizon);
}

/* The place at which everything up to the horizon has been shown. */
static struct place end_of_horizon(const struct list_ledger *l)
{
    struct place place = {.at = l->horizon};

    if (!l->descending) {
        place.rank = ENTRY_TYPE_COUNT - 1;
        memset(place.id.bytes, 0xff, sizeof place.id.bytes);
    }
    return place;
}

/* How many entries the page shows. It is full if its limit or the size of an answer ends it, and
 * not the horizon or the end of the ledger. One entry always fits: its texts have their bounds. */
static size_t count_shown(const struct list_ledger *l, bool *ret_full)
{
    size_t shown = 0, bytes = 0;

    for (; shown < l->entries.count; shown++) {
        const struct entry_item *item = &l->entries.items[shown];
        if (is_beyond_horizon(l, &item->entry))
            return shown;
        bytes += balances__v1__ledger_entry__get_packed_size(item->message) + ITEM_FRAME_BYTES;
        if (shown == (size_t)l->limit || bytes > ANSWER_BYTES_MAX - ANSWER_MARGIN_BYTES)
            break;
    }
    *ret_full = shown < l->entries.count || shown == (size_t)l->limit;
    return shown;
}

static enum next step_queried(struct call *c)
{
    struct list_ledger *l = c->state;
    const ledger_request *in = (const ledger_request *)c->request;
    Balances__V1__ListLedgerEntriesResponse answer;
    bool full = false;

    balances__v1__list_ledger_entries_response__init(&answer);
    if (l->err == ERR_RANGE)
        return call_fail(c, ERR_RANGE,
                         "a ledger has an entry with more digits than an amount may "
                         "have");
    if (l->err != ERR_OK)
        return call_fail_with(c, l->err);
    if (!l->found)
        return call_fail_not_found(c, "customer", in->customer_id);
    if (!freshness_holds(c, &l->freshness, l->version))
        return call_fail_invalid(c);

    entries_sort(&l->entries, l->descending);
    size_t shown = count_shown(l, &full);
    answer.data = arena_array(&c->arena, shown, sizeof *answer.data);
    answer.consistency_token = consistency_token(c, &l->customer, l->version);
    if (shown < l->entries.count || l->cut) {
        struct place last = end_of_horizon(l);
        if (full) {
            const struct entry *e = &l->entries.items[shown - 1].entry;
            last = (struct place){e->at, (int)e->type, e->id};
        }
        answer.next_page = page_token(c, l->binding, &last);
    }
    if (!answer.data || !answer.consistency_token || !answer.next_page)
        return call_fail_with(c, ERR_EXHAUSTED);
    for (size_t i = 0; i < shown; i++)
        answer.data[i] = l->entries.items[i].message;
    answer.n_data = shown;
    return call_reply(c, &answer.base);
}

/* ---- the steps ---- */

static void cancel(struct call *c)
{
    struct list_ledger *l = c->state;
    const struct app *app = call_app(c);

    pool_cancel(app->pool, &l->query);
}

/* Whether any of these is asked for. */
static bool wants(const struct list_ledger *l, const enum entry_type *types, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!l->has_types || l->types[types[i]])
            return true;
    }
    return false;
}

#define WANTS(l, ...)                                \
    wants(l, (const enum entry_type[]){__VA_ARGS__}, \
          sizeof((const enum entry_type[]){__VA_ARGS__}) / sizeof(enum entry_type))

static enum err fill_args(struct list_ledger *l)
{
    struct sql_args *args = &l->query.args;
    enum err err = ERR_OK;

    args_id(args, &l->customer);
    args_instant(args, l->now);
    if (l->has_balance)
        args_id(args, &l->balance);
    else
        args_null(args);
    if (l->has_types)
        err = args_texts(args, &l->call->arena, l->type_names, l->type_count);
    else
        args_null(args);
    args_instant(args, l->from);
    args_instant(args, l->until);
    args_instant(args, l->after.at);
    args_text(args, bytes_text(entry_type_name((enum entry_type)l->after.rank)));
    args_id(args, &l->after.id);
    args_bool(args,
              WANTS(l, ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION,
                    ENTRY_POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION,
                    ENTRY_CREDIT_AUTOMATED_INVOICE_DEDUCTION, ENTRY_ACCOUNT_BALANCE_DEDUCTION));
    args_int(args, l->limit + 1);
    args_bool(args,
              WANTS(l, ENTRY_PREPAID_COMMIT_SEGMENT_START, ENTRY_POSTPAID_COMMIT_INITIAL_BALANCE,
                    ENTRY_CREDIT_SEGMENT_START, ENTRY_ACCOUNT_BALANCE_ROLLOVER));
    args_bool(args, WANTS(l, ENTRY_PREPAID_COMMIT_EXPIRATION, ENTRY_POSTPAID_COMMIT_EXPIRATION,
                          ENTRY_CREDIT_EXPIRATION, ENTRY_ACCOUNT_BALANCE_EXPIRATION,
                          ENTRY_ACCOUNT_BALANCE_ROLLOVER));
    return err;
}

enum next list_ledger_entries(struct call *c)
{
    ledger_request *in = (ledger_request *)c->request;
    struct list_ledger *l = arena_alloc(&c->arena, sizeof *l);
    const struct app *app = call_app(c);

    if (!l)
        return call_fail_with(c, ERR_EXHAUSTED);
    c->state = l;
    l->call = c;
    enum err err = read_request(l, in);
    if (err == ERR_OK && c->status.violation_count > 0)
        return call_fail_invalid(c);
    l->now = clock_now_us();
    if (err == ERR_OK)
        err = fill_args(l);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    l->query.statement = l->descending ? SQL_LEDGER_BACKWARD : SQL_LEDGER_FORWARD;
    c->step = step_queried;
    c->cancel = cancel;
    pool_submit(app->pool, &l->query, on_queried);
    return WAIT;
}
