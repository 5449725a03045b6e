/* GetTransactionType and ListTransactionTypes (domain.md A13).
 *
 *     read the request --> (app/read.c: look up, query) --> compute: rows to messages --> answer
 *
 * Types belong to no customer: their answers are filed under the installation, whose version moves
 * with every change of a type. */
#include "app/app.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/read.h"
#include "app/tokens.h"
#include "balances/v1/account_balances.pb-c.h"
#include "base/limits.h"

typedef Balances__V1__GetTransactionTypeRequest get_request;
typedef Balances__V1__ListTransactionTypesRequest list_request;

struct types_query {
    const struct id *ids; /* any of them; none means all */
    size_t id_count;
    char *const *codes; /* the same */
    size_t code_count;
    bool include_archived;
    int limit;
    struct bytes binding; /* of page tokens */
    struct place after;
};

static enum err ask(struct computation *x)
{
    const struct types_query *q = x->request;
    struct sql_args *args = &x->query.args;
    enum err err = ERR_OK;

    x->query.statement = SQL_LIST_TRANSACTION_TYPES;
    args_id(args, &x->customer);
    args_instant(args, q->after.at);
    args_id(args, &q->after.id);
    args_int(args, q->limit + 1);
    if (q->id_count > 0)
        err = args_ids(args, &x->arena, q->ids, q->id_count);
    else
        args_null(args);
    if (q->code_count == 0)
        args_null(args);
    else if (err == ERR_OK)
        err = args_texts(args, &x->arena, (const char *const *)q->codes, q->code_count);
    args_bool(args, q->include_archived);
    return err;
}

struct types_page {
    Balances__V1__TransactionType items[TRANSACTION_TYPES_PAGE_MAX];
    int count;
    struct place last;
    bool more;
};

static void read_type(struct sql_reader *r, struct arena *a, struct types_page *page)
{
    Balances__V1__TransactionType *m = &page->items[page->count++];

    balances__v1__transaction_type__init(m);
    page->last.at = read_instant(r);
    page->last.id = read_id(r);
    m->id = message_id(a, &page->last.id);
    m->name = read_message_text(r, a);
    m->code = read_message_text(r, a);
    m->archived = read_bool(r);
    m->version = read_int(r);
}

/* False: the computation has failed. */
static bool read_page(struct computation *x, const struct sql_result *result,
                      struct types_page *page)
{
    const struct types_query *q = x->request;
    struct sql_reader r = result_row(result, 0);
    struct sql_reader record;

    page->count = 0;
    read_int(&r); /* the version */
    struct sql_array array = read_array(&r);
    page->more = array.count > q->limit;
    while (page->count < q->limit && array_next_record(&r, &array, &record)) {
        read_type(&record, &x->arena, page);
        array_record_done(&r, &record);
    }
    if (!reader_ok(&r))
        computation_fail_rows(x);
    else if (x->arena.full)
        computation_fail(x, ERR_EXHAUSTED, NULL);
    else
        return true;
    return false;
}

/* Neither request says how fresh its answer is to be: as fresh as any, by default. */
static enum next run(struct call *c, const struct read_method *method, struct types_query *q)
{
    Balances__V1__Consistency *consistency = NULL;

    return read_run(c, method, q, &installation_id, &consistency);
}

/* ---- GetTransactionType ---- */

static void compute_one(struct computation *x, const struct sql_result *result)
{
    const struct types_query *q = x->request;
    struct id_text type = id_format(q->ids);
    Balances__V1__GetTransactionTypeResponse answer;
    struct types_page page;

    if (!read_page(x, result, &page))
        return;
    if (page.count == 0) {
        computation_fail_not_found(x, "transaction_type", type.text);
        return;
    }
    balances__v1__get_transaction_type_response__init(&answer);
    answer.transaction_type = &page.items[0];
    computation_answer(x, &answer.base, INSTANT_NEVER);
}

enum next get_transaction_type(struct call *c)
{
    static const struct read_method method = {"type", ask, compute_one};
    get_request *in = (get_request *)c->request;
    struct types_query *q = arena_alloc(&c->arena, sizeof *q);
    struct id *type = arena_alloc(&c->arena, sizeof *type);

    if (!q || !type)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "id", in->id, type);
    q->ids = type;
    q->id_count = 1;
    q->include_archived = true;
    q->limit = 1;
    q->after = place_first;
    return run(c, &method, q);
}

/* ---- ListTransactionTypes ---- */

static void compute_list(struct computation *x, const struct sql_result *result)
{
    const struct types_query *q = x->request;
    Balances__V1__ListTransactionTypesResponse answer;
    Balances__V1__TransactionType *pointers[TRANSACTION_TYPES_PAGE_MAX];
    struct types_page page;

    if (!read_page(x, result, &page))
        return;
    balances__v1__list_transaction_types_response__init(&answer);
    for (int i = 0; i < page.count; i++)
        pointers[i] = &page.items[i];
    answer.data = pointers;
    answer.n_data = (size_t)page.count;
    if (page.more)
        answer.next_page = page_token(x->token_key, &x->arena, q->binding, &page.last);
    if (answer.next_page)
        computation_answer(x, &answer.base, INSTANT_NEVER);
    else
        computation_fail(x, ERR_EXHAUSTED, NULL);
}

static enum err read_request(struct call *c, struct types_query *q, list_request *in)
{
    Balances__V1__Consistency *consistency = NULL;
    struct id *ids = NULL;

    enum err err = field_ids(c, "ids", in->ids, in->n_ids, &ids);
    q->ids = ids;
    q->id_count = in->n_ids;
    field_count(c, "codes", in->n_codes, LIST_ITEMS_MAX);
    q->codes = in->codes;
    q->code_count = in->n_codes;
    q->include_archived = in->include_archived;
    q->limit =
        field_limit(c, "limit", in->limit, TRANSACTION_TYPES_PAGE_MAX, TRANSACTION_TYPES_PAGE_MAX);
    q->after = place_first;
    q->binding = page_binding(c, &in->next_page, &consistency);
    if (err != ERR_OK || !q->binding.data)
        return ERR_EXHAUSTED;
    return *in->next_page ? page_read(c, q->binding, in->next_page, &q->after) : ERR_OK;
}

enum next list_transaction_types(struct call *c)
{
    static const struct read_method method = {"typs", ask, compute_list};
    list_request *in = (list_request *)c->request;
    struct types_query *q = arena_alloc(&c->arena, sizeof *q);

    if (!q)
        return call_fail_with(c, ERR_EXHAUSTED);
    enum err err = read_request(c, q, in);
    if (err != ERR_OK)
        return call_fail_with(c, err);
    return run(c, &method, q);
}
