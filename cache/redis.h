/* One connection to Redis on a libuv loop. Internal to cache/: it sends what it is given, in order,
 * and says what came back; it connects by itself and goes on trying until it is closed.
 *
 * Redis is not trusted: an answer may have any shape, and its size is bounded. A connection that
 * does not keep to the protocol, or does not answer in time, is given up, and so is a server that
 * is not the same master any more. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/metrics.h"
#include "cache/scripts.h"
#include "cache/url.h"

enum redis_state {
    REDIS_IS_DOWN,       /* waits to try again */
    REDIS_IS_CONNECTING, /* until the socket is connected */
    REDIS_IS_GREETING,   /* until we are let in, know whom we talk to, and it has our scripts */
    REDIS_IS_READY,
    REDIS_IS_CLOSED, /* for good */
};

enum { REDIS_PARTS_MAX = 8, REDIS_ITEMS_MAX = 4, REDIS_ID_LEN = 40 };

struct redis;
struct redis_slot;

enum redis_kind {
    REDIS_NOTHING, /* nil */
    REDIS_TEXT,
    REDIS_NUMBER,
    REDIS_REFUSAL, /* an error: `text` says which */
    REDIS_LIST,
    REDIS_STRANGE, /* anything else */
};

struct redis_value {
    enum redis_kind kind;
    struct bytes text; /* of a text or a refusal */
    int64_t number;    /* of a number */
};

struct redis_reply {
    struct redis_value self;
    struct redis_value items[REDIS_ITEMS_MAX]; /* of a list; lists in it are strange */
    int item_count;
};

/* The answer to a command; `reply` dies on return and is there unless err is ERR_UNAVAILABLE.
 *   ERR_OK           what Redis answered
 *   ERR_EXHAUSTED    Redis is full
 *   ERR_INTERNAL     Redis refused it
 *   ERR_UNAVAILABLE  the connection was given up; the command may have run */
typedef void redis_done_fn(void *owner, void *arg, enum err err, const struct redis_reply *reply);

struct redis_command {
    bool is_script; /* then parts are its keys and arguments; */
    enum cache_script script;
    int key_count;
    struct bytes parts[REDIS_PARTS_MAX]; /* otherwise the command's name and what follows */
    int count;
    redis_done_fn *done; /* called exactly once, unless abandoned, and never within redis_send() */
    void *arg;
};

/* Whom we talk to. Zeros before it was ready once. */
struct redis_server {
    char run_id[REDIS_ID_LEN]; /* of the process */
    char replid[REDIS_ID_LEN]; /* of its history as a master */
};

struct redis_options {
    uv_loop_t *loop;
    const struct url *url;   /* copied */
    int64_t timeout_us;      /* of an answer */
    struct metrics *metrics; /* this thread's; outlives it */
    void *owner;             /* for redis_done_fn */
};

/* Whether rediss:// is to be had in this build. */
bool redis_has_tls(void);

struct redis *redis_open(const struct redis_options *options);
/* Completes everything with ERR_UNAVAILABLE, then closes its handles, then calls `closed`. */
void redis_close(struct redis *r, void (*closed)(void *arg), void *arg);

/* As of the newest session, which is the present one while it is ready. */
const struct redis_server *redis_server(const struct redis *r);
/* How many sessions were ready so far. */
uint64_t redis_session(const struct redis *r);
/* Whether there is room for a lookup or a fill, and for a raise, which finds room for longer. Never
 * while it is not ready. */
bool redis_has_room(const struct redis *r, bool for_raise);

/* Room is the caller's to check. What is sent in one turn of the loop travels together. The slot is
 * good for redis_abandon() until `done` is called. */
struct redis_slot *redis_send(struct redis *r, const struct redis_command *command);
/* `done` will not be called. The command runs all the same. */
void redis_abandon(struct redis_slot *slot);
/* Gives a ready connection up and starts over. */
void redis_reset(struct redis *r, const char *why);
