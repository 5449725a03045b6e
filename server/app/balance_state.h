/* One balance as a write sees it before it decides: the row of balance_state.sql. */
#pragma once

#include "app/write.h"
#include "ledger/use.h"

struct balance_state {
    bool key_used; /* the uniqueness key, by an entry */
    bool found;
    struct balance balance;
    struct id contract_id; /* of a contract-level balance */
    struct balance_use use;
};

/* The parameters after the driver's two. `key` may be empty. `with_use`: deductions are wanted. */
void balance_state_ask(struct sql_args *args, const struct id *balance, const char *key,
                       bool with_use);
MUST_CHECK enum err balance_state_learn(struct balance_state *s, struct arena *a,
                                        struct sql_reader *r);
/* NULL if the balance has no such segment. */
const struct segment *balance_state_segment(const struct balance_state *s, const struct id *id);

/* A thing as PreconditionFailure names it, "segment/2714e483-…", in the call's arena. */
const char *subject_of(struct call *c, const char *type, const struct id *id);
/* An instant for a message, "2026-01-31T00:00:00Z", in the call's arena. */
const char *instant_text(struct call *c, instant at);
