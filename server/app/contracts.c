/* PutCustomer, PutContract and ArchiveContract: the customers that balances belong to, and their
 * contracts. Each may be repeated at will; what is so already is left alone.
 *
 *     read the request --> state: both as they are --> decide --> create, rename or archive -->
 * reply
 *                                                       '--so already------------------------^
 */
#include "app/fields.h"
#include "app/write.h"
#include "balances/v1/catalog.pb-c.h"
#include "base/limits.h"

typedef Balances__V1__PutCustomerRequest customer_request;
typedef Balances__V1__PutContractRequest contract_request;
typedef Balances__V1__ArchiveContractRequest archive_request;

struct contract_write {
    struct write write;
    bool has_contract;
    struct id contract_id;
    const char *contract_text, *name;

    bool contract_exists, contract_is_archived;
    bool same_customer_name, same_contract_name;
};

/* ---- the state ---- */

static void ask(struct write *w, struct sql_args *args)
{
    struct contract_write *k = (struct contract_write *)w;

    write_optional_id(args, k->has_contract, &k->contract_id);
}

/* A name that is null is nobody's. */
static bool read_same(struct sql_reader *r, const char *name)
{
    if (read_null(r))
        return false;
    struct bytes text = read_text(r);
    return text.len == strlen(name) && memcmp(text.data, name, text.len) == 0;
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct contract_write *k = (struct contract_write *)w;

    k->same_customer_name = read_same(r, k->name);
    k->contract_exists = read_bool(r);
    k->same_contract_name = read_same(r, k->name);
    k->contract_is_archived = read_bool(r);
    return ERR_OK;
}

/* ---- PutCustomer ---- */

static enum next decide_customer(struct write *w)
{
    struct contract_write *k = (struct contract_write *)w;
    Balances__V1__PutCustomerResponse answer;

    if (w->customer_exists && !k->same_customer_name)
        write_lock(w);
    if (!w->customer_exists || !k->same_customer_name) {
        struct sql_args *args =
            write_step(w, w->customer_exists ? SQL_RENAME_CUSTOMER : SQL_CREATE_CUSTOMER);
        args_id(args, &w->customer);
        args_text(args, bytes_text(k->name));
    }
    balances__v1__put_customer_response__init(&answer);
    return write_commit(w, &answer.base);
}

static const struct write_method put_customer_method = {
    .name = "PutCustomer",
    .answer = &balances__v1__put_customer_response__descriptor,
    .state = SQL_CONTRACT_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide_customer,
    .makes_customer = true,
    .repeatable = true,
};

enum next put_customer(struct call *c)
{
    customer_request *in = (customer_request *)c->request;
    struct contract_write *k = write_open(c, &put_customer_method, sizeof *k);

    if (!k)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&k->write, "id", in->id);
    field_required_text(c, "name", in->name, NAME_CHARACTERS_MAX);
    k->name = in->name;
    return write_start(&k->write, c->request, &k->write.customer);
}

/* ---- PutContract ---- */

static enum next decide_contract(struct write *w)
{
    struct contract_write *k = (struct contract_write *)w;
    Balances__V1__PutContractResponse answer;

    if (!k->contract_exists || !k->same_contract_name) {
        write_lock(w);
        struct sql_args *args =
            write_step(w, k->contract_exists ? SQL_RENAME_CONTRACT : SQL_CREATE_CONTRACT);
        args_id(args, &w->customer);
        args_id(args, &k->contract_id);
        args_text(args, bytes_text(k->name));
    }
    balances__v1__put_contract_response__init(&answer);
    return write_commit(w, &answer.base);
}

static const struct write_method put_contract_method = {
    .name = "PutContract",
    .answer = &balances__v1__put_contract_response__descriptor,
    .state = SQL_CONTRACT_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide_contract,
    .repeatable = true,
};

enum next put_contract(struct call *c)
{
    contract_request *in = (contract_request *)c->request;
    struct contract_write *k = write_open(c, &put_contract_method, sizeof *k);

    if (!k)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&k->write, "customer_id", in->customer_id);
    field_id(c, "id", in->id, &k->contract_id);
    field_required_text(c, "name", in->name, NAME_CHARACTERS_MAX);
    k->has_contract = true;
    k->name = in->name;
    return write_start(&k->write, c->request, &k->write.customer);
}

/* ---- ArchiveContract ---- */

static enum next decide_archive(struct write *w)
{
    struct contract_write *k = (struct contract_write *)w;
    Balances__V1__ArchiveContractResponse answer;

    if (!k->contract_exists)
        return call_fail_not_found(w->call, "contract", k->contract_text);
    if (!k->contract_is_archived) {
        write_lock(w);
        struct sql_args *args = write_step(w, SQL_ARCHIVE_CONTRACT);
        args_id(args, &w->customer);
        args_id(args, &k->contract_id);
    }
    balances__v1__archive_contract_response__init(&answer);
    return write_commit(w, &answer.base);
}

static const struct write_method archive_contract_method = {
    .name = "ArchiveContract",
    .answer = &balances__v1__archive_contract_response__descriptor,
    .state = SQL_CONTRACT_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide_archive,
    .repeatable = true,
};

enum next archive_contract(struct call *c)
{
    archive_request *in = (archive_request *)c->request;
    struct contract_write *k = write_open(c, &archive_contract_method, sizeof *k);

    if (!k)
        return call_fail_with(c, ERR_EXHAUSTED);
    write_read_customer(&k->write, "customer_id", in->customer_id);
    field_id(c, "id", in->id, &k->contract_id);
    k->has_contract = true;
    k->contract_text = in->id;
    k->name = "";
    return write_start(&k->write, c->request, &k->write.customer);
}
