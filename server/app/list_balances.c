/* ListBalances, ListCredits and ListCommits: one list, of which two show a part.
 *
 *     read the request --> query --> queried: read rows, filter, compute, cut --> reply
 *
 * A page ends where its limit, the size of an answer or the number of ledger entries says. What the
 * database preselected and the domain then refuses makes a page shorter, never a list: the next
 * page starts after the last row that was looked at. */
#include "app/app.h"
#include "app/balance_row.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/tokens.h"
#include "base/clock.h"
#include "base/log.h"
#include "ledger/filter.h"

typedef Balances__V1__ListBalancesRequest list_request;

enum {
    ALL_KINDS = (1u << BALANCE_KINDS) - 1,
    COMMIT_KINDS = 1u << BALANCE_PREPAID_COMMIT | 1u << BALANCE_POSTPAID_COMMIT,
    CREDIT_KINDS = 1u << BALANCE_CREDIT,
    /* Of an answer, for tokens and the framing of up to 25 items. */
    ANSWER_MARGIN_BYTES = 1024,
};

struct list_call {
    struct call *call;
    const char *customer_text;
    struct id customer;
    struct list_filter filter;
    bool with_ledgers, with_balance;
    int limit;
    struct bytes binding; /* of page tokens */
    struct place after;
    struct freshness freshness;
    instant now;

    struct sql_req query;
    enum err err;
    bool found;
    int64_t version;
    struct balance_message items[BALANCES_PAGE_MAX];
    int count;
    size_t bytes;
    struct place last; /* of the rows looked at */
    bool more;
    char *too_large; /* the id of a balance that fits no answer */
};

/* ---- the request ---- */

/* Before every stored instant, and before every id. */
static const struct place list_start = {.at = INT64_C(-62167219200000000)};

static enum err read_request(struct list_call *l, const list_request *in, unsigned kinds,
                             const char *id_name, char **next_page)
{
    struct call *c = l->call;
    struct list_filter *f = &l->filter;

    l->customer_text = in->customer_id;
    field_id(c, "customer_id", in->customer_id, &l->customer);
    f->kinds = kinds;
    f->has_id = field_optional_id(c, id_name, in->id, &f->id);
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

    l->binding = page_binding(c, next_page);
    if (!l->binding.data)
        return ERR_EXHAUSTED;
    l->after = list_start;
    if (**next_page) {
        enum err err = page_read(c, l->binding, *next_page, &l->after);
        if (err != ERR_OK)
            return err;
    }
    return freshness_read(c, in->consistency, &l->customer, &l->freshness);
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
static enum err take(struct list_call *l, struct balance_row *row)
{
    struct arena *a = &l->call->arena;
    bool fits = !l->with_ledgers || row->balance.archived || row->with_ledger;
    enum err err = ERR_OK;

    if (fits) {
        err = balance_row_compute(row, a, l->now, l->with_balance);
        if (err == ERR_OK && l->with_ledgers)
            err = balance_row_fill_ledger(row, a, l->now);
        if (err != ERR_OK)
            return err;
        size_t bytes = item_bytes(&row->message);
        fits = l->bytes + bytes <= ANSWER_BYTES_MAX - ANSWER_MARGIN_BYTES;
        if (fits) {
            l->bytes += bytes;
            l->items[l->count++] = row->message;
            return ERR_OK;
        }
    }
    l->more = true;
    if (l->count == 0)
        l->too_large = message_id(a, &row->balance.id);
    return ERR_OK;
}

/* Looks at one row; `l->more` says that the page is over before it. */
static enum err read_row(struct list_call *l, struct sql_reader *r)
{
    struct balance_row row = {0};
    bool selected = false;

    l->version = read_int(r);
    if (read_null(r))
        return reader_ok(r) ? ERR_OK : ERR_INTERNAL; /* no balance at all */
    if (l->count == l->limit) {
        l->more = true;
        return ERR_OK;
    }
    enum err err = balance_row_read(&row, l->customer_text, &l->call->arena, r);
    if (err == ERR_OK)
        err = list_filter_selects(&l->filter, &row.balance, l->now, &selected);
    if (err == ERR_OK && selected)
        err = take(l, &row);
    if (err == ERR_OK && !l->more)
        l->last = row.place;
    return err;
}

static void on_queried(struct sql_req *req, enum err err, const struct sql_result *result)
{
    struct list_call *l = container_of(req, struct list_call, query);
    int rows = err == ERR_OK ? result_rows(result) : 0;

    for (int i = 0; i < rows && err == ERR_OK && !l->more; i++) {
        struct sql_reader r = result_row(result, i);
        err = read_row(l, &r);
    }
    /* A full read may have been followed by more than it asked for, all of it refused. */
    l->more |= rows > l->limit;
    if (err == ERR_INTERNAL && rows > 0)
        log_error("list_balances", "the database's answer is not what this program understands");
    l->found = rows > 0;
    l->err = err;
    l->call->database_us += req->took_us;
    call_resume(l->call);
}

/* ---- the answers ---- */

static enum next reply_balances(struct list_call *l, char *token, char *next_page)
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
    return call_reply(l->call, &answer.base);
}

static enum next reply_credits(struct list_call *l, char *token, char *next_page)
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
    return call_reply(l->call, &answer.base);
}

static enum next reply_commits(struct list_call *l, char *token, char *next_page)
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
    return call_reply(l->call, &answer.base);
}

/* ---- the steps ---- */

static enum next step_queried(struct call *c)
{
    struct list_call *l = c->state;
    char *next_page = message_no_text();

    if (l->err == ERR_RANGE)
        return call_fail(c, ERR_RANGE, "a balance has more digits than an amount may have");
    if (l->err != ERR_OK)
        return call_fail_with(c, l->err);
    if (!l->found)
        return call_fail_not_found(c, "customer", l->customer_text);
    if (!freshness_holds(c, &l->freshness, l->version))
        return call_fail_invalid(c);
    if (l->too_large)
        return call_fail(c, ERR_TOO_LARGE,
                         "the ledger of balance %s is larger than an answer may be: page through "
                         "it with ListLedgerEntries",
                         l->too_large);
    if (l->more)
        next_page = page_token(c, l->binding, &l->last);
    char *token = consistency_token(c, &l->customer, l->version);
    if (!token || !next_page)
        return call_fail_with(c, ERR_EXHAUSTED);
    if (l->filter.kinds == CREDIT_KINDS)
        return reply_credits(l, token, next_page);
    if (l->filter.kinds == COMMIT_KINDS)
        return reply_commits(l, token, next_page);
    return reply_balances(l, token, next_page);
}

static void cancel(struct call *c)
{
    struct list_call *l = c->state;
    const struct app *app = call_app(c);

    pool_cancel(app->pool, &l->query);
}

static void optional_instant(struct sql_args *args, bool has, instant at)
{
    if (has)
        args_instant(args, at);
    else
        args_null(args);
}

static void submit(struct list_call *l)
{
    const struct app *app = call_app(l->call);
    const struct list_filter *f = &l->filter;
    struct sql_args *args = &l->query.args;

    l->query.statement = SQL_LIST_BALANCES;
    args_id(args, &l->customer);
    args_instant(args, l->now);
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
    l->call->step = step_queried;
    l->call->cancel = cancel;
    pool_submit(app->pool, &l->query, on_queried);
}

static enum next start(struct call *c, const list_request *in, unsigned kinds, const char *id_name,
                       char **next_page)
{
    struct list_call *l = arena_alloc(&c->arena, sizeof *l);

    if (!l)
        return call_fail_with(c, ERR_EXHAUSTED);
    c->state = l;
    l->call = c;
    enum err err = read_request(l, in, kinds, id_name, next_page);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    if (c->status.violation_count > 0)
        return call_fail_invalid(c);
    l->now = clock_now_us();
    submit(l);
    return WAIT;
}

enum next list_balances(struct call *c)
{
    list_request *in = (list_request *)c->request;

    return start(c, in, ALL_KINDS, "id", &in->next_page);
}

enum next list_credits(struct call *c)
{
    Balances__V1__ListCreditsRequest *in = (Balances__V1__ListCreditsRequest *)c->request;
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
    same.consistency = in->consistency;
    return start(c, &same, CREDIT_KINDS, "credit_id", &in->next_page);
}

enum next list_commits(struct call *c)
{
    Balances__V1__ListCommitsRequest *in = (Balances__V1__ListCommitsRequest *)c->request;
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
    same.consistency = in->consistency;
    return start(c, &same, COMMIT_KINDS, "commit_id", &in->next_page);
}
