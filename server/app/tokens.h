/* The two opaque texts that callers hand back to us.
 *
 * A consistency token names a version of one customer's ledger. A page token names a place in the
 * order of a list, and belongs to one method and one request: all fields but next_page and the
 * consistency must be as they were. Neither grants anything. Both are sealed with the
 * installation's key, which comes from the database, so a call that has or needs one fails as
 * unavailable before the first connection.
 */
#pragma once

#include "app/app.h"
#include "balances/v1/balances.pb-c.h"
#include "base/id.h"
#include "base/seal.h"

/* What a read asks for, beside its fields. */
struct freshness {
    bool has_token;
    bool fully;       /* nothing older than the moment of the call */
    int64_t at_least; /* the version that the answer must include; 0: any */
};

/* Reads the consistency field. What is wrong with it is added to the call's status; ERR_UNAVAILABLE
 * if tokens cannot be checked yet. */
MUST_CHECK enum err freshness_read(struct call *c, const Balances__V1__Consistency *consistency,
                                   const struct id *customer, struct freshness *ret);
/* Whether the state that was read is what the token, if any, asks for; otherwise the token is from
 * the future and a violation is added. */
bool freshness_holds(struct call *c, const struct freshness *f, int64_t version);

/* Text in the arena; NULL when it is full. The key is pool_key(), which is there once a connection
 * was. */
char *consistency_token(const struct seal_key *key, struct arena *a, const struct id *customer,
                        int64_t version);
void consistency_token_make(const struct seal_key *key, const struct id *customer, int64_t version,
                            char ret[static SEAL_TEXT_MAX]);

/* A place in a list: the last thing shown. `rank` breaks ties in the ledger, and is 0 elsewhere. */
struct place {
    instant at;
    int rank;
    struct id id;
};

/* Before every stored instant, and before every id. */
extern const struct place place_first;

/* What a page token is bound to: the request without its next_page and without its consistency,
 * which says how fresh the page is to be and not what is on it; in the call's arena, its data NULL
 * when that is full. Both pointers point into the request. */
struct bytes page_binding(struct call *c, char **next_page,
                          Balances__V1__Consistency **consistency);
char *page_token(const struct seal_key *key, struct arena *a, struct bytes binding,
                 const struct place *place);
/* A token that is damaged or of another request is a violation. */
MUST_CHECK enum err page_read(struct call *c, struct bytes binding, const char *token,
                              struct place *ret);
