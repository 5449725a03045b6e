/* GetCreditApplicationOrder and SetCreditApplicationOrder: whether commits and credits burn before
 * account balances, and which of the two burn at all; for the installation, and for customers who
 * have an order of their own (domain.md A13, B17).
 *
 *     read the request --> (app/read.c: look up, query) --> compute --> answer
 *     read the request --> state: whether it is so already --> decide --> set --> reply
 *
 * An order that a customer has from the installation changes with that one, of which the version of
 * the customer does not tell: such an answer is true at the moment when it is given, and not kept.
 */
#include "app/app.h"
#include "app/fields.h"
#include "app/message.h"
#include "app/read.h"
#include "app/write.h"
#include "balances/v1/account_balances.pb-c.h"

typedef Balances__V1__GetCreditApplicationOrderRequest get_request;
typedef Balances__V1__SetCreditApplicationOrderRequest set_request;

enum { APPLICATIONS = 2 };

static const char prefix[] = "CREDIT_APPLICATION_";

/* ---- GetCreditApplicationOrder ---- */

static enum err get_ask(struct computation *x)
{
    x->query.statement = SQL_CREDIT_APPLICATION_ORDER;
    args_id(&x->query.args, &x->customer);
    return ERR_OK;
}

/* The database's labels, as the wire has them. */
static size_t read_order(struct sql_reader *r, Balances__V1__CreditApplication ret[APPLICATIONS])
{
    struct sql_array array = read_array(r);
    struct sql_cell cell;
    char name[sizeof prefix + 16];
    size_t count = 0;

    while (array_next(r, &array, &cell)) {
        const ProtobufCEnumValue *value = NULL;
        if (cell.len >= 0 && cell.len < 16 && count < APPLICATIONS) {
            snprintf(name, sizeof name, "%s%.*s", prefix, (int)cell.len, (const char *)cell.data);
            value = protobuf_c_enum_descriptor_get_value_by_name(
                &balances__v1__credit_application__descriptor, name);
        }
        r->bad |= !value;
        if (value)
            ret[count++] = (Balances__V1__CreditApplication)value->value;
    }
    return count;
}

static void get_compute(struct computation *x, const struct sql_result *result)
{
    struct sql_reader r = result_row(result, 0);
    Balances__V1__GetCreditApplicationOrderResponse answer;
    Balances__V1__CreditApplication order[APPLICATIONS];

    balances__v1__get_credit_application_order_response__init(&answer);
    read_int(&r); /* the version */
    answer.order = order;
    answer.n_order = read_order(&r, order);
    answer.inherited = read_bool(&r);
    if (reader_ok(&r))
        computation_answer(x, &answer.base, answer.inherited ? x->now : INSTANT_NEVER);
    else
        computation_fail_rows(x);
}

enum next get_credit_application_order(struct call *c)
{
    static const struct read_method method = {"ordr", get_ask, get_compute};
    get_request *in = (get_request *)c->request;
    Balances__V1__Consistency *consistency = NULL;
    struct id customer = installation_id;

    field_optional_id(c, "customer_id", in->customer_id, &customer);
    return read_run(c, &method, NULL, &customer, &consistency);
}

/* ---- SetCreditApplicationOrder ---- */

struct set_order {
    struct write write;
    bool of_customer;
    const char *labels[APPLICATIONS];
    size_t count;

    bool is_so;
};

static enum err add_order(const struct set_order *s, struct sql_args *args)
{
    if (s->count > 0)
        return args_texts(args, &s->write.call->arena, s->labels, s->count);
    args_null(args);
    return ERR_OK;
}

static void set_ask(struct write *w, struct sql_args *args)
{
    (void)add_order((struct set_order *)w, args); /* the driver looks whether the arena is full */
}

static enum err set_learn(struct write *w, struct sql_reader *r)
{
    struct set_order *s = (struct set_order *)w;

    s->is_so = read_bool(r);
    return ERR_OK;
}

static enum next set_decide(struct write *w)
{
    struct set_order *s = (struct set_order *)w;
    Balances__V1__SetCreditApplicationOrderResponse answer;

    if (!s->is_so) {
        write_lock(w);
        struct sql_args *args =
            write_step(w, s->of_customer ? SQL_ORDER_CUSTOMER : SQL_ORDER_INSTALLATION);
        if (s->of_customer)
            args_id(args, &w->customer);
        if (add_order(s, args) != ERR_OK)
            return call_fail_with(w->call, ERR_EXHAUSTED);
    }
    balances__v1__set_credit_application_order_response__init(&answer);
    return write_commit(w, &answer.base);
}

static void read_set_order(struct set_order *s, const set_request *in)
{
    struct call *c = s->write.call;
    const ProtobufCEnumDescriptor *type = &balances__v1__credit_application__descriptor;

    if (!s->of_customer && in->n_order == 0)
        field_wrong(c, "order", "is required for the organization");
    if (!field_count(c, "order", in->n_order, APPLICATIONS))
        return;
    if (in->n_order == APPLICATIONS && in->order[0] == in->order[1])
        field_wrong(c, "order", "must name each at most once");
    for (size_t i = 0; i < in->n_order; i++) {
        const int number = (int)in->order[i];
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
        if (value && number != 0)
            s->labels[s->count++] = value->name + strlen(prefix);
        else
            field_wrong(c, i == 0 ? "order[0]" : "order[1]", "is not an application of credit: %d",
                        number);
    }
}

static const struct write_method set_method = {
    .name = "SetCreditApplicationOrder",
    .answer = &balances__v1__set_credit_application_order_response__descriptor,
    .state = SQL_ORDER_STATE,
    .ask = set_ask,
    .learn = set_learn,
    .decide = set_decide,
};

enum next set_credit_application_order(struct call *c)
{
    set_request *in = (set_request *)c->request;
    const bool of_customer = *in->customer_id != '\0';
    struct set_order *s = write_open(c, &set_method, sizeof *s);

    if (!s)
        return call_fail_with(c, ERR_EXHAUSTED);
    s->of_customer = of_customer;
    if (of_customer)
        write_read_customer(&s->write, "customer_id", in->customer_id);
    read_set_order(s, in);
    write_read_request_id(&s->write, &in->request_id);
    return write_start(&s->write, c->request, &s->write.customer);
}
