/* libbalances: calls to a balances server from C.
 *
 *     struct balances *server;
 *     enum err err = balances_open(&(struct balances_options){.address = "127.0.0.1:50051"},
 * &server); struct balances_answer answer; balances_call(server, &call, &answer); // blocks, at
 * most call.timeout_ms if (answer.code == 0) use((Balances__V1__GetNetBalanceResponse
 * *)answer.reply); balances_answer_done(&answer); balances_close(server);
 *
 * The connection is made by the first call and made again when it breaks. One `struct balances` may
 * be used by any number of threads at once, but closed only when none is in a call. Nothing is
 * retried: whoever calls knows best what may be asked twice. */
#pragma once

#include <stdint.h>

#include <google/rpc/status.pb-c.h>
#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "client/channel.h"

struct balances;

/* All text is copied. */
struct balances_options {
    const char *address;    /* "host:port", "[::1]:50051", "unix:/path", "dns:///name:port" */
    const char *token;      /* the bearer token; NULL for none */
    const char *user_agent; /* names the program to the server; NULL for none */
    const struct channel_tls *tls; /* NULL: the connection is not encrypted */
};

/* What to ask; borrowed until the call returns. */
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

/* ERR_INVALID for a token that is empty or has other characters than visible ASCII; ERR_EXHAUSTED
 * without memory. An address is only looked at by the calls. */
MUST_CHECK enum err balances_open(const struct balances_options *options, struct balances **ret);
/* Takes NULL. */
void balances_close(struct balances *server);

/* Fills the answer in whatever happens; the caller ends it with balances_answer_done(). Beside the
 * server's codes: UNAVAILABLE when it cannot be reached, DEADLINE_EXCEEDED when the time is up,
 * INTERNAL for an answer that makes no sense, RESOURCE_EXHAUSTED without memory. */
void balances_call(struct balances *server, const struct balances_call *call,
                   struct balances_answer *ret);
void balances_answer_done(struct balances_answer *answer);
