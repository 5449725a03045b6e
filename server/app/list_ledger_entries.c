/* ListLedgerEntries: the ledger of a customer or of one balance, page by page, in either direction.
 * A page ends where its limit or the size of an answer says.
 *
 *     read the request --> (app/read.c: look up, query) --> compute: gather, derive, order, cut
 *                                                           --> answer
 *
 * Three sources make one order. Stored entries come in it, cut at the size of a page. Drafts and
 * the turns of segments, from which entries are derived, come by instant alone, since the ids that
 * order them within an instant are made here; they are cut between instants. Where one was cut,
 * nothing beyond its last instant can be shown yet: that is the page's horizon. */
#include "app/app.h"
#include "app/entries.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/read.h"
#include "app/rows.h"
#include "app/tokens.h"
#include "ledger/derived.h"
#include "ledger/order.h"

typedef Balances__V1__ListLedgerEntriesRequest ledger_request;

enum {
    ITEM_FRAME_BYTES = 8,       /* tag and length around an entry */
    ANSWER_MARGIN_BYTES = 1024, /* of an answer, for its tokens */
};

/* What is asked for. */
struct ledger_query {
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
};

/* The page as it grows. */
struct ledger_page {
    struct computation *x;
    const struct ledger_query *l;
    struct entry_list entries;
    bool cut; /* there is something beyond the horizon */
    instant horizon;
    instant next_change; /* of anything of the customer's */
};

/* ---- the request ---- */

/* Beyond every stored instant and id, at both ends. */
static const instant first_instant = INT64_C(-62167219200000000);
static const instant last_instant = INT64_C(253402387200000000);

static enum err read_types(struct call *c, struct ledger_query *l, const ledger_request *in)
{
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

static enum err read_request(struct call *c, struct ledger_query *l, ledger_request *in)
{
    l->has_balance = field_optional_id(c, "balance_id", in->balance_id, &l->balance);
    l->from = first_instant;
    l->until = last_instant;
    field_instant_up(c, "starting_at", in->starting_at, &l->from);
    field_instant_up(c, "ending_before", in->ending_before, &l->until);
    l->descending = in->descending;
    l->limit = field_limit(c, "limit", in->limit, LEDGER_PAGE_DEFAULT, LEDGER_PAGE_MAX);
    enum err err = read_types(c, l, in);
    if (err != ERR_OK)
        return err;

    l->binding = page_binding(c, &in->next_page, &in->consistency);
    if (!l->binding.data)
        return ERR_EXHAUSTED;
    l->after = (struct place){.at = first_instant};
    if (l->descending) {
        l->after.at = last_instant;
        l->after.rank = ENTRY_TYPE_COUNT - 1;
        memset(l->after.id.bytes, 0xff, sizeof l->after.id.bytes);
    }
    if (*in->next_page)
        return page_read(c, l->binding, in->next_page, &l->after);
    return ERR_OK;
}

/* ---- the rows ---- */

static int compare_with_place(const struct entry *e, const struct place *place)
{
    const struct entry at = {
        .at = place->at, .type = (enum entry_type)place->rank, .id = place->id};

    return entry_compare(e, &at);
}

/* Whether an entry is one that this page or a later one shows. */
static bool is_wanted(const struct ledger_query *l, const struct entry *e)
{
    int compared = compare_with_place(e, &l->after);

    return (l->descending ? compared < 0 : compared > 0) && e->at >= l->from && e->at < l->until &&
           (!l->has_types || l->types[e->type]);
}

/* A source that gave all it was asked for may have more, beyond its last instant. */
static void draw_horizon(struct ledger_page *page, int beyond_place, instant last)
{
    if (beyond_place <= page->l->limit)
        return;
    if (!page->cut || (page->l->descending ? last > page->horizon : last < page->horizon))
        page->horizon = last;
    page->cut = true;
}

static enum err read_drafts(struct ledger_page *page, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct arena *a = &page->x->arena;
    struct sql_reader record;
    enum balance_kind kind = 0;
    instant last = 0;
    int beyond = 0;

    while (array_next_record(r, &array, &record)) {
        record.bad |= kind_parse(read_text(&record), &kind) != ERR_OK;
        bool at_place = read_bool(&record);
        if (!record.bad && !entries_read_draft(&page->entries, a, &record, kind))
            return ERR_EXHAUSTED;
        array_record_done(r, &record);
        if (!reader_ok(r))
            return ERR_INTERNAL;
        const struct entry *e = &page->entries.items[page->entries.count - 1].entry;
        if (!at_place) {
            beyond++;
            last = e->at;
        }
        if (!is_wanted(page->l, e))
            page->entries.count--;
    }
    draw_horizon(page, beyond, last);
    return ERR_OK;
}

/* One turn: the instant at which a segment starts or ends, with its balance, itself first. */
static enum err read_turn(struct ledger_page *page, struct sql_reader *r, instant *ret_at,
                          bool *ret_at_place)
{
    struct segment segments[2] = {0};
    struct balance b = {.segments = segments};
    struct entry derived[DERIVED_PER_SEGMENT_MAX];
    struct arena *a = &page->x->arena;
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
    enum err err = derive_entries(&b, &segments[0], page->x->now, derived, &count);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        /* The segment's other turn comes by itself. */
        if (derived[i].at != *ret_at || !is_wanted(page->l, &derived[i]))
            continue;
        if (!entries_add(&page->entries, a, &derived[i], message_entry(a, &derived[i])))
            err = ERR_EXHAUSTED;
    }
    return err;
}

static enum err read_turns(struct ledger_page *page, struct sql_reader *r)
{
    struct sql_array array = read_array(r);
    struct sql_reader record;
    bool at_place = false;
    instant at = 0, last = 0;
    int beyond = 0;

    while (array_next_record(r, &array, &record)) {
        enum err err = read_turn(page, &record, &at, &at_place);
        if (err != ERR_OK)
            return err;
        array_record_done(r, &record);
        if (!at_place) {
            beyond++;
            /* The join has not kept them in order. */
            last = beyond == 1 || (page->l->descending ? at < last : at > last) ? at : last;
        }
    }
    draw_horizon(page, beyond, last);
    return reader_ok(r) ? ERR_OK : ERR_INTERNAL;
}

static enum err read_answer(struct ledger_page *page, const struct sql_result *result)
{
    struct sql_reader r = result_row(result, 0);

    read_int(&r); /* the version */
    page->next_change = read_null(&r) ? INSTANT_NEVER : read_instant(&r);
    if (!entries_read_stored(&page->entries, &page->x->arena, &r))
        return reader_ok(&r) ? ERR_EXHAUSTED : ERR_INTERNAL;
    enum err err = read_drafts(page, &r);
    if (err == ERR_OK)
        err = read_turns(page, &r);
    if (err == ERR_OK && !reader_ok(&r))
        err = ERR_INTERNAL;
    return err;
}

/* ---- the answer ---- */

static bool is_beyond_horizon(const struct ledger_page *page, const struct entry *e)
{
    return page->cut && (page->l->descending ? e->at < page->horizon : e->at > page->horizon);
}

/* The place at which everything up to the horizon has been shown. */
static struct place end_of_horizon(const struct ledger_page *page)
{
    struct place place = {.at = page->horizon};

    if (!page->l->descending) {
        place.rank = ENTRY_TYPE_COUNT - 1;
        memset(place.id.bytes, 0xff, sizeof place.id.bytes);
    }
    return place;
}

/* How many entries the page shows. It is full if its limit or the size of an answer ends it, and
 * not the horizon or the end of the ledger. One entry always fits: its texts have their bounds. */
static size_t count_shown(const struct ledger_page *page, bool *ret_full)
{
    size_t shown = 0, bytes = 0;

    for (; shown < page->entries.count; shown++) {
        const struct entry_item *item = &page->entries.items[shown];
        if (is_beyond_horizon(page, &item->entry))
            return shown;
        bytes += balances__v1__ledger_entry__get_packed_size(item->message) + ITEM_FRAME_BYTES;
        if (shown == (size_t)page->l->limit || bytes > ANSWER_BYTES_MAX - ANSWER_MARGIN_BYTES)
            break;
    }
    *ret_full = shown < page->entries.count || shown == (size_t)page->l->limit;
    return shown;
}

static void answer(struct computation *x, struct ledger_page *page)
{
    const struct ledger_query *l = x->request;
    Balances__V1__ListLedgerEntriesResponse answer;
    bool full = false;

    balances__v1__list_ledger_entries_response__init(&answer);
    entries_sort(&page->entries, l->descending);
    size_t shown = count_shown(page, &full);
    answer.data = arena_array(&x->arena, shown, sizeof *answer.data);
    answer.consistency_token = consistency_token(x->token_key, &x->arena, &x->customer, x->version);
    if (shown < page->entries.count || page->cut) {
        struct place last = end_of_horizon(page);
        if (full) {
            const struct entry *e = &page->entries.items[shown - 1].entry;
            last = (struct place){e->at, (int)e->type, e->id};
        }
        answer.next_page = page_token(x->token_key, &x->arena, l->binding, &last);
    }
    if (!answer.data || !answer.consistency_token || !answer.next_page) {
        computation_fail(x, ERR_EXHAUSTED, NULL);
        return;
    }
    for (size_t i = 0; i < shown; i++)
        answer.data[i] = page->entries.items[i].message;
    answer.n_data = shown;
    computation_answer(x, &answer.base, page->next_change);
}

static void compute(struct computation *x, const struct sql_result *result)
{
    struct ledger_page page = {.x = x, .l = x->request};
    enum err err = read_answer(&page, result);

    if (err == ERR_RANGE)
        computation_fail(x, err, "a ledger has an entry with more digits than an amount may have");
    else if (err == ERR_INTERNAL)
        computation_fail_rows(x);
    else if (err != ERR_OK)
        computation_fail(x, err, NULL);
    else
        answer(x, &page);
}

/* ---- the query ---- */

/* Whether any of these is asked for. */
static bool wants(const struct ledger_query *l, const enum entry_type *types, size_t count)
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

static enum err prepare(struct computation *x)
{
    const struct ledger_query *l = x->request;
    struct sql_args *args = &x->query.args;
    enum err err = ERR_OK;

    x->query.statement = l->descending ? SQL_LEDGER_BACKWARD : SQL_LEDGER_FORWARD;
    args_id(args, &x->customer);
    args_instant(args, x->now);
    if (l->has_balance)
        args_id(args, &l->balance);
    else
        args_null(args);
    if (l->has_types)
        err = args_texts(args, &x->arena, l->type_names, l->type_count);
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
    static const struct read_method method = {"ldgr", prepare, compute};
    ledger_request *in = (ledger_request *)c->request;
    struct ledger_query *l = arena_alloc(&c->arena, sizeof *l);
    struct id customer;

    if (!l)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "customer_id", in->customer_id, &customer);
    enum err err = read_request(c, l, in);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    return read_run(c, &method, l, &customer, &in->consistency);
}
