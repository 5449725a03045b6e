/* The fields of an account balance that a caller may set (domain.md A13): read from a request,
 * shown in an answer, and as parameters of create_account_balance.sql and
 * update_account_balance.sql. */
#pragma once

#include "app/write.h"
#include "balances/v1/account_balances.pb-c.h"

struct account_spec {
    const Balances__V1__AccountBalanceSpec *in;
    struct id credit_type_id, contract_id;
    bool has_contract;
    instant starting_at, ending_before;
    bool has_rollover, has_rollover_cap;
    instant rollover_ending_before;
    amount rollover_cap;
    struct id *product_ids;
    const char **line_item_types; /* the database's labels */
    struct bytes custom_fields;   /* as JSON */
    bool has_consumptions_product, has_fees_product;
    struct id consumptions_product_id, fees_product_id;
};

/* Reads `spec` of the call's request, NULL where there is none; what is wrong is added to the
 * call's status. ERR_EXHAUSTED when the arena is full. */
MUST_CHECK enum err account_spec_read(struct call *c, Balances__V1__AccountBalanceSpec *in,
                                      struct account_spec *ret);
/* Sets the fields of `m` that come from a spec: all but the id, the customer, the credit type, the
 * amount, the version and the times of the row. */
void account_spec_show(const struct account_spec *s, struct arena *a,
                       Balances__V1__AccountBalance *m);
/* Adds the parameters, from the credit type on. ERR_EXHAUSTED when the arena is full. */
MUST_CHECK enum err account_spec_args(const struct account_spec *s, struct arena *a,
                                      struct sql_args *args);
