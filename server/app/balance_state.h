/* One balance as a write sees it before it decides: the row of balance_state.sql. */
#pragma once

#include "app/write.h"
#include "ledger/use.h"

/* Where an invoice stands; a draft where it is found and neither of the two. */
struct invoice_status {
    bool found, finalized, voided;
};

/* What is asked for beside the balance. */
struct balance_question {
    const char *key;               /* whether an entry has it: NULL or empty for none */
    bool with_use;                 /* its deductions */
    const struct id *new_contract; /* and what has rolled over already; or NULL */
    const struct id *invoice;      /* or NULL */
};

struct balance_state {
    bool key_used; /* the uniqueness key, by an entry */
    bool new_contract_found, new_contract_archived;
    struct invoice_status invoice;
    bool found;
    struct balance balance;
    struct id contract_id; /* of a contract-level balance */
    bool has_home;
    struct id home_id; /* the contract that it belongs to, or else is invoiced on */
    bool has_product;
    struct id product_id, credit_type_id;
    bool has_rollover_fraction;
    amount rollover_fraction;
    amount rolled_over; /* so far, positive */
    struct balance_use use;
};

/* The parameters after the driver's two. */
void balance_state_ask(struct sql_args *args, const struct id *balance,
                       const struct balance_question *question);
MUST_CHECK enum err balance_state_learn(struct balance_state *s, struct arena *a,
                                        struct sql_reader *r);
struct invoice_status read_invoice_status(struct sql_reader *r);
/* NULL if the balance has no such segment. */
const struct segment *balance_state_segment(const struct balance_state *s, const struct id *id);

/* A thing as PreconditionFailure names it, "segment/2714e483-…", in the call's arena. */
const char *subject_of(struct call *c, const char *type, const struct id *id);
/* An instant for a message, "2026-01-31T00:00:00Z", in the call's arena. */
const char *instant_text(struct call *c, instant at);
