/* One connection to PostgreSQL in pipeline mode, on a libuv loop. Internal to sql/: the pool owns
 * it, decides what it sends, and hears what became of it. */
#pragma once

#include "sql/pool.h"

enum conn_state {
    CONN_DOWN,       /* waits to try again */
    CONN_CONNECTING, /* until the server has let us in */
    CONN_PREPARING,  /* until it has our settings and statements */
    CONN_READY,
    CONN_CLOSED, /* for good */
};

struct conn;

struct conn_owner {
    void (*state_changed)(void *arg, struct conn *c);
    /* A request's answer. With `retry` it came to harm by a cancel that was meant for another and
     * must run again. `result` dies on return. */
    void (*completed)(void *arg, struct sql_req *req, enum err err, bool retry,
                      const struct sql_result *result);
    void *arg;
    uint64_t *sessions; /* counts all that were ever established */
};

/* NULL on no memory. Starts to connect. */
struct conn *conn_open(const struct pool_options *options, const struct conn_owner *owner);
/* Completes everything with ERR_UNAVAILABLE, then closes its handles, then calls `closed`. */
void conn_close(struct conn *c, void (*closed)(void *arg), void *arg);

enum conn_state conn_state(const struct conn *c);
/* Whether it was ready once, or failed once, since it was opened. */
bool conn_has_tried(const struct conn *c);
/* Requests and other statements on their way. */
int conn_in_flight(const struct conn *c);
/* How long the oldest of them has been waiting; 0 if there is none. */
int64_t conn_oldest_us(const struct conn *c, int64_t monotonic_us);
const struct seal_key *conn_key(const struct conn *c);
const struct id *conn_origin(const struct conn *c);

/* CONN_READY and room in flight are the caller's to check. */
void conn_send(struct conn *c, struct sql_req *req);
/* Forgets a request that has a slot: it will not be completed. Its statement is cancelled if it
 * keeps running. */
void conn_abandon(struct sql_req *req);
/* Asks for a sign of life; the answer counts as any other in conn_oldest_us(). */
void conn_ping(struct conn *c);
/* Gives the connection up and starts over. */
void conn_reset(struct conn *c, const char *why);
