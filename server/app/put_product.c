/* PutProduct and PutCreditType: the names that the answers of every customer show. Each may be
 * repeated at will; what is so already is left alone.
 *
 *     read the request --> put --> whose answers changed --> reply
 *
 * One statement makes or replaces, so there is no state to decide on. A trigger moves the versions
 * of all customers who have such a balance. */
#include "app/fields.h"
#include "app/write.h"
#include "balances/v1/catalog.pb-c.h"
#include "base/limits.h"

typedef Balances__V1__PutProductRequest product_request;
typedef Balances__V1__PutCreditTypeRequest credit_type_request;

struct name_write {
    struct write write;
    struct id id;
    const char *name;
    char *const *tags;
    size_t tag_count;
};

/* ---- PutProduct ---- */

static enum next decide_product(struct write *w)
{
    struct name_write *n = (struct name_write *)w;
    Balances__V1__PutProductResponse answer;

    struct sql_args *args = write_step(w, SQL_PUT_PRODUCT);
    args_id(args, &n->id);
    args_text(args, bytes_text(n->name));
    if (args_texts(args, &w->call->arena, (const char *const *)n->tags, n->tag_count) != ERR_OK)
        return call_fail_with(w->call, ERR_EXHAUSTED);
    balances__v1__put_product_response__init(&answer);
    return write_commit_names(w, &answer.base, SQL_PRODUCT_CHANGES, &n->id);
}

static const struct write_method product_method = {
    .name = "PutProduct",
    .answer = &balances__v1__put_product_response__descriptor,
    .state = SQL_STATEMENT_COUNT,
    .decide = decide_product,
    .repeatable = true,
};

enum next put_product(struct call *c)
{
    product_request *in = (product_request *)c->request;
    struct name_write *n = write_open(c, &product_method, sizeof *n);

    if (!n)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "id", in->id, &n->id);
    field_required_text(c, "name", in->name, NAME_CHARACTERS_MAX);
    field_tags(c, "tags", in->tags, in->n_tags);
    n->name = in->name;
    n->tags = in->tags;
    n->tag_count = in->n_tags;
    return write_start(&n->write, c->request, &n->id);
}

/* ---- PutCreditType ---- */

static enum next decide_credit_type(struct write *w)
{
    struct name_write *n = (struct name_write *)w;
    Balances__V1__PutCreditTypeResponse answer;

    struct sql_args *args = write_step(w, SQL_PUT_CREDIT_TYPE);
    args_id(args, &n->id);
    args_text(args, bytes_text(n->name));
    balances__v1__put_credit_type_response__init(&answer);
    return write_commit_names(w, &answer.base, SQL_CREDIT_TYPE_CHANGES, &n->id);
}

static const struct write_method credit_type_method = {
    .name = "PutCreditType",
    .answer = &balances__v1__put_credit_type_response__descriptor,
    .state = SQL_STATEMENT_COUNT,
    .decide = decide_credit_type,
    .repeatable = true,
};

enum next put_credit_type(struct call *c)
{
    credit_type_request *in = (credit_type_request *)c->request;
    struct name_write *n = write_open(c, &credit_type_method, sizeof *n);

    if (!n)
        return call_fail_with(c, ERR_EXHAUSTED);
    field_id(c, "id", in->id, &n->id);
    field_required_text(c, "name", in->name, NAME_CHARACTERS_MAX);
    n->name = in->name;
    return write_start(&n->write, c->request, &n->id);
}
