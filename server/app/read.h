/* How every read runs: from Redis where that may be, else computed from one snapshot of the
 * database, once for all callers who want the same thing at the same time.
 *
 * A method reads its request, and then says how the answer is computed. A computation is nobody's:
 * callers wait for it, and the first caller's leaving does not fail the others. Its request and all
 * that it makes live in its own arena, which is the first caller's, handed over. */
#pragma once

#include "app/app.h"
#include "balances/v1/balances.pb-c.h"
#include "rpc/call.h"

struct computation;

struct read_method {
    const char *name; /* four letters, in the keys of the cache */
    /* Fills in the query. */
    enum err (*prepare)(struct computation *x);
    /* Reads the rows, of which there is one at least, and makes the answer: ends with
     * computation_answer() or one of the failures. `result` dies on return. */
    void (*compute)(struct computation *x, const struct sql_result *result);
};

struct computation {
    const struct read_method *method;
    void *request; /* what the method read, in the arena */
    struct id customer;
    const struct seal_key *token_key;
    instant now; /* the one instant of the answer */
    int64_t version;
    struct sql_req query;
    struct arena arena;
    struct computing *own; /* the driver's */
};

/* At `valid_until` the answer changes by itself. */
void computation_answer(struct computation *x, const ProtobufCMessage *answer, instant valid_until);
/* Fails for everyone who waits. NULL means the error's own text. */
__attribute__((format(printf, 3, 4))) void computation_fail(struct computation *x, enum err err,
                                                            const char *format, ...);
void computation_fail_not_found(struct computation *x, const char *type, const char *name);
/* With ERR_INTERNAL because the rows are not what the statement makes; logged. */
void computation_fail_rows(struct computation *x);

/* The rest of a read whose request has been read without a fault. `request` is in the call's arena;
 * `consistency` points into the call's request. Fails the call where the consistency is wrong. */
enum next read_run(struct call *c, const struct read_method *method, void *request,
                   const struct id *customer, Balances__V1__Consistency **consistency);

/* A worker's computations under way. */
struct reads *reads_open(uv_loop_t *loop);
/* When no call is left: closes its handle, then calls `closed`. */
void reads_close(struct reads *r, void (*closed)(void *arg), void *arg);
