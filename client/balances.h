/* libbalances: calls to a balances server from C.
 *
 *     const char *why;
 *     struct balances_options options = {.address = "dns:///balances:50051"};
 *     struct balances *server = balances_open(&options, &why);
 *
 *     struct balances_answer answer;
 *     balances_call(server, &call, &answer); // blocks, at most call.timeout_ms
 *     if (answer.code == 0)
 *         use((Balances__V1__GetNetBalanceResponse *)answer.reply);
 *     balances_answer_done(&answer);
 *     balances_close(server);
 *
 * Connections are made by the first call and made again when they break. Where the address names
 * several servers, calls take turns at them. One `struct balances` may be used by any number of
 * threads at once, but closed only when none is in a blocking call.
 *
 * What fails because a server is away (UNAVAILABLE) or has too much to do (RESOURCE_EXHAUSTED) is
 * tried again by gRPC's rules: after pauses that grow, or after the time that the server says, and
 * never past the call's timeout. No write takes place twice by that: one without a request_id is
 * given one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <google/rpc/status.pb-c.h>
#include <protobuf-c/protobuf-c.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BALANCES_API __attribute__((visibility("default")))

struct balances;

/* TLS, from PEM texts. */
struct balances_tls {
    const char *ca; /* whose certificates servers may have, for the address's name; NULL: any */
    const char *certificate, *key; /* the client's own; NULL: none */
};

/* All text is copied. */
struct balances_options {
    const char *address;    /* "host:port", "[::1]:50051", "unix:/path", "dns:///name:port" */
    const char *token;      /* the bearer token; NULL for none */
    const char *user_agent; /* names the program to the server; NULL for none */
    int attempts;           /* at a call, from 1 (no other) to 5; 0 means 4 */
    const struct balances_tls *tls; /* NULL: the connection is not encrypted */
};

/* What to ask; borrowed until the function returns. */
struct balances_call {
    const ProtobufCServiceDescriptor *service;
    const char *method;              /* one of the service's: "ListBalances" */
    const ProtobufCMessage *request; /* of the method's input type */
    int64_t timeout_ms;              /* from now to the answer, the connection included; above 0 */
};

/* What came back. */
struct balances_answer {
    int code;                     /* gRPC's status code; 0 is OK */
    char *message;                /* what the server says of an error, or why it was not reached */
    Google__Rpc__Status *details; /* the error's details where the server sent any, or NULL */
    ProtobufCMessage *reply;      /* of the method's output type; NULL unless `code` is 0 */
};

/* NULL for a token that is empty or has other characters than visible ASCII, for a number of
 * attempts out of range, and without memory; `ret_why`, a static text, says which. An address is
 * only looked at by the calls. */
BALANCES_API struct balances *balances_open(const struct balances_options *options,
                                            const char **ret_why);
/* Ends calls that were started with CANCELLED, and returns when they all have been told. Not from
 * `done`. Takes NULL. */
BALANCES_API void balances_close(struct balances *server);

/* Fills the answer in whatever happens; the caller ends it with balances_answer_done(). Beside the
 * server's codes: UNAVAILABLE when it cannot be reached, DEADLINE_EXCEEDED when the time is up,
 * INTERNAL for an answer that makes no sense, RESOURCE_EXHAUSTED without memory. */
BALANCES_API void balances_call(struct balances *server, const struct balances_call *call,
                                struct balances_answer *ret);
BALANCES_API void balances_answer_done(struct balances_answer *answer);

/* Is told of the end of a call, once, on the library's own thread, which all calls share: it must
 * not block, but may start other calls. It ends the answer with balances_answer_done(). */
typedef void balances_done_fn(void *arg, struct balances_answer *answer);

/* The same without waiting. False without memory: then `done` is never called. */
BALANCES_API bool balances_start(struct balances *server, const struct balances_call *call,
                                 balances_done_fn *done, void *arg);

#ifdef __cplusplus
}
#endif
