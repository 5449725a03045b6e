/* ListBalances, ListCredits and ListCommits: one list, of which two show a part.
 *
 *     read the request --> (app/read.c: look up, query) --> compute: read rows, filter, cut -->
 * answer
 *
 * A page ends where its limit, the size of an answer or the number of ledger entries says. What the
 * database preselected and the domain then refuses makes a page shorter, never a list: the next
 * page starts after the last row that was looked at. */
#include "app/app.h"
#include "app/balance_row.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/read.h"
#include "app/tokens.h"
#include "ledger/filter.h"

typedef Balances__V1__ListBalancesRequest list_request;

enum {
    ALL_KINDS = (1u << BALANCE_KINDS) - 1,
    COMMIT_KINDS = 1u << BALANCE_PREPAID_COMMIT | 1u << BALANCE_POSTPAID_COMMIT,
    CREDIT_KINDS = 1u << BALANCE_CREDIT,
    /* Of an answer, for tokens and the framing of up to 25 items. */
    ANSWER_MARGIN_BYTES = 1024,
};

/* What is asked for. */
struct list_query {
    struct list_filter filter;
    bool with_ledgers, with_balance;
    int limit;
    struct bytes binding; /* of page tokens */
    struct place after;
};

/* The page as it grows. */
struct list_page {
    const char *customer;
    struct balance_message items[BALANCES_PAGE_MAX];
    int count;
    size_t bytes;
    struct place last; /* of the rows looked at */
    bool more;
    instant next_change; /* of anything of the customer's */
    char *too_large;     /* the id of a balance that fits no answer */
};

/* ---- the request ---- */

/* Where the fields that the three requests call differently lie in this one. */
struct list_fields {
    const char *id_name;
    char **next_page;
    Balances__V1__Consistency **consistency;
};

static enum err read_request(struct call *c, struct list_query *l, const list_request *in,
                             unsigned kinds, const struct list_fields *fields)
{
    struct list_filter *f = &l->filter;

    f->kinds = kinds;
    f->has_id = field_optional_id(c, fields->id_name, in->id, &f->id);
    f->has_covering = field_instant_down(c, "covering_date", in->covering_date, &f->covering);
    f->has_starting_at = field_instant_down(c, "starting_at", in->starting_at, &f->starting_at);
    f->has_effective_before =
        field_instant_up(c, "effective_before", in->effective_before, &f->effective_before);
    f->include_contract_level = in->include_contract_balances;
    f->include_archived = in->include_archived;
    f->exclude_zero = in->exclude_zero_balances;
    l->with_ledgers = in->include_ledgers;
    l->with_balance = in->include_balance;
    l->limit = field_limit(c, "limit", in->limit, BALANCES_PAGE_MAX, BALANCES_PAGE_MAX);

    l->binding = page_binding(c, fields->next_page, fields->consistency);
    if (!l->binding.data)
        return ERR_EXHAUSTED;
    l->after = place_first;
    if (**fields->next_page)
        return page_read(c, l->binding, *fields->next_page, &l->after);
    return ERR_OK;
}

/* ---- the rows ---- */

static size_t item_bytes(const struct balance_message *m)
{
    size_t len = m->commit   ? balances__v1__commit__get_packed_size(m->commit)
                 : m->credit ? balances__v1__credit__get_packed_size(m->credit)
                             : balances__v1__account_balance__get_packed_size(m->account_balance);

    return len + 16; /* tags and lengths around it */
}

/* Takes a balance into the page, or ends the page before it. One that would not fit an empty page
 * is named instead: nothing is cut silently. */
static enum err take(struct computation *x, struct list_page *page, struct balance_row *row)
{
    const struct list_query *l = x->request;
    bool fits = !l->with_ledgers || row->balance.archived || row->with_ledger;
    enum err err = ERR_OK;

    if (fits) {
        err = balance_row_compute(row, &x->arena, x->now, l->with_balance);
        if (err == ERR_OK && l->with_ledgers)
            err = balance_row_fill_ledger(row, &x->arena, x->now);
        if (err != ERR_OK)
            return err;
        size_t bytes = item_bytes(&row->message);
        fits = page->bytes + bytes <= ANSWER_BYTES_MAX - ANSWER_MARGIN_BYTES;
        if (fits) {
            page->bytes += bytes;
            page->items[page->count++] = row->message;
            return ERR_OK;
        }
    }
    page->more = true;
    if (page->count == 0)
        page->too_large = message_id(&x->arena, &row->balance.id);
    return ERR_OK;
}

/* Looks at one row; `page->more` says that the page is over before it. */
static enum err read_row(struct computation *x, struct list_page *page, struct sql_reader *r)
{
    const struct list_query *l = x->request;
    struct balance_row row = {0};
    bool selected = false;

    read_int(r); /* the version */
    page->next_change = read_null(r) ? INSTANT_NEVER : read_instant(r);
    if (read_null(r))
        return reader_ok(r) ? ERR_OK : ERR_INTERNAL; /* no balance at all */
    if (page->count == l->limit) {
        page->more = true;
        return ERR_OK;
    }
    enum err err = balance_row_read(&row, page->customer, &x->arena, r);
    if (err == ERR_OK)
        err = list_filter_selects(&l->filter, &row.balance, x->now, &selected);
    if (err == ERR_OK && selected)
        err = take(x, page, &row);
    if (err == ERR_OK && !page->more)
        page->last = row.place;
    return err;
}

static enum err read_rows(struct computation *x, struct list_page *page,
                          const struct sql_result *result)
{
    const struct list_query *l = x->request;
    int rows = result_rows(result);
    enum err err = ERR_OK;

    for (int i = 0; i < rows && err == ERR_OK && !page->more; i++) {
        struct sql_reader r = result_row(result, i);
        err = read_row(x, page, &r);
    }
    /* A full read may have been followed by more than it asked for, all of it refused. */
    page->more |= rows > l->limit;
    return err;
}

/* ---- the answers ---- */

static void answer_balances(struct computation *x, const struct list_page *l, char *token,
                            char *next_page)
{
    Balances__V1__ListBalancesResponse answer;
    Balances__V1__Balance items[BALANCES_PAGE_MAX], *pointers[BALANCES_PAGE_MAX];

    balances__v1__list_balances_response__init(&answer);
    for (int i = 0; i < l->count; i++) {
        const struct balance_message *m = &l->items[i];
        balances__v1__balance__init(&items[i]);
        if (m->commit) {
            items[i].kind_case = BALANCES__V1__BALANCE__KIND_COMMIT;
            items[i].commit = m->commit;
        } else if (m->credit) {
            items[i].kind_case = BALANCES__V1__BALANCE__KIND_CREDIT;
            items[i].credit = m->credit;
        } else {
            items[i].kind_case = BALANCES__V1__BALANCE__KIND_ACCOUNT_BALANCE;
            items[i].account_balance = m->account_balance;
        }
        pointers[i] = &items[i];
    }
    answer.data = pointers;
    answer.n_data = (size_t)l->count;
    answer.consistency_token = token;
    answer.next_page = next_page;
    computation_answer(x, &answer.base, l->next_change);
}

static void answer_credits(struct computation *x, const struct list_page *l, char *token,
                           char *next_page)
{
    Balances__V1__ListCreditsResponse answer;
    Balances__V1__Credit *pointers[BALANCES_PAGE_MAX];

    balances__v1__list_credits_response__init(&answer);
    for (int i = 0; i < l->count; i++)
        pointers[i] = l->items[i].credit;
    answer.data = pointers;
    answer.n_data = (size_t)l->count;
    answer.consistency_token = token;
    answer.next_page = next_page;
    computation_answer(x, &answer.base, l->next_change);
}

static void answer_commits(struct computation *x, const struct list_page *l, char *token,
                           char *next_page)
{
    Balances__V1__ListCommitsResponse answer;
    Balances__V1__Commit *pointers[BALANCES_PAGE_MAX];

    balances__v1__list_commits_response__init(&answer);
    for (int i = 0; i < l->count; i++)
        pointers[i] = l->items[i].commit;
    answer.data = pointers;
    answer.n_data = (size_t)l->count;
    answer.consistency_token = token;
    answer.next_page = next_page;
    computation_answer(x, &answer.base, l->next_change);
}

static void answer(struct computation *x, const struct list_page *page)
{
    const struct list_query *l = x->request;
    char *next_page = message_no_text();

    if (page->more)
        next_page = page_token(x->token_key, &x->arena, l->binding, &page->last);
    char *token = consistency_token(x->token_key, &x->arena, &x->customer, x->version);
    if (!token || !next_page)
        computation_fail(x, ERR_EXHAUSTED, NULL);
    else if (l->filter.kinds == CREDIT_KINDS)
        answer_credits(x, page, token, next_page);
    else if (l->filter.kinds == COMMIT_KINDS)
        answer_commits(x, page, token, next_page);
    else
        answer_balances(x, page, token, next_page);
}

static void compute(struct computation *x, const struct sql_result *result)
{
    struct id_text customer = id_format(&x->customer);
    struct list_page page = {.customer = customer.text};
    enum err err = read_rows(x, &page, result);

    if (err == ERR_RANGE)
        computation_fail(x, err, "a balance has more digits than an amount may have");
    else if (err == ERR_INTERNAL)
        computation_fail_rows(x);
    else if (err != ERR_OK)
        computation_fail(x, err, NULL);
    else if (page.too_large)
        computation_fail(x, ERR_TOO_LARGE,
                         "the ledger of balance %s is larger than an answer may be: page through "
                         "it with ListLedgerEntries",
                         page.too_large);
    else
        answer(x, &page);
}

/* ---- the query ---- */

static void optional_instant(struct sql_args *args, bool has, instant at)
{
    if (has)
        args_instant(args, at);
    else
        args_null(args);
}

static enum err prepare(struct computation *x)
{
    const struct list_query *l = x->request;
    const struct list_filter *f = &l->filter;
    struct sql_args *args = &x->query.args;

    x->query.statement = SQL_LIST_BALANCES;
    args_id(args, &x->customer);
    args_instant(args, x->now);
    args_instant(args, l->after.at);
    args_id(args, &l->after.id);
    args_int(args, l->limit + 1);
    if (f->has_id)
        args_id(args, &f->id);
    else
        args_null(args);
    args_bool(args, f->kinds & COMMIT_KINDS);
    args_bool(args, f->kinds & CREDIT_KINDS);
    args_bool(args, f->kinds & 1u << BALANCE_ACCOUNT);
    args_bool(args, f->include_contract_level);
    args_bool(args, f->include_archived);
    optional_instant(args, f->has_covering, f->covering);
    optional_instant(args, f->has_starting_at, f->starting_at);
    optional_instant(args, f->has_effective_before, f->effective_before);
    args_bool(args, f->exclude_zero);
    args_bool(args, l->with_ledgers);
    args_int(args, LEDGER_INLINE_MAX);
    return ERR_OK;
}

static enum next start(struct call *c, const struct read_method *method, const list_request *in,
                       unsigned kinds, const struct list_fields *fields)
{
    struct list_query *l = arena_alloc(&c->arena, sizeof *l);
    struct id customer;

    if (!l)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "customer_id", in->customer_id, &customer);
    enum err err = read_request(c, l, in, kinds, fields);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    return read_run(c, method, l, &customer, fields->consistency);
}

enum next list_balances(struct call *c)
{
    static const struct read_method method = {"list", prepare, compute};
    list_request *in = (list_request *)c->request;
    const struct list_fields fields = {"id", &in->next_page, &in->consistency};

    return start(c, &method, in, ALL_KINDS, &fields);
}

enum next list_credits(struct call *c)
{
    static const struct read_method method = {"cred", prepare, compute};
    Balances__V1__ListCreditsRequest *in = (Balances__V1__ListCreditsRequest *)c->request;
    const struct list_fields fields = {"credit_id", &in->next_page, &in->consistency};
    list_request same;

    balances__v1__list_balances_request__init(&same);
    same.customer_id = in->customer_id;
    same.id = in->credit_id;
    same.covering_date = in->covering_date;
    same.starting_at = in->starting_at;
    same.effective_before = in->effective_before;
    same.include_contract_balances = in->include_contract_credits;
    same.include_archived = in->include_archived;
    same.include_ledgers = in->include_ledgers;
    same.include_balance = in->include_balance;
    same.limit = in->limit;
    return start(c, &method, &same, CREDIT_KINDS, &fields);
}

enum next list_commits(struct call *c)
{
    static const struct read_method method = {"comm", prepare, compute};
    Balances__V1__ListCommitsRequest *in = (Balances__V1__ListCommitsRequest *)c->request;
    const struct list_fields fields = {"commit_id", &in->next_page, &in->consistency};
    list_request same;

    balances__v1__list_balances_request__init(&same);
    same.customer_id = in->customer_id;
    same.id = in->commit_id;
    same.covering_date = in->covering_date;
    same.starting_at = in->starting_at;
    same.effective_before = in->effective_before;
    same.include_contract_balances = in->include_contract_commits;
    same.include_archived = in->include_archived;
    same.include_ledgers = in->include_ledgers;
    same.include_balance = in->include_balance;
    same.limit = in->limit;
    return start(c, &method, &same, COMMIT_KINDS, &fields);
}
