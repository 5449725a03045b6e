#include "app/list_page.h"

#include "app/message.h"

enum {
    COMMIT_KINDS = 1u << BALANCE_PREPAID_COMMIT | 1u << BALANCE_POSTPAID_COMMIT,
    ANSWER_MARGIN_BYTES = 1024, /* of an answer, for its tokens */
    ITEM_FRAME_BYTES = 16,      /* tags and lengths around a balance */
};

/* The page as it grows. */
struct growth {
    struct list_page *page;
    const char *customer;
    size_t bytes;
    struct place last; /* of the rows looked at */
    bool more;
    char *too_large; /* the id of a balance that fits no answer */
};

/* ---- the query ---- */

static void optional_instant(struct sql_args *args, bool has, instant at)
{
    if (has)
        args_instant(args, at);
    else
        args_null(args);
}

enum err list_page_ask(struct computation *x)
{
    const struct list_query *l = x->request;
    const struct list_filter *f = &l->filter;
    struct sql_args *args = &x->query.args;
    enum err err = ERR_OK;

    x->query.statement = SQL_LIST_BALANCES;
    args_id(args, &x->customer);
    args_instant(args, x->now);
    args_instant(args, l->after.at);
    args_id(args, &l->after.id);
    args_int(args, l->limit + 1);
    if (f->id_count > 0)
        err = args_ids(args, &x->arena, f->ids, f->id_count);
    else
        args_null(args);
    args_bool(args, f->kinds & COMMIT_KINDS);
    args_bool(args, f->kinds & 1u << BALANCE_CREDIT);
    args_bool(args, f->kinds & 1u << BALANCE_ACCOUNT);
    args_bool(args, f->include_contract_level);
    args_bool(args, f->include_archived);
    optional_instant(args, f->has_covering, f->covering);
    optional_instant(args, f->has_starting_at, f->starting_at);
    optional_instant(args, f->has_effective_before, f->effective_before);
    args_bool(args, f->exclude_zero);
    args_bool(args, l->with_ledgers);
    args_int(args, LEDGER_INLINE_MAX);
    optional_instant(args, f->has_ends_from, f->ends_from);
    optional_instant(args, f->has_ends_before, f->ends_before);
    if (l->has_contract)
        args_id(args, &l->contract);
    else
        args_null(args);
    return err;
}

/* ---- the rows ---- */

static size_t item_bytes(const struct balance_message *m)
{
    size_t len = m->commit   ? balances__v1__commit__get_packed_size(m->commit)
                 : m->credit ? balances__v1__credit__get_packed_size(m->credit)
                             : balances__v1__account_balance__get_packed_size(m->account_balance);

    return len + ITEM_FRAME_BYTES;
}

/* Takes a balance into the page, or ends the page before it. One that would not fit an empty page
 * is named instead: nothing is cut silently. */
static enum err take(struct computation *x, struct growth *g, struct balance_row *row)
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
        fits = g->bytes + bytes <= ANSWER_BYTES_MAX - ANSWER_MARGIN_BYTES;
        if (fits) {
            g->bytes += bytes;
            g->page->items[g->page->count++] = row->message;
            return ERR_OK;
        }
    }
    g->more = true;
    if (g->page->count == 0)
        g->too_large = message_id(&x->arena, &row->balance.id);
    return ERR_OK;
}

/* Looks at one row; `g->more` says that the page is over before it. */
static enum err read_row(struct computation *x, struct growth *g, struct sql_reader *r)
{
    const struct list_query *l = x->request;
    struct balance_row row = {0};
    bool selected = false;

    read_int(r); /* the version */
    g->page->next_change = read_null(r) ? INSTANT_NEVER : read_instant(r);
    if (read_null(r))
        return reader_ok(r) ? ERR_OK : ERR_INTERNAL; /* no balance at all */
    if (g->page->count == l->limit) {
        g->more = true;
        return ERR_OK;
    }
    enum err err = balance_row_read(&row, g->customer, &x->arena, r);
    if (err == ERR_OK)
        err = list_filter_selects(&l->filter, &row.balance, x->now, &selected);
    if (err == ERR_OK && selected)
        err = take(x, g, &row);
    if (err == ERR_OK && !g->more)
        g->last = row.place;
    return err;
}

static enum err read_rows(struct computation *x, struct growth *g, const struct sql_result *result)
{
    const struct list_query *l = x->request;
    int rows = result_rows(result);
    enum err err = ERR_OK;

    for (int i = 0; i < rows && err == ERR_OK && !g->more; i++) {
        struct sql_reader r = result_row(result, i);
        err = read_row(x, g, &r);
    }
    /* A full read may have been followed by more than it asked for, all of it refused. */
    g->more |= rows > l->limit;
    return err;
}

static enum err make_tokens(struct computation *x, const struct growth *g)
{
    const struct list_query *l = x->request;
    struct list_page *page = g->page;

    page->next_page = message_no_text();
    if (g->more)
        page->next_page = page_token(x->token_key, &x->arena, l->binding, &g->last);
    page->token = consistency_token(x->token_key, &x->arena, &x->customer, x->version);
    return page->next_page && page->token ? ERR_OK : ERR_EXHAUSTED;
}

bool list_page_read(struct computation *x, const struct sql_result *result, struct list_page *ret)
{
    struct id_text customer = id_format(&x->customer);
    struct growth g = {.page = ret, .customer = customer.text};

    *ret = (struct list_page){0};
    enum err err = read_rows(x, &g, result);
    if (err == ERR_OK)
        err = make_tokens(x, &g);
    if (err == ERR_RANGE)
        computation_fail(x, err, "a balance has more digits than an amount may have");
    else if (err == ERR_INTERNAL)
        computation_fail_rows(x);
    else if (err != ERR_OK)
        computation_fail(x, err, NULL);
    else if (g.too_large)
        computation_fail(x, ERR_TOO_LARGE,
                         "the ledger of balance %s is larger than an answer may be: page through "
                         "it with ListLedgerEntries",
                         g.too_large);
    else
        return true;
    return false;
}
