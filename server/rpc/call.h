/* One unary call, from its arrival to its last completion, as the steps of a method see it.
 *
 * Steps decide, callbacks only record and resume. Before each step the driver looks whether the
 * call was cancelled or its deadline has passed, and ends it if so; a step that waits leaves
 * `cancel` set to what ends the wait early (the operation's callback still comes, once, and calls
 * call_resume()). Everything the call needs lives in its arena and dies with it. All on the loop
 * thread. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "rpc/access.h"
#include "rpc/status.h"

struct call;
struct worker;

enum { CALL_METADATA_MAX = 2 };

enum next {
    NEXT,         /* another step is set: run it */
    WAIT,         /* an operation is under way: its callback will resume */
    WAIT_BRIEFLY, /* the same, for so short a time that deadline and client are looked at after it
                   */
    DONE,         /* answered */
};

typedef enum next call_step_fn(struct call *c);

struct rpc_method {
    const char *path; /* "/balances.v1.BalanceService/ListBalances" */
    const ProtobufCMessageDescriptor *request;
    call_step_fn *first;
    /* Which of these a caller's token must be good for. SCOPE_WRITE | SCOPE_CATALOG: for the first
     * where the request names an owner, for the second where it names none. */
    unsigned scopes;
    /* The field that says whose things the request is about, by its id; NULL: nobody's. */
    const char *owner_field;
};

struct call {
    struct worker *worker;
    const struct rpc_method *method;
    struct arena arena;
    struct status status;
    ProtobufCMessage *request; /* decoded, in the arena; the method may change it */
    void *state;               /* the method's own */
    call_step_fn *step;
    void (*cancel)(struct call *c); /* while a step waits */
    /* Called once, when no step runs any more: gives back what the method holds outside of the
     * call. NULL: nothing. */
    void (*release)(struct call *c);
    /* What to tell a caller whose deadline passes now; NULL: the error's own text. */
    const char *late;
    /* Set where nobody knows whether the call takes effect: any failure is ERR_UNKNOWN then, and
     * says this; only the deadline has its own words. NULL: it is known. */
    const char *doubt;
    int64_t database_us; /* for the log: time spent waiting for it, */
    const char *cache;   /* and whether the cache had it; NULL where it was not asked */
};

/* The worker's application part, as rpc_options.open returned it. */
void *call_app(const struct call *c);
/* For protobuf-c: memory from the call's arena. */
ProtobufCAllocator call_allocator(struct call *c);

/* An operation's callback has recorded its outcome: go on with the next step. */
void call_resume(struct call *c);

/* Goes out with the answer, whatever it is; both are static texts. At most CALL_METADATA_MAX. */
void call_add_metadata(struct call *c, const char *key, const char *value);

/* Answers. Each returns DONE and is the last thing that a step does. */
enum next call_reply(struct call *c, const ProtobufCMessage *answer);
/* The same with an answer that is packed already, and is copied. */
enum next call_reply_packed(struct call *c, struct bytes answer);
/* With what `c->status` holds beside: violations, resource, reason. The text is cut at
 * STATUS_MESSAGE_BYTES_MAX. NULL means the error's own text. */
__attribute__((format(printf, 3, 4))) enum next call_fail(struct call *c, enum err err,
                                                          const char *format, ...);
/* With the error's own text, and a retry delay where trying again helps. */
enum next call_fail_with(struct call *c, enum err err);
/* ERR_INVALID with the violations in `c->status`, of which there is at least one. */
enum next call_fail_invalid(struct call *c);
/* ERR_NOT_FOUND about a thing. */
enum next call_fail_not_found(struct call *c, const char *type, const char *name);
/* ERR_PRECONDITION: `type`, static and upper-case, names the rule and is the reason, too; `subject`
 * is the thing whose state it is, "segment/2714e483-…". */
__attribute__((format(printf, 4, 5))) enum next call_fail_precondition(struct call *c,
                                                                       const char *type,
                                                                       const char *subject,
                                                                       const char *format, ...);
