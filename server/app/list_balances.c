/* ListBalances, ListCredits and ListCommits: one list, of which two show a part.
 *
 *     read the request --> (app/read.c: look up, query) --> compute: a page of rows --> answer
 */
#include "app/app.h"
#include "app/fields.h"
#include "app/list_page.h"

typedef Balances__V1__ListBalancesRequest list_request;

enum {
    ALL_KINDS = (1u << BALANCE_KINDS) - 1,
    COMMIT_KINDS = 1u << BALANCE_PREPAID_COMMIT | 1u << BALANCE_POSTPAID_COMMIT,
    CREDIT_KINDS = 1u << BALANCE_CREDIT,
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
    struct id *id = arena_alloc(&c->arena, sizeof *id);
    if (!id)
        return ERR_EXHAUSTED;
    f->ids = id;
    f->id_count = field_optional_id(c, fields->id_name, in->id, id) ? 1 : 0;
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

/* ---- the answers ---- */

static void answer_balances(struct computation *x, const struct list_page *page)
{
    Balances__V1__ListBalancesResponse answer;
    Balances__V1__Balance items[BALANCES_PAGE_MAX], *pointers[BALANCES_PAGE_MAX];

    balances__v1__list_balances_response__init(&answer);
    for (int i = 0; i < page->count; i++) {
        const struct balance_message *m = &page->items[i];
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
    answer.n_data = (size_t)page->count;
    answer.consistency_token = page->token;
    answer.next_page = page->next_page;
    computation_answer(x, &answer.base, page->next_change);
}

static void answer_credits(struct computation *x, const struct list_page *page)
{
    Balances__V1__ListCreditsResponse answer;
    Balances__V1__Credit *pointers[BALANCES_PAGE_MAX];

    balances__v1__list_credits_response__init(&answer);
    for (int i = 0; i < page->count; i++)
        pointers[i] = page->items[i].credit;
    answer.data = pointers;
    answer.n_data = (size_t)page->count;
    answer.consistency_token = page->token;
    answer.next_page = page->next_page;
    computation_answer(x, &answer.base, page->next_change);
}

static void answer_commits(struct computation *x, const struct list_page *page)
{
    Balances__V1__ListCommitsResponse answer;
    Balances__V1__Commit *pointers[BALANCES_PAGE_MAX];

    balances__v1__list_commits_response__init(&answer);
    for (int i = 0; i < page->count; i++)
        pointers[i] = page->items[i].commit;
    answer.data = pointers;
    answer.n_data = (size_t)page->count;
    answer.consistency_token = page->token;
    answer.next_page = page->next_page;
    computation_answer(x, &answer.base, page->next_change);
}

static void compute(struct computation *x, const struct sql_result *result)
{
    const struct list_query *l = x->request;
    struct list_page page;

    if (!list_page_read(x, result, &page))
        return;
    if (l->filter.kinds == CREDIT_KINDS)
        answer_credits(x, &page);
    else if (l->filter.kinds == COMMIT_KINDS)
        answer_commits(x, &page);
    else
        answer_balances(x, &page);
}

/* ---- the methods ---- */

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
    static const struct read_method method = {"list", list_page_ask, compute};
    list_request *in = (list_request *)c->request;
    const struct list_fields fields = {"id", &in->next_page, &in->consistency};

    return start(c, &method, in, ALL_KINDS, &fields);
}

enum next list_credits(struct call *c)
{
    static const struct read_method method = {"cred", list_page_ask, compute};
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
    static const struct read_method method = {"comm", list_page_ask, compute};
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
