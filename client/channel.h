/* The transport of libbalances: bytes out, bytes and a status back. The only room that knows gRPC
 * is channel.c; nothing of it shows here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct channel;

/* Everything is borrowed until the call returns. */
struct channel_call {
    const char *path;          /* "/balances.v1.BalanceService/ListBalances" */
    const char *authorization; /* that header's value, visible ASCII and blanks; NULL for none */
    struct bytes request;
    int64_t timeout_ms;
};

/* Owned by the caller; see channel_result_done(). */
struct channel_result {
    int code;
    char *message;  /* NULL without memory */
    uint8_t *reply; /* NULL where none came */
    size_t reply_bytes;
    uint8_t *details; /* of grpc-status-details-bin; NULL where there was none */
    size_t details_bytes;
};

/* TLS, from PEM texts. */
struct channel_tls {
    const char *ca; /* whose certificates servers may have, for the address's name; NULL: any */
    const char *certificate, *key; /* the client's own; NULL: none */
};

/* `user_agent` may be NULL, and so may `tls`: plaintext; `attempts` is from 1 to 5. NULL without
 * memory; a bad address, or a certificate that will not do, fails the calls, not this. */
struct channel *channel_create(const char *address, const char *user_agent, int attempts,
                               const struct channel_tls *tls);
/* Ends the calls that were started, and waits until they have been told. Takes NULL. No blocking
 * call may be under way. */
void channel_free(struct channel *channel);

/* One unary call; blocks until it is over, which is never after the timeout. Any number of threads
 * may be in it at once. */
void channel_call(struct channel *channel, const struct channel_call *call,
                  struct channel_result *ret);
/* The same without waiting: `done`, on the channel's thread, takes the result over. False without
 * memory or a thread. */
bool channel_start(struct channel *channel, const struct channel_call *call,
                   void (*done)(void *arg, struct channel_result *result), void *arg);
void channel_result_done(struct channel_result *result);
