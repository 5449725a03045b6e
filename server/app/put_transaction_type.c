/* CreateTransactionType, UpdateTransactionType and DeleteTransactionType: what transactions of
 * account balances are told apart by (domain.md A13).
 *
 *     read the request --> state: the type, whether it is used --> decide
 *         --> lock, create, update or delete --> reply with the type
 *
 * Types belong to no customer. Their writes go in line and are ordered by the version of the
 * installation, so that of two who want one code the second hears of the first. */
#include "app/balance_state.h"
#include "app/fields.h"
#include "app/message.h"
#include "balances/v1/account_balances.pb-c.h"
#include "base/limits.h"
#include "base/utf8.h"

typedef Balances__V1__CreateTransactionTypeRequest create_request;
typedef Balances__V1__UpdateTransactionTypeRequest update_request;
typedef Balances__V1__DeleteTransactionTypeRequest delete_request;

struct put_type {
    struct write write;
    bool has_type; /* that is updated or deleted */
    struct id id;
    char *id_text, *name, *code;
    bool archived;
    int64_t version;

    bool code_used, in_use, found;
    Balances__V1__TransactionType stored;
};

/* ---- the request ---- */

static void read_names(struct put_type *t, char *name, char *code)
{
    struct call *c = t->write.call;

    field_required_text(c, "name", name, TYPE_NAME_CHARACTERS_MAX);
    field_text(c, "code", code, CODE_CHARACTERS_MAX);
    if (*code && !utf8_is_identifier(code))
        field_wrong(c, "code",
                    "must be a letter, \"_\" or \"$\", then letters, digits, \"_\" or \"$\"");
    t->name = name;
    t->code = code;
}

static void read_type(struct put_type *t, char *text)
{
    field_id(t->write.call, "id", text, &t->id);
    t->has_type = true;
    t->id_text = text;
}

/* ---- the state ---- */

static void ask(struct write *w, struct sql_args *args)
{
    struct put_type *t = (struct put_type *)w;

    write_optional_id(args, t->has_type, &t->id);
    write_optional_text(args, t->code);
}

static enum err learn(struct write *w, struct sql_reader *r)
{
    struct put_type *t = (struct put_type *)w;
    struct arena *a = &w->call->arena;

    t->code_used = read_bool(r);
    t->in_use = read_bool(r);
    t->found = !read_null(r);
    if (!t->found)
        return ERR_OK;
    balances__v1__transaction_type__init(&t->stored);
    t->stored.id = read_message_id(r, a);
    t->stored.name = read_message_text(r, a);
    t->stored.code = read_message_text(r, a);
    t->stored.archived = read_bool(r);
    t->stored.version = read_int(r);
    return ERR_OK;
}

/* ---- the decision ---- */

static enum next fail_code_used(struct put_type *t)
{
    t->write.call->status.reason = "CODE_USED";
    return call_fail(t->write.call, ERR_EXISTS, "another transaction type has the code %s",
                     t->code);
}

static enum next decide_create(struct write *w)
{
    struct put_type *t = (struct put_type *)w;
    const struct id id = id_random();
    struct id_text text = id_format(&id);
    Balances__V1__CreateTransactionTypeResponse answer;
    Balances__V1__TransactionType m;

    if (t->code_used)
        return fail_code_used(t);
    write_lock(w);
    struct sql_args *args = write_step(w, SQL_CREATE_TRANSACTION_TYPE);
    args_id(args, &id);
    args_text(args, bytes_text(t->name));
    write_optional_text(args, t->code);
    balances__v1__transaction_type__init(&m);
    m.id = text.text;
    m.name = t->name;
    m.code = t->code;
    m.version = 1;
    balances__v1__create_transaction_type_response__init(&answer);
    answer.transaction_type = &m;
    return write_commit(w, &answer.base);
}

static enum next decide_update(struct write *w)
{
    struct put_type *t = (struct put_type *)w;
    Balances__V1__UpdateTransactionTypeResponse answer;
    Balances__V1__TransactionType *m = &t->stored;

    if (!t->found)
        return call_fail_not_found(w->call, "transaction_type", t->id_text);
    if (m->version != t->version)
        return write_fail_version(w, "transaction type", t->id_text, m->version, t->version);
    if (t->code_used)
        return fail_code_used(t);
    write_lock(w);
    struct sql_args *args = write_step(w, SQL_UPDATE_TRANSACTION_TYPE);
    args_id(args, &t->id);
    args_text(args, bytes_text(t->name));
    write_optional_text(args, t->code);
    args_bool(args, t->archived);
    m->name = t->name;
    m->code = t->code;
    m->archived = t->archived;
    m->version++;
    balances__v1__update_transaction_type_response__init(&answer);
    answer.transaction_type = m;
    return write_commit(w, &answer.base);
}

static enum next decide_delete(struct write *w)
{
    struct put_type *t = (struct put_type *)w;
    Balances__V1__DeleteTransactionTypeResponse answer;

    if (!t->found)
        return call_fail_not_found(w->call, "transaction_type", t->id_text);
    if (t->in_use)
        return call_fail_precondition(
            w->call, "TRANSACTION_TYPE_IN_USE", subject_of(w->call, "transaction_type", &t->id),
            "transactions are of type %s: archive it instead", t->id_text);
    write_lock(w);
    struct sql_args *args = write_step(w, SQL_DELETE_TRANSACTION_TYPE);
    args_id(args, &t->id);
    balances__v1__delete_transaction_type_response__init(&answer);
    answer.transaction_type = &t->stored;
    return write_commit(w, &answer.base);
}

/* ---- the methods ---- */

static const struct write_method create_method = {
    .name = "CreateTransactionType",
    .answer = &balances__v1__create_transaction_type_response__descriptor,
    .state = SQL_TRANSACTION_TYPE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide_create,
};

enum next create_transaction_type(struct call *c)
{
    create_request *in = (create_request *)c->request;
    struct put_type *t = write_open(c, &create_method, sizeof *t);

    if (!t)
        return call_fail_with(c, ERR_EXHAUSTED);
    read_names(t, in->name, in->code);
    write_read_request_id(&t->write, &in->request_id);
    return write_start(&t->write, c->request, &installation_id);
}

static const struct write_method update_method = {
    .name = "UpdateTransactionType",
    .answer = &balances__v1__update_transaction_type_response__descriptor,
    .state = SQL_TRANSACTION_TYPE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide_update,
};

enum next update_transaction_type(struct call *c)
{
    update_request *in = (update_request *)c->request;
    struct put_type *t = write_open(c, &update_method, sizeof *t);

    if (!t)
        return call_fail_with(c, ERR_EXHAUSTED);
    read_type(t, in->id);
    read_names(t, in->name, in->code);
    t->archived = in->archived;
    field_version(c, "version", in->version);
    t->version = in->version;
    write_read_request_id(&t->write, &in->request_id);
    return write_start(&t->write, c->request, &installation_id);
}

static const struct write_method delete_method = {
    .name = "DeleteTransactionType",
    .answer = &balances__v1__delete_transaction_type_response__descriptor,
    .state = SQL_TRANSACTION_TYPE_STATE,
    .ask = ask,
    .learn = learn,
    .decide = decide_delete,
};

enum next delete_transaction_type(struct call *c)
{
    delete_request *in = (delete_request *)c->request;
    struct put_type *t = write_open(c, &delete_method, sizeof *t);

    if (!t)
        return call_fail_with(c, ERR_EXHAUSTED);
    read_type(t, in->id);
    t->code = message_no_text();
    write_read_request_id(&t->write, &in->request_id);
    return write_start(&t->write, c->request, &installation_id);
}
