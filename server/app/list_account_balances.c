/* GetAccountBalance and ListAccountBalances: account balances with their amounts (domain.md A13).
 *
 *     read the request --> (app/read.c: look up, query) --> compute: a page of rows --> answer
 *
 * They are a list of balances, of account balances alone, a contract's among them. What is archived
 * has been deleted: it is not found. */
#include "app/app.h"
#include "app/fields.h"
#include "app/list_page.h"
#include "balances/v1/account_balances.pb-c.h"

typedef Balances__V1__GetAccountBalanceRequest get_request;
typedef Balances__V1__ListAccountBalancesRequest list_request;

static struct list_query *new_query(struct arena *a)
{
    struct list_query *l = arena_alloc(a, sizeof *l);

    if (!l)
        return NULL;
    l->filter.kinds = 1u << BALANCE_ACCOUNT;
    l->filter.include_contract_level = true;
    l->after = place_first;
    return l;
}

/* ---- GetAccountBalance ---- */

static void compute_one(struct computation *x, const struct sql_result *result)
{
    const struct list_query *l = x->request;
    struct id_text balance = id_format(l->filter.ids);
    Balances__V1__GetAccountBalanceResponse answer;
    struct list_page page;

    if (!list_page_read(x, result, &page))
        return;
    if (page.count == 0) {
        computation_fail_not_found(x, "balance", balance.text);
        return;
    }
    balances__v1__get_account_balance_response__init(&answer);
    answer.account_balance = page.items[0].account_balance;
    answer.consistency_token = page.token;
    computation_answer(x, &answer.base, page.next_change);
}

enum next get_account_balance(struct call *c)
{
    static const struct read_method method = {"acct", list_page_ask, compute_one};
    get_request *in = (get_request *)c->request;
    struct list_query *l = new_query(&c->arena);
    struct id *balance = arena_alloc(&c->arena, sizeof *balance);
    struct id customer;

    if (!l || !balance)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "customer_id", in->customer_id, &customer);
    field_id(c, "id", in->id, balance);
    l->filter.ids = balance;
    l->filter.id_count = 1;
    l->limit = 1;
    return read_run(c, &method, l, &customer, &in->consistency);
}

/* ---- ListAccountBalances ---- */

static void compute_list(struct computation *x, const struct sql_result *result)
{
    Balances__V1__ListAccountBalancesResponse answer;
    Balances__V1__AccountBalance *pointers[ACCOUNT_BALANCES_PAGE_MAX];
    struct list_page page;

    if (!list_page_read(x, result, &page))
        return;
    balances__v1__list_account_balances_response__init(&answer);
    for (int i = 0; i < page.count; i++)
        pointers[i] = page.items[i].account_balance;
    answer.data = pointers;
    answer.n_data = (size_t)page.count;
    answer.consistency_token = page.token;
    answer.next_page = page.next_page;
    computation_answer(x, &answer.base, page.next_change);
}

/* The range includes its start and not its end. */
static enum err read_request(struct call *c, struct list_query *l, list_request *in)
{
    struct list_filter *f = &l->filter;
    struct id *ids = NULL;

    enum err err = field_ids(c, "ids", in->ids, in->n_ids, &ids);
    f->ids = ids;
    f->id_count = in->n_ids;
    f->has_ends_from = field_instant_up(c, "end_date_start", in->end_date_start, &f->ends_from);
    f->has_ends_before = field_instant_up(c, "end_date_end", in->end_date_end, &f->ends_before);
    l->has_contract = field_optional_id(c, "contract_id", in->contract_id, &l->contract);
    l->limit =
        field_limit(c, "limit", in->limit, ACCOUNT_BALANCES_PAGE_MAX, ACCOUNT_BALANCES_PAGE_MAX);
    l->binding = page_binding(c, &in->next_page, &in->consistency);
    if (err != ERR_OK || !l->binding.data)
        return ERR_EXHAUSTED;
    return *in->next_page ? page_read(c, l->binding, in->next_page, &l->after) : ERR_OK;
}

enum next list_account_balances(struct call *c)
{
    static const struct read_method method = {"accs", list_page_ask, compute_list};
    list_request *in = (list_request *)c->request;
    struct list_query *l = new_query(&c->arena);
    struct id customer;

    if (!l)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "customer_id", in->customer_id, &customer);
    enum err err = read_request(c, l, in);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    return read_run(c, &method, l, &customer, &in->consistency);
}
